"""How long an attempt to connect is repeated, and how long to wait in between."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from speakerd.core.errors import AuthError, LinkError, Remedy, SpeakerdError

BUDGET_S = 10.0
"""How long a user who has just spoken is kept waiting before hearing that there is no service (guessed)."""

_FIRST_DELAY_S = 0.2
"""Guessed: a router that has just dropped a packet is back by then."""

_LONGEST_DELAY_S = 2.0
"""Guessed: so that a service that comes back is noticed while somebody still waits."""


class Patience:
    """Decides after each failure whether to try again, and waits: exponential back-off with jitter, within a budget.

    A refused credential is tried once more, since each attempt asks for fresh headers.
    """

    def __init__(self, now: Callable[[], float], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._now = now
        self._sleep = sleep
        self._end_s = now() + BUDGET_S
        self._delay_s = _FIRST_DELAY_S
        self._fresh_credential_tried = False

    @property
    def left_s(self) -> float:
        """What is left of the budget."""
        return max(0.0, self._end_s - self._now())

    async def after(self, error: SpeakerdError) -> None:
        """Wait until the next attempt.

        Raises:
            SpeakerdError: the error itself, when another attempt is of no use or comes too late.
        """
        delay_s = self._delay_after(error)
        if delay_s is None or delay_s >= self.left_s:
            raise error
        await self._sleep(delay_s)

    def _delay_after(self, error: SpeakerdError) -> float | None:
        if isinstance(error, AuthError):
            return None  # there was nothing to knock with; who keeps the credential tries on, and knows when
        if error.remedy is Remedy.REAUTHENTICATE and not self._fresh_credential_tried:
            self._fresh_credential_tried = True
            return 0.0
        if error.remedy not in (Remedy.RETRY, Remedy.RECONNECT):
            return None
        if isinstance(error, LinkError) and error.retry_after_s is not None:
            return error.retry_after_s
        delay_s = self._delay_s * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret
        self._delay_s = min(2 * self._delay_s, _LONGEST_DELAY_S)
        return delay_s
