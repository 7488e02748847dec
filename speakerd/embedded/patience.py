"""How long a client may keep its seat without a sign of life.

A client that leaves says so: with a close frame, or its system does with a FIN. One whose machine vanishes, or whose
process hangs, says nothing. Whoever answers no ping is ended by the WebSocket library; here is what it cannot see.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable

PATIENCE_S = 20.0
"""How often a client is pinged, and how long it may take to answer (chosen: the library's own value; whether the
service pings is not known). A client that is gone has lost its seat after twice that and a second to say goodbye."""

_LOOK_S = 1.0
"""How often a stalled connection is looked at (guessed)."""


class Patience:
    """Ends a connection whose client is gone. Thread: event loop.

    Args:
        loop: Where time passes.
        waiting_bytes: Tells how much waits to be read.
        fd: The connection's socket.
        drop: Ends it.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, waiting_bytes: Callable[[], int], fd: int, drop: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._waiting_bytes = waiting_bytes
        self._fd = fd
        self._drop = drop
        self._deadline: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None

    def expect(self, within_s: float) -> None:
        """Drop the client unless ``rest`` is called in time."""
        self.rest()
        self._deadline = self._loop.call_later(within_s, self._drop)

    def expect_reading(self, within_s: float) -> None:
        """Drop the client when it has read nothing for so long, until ``rest``; reading slowly is reading."""
        self.rest()
        waiting = self._waiting_bytes()
        self._deadline = self._loop.call_later(within_s, self._look_at_reading, waiting, within_s)

    def rest(self) -> None:
        """Expect nothing any more."""
        if self._deadline is not None:
            self._deadline.cancel()

    def watch_leaving(self) -> None:
        """Drop the client when it has left; for while nothing is read from it, so that its end is not seen."""
        self._look = self._loop.call_later(_LOOK_S, self._look_at_socket)

    def end(self) -> None:
        """Watch nothing any more: the connection is gone."""
        self.rest()
        if self._look is not None:
            self._look.cancel()

    def _look_at_reading(self, waited: int, within_s: float) -> None:
        if self._waiting_bytes() >= waited:
            self._drop()
        else:
            self.expect_reading(within_s)

    def _look_at_socket(self) -> None:
        poll = select.poll()
        poll.register(self._fd, select.POLLRDHUP)  # errors and hang-ups are always told
        if poll.poll(0):
            self._drop()
        else:
            self.watch_leaving()
