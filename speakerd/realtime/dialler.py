"""Sockets of the ``openai`` SDK: how they are opened and used. Its one importer; it is imported late.

What is said on a socket is ``connection.py``.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from speakerd.realtime import failures
from speakerd.realtime.endpoint import Endpoint
from speakerd.realtime.sockets import Socket

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.resources.realtime.realtime import AsyncRealtimeConnection
    from websockets.asyncio.client import ClientConnection

PING_INTERVAL_S = 20.0
"""How often the connection is tried while nothing else happens (the package's own default)."""

PING_TIMEOUT_S = 60.0
"""How long a ping may go unanswered; the default of 20 s dies of a busy loop (observed by many). While a session is up
``heartbeat.py`` is quicker; this is for a socket that is held ahead of need."""

CLOSE_TIMEOUT_S = 2.0
"""How long we wait for the service to answer our close (guessed; nothing depends on its answer)."""

HAPPY_EYEBALLS_DELAY_S = 0.25
"""After this the next address of the service is tried as well: a home network with a dead IPv6 (RFC 8305)."""

_log = logging.getLogger("speakerd.link")


class _SdkSocket:
    """An open socket of the SDK; its failures as ``LinkError``."""

    def __init__(
        self, connection: AsyncRealtimeConnection, websocket: ClientConnection, close_timeout_s: float
    ) -> None:
        self._connection = connection
        self._websocket = websocket
        self._close_timeout_s = close_timeout_s
        self._failures = failures.kinds()

    async def recv(self) -> bytes:
        try:
            return await self._connection.recv_bytes()
        except self._failures as error:
            raise failures.classify(error) from error

    async def send(self, text: str) -> None:
        try:
            # The typed calls cost fifty times as much (measured).
            await self._connection.send_raw(text)
        except self._failures as error:
            raise failures.classify(error) from error

    async def ping(self) -> None:
        try:
            await (await self._websocket.ping())
        except self._failures as error:
            raise failures.classify(error) from error

    async def close(self) -> None:
        try:
            # The package's own patience begins when the close frame is written: never, where nobody takes what waits.
            async with asyncio.timeout(self._close_timeout_s):
                await self._connection.close()
        except TimeoutError:
            self._websocket.transport.abort()
        except self._failures as error:
            _log.debug("the socket did not close well: %s", type(error).__name__)


class SdkDialler:
    """Opens sockets with the SDK, which is imported late and once.

    Thread: event loop; the import runs in a worker thread.

    Args:
        endpoint: Where the service is, and which model.
        close_timeout_s: How long a socket may take to close before it is broken off.
    """

    def __init__(self, endpoint: Endpoint, close_timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        self._endpoint = endpoint
        self._close_timeout_s = close_timeout_s
        self._warming = asyncio.Lock()
        self._client: AsyncOpenAI | None = None
        self._options: dict[str, Any] = {}

    async def warm(self) -> AsyncOpenAI:
        """Import the SDK and build its client, unless that is done (1.4 s where it is not). No network."""
        async with self._warming:
            if self._client is None:
                self._client = await asyncio.to_thread(self._build)
        return self._client

    async def __call__(self, headers: Mapping[str, str], timeout_s: float) -> Socket:
        """Open a socket.

        Raises:
            LinkError: it could not be opened.
        """
        client = await self.warm()
        from websockets.asyncio.client import ClientConnection

        opened: list[ClientConnection] = []

        def keep(*arguments: Any, **options: Any) -> ClientConnection:
            opened.append(ClientConnection(*arguments, **options))
            return opened[-1]

        try:
            connection = await client.realtime.connect(
                model=self._endpoint.model,
                extra_headers=_signed(headers),
                # Beyond the declared ones, options reach websockets.connect as they are (measured).
                websocket_connection_options={**self._options, "open_timeout": timeout_s, "create_connection": keep},  # type: ignore[typeddict-item]  # the same
            ).enter()
        except failures.kinds() as error:
            raise failures.classify(error) from error
        return _SdkSocket(connection, opened[-1], self._close_timeout_s)

    def _build(self) -> AsyncOpenAI:
        import websockets.asyncio.client  # noqa: F401 - else loaded at the first connect, on the loop
        from openai import AsyncOpenAI

        self._options = {
            "ping_interval": PING_INTERVAL_S,
            "ping_timeout": PING_TIMEOUT_S,
            "close_timeout": self._close_timeout_s,
            "happy_eyeballs_delay": HAPPY_EYEBALLS_DELAY_S,
        }
        if self._endpoint.secure:
            # Reading the certificates takes 40 ms here (measured), several times that on a Pi: once, off the loop.
            self._options["ssl"] = ssl.create_default_context()
        if self._endpoint.loopback:
            self._options["proxy"] = None
        client = AsyncOpenAI(
            websocket_base_url=self._endpoint.websocket_base_url,
            api_key="-",  # each handshake brings its own credential
            max_retries=0,
        )
        client.realtime.connect(model=self._endpoint.model)  # loads what connecting needs; opens nothing
        return client


def _signed(headers: Mapping[str, str]) -> dict[str, Any]:
    from openai import Omit

    if headers and not any(name.lower() == "authorization" for name in headers):
        # A credential of another kind, such as api-key, must not stand beside the client's empty one.
        return {**headers, "Authorization": Omit()}
    return dict(headers)
