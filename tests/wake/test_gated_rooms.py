"""Words in rooms that are hard on the gate: one for one, and never later than by a chunk, what is heard without it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from speakerd.core.pcm import FULL_SCALE, rms_dbfs
from speakerd.core.wake_gate import WakeTrigger
from speakerd.wake import models
from speakerd.wake.gated import GatedDetector
from speakerd.wake.lean import Lean
from speakerd.wake.shapes import CHUNK_FRAMES
from tests.fakes.models import wake_models
from tests.fakes.voices import VOICES, is_there, say

RATE_HZ, WORD, LENGTH_S = 16_000, "hey_jarvis", 20.0
TEXTS = ("hey jarvis", "hey jarvis", "what time is it", "hey jarvis, what time is it?", "hey marvin")
Sound = npt.NDArray[np.float64]
Random = np.random.Generator
AT_S = np.arange(int(LENGTH_S * RATE_HZ)) / RATE_HZ


def amplitude(dbfs: float) -> float:
    return float(FULL_SCALE * 10 ** (dbfs / 20))


def noise(random: Random, low_dbfs: float, high_dbfs: float) -> Sound:
    """White, pink or brown, steady."""
    spectrum = np.fft.rfft(random.normal(0, 1, len(AT_S)))
    spectrum /= np.maximum(np.arange(len(spectrum)), LENGTH_S * 20) ** random.choice([0.0, 0.5, 1.0])
    sound = np.fft.irfft(spectrum, len(AT_S))
    return sound / sound.std() * amplitude(random.uniform(low_dbfs, high_dbfs))


def quiet(random: Random) -> Sound:
    return noise(random, -80, -65)


def clicks(random: Random) -> Sound:
    sound = quiet(random)
    for _ in range(12):
        sound[random.integers(len(sound))] += amplitude(random.uniform(-30, -3))
    return sound


def hum(random: Random) -> Sound:
    mains_hz, level = random.choice([50.0, 60.0]), amplitude(random.uniform(-35, -6))
    return (
        quiet(random) + level * np.sin(2 * np.pi * mains_hz * AT_S) + level / 30 * np.sin(6 * np.pi * mains_hz * AT_S)
    )


ROOMS: dict[str, Callable[[Random], Sound]] = {
    "quiet": quiet,
    "a fan": lambda random: noise(random, -60, -35),
    "a fan that comes and goes": lambda random: (
        quiet(random) + noise(random, -55, -35) * (np.sin(2 * np.pi * AT_S / random.uniform(4, 14)) > 0)
    ),
    "a kettle": lambda random: quiet(random) + noise(random, -50, -35) * (AT_S / LENGTH_S) ** 2,
    "waves": lambda random: noise(random, -50, -40) * (1 + 0.7 * np.sin(2 * np.pi * AT_S / 6)),
    "an offset": lambda random: quiet(random) + random.uniform(-900, 900),
    "digital silence": lambda _random: np.zeros(len(AT_S)),
    "one bit now and then": lambda random: (random.random(len(AT_S)) < 0.01).astype(float),
    "clicks": clicks,
    "hum": hum,
}


@pytest.fixture(scope="module")
def engine() -> Lean:
    wake_models()
    return Lean({WORD: models.resolve(WORD)}, models.features())


def scene(room: Sound, random: Random, gain: float) -> npt.NDArray[np.int16]:
    """Say things in a room, some of them at once, some when it is known; a gain above 1 clips."""
    sound, at_s = room.copy(), float(random.choice([0.0, 0.6, 11.0, 12.5]))
    voices = [voice for voice in VOICES if is_there(voice)]
    while True:
        said = say(str(random.choice(TEXTS)), RATE_HZ, str(random.choice(voices)) if voices else None).astype(float)
        begin = int(at_s * RATE_HZ)
        if begin + len(said) > len(sound) - RATE_HZ:
            break
        level = 10 ** ((random.uniform(-58, -18) - rms_dbfs(said.astype(np.int16))) / 20)
        sound[begin : begin + len(said)] += said * level
        at_s += len(said) / RATE_HZ + random.uniform(0.2, 4.0)
    frames = np.clip(np.rint(sound * gain), -32768, 32767).astype(np.int16)
    return frames[: len(frames) // CHUNK_FRAMES * CHUNK_FRAMES].reshape(-1, CHUNK_FRAMES)


@pytest.mark.parametrize("clips", [False, True])
@pytest.mark.parametrize("name", ROOMS)
def test_no_room_hides_a_word_from_the_gate(engine: Lean, name: str, clips: bool) -> None:
    """In three scenes of each room: scores while awake are the same, and so are detections."""
    heard = 0
    for seed in range(3):
        random = np.random.default_rng((list(ROOMS).index(name), clips, seed))
        chunks = scene(ROOMS[name](random), random, 30.0 if clips else 1.0)
        always, gated = engine.twin(), GatedDetector(engine.twin())
        triggers = WakeTrigger(0.5, 2.0), WakeTrigger(0.5, 2.0)
        found: tuple[list[int], list[int]] = ([], [])
        for at, chunk in enumerate(chunks):
            score, other = always.score(chunk)[WORD], gated.score(chunk)[WORD]
            assert other == (pytest.approx(score, abs=1e-5) if gated.open else 0.0)
            for trigger, each, said in zip(triggers, (score, other), found, strict=True):
                if trigger.process({WORD: each}, 0.08, False) is not None:
                    said.append(at)
        assert len(found[0]) == len(found[1]), (seed, found)
        assert all(late - right <= 1 for right, late in zip(*found, strict=True)), (seed, found)
        heard += len(found[0])
    assert heard > 0
