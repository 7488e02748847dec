"""Bounds are the textbooks', and never on the wrong side of what was counted."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.bench.chances import at_most, share_within


@pytest.mark.parametrize(("count", "most"), [(0, 2.996), (1, 4.744), (2, 6.296), (10, 16.962), (100, 118.08)])
def test_the_bound_of_a_count_is_poissons(count: int, most: float) -> None:
    """As the tables have it, one-sided at 95 %."""
    assert at_most(count) == pytest.approx(most, abs=0.01)


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [(0, 10, 0.0, 0.3085), (1, 10, 0.0025, 0.4450), (5, 10, 0.1871, 0.8129), (10, 10, 0.6915, 1.0), (0, 1, 0.0, 0.975)],
)
def test_the_range_of_a_share_is_clopper_and_pearsons(count: int, of: int, low: float, high: float) -> None:
    """As the tables have it, two-sided at 95 %."""
    assert share_within(count, of) == pytest.approx((low, high), abs=0.0001)


@given(st.integers(1, 200), st.data())
def test_a_share_lies_in_its_range_and_mirrored_shares_mirror(of: int, data: st.DataObject) -> None:
    """What is missed in one reading is heard in the other."""
    count = data.draw(st.integers(0, of))
    low, high = share_within(count, of)
    assert 0 <= low <= count / of <= high <= 1
    assert low < high
    other_low, other_high = share_within(of - count, of)
    assert (1 - other_high, 1 - other_low) == pytest.approx((low, high), abs=1e-9)


@given(st.integers(1, 60), st.integers(1, 60))
def test_more_clips_say_more(count: int, more: int) -> None:
    """With the same share in them; and more counted means more may be."""
    low, high = share_within(count, 2 * count)
    tight_low, tight_high = share_within(count + more, 2 * (count + more))
    assert low < tight_low < tight_high < high
    assert count < at_most(count) < at_most(count + more)


@given(st.integers(0, 60), st.floats(0.5, 0.99), st.floats(0.5, 0.99))
def test_who_wants_to_be_surer_gets_a_wider_bound(count: int, one: float, other: float) -> None:
    """And the bound is where so few have just that chance."""
    less, more = sorted((one, other))
    assert at_most(count, less) <= at_most(count, more)
    mean = at_most(count, more)
    chance = math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1))
    assert chance == pytest.approx(1 - more, abs=1e-9)


@pytest.mark.parametrize(("count", "of"), [(1, 0), (0, 0), (-1, 5), (6, 5)])
def test_what_is_no_share_is_refused(count: int, of: int) -> None:
    """Loudly: a table would show it as a figure."""
    with pytest.raises(ValueError, match="is no share"):
        share_within(count, of)
