"""The user has had enough, and says so."""

from __future__ import annotations

from speakerd.core.actions import Earcon
from tests.fakes.room_tools import earcon_likeness
from tests.fakes.tap import Tap


async def test_stop_and_thank_you_end_the_conversation(play, voice, neural_url):
    """Over a long answer or behind a short one: the model ends it, the chime follows, the link is closed."""
    async with (
        Tap(neural_url) as tap,
        play(config={"service": {"endpoint": tap.url}}, start_service=False) as stage,
    ):
        begun, _ = stage.say(voice("Hey Jarvis, tell me a story."))
        audible = await stage.wait_for("audible", after_s=begun, timeout_s=30)
        stage.say(voice("Stop."), at_s=audible["t"] + 2.5)
        cut = await stage.wait_for("flush", after_s=audible["t"])
        ended = await _has_ended(stage, tap.calls[-1], cut["t"])
        spans = stage.room.audible_spans(cut["t"], ended - 0.02)
        assert all(end - cut["t"] < 0.1 for _, end in spans), "it did not fall silent, or went on"

        begun, _ = stage.say(voice("Hey Jarvis, what is the capital of France?"), at_s=ended + 1.5)
        await stage.wait_for("state", before="speaking", after="follow-up", after_s=begun, timeout_s=30)
        thanked, _ = stage.say(voice("Thank you."))
        ended = await _has_ended(stage, tap.calls[-1], thanked)
        assert stage.room.audible_spans(thanked, ended - 0.02) == []
        assert (await stage.status())["line"] == 'listening for "hey jarvis"'


async def _has_ended(stage, call, after_s):
    """Check that the conversation ends within a second of the model's word, with a chime, and return when."""
    called = await stage.wait_for("call", function="end_conversation", after_s=after_s, timeout_s=20)
    rested = await stage.wait_for("state", after="idle", after_s=called["t"])
    assert rested["t"] - called["t"] < 1.0
    chimed = await stage.wait_for("earcon", earcon="end", after_s=called["t"])
    await call.over.wait()
    assert stage.room.now_s() - called["t"] < 1.0
    assert call.close_code == 1000
    await stage.until(chimed["t"] + 0.6)
    assert earcon_likeness(stage.room, Earcon.END, chimed["t"], chimed["t"] + 0.6) > 0.9
    return rested["t"]
