"""The rooms are the same each time, and are what they are called."""

from __future__ import annotations

import numpy as np
import pytest

from speakerd.bench.wake_sound import ABOUT, FAN, KITCHEN, QUIET, ROOMS, SPEECH, Voice, mixed, room, word_in_quiet
from speakerd.core.wake_idle import IdleGate
from speakerd.wake.shapes import CHUNK_FRAMES


def speak(text: str) -> np.ndarray:
    """Say something as a tone, longer for a longer text."""
    return np.sin(np.arange(len(text) * 1600) * 0.3).astype(np.float32)


VOICE = Voice("a tone", speak)


def rms(chunks: np.ndarray) -> np.ndarray:
    return np.sqrt(np.mean(chunks.astype(float) ** 2, axis=1))


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_is_the_same_each_time(name: str) -> None:
    """Of another seed it is another."""
    first = room(name, 3.0, 1, VOICE)
    assert first.shape == (37, CHUNK_FRAMES)
    assert first.dtype == np.int16
    assert np.array_equal(first, room(name, 3.0, 1, VOICE))
    assert not np.array_equal(first, room(name, 3.0, 2, VOICE))
    assert ABOUT[name]


def awake(name: str) -> float:
    """Return for which share of a room, once it is known, the gate is open."""
    gate = IdleGate(CHUNK_FRAMES)
    opened = [gate.process(chunk) for chunk in room(name, 60.0, 3, VOICE)]
    return float(np.mean(opened[200:]))


def test_the_gate_sleeps_where_nothing_stands_out() -> None:
    """And nowhere else: what a room costs depends on it."""
    assert [awake(name) for name in (QUIET, FAN)] == [0.0, 0.0]
    assert awake(KITCHEN) > 0.8
    assert awake(SPEECH) == 1.0


def test_levels_are_as_told() -> None:
    assert 8 < rms(room(QUIET, 10.0, 1, None)).mean() < 12
    assert 200 < rms(room(FAN, 10.0, 1, None)).mean() < 400
    kitchen = rms(room(KITCHEN, 20.0, 1, None))
    assert kitchen.max() > 10 * np.median(kitchen)


def test_mixed_audio_holds_silence_and_words() -> None:
    """Without a voice there are noises alone."""
    said = mixed(60.0, 1, VOICE)
    assert said.shape == (750, CHUNK_FRAMES)
    assert np.array_equal(said, mixed(60.0, 1, VOICE))
    assert rms(said)[: round(20 / 0.08)].min() == 0
    alone = mixed(60.0, 1, None)
    assert rms(said).max() > 3 * rms(alone)[: round(20 / 0.08)].max()
    assert not alone[:240].any()


def test_the_word_comes_behind_two_quiet_seconds() -> None:
    said = rms(word_in_quiet(1, VOICE))
    assert said[:24].max() < 20
    assert said[26:30].min() > 1000
    assert rms(word_in_quiet(1, None)).max() < 20
