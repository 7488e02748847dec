"""The work of ``speakerd chat``: type a message, read the transcript as it streams, hear the reply.

One connection, no turn detection, no retry once it is open: a tool to see that account, model and network work.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import time
from collections.abc import Awaitable, Callable

from speakerd.core.errors import AuthError, LinkError, Remedy, SpeakerdError
from speakerd.core.events import LinkUp
from speakerd.core.units import ResponseId
from speakerd.ports import Credentials
from speakerd.realtime import server_events as wire_events
from speakerd.realtime import wire
from speakerd.realtime.connection import CONFIRM_TIMEOUT_S
from speakerd.realtime.link import Endpoint, SdkDialler, SessionSpec
from speakerd.realtime.listeners import nobody
from speakerd.realtime.patience import Patience
from speakerd.realtime.session import Session
from speakerd.realtime.sockets import Socket, first_of, open_socket
from speakerd.realtime.usage import Usage

SILENT_SERVICE_S = 60.0
"""After this long without any event a reply is given up (guessed; the service sends something within a second)."""

EXIT_GOOD, EXIT_FAILED, EXIT_SIGN_IN = 0, 1, 77

_WHAT_TO_DO = {
    Remedy.RETRY: "try again in a moment",
    Remedy.RECONNECT: "start again",
    Remedy.REAUTHENTICATE: "sign in again",
    Remedy.OPERATOR: "change the configuration or the service, then start again",
    Remedy.EXIT: "change the configuration, then start again",
}

Play = Callable[[bytes], Awaitable[None]]
ReadLine = Callable[[], Awaitable[str | None]]


async def chat(
    *,
    endpoint: Endpoint,
    credentials: Credentials,
    spec: SessionSpec,
    play: Play | None,
    strict: bool,
    read_line: ReadLine,
    write: Callable[[str], None],
    on_usage: Callable[[Usage], None] = nobody,
    has_money: Callable[[], bool] = lambda: True,
) -> int:
    """Talk with the service in writing until ``q``, the end of input, or of today's money.

    Args:
        endpoint: The service and its model.
        credentials: Who we are.
        spec: How the session should be; turn detection is left out, since nobody speaks.
        play: Plays wire audio, waiting while it is behind; None: the size of each piece is shown instead.
        strict: Stop at the first error event.
        read_line: Returns the next line typed, None at the end of input.
        write: Shows text as it is.
        on_usage: Told what each reply took.
        has_money: Asked before each message whether another reply may be paid for.

    Returns:
        The exit code: 0; 1 for a failure; 77 where signing in is needed.

    Ends: with its input, with the connection, or by cancellation, which closes the socket.
    """
    chat_spec = dataclasses.replace(spec, turn_detection=None)
    try:
        dialler = SdkDialler(endpoint)
        await dialler.warm()
        socket = await _open(dialler, credentials)
        try:
            await _talk(_Chat(socket, chat_spec, play, on_usage, strict=strict, write=write), read_line, has_money)
        finally:
            await socket.close()
    except SpeakerdError as error:
        write(f"\n{error.code}: {error}\n  what to do: {_WHAT_TO_DO[error.remedy]}\n")
        needs_sign_in = isinstance(error, AuthError) or error.remedy is Remedy.REAUTHENTICATE
        return EXIT_SIGN_IN if needs_sign_in else EXIT_FAILED
    write("Conversation ended.\n")
    return EXIT_GOOD


async def _open(dialler: SdkDialler, credentials: Credentials) -> Socket:
    patience = Patience(time.monotonic)
    while True:
        try:
            return await open_socket(dialler, credentials, patience.left_s)
        except SpeakerdError as error:
            await patience.after(error)


async def _talk(talk: _Chat, read_line: ReadLine, has_money: Callable[[], bool]) -> None:
    """Hold the conversation; the connection's end is its end, even while somebody is typing."""
    failure: SpeakerdError | None = None
    try:
        async with asyncio.TaskGroup() as tasks:
            workers = [tasks.create_task(talk.read()), tasks.create_task(talk.play_on())]
            await talk.converse(read_line, has_money)
            for worker in workers:
                worker.cancel()
    except* SpeakerdError as failures:
        failure = first_of(failures)
    if failure is not None:
        raise failure


class _Chat:
    """The conversation's state: what waits to be played, and whose turn it is."""

    def __init__(
        self,
        socket: Socket,
        spec: SessionSpec,
        play: Play | None,
        on_usage: Callable[[Usage], None],
        *,
        strict: bool,
        write: Callable[[str], None],
    ) -> None:
        self._socket = socket
        self._session = Session(spec)
        self._play = play
        self._on_usage = on_usage
        self._strict = strict
        self._write = write
        self._mid_line = False
        self._sizes_bytes: list[int] = []
        self._sound: asyncio.Queue[bytes] = asyncio.Queue()
        self._ready = asyncio.Event()
        self._over = asyncio.Event()
        self._asked: frozenset[str] = frozenset()
        self._response: ResponseId | None = None
        self._numbers = itertools.count(1)
        self._patience: asyncio.Timeout | None = None

    async def converse(self, read_line: ReadLine, has_money: Callable[[], bool]) -> None:
        """Take turns. Ends: with ``q``, the end of input, or of the money.

        Raises:
            LinkError: the service never confirmed the session.
        """
        await self._socket.send(self._session.begin())
        try:
            async with asyncio.timeout(CONFIRM_TIMEOUT_S):
                await self._ready.wait()
        except TimeoutError as error:
            raise LinkError("link-timeout", "the service never confirmed the session", Remedy.RETRY) from error
        while has_money():
            self._write("Enter a message: ")
            line = await read_line()
            if line is None or line.strip() == "q":
                return
            if line.strip():
                await self._ask(line.strip())

    async def play_on(self) -> None:
        """Play what comes. Ends: by cancellation."""
        while True:
            pcm = await self._sound.get()
            if self._play is not None:
                await self._play(pcm)
            self._sound.task_done()

    async def read(self) -> None:
        """Show what comes. Ends: by cancellation, or with the connection.

        Raises:
            SpeakerdError: the connection or the session ended, or the first error came and ``strict`` asked for that.
        """
        while True:
            event = wire.decode(await self._socket.recv())
            outcome = self._session.receive(event)
            if self._patience is not None:
                self._patience.reschedule(asyncio.get_running_loop().time() + SILENT_SERVICE_S)
            if outcome.usage is not None:
                self._on_usage(outcome.usage)
            self._show(event)
            for command in outcome.commands:
                await self._socket.send(command)
            if outcome.lost is not None:
                raise outcome.lost
            if isinstance(outcome.event, LinkUp):
                self._ready.set()
            if outcome.audio is not None:
                self._hear(outcome.audio.pcm)

    async def _ask(self, text: str) -> None:
        item_id, response_id = f"chat_{next(self._numbers)}", f"chat_{next(self._numbers)}"
        self._asked = frozenset((item_id, response_id))
        self._response = None
        self._over.clear()
        await self._socket.send(wire.item_create_text(text, item_id))
        await self._socket.send(wire.response_create(response_id))
        try:
            async with asyncio.timeout(SILENT_SERVICE_S) as self._patience:
                await self._over.wait()
        except TimeoutError:
            self._line(f"no answer: the service has said nothing for {SILENT_SERVICE_S:.0f} s")
        finally:
            self._patience = None
        await self._sound.join()
        self._line()

    def _show(self, event: wire_events.ServerEvent) -> None:
        match event:
            case wire_events.TranscriptDelta() | wire_events.TextDelta():
                self._write(event.delta)
                self._mid_line = True
            case wire_events.ServiceError():
                self._failed(event.code, event.message)
                nameless = event.event_id is None and self._response is None
                if nameless or event.event_id in self._asked:
                    self._over.set()
            case wire_events.ResponseCreated() if self._response is None:
                self._response = event.response_id
            case wire_events.ResponseDone() if event.response_id == self._response:
                self._show_sizes()
                if event.status == "failed":
                    self._failed(event.code, event.message or "the response failed")
                elif event.status != "completed":
                    self._line(f"({event.status}: {event.reason})")
                self._over.set()

    def _failed(self, code: str | None, message: str) -> None:
        if self._strict:
            raise LinkError("service-error", f"{code}: {message}", Remedy.OPERATOR)
        self._line(f"error {code}: {message}")

    def _hear(self, pcm: bytes) -> None:
        if self._play is None:
            self._sizes_bytes.append(len(pcm))
        else:
            self._sound.put_nowait(pcm)

    def _show_sizes(self) -> None:
        """Show how large each piece of unplayed audio was; behind the reply, since it would tear its words apart."""
        if self._sizes_bytes:
            self._line(f"(received {' + '.join(map(str, self._sizes_bytes))} bytes of audio)")
            self._sizes_bytes.clear()

    def _line(self, text: str = "") -> None:
        """Show a line of its own, ending the one that is being written."""
        ended = "\n" if self._mid_line else ""
        self._mid_line = False
        self._write(f"{ended}{text}\n" if text else ended)
