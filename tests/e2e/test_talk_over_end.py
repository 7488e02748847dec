"""The user begins to ask before an answer is over that only the wake word may cut: heard whole, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from speakerd.core.pcm import rms_dbfs
from speakerd.core.units import SAMPLE_BYTES, WIRE_RATE_HZ
from speakerd.demo.room import ROOM_RATE_HZ
from speakerd.demo.simcard import CardProfile
from tests.fakes.room_tools import plain
from tests.fakes.tap import Tap

if TYPE_CHECKING:
    from pathlib import Path

    from speakerd.demo.stage import Stage

REPLY_DBFS = -26.0
"""How loud the service's voice is in the loudspeaker (measured)."""

USER_DBFS = -29.0

BEFORE_END_S = (0.1, 0.4, 0.8, 1.2)
"""How long before an answer's end the next question begins."""

LATEST_S = 4.0
"""What was not understood so long after it was said was not heard: it takes 0.7 s, on a busy machine a few. A little
longer, and nobody listens without a wake word any more."""

FIRST, QUESTION = "What is the capital of France?", "What is the capital of Spain?"

WAKE_WORD_ONLY = {"audio": {"echo_cancellation": "auto"}, "conversation": {"barge_in": "wake_word"}}


def reverberant(folder: Path, echo_over_user_db: float) -> CardProfile:
    """Return a room that rings for a fifth of a second, and hears its loudspeaker so much louder than the user."""
    frames = ROOM_RATE_HZ // 5
    response = np.random.default_rng(3).standard_normal(frames) * 10 ** (-3 * np.arange(frames) / frames)
    response[0] = 4 * np.abs(response).max()
    response /= np.sqrt(response @ response)
    path = folder / "response.f32"
    path.write_bytes(response.astype("<f4").tobytes())
    gain_db = USER_DBFS + echo_over_user_db - REPLY_DBFS
    return CardProfile(echo_gain_db=gain_db, echo_delay_ms=30.0, rir=path, noise_dbfs=-65.0)


async def answer_end(stage: Stage, tap: Tap, after_s: float) -> float:
    """Return when an answer that has begun will be over, in the room's time."""
    audible = await stage.wait_for("audible", after_s=after_s, timeout_s=30)
    done = await stage.wait_for("response.done", after_s=after_s, timeout_s=10)
    assert done["t"] < audible["t"] + 0.8, "its end is not known in time"
    last = [message for message in tap.calls[-1].received if message["type"] == "response.output_audio.delta"][-1]
    return audible["t"] + len(tap.calls[-1].downlink(last["item_id"])) / SAMPLE_BYTES / WIRE_RATE_HZ


def understood(stage: Stage, after_s: float = 0.0) -> list[str]:
    """Return what the service has heard the user say."""
    return [plain(mark["text"]) for mark in stage.marks("transcript", after_s=after_s) if mark["role"] == "user"]


async def until_understood(stage: Stage, after_s: float, spoken_s: float) -> int:
    """Return how many sentences were understood; none came where nothing does for longer than any machine takes."""
    while stage.room.now_s() < spoken_s + LATEST_S:
        await stage.until(stage.room.now_s() + 0.25)
        if stage.room.now_s() > spoken_s and (count := len(understood(stage, after_s))):
            return count
    return 0


@pytest.mark.parametrize("echo_over_user_db", [None, 0.0, 10.0])
async def test_a_question_over_the_end_of_an_answer_is_whole_or_missing(
    play, voice, neural_url, tmp_path, echo_over_user_db
):
    """It is answered, word for word; where the echo is much louder than the user nothing of it may be sent instead."""
    card = {} if echo_over_user_db is None else {"card": reverberant(tmp_path, echo_over_user_db)}

    def said(words: str) -> np.ndarray:
        return (voice(words) * 10 ** ((USER_DBFS - rms_dbfs(voice(words))) / 20)).astype(np.int16)

    async with Tap(neural_url) as tap:
        config = WAKE_WORD_ONLY | {"service": {"endpoint": tap.url}}
        async with play(config=config, start_service=False, **card) as stage:
            heard = dict.fromkeys(BEFORE_END_S, 0)
            begun, _ = stage.say(said(f"Hey Jarvis, {FIRST}"))
            for before_s in BEFORE_END_S:
                ends = await answer_end(stage, tap, begun)
                begun, spoken = stage.say(said(QUESTION), at_s=max(ends - before_s, stage.room.now_s() + 0.05))
                heard[before_s] = await until_understood(stage, begun, spoken)
                if not heard[before_s]:
                    begun, _ = stage.say(said(FIRST))
            assert stage.marks("flush") == []
            answered = [text for text in understood(stage) if not text.endswith(plain(FIRST))]
            assert len(answered) == sum(heard.values())
            assert [text for text in answered if text != plain(QUESTION)] == [], "a question was torn"
            if echo_over_user_db is None or echo_over_user_db <= 0:
                assert set(heard.values()) == {1}
