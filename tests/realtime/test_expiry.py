"""When a session is called expiring."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.realtime.expiry import AZURE_LIFE_S, MARGIN_S, OPENAI_LIFE_S, notice_delay_s

NOW_S = 1_800_000_000.5


@pytest.mark.parametrize(
    ("expires_at", "longest_s", "delay_s"),
    [
        (1_800_003_600, OPENAI_LIFE_S, 3599.5 - MARGIN_S),  # as told
        (1_800_003_600, AZURE_LIFE_S, 1800 - MARGIN_S),  # an hour is told, half an hour is given
        (None, OPENAI_LIFE_S, 1800 - MARGIN_S),  # nothing is told
        (1_799_000_000, OPENAI_LIFE_S, 1800 - MARGIN_S),  # long ago: our clock is wrong
        (1_900_000_000, OPENAI_LIFE_S, 3600 - MARGIN_S),  # in years: our clock is wrong
        (1_800_000_040, OPENAI_LIFE_S, 0.75 * 39.5),  # a short life keeps most of it
    ],
)
def test_an_end_is_told_a_margin_ahead(expires_at: int | None, longest_s: float, delay_s: float) -> None:
    """The service's word counts where it can be true, never beyond what it grants."""
    assert notice_delay_s(expires_at, NOW_S, longest_s) == delay_s


@given(st.none() | st.integers(0, 2**53), st.floats(0, 4e9), st.sampled_from([AZURE_LIFE_S, OPENAI_LIFE_S]))
def test_whatever_the_clocks_say_a_session_is_of_use(expires_at: int | None, wall_s: float, longest_s: float) -> None:
    """The story of a Pi without a clock: the end is always told after the beginning and before the service's limit."""
    delay_s = notice_delay_s(expires_at, wall_s, longest_s)
    assert 0 < delay_s <= longest_s - MARGIN_S
