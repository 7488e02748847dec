"""What waits for a client, and the way out to it, with the faults that strike there."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, Protocol

from speakerd.embedded.faults import Faults
from speakerd.embedded.tampering import Tampering

_log = logging.getLogger("speakerd.embedded")

_BACKLOG_BYTES = 64 * 1024 * 1024
"""How much may wait for a client that does not read before it is closed (guessed)."""

BACKLOG_MESSAGES = 32_768
"""The same, counted in messages, of which a short one takes kilobytes with all that belongs to it (guessed: an hour of
answers is half of it)."""

_LOST = 1006
"""The close code that no frame carries: the connection was lost (specified by RFC 6455)."""


class Socket(Protocol):
    """What a connection needs of a WebSocket."""

    async def recv(self) -> str | bytes:
        """Return the next message."""

    async def send(self, message: str) -> None:
        """Send a message."""

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close with a close frame."""

    def abort(self) -> None:
        """Drop the connection without a close frame."""

    def stall(self) -> None:
        """Read nothing more, not even pings."""


@dataclass(frozen=True, slots=True)
class _Farewell:
    """Closes the connection when everything before it is sent."""

    code: int
    """Close code."""

    reason: str
    """Its reason."""


class Outbox:
    """Keeps what is said to a client until it is sent. Thread: event loop.

    Args:
        socket: The client.
        faults: What goes wrong on purpose.

    Attributes:
        is_dropped: Whether the client was given up; nothing more is kept for it.
    """

    def __init__(self, socket: Socket, faults: Faults) -> None:
        self.is_dropped = False
        self._socket = socket
        self._faults = faults
        self._tampering = Tampering(faults)
        self._waiting: asyncio.Queue[str | _Farewell] = asyncio.Queue()
        self._waiting_bytes = 0
        self._events_sent = 0
        self._audio_deltas_sent = 0

    def post(self, event: dict[str, Any]) -> None:
        """Have an event sent; a client for which too much waits is dropped."""
        for message in self._tampering.messages(event):
            self._waiting_bytes += len(message)
            if self._waiting_bytes > _BACKLOG_BYTES or self._waiting.qsize() >= BACKLOG_MESSAGES:
                _log.warning("a client does not read: dropping it")
                self.is_dropped = True
                self._socket.abort()
                return
            self._waiting.put_nowait(message)

    def part(self, code: int, reason: str) -> None:
        """Have the connection closed when everything before is sent."""
        self._waiting.put_nowait(_Farewell(code, reason))

    async def run(self) -> None:
        """Send what waits, and let the faults have their way with it.

        Ends:
            When the connection is ended by a farewell or a fault, or by cancellation.

        Raises:
            EOFError: the client is gone.
        """
        while True:
            message = await self._waiting.get()
            if isinstance(message, _Farewell):
                await self._socket.close(message.code, message.reason)
                return
            self._waiting_bytes -= len(message)
            if '"response.output_audio.delta"' in message[:40]:
                self._audio_deltas_sent += 1
                if self._audio_deltas_sent == self._faults.drop_at_audio_delta:
                    self._socket.abort()
                    return
            await self._socket.send(message)
            self._events_sent += 1
            if self._faults.close_after_events is not None and self._events_sent == self._faults.close_after_events[1]:
                await self._close_on_purpose(self._faults.close_after_events[0])
                return
            if self._events_sent == self._faults.stall_after_events:
                self._socket.stall()
                await asyncio.Event().wait()

    async def _close_on_purpose(self, code: int) -> None:
        """Fault: close with a code; 1006 stands for a connection that is lost without a close frame."""
        if code == _LOST:
            self._socket.abort()
        else:
            await self._socket.close(code, "closed on purpose (fault switch)")
