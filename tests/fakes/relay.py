"""A relay for bytes: stands in front of a service, passes everything on and notes what its callers sent, and when."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_PIECE_BYTES = 65_536


@dataclass
class Visit:
    """One connection, from the moment it was accepted."""

    begun_s: float
    """When, on the monotonic clock."""
    sent: list[tuple[float, bytes]] = field(default_factory=list)
    """What the caller sent, and when."""
    ended_s: float | None = None
    """When the caller had gone; None: it is there still."""

    def after_handshake(self, until_s: float = float("inf")) -> bytes:
        """Return what the caller sent up to a moment behind the headers of its request."""
        return b"".join(piece for at_s, piece in self.sent if at_s < until_s).partition(b"\r\n\r\n")[2]


class Relay:
    """Listens on loopback and passes connections on, byte by byte.

    Args:
        upstream: Base URL of the service, as ``ws://127.0.0.1:PORT/v1``.
        port: Where to listen; 0: any.
    """

    def __init__(self, upstream: str, *, port: int = 0) -> None:
        self._upstream, self._port = urlsplit(upstream), port
        self.visits: list[Visit] = []
        self._callers: set[asyncio.StreamWriter] = set()
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self._port)
        port = self._server.sockets[0].getsockname()[1]
        self.url = self._upstream._replace(netloc=f"127.0.0.1:{port}").geturl()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Break off every connection, without a word."""
        for writer in list(self._callers):
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clock = asyncio.get_running_loop().time
        visit = Visit(clock())
        self.visits.append(visit)
        first = await self._admit(reader, writer)
        if first is None:
            visit.ended_s = clock()
            writer.close()
            return
        back_reader, back_writer = await asyncio.open_connection(self._upstream.hostname, self._upstream.port)
        if first:
            visit.sent.append((clock(), first))
            back_writer.write(first)
        self._callers.add(writer)
        back = asyncio.create_task(_pour(back_reader, writer))
        try:
            with contextlib.suppress(ConnectionError):
                while piece := await reader.read(_PIECE_BYTES):
                    visit.sent.append((clock(), piece))
                    back_writer.write(piece)
                    await back_writer.drain()
            visit.ended_s = clock()
        finally:
            self._callers.discard(writer)
            back_writer.close()
            await back
            writer.close()

    async def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
        """Return what was read of a caller that may come in, for the service to get first; None: it may not."""
        return b""


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):  # write_eof() finds nobody connected where the caller has gone at that moment
        while piece := await reader.read(_PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
