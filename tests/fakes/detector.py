"""A wake word engine that answers with the scores a test wrote down."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt


class FakeDetector:
    """Answers with each score once, in order, then with 0; keeps every chunk it was given, to score or to follow."""

    name = "fake"
    chunk_frames = 1280
    memory_chunks = 26

    def __init__(self, scores: Iterable[float] = (), word: str = "hey_jarvis", ended_before: int | None = None) -> None:
        self.words: tuple[str, ...] = (word,)
        self.heard: list[npt.NDArray[np.int16]] = []
        self.followed: list[npt.NDArray[np.int16]] = []
        self._scores = deque(scores)
        self._ended_before = ended_before

    def score(self, chunk: npt.NDArray[np.int16]) -> dict[str, float]:
        self.heard.append(chunk)
        return {self.words[0]: self._scores.popleft() if self._scores else 0.0}

    def follow(self, chunks: npt.NDArray[np.int16]) -> None:
        self.followed.extend(chunks.copy())

    def ended_before(self, word: str) -> int | None:
        """Return what the test wrote down."""
        assert word == self.words[0]
        return self._ended_before

    def twin(self) -> FakeDetector:
        """Return a detector that scores what it is told by the audio itself: its first sample, in hundredths."""
        return LoudDetector(word=self.words[0])


class LoudDetector(FakeDetector):
    """A wake word engine that takes the first sample of a chunk for its score, in hundredths."""

    def score(self, chunk: npt.NDArray[np.int16]) -> dict[str, float]:
        self.heard.append(chunk)
        return {self.words[0]: int(chunk[0]) / 100}
