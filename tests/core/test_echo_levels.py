"""Levels: mean squares, 1 being full scale."""

from __future__ import annotations

import numpy as np
import pytest

from speakerd.core.echo_levels import STEP_FRAMES, dbfs, power, powers


def test_each_level_is_the_mean_square_of_its_20_ms() -> None:
    """A square wave at half of full scale has a quarter of its power."""
    sound = np.concatenate((np.full(STEP_FRAMES, 16384), np.full(STEP_FRAMES, -3277))).astype(np.int16)
    assert powers(sound) == pytest.approx([0.25, 0.01], rel=1e-3)
    assert power(sound) == pytest.approx(0.13, rel=1e-3)


def test_silence_has_a_finite_level() -> None:
    """And full scale is none."""
    assert dbfs(1.0) == 0
    assert dbfs(0.0) == -120
