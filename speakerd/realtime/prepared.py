"""A socket opened on a guess, before anybody knows that it is needed: dialled, held, handed over or dropped.

Nothing is sent on it and nothing is read from it here; what it becomes is ``connection.py``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from speakerd.core.errors import SpeakerdError
from speakerd.ports import Credentials, Trace
from speakerd.realtime.sockets import CONNECT_TIMEOUT_S, Dial, Socket, open_socket

HELD_S = 10.0
"""How long an open socket is held: a rising score becomes a wake word within a second, or never (guessed). So short,
too, that routers on the way do not forget it."""

_log = logging.getLogger("speakerd.link")


class Prepared:
    """One socket, ahead of need.

    Thread: event loop.
    Ends: when it is taken, abandoned, too old, or could not be opened; unless it was taken, it is then closed.
    """

    def __init__(
        self,
        *,
        dial: Dial,
        credentials: Credentials,
        trace: Trace,
        now: Callable[[], float],
        held_s: float = HELD_S,
    ) -> None:
        self._dial = dial
        self._credentials = credentials
        self._trace = trace
        self._now = now
        self._held_s = held_s
        self._dialled = asyncio.Event()
        self._taken = asyncio.Event()
        self._socket: Socket | None = None
        self._task: asyncio.Task[None] | None = None
        self._wanted = True
        self.dialled_in_s = 0.0
        """How long the handshake took: what a fresh one would take."""

    @property
    def hopeful(self) -> bool:
        """Whether there is a socket to be taken, or may be in a moment."""
        return self._wanted and not self._taken.is_set() and (self._socket is not None or not self._dialled.is_set())

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Begin to dial, as a task of this group."""
        self._task = tasks.create_task(self._hold(), name="link-prepared")

    def abandon(self) -> None:
        """Drop the socket, or the attempt; what was taken stays taken."""
        if self.hopeful:
            self._trace.mark("link.abandoned", reason="unused")
        self._wanted = False
        if self._task is not None:
            self._task.cancel()

    async def take(self) -> Socket | None:
        """Hand over the socket, once it is dialled; who takes it closes it. None when there is none after all.

        Ends: with the dialling.
        """
        await self._dialled.wait()
        socket, self._socket = self._socket, None
        self._taken.set()
        return socket

    async def _hold(self) -> None:
        self._trace.mark("link.preparing")
        try:
            await self._dial.warm()
            begun_s = self._now()
            self._socket = await open_socket(self._dial, self._credentials, CONNECT_TIMEOUT_S)
            self.dialled_in_s = self._now() - begun_s
        except SpeakerdError as error:
            _log.debug("nothing prepared: %s: %s", error.code, error)
            self._trace.mark("link.abandoned", reason=error.code)
            return
        finally:
            self._dialled.set()
        self._trace.mark("link.prepared")
        try:
            # A cancellation that met the end of the handshake may be lost on Python 3.11: hence the flag beside it.
            async with asyncio.timeout(self._held_s if self._wanted else 0):
                await self._taken.wait()
        except TimeoutError:
            if self._wanted:
                self._trace.mark("link.abandoned", reason="too old")
            self._wanted = False
        finally:
            await self._drop()

    async def _drop(self) -> None:
        """Close the socket, unless somebody has taken it."""
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()
