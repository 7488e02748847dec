"""What a connection needs of a socket, as Protocols, and how one is opened with a credential, in time.

The sockets themselves are the SDK's, in ``link.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from speakerd.core.errors import LinkError, Remedy, SpeakerdError
from speakerd.ports import Credentials
from speakerd.realtime.patience import BUDGET_S

CONNECT_TIMEOUT_S = BUDGET_S
"""Longest wait for one handshake: all the patience there is. A slow service answers in eight seconds, and two attempts
of five would both be cut off (measured); lost packets are sent again by TCP itself."""


class Socket(Protocol):
    """An open WebSocket. Every failure is a ``LinkError``."""

    async def recv(self) -> bytes:
        """Return the next message."""

    async def send(self, text: str) -> None:
        """Send a message; waits while the network is behind."""

    async def ping(self) -> None:
        """Send a ping; return when the service has answered it."""

    async def close(self) -> None:
        """Close with 1000, or break off when nobody takes that; never raises."""


class Dial(Protocol):
    """Opens sockets to one endpoint."""

    async def warm(self) -> object:
        """Load what dialling needs, without touching the network."""

    async def __call__(self, headers: Mapping[str, str], timeout_s: float) -> Socket:
        """Open a socket.

        Raises:
            LinkError: it could not be opened.
        """


class TimedDial:
    """A dial that remembers how long its last handshake took.

    Args:
        dial: Does the dialling.
        now: Seconds on the monotonic clock.
    """

    def __init__(self, dial: Dial, now: Callable[[], float]) -> None:
        self._dial = dial
        self._now = now
        self.took_s: float | None = None
        """Name, socket, TLS and the service's answer together; None: nothing was opened yet. A failure is not it."""

    async def warm(self) -> object:
        """Load what dialling needs."""
        return await self._dial.warm()

    async def __call__(self, headers: Mapping[str, str], timeout_s: float) -> Socket:
        """Open a socket.

        Raises:
            LinkError: it could not be opened.
        """
        await self._dial.warm()  # a slow import is not the network's fault
        begun_s = self._now()
        socket = await self._dial(headers, timeout_s)
        self.took_s = self._now() - begun_s
        return socket


async def open_socket(dial: Dial, credentials: Credentials, within_s: float) -> Socket:
    """Sign a handshake and open one socket.

    Args:
        dial: Opens it.
        credentials: Who we are.
        within_s: How much patience is left.

    Raises:
        SpeakerdError: it could not be opened, or there is no credential.
    """
    timeout_s = min(CONNECT_TIMEOUT_S, within_s)
    try:
        async with asyncio.timeout(timeout_s):
            headers = await credentials.headers()
            try:
                socket = await dial(headers, timeout_s)
            except LinkError as error:
                in_vain = credentials.rejected() if error.remedy is Remedy.REAUTHENTICATE else None
                if in_vain is not None:
                    raise in_vain from error
                raise
            credentials.accepted()
            return socket
    except TimeoutError as error:
        raise LinkError(
            "link-timeout", "the service did not answer in time: check the network", Remedy.RETRY
        ) from error


def first_of(failures: BaseExceptionGroup[SpeakerdError]) -> SpeakerdError:
    """Return the first failure of tasks that went down together: the cause, mostly."""
    first = failures.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first
