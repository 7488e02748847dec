"""The session with the service as the controller's port: open, append, truncate, cancel, close.

The one importer of the ``openai`` SDK: how its sockets are opened and used is here, what they do in ``connection.py``.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from speakerd.core.events import Event
from speakerd.core.units import ItemId, Ms, ResponseId
from speakerd.ports import Credentials, Trace
from speakerd.realtime import failures
from speakerd.realtime.connection import Connection, Listeners, Socket
from speakerd.realtime.endpoint import Endpoint
from speakerd.realtime.outbox import Outbox
from speakerd.realtime.server_events import Usage
from speakerd.realtime.spec import SessionSpec

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.resources.realtime.realtime import AsyncRealtimeConnection

__all__ = ["Endpoint", "RealtimeLink", "SdkDialler", "SessionSpec"]

PING_INTERVAL_S = 20.0
"""How often the connection is tried while nothing else happens (the package's own default)."""

PING_TIMEOUT_S = 60.0
"""How long a ping may go unanswered; the default of 20 s dies of a busy loop (observed by many)."""

CLOSE_TIMEOUT_S = 2.0
"""How long we wait for the service to answer our close (guessed; nothing depends on its answer)."""

HAPPY_EYEBALLS_DELAY_S = 0.25
"""After this the next address of the service is tried as well: a home network with a dead IPv6 (RFC 8305)."""

_log = logging.getLogger("speakerd.link")


class _SdkSocket:
    """An open socket of the SDK; its failures as ``LinkError``."""

    def __init__(self, connection: AsyncRealtimeConnection) -> None:
        self._connection = connection
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

    async def close(self) -> None:
        try:
            await self._connection.close()
        except self._failures as error:
            _log.debug("the socket did not close well: %s", type(error).__name__)


class SdkDialler:
    """Opens sockets with the SDK, which is imported late and once.

    Thread: event loop; the import runs in a worker thread.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
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
        try:
            connection = await client.realtime.connect(
                model=self._endpoint.model,
                extra_headers=_signed(headers),
                # Beyond the declared ones, options reach websockets.connect as they are (measured).
                websocket_connection_options={**self._options, "open_timeout": timeout_s},  # type: ignore[typeddict-item]  # the same
            ).enter()
        except failures.kinds() as error:
            raise failures.classify(error) from error
        return _SdkSocket(connection)

    def _build(self) -> AsyncOpenAI:
        import websockets.asyncio.client  # noqa: F401 - else loaded at the first connect, on the loop
        from openai import AsyncOpenAI

        self._options = {
            "ping_interval": PING_INTERVAL_S,
            "ping_timeout": PING_TIMEOUT_S,
            "close_timeout": CLOSE_TIMEOUT_S,
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


class RealtimeLink:
    """The port ``Link``: at most one session at a time. Nothing touches the network before ``open``.

    Thread: event loop.
    Ends: when ``run`` is cancelled, closing the socket.
    """

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        credentials: Credentials,
        spec: SessionSpec,
        on_event: Callable[[Event], None],
        on_audio: Callable[[ResponseId, ItemId, bytes], None],
        now: Callable[[], float],
        trace: Trace,
        on_response_audio_done: Callable[[ResponseId], None] | None = None,
        on_transcript: Callable[[str, str, str], None] | None = None,
        on_usage: Callable[[Usage], None] | None = None,
    ) -> None:
        self._dialler = SdkDialler(endpoint)
        self._credentials = credentials
        self._spec = spec
        self._now = now
        self._usage_listener = on_usage
        self._listeners = Listeners(
            on_event=on_event,
            on_audio=on_audio,
            on_response_audio_done=on_response_audio_done or _nobody,
            on_transcript=on_transcript or _nobody,
            on_usage=self._count_usage,
            trace=trace,
        )
        self._tasks: asyncio.TaskGroup | None = None
        self._outbox = Outbox()
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._sessions = 0
        self._audio_tokens = {"in": 0, "out": 0}

    async def run(self) -> None:
        """Hold the connections. Ends: by cancellation only; an open socket is closed with 1000."""
        async with asyncio.TaskGroup() as self._tasks:
            if self._connection is not None:
                self._start(self._connection)
            try:
                await asyncio.Event().wait()
            finally:
                self._end()

    async def warm(self) -> None:
        """Import the SDK and build its client in a worker thread, so that the first ``open`` need not."""
        await self._dialler.warm()

    def open(self) -> None:
        """Start connecting; the answer comes as ``LinkUp`` or ``LinkLost``. An open link stays as it is."""
        self._forget_lost()
        if self._connection is not None:
            return
        self._sessions += 1
        self._connection = Connection(
            dial=self._dialler,
            credentials=self._credentials,
            spec=self._spec,
            listeners=self._listeners,
            outbox=self._outbox,
            now=self._now,
        )
        if self._tasks is not None:
            self._start(self._connection)

    def close(self) -> None:
        """End the session, or the attempt; nothing more is sent and no event of it follows."""
        self._end()
        self._connection = self._task = None
        self._outbox = Outbox()

    def append(self, pcm: bytes) -> None:
        """Queue wire audio, in order; kept while the link is still coming up, even before ``open``."""
        self._forget_lost()
        if self._connection is not None:
            self._connection.append(pcm)
        elif not self._outbox.overfull:  # more would not be sent: open() answers an overfull outbox with LinkLost
            self._outbox.audio(pcm)

    def truncate(self, item_id: ItemId, heard_ms: Ms) -> None:
        """Tell the service how much of an item was heard."""
        if self._connection is not None:
            self._connection.truncate(item_id, heard_ms)

    def cancel(self, response_id: ResponseId) -> None:
        """Ask the service to stop a response."""
        if self._connection is not None:
            self._connection.cancel(response_id)

    def use(self, spec: SessionSpec) -> None:
        """Configure the next session like this."""
        self._spec = spec

    def status(self) -> dict[str, object]:
        """Return what a curious person may know: no transcripts, no credentials."""
        connection = self._connection if self._connection is not None and self._connection.live else None
        session = connection.session if connection is not None else None
        return {
            "state": "closed" if connection is None else "up" if session is not None and session.up else "connecting",
            "sessions": self._sessions,
            "session_id": session.session_id if session is not None else None,
            "expires_at": session.expires_at if session is not None else None,
            "degraded": session is not None and session.degraded,
            "sent_bytes": connection.sent_bytes if connection is not None else 0,
            "waiting_bytes": self._outbox.waiting_bytes,
            "late_deltas": session.late_deltas if session is not None else 0,
            "unknown_events": session.unknown_events if session is not None else 0,
            "audio_tokens_in": self._audio_tokens["in"],
            "audio_tokens_out": self._audio_tokens["out"],
        }

    def _end(self) -> None:
        # Both: a cancellation can be lost on Python 3.11 when it meets a failure of the socket at the same moment.
        if self._connection is not None:
            self._connection.end()
        if self._task is not None:
            self._task.cancel()

    def _forget_lost(self) -> None:
        if self._connection is not None and not self._connection.live:
            self._connection = self._task = None
            self._outbox = Outbox()

    def _start(self, connection: Connection) -> None:
        assert self._tasks is not None
        self._task = self._tasks.create_task(connection.run(), name="link")

    def _count_usage(self, usage: Usage) -> None:
        self._audio_tokens["in"] += usage.audio_in
        self._audio_tokens["out"] += usage.audio_out
        if self._usage_listener is not None:
            self._usage_listener(usage)


def _nobody(*_said: object) -> None:
    """Hear what nobody asked for."""
