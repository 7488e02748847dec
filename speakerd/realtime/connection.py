"""One session's life on a socket: connect with patience, configure, read and write until it ends.

It knows a socket by two Protocols only; the SDK behind them is ``link.py``, the rules of a session ``session.py``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from speakerd.core.errors import LinkError, Remedy, SpeakerdError
from speakerd.core.events import Event, LinkLost, LinkUp
from speakerd.core.units import ItemId, Ms, ResponseId
from speakerd.ports import Credentials, Trace
from speakerd.realtime import server_events as wire_events
from speakerd.realtime import wire
from speakerd.realtime.outbox import Outbox
from speakerd.realtime.patience import BUDGET_S, Patience
from speakerd.realtime.session import Outcome, Session, SessionSpec

CONNECT_TIMEOUT_S = BUDGET_S
"""Longest wait for one handshake: all the patience there is. A slow service answers in eight seconds, and two attempts of
five would both be cut off (measured); lost packets are sent again by TCP itself."""

CONFIRM_TIMEOUT_S = 5.0
"""Longest wait for ``session.updated`` on an open socket (67 ms was observed; guessed)."""

_log = logging.getLogger("speakerd.link")


class Socket(Protocol):
    """An open WebSocket. Every failure is a ``LinkError``."""

    async def recv(self) -> bytes:
        """Return the next message."""

    async def send(self, text: str) -> None:
        """Send a message; waits while the network is behind."""

    async def close(self) -> None:
        """Close with 1000; never raises."""


class Dial(Protocol):
    """Opens sockets to one endpoint."""

    async def warm(self) -> object:
        """Load what dialling needs, without touching the network."""

    async def __call__(self, headers: Mapping[str, str], timeout_s: float) -> Socket:
        """Open a socket.

        Raises:
            LinkError: it could not be opened.
        """


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told what. Called on the event loop; they must return at once."""

    on_event: Callable[[Event], None]
    """Core events."""

    on_audio: Callable[[ResponseId, ItemId, bytes], None]
    """Reply audio that still counts."""

    on_response_audio_done: Callable[[ResponseId], None]
    """A response will bring no more audio, however it ended; told just before its ``ResponseDone``."""

    on_transcript: Callable[[str, str, str], None]
    """Role, item and text of what somebody said."""

    on_usage: Callable[[wire_events.Usage], None]
    """What a response took."""

    trace: Trace
    """The diary."""


async def open_socket(dial: Dial, credentials: Credentials, patience: Patience) -> Socket:
    """Sign a handshake and open one socket, within what patience is left.

    Raises:
        SpeakerdError: it could not be opened, or there is no credential.
    """
    timeout_s = min(CONNECT_TIMEOUT_S, patience.left_s)
    try:
        async with asyncio.timeout(timeout_s):
            headers = await credentials.headers()
            return await dial(headers, timeout_s)
    except TimeoutError as error:
        raise LinkError(
            "link-timeout", "the service did not answer in time: check the network", Remedy.RETRY
        ) from error


class Connection:
    """One conversation's way to the service, from ``open`` to ``close`` or ``LinkLost``.

    Thread: event loop.
    Ends: when ``run`` is cancelled, which closes the socket with 1000, or after it has said ``LinkLost``.
    """

    def __init__(
        self,
        *,
        dial: Dial,
        credentials: Credentials,
        spec: SessionSpec,
        listeners: Listeners,
        outbox: Outbox,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._dial = dial
        self._credentials = credentials
        self._spec = spec
        self._tell = listeners
        self._outbox = outbox
        self._now = now
        self._sleep = sleep
        self._work = asyncio.Event()
        self._overfull = asyncio.Event()
        if outbox.overfull:
            self._overfull.set()
        self.session: Session | None = None
        self.live = True
        self.sent_bytes = 0

    async def run(self) -> None:
        """Hold the connection until it is lost. Ends: by cancellation, or when ``LinkLost`` was said."""
        try:
            await self._until_lost()
        except SpeakerdError as error:
            self._lost(error)

    def end(self) -> None:
        """Say and send nothing more; cancelling ``run`` then closes the socket."""
        self.live = False

    def append(self, pcm: bytes) -> None:
        """Queue wire audio."""
        self._outbox.audio(pcm)
        if self._outbox.overfull:
            self._overfull.set()
        self._work.set()

    def truncate(self, item_id: ItemId, heard_ms: Ms) -> None:
        """Queue a truncation, where the session allows it."""
        command = self.session.truncate(item_id, heard_ms) if self.session else None
        if command is not None:
            self._tell.trace.mark("truncate", item_id=item_id, heard_ms=heard_ms)
            self._command(command)

    def cancel(self, response_id: ResponseId) -> None:
        """Queue a cancellation, where the session allows it."""
        command = self.session.cancel(response_id) if self.session else None
        if command is not None:
            self._tell.trace.mark("cancel", response_id=response_id)
            self._command(command)

    def _command(self, text: str) -> None:
        self._outbox.command(text)
        self._work.set()

    def _lost(self, error: SpeakerdError) -> None:
        if not self.live:
            return
        self.live = False
        _log.warning("link lost: %s: %s (remedy: %s)", error.code, error, error.remedy.value)
        self._tell.trace.mark("link.lost", code=error.code)
        self._tell.on_event(LinkLost(error.code))

    async def _until_lost(self) -> None:
        if self._overfull.is_set():
            raise _too_far_behind()
        await self._dial.warm()  # a slow import is not the network's fault: the budget begins after it
        patience = Patience(self._now, self._sleep)
        while True:
            try:
                await self._attempt(patience)
            except SpeakerdError as error:
                was_up = self.session is not None and self.session.up
                # A session that was up is not replayed: the next conversation starts clean.
                if was_up or self._overfull.is_set() or not self.live:
                    raise
                _log.info("no session yet: %s: %s", error.code, error)
                self.session = None
                self._outbox.rewind()
                await patience.after(error)

    async def _attempt(self, patience: Patience) -> None:
        self._tell.trace.mark("link.connecting")
        socket = await open_socket(self._dial, self._credentials, patience)
        try:
            self._tell.trace.mark("link.open")
            await self._converse(socket)
        finally:
            await socket.close()

    async def _converse(self, socket: Socket) -> None:
        self.session = Session(self._spec)
        self._outbox.command(self.session.begin())
        self._work.set()
        failure: SpeakerdError | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(socket, self.session), name="link-read")
                tasks.create_task(self._write(socket, self.session), name="link-write")
                tasks.create_task(self._watch_backlog(), name="link-backlog")
        except* SpeakerdError as failures:
            failure = first_of(failures)
        if failure is not None:
            raise failure

    async def _watch_backlog(self) -> None:
        await self._overfull.wait()
        raise _too_far_behind()

    async def _write(self, socket: Socket, session: Session) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while self.live and not self._outbox.empty:
                await self._send_one(socket, session)

    async def _send_one(self, socket: Socket, session: Session) -> None:
        command = self._outbox.take_command()
        if command is not None:
            await socket.send(command)
            return
        pcm = self._outbox.take_audio()
        await socket.send(session.append(pcm))
        self.sent_bytes += len(pcm)
        self._tell.trace.mark("uplink", bytes=len(pcm), total_bytes=self.sent_bytes)

    async def _read(self, socket: Socket, session: Session) -> None:
        try:
            async with asyncio.timeout(CONFIRM_TIMEOUT_S) as deadline:
                while True:
                    event = wire.decode(await socket.recv())
                    if self.live:
                        self._act_on(event, session.receive(event))
                    if session.up:
                        deadline.reschedule(None)
        except TimeoutError as error:
            raise LinkError("link-timeout", "the service never confirmed the session", Remedy.RETRY) from error

    def _act_on(self, event: wire_events.ServerEvent, outcome: Outcome) -> None:
        """Pass on what an event came to. A listener may close the link under us: after that, nothing more is said."""
        if isinstance(outcome.event, LinkUp):
            self._outbox.confirm()
        self._mark(event, outcome)
        for command in outcome.commands:
            self._command(command)
        if outcome.refusal is not None:
            going_on = "going on with the minimum" if outcome.commands else "going on"
            _log.warning("the service refused: %s: %s; %s", outcome.refusal.code, outcome.refusal.message, going_on)
        if outcome.audio is not None:
            self._tell.on_audio(outcome.audio.response_id, outcome.audio.item_id, outcome.audio.pcm)
        if outcome.transcript is not None:
            said = outcome.transcript
            self._tell.on_transcript(said.role, said.item_id, said.text)
        if outcome.usage is not None:
            self._tell.on_usage(outcome.usage)
        if outcome.audio_done is not None:
            self._tell.on_response_audio_done(outcome.audio_done)
        if outcome.event is not None and self.live:
            self._tell.on_event(outcome.event)
        if outcome.lost is not None:
            raise outcome.lost

    def _mark(self, event: wire_events.ServerEvent, outcome: Outcome) -> None:
        mark = self._tell.trace.mark
        if outcome.audio is not None:
            audio = outcome.audio
            mark("downlink", response_id=audio.response_id, item_id=audio.item_id, bytes=len(audio.pcm))
        elif outcome.transcript is not None:
            mark("transcript", role=outcome.transcript.role, text=outcome.transcript.text)
        elif isinstance(outcome.event, LinkUp):
            mark("link.up")
        elif outcome.event is not None:
            _mark_event(mark, event)


def _mark_event(mark: Callable[..., None], event: wire_events.ServerEvent) -> None:
    match event:
        case wire_events.SpeechStarted(_, audio_start_ms):
            mark("speech_started", audio_start_ms=audio_start_ms)
        case wire_events.SpeechStopped(_, audio_end_ms):
            mark("speech_stopped", audio_end_ms=audio_end_ms)
        case wire_events.ResponseCreated(response_id):
            mark("response.created", response_id=response_id)
        case wire_events.ResponseDone():
            mark("response.done", response_id=event.response_id, status=event.status)


def _too_far_behind() -> LinkError:
    return LinkError("link-lost", "the service takes no more audio: check the network", Remedy.RECONNECT)


def first_of(failures: BaseExceptionGroup[SpeakerdError]) -> SpeakerdError:
    """Return the first failure of tasks that went down together: the cause, mostly."""
    first = failures.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first
