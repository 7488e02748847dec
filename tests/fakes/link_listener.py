"""Everything a link says, kept in order, and a way to wait for it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from speakerd.core.errors import SpeakerdError
from speakerd.core.events import Event
from speakerd.realtime.link import Endpoint, RealtimeLink, SessionSpec
from speakerd.realtime.usage import TranscriptionUsage, Usage

PATIENCE_S = 5.0


class Signer:
    """Credentials that count how often they are asked."""

    def __init__(self, *answers: Mapping[str, str] | SpeakerdError) -> None:
        self._answers = list(answers)
        self.asked = 0
        self.refused = 0
        self.taken = 0
        self.in_vain: SpeakerdError | None = None

    def rejected(self) -> SpeakerdError | None:
        self.refused += 1
        return self.in_vain

    def accepted(self) -> None:
        self.taken += 1

    async def headers(self) -> Mapping[str, str]:
        self.asked += 1
        if not self._answers:
            return {"Authorization": f"Bearer token-{self.asked}"}
        answer = self._answers.pop(0)
        if isinstance(answer, SpeakerdError):
            raise answer
        return answer


class Listener:
    """Hears a link: core events, audio, transcripts, usage and the diary."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.audio: list[tuple[str, str, bytes]] = []
        self.audio_done: list[str] = []
        self.said: list[tuple[str, str, str]] = []
        self.committed: list[str] = []
        self.cuts: list[tuple[str, int, int]] = []
        self.transcriptions: list[TranscriptionUsage] = []
        self.usage: list[Usage] = []
        self.marks: list[tuple[str, dict[str, Any]]] = []
        self._news = asyncio.Event()

    def on_event(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    def on_audio(self, response_id: str, item_id: str, pcm: bytes) -> None:
        self.audio.append((response_id, item_id, pcm))
        self._news.set()

    def on_transcript(self, role: str, item_id: str, text: str) -> None:
        self.said.append((role, item_id, text))
        self._news.set()

    def on_committed(self, item_id: str) -> None:
        self.committed.append(item_id)
        self._news.set()

    def on_cut(self, item_id: str, heard_ms: int, received_ms: int) -> None:
        self.cuts.append((item_id, heard_ms, received_ms))

    def mark(self, name: str, **fields: object) -> None:
        self.marks.append((name, fields))
        self._news.set()

    def marked(self, name: str) -> list[dict[str, Any]]:
        return [fields for mark, fields in self.marks if mark == name]

    async def until_told(self, kind: type[Event]) -> None:
        """Wait until the link has told an event of this kind."""
        await self.until_true(lambda: any(isinstance(event, kind) for event in self.events))

    async def until(self, *wanted: Event) -> None:
        """Wait until the link has told these events, as often as they are named."""
        await self.until_true(lambda: all(self.events.count(event) >= wanted.count(event) for event in wanted))

    async def until_audio(self, pieces: int) -> None:
        """Wait until so many pieces of audio have come."""
        await self.until_true(lambda: len(self.audio) >= pieces)

    async def until_sent(self, size_bytes: int) -> None:
        """Wait until so much audio was sent, over all attempts."""
        await self.until_true(lambda: sum(mark["bytes"] for mark in self.marked("uplink")) >= size_bytes)

    async def until_marked(self, name: str, times: int = 1) -> None:
        """Wait until the diary has this so often."""
        await self.until_true(lambda: len(self.marked(name)) >= times)

    async def until_true(self, true: Callable[[], bool]) -> None:
        """Wait until something is so; looked at whenever the link says or notes something."""
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                self._news.clear()
                await self._news.wait()


@contextlib.asynccontextmanager
async def running_link(
    url: str, listener: Listener, *, signer: Signer | None = None, spec: SessionSpec | None = None, **options: Any
) -> AsyncIterator[RealtimeLink]:
    """Run a link to a server until the block ends; its end is a clean cancellation. Options go to the link.

    It takes every guess for worth a connection, unless told otherwise.
    """
    link = RealtimeLink(
        endpoint=Endpoint(url, "gpt-realtime"),
        credentials=signer or Signer(),
        spec=spec or SessionSpec(),
        on_event=listener.on_event,
        on_audio=listener.on_audio,
        on_response_audio_done=listener.audio_done.append,
        on_transcript=listener.on_transcript,
        on_committed=listener.on_committed,
        on_cut=listener.on_cut,
        on_usage=listener.usage.append,
        on_transcription_usage=listener.transcriptions.append,
        now=time.monotonic,
        trace=listener,
        **{"worth": lambda _handshake_s: True, **options},
    )
    await link.warm()
    task = asyncio.create_task(link.run())
    try:
        yield link
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
