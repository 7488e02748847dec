"""The gain: where it stands nothing moves, and where it moves nothing jumps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.core.gain import GAIN_MAX, RAMP_FRAMES, GainRamp

ONES = np.full(4800, 10_000, np.int16)


def test_a_gain_of_one_is_the_block_itself() -> None:
    """Nothing is copied where nothing is to be done."""
    assert GainRamp().apply(ONES) is ONES


def test_a_settled_gain_is_one_product() -> None:
    """A volume set before anything plays is there from the first sample."""
    gain = GainRamp()
    gain.set(0.5)
    gain.settle()
    assert gain.target == 0.5
    assert gain.apply(ONES).tolist() == [5000.0] * len(ONES)


@pytest.mark.parametrize("target", [0.0, 0.25, 2.0])
def test_a_change_takes_its_time_and_then_is_done(target: float) -> None:
    """From silence to full, or back, in one ramp; shorter ways sooner."""
    gain = GainRamp()
    gain.set(target)
    moved = gain.apply(ONES) / 10_000
    way = int(np.ceil(RAMP_FRAMES * abs(target - 1.0)))
    assert moved[way - 2] != target
    assert moved[way:] == pytest.approx(target)
    assert gain.apply(ONES) == pytest.approx(10_000 * target)


def test_an_empty_block_moves_nothing() -> None:
    """Nor fails."""
    gain = GainRamp()
    gain.set(0.0)
    assert len(gain.apply(ONES[:0])) == 0
    assert gain.apply(ONES[:1])[0] == pytest.approx(10_000 * (1 - 1 / RAMP_FRAMES))


@pytest.mark.parametrize("wrong", [-0.1, GAIN_MAX + 0.1, float("nan"), float("inf")])
def test_a_gain_out_of_range_is_refused(wrong: float) -> None:
    """And the old one stays."""
    gain = GainRamp()
    with pytest.raises(ValueError, match="between 0 and 4"):
        gain.set(wrong)
    assert gain.target == 1.0


@given(st.lists(st.tuples(st.floats(0, GAIN_MAX), st.integers(1, 700)), min_size=1, max_size=12))
def test_the_gain_never_jumps_nor_overshoots(story: list[tuple[float, int]]) -> None:
    """Whatever is asked and however the stream is cut."""
    gain = GainRamp()
    out = [np.ones(1)]
    for target, frames in story:
        before = out[-1][-1]
        gain.set(target)
        out.append(gain.apply(np.ones(frames, np.float32)).astype(float))
        assert out[-1].min() >= min(before, target) - 1e-5
        assert out[-1].max() <= max(before, target) + 1e-5
    assert np.abs(np.diff(np.concatenate(out))).max() <= 1.01 / RAMP_FRAMES
