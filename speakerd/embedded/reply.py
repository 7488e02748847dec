"""Filling one response: think, then speak sentence by sentence at the pace that is wanted.

Lives as one task for each response. Whoever stops it closes the response first; nothing is sent afterwards.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor
from functools import partial

from speakerd.core.units import SAMPLE_BYTES, WIRE_RATE_HZ
from speakerd.embedded.conversation import Conversation
from speakerd.embedded.parts import Call, Voice, in_slices
from speakerd.embedded.responses import Response

_BYTES_PER_MS = WIRE_RATE_HZ * SAMPLE_BYTES // 1000

_FIRST_DELTAS_MS = (100, 150, 250, 400)
"""Lengths of a reply's first audio deltas; the service begins small, too (measured: 100 to 600 ms)."""

_DELTA_MS = 600
"""Length of the others."""

_TEXT_LEAD = 2.0
"""How far the transcript runs ahead of the audio, as a factor (guessed)."""


def delta_sizes() -> Iterator[int]:
    """Return the sizes of a reply's audio deltas in bytes, without end."""
    spans_ms = itertools.chain(_FIRST_DELTAS_MS, itertools.repeat(_DELTA_MS))
    return (span_ms * _BYTES_PER_MS for span_ms in spans_ms)


class Reply:
    """Speaks one answer into one response.

    Args:
        conversation: Where the response lives.
        response_id: The response.
        voice: Speaks.
        executor: Where the voice works.
        pace: Seconds of audio sent for each second that passes.
        flush: Sends what the conversation has to say.
    """

    def __init__(
        self,
        conversation: Conversation,
        response_id: str,
        *,
        voice: Voice,
        executor: Executor,
        pace: float,
        flush: Callable[[], object],
    ) -> None:
        self._conversation = conversation
        self._response_id = response_id
        self._voice = voice
        self._executor = executor
        self._pace = pace
        self._flush = flush
        self._faults = conversation.faults
        self._sizes = delta_sizes()
        self._started_at: float | None = None
        self._sent_s = 0.0

    async def run(self, think: Callable[[], Awaitable[str | Call | None]]) -> None:
        """Fill the response and close it.

        Ends:
            When everything is sent, or by cancellation, at once; a sentence being spoken in a thread is thrown away.
        """
        answer = await think()
        response = self._conversation.running(self._response_id)
        if response is None:
            return
        if isinstance(answer, Call):
            self._conversation.call(self._response_id, answer.name, answer.arguments)
        elif answer:
            self._conversation.begin(self._response_id)
            self._flush()
            if response.spoken:
                await self._speak(answer, response)
            else:
                self._write(answer)
        if self._conversation.running(self._response_id) is not None:
            self._conversation.finish(self._response_id)
        self._flush()

    def _write(self, words: str) -> None:
        """Send a written answer word by word, until its tokens are used up."""
        for word in _words(words):
            self._conversation.say(self._response_id, word)
            if self._conversation.running(self._response_id) is None:
                return

    async def _speak(self, words: str, response: Response) -> None:
        """Speak sentence by sentence; while one is being sent, the next is made."""
        loop = asyncio.get_running_loop()
        speed = float(self._conversation.session["audio"]["output"]["speed"])
        sentences = self._voice.sentences(words)
        made: asyncio.Future[bytes] | None = None
        for index, sentence in enumerate(sentences):
            make = made or loop.run_in_executor(self._executor, partial(self._voice.speak, sentence, speed))
            pcm = await make
            following = sentences[index + 1 : index + 2]
            made = None
            if following:
                made = loop.run_in_executor(self._executor, partial(self._voice.speak, following[0], speed))
            try:
                spoken = await self._send(sentence + (" " if following else ""), pcm, response.unsent)
            except asyncio.CancelledError:
                if made is not None:
                    made.cancel()
                raise
            if not spoken:
                return
            if following and self._faults.several_items:
                self._conversation.end_message(self._response_id)
                self._conversation.begin(self._response_id)

    async def _send(self, sentence: str, pcm: bytes, unsent: deque[bytes]) -> bool:
        """Send one sentence, words ahead of sound; return False when the response is over."""
        words = deque(_words(sentence))
        letters = 0
        offset = 0
        huge = self._faults.huge_delta_bytes
        if huge:
            pcm = pcm.ljust(huge + huge % SAMPLE_BYTES, b"\0")
        unsent.extend(in_slices(pcm, itertools.repeat(len(pcm)) if huge else self._sizes))
        while unsent:
            await self._keep_pace()
            piece = unsent.popleft()
            offset += len(piece)
            while words and letters <= len(sentence) * min(1.0, _TEXT_LEAD * offset / len(pcm)):
                letters += len(words[0])
                self._conversation.say(self._response_id, words.popleft())
            self._conversation.play(self._response_id, piece)
            self._sent_s += len(piece) / (WIRE_RATE_HZ * SAMPLE_BYTES)
            self._flush()
            if self._conversation.running(self._response_id) is None:
                return False
        return True

    async def _keep_pace(self) -> None:
        """Wait until the next delta is due; the first one is due at once."""
        now = asyncio.get_running_loop().time()
        if self._started_at is None:
            self._started_at = now
        await asyncio.sleep(max(0.0, self._started_at + self._sent_s / self._pace - now))


def _words(text: str) -> list[str]:
    """Cut a text into words that keep the blank before them, as the service's deltas do."""
    pieces = text.split(" ")
    return [piece if index == 0 else f" {piece}" for index, piece in enumerate(pieces) if piece or index]
