"""The service's side of a WebSocket: the door clients come through, and a client once it is inside.

The only file that knows the websockets package on this side. The door is patient with nobody: a request must come
within seconds, and clients that only ever send are shown out when too much waits for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
import ipaddress
import logging
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from speakerd.embedded.admission import Rejection
from speakerd.embedded.fault_control import FAULTS_PATH, Answer, problem
from speakerd.embedded.patience import Patience

_log = logging.getLogger("speakerd.embedded")

_MESSAGE_BYTES = 24 * 1024 * 1024
"""The longest message: 15 MiB of audio in base64, and room (specified: 15 MiB an append)."""

_WAITING_BYTES = 64 * 1024 * 1024
"""How much may wait for a client that sends and does not read (guessed): more than the longest event."""

_REQUEST_S = 10.0
"""How long a client may take to send its request, and to agree on TLS (guessed)."""

_OPEN_S = 120.0
"""How long a handshake may take in all: a client waits here while the tier is loading (guessed)."""

_CLOSE_S = 1.0
"""How long a client may take to say goodbye; on the loopback a tenth is plenty (guessed)."""

_CONTROL_BYTES = 65_536
"""The longest request to change the faults (guessed: all of them are a few hundred bytes)."""


Listening = Server
"""A door that is open; ``close`` tells everybody inside 1001."""

Header = Callable[[str], str | None]
"""Looks up a request's header."""


class Keeper(Protocol):
    """Who decides at the door. Thread: event loop."""

    def arrived(self, door: Door) -> bool:
        """See somebody come; False: turn them away without a word, there are too many."""

    def left(self, door: Door) -> None:
        """See somebody go."""

    async def admit(self, door: Door, target: str, header: Header) -> Rejection | None:
        """Decide on a handshake."""

    def control(self, method: str, header: Header, body: bytes, *, is_local: bool) -> Answer:
        """Answer a request to ``/faults``."""


class Door(ServerConnection):
    """One connection, from its first byte.

    The library speaks GET only; a request with another method is kept from it and answered here.
    """

    keeper: Keeper
    patience_s: float

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the request come, but not for ever."""
        super().connection_made(transport)
        self._other: bytearray | None = None
        self._is_first = True
        fd = self.transport.get_extra_info("socket").fileno()
        self.patience = Patience(self.loop, self.transport.get_write_buffer_size, fd, self.drop)
        self.patience.expect(_REQUEST_S)
        if not self.keeper.arrived(self):
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take in what comes."""
        if self._is_first and not data.startswith(b"G"):
            self._other = bytearray()
        self._is_first = False
        if self._other is not None:
            self._other += data
            self._answer_other()
            return
        if self.transport.get_write_buffer_size() > _WAITING_BYTES:
            _log.warning("a client sends and does not read: dropping it")
            self.drop()
            return
        super().data_received(data)

    def send_data(self) -> None:
        """Write what waits, thousands of pongs in one piece, and nothing to a client that has gone."""
        pieces = self.protocol.data_to_send()
        if self.transport.is_closing():
            return
        if waiting := b"".join(pieces):
            self.transport.write(waiting)
        if b"" in pieces:  # the protocol's word for the end
            if self.transport.can_write_eof():
                with contextlib.suppress(OSError, RuntimeError):  # it is closed already
                    self.transport.write_eof()
            else:
                self.transport.close()

    def pause_writing(self) -> None:
        """Note that the client does not read for the moment."""
        super().pause_writing()
        self.patience.expect_reading(2 * self.patience_s)

    def resume_writing(self) -> None:
        """Note that it reads again."""
        super().resume_writing()
        self.patience.rest()

    def stall(self) -> None:
        """Read nothing more, and never mind that the client's pongs are not seen."""
        self.transport.pause_reading()
        if self.keepalive_task is not None:
            self.keepalive_task.cancel()
        self.patience.watch_leaving()

    def drop(self) -> None:
        """End it without a close frame."""
        if self.transport.get_write_buffer_size() > 0:
            # A client that does not read would keep the kernel's buffers until it does: reset the connection instead.
            it: socket.socket = self.transport.get_extra_info("socket")
            it.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self.patience.end()
        self.keeper.left(self)
        super().connection_lost(exc)

    @property
    def target(self) -> str:
        """The request's path and query."""
        assert self.request is not None
        return self.request.path

    @property
    def has_beta_header(self) -> bool:
        """Whether the client speaks the retired dialect; other betas of the service have values of their own."""
        assert self.request is not None
        return any("realtime" in value.lower() for value in self.request.headers.get_all("OpenAI-Beta"))

    @property
    def is_local(self) -> bool:
        """Whether the client is on this machine."""
        peer = self.transport.get_extra_info("peername")
        return peer is not None and ipaddress.ip_address(str(peer[0]).partition("%")[0]).is_loopback

    def _answer_other(self) -> None:
        """Answer a request that is no GET, once all of it is there."""
        assert self._other is not None
        head, end, body = bytes(self._other).partition(b"\r\n\r\n")
        if not end:
            if len(head) > _CONTROL_BYTES:
                self.transport.abort()
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        method, _, rest = first.partition(" ")
        headers = Headers((name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
        length = _lookup(headers)("Content-Length") or "0"
        if not length.isdecimal() or int(length) > _CONTROL_BYTES:
            sentence = f"Send a body of at most {_CONTROL_BYTES} bytes."
            answer = Answer(413, problem("request_too_large", sentence))
        elif len(body) < int(length):
            return
        elif rest.split(" ")[0] != FAULTS_PATH:
            sentence = "This is a WebSocket service: connect to /v1/realtime with GET."
            answer = Answer(405, problem("method_not_allowed", sentence))
        else:
            answer = self.keeper.control(method, _lookup(headers), body[: int(length)], is_local=self.is_local)
        self.transport.write(_response(Rejection(answer.status, answer.body)).serialize())
        self.transport.close()


class Client:
    """A WebSocket as a connection sees it: once it is closed, its methods raise ``EOFError``."""

    def __init__(self, door: Door) -> None:
        self._socket = door

    async def recv(self) -> str | bytes:
        """Return the next message."""
        await asyncio.sleep(0)  # messages may wait by the thousand: let the other sessions have their turn
        try:
            return await self._socket.recv()
        except ConnectionClosed as closed:
            raise EOFError from closed

    async def send(self, message: str) -> None:
        """Send a message; waits while the client does not read."""
        try:
            await self._socket.send(message)
        except ConnectionClosed as closed:
            raise EOFError from closed

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close with a close frame."""
        await self._socket.close(code, reason[:120])

    def abort(self) -> None:
        """Drop the connection without a close frame."""
        self._socket.drop()

    def stall(self) -> None:
        """Read nothing more, and never mind that the client's pongs are not seen."""
        self._socket.stall()


async def listen(
    keeper: Keeper,
    serve_client: Callable[[Door], Awaitable[None]],
    address: tuple[str, int],
    tls: ssl.SSLContext | None,
    patience_s: float,
) -> Server:
    """Open the door.

    Args:
        keeper: Decides who comes in.
        serve_client: Serves one that did.
        address: Host and port.
        tls: None: without encryption.
        patience_s: How often a client is pinged, and how long it may take to answer.

    Raises:
        OSError: it cannot listen there.
    """

    class OurDoor(Door):
        pass

    OurDoor.keeper = keeper
    OurDoor.patience_s = patience_s

    async def admit(connection: ServerConnection, request: Request) -> Response | None:
        assert isinstance(connection, Door)
        connection.patience.rest()
        if request.path == FAULTS_PATH and "Upgrade" not in request.headers:
            answer = keeper.control("GET", _lookup(request.headers), b"", is_local=connection.is_local)
            return _response(Rejection(answer.status, answer.body))
        rejection = await keeper.admit(connection, request.path, _lookup(request.headers))
        return None if rejection is None else _response(rejection)

    async def serve_socket(connection: ServerConnection) -> None:
        assert isinstance(connection, Door)
        await serve_client(connection)

    encryption: dict[str, Any] = {} if tls is None else {"ssl": tls, "ssl_handshake_timeout": _REQUEST_S}
    return await serve(
        serve_socket,
        *address,
        process_request=admit,
        select_subprotocol=_subprotocol,
        compression=None,
        open_timeout=_OPEN_S,
        close_timeout=_CLOSE_S,
        ping_interval=patience_s,
        ping_timeout=patience_s,
        max_size=_MESSAGE_BYTES,
        logger=_quiet_logger(),
        create_connection=OurDoor,
        **encryption,
    )


def _subprotocol(_socket: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Choose what browsers offer beside their key; no other client offers any."""
    realtime = Subprotocol("realtime")
    return realtime if realtime in offered else None


def _response(rejection: Rejection) -> Response:
    """Return an HTTP answer that ends its connection."""
    phrase = next((status.phrase for status in http.HTTPStatus if status == rejection.status), "Refused")
    body = rejection.body.encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"}
    return Response(rejection.status, phrase, Headers({**headers, **rejection.headers}), body)


def _lookup(headers: Headers) -> Header:
    """Return what looks up a header; one that comes several times is joined, as HTTP has it."""
    return lambda name: ", ".join(headers.get_all(name)) or None


def _quiet_logger() -> logging.Logger:
    """Return the library's logger, less its complaints of clients that never meant a handshake."""
    logger = logging.getLogger("speakerd.embedded.socket")
    logger.setLevel(logging.WARNING)  # it would tell of each address and each handshake
    logger.addFilter(_is_ours)
    return logger


def _is_ours(record: logging.LogRecord) -> bool:
    """Return whether a record tells of our own failure rather than of a client's."""
    error = record.exc_info[1] if record.exc_info else None
    # A client that leaves while its handshake is being answered trips an assertion of the library.
    gone = InvalidHandshake | ConnectionClosed | EOFError | ConnectionError | AssertionError
    return not isinstance(error, gone) or "handler" in record.msg
