"""Hours of what a kitchen's microphone hears, made as it is needed: equal seeds make equal hours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from speakerd.core.pcm import rms_dbfs
from speakerd.wake.shapes import CHUNK_FRAMES
from tests.fakes.voices import VOICES, is_there, say

RATE_HZ = 16_000

WORDS = ("hey jarvis", "hey jarvis", "alexa", "Hey Jarvis, what time is it?")
TALK = (
    "What time is it?",
    "Could you please turn down the radio in the kitchen?",
    "Once upon a time there was a small lighthouse at the end of a long stone pier.",
    "Hey Marvin, did you see the harvest this year?",
    "Alexander went to the election with his sister.",
    "Put the kettle on and sit down for a while.",
)

_WORD_LOUDER_DB = 12.0


@dataclass(frozen=True)
class Scene:
    """Some seconds of it."""

    name: str
    """What kind."""

    chunks: np.ndarray
    """The audio. Shape: (n, 1280)."""


def mixed(seed: int = 1) -> Iterator[Scene]:
    """Give scene after scene, without an end: silence, noises, talk, and wake words in all of them."""
    rng = np.random.default_rng(seed)
    voices = [voice for voice in VOICES if is_there(voice)]
    while True:
        for name, noise, span_s in (
            ("digital silence", np.zeros(int(6 * RATE_HZ)), 6.0),
            ("quiet room", pink(rng, 20.0, 10.0), 20.0),
            ("fan", pink(rng, 15.0, 10 ** rng.uniform(1.5, 2.7), slope=1.0), 15.0),
            ("hiss", pink(rng, 8.0, 10 ** rng.uniform(1.5, 2.7), slope=0.0), 8.0),
            ("clatter", clatter(rng, 10.0), 10.0),
            ("full scale", rng.uniform(-40_000, 40_000, RATE_HZ), 1.0),
        ):
            yield Scene(name, chunked(noise))
            with_words = pink(rng, 6.0, 10.0) if span_s < 2 else noise[: 6 * RATE_HZ].copy()
            put(rng, with_words, say(str(rng.choice(WORDS)), RATE_HZ, str(rng.choice(voices))), 1.5)
            yield Scene(f"a word in {name}", chunked(with_words))
            talk = pink(rng, 8.0, 10.0)
            put(rng, talk, say(str(rng.choice(TALK)), RATE_HZ, str(rng.choice(voices))), 0.5)
            yield Scene("talk", chunked(talk))


def put(rng: np.random.Generator, room: np.ndarray, said: np.ndarray, at_s: float) -> None:
    """Say something in a room, over its noise, somewhere from a time on."""
    noise_dbfs = rms_dbfs(np.clip(room, -32768, 32767).astype(np.int16))
    level_dbfs = float(np.clip(rng.uniform(-50, -20), noise_dbfs + _WORD_LOUDER_DB, -12))
    at = int((at_s + rng.uniform(0, 0.5)) * RATE_HZ)
    words = said[: len(room) - at] * 10 ** ((level_dbfs - rms_dbfs(said)) / 20)
    room[at : at + len(words)] += words


def pink(rng: np.random.Generator, span_s: float, rms: float, slope: float = 0.5) -> np.ndarray:
    """Return noise that falls with the frequency: 0 is white, 0.5 pink, 1 brown."""
    frames = int(span_s * RATE_HZ)
    spectrum = np.fft.rfft(rng.normal(0, 1, frames)) / np.maximum(np.arange(frames // 2 + 1), 1) ** slope
    sound = np.fft.irfft(spectrum, frames)
    return sound / sound.std() * rms


def clatter(rng: np.random.Generator, span_s: float) -> np.ndarray:
    """Return crockery: rings that die away, a few a second, in a quiet room."""
    sound = pink(rng, span_s, 20.0)
    at_s = np.arange(RATE_HZ // 4) / RATE_HZ
    for at in rng.integers(0, len(sound) - len(at_s), int(3 * span_s)):
        ring = np.sin(2 * np.pi * rng.uniform(1500, 6000) * at_s) * np.exp(-at_s / rng.uniform(0.01, 0.06))
        sound[at : at + len(at_s)] += rng.uniform(300, 3000) * ring
    return sound


def chunked(sound: np.ndarray) -> np.ndarray:
    """Return whole chunks of S16."""
    frames = np.clip(np.rint(sound), -32768, 32767).astype(np.int16)
    return frames[: len(frames) // CHUNK_FRAMES * CHUNK_FRAMES].reshape(-1, CHUNK_FRAMES)
