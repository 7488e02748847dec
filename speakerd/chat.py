"""The command ``chat``, put together: lines from standard input, the service by configuration, sound through ALSA.

What is said and shown lives in ``realtime/chat.py``.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from speakerd.accounts import ChatAccounts
from speakerd.audio.alsa import open_playback, silence_alsa_messages
from speakerd.audio.loudspeaker import Loudspeaker
from speakerd.core.events import Device, DeviceFound, DeviceLost, Event, PlaybackDrained
from speakerd.core.settings import Settings
from speakerd.core.units import ItemId, ResponseId
from speakerd.host.places import daemons_state_folder, may_use
from speakerd.host.trace import NoTrace
from speakerd.identity import Identity
from speakerd.parts import service_of, spec_of
from speakerd.realtime.chat import EXIT_FAILED, chat
from speakerd.sign_in_alone import whose, worker_of

_REPLY, _ITEM = ResponseId("chat"), ItemId("chat")

CARD_TIMEOUT_S = 3.0
"""How long to wait for the loudspeaker before going on in silence (guess: opening takes milliseconds)."""


SIGN_IN_PATIENCE_S = 45.0
"""How long to wait for a first token: as long as an attempt may take, and the clock may have to be set (guess)."""


class LineReader:
    """Lines of a file descriptor on the event loop, whether it is a terminal, a pipe or a file. Thread: event loop."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._ended = False

    async def __call__(self) -> str | None:
        """Return the next line without its end; None when there is no more."""
        while b"\n" not in self._rest and not self._ended:
            await self._readable()
            data = os.read(self._fd, 4096)  # it is readable: this does not block
            self._ended = not data
            self._rest += data
        if not self._rest:
            return None
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode("utf-8", errors="replace").rstrip("\r")

    async def _readable(self) -> None:
        """Wait until a read returns at once; a plain file always does, and cannot be waited for."""
        ready = asyncio.Event()
        try:
            self._loop.add_reader(self._fd, ready.set)
        except PermissionError:
            return
        try:
            await ready.wait()
        finally:
            self._loop.remove_reader(self._fd)


class Voice:
    """The loudspeaker of a chat. Thread: event loop."""

    def __init__(self, device: str) -> None:
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._opened: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._speaker = Loudspeaker(
            device=device,
            open_pcm=open_playback,
            on_event=self._on_event,
            now=time.monotonic,
            trace=NoTrace(),
            earcons=False,
        )
        self._speaker.accept(_REPLY)

    async def run(self) -> None:
        """Keep the card at work. Ends: by cancellation."""
        await self._speaker.run()

    async def found(self) -> bool:
        """Return whether there is a loudspeaker."""
        async with asyncio.timeout(CARD_TIMEOUT_S):
            return await asyncio.shield(self._opened)

    async def play(self, pcm: bytes) -> None:
        """Queue wire audio; it is played while the next line is typed."""
        self._quiet.clear()
        self._speaker.enqueue(_REPLY, _ITEM, pcm)

    async def finish(self) -> None:
        """Wait until everything has been heard."""
        await self._quiet.wait()

    def _on_event(self, event: Event) -> None:
        match event:
            case PlaybackDrained():
                self._quiet.set()
            case DeviceFound(Device.LOUDSPEAKER) if not self._opened.done():
                self._opened.set_result(True)
            case DeviceLost(Device.LOUDSPEAKER):
                self._quiet.set()
                if not self._opened.done():
                    self._opened.set_result(False)
            case _:
                pass


async def run_chat(settings: Settings, *, environment: Mapping[str, str], audio: bool, strict: bool) -> int:
    """Hold a chat on the terminal.

    Args:
        settings: The configuration.
        environment: Of the process.
        audio: Play the replies.
        strict: Stop at the first error event.

    Returns:
        The exit code; that of a failure where today's budget is spent before it begins.

    Ends: with its input, with today's budget, or by cancellation.
    """
    silence_alsa_messages()
    write = _write
    accounts = ChatAccounts(settings, environment, write)
    if not accounts.has_money():
        return EXIT_FAILED
    async with AsyncExitStack() as stack:
        stack.callback(accounts.close)
        stack.push_async_callback(_cancel, asyncio.create_task(accounts.run(), name="accounts"))
        endpoint = await stack.enter_async_context(service_of(settings))
        voice: Voice | None = None
        if audio:
            voice = Voice(settings.audio.playback.device)
            playing = asyncio.create_task(voice.run(), name="loudspeaker")
            stack.push_async_callback(_cancel, playing)
            if not await voice.found():
                write("no loudspeaker (see: speakerd devices); sizes of the audio are shown instead\n")
                voice = None
        identity = Identity(
            settings,
            environment,
            on_change=lambda _: None,
            call_at=asyncio.get_running_loop().call_at,
            state=state_of(environment),
            make_worker=worker_of,
        )
        if settings.auth.is_entra and (note := whose(environment)):
            write(f"{note}\n")
        stack.push_async_callback(_cancel, asyncio.create_task(identity.run(), name="identity"))
        await identity.ready(SIGN_IN_PATIENCE_S)
        code = await chat(
            endpoint=endpoint,
            credentials=identity.credentials,
            spec=spec_of(settings),
            play=voice.play if voice is not None else None,
            strict=strict,
            read_line=LineReader(sys.stdin.fileno()),
            write=write,
            on_usage=accounts.note_usage,
            has_money=accounts.has_money,
        )
        if voice is not None:
            await voice.finish()
        return code


def state_of(environment: Mapping[str, str]) -> Path | None:
    """Return where the daemon's sign-in is kept, where this user may use it; None: it must be one's own."""
    folder = daemons_state_folder(environment)
    return folder if may_use(folder) else None


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
