"""How far two clocks are apart, told from the way of an echo."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakerd.core.echo_drift import EchoDrift

EVERY_S = 0.5
FREQUENCIES_HZ = np.arange(200, 3600, 0.5)
Phases = npt.NDArray[np.complex128]


def scattered(rng: np.random.Generator) -> Phases:
    """Return phases that have nothing to do with one another."""
    return np.exp(2j * np.pi * rng.random(len(FREQUENCIES_HZ)))


def windows(ppm: float, seed: int = 1, *, echo: float = 1.0) -> Iterator[Phases]:
    """Yield what is seen of a room full of reflections, an echo beside as much of something else."""
    rng = np.random.default_rng(seed)
    room, window = scattered(rng), 0
    while True:
        grown_s = ppm * 1e-6 * EVERY_S * window
        seen = echo * room * np.exp(-2j * np.pi * FREQUENCIES_HZ * grown_s) + scattered(rng)
        yield seen / np.abs(seen)
        window += 1


def new() -> EchoDrift:
    return EchoDrift(FREQUENCIES_HZ, EVERY_S)


def followed(seen: Iterator[Phases], count: int, drift: EchoDrift | None = None) -> EchoDrift:
    """Return one that was given so many windows."""
    drift = drift or new()
    for _, phases in zip(range(count), seen, strict=False):
        drift.append(phases)
    return drift


@settings(max_examples=20, deadline=None)
@given(ppm=st.floats(-1200, 1200), seed=st.integers(0, 1000))
def test_a_steady_growth_is_told(ppm: float, seed: int) -> None:
    """To 15 parts per million, within six seconds, however many reflections there are."""
    assert followed(windows(ppm, seed), 12).ppm == pytest.approx(ppm, abs=15)


def test_it_is_known_early() -> None:
    """With the first windows that do not overlap."""
    drift, seen = new(), windows(400.0)
    assert followed(seen, 2, drift).ppm is None
    assert followed(seen, 2, drift).ppm == pytest.approx(400, abs=40)


@pytest.mark.parametrize("seed", range(10))
def test_without_an_echo_there_is_no_drift(seed: int) -> None:
    """Neither at first nor after a minute is chance taken for one."""
    drift, seen = new(), windows(0.0, seed, echo=0.0)
    for _ in range(120):
        assert followed(seen, 1, drift).ppm is None


def test_silence_of_the_far_end_is_left_out() -> None:
    """A window in which nothing was played passes, and tells nothing."""
    drift, seen = new(), windows(-300.0)
    for window, phases in zip(range(20), seen, strict=False):
        drift.append(None if window % 5 == 4 else phases)
    assert drift.ppm == pytest.approx(-300, abs=15)


def test_nothing_is_compared_across_a_restart() -> None:
    """The far end has moved, and what it was compared with is another way; the clocks are the same still."""
    drift = new()
    for seed in range(8):
        drift.restart()
        followed(windows(0.0, seed), 2, drift)  # each too short
    assert drift.ppm is None
    followed(windows(200.0), 12, drift)
    drift.restart()
    assert drift.ppm == pytest.approx(200, abs=15)


def test_a_way_that_becomes_another_is_no_drift() -> None:
    """Somebody turns the loudspeaker round: it is another room, and the clocks are the same still."""
    drift = followed(windows(100.0, 1), 12)
    for window, phases in zip(range(12), windows(100.0, 2), strict=False):
        drift.append(phases)
        assert drift.ppm == pytest.approx(100, abs=15), window


def test_clocks_of_other_cards_are_learnt_in_time() -> None:
    """What is long ago counts less."""
    drift = followed(windows(500.0, 1), 60)
    assert followed(windows(-100.0, 2), 90, drift).ppm == pytest.approx(-100, abs=15)
