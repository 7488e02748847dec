"""Somebody who talks to a service as a speaker does: audio in real time, answers taken as they come, both timed."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from speakerd.core.errors import LinkError, Remedy
from speakerd.core.units import PERIOD_MS, SAMPLE_BYTES, WIRE_RATE_HZ, ms_to_frames
from speakerd.realtime import server_events as wire_events
from speakerd.realtime import wire
from speakerd.realtime.link import Endpoint, SdkDialler, SessionSpec

SILENCE_MS = 500
"""What ends a turn: ``silence_duration_ms`` (specified by the limit that is measured)."""

ANSWER_S = 60.0
"""How long a question with its answer may take before the measurement is given up (guessed)."""

OPEN_S = 10.0
"""How long opening a session, and having it granted, may take each (guessed; it is on this machine)."""

PERIOD_BYTES = ms_to_frames(PERIOD_MS, WIRE_RATE_HZ) * SAMPLE_BYTES
"""What is appended at once."""

_PERIOD_S = PERIOD_MS / 1000
_BYTES_PER_S = WIRE_RATE_HZ * SAMPLE_BYTES
_SIGNED = {"Authorization": "Bearer local"}
_SPEC = SessionSpec(turn_detection={"type": "server_vad", "silence_duration_ms": SILENCE_MS}, noise_reduction=None)


class Socket(Protocol):
    """What a talker needs of an open WebSocket; its failures are ``LinkError``."""

    async def recv(self) -> bytes:
        """Return the next message."""

    async def send(self, text: str) -> None:
        """Send a message."""


@dataclass(slots=True)
class Reply:
    """An answer as it comes in. One that was cut off by more speech gives way to the next."""

    first_s: float | None = None
    """When its first audio came, on the loop's clock."""

    late_s: list[float] = field(default_factory=list)
    """For each delta: how long after the sound before it would have been played; the first is never late."""

    text: str = ""
    """What it says."""

    status: str | None = None
    """How it ended."""

    _due_s: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether nothing more of it comes."""
        return self.status not in (None, "cancelled")

    def take(self, event: wire_events.ServerEvent, at_s: float) -> None:
        """Take in what the service said at a moment.

        Raises:
            LinkError: it said that something is wrong (code ``service-error``).
        """
        match event:
            case wire_events.ResponseCreated():
                self.first_s, self.late_s, self.text, self.status = None, [], "", None
            case wire_events.AudioDelta():
                if self.first_s is None:
                    self.first_s = self._due_s = at_s
                self.late_s.append(at_s - self._due_s)
                self._due_s += len(event.pcm) / _BYTES_PER_S
            case wire_events.TranscriptDone():
                self.text += event.transcript
            case wire_events.ResponseDone():
                self.status = event.status
            case wire_events.ServiceError():
                raise LinkError("service-error", f"{event.code}: {event.message}", Remedy.OPERATOR)


class Talker:
    """One session. Made by ``talking``.

    Thread: event loop.
    """

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._words: deque[bytes] = deque()
        self._padding_s = 0.0
        self._said_s = 0.0

    async def configure(self) -> None:
        """Ask for server VAD with ``SILENCE_MS`` and wait until it is granted.

        Raises:
            LinkError: it is refused, or nobody answers.
        """
        await self._socket.send(wire.session_update(_SPEC.full(), "update"))
        try:
            async with asyncio.timeout(OPEN_S):
                while True:
                    event = wire.decode(await self._socket.recv())
                    Reply().take(event, 0.0)
                    if isinstance(event, wire_events.SessionUpdated):
                        return
        except TimeoutError as error:
            raise LinkError("link-timeout", "the service never confirmed the session", Remedy.RETRY) from error

    async def stream(self) -> None:
        """Append a period whenever one has passed: what is being said, else silence.

        Ends: by cancellation, or with the connection.
        """
        loop = asyncio.get_running_loop()
        silence = bytes(PERIOD_BYTES)
        due_s = loop.time()
        while True:
            due_s += _PERIOD_S  # a microphone hands a period over when its last frame is there
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            words = self._words.popleft() if self._words else None
            if words is not None and not self._words:
                self._said_s = due_s - self._padding_s
            await self._socket.send(wire.append(words or silence, "audio"))

    async def ask(self, pcm: bytes) -> tuple[Reply, float]:
        """Say something and return the answer, and when the last frame of what was said had been spoken.

        Args:
            pcm: Wire audio without silence around it.

        Raises:
            LinkError: the answer did not come, or the connection broke.
        """
        self._words.extend(periods(pcm))
        self._padding_s = -len(pcm) % PERIOD_BYTES / _BYTES_PER_S
        loop = asyncio.get_running_loop()
        reply = Reply()
        try:
            async with asyncio.timeout(ANSWER_S):
                while not reply.is_over:
                    event = wire.decode(await self._socket.recv())
                    reply.take(event, loop.time())
        except TimeoutError as error:
            raise LinkError("link-timeout", f"no answer within {ANSWER_S:.0f} s", Remedy.RETRY) from error
        if reply.status != "completed" or reply.first_s is None:
            raise LinkError("service-error", f"the answer ended {reply.status} without sound", Remedy.OPERATOR)
        return reply, self._said_s


def periods(pcm: bytes) -> list[bytes]:
    """Cut wire audio into periods, the last one filled up with silence."""
    whole = pcm + bytes(-len(pcm) % PERIOD_BYTES)
    return [whole[at : at + PERIOD_BYTES] for at in range(0, len(whole), PERIOD_BYTES)]


def dialler(url: str) -> SdkDialler:
    """Return what opens sessions at a service: the SDK, as the daemon uses it."""
    return SdkDialler(Endpoint(url, "gpt-realtime"))


@contextlib.asynccontextmanager
async def talking(dial: SdkDialler) -> AsyncIterator[Talker]:
    """Open a session whose microphone is on as long as the context lasts.

    Raises:
        LinkError: it cannot be opened or configured.
    """
    socket = await dial(_SIGNED, OPEN_S)
    try:
        talker = Talker(socket)
        await talker.configure()
        streaming = asyncio.create_task(talker.stream(), name="bench-microphone")
        try:
            yield talker
        finally:
            streaming.cancel()
            # A connection that broke has told whoever read from it.
            await asyncio.gather(streaming, return_exceptions=True)
    finally:
        await socket.close()
