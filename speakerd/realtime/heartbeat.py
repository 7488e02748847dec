"""Whether the service is still there: a network can go silent without a word, and then no send and no read fails.

The package's own keepalive does not notice it in time: with audio waiting to be sent, its ping waits as well. What a
ping is on the wire is ``dialler.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

from speakerd.core.errors import LinkError, Remedy
from speakerd.realtime.sockets import Socket

BEAT_S = 1.0
"""Between the service's answer to one ping and the next ping; a ping is 6 bytes beside 64 kB of audio a second."""

SILENT_BEATS = 6
"""So many beats without a sign of life end the session. TCP bridges gaps of some three seconds in that time, since it
waits twice as long before each new try; a user waits no longer than for a service that does not answer (guess)."""


class Heartbeat:
    """Pings the service, and ends the session when it gives no sign of life. Thread: event loop.

    Silence is counted in beats and not by the clock: while a busy machine keeps the loop from hearing, no beat passes.

    Args:
        sleep: Waits from one beat to the next.
    """

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._sleep = sleep
        self._heard = True

    def heard(self) -> None:
        """Note that something came from the service."""
        self._heard = True

    async def run(self, socket: Socket) -> None:
        """Watch one session. Ends: by cancellation.

        Raises:
            ExceptionGroup: of one ``LinkError``: nothing came for ``SILENT_BEATS``, or the socket is lost.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._ping(socket), name="link-ping")
            tasks.create_task(self._watch(), name="link-watch")

    async def _ping(self, socket: Socket) -> NoReturn:
        while True:
            await socket.ping()
            self._heard = True
            await self._sleep(BEAT_S)

    async def _watch(self) -> NoReturn:
        silent_beats = 0
        while silent_beats < SILENT_BEATS:
            await self._sleep(BEAT_S)
            silent_beats = 0 if self._heard else silent_beats + 1
            self._heard = False
        raise LinkError("link-timeout", "the service has fallen silent: check the network", Remedy.RECONNECT)
