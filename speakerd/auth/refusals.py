"""What the service thinks of our tokens: which it has refused, and whether it is worth while to show it another."""

from __future__ import annotations

from collections import deque
from hashlib import sha256

FRESH_S = 60.0
"""A token that is refused so soon after it came was never good for the service (guess)."""

_REMEMBERED = 8
"""Refused tokens that are known again (guess: one is the rule)."""


class Refusals:
    """The service's refusals since it has accepted a token. Thread: event loop.

    Attributes:
        is_of_all: It refuses whatever comes: a fresh token will not help, and one that has come proves nothing.
    """

    def __init__(self) -> None:
        self._refused: deque[bytes] = deque(maxlen=_REMEMBERED)
        self._count = 0
        self.is_of_all = False

    def note(self, secret: str, age_s: float) -> bool:
        """Take note of a refusal, and return whether another token may fare better.

        Args:
            secret: What was refused.
            age_s: How long ago it came.
        """
        self._refused.append(_digest(secret))
        again = self._count > 0 and age_s < FRESH_S
        self._count = self._count + 1 if again else 1
        self.is_of_all = self.is_of_all or again
        return not again

    def note_same(self) -> None:
        """Take note that nothing but refused tokens can be had."""
        self.is_of_all = True

    def include(self, secret: str) -> bool:
        """Return whether a token is one of those."""
        return _digest(secret) in self._refused

    def end(self) -> None:
        """Take note that a token was accepted, or that from now on it is somebody else who asks."""
        self._count = 0
        self.is_of_all = False


def _digest(secret: str) -> bytes:
    """Return what a token is known again by; it need not be kept for that."""
    return sha256(secret.encode()).digest()
