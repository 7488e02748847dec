"""When sound may wait, and that no voice is made to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.core.calm import Calm
from tests.fakes.voices import say

STEP_MS = 20
STEP_FRAMES = 480


def power(dbfs: float) -> float:
    return 10 ** (dbfs / 10)


def settled(level_dbfs: float = -65.0, hang_ms: float = 800) -> Calm:
    """Return one that has heard a quiet room for three seconds."""
    calm = Calm(hang_ms)
    for _ in range(150):
        calm.process(power(level_dbfs), STEP_MS)
    return calm


def test_it_is_not_calm_at_first() -> None:
    calm = Calm(800)
    heard = []
    for _ in range(41):
        heard.append(calm.is_calm)
        calm.process(power(-65), STEP_MS)
    assert heard == [False] * 40 + [True]


def test_one_loud_step_ends_it_at_once() -> None:
    calm = settled()
    assert calm.is_calm
    assert calm.process(power(-50), STEP_MS)
    assert not calm.is_calm


def test_it_is_calm_again_when_the_hang_is_over() -> None:
    """However long the steps are."""
    calm = settled()
    calm.process(power(-40), STEP_MS)
    calm.process(power(-65), 790)
    assert not calm.is_calm
    calm.process(power(-65), 10)
    assert calm.is_calm


def test_digital_silence_is_calm_and_a_whisper_behind_it_is_not() -> None:
    calm = Calm(100)
    for _ in range(50):
        calm.process(0.0, STEP_MS)
    assert calm.is_calm
    assert not calm.process(power(-75), STEP_MS)
    assert calm.process(power(-65), STEP_MS)


def test_a_fan_that_is_switched_on_becomes_calm() -> None:
    calm = settled(-70)
    for _ in range(50 * 10):
        calm.process(power(-45), STEP_MS)
    assert calm.is_calm


def test_it_can_be_disturbed() -> None:
    calm = settled()
    calm.disturb()
    assert not calm.is_calm


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("noise_dbfs", [-70.0, -50.0, -35.0])
def test_steady_noise_is_calm(noise_dbfs: float, seed: int) -> None:
    """Pink noise of any level is, after the first seconds, but for one in a hundred stretches of it."""
    random = np.random.default_rng(seed)
    spectrum = np.fft.rfft(random.standard_normal(24_000 * 20))
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 50)))
    noise *= 10 ** (noise_dbfs / 20) / np.sqrt(np.mean(noise**2))
    calm, disturbed = Calm(800), 0
    for step, block in enumerate(noise.reshape(-1, STEP_FRAMES)):
        loud = calm.process(float(np.mean(block**2)), STEP_MS)
        disturbed += step > 150 and loud
    assert disturbed <= 8


@pytest.mark.parametrize("voice", ["hibari", "flite", "espeak"])
@pytest.mark.parametrize("level_db", [0, -20])
def test_a_voice_is_never_made_to_wait_but_for_its_first_breath(voice: str, level_db: float) -> None:
    """From the first 40 ms that carry any of it to the last of a sentence."""
    said = say("Set a timer for five minutes, and tell me a story.", 24_000, voice) / 32768 * 10 ** (level_db / 20)
    said = said[: len(said) // STEP_FRAMES * STEP_FRAMES].reshape(-1, STEP_FRAMES)
    powers = np.mean(said**2, axis=1)
    carrying = np.flatnonzero(powers > powers.max() / 1e4)
    calm, ready = settled(-72.0), []
    for level in powers:
        calm.process(float(level) + power(-72.0), STEP_MS)
        ready.append(not calm.is_calm)
    assert all(ready[carrying[0] + 2 : carrying[-1] + 1])


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(1, 200)), max_size=200))
def test_what_is_loud_is_never_calm(steps: list[tuple[float, float]]) -> None:
    """Whatever comes, after whatever came."""
    calm = Calm(500)
    for mean_square, length_ms in steps:
        if calm.process(mean_square, length_ms):
            assert not calm.is_calm
