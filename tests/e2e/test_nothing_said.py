"""The wake word, and then nothing."""

from __future__ import annotations

from speakerd.core.actions import Earcon
from tests.fakes.room_tools import earcon_likeness


async def test_a_wake_word_alone_ends_by_itself_with_a_chime(play, voice, neural_url):
    """Nobody goes on talking: nothing is answered, the end is heard, and it listens for the wake word again."""
    async with play(config={"service": {"endpoint": neural_url}}, start_service=False) as stage:
        begun, _ = stage.say(voice("Hey Jarvis"))
        await stage.wait_for("state", before="idle", after="listening", after_s=begun)
        rested = await stage.wait_for("state", after="idle", after_s=begun, timeout_s=20)
        assert [mark["text"] for mark in stage.marks("transcript", after_s=begun)] == []
        assert stage.marks("response.created") == []
        chimed = await stage.wait_for("earcon", earcon="end", after_s=begun)
        await stage.until(chimed["t"] + 1.0)
        assert earcon_likeness(stage.room, Earcon.END, chimed["t"], chimed["t"] + 1.0) > 0.9
        assert rested["on"] == "DeadlinePassed"
        assert (await stage.status())["line"] == 'listening for "hey jarvis"'


async def test_a_question_after_a_pause_is_the_first_thing_the_service_hears(play, voice, neural_url):
    """Who waits for the chime before asking is understood as well as who asks in the same breath."""
    async with play(config={"service": {"endpoint": neural_url}}, start_service=False) as stage:
        begun, called = stage.say(voice("Hey Jarvis"))
        stage.say(voice("What is the capital of France?"), at_s=called + 1.5)
        await stage.wait_for("state", after="follow-up", after_s=begun, timeout_s=30)
        said = [(mark["role"], mark["text"]) for mark in stage.marks("transcript")]
        assert said == [
            ("user", "What is the capital of France?"),
            ("assistant", "The capital of France is Paris."),
        ]
