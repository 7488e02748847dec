"""A volume in percent, as a factor and as decibels."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.core.loudness import db_of, gain_of, percent_of

JACK = (-102.39, 4.0)
"""The Pi's own."""


@pytest.mark.parametrize(("percent", "gain"), [(0, 0.0), (50, 0.125), (100, 1.0)])
def test_a_gain_is_the_cube(percent, gain):
    """From silence to as it came."""
    assert gain_of(percent) == gain


@pytest.mark.parametrize(
    ("percent", "spread", "db"),
    [
        (0, JACK, -102.39),
        (100, JACK, 0.0),
        (100, (-50.0, -2.0), -2.0),
        (100, (0.0, 24.0), 24.0),
        (1, (-50.0, 0.0), -50.0),
    ],
)
def test_a_mixer_goes_from_silence_to_no_amplification(percent, spread, db):
    """Its lowest place is silence; one that only amplifies, or only damps, ends where it ends."""
    assert db_of(percent, *spread) == pytest.approx(db)


@given(st.integers(2, 100))
def test_both_ways_agree(percent):
    """What was set is what is shown, and mixer and samples sound the same."""
    db = db_of(percent, *JACK)
    assert percent_of(db, *JACK) == percent
    assert db == pytest.approx(20 * math.log10(gain_of(percent)))


@pytest.mark.parametrize(("db", "percent"), [(-102.39, 0), (4.0, 100), (-200.0, 0)])
def test_somebody_else_may_have_moved_it(db, percent):
    """Beyond what we set it is full, or silent."""
    assert percent_of(db, *JACK) == percent
