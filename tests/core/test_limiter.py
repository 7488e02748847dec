"""The ceiling: below it nothing changes, above it nothing passes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from speakerd.core.limiter import CEILING, FULL_SCALE, limit

LOUDER = hnp.arrays(np.float32, st.integers(0, 50), elements=st.floats(-(2.0**20), 2.0**20, width=32))


@given(hnp.arrays(np.int16, st.integers(0, 50), elements=st.integers(-int(CEILING), int(CEILING))))
def test_below_the_ceiling_every_bit_stays(samples: np.ndarray) -> None:
    """As integers, and as the floats that a mix makes of them."""
    assert limit(samples).tolist() == samples.tolist()
    assert limit(samples.astype(np.float32)).tolist() == samples.tolist()


def test_what_needs_nothing_is_returned_itself() -> None:
    """The usual case costs no copy."""
    samples = np.array([1, -2, 3], np.int16)
    assert limit(samples) is samples


@given(LOUDER)
def test_nothing_ever_passes_full_scale(samples: np.ndarray) -> None:
    """However loud, no overshoot and no wrap: each sample keeps its sign and what is below the ceiling its value."""
    limited = limit(samples)
    assert limited.dtype == np.int16
    assert np.all(np.abs(limited.astype(int)) <= FULL_SCALE)
    assert np.all(limited * np.sign(samples) >= 0)
    below = np.abs(samples) <= CEILING
    assert limited[below].tolist() == np.rint(samples[below]).astype(int).tolist()


def test_the_most_negative_sample_is_bent_too() -> None:
    """-32768 does not wrap."""
    (low,) = limit(np.array([-32_768], np.int16))
    assert -FULL_SCALE <= low < -CEILING


@given(st.lists(st.floats(0, 2.0**20, width=32), min_size=2, max_size=30))
def test_louder_stays_louder(levels: list[float]) -> None:
    """The curve has no fold: order is kept, on both sides."""
    limited = limit(np.sort(np.array(levels, np.float32)))
    assert np.all(np.diff(limited.astype(int)) >= 0)
    assert limit(np.array(levels, np.float32)).tolist() == (-limit(-np.array(levels, np.float32))).tolist()


@pytest.mark.parametrize("above_db", [0.1, 0.5, 1.0])
def test_a_little_above_the_ceiling_is_bent_a_little(above_db: float) -> None:
    """There is no corner: what is 1 dB above loses half a dB, not the whole."""
    level = CEILING * 10 ** (above_db / 20)
    (bent,) = limit(np.array([level], np.float32))
    assert 0 < 20 * np.log10(level / bent) < 0.6 * above_db
