"""What the wake word engines listen to in ``speakerd bench wake``: four rooms and mixed audio, made on the spot.

Everything is made of a seed and of a voice, and with the same voice it is the same on every machine.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from speakerd.core.units import WAKE_RATE_HZ
from speakerd.demo.mouth import SPEECH_RATE_HZ, Mouth
from speakerd.demo.room import resample
from speakerd.wake.shapes import CHUNK_FRAMES

Samples = npt.NDArray[np.float32]
Chunks = npt.NDArray[np.int16]

QUIET, FAN, KITCHEN, SPEECH = "quiet room", "steady noise (fan)", "kitchen", "continuous speech"
ROOMS = (QUIET, FAN, KITCHEN, SPEECH)
"""The rooms that are measured."""

ABOUT: Mapping[str, str] = {
    QUIET: "pink noise at -70 dBFS",
    FAN: "brown and pink noise with a hum of 100 Hz at -45 dBFS, without a change",
    KITCHEN: "a tap, a kettle, and dishes that ring about once a second, -50 to -12 dBFS",
    SPEECH: "sentences one after the other in the quiet room, peaks at -12 to -24 dBFS, no wake word among them",
}
"""What each of them is made of."""

SENTENCES = (
    "What is the capital of France?",
    "I think we should have dinner at seven tonight.",
    "The meters and kilometers are all in the second table.",
    "She said that the train would be half an hour late.",
    "Repeat after me: the kettle is on.",
    "There is some more coffee in the kitchen if you want it.",
    "Nobody knows what time the library closes on Sundays.",
    "We could take the children to the museum tomorrow.",
)
"""What people say to each other (chosen)."""

WORDS = ("Hey Jarvis.", "Hey Jarvis, what time is it?", "Hey Jarvis, stop.")
"""What they say to the speaker, in mixed audio."""

_QUIET_DBFS, _FAN_DBFS, _TAP_DBFS = -70.0, -45.0, -50.0
"""How loud the noises are, as RMS (chosen; the quiet one is 10 steps of 16 bits)."""

_PEAKS_DBFS = (-24.0, -12.0)
"""How loud a sentence is at most: somebody between half a metre and three metres away (chosen)."""

_DISHES_S, _DISH_DBFS = 0.9, (-30.0, -12.0)
"""From one to the next on average, and how loud (chosen)."""

_MODES_HZ, _DECAY_S = (700.0, 6500.0), (0.01, 0.12)
"""What a dish rings at, and for how long (chosen: china and cutlery)."""

_GAP_S = 0.3
"""Between sentences of continuous speech (chosen: people breathe)."""

_BLOCK_S = 20.0
"""Mixed audio changes its noise so often (chosen)."""

_PERIOD_FRAMES = 1 << 17
"""Noise is made of a spectrum of so many samples, and repeats itself after eight seconds."""


@dataclass(frozen=True, slots=True)
class Voice:
    """Somebody who speaks."""

    name: str
    """Whose voice it is, for people."""

    speak: Callable[[str], Samples]
    """A sentence to samples at 16 kHz, without silence around it."""


def voice_of(mouth: Mouth) -> Voice:
    """Return a mouth's voice at 16 kHz."""

    def speak(text: str) -> Samples:
        return resample(mouth.speak(text), SPEECH_RATE_HZ, WAKE_RATE_HZ).astype(np.float32)

    return Voice(mouth.name, speak)


def room(name: str, length_s: float, seed: int, voice: Voice | None) -> Chunks:
    """Return a room's sound.

    Args:
        name: One of ``ROOMS``.
        length_s: How long.
        seed: Which sound of its kind.
        voice: Who speaks in it; only ``SPEECH`` needs somebody.

    Shape: (chunks, 1280).
    """
    random = np.random.default_rng((seed, ROOMS.index(name)))
    frames = round(length_s * WAKE_RATE_HZ)
    if name == FAN:
        return _chunks(_fan(frames, random))
    if name == KITCHEN:
        return _chunks(_kitchen(frames, random))
    sound = _noise(frames, random, 0.5, _QUIET_DBFS)
    if name == SPEECH:
        assert voice is not None
        _talk(sound, random, voice, SENTENCES, lambda: _GAP_S)
    return _chunks(sound)


def mixed(length_s: float, seed: int, voice: Voice | None) -> Chunks:
    """Return audio in which everything comes: silence, noises from faint to loud, sentences and wake words in them.

    Shape: (chunks, 1280).
    """
    random = np.random.default_rng((seed, len(ROOMS)))
    makers: Sequence[Callable[[int, np.random.Generator], Samples]] = (
        lambda frames, _: np.zeros(frames, np.float32),
        lambda frames, random: _noise(frames, random, 0.5, random.uniform(-75, -40)),
        lambda frames, random: _noise(frames, random, 1.0, random.uniform(-60, -30)),
        _fan,
        _kitchen,
    )
    blocks = []
    for at in range(max(1, round(length_s / _BLOCK_S))):
        sound = makers[at % len(makers)](round(_BLOCK_S * WAKE_RATE_HZ), random)
        if voice is not None:
            _talk(sound, random, voice, (*SENTENCES[:3], *WORDS), lambda: random.uniform(0.3, 4.0))
        blocks.append(sound)
    return _chunks(np.concatenate(blocks)[: round(length_s * WAKE_RATE_HZ)])


def word_in_quiet(seed: int, voice: Voice | None) -> Chunks:
    """Return the wake word behind two seconds of the quiet room, and two more of them; without a voice all quiet.

    Shape: (chunks, 1280).
    """
    said = np.zeros(0, np.float32) if voice is None else voice.speak(WORDS[0])
    frames = 4 * WAKE_RATE_HZ + len(said)
    sound = _noise(frames, np.random.default_rng(seed), 0.5, _QUIET_DBFS)
    if len(said):
        _put(sound, said, 2 * WAKE_RATE_HZ, -16.0)
    return _chunks(sound)


def _noise(frames: int, random: np.random.Generator, power: float, dbfs: float) -> Samples:
    """Return noise that falls by a power of the frequency: 0.5 is pink, 1 is brown."""
    spectrum = random.standard_normal(_PERIOD_FRAMES // 2 + 1) + 1j * random.standard_normal(_PERIOD_FRAMES // 2 + 1)
    spectrum[0] = 0.0
    spectrum[1:] /= np.maximum(np.arange(1, len(spectrum)) * WAKE_RATE_HZ / _PERIOD_FRAMES, 20.0) ** power
    period = np.fft.irfft(spectrum)
    period *= _amplitude(dbfs) / np.sqrt(np.mean(period**2))
    return np.resize(period.astype(np.float32), frames)


def _fan(frames: int, random: np.random.Generator) -> Samples:
    at = np.arange(frames) / WAKE_RATE_HZ
    hum = np.sin(2 * np.pi * 100.0 * at) + 0.3 * np.sin(2 * np.pi * 200.0 * at)
    sound = _noise(frames, random, 1.0, _FAN_DBFS) + _noise(frames, random, 0.5, _FAN_DBFS - 6)
    return (sound + hum * _amplitude(_FAN_DBFS - 6)).astype(np.float32)


def _kitchen(frames: int, random: np.random.Generator) -> Samples:
    """A tap that is on for half of the time, a kettle that swells, and dishes."""
    at = np.arange(frames) / WAKE_RATE_HZ
    sound = _noise(frames, random, 0.5, _QUIET_DBFS + 10)
    sound += _noise(frames, random, 0.0, _TAP_DBFS) * (np.sin(2 * np.pi * at / 9.0 + random.uniform(0, 6)) > 0)
    sound += _noise(frames, random, 1.0, _TAP_DBFS + 5) * np.sin(np.pi * at / 25.0) ** 2
    for start in np.cumsum(random.exponential(_DISHES_S, int(frames / WAKE_RATE_HZ / _DISHES_S * 2) + 8)):
        first = round(start * WAKE_RATE_HZ)
        if first >= frames:
            break
        _put(sound, _dish(random), first, random.uniform(*_DISH_DBFS))
    return sound.astype(np.float32)


def _dish(random: np.random.Generator) -> Samples:
    """Something that is put down: a few tones that begin at once and die away."""
    at = np.arange(WAKE_RATE_HZ // 3) / WAKE_RATE_HZ
    tones = [
        np.sin(2 * np.pi * random.uniform(*_MODES_HZ) * at) * np.exp(-at / random.uniform(*_DECAY_S)) for _ in range(5)
    ]
    dish: Samples = np.sum(tones, axis=0).astype(np.float32)
    return dish


def _talk(
    sound: Samples, random: np.random.Generator, voice: Voice, said: Sequence[str], gap_s: Callable[[], float]
) -> None:
    """Put sentences into a sound, from its beginning to its end, all of them before one comes again."""
    first = 0
    for sentence in itertools.chain.from_iterable(random.permutation(said) for _ in itertools.count()):
        if first >= len(sound):
            return
        spoken = voice.speak(str(sentence))
        _put(sound, spoken, first, random.uniform(*_PEAKS_DBFS))
        first += len(spoken) + round(gap_s() * WAKE_RATE_HZ)


def _put(sound: Samples, other: Samples, first: int, peak_dbfs: float) -> None:
    """Add a sound to another, its loudest sample as loud as that; what does not fit is left out."""
    fits = other[: len(sound) - first]
    sound[first : first + len(fits)] += fits * (_amplitude(peak_dbfs) / np.abs(other).max(initial=1e-9))


def _amplitude(dbfs: float) -> float:
    return float(32768 * 10 ** (dbfs / 20))


def _chunks(sound: Samples) -> Chunks:
    """Return whole chunks; what clips is clipped, as a card does it."""
    whole = np.clip(np.rint(sound), -32768, 32767).astype(np.int16)
    return whole[: len(whole) // CHUNK_FRAMES * CHUNK_FRAMES].reshape(-1, CHUNK_FRAMES)
