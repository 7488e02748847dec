"""How fast the delay of an echo grows."""

from __future__ import annotations

import pytest

from speakerd.core.echo_drift import EchoDrift


def followed(delays_ms: list[float]) -> EchoDrift:
    """Return one that was given these, half a second apart."""
    drift = EchoDrift(0.5)
    for delay_ms in delays_ms:
        drift.append(delay_ms)
    return drift


@pytest.mark.parametrize("ppm", [-800.0, 0.0, 30.0, 400.0])
def test_a_steady_growth_is_told(ppm: float) -> None:
    """In parts per million of time."""
    drift = followed([40.0 + ppm / 1000 * 0.5 * step for step in range(8)])
    assert drift.ppm == pytest.approx(ppm, abs=0.01)
    assert drift.delay_ms == pytest.approx(40.0 + ppm / 1000 * 3.5)


def test_too_few_delays_tell_nothing() -> None:
    """Four seconds are needed."""
    assert followed([40.0] * 7).ppm is None
    assert EchoDrift(0.5).delay_ms is None


def test_a_delay_that_jumps_tells_nothing() -> None:
    """It is a room with two reflections as loud."""
    assert followed([40.0, 47.0] * 8).ppm is None


def test_nothing_is_compared_across_a_restart() -> None:
    """The far end has moved."""
    drift = followed([40.0] * 8)
    drift.restart()
    drift.append(55.0)
    assert (drift.ppm, drift.delay_ms) == (None, 55.0)
