"""Somebody presses the button of a speaker that is muted."""

from __future__ import annotations

from speakerd.core.notices import Notice
from tests.fakes.room_tools import notice_likeness


async def test_a_muted_speaker_that_is_asked_to_listen_says_that_it_is_muted(play):
    """``speakerd wake`` opens nothing; it says why, and it listens again when it is unmuted."""
    async with play() as stage:
        await stage.tell("mute")
        asked_s = stage.room.now_s()
        assert (await stage.tell("wake"))["line"] == "muted"
        said = await stage.wait_for("notice", notice="muted", after_s=asked_s)
        await stage.until(said["t"] + 1.0)
        assert notice_likeness(stage.room, Notice.MUTED, said["t"], said["t"] + 1.0) > 0.9
        status = await stage.status()
        assert (status["phase"], status["link"]["sessions"]) == ("idle", 0)
        assert [mark for mark in stage.marks("uplink") if "bytes" in mark] == []
        await stage.tell("unmute")
        assert (await stage.tell("wake"))["line"] == "in conversation, turn 1"
        await stage.wait_for("link.up", after_s=said["t"])
        await stage.tell("stop")
