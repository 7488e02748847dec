"""One session's life on a socket: connect with patience, configure, read and write until it ends.

It knows a socket by Protocols only (``sockets.py``); the SDK behind them is ``link.py``, the rules of a session
``session.py``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from speakerd.core.errors import LinkError, Remedy, SpeakerdError
from speakerd.core.events import LinkLost, LinkUp, SessionExpiring
from speakerd.core.memory import Said
from speakerd.core.story import Kind, story
from speakerd.core.units import Frames, ItemId, Ms, ResponseId
from speakerd.ports import Credentials
from speakerd.realtime import server_events as wire_events
from speakerd.realtime import wire
from speakerd.realtime.diary import note
from speakerd.realtime.expiry import OPENAI_LIFE_S, notice_delay_s
from speakerd.realtime.heartbeat import Heartbeat
from speakerd.realtime.listeners import Listeners
from speakerd.realtime.outbox import Outbox
from speakerd.realtime.outcome import Outcome
from speakerd.realtime.patience import Patience
from speakerd.realtime.prepared import Prepared
from speakerd.realtime.session import Session
from speakerd.realtime.sockets import Dial, Socket, first_of, open_socket
from speakerd.realtime.spec import SessionSpec

CONFIRM_TIMEOUT_S = 5.0
"""Longest wait for ``session.updated`` on an open socket (67 ms was observed; guessed)."""

PREPARED_CONFIRM_TIMEOUT_S = 2.0
"""The same, at least, on a socket that was prepared, which may have died in silence while it was held (guessed)."""

_log = logging.getLogger("speakerd.link")


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
        wall: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        pulse: Callable[[float], Awaitable[None]] = asyncio.sleep,
        prepared: Prepared | None = None,
        seeds: Callable[[], Sequence[Said]] | None = None,
        longest_s: float = OPENAI_LIFE_S,
    ) -> None:
        self._dial = dial
        self._credentials = credentials
        self._spec = spec
        self._tell = listeners
        self._outbox = outbox
        self._now = now
        self._wall = wall
        self._sleep = sleep
        self._heartbeat = Heartbeat(pulse)
        self._prepared = prepared
        self._seeds = seeds
        self._longest_s = longest_s
        self._confirmed = asyncio.Event()
        self._work = asyncio.Event()
        self._overfull = asyncio.Event()
        if outbox.overfull:
            self._overfull.set()
        self._up_since_s: float | None = None
        self._told: str | None = None
        self._texts: list[tuple[str, bool]] = []
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

    def append(self, pcm: bytes, first_frame: Frames | None) -> None:
        """Queue wire audio, and where it begins."""
        self._outbox.audio(pcm, first_frame)
        if self._outbox.overfull:
            self._overfull.set()
        self._work.set()

    def truncate(self, item_id: ItemId, heard_ms: Ms) -> None:
        """Queue a truncation, where the session allows it."""
        command = self.session.truncate(item_id, heard_ms) if self.session else None
        if self.session is not None and command is not None:
            self._tell.trace.mark("truncate", item_id=item_id, heard_ms=heard_ms)
            self._tell.on_cut(item_id, heard_ms, self.session.received_ms(item_id))
            self._command(command)

    def cancel(self, response_id: ResponseId) -> None:
        """Queue a cancellation, where the session allows it."""
        command = self.session.cancel(response_id) if self.session else None
        if command is not None:
            self._tell.trace.mark("cancel", response_id=response_id)
            self._command(command)

    def answer_call(self, call_id: str, output: str) -> None:
        """Queue the result of a function call, where the session knows it."""
        self._command(self.session.answer_call(call_id, output) if self.session else None)

    def ask(self) -> None:
        """Queue the request for a response, now or when it is legal."""
        self._command(self.session.ask() if self.session else None)

    def send_text(self, text: str, *, verbatim: bool) -> None:
        """Queue a text to be said or answered, now or when the session is up."""
        self._texts.append((text, verbatim))
        if self.session is not None and self.session.up:
            self._send_texts(self.session)

    def configure_turns(self, *, interrupt: bool) -> None:
        """Queue the change of whether speech cuts a reply, for this session and the next attempts."""
        self._spec = self._spec.interrupting(interrupt)
        self._command(self.session.configure_turns(interrupt=interrupt) if self.session else None)

    def status(self) -> dict[str, object]:
        """Return what a curious person may know: no transcripts, no credentials."""
        session = self.session
        return {
            "state": "up" if session is not None and session.up else "connecting",
            "session_id": session.session_id if session is not None else None,
            "age_s": None if self._up_since_s is None else round(self._now() - self._up_since_s, 1),
            "expires_at": session.expires_at if session is not None else None,
            "degraded": session is not None and session.degraded,
            "sent_bytes": self.sent_bytes,
            "late_deltas": session.late_deltas if session is not None else 0,
            "unknown_events": session.unknown_events if session is not None else 0,
        }

    def _command(self, text: str | None) -> None:
        if text is not None:
            self._outbox.command(text)
            self._work.set()

    def _send_texts(self, session: Session) -> None:
        texts, self._texts = self._texts, []
        for text, verbatim in texts:
            for command in session.text(text, verbatim=verbatim):
                self._command(command)

    def _lost(self, error: SpeakerdError) -> None:
        if not self.live:
            return
        self.live = False
        told = story(Kind.LINK_LOST, code=error.code, remedy=error.remedy.value)
        _log.warning("link lost: %s: %s (remedy: %s)", error.code, error, error.remedy.value, extra=told)
        self._tell.trace.mark("link.lost", code=error.code)
        self._tell.on_event(LinkLost(error.code))

    async def _until_lost(self) -> None:
        if self._overfull.is_set():
            raise _too_far_behind()
        await self._dial.warm()  # a slow import is not the network's fault: the budget begins after it
        patience = Patience(self._now, self._sleep)
        await self._attempt_prepared()
        while True:
            try:
                await self._attempt(patience)
            except SpeakerdError as error:
                self._start_over(error)
                await patience.after(error)

    def _start_over(self, error: SpeakerdError) -> None:
        """Make ready for another attempt.

        Raises:
            SpeakerdError: the error itself, where another attempt is out of the question.
        """
        was_up = self.session is not None and self.session.up
        # A session that was up is not replayed: the next conversation starts clean.
        if was_up or self._overfull.is_set() or not self.live:
            raise error
        # Once for each cause: an outage of a minute is no page of the journal.
        _log.log(
            logging.DEBUG if error.code == self._told else logging.INFO, "no session yet: %s: %s", error.code, error
        )
        self._told = error.code
        self.session = None
        self._outbox.rewind()

    async def _attempt_prepared(self) -> None:
        """Hold the session on the prepared socket; return when there is none, or it came to nothing.

        A prepared socket is a head start and no attempt: that it failed costs neither patience nor a wait.
        """
        if self._prepared is None or not self._prepared.hopeful:
            return
        self._tell.trace.mark("link.connecting")
        socket = await self._prepared.take()
        if socket is None:
            return
        # On a slow network patience pays: to dial afresh would take as long as this handshake did.
        within_s = min(max(PREPARED_CONFIRM_TIMEOUT_S, self._prepared.dialled_in_s), CONFIRM_TIMEOUT_S)
        try:
            await self._use(socket, within_s, prepared=True)
        except SpeakerdError as error:
            self._start_over(error)

    async def _attempt(self, patience: Patience) -> None:
        self._tell.trace.mark("link.connecting")
        socket = await open_socket(self._dial, self._credentials, patience.left_s)
        await self._use(socket, CONFIRM_TIMEOUT_S, prepared=False)

    async def _use(self, socket: Socket, confirm_within_s: float, *, prepared: bool) -> None:
        try:
            self._tell.trace.mark("link.open", prepared=prepared)
            await self._converse(socket, confirm_within_s)
        except SpeakerdError as error:
            if self._confirmed.is_set():
                self._lost(error)  # before the close, which nobody may answer
            raise
        finally:
            await socket.close()

    async def _converse(self, socket: Socket, confirm_within_s: float) -> None:
        self.session = Session(self._spec, self._outbox.frame_at)
        self._outbox.command(self.session.begin())
        self._seed(self.session)
        self._work.set()
        failure: SpeakerdError | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(socket, self.session, confirm_within_s), name="link-read")
                tasks.create_task(self._write(socket, self.session), name="link-write")
                tasks.create_task(self._watch_backlog(), name="link-backlog")
                tasks.create_task(self._watch_life(socket), name="link-life")
                tasks.create_task(self._watch_age(self.session), name="link-age")
        except* SpeakerdError as failures:
            failure = first_of(failures)
        if failure is not None:
            raise failure

    def _seed(self, session: Session) -> None:
        """Queue what was said before: behind the update, and before any audio, since commands overtake it."""
        seeds = self._seeds() if self._seeds is not None else ()
        if seeds:
            self._tell.trace.mark("link.seeded", messages=len(seeds))
        for said in seeds:
            self._outbox.command(session.seed(said))

    async def _watch_age(self, session: Session) -> None:
        """Say once that the session nears its end, so that a new one can take its place in a pause."""
        await self._confirmed.wait()
        await self._sleep(notice_delay_s(session.expires_at, self._wall(), self._longest_s))
        if self.live:
            self._tell.trace.mark("link.expiring")
            self._tell.on_event(SessionExpiring())

    async def _watch_backlog(self) -> None:
        await self._overfull.wait()
        raise _too_far_behind()

    async def _watch_life(self, socket: Socket) -> None:
        """Ask for signs of life once the session is up; until then its confirmation is waited for."""
        await self._confirmed.wait()
        await self._heartbeat.run(socket)

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

    async def _read(self, socket: Socket, session: Session, confirm_within_s: float) -> None:
        try:
            async with asyncio.timeout(confirm_within_s) as deadline:
                while True:
                    event = wire.decode(await socket.recv())
                    self._heartbeat.heard()
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
            self._confirmed.set()
            self._up_since_s = self._now()
            if self.session is not None:
                self._send_texts(self.session)
        note(self._tell.trace, event, outcome)
        for command in outcome.commands:
            self._command(command)
        if outcome.refusal is not None:
            going_on = "going on with the minimum" if outcome.commands else "going on"
            told = story(Kind.REFUSED, code=outcome.refusal.code)
            words = "the service refused: %s: %s; %s"
            _log.warning(words, outcome.refusal.code, outcome.refusal.message, going_on, extra=told)
        self._tell.tell(outcome, lambda: self.live)
        if outcome.lost is not None:
            raise outcome.lost


def _too_far_behind() -> LinkError:
    return LinkError("link-lost", "the service takes no more audio: check the network", Remedy.RECONNECT)
