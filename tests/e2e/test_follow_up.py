"""After a reply the user may go on without the wake word, for a while."""

from __future__ import annotations

from tests.fakes.stories import through
from tests.fakes.tap import Tap


async def test_a_second_turn_needs_no_wake_word_and_silence_ends_the_conversation(play, voice):
    """A question in the window is the next turn of the same session; a window without one ends at rest, link closed."""
    config = {"conversation": {"follow_up_s": 2.5}}
    async with (
        play(config=config, replies=["One, two.", "Three, four."], start_daemon=False) as stage,
        Tap(stage.url) as tap,
    ):
        await through(tap, stage)
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("state", before="speaking", after="follow-up", timeout_s=20)
        asked, _ = stage.say(voice("And what day is it?"))
        await stage.wait_for("state", before="follow-up", after="listening", after_s=asked)
        assert (await stage.status())["line"] == "in conversation, turn 2"
        answered = await stage.wait_for("state", before="speaking", after="follow-up", after_s=asked, timeout_s=20)
        rested = await stage.wait_for("state", before="follow-up", after="idle", after_s=asked)
        assert 2.3 <= rested["t"] - answered["t"] <= 4.0
        said = [mark["text"] for mark in stage.marks("transcript") if mark["role"] == "assistant"]
        assert said == ["One, two.", "Three, four."]
        assert len(stage.marks("wake", after_s=begun)) == 1
        await _is_at_rest(stage)
        assert len(tap.calls) == 1
        await tap.calls[0].over.wait()
        assert tap.calls[0].close_code == 1000


async def test_without_a_window_the_conversation_ends_with_the_reply(play, voice):
    """``follow_up_s: 0`` means that every question needs the wake word; what is said then leaves no trace."""
    async with play(config={"conversation": {"follow_up_s": 0}}, replies=["One, two."]) as stage:
        stage.say(voice("Hey Jarvis, what time is it?"))
        rested = await stage.wait_for("state", before="speaking", after="idle", timeout_s=20)
        _, said = stage.say(voice("And what day is it?"))
        await stage.until(said + 0.5)
        assert [mark for mark in stage.marks("uplink", after_s=rested["t"] + 0.1) if "bytes" in mark] == []
        await _is_at_rest(stage)


async def _is_at_rest(stage):
    status = await stage.status()
    assert status["line"] == 'listening for "hey jarvis"'
    assert status["phase"] == "idle"
    assert status["link"]["state"] == "closed"
    assert status["microphone"]["uplink"] == "closed"
