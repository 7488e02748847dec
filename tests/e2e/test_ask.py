"""``speakerd ask``: a written question is answered aloud."""

from __future__ import annotations

from tests.e2e.test_commands import tell
from tests.fakes.room_tools import plain


async def test_a_question_is_answered_aloud_and_in_writing(play, neural_url):
    """The answer is printed when it was heard; the microphone stayed shut, and no window follows."""
    async with play(config={"service": {"endpoint": neural_url}}, start_service=False) as stage:
        before_s = stage.room.now_s()
        answered = await tell(stage, "ask", "What", "is", "the", "capital", "of", "France?")
        assert (answered.code, answered.out) == (0, "The capital of France is Paris.\n")
        audible = await stage.wait_for("audible", after_s=before_s)
        spans = stage.room.audible_spans(audible["t"] - 0.1, stage.room.now_s(), gap_ms=400)
        assert spans[-1][1] - spans[0][0] > 1.0
        assert stage.marks("uplink", after_s=before_s) == []
        assert [mark for mark in stage.marks("state", after_s=before_s) if mark["after"] == "follow-up"] == []
        assert (await stage.status())["phase"] == "idle"


async def test_a_spoken_question_may_follow_up_on_a_written_one(play, voice, neural_url):
    """What was written is remembered like what was said, in order."""
    async with play(config={"service": {"endpoint": neural_url}}, start_service=False) as stage:
        await tell(stage, "ask", "What is seven times eight?")
        begun, _ = stage.say(voice("Hey Jarvis, what is the capital of France?"))
        seeded = await stage.wait_for("link.seeded", after_s=begun, timeout_s=20)
        assert seeded["messages"] == 2
        answer = await stage.wait_for("transcript", after_s=begun, timeout_s=20, role="assistant")
        assert "paris" in plain(answer["text"])
