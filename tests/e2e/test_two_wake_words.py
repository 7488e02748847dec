"""The wake word twice within a second."""

from __future__ import annotations

from tests.fakes.room_tools import plain
from tests.fakes.tap import Tap


async def test_two_wake_words_in_a_second_are_one_conversation(play, voice, neural_url):
    """Whether said twice or asked for twice: one session, one turn, and the question is answered."""
    async with (
        Tap(neural_url) as tap,
        play(config={"service": {"endpoint": tap.url}}, start_service=False) as stage,
    ):
        begun, called = stage.say(voice("Hey Jarvis"))
        stage.say(voice("Hey Jarvis, what is the capital of France?"), at_s=called + 0.2)
        await _is_answered_once(stage, tap, begun, sessions=1)
        assert called + 0.2 - begun < 1.0
        ended = (await stage.tell("stop"))["line"]
        assert ended == 'listening for "hey jarvis"'
        # The button and the wake word together.
        begun = stage.room.now_s()
        await stage.tell("wake")
        await stage.tell("wake")
        stage.say(voice("What is the capital of France?"))
        await _is_answered_once(stage, tap, begun, sessions=2)


async def _is_answered_once(stage, tap, begun, *, sessions):
    await stage.wait_for("state", before="speaking", after="follow-up", after_s=begun, timeout_s=30)
    said = [(mark["role"], plain(mark["text"])) for mark in stage.marks("transcript", after_s=begun)]
    assert [role for role, _ in said] == ["user", "assistant"]
    assert "what is the capital of france" in said[0][1]
    assert said[1][1] == "the capital of france is paris"
    status = await stage.status()
    assert (status["turn"], status["link"]["sessions"]) == (1, sessions)
    assert sum(bool(call.sent) for call in tap.calls) == sessions
