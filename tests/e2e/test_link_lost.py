"""The connection breaks off in the middle of an answer."""

from __future__ import annotations

import pytest

from speakerd.core.notices import Notice
from speakerd.core.units import SAMPLE_BYTES, WIRE_RATE_HZ
from tests.fakes.room_tools import notice_likeness

LONG = "This is an answer that is so long that nobody will hear the end of it before the line is cut."


async def test_a_link_lost_in_an_answer_lets_what_was_received_be_heard_and_tells(play, voice):
    """What has come is played to its end, then the user is told; the next wake word starts clean."""
    faults = {"drop_at_audio_delta": 12, "first_connections": 1}
    async with play(faults=faults, replies=[LONG, "One, two."]) as stage:
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("link.lost", after_s=begun, timeout_s=20)
        status = await stage.status()
        assert status["line"] == "in conversation, turn 1"
        assert status["microphone"]["uplink"] == "closed"
        ended = await stage.wait_for("state", before="speaking", after_s=begun, timeout_s=20)
        said = await stage.wait_for("notice", notice="offline", after_s=begun)
        received_s = sum(mark["bytes"] for mark in stage.marks("downlink")) / SAMPLE_BYTES / WIRE_RATE_HZ
        audible = stage.marks("audible")[0]["t"]
        assert ended["t"] - audible == pytest.approx(received_s, abs=0.25)
        heard = stage.room.audible_spans(audible, ended["t"], gap_ms=200)
        assert sum(end - start for start, end in heard) == pytest.approx(received_s, abs=0.3)
        await stage.until(said["t"] + 4.0)
        assert notice_likeness(stage.room, Notice.OFFLINE, said["t"], said["t"] + 4.0) > 0.9
        assert "the service failed last time: link-lost" in (await stage.status())["line"]
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("state", before="speaking", after="follow-up", after_s=begun, timeout_s=20)
        assert stage.marks("transcript")[-1]["text"] == "One, two."
        assert (await stage.status())["trouble"] is None


async def test_a_link_closed_in_a_follow_up_ends_without_a_sound(play, voice):
    """Nobody was waiting for anything: no error is heard, and the next wake word works."""
    faults = {"drop_after_s": 5.0, "first_connections": 1}
    async with play(faults=faults, replies=["One.", "Two."], config={"conversation": {"follow_up_s": 30}}) as stage:
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("state", after="follow-up", after_s=begun, timeout_s=20)
        await stage.wait_for("state", before="follow-up", after="idle", on="LinkLost", after_s=begun, timeout_s=20)
        assert stage.marks("earcon", after_s=begun)[1:] == []
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("state", after="follow-up", after_s=begun, timeout_s=20)
