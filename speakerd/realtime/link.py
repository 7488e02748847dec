"""The session with the service as the controller's port: prepare, open, append, answer, renew, close.

What happens on a socket is ``connection.py``; how the ``openai`` SDK opens one is ``dialler.py``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from speakerd.core.events import Event, LinkLost
from speakerd.core.guess import GUESS_DECLINED, worth_guessing
from speakerd.core.memory import Said
from speakerd.core.units import Frames, ItemId, Ms, ResponseId
from speakerd.ports import Credentials, Trace
from speakerd.realtime.dialler import SdkDialler
from speakerd.realtime.endpoint import Endpoint
from speakerd.realtime.listeners import Listeners, nobody
from speakerd.realtime.outbox import Outbox
from speakerd.realtime.sockets import TimedDial
from speakerd.realtime.spec import SessionSpec
from speakerd.realtime.usage import TranscriptionUsage, Usage

if TYPE_CHECKING:
    from speakerd.realtime.connection import Connection
    from speakerd.realtime.prepared import Prepared

__all__ = ["Endpoint", "RealtimeLink", "SdkDialler", "SessionSpec"]


class RealtimeLink:
    """The port ``Link``: at most one session at a time. Nothing touches the network before ``open`` or ``prepare``.

    Thread: event loop.
    Ends: when ``run`` is cancelled, closing the socket.

    Args:
        endpoint: Where the service is, and which model.
        credentials: Who we are to it.
        spec: How we want a session to be.
        on_event: Told core events.
        on_audio: Told reply audio that still counts: response, item, wire audio.
        now: Seconds on the monotonic clock.
        trace: The diary.
        on_response_audio_done: Told that a response brings no more audio, just before its ``ResponseDone``.
        on_transcript: Told what somebody said: role, item, text.
        on_committed: Told the item of what the user has just said; its words may come after the reply's.
        on_cut: Told that a reply's item was cut: item, milliseconds heard, milliseconds received.
        on_usage: Told what each response took.
        on_transcription_usage: Told what writing down each utterance took, where the service says so.
        worth: Whether to connect on a guess, where the last handshake took so many seconds; None: there was none yet.
        on_asking_again: Told that what was said and not answered will be said again, before it is.
        seeds: Asked at the start of each session for what was said before, oldest first; None: nothing.
        wall: Seconds since 1970, as the machine has them.
        sleep: Waits; for back-off and for a session's age.
        pulse: Waits between two looks whether the service is still there.
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
        on_response_audio_done: Callable[[ResponseId], None] = nobody,
        on_transcript: Callable[[str, str, str], None] = nobody,
        on_committed: Callable[[ItemId], None] = nobody,
        on_cut: Callable[[ItemId, Ms, Ms], None] = nobody,
        on_usage: Callable[[Usage], None] = nobody,
        on_transcription_usage: Callable[[TranscriptionUsage], None] = nobody,
        worth: Callable[[float | None], bool] = worth_guessing,
        on_asking_again: Callable[[], None] = nobody,
        seeds: Callable[[], Sequence[Said]] | None = None,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        pulse: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._dialler = TimedDial(SdkDialler(endpoint), now)
        self._worth = worth
        self._longest_session_s = endpoint.longest_session_s
        self._credentials = credentials
        self._spec = spec
        self._now, self._wall, self._sleep, self._pulse = now, wall, sleep, pulse
        self._seeds, self._on_asking_again = seeds, on_asking_again
        self._usage_listener = on_usage
        self._listeners = Listeners(
            on_event=on_event,
            on_audio=on_audio,
            trace=trace,
            on_response_audio_done=on_response_audio_done,
            on_transcript=on_transcript,
            on_committed=on_committed,
            on_cut=on_cut,
            on_usage=self._count_usage,
            on_transcription_usage=on_transcription_usage,
        )
        self._tasks: asyncio.TaskGroup | None = None
        self._outbox = Outbox()
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._prepared: Prepared | None = None
        self._interrupt: bool | None = None
        self._sessions = 0
        self._audio_tokens = {"in": 0, "out": 0}

    async def run(self) -> None:
        """Hold the connections. Ends: by cancellation only; an open socket is closed with 1000."""
        async with asyncio.TaskGroup() as self._tasks:
            if self._prepared is not None:
                self._prepared.start(self._tasks)
            if self._connection is not None:
                self._start(self._connection)
            try:
                await asyncio.Event().wait()
            finally:
                self._end()

    async def warm(self) -> None:
        """Import what a session needs and build the SDK's client in a worker thread, so that ``open`` need not."""
        await asyncio.to_thread(_load)
        await self._dialler.warm()

    def prepare(self) -> None:
        """Begin to connect on a guess, as far as an open socket; nothing is sent on it.

        Without effect while there is a session or something is prepared already. Where the service is reached so
        quickly that there is nothing to gain, the guess is declined: ``LinkLost`` says so, and no other event follows.
        What is not needed within ``HELD_S`` is dropped.
        """
        self._forget_lost()
        ready = self._prepared is not None and self._prepared.hopeful
        if self._connection is not None or ready:
            return
        if not self._worth(self._dialler.took_s):
            self._listeners.on_event(LinkLost(GUESS_DECLINED))
            return
        from speakerd.realtime.prepared import Prepared

        self._prepared = Prepared(
            dial=self._dialler, credentials=self._credentials, trace=self._listeners.trace, now=self._now
        )
        if self._tasks is not None:
            self._prepared.start(self._tasks)

    def abandon(self) -> None:
        """Drop what was prepared; what a session was opened with is no longer a guess."""
        self._forget_lost()
        if self._connection is None:
            self._drop_prepared()

    def open(self) -> None:
        """Start a session, on a prepared socket if there is one; the answer comes as ``LinkUp`` or ``LinkLost``.

        An open link stays as it is.
        """
        self._forget_lost()
        if self._connection is not None:
            return
        from speakerd.realtime.connection import Connection

        self._sessions += 1
        self._connection = Connection(
            dial=self._dialler,
            credentials=self._credentials,
            spec=self._spec if self._interrupt is None else self._spec.interrupting(self._interrupt),
            listeners=self._listeners,
            outbox=self._outbox,
            now=self._now,
            wall=self._wall,
            sleep=self._sleep,
            pulse=self._pulse,
            prepared=self._prepared,
            seeds=self._seeds,
            longest_s=self._longest_session_s,
        )
        if self._tasks is not None:
            self._start(self._connection)

    def reopen(self) -> None:
        """Start a session for a question that was not answered in the lost one, and that is asked again."""
        self._on_asking_again()
        self.open()

    def renew(self) -> None:
        """End this session and start another; audio that was not yet sent, and what comes from now on, goes there.

        Without effect while a session is still coming up: that one is new.
        """
        self._forget_lost()
        if self._connection is not None:
            if self._connection.status()["state"] != "up":
                return
            self._outbox = self._outbox.rest()
            self._end()
            self._connection = self._task = None
        self.open()

    def close(self) -> None:
        """End the session, or the attempt; nothing more is sent and no event of it follows."""
        self._end()
        self._connection = self._task = None
        self._outbox = Outbox()

    def append(self, pcm: bytes, first_frame: Frames | None = None) -> None:
        """Queue wire audio, in order; kept while the link is still coming up, even before ``open``.

        Args:
            pcm: Whole frames.
            first_frame: Where they begin in the microphone's wire frames; None: they are silence, or nobody knows.
        """
        self._forget_lost()
        if self._connection is not None:
            self._connection.append(pcm, first_frame)
        elif not self._outbox.overfull:  # more would not be sent: open() answers an overfull outbox with LinkLost
            self._outbox.audio(pcm, first_frame)

    def truncate(self, item_id: ItemId, heard_ms: Ms) -> None:
        """Tell the service how much of an item was heard."""
        if self._connection is not None:
            self._connection.truncate(item_id, heard_ms)

    def cancel(self, response_id: ResponseId) -> None:
        """Ask the service to stop a response."""
        if self._connection is not None:
            self._connection.cancel(response_id)

    def answer_call(self, call_id: str, output: str) -> None:
        """Give the service the result of a function call; one that this session did not make is left out."""
        if self._connection is not None:
            self._connection.answer_call(call_id, output)

    def ask(self) -> None:
        """Ask the service for a response, as soon as none runs and the user does not speak.

        A response that begins meanwhile and knows all answers makes it needless.
        """
        if self._connection is not None:
            self._connection.ask()

    def send_text(self, text: str, *, verbatim: bool) -> None:
        """Have the service say a text as it stands, or answer it, as soon as the session is up."""
        if self._connection is not None:
            self._connection.send_text(text, verbatim=verbatim)

    def configure_turns(self, *, interrupt: bool) -> None:
        """Let speech cut a reply, or not: in this session and in those to come."""
        self._interrupt = interrupt
        if self._connection is not None:
            self._connection.configure_turns(interrupt=interrupt)

    def use(
        self, spec: SessionSpec, *, endpoint: Endpoint | None = None, credentials: Credentials | None = None
    ) -> None:
        """Configure the next session like this; one that is there stays as it is.

        Args:
            spec: How it shall be.
            endpoint: Where; None: where it was until now.
            credentials: Who we are there; None: who we were.
        """
        self._spec = spec
        if endpoint is not None:
            self._dialler = TimedDial(SdkDialler(endpoint), self._now)
            self._longest_session_s = endpoint.longest_session_s
        if credentials is not None:
            self._credentials = credentials
        if self._connection is None and (endpoint is not None or credentials is not None):
            self._drop_prepared()  # it leads to where nobody wants to go any more

    def status(self) -> dict[str, object]:
        """Return what a curious person may know: no transcripts, no credentials."""
        connection = self._connection if self._connection is not None and self._connection.live else None
        took_s = self._dialler.took_s
        return {
            **({"state": "closed"} if connection is None else connection.status()),
            "sessions": self._sessions,
            "handshake_ms": None if took_s is None else round(took_s * 1000),
            "prepared": self._prepared is not None and self._prepared.hopeful,
            "waiting_bytes": self._outbox.waiting_bytes,
            "audio_tokens_in": self._audio_tokens["in"],
            "audio_tokens_out": self._audio_tokens["out"],
        }

    def _end(self) -> None:
        # Both: a cancellation can be lost on Python 3.11 when it meets a failure of the socket at the same moment.
        if self._connection is not None:
            self._connection.end()
        if self._task is not None:
            self._task.cancel()
        self._drop_prepared()

    def _drop_prepared(self) -> None:
        if self._prepared is not None:
            self._prepared.abandon()
            self._prepared = None

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
        self._usage_listener(usage)


def _load() -> None:
    """Import what only a session needs: a twentieth of the start's CPU, and nobody who is to be heard waits for it."""
    from speakerd.realtime import connection  # noqa: F401 - to have it loaded
