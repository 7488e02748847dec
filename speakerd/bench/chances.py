"""What a count allows one to say: how far the true rate may be from the one that was counted. Pure.

Both are the exact bounds of the textbooks, found by halving an interval: no table, no approximation that fails at
small counts, which are the usual ones here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

CONFIDENCE = 0.95
"""How sure a bound is (chosen: what everybody prints)."""

_HALVINGS = 60
"""More than a float has digits."""


@lru_cache(maxsize=1024)
def at_most(count: int, confidence: float = CONFIDENCE) -> float:
    """Return how many there may be on average where so many were counted (Poisson, one-sided).

    Args:
        count: Events that came by themselves, such as false alarms.
        confidence: How sure to be, below 1.
    """
    logs = [math.lgamma(number + 1) for number in range(count + 1)]

    def tail(mean: float) -> float:
        """Return the chance of so few or fewer."""
        return math.fsum(math.exp(number * math.log(mean) - mean - log) for number, log in enumerate(logs))

    return _where(lambda mean: tail(mean) > 1 - confidence, 20.0 + 3.0 * count)


@lru_cache(maxsize=1024)
def share_within(count: int, of: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return between which shares the true one is where ``count`` of ``of`` were counted (binomial, two-sided).

    Args:
        count: Of them, such as misses.
        of: How many there were, at least one.
        confidence: How sure to be, below 1.

    Raises:
        ValueError: there were none, or more were counted than there were.
    """
    if not 0 <= count <= of or not of:
        raise ValueError(f"{count} of {of} is no share")
    doubt = (1 - confidence) / 2
    low = _where(lambda share: 1 - _so_few(count - 1, of, share) < doubt, 1.0) if count else 0.0
    high = _where(lambda share: _so_few(count, of, share) > doubt, 1.0) if count < of else 1.0
    return low, high


def _so_few(count: int, of: int, share: float) -> float:
    """Return the chance of at most ``count`` of ``of`` where each is one with a chance between 0 and 1."""
    one, other, all_of_them = math.log(share), math.log1p(-share), math.lgamma(of + 1)
    return math.fsum(
        math.exp(all_of_them - math.lgamma(n + 1) - math.lgamma(of - n + 1) + n * one + (of - n) * other)
        for n in range(count + 1)
    )


def _where(is_below: Callable[[float], bool], top: float) -> float:
    """Return where something that holds from 0 on ceases to hold, below ``top``."""
    low, high = 0.0, top
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return high
