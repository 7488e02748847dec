"""What the wake word's thread does while something plays: takes it out of the microphone, and knows our own words.

Our own words are known as ours by the networks that listen to the microphone. What is played is only kept; it is scored
where the microphone's score makes it matter whose word that is, which is hardly ever, and then as if it had been scored
all the time. What follows from a score is ``core/own_speech.py`` and ``core/wake_gate.py``'s business.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from speakerd.core.linear_echo import LinearEcho
from speakerd.core.own_speech import OwnSpeech, window_chunks
from speakerd.core.units import WAKE_RATE_HZ
from speakerd.wake.detector import Detector

Chunk = npt.NDArray[np.int16]


class SelfScore:
    """A canceller, asleep while nothing plays, and a detector on the far end, asleep until it matters. Thread: wake.

    Args:
        detector: A stream of its own; the networks may be shared.

    Attributes:
        own: What was played, as the trigger wants to know it; its words after ``score`` only.
        chunks: How many were scored, or followed for the sake of those.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._chunk_s = detector.chunk_frames / WAKE_RATE_HZ
        self._window_chunks = window_chunks(self._chunk_s)
        self._memory_chunks = detector.memory_chunks
        self._kept: deque[Chunk] = deque(maxlen=self._window_chunks + self._memory_chunks)
        self._quiet_chunks = self._window_chunks + self._memory_chunks
        self._echo = LinearEcho()
        self.own = OwnSpeech()
        self.chunks = 0

    def use(self, detector: Detector) -> None:
        """Score by another engine, which takes chunks as long, from now on; what was played is still known."""
        self._detector = detector
        self._memory_chunks = detector.memory_chunks
        self._kept = deque(self._kept, maxlen=self._window_chunks + self._memory_chunks)

    def process(self, near: Chunk, far: Chunk) -> Chunk:
        """Take the next chunk of both ends; return what the microphone heard, without its echo.

        Shape: (chunk_frames,) each.
        Units: S16 at 16 kHz.
        """
        audible = bool(far.any())
        if not audible and self._is_silent:
            return near
        if audible and self._quiet_chunks >= self._memory_chunks:
            self._echo.renew()
        self._quiet_chunks = 0 if audible else self._quiet_chunks + 1
        self._kept.append(far.copy())
        self.own.process(self._chunk_s, audible)
        return self._echo.process(near, far)

    @property
    def _is_silent(self) -> bool:
        """Whether silence is all that was played lately and all that any memory of it holds."""
        return self._quiet_chunks >= self._window_chunks + self._memory_chunks

    def score(self) -> None:
        """Find out which words were in what was played lately."""
        if self._is_silent:
            return
        chunks = np.array(self._kept)
        self._kept.clear()
        self.chunks += len(chunks)
        for_memory = max(0, len(chunks) - self._window_chunks)
        if for_memory:
            self._detector.follow(chunks[:for_memory])
        for ago, chunk in zip(reversed(range(len(chunks) - for_memory)), chunks[for_memory:], strict=True):
            self.own.note(self._detector.score(chunk), ago * self._chunk_s)
