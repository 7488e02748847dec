"""A strict, scripted Realtime server on loopback: each handshake meets the next plan, and nothing may be left over."""

from __future__ import annotations

import asyncio
import base64
import http
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

PATIENCE_S = 5.0


class Client:
    """The client as a script sees it: expect what it sends, emit what it shall receive."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket
        self.appends: list[int] = []

    async def expect(self, kind: str, **fields: object) -> dict[str, Any]:
        """Take the next message, which must be of this type and have these fields."""
        async with asyncio.timeout(PATIENCE_S):
            message: dict[str, Any] = json.loads(await self._socket.recv())
        assert message["type"] == kind, f"expected {kind}, got {message['type']}"
        assert message["event_id"]
        for name, value in fields.items():
            assert message[name] == value, f"{kind}.{name}: expected {value!r}, got {message[name]!r}"
        return message

    async def expect_audio(self, size_bytes: int) -> bytes:
        """Take appends until they hold exactly so many bytes."""
        audio = b""
        while len(audio) < size_bytes:
            message = await self.expect("input_audio_buffer.append")
            piece = base64.b64decode(message["audio"], validate=True)
            self.appends.append(len(piece))
            audio += piece
        assert len(audio) == size_bytes
        return audio

    async def emit(self, kind: str, **fields: object) -> None:
        await self._socket.send(json.dumps({"type": kind, "event_id": "event_fake", **fields}))

    async def emit_raw(self, data: str) -> None:
        await self._socket.send(data)

    async def emit_audio(self, response_id: str, item_id: str, pcm: bytes) -> None:
        delta = base64.b64encode(pcm).decode()
        await self.emit("response.output_audio.delta", response_id=response_id, item_id=item_id, delta=delta)

    async def emit_error(self, code: str, event_id: str | None = None, param: str | None = None) -> None:
        error = {"type": "invalid_request_error", "code": code, "message": "no", "param": param, "event_id": event_id}
        await self.emit("error", error=error)

    async def configure(self) -> dict[str, Any]:
        """Go through the opening every session has; return the session that was asked for."""
        await self.emit("session.created", session={"id": "sess_fake", "expires_at": 9})
        session: dict[str, Any] = (await self.expect("session.update"))["session"]
        await self.emit("session.updated", session={"id": "sess_fake", "expires_at": 9})
        return session

    async def close(self, code: int = 1000) -> None:
        await self._socket.close(code)

    def abort(self) -> None:
        self._socket.transport.abort()

    def fall_silent(self) -> None:
        """Read nothing more, answer no ping: as when packets stop on their way."""
        self._socket.transport.pause_reading()
        self._socket.visit.silent.set()  # type: ignore[attr-defined] # see RealtimeServer._admit


Script = Callable[[Client], Awaitable[None]]


@dataclass(frozen=True)
class Refuse:
    """Answer the handshake with an HTTP status instead of a connection."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Visit:
    """What one handshake came to."""

    path: str
    headers: Headers
    leftover: list[str] = field(default_factory=list)
    close_code: int | None = None
    failure: Exception | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    silent: asyncio.Event = field(default_factory=asyncio.Event)


class RealtimeServer:
    """Plays its plans in order, one for each handshake; a handshake too many is refused with 599 and fails the test."""

    def __init__(self, *plans: Script | Refuse) -> None:
        self._plans = list(plans)
        self.visits: list[Visit] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/openai/v1"

    async def __aenter__(self) -> Self:
        self._server = await serve(self._play, "127.0.0.1", 0, process_request=self._admit, ping_interval=None)
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for socket in self._server.connections:
            if socket.visit.silent.is_set():
                socket.transport.abort()  # it would not answer a close
        self._server.close()
        await self._server.wait_closed()

    async def assert_complete(self) -> None:
        """Wait until every visit is over, then demand that all plans were played and nothing came beyond them."""
        for visit in self.visits:
            async with asyncio.timeout(PATIENCE_S):
                await visit.over.wait()
            if visit.failure is not None:
                raise visit.failure
            assert visit.leftover == []
        assert self._plans == []

    def _admit(self, socket: ServerConnection, request: Request) -> Response | None:
        visit = Visit(request.path, request.headers)
        self.visits.append(visit)
        plan = self._plans.pop(0) if self._plans else Refuse(599)
        if isinstance(plan, Refuse):
            visit.over.set()
            if plan.status == 599:
                visit.failure = AssertionError("a handshake that nobody expected")
            headers = Headers({"Content-Length": "0", "Connection": "close", **plan.headers})
            reason = http.HTTPStatus(plan.status).phrase if plan.status != 599 else "Unexpected"
            return Response(plan.status, reason, headers, b"")
        socket.plan, socket.visit = plan, visit  # type: ignore[attr-defined] # rides along to the handler
        return None

    async def _play(self, socket: ServerConnection) -> None:
        visit: Visit = socket.visit  # type: ignore[attr-defined] # see _admit
        try:
            await socket.plan(Client(socket))  # type: ignore[attr-defined] # see _admit
            while True:
                visit.leftover.append(str(await socket.recv()))
        except ConnectionClosed as closed:
            visit.close_code = closed.rcvd.code if closed.rcvd else None
        except (AssertionError, TimeoutError) as failure:
            visit.failure = failure
        finally:
            visit.over.set()
