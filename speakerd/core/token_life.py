"""How long a token is good for and when the next one is fetched. Times are arguments, on the monotonic clock.

A token's end comes as a date; it is turned into a remaining life once, when the token comes, so that a clock that is
set later changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

LONGEST_MARGIN_S = 60.0
"""A token is not used in its last minute: a handshake with it may take that long (guess)."""

_MARGIN_SHARE = 0.1
"""Of a token with a short life, the last tenth is not used (guess)."""

LAST_REFRESH_S = 300.0
"""The next one is fetched at least so long before the end, whatever the issuer suggests (as the library does)."""

_REFRESH_SHARE = 0.5
"""Where the issuer suggests nothing, after half of its life (DESIGN)."""

SOONEST_REFRESH_S = 300.0
"""The next one is not fetched sooner, nor before half of a short life, even where the issuer's moment has passed: while
Entra is busy the library gives the kept token again and says so each time; Entra was asked every second (guess)."""

_JITTER_SHARE = 0.05
"""Spread of the refresh, as a share of the wait: a thousand speakers do not come at once (guess)."""

FIRST_RETRY_S = 2.0
"""First wait after a failure (guess)."""

LONGEST_RETRY_S = 300.0
"""Longest wait after failures (guess): whoever signs in, or mends the network, wakes us anyway."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token, and what is known of its life."""

    secret: str = field(repr=False)
    """What the service wants to see."""

    fetched_at_s: float
    """When it came."""

    expires_at_s: float
    """When it ends."""

    refresh_after_s: float | None = None
    """How long after it came the issuer suggests to fetch the next; None: it suggests nothing."""

    account: str | None = None
    """Who is signed in, as people know them; None: no person."""

    @property
    def life_s(self) -> float:
        """How long it was good for when it came."""
        return max(0.0, self.expires_at_s - self.fetched_at_s)

    @property
    def usable_until_s(self) -> float:
        """Until when a handshake may begin with it."""
        return self.expires_at_s - min(LONGEST_MARGIN_S, _MARGIN_SHARE * self.life_s)

    def is_usable(self, now_s: float) -> bool:
        """Return whether a handshake may begin with it."""
        return now_s < self.usable_until_s


def refresh_at_s(token: Token, chance: float) -> float:
    """Return when the next token is fetched.

    Args:
        token: The one there is.
        chance: 0 to 1, drawn anew each time.
    """
    half = _REFRESH_SHARE * token.life_s
    wait_s = half if token.refresh_after_s is None else max(token.refresh_after_s, min(half, SOONEST_REFRESH_S))
    wait_s = min(wait_s, max(half, token.life_s - LAST_REFRESH_S))
    return token.fetched_at_s + wait_s * (1 - _JITTER_SHARE * chance)


def retry_after_s(failures: int, chance: float) -> float:
    """Return how long to wait after so many failures in a row.

    Args:
        failures: 1 and more.
        chance: 0 to 1, drawn anew each time.
    """
    longest_s = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(failures - 1, 16))
    return longest_s * (0.5 + 0.5 * chance)
