"""The WebSocket server: who may come in, what the handshake says, and one connection for each client.

The only file that knows the websockets package on this side. What is said over a connection stands in
``connection.py``.
"""

from __future__ import annotations

import asyncio
import http
import json
import logging
import secrets
import string
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit
from weakref import WeakKeyDictionary

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from speakerd.core.errors import Remedy, SpeakerdError
from speakerd.embedded.connection import Connection
from speakerd.embedded.conversation import Conversation
from speakerd.embedded.faults import Faults
from speakerd.embedded.parts import Tier
from speakerd.embedded.session import SESSION_LIFE_S, default_session
from speakerd.embedded.turns import TurnDetector
from speakerd.embedded.validate import Refusal, error_event

_log = logging.getLogger("speakerd.embedded")

BURST_PACE = 8.0
"""Seconds of answer sent a second, about as the service does (guessed from recordings)."""

_MESSAGE_BYTES = 24 * 1024 * 1024
"""The longest message: 15 MiB of audio in base64, and room (specified: 15 MiB an append)."""

_WORKERS = 4
"""Threads for detectors, ears and voice; a recognition must not hold up another session's turn detection (guessed)."""

_CLOSE_S = 1.0
"""How long a client may take to say goodbye; on the loopback a tenth is plenty (guessed)."""

_LOOPBACK = ("127.0.0.1", "::1", "localhost")

_ALPHABET = string.ascii_letters + string.digits


def make_id(prefix: str) -> str:
    """Return a fresh name as the service makes them: ``call_`` and 16 characters, all others and 21."""
    length = 16 if prefix == "call" else 21
    return f"{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(length))


class _Client:
    """A WebSocket as a connection sees it: once it is closed, its methods raise ``EOFError``."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket

    async def recv(self) -> str | bytes:
        try:
            return await self._socket.recv()
        except ConnectionClosed as closed:
            raise EOFError from closed

    async def send(self, message: str) -> None:
        try:
            await self._socket.send(message)
        except ConnectionClosed as closed:
            raise EOFError from closed

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._socket.close(code, reason[:120])

    def abort(self) -> None:
        self._socket.transport.abort()

    def stall(self) -> None:
        self._socket.transport.pause_reading()


class EmbeddedService:
    """The Realtime service on this machine: ``async with EmbeddedService(tier) as service: service.url``.

    Args:
        tier: Ears, brain and voice, or what loads them, in a thread; clients wait meanwhile.
        host: Loopback only: there is no key to check.
        port: 0: any free one.
        pace: Seconds of answer sent for each second that passes; 1.0 is real time.
        faults: What goes wrong on purpose; may be changed while it runs.
        life_s: How long a session may last.

    Attributes:
        connections: How many clients have been let in so far.
        bytes_received: How much they have sent, in bytes of message.

    Raises:
        SpeakerdError: the address is not on the loopback, or is taken.
    """

    def __init__(
        self,
        tier: Tier | Callable[[], Tier],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        pace: float = BURST_PACE,
        faults: Faults | None = None,
        life_s: float = SESSION_LIFE_S,
    ) -> None:
        if host not in _LOOPBACK:
            sentence = f"the embedded service asks for no key, so it listens on the loopback only, not on {host}"
            raise SpeakerdError("embedded-not-loopback", sentence, Remedy.EXIT)
        self.faults = faults or Faults()
        self.connections = 0
        self.bytes_received = 0
        self._tier = tier
        self._address = (host, port)
        self._pace = pace
        self._life_s = life_s
        self._handshakes = 0
        self._admitted: WeakKeyDictionary[ServerConnection, Faults] = WeakKeyDictionary()
        self._executor = ThreadPoolExecutor(_WORKERS, thread_name_prefix="embedded")
        self._loading: asyncio.Task[Tier] | None = None
        self._server: Server | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None
        port: int = next(iter(self._server.sockets)).getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Base URL for a Realtime client: ``/realtime?model=…`` comes after it."""
        host = f"[{self._address[0]}]" if ":" in self._address[0] else self._address[0]
        return f"ws://{host}:{self.port}/v1"

    async def tier(self) -> Tier:
        """Return the tier, once it is loaded."""
        assert self._loading is not None
        return await asyncio.shield(self._loading)

    async def _load(self) -> Tier:
        if isinstance(self._tier, Tier):
            return self._tier
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._tier)

    async def __aenter__(self) -> Self:
        self._loading = asyncio.create_task(self._load(), name="embedded-load")
        try:
            self._server = await serve(
                self._serve,
                *self._address,
                process_request=self._admit,
                select_subprotocol=lambda _socket, _offered: None,
                compression=None,
                max_size=_MESSAGE_BYTES,
                close_timeout=_CLOSE_S,
            )
        except OSError as error:
            self._loading.cancel()
            host, port = self._address
            raise SpeakerdError("embedded-port", f"cannot listen on {host}:{port}: {error}", Remedy.EXIT) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        assert self._loading is not None
        self._loading.cancel()
        self._server.close()
        await self._server.wait_closed()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _faults_now(self) -> Faults:
        """Return the faults for the connection that comes now."""
        first = self.faults.first_connections
        return self.faults if first is None or self._handshakes <= first else Faults()

    async def _admit(self, socket: ServerConnection, request: Request) -> Response | None:
        """Answer a handshake with an HTTP error, or let it through."""
        self._handshakes += 1
        faults = self._faults_now()
        self._admitted[socket] = faults
        await asyncio.sleep(faults.slow_handshake_s)
        if faults.http_status is not None:
            response = _refusal(socket, faults.http_status, "fault_switch", "This handshake is refused on purpose.")
            if faults.retry_after_s is not None:
                response.headers["Retry-After"] = str(faults.retry_after_s)
            return response
        problem = check_handshake(request.path, request.headers.get)
        if problem is not None:
            return _refusal(socket, *problem)
        await self.tier()
        return None

    async def _serve(self, socket: ServerConnection) -> None:
        """Serve one client."""
        assert socket.request is not None
        self.connections += 1
        if "OpenAI-Beta" in socket.request.headers:
            await _refuse_beta(socket)
            return
        faults = self._admitted[socket]
        tier = await self.tier()
        path = urlsplit(socket.request.path)
        query = parse_qs(path.query)
        model = (query.get("model") or query["deployment"])[0]
        session = default_session(make_id("sess"), model, int(time.time() + self._life_s))
        conversation = Conversation(
            session,
            TurnDetector(tier.new_vad()),
            make_id,
            azure=path.path.startswith("/openai/"),
            refuse_updates=faults.refuse_updates,
        )
        connection = Connection(
            _Client(socket),
            conversation,
            tier,
            self._executor,
            pace=self._pace,
            faults=faults,
            life_s=self._life_s,
            received=self._count,
        )
        _log.info("session %s opened", session["id"])
        await connection.serve()
        _log.info("session %s closed", session["id"])

    def _count(self, size_bytes: int) -> None:
        self.bytes_received += size_bytes


def check_handshake(target: str, header: Callable[[str], str | None]) -> tuple[int, str, str] | None:
    """Return why a handshake is refused, as HTTP status, code and message; None when it is as it should be.

    Args:
        target: The request's path and query.
        header: Looks up a header.
    """
    path = urlsplit(target)
    query = parse_qs(path.query)
    if not path.path.endswith("/realtime"):
        return 404, "not_found", "The Realtime API is at /v1/realtime and /openai/v1/realtime."
    if "api-version" in query:
        return 401, "unauthorized", "The GA Realtime API takes no api-version; leave it out and use /openai/v1."
    bearer = (header("Authorization") or "").removeprefix("Bearer ").strip()
    if not (bearer or header("api-key") or query.get("api-key")):
        return 401, "invalid_api_key", "Send 'Authorization: Bearer …' or 'api-key: …'; any value will do here."
    if not (query.get("model") or query.get("deployment")):
        return 400, "missing_model", "You must provide a model parameter."
    return None


def _refusal(socket: ServerConnection, status: int, code: str, message: str) -> Response:
    """Return an HTTP error with the service's kind of body."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    response = socket.respond(http.HTTPStatus(status), json.dumps({"error": error}))
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "application/json"
    return response


async def _refuse_beta(socket: ServerConnection) -> None:
    """Refuse the retired dialect the way the service does: an error event, then close 4000."""
    sentence = "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API."
    error = error_event(Refusal("beta_api_shape_disabled", sentence), None)
    await socket.send(json.dumps({"event_id": make_id("event"), **error}))
    await socket.close(4000, "invalid_request_error.beta_api_shape_disabled")
