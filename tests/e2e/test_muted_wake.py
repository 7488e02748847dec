"""Somebody presses the button of a speaker that is muted."""

from __future__ import annotations

import pytest

from speakerd.core.errors import SpeakerdError
from speakerd.core.notices import Notice
from tests.fakes.room_tools import notice_likeness


async def test_a_muted_speaker_that_is_asked_to_listen_says_that_it_is_muted(play):
    """``speakerd wake``, which began a conversation a moment ago, opens nothing any more, and the room hears why."""
    async with play() as stage:
        assert (await stage.tell("wake"))["line"] == "in conversation, turn 1"
        await stage.wait_for("link.up")
        await stage.tell("stop")
        await stage.tell("mute")
        asked_s = stage.room.now_s()
        with pytest.raises(SpeakerdError, match="speakerd unmute") as refused:
            await stage.tell("wake")
        assert refused.value.code == "wake-muted"
        said = await stage.wait_for("notice", notice="muted", after_s=asked_s)
        await stage.until(said["t"] + 1.5)
        assert notice_likeness(stage.room, Notice.MUTED, said["t"], said["t"] + 1.5) > 0.9
        status = await stage.status()
        assert (status["phase"], status["link"]["sessions"], status["link"]["state"]) == ("idle", 1, "closed")
        assert stage.marks("link.connecting", after_s=asked_s) == stage.marks("uplink", after_s=asked_s) == []
