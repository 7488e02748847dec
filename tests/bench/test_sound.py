"""A recording tells when it sounded and where it paused; a line tells where a recording is in it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.bench.sound import ALIKE, Line, Sound, place

RATE_HZ = 1000
"""A sample a millisecond, so that figures can be read."""


def sound(*spans: tuple[int, int], length: int = 1000) -> Sound:
    """Return a recording that begins at 10 s and is loud in these milliseconds."""
    pcm = np.zeros(length, np.int16)
    for begin, end in spans:
        pcm[begin:end] = 1
    return Sound(10.0, RATE_HZ, pcm)


def noise(length: int, seed: int = 1) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(length) * 3000).astype(np.int16)


def test_the_first_sound_after_a_moment() -> None:
    """Is when it becomes audible; None: never."""
    heard = sound((100, 200), (400, 500))
    assert heard.first_s(10.0) == pytest.approx(10.1)
    assert heard.first_s(10.15) == pytest.approx(10.15)
    assert heard.first_s(10.2) == pytest.approx(10.4)
    assert heard.first_s(10.6) is None


def test_it_is_silent_where_a_long_silence_begins() -> None:
    """A short one is passed over; a sound that never ends is not silent."""
    heard = sound((100, 200), (250, 300), length=500)
    assert heard.silent_s(10.15, quiet_ms=100) == pytest.approx(10.3)
    assert heard.silent_s(10.15, quiet_ms=40) == pytest.approx(10.2)
    assert heard.silent_s(10.35, quiet_ms=100) == pytest.approx(10.35), "it was silent already"
    assert sound((100, 500), length=500).silent_s(10.15, quiet_ms=100) is None


def test_gaps_are_inside() -> None:
    """From 12 ms on; the silence before and after is none."""
    heard = sound((100, 200), (212, 300), (313, 400), (450, 460))
    assert heard.gaps_ms(10.0) == [13.0, 50.0]
    assert heard.gaps_ms(10.0, 10.42) == [13.0]
    assert heard.gaps_ms(10.5) == []


@given(at=st.integers(-40, 300), level=st.sampled_from([0.1, 1.0, 3.0]))
def test_a_recording_is_found_where_it_is(at: int, level: float) -> None:
    """At any level and under noise, also where the line begins inside it."""
    recording = noise(200)
    line = noise(400, seed=2) * 0.02
    part = recording[max(-at, 0) : 400 - at] * level
    line[max(at, 0) : max(at, 0) + len(part)] += part
    found, alike = place(recording, line.astype(np.int16))
    assert found == at
    assert alike > ALIKE


def test_noise_is_like_nothing() -> None:
    """And neither is an empty line."""
    assert place(noise(500), noise(4000, seed=2))[1] < 0.3
    assert place(noise(500), np.zeros(0, np.int16)) == (0, 0.0)
    assert place(noise(500), np.zeros(900, np.int16))[1] == 0.0


def test_a_sample_came_with_the_piece_that_holds_it() -> None:
    """What is not on the line never came."""
    line = Line(RATE_HZ, [1.0, 2.0], [np.arange(3, dtype=np.int16), np.arange(2, dtype=np.int16)])
    assert [line.arrival_s(index) for index in (-1, 0, 2, 3, 4, 5)] == [None, 1.0, 1.0, 2.0, 2.0, None]
    assert list(line.pcm) == [0, 1, 2, 0, 1]
    assert len(Line(RATE_HZ, [], []).pcm) == 0
