"""A tap on the wire: stands between the daemon and a service, passes everything on and keeps it."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

_PIECES_BEFORE_BREAK = 3
"""Appends that a session to be broken takes in: some of the backlog, not all of it."""


@dataclass
class Call:
    """One connection, from its handshake on."""

    path: str
    headers: Headers
    sent: list[dict[str, Any]] = field(default_factory=list)
    """What the daemon sent."""
    received: list[dict[str, Any]] = field(default_factory=list)
    """What the service sent."""
    close_code: int | None = None
    """What the daemon closed with; None: it has not, or broke off."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when both sides have gone."""

    def uplink(self) -> bytes:
        """Return the microphone audio the service was sent, in order."""
        return b"".join(
            base64.b64decode(message["audio"])
            for message in list(self.sent)
            if message["type"] == "input_audio_buffer.append"
        )

    def downlink(self, item_id: str) -> bytes:
        """Return the audio of one item of the service's."""
        return b"".join(
            base64.b64decode(message["delta"])
            for message in list(self.received)
            if message["type"] == "response.output_audio.delta" and message["item_id"] == item_id
        )

    def told(self, kind: str) -> list[dict[str, Any]]:
        """Return what the daemon sent of one type."""
        return [message for message in list(self.sent) if message["type"] == kind]


class Tap:
    """Listens on loopback and passes connections on to another service.

    Args:
        upstream: Base URL of the service, as ``ws://127.0.0.1:PORT/v1``.
        handshake_s: How long every handshake is kept waiting.
        headers: What the service is told in addition; the tap's callers may have no key.

    Attributes:
        handshake_s: As above; holds for the connections that come after a change.
        break_handshakes: So many of the next handshakes are cut off instead of answered.
        break_sessions: So many of the next sessions are never confirmed and cut off when they have got some audio.
        refuse_status: Handshakes are answered with this HTTP status; they are calls all the same.
        cut_at: The next server event of this type is not passed on: the connection is cut off in its place.
        cuts: How often that happens before it is over.
    """

    def __init__(self, upstream: str, *, handshake_s: float = 0.0, headers: Mapping[str, str] | None = None) -> None:
        self._upstream = upstream
        self.handshake_s = handshake_s
        self.break_handshakes = 0
        self.break_sessions = 0
        self.refuse_status: int | None = None
        self.cut_at: str | None = None
        self.cuts = 1
        self._open: set[ServerConnection] = set()
        self._silent: set[ServerConnection] = set()
        self._headers = dict(headers or {"api-key": "tap"})
        self.calls: list[Call] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._pass, "127.0.0.1", 0, process_request=self._admit, compression=None, max_size=None, ping_interval=None
        )
        port = next(iter(self._server.sockets)).getsockname()[1]
        self.url = f"ws://127.0.0.1:{port}/openai/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for socket in self._silent:
            socket.transport.abort()  # it would not answer a close
        self._server.close()
        await self._server.wait_closed()

    async def _admit(self, socket: ServerConnection, request: Request) -> Response | None:
        self.calls.append(Call(request.path, request.headers))
        await asyncio.sleep(self.handshake_s)
        if self.break_handshakes:
            self.break_handshakes -= 1
            socket.transport.abort()
        elif self.refuse_status is not None:
            return socket.respond(HTTPStatus(self.refuse_status), "")
        return None

    def cut(self) -> None:
        """Cut off all connections without a word, as when the network goes away."""
        for socket in self._open:
            socket.transport.abort()

    def fall_silent(self) -> None:
        """Let nothing through any more, in either direction, and leave all connections open: packets simply stop."""
        self._silent.update(self._open)
        for socket in self._open:
            socket.transport.pause_reading()

    async def _pass(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        call = next(call for call in self.calls if call.headers is socket.request.headers)
        query = call.path.partition("?")[2]
        if self.break_sessions:
            self.break_sessions -= 1
            await self._break(call, socket)
            return
        self._open.add(socket)
        try:
            async with connect(
                f"{self._upstream}/realtime?{query}",
                additional_headers=self._headers,
                compression=None,
                max_size=None,
                proxy=None,
                ping_interval=None,
            ) as service:
                back = asyncio.create_task(self._back(call, service, socket))
                try:
                    async for message in socket:
                        call.sent.append(json.loads(message))
                        await service.send(message)
                except ConnectionClosed:
                    pass  # told below
                finally:
                    back.cancel()
                    await asyncio.gather(back, return_exceptions=True)
        finally:
            self._open.discard(socket)
            call.close_code = socket.protocol.close_rcvd.code if socket.protocol.close_rcvd else None
            call.over.set()

    async def _break(self, call: Call, socket: ServerConnection) -> None:
        """Take in some audio without a word, then break off."""
        async for message in socket:
            call.sent.append(json.loads(message))
            if len(call.told("input_audio_buffer.append")) == _PIECES_BEFORE_BREAK:
                break
        socket.transport.abort()
        call.over.set()

    async def _back(self, call: Call, service: ClientConnection, socket: ServerConnection) -> None:
        try:
            async for message in service:
                event = json.loads(message)
                if event["type"] == self.cut_at:
                    self.cuts -= 1
                    if not self.cuts:
                        self.cut_at, self.cuts = None, 1
                    break
                if socket in self._silent:
                    continue
                call.received.append(event)
                await socket.send(message)
        except ConnectionClosed:
            pass
        socket.transport.abort()
