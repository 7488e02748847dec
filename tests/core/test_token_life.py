"""How long a token is good for, and when the next one is fetched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.core.token_life import (
    FIRST_RETRY_S,
    LAST_REFRESH_S,
    LONGEST_MARGIN_S,
    LONGEST_RETRY_S,
    SOONEST_REFRESH_S,
    Token,
    refresh_at_s,
    retry_after_s,
)

HOUR_S = 3600.0

TOKENS = st.builds(
    lambda at, life, refresh: Token("secret", at, at + life, None if refresh is None else refresh * life),
    st.floats(0, 1e7),
    st.floats(0, 100_000),
    st.none() | st.floats(0, 2),
)
CHANCES = st.floats(0, 1)


def token(life_s: float, refresh_after_s: float | None = None, at_s: float = 1000.0) -> Token:
    """Return a token that came at some time and lives so long."""
    return Token("secret", at_s, at_s + life_s, refresh_after_s)


def test_the_secret_is_not_in_the_repr() -> None:
    """What may land in a log shows the token's life only."""
    assert "secret" not in repr(Token("secret", 0, HOUR_S))


@pytest.mark.parametrize(
    ("life_s", "usable_s"),
    [(HOUR_S, HOUR_S - LONGEST_MARGIN_S), (600, 540), (60, 54), (10, 9), (0, 0), (-5, -5)],
)
def test_a_token_is_not_used_at_its_very_end(life_s: float, usable_s: float) -> None:
    """A handshake takes time: a minute is kept, of a short life a tenth."""
    assert token(life_s).usable_until_s == pytest.approx(1000 + usable_s)


def test_a_token_is_usable_until_its_margin() -> None:
    """At the margin it is over."""
    assert token(100).is_usable(1089.9)
    assert not token(100).is_usable(1090)


def test_a_token_that_was_over_when_it_came_has_no_life() -> None:
    """Its life is not negative."""
    assert token(-5).life_s == 0
    assert not token(-5).is_usable(1000)


@pytest.mark.parametrize(
    ("life_s", "suggested_s", "expected_s"),
    [
        (HOUR_S, None, 1800),  # half of it
        (24 * HOUR_S, 12 * HOUR_S, 12 * HOUR_S),  # as the issuer suggests
        (HOUR_S, 3590, HOUR_S - LAST_REFRESH_S),  # but not at the last minute
        (HOUR_S, 9999, HOUR_S - LAST_REFRESH_S),
        (HOUR_S, 0, SOONEST_REFRESH_S),  # nor again and again, where its moment has passed
        (HOUR_S, 2, SOONEST_REFRESH_S),
        (400, None, 200),  # a short life cannot keep that distance
        (400, 399, 200),
        (10, 0, 5),
        (10, None, 5),
        (0, None, 0),
    ],
)
def test_the_next_one_is_fetched_ahead_of_need(life_s: float, suggested_s: float | None, expected_s: float) -> None:
    """By the issuer's word, else at half its life, in time for retries."""
    assert refresh_at_s(token(life_s, suggested_s), 0) == pytest.approx(1000 + expected_s)


def test_a_thousand_speakers_do_not_come_at_once() -> None:
    """Chance brings the refresh forward by up to a twentieth."""
    assert refresh_at_s(token(HOUR_S), 1) == pytest.approx(1000 + 0.95 * 1800)


@given(TOKENS, CHANCES)
def test_a_refresh_lies_within_the_life(one: Token, chance: float) -> None:
    """Never before the token came, never after its end."""
    assert one.fetched_at_s <= refresh_at_s(one, chance) <= one.expires_at_s + 1e-6


@given(TOKENS, CHANCES)
def test_the_next_one_is_fetched_while_the_last_is_usable(one: Token, chance: float) -> None:
    """Whatever the issuer suggests: there is a token while it is fetched."""
    if one.life_s > 0:
        assert one.is_usable(refresh_at_s(one, chance) - 1e-6)


@given(TOKENS, st.floats(0, 2e7), st.floats(0, 1e6))
def test_once_over_a_token_stays_over(one: Token, now_s: float, later_s: float) -> None:
    """Time only takes."""
    assert one.is_usable(now_s) or not one.is_usable(now_s + later_s)


@pytest.mark.parametrize(("failures", "longest_s"), [(1, 2), (2, 4), (5, 32), (8, 256), (9, 300), (10_000, 300)])
def test_retries_come_less_and_less_often(failures: int, longest_s: float) -> None:
    """From two seconds to five minutes, spread over the upper half."""
    assert retry_after_s(failures, 1) == longest_s
    assert retry_after_s(failures, 0) == longest_s / 2


@given(st.integers(1, 10**9), CHANCES)
def test_a_retry_is_never_at_once_and_never_far(failures: int, chance: float) -> None:
    """Whatever has happened."""
    assert FIRST_RETRY_S / 2 <= retry_after_s(failures, chance) <= LONGEST_RETRY_S
