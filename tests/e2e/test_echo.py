"""The speaker hears itself, as loud as the room makes it, and never takes that for somebody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from speakerd.core.pcm import rms_dbfs
from speakerd.demo.room import ROOM_RATE_HZ
from speakerd.demo.simcard import CardProfile
from tests.fakes.room_tools import plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from speakerd.demo.diary import Mark
    from speakerd.demo.stage import Stage

Samples = NDArray[np.int16]

AS_SHIPPED = {"audio": {"echo_cancellation": "auto"}, "conversation": {"barge_in": "auto"}}
"""What an empty configuration means."""

REPLY_DBFS = -26.0
"""How loud the service's voice is in the loudspeaker (measured)."""

ECHO_DB = -3.0
"""How loud the microphone hears that here: a box with both in it."""

MEASURED_S = 7.0
"""So far into the first reply the echo has been measured."""

LONG_MEASURED_S = 18.0
"""And where a busy machine let a little of it through once: 12 s of a clean record give the trust back."""


@pytest.fixture
def room(tmp_path: Path) -> CardProfile:
    """A room that rings for a fifth of a second, and a loudspeaker close to its microphone."""
    frames = ROOM_RATE_HZ // 5
    response = np.random.default_rng(3).standard_normal(frames) * 10 ** (-3 * np.arange(frames) / frames)
    response[0] = 4 * np.abs(response).max()
    response /= np.sqrt(response @ response)
    path = tmp_path / "response.f32"
    path.write_bytes(response.astype("<f4").tobytes())
    return CardProfile(echo_gain_db=ECHO_DB, echo_delay_ms=30.0, rir=path, noise_dbfs=-65.0)


def at_level(sound: Samples, dbfs: float) -> Samples:
    """Return a sound at a level."""
    return (sound * 10 ** ((dbfs - rms_dbfs(sound)) / 20)).astype(np.int16)


def config(url: str) -> dict[str, object]:
    """Return the shipped configuration, with a service."""
    return AS_SHIPPED | {"service": {"endpoint": url}}


async def begun_to_tell(stage: Stage, ask: Callable[[str], Samples]) -> Mark:
    """Ask for a long answer and wait until it is heard; ask again where something else was understood."""
    for _ in range(3):
        begun, _ = stage.say(ask("Hey Jarvis, tell me a story."))
        audible = await stage.wait_for("audible", after_s=begun, timeout_s=30)
        answer = await stage.wait_for("transcript", after_s=begun, timeout_s=10, role="assistant")
        if answer["text"].startswith("Once upon a time"):
            return audible
        await stage.wait_for("state", after="idle", after_s=audible["t"], timeout_s=30)
    raise AssertionError("three times no story was understood")


@pytest.mark.parametrize("echo_over_user_db", [-10.0, 0.0, 10.0])
async def test_a_user_cuts_an_answer_by_voice(play, voice, neural_url, room, echo_over_user_db):
    """The answer does not interrupt itself; once ``status`` says that speech may cut it, speech does."""
    user_dbfs = REPLY_DBFS + ECHO_DB - echo_over_user_db

    def ask(words: str) -> Samples:
        return at_level(voice(words), user_dbfs)

    async with play(config=config(neural_url), card=room, start_service=False) as stage:
        assert (await stage.status())["barge_in"] == "wake_word"
        audible = await begun_to_tell(stage, ask)
        patience_s = MEASURED_S if echo_over_user_db > 0 else LONG_MEASURED_S
        while (status := await stage.status())["barge_in"] != "speech":
            if stage.room.now_s() > audible["t"] + patience_s:
                break
            await stage.until(stage.room.now_s() + 0.5)
        assert stage.marks("flush", after_s=audible["t"]) == [], "it interrupted itself"
        assert status["barge_in"] == status["microphone"]["echo"]["choice"]
        by_speech = status["barge_in"] == "speech"
        question = "What is the capital of France?"
        spoken, _ = stage.say(ask(question if by_speech else "Hey Jarvis"))
        cut = await stage.wait_for("flush", after_s=audible["t"], timeout_s=15)
        if not by_speech:
            stage.say(ask(question), at_s=stage.room.now_s() + 0.7)
        assert cut["t"] >= spoken
        assert by_speech or echo_over_user_db > 0, status["microphone"]["echo"]["described"]
        again = await stage.wait_for("audible", after_s=cut["t"], timeout_s=30)
        await stage.wait_for("state", before="speaking", after="follow-up", after_s=again["t"], timeout_s=40)


async def test_no_answer_interrupts_itself_from_the_first_on(play, voice, neural_url, room):
    """With rests between them, and as loud in the microphone as a user."""
    async with play(config=config(neural_url), card=room, start_service=False) as stage:
        for question in ("count to twelve.", "what is the capital of France?", "what is seven times eight?"):
            begun, _ = stage.say(at_level(voice(f"Hey Jarvis, {question}"), REPLY_DBFS + ECHO_DB))
            audible = await stage.wait_for("audible", after_s=begun, timeout_s=30)
            ended = await stage.wait_for("state", before="speaking", after_s=audible["t"], timeout_s=40)
            await stage.until(ended["t"] + 3.0)
            assert stage.marks("speech_started", after_s=audible["t"]) == []
            assert len(stage.marks("wake", after_s=begun)) == 1


async def test_a_wake_word_in_an_answer_wakes_nobody(play, voice, neural_url, room):
    """It was said by the speaker itself."""
    async with play(config=config(neural_url), card=room, start_service=False) as stage:
        begun, _ = stage.say(voice("Hey Jarvis, my neighbour always says hey Jarvis to the gardener."))
        audible = await stage.wait_for("audible", after_s=begun, timeout_s=30)
        ended = await stage.wait_for("state", before="speaking", after_s=audible["t"], timeout_s=40)
        await stage.until(ended["t"] + 1.5)
        (answer,) = [mark for mark in stage.marks("transcript", after_s=begun) if mark["role"] == "assistant"]
        assert "hey jarvis" in plain(answer["text"])
        assert stage.marks("wake", after_s=audible["t"]) == []
        assert stage.marks("speech_started", after_s=audible["t"]) == []


async def test_earcons_and_the_end_of_an_answer_are_nobodys_words(play, voice, neural_url, room):
    """The service hears the user twice and nothing else, to the end of the conversation."""
    async with play(config=config(neural_url), card=room, start_service=False) as stage:
        called, _ = stage.say(voice("Hey Jarvis"))
        await stage.wait_for("earcon", after_s=called, earcon="wake", timeout_s=10)
        asked, _ = stage.say(voice("What is the capital of France?"), at_s=stage.room.now_s() + 0.7)
        await stage.wait_for("state", before="speaking", after_s=asked, timeout_s=30)
        again, _ = stage.say(voice("What is seven times eight?"), at_s=stage.room.now_s() + 1.0)
        await stage.wait_for("state", after="idle", after_s=again, timeout_s=40)
        heard = [plain(mark["text"]) for mark in stage.marks("transcript") if mark["role"] == "user"]
        assert len(heard) == 2
        assert "capital of france" in heard[0]
        assert len(stage.marks("speech_started")) in (2, 3)  # a wake word's end may be heard, and is no turn


async def test_a_loud_room_is_heard_through(play, voice, neural_url, room):
    """Pink noise ten decibels below the user: woken, understood, answered, and not cut by the noise."""
    async with play(config=config(neural_url), card=room, start_service=False) as stage:
        size = 20 * ROOM_RATE_HZ
        spectrum = np.fft.rfft(np.random.default_rng(7).standard_normal(size))
        spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
        spectrum[0] = 0
        noise = np.fft.irfft(spectrum, size)
        pink = at_level((noise / np.abs(noise).max() * 30_000).astype(np.int16), REPLY_DBFS - 10.0)
        begun, _ = stage.say(pink)
        stage.say(at_level(voice("Hey Jarvis, what is the capital of France?"), REPLY_DBFS), at_s=begun + 4.0)
        audible = await stage.wait_for("audible", after_s=begun, timeout_s=15)
        await stage.wait_for("state", before="speaking", after_s=audible["t"], timeout_s=10)
        assert stage.marks("flush", after_s=audible["t"]) == []
        said = [plain(mark["text"]) for mark in stage.marks("transcript")]
        assert "the capital of france is paris" in said[-1]


async def test_two_cards_that_drift_apart_fall_back_to_the_wake_word(play, voice, neural_url):
    """At 800 ppm, instead of interrupting itself; journal and status say so, with the figures."""
    card = CardProfile(echo_gain_db=-6.0, echo_delay_ms=30.0, noise_dbfs=-65.0)
    other = CardProfile(ppm=800.0)
    async with play(config=config(neural_url), card=card, playback_card=other, start_service=False) as stage:
        audible = await begun_to_tell(stage, voice)
        await stage.until(audible["t"] + 11.0)
        assert stage.marks("flush", after_s=audible["t"]) == []
        status = await stage.status()
        assert (status["barge_in"], status["microphone"]["echo"]["choice"]) == ("wake_word", "wake_word")
        assert status["microphone"]["echo"]["drift_ppm"] == pytest.approx(-800, abs=250)
        assert "ppm apart" in status["microphone"]["echo"]["described"]
        await stage.tell("stop")
        await stage.until(stage.room.now_s() + 2.0)
        assert "what may cut a reply: wake_word" in stage.log()
