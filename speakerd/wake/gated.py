"""A wake word engine that sleeps while the room is quiet, and hears exactly as much as one that never does.

Asleep it only keeps the raw audio. A score depends on the last two seconds and on nothing before, so whoever is given
these before the chunk that woke it answers as if it had listened all the time. When to wake is ``core/wake_idle.py``'s
business.
"""

from __future__ import annotations

import copy
from collections import deque

import numpy as np
import numpy.typing as npt

from speakerd.core.wake_idle import IdleGate
from speakerd.wake.detector import Detector


class GatedDetector:
    """A detector around a detector. Implements ``Detector``. Thread: one at a time; the attributes may be read by any.

    Args:
        detector: The one that sleeps; nobody else may give it audio.

    Attributes:
        taken: How many chunks were answered.
        scored: How many of them the engine was asked about; to the others the answer is 0.
    """

    def __init__(self, detector: Detector) -> None:
        self.name = detector.name
        self.chunk_frames = detector.chunk_frames
        self.words = detector.words
        self.memory_chunks = detector.memory_chunks
        self.taken = 0
        self.scored = 0
        self._detector = detector
        self._gate = IdleGate(detector.chunk_frames)
        self._kept: deque[npt.NDArray[np.int16]] = deque(maxlen=detector.memory_chunks)

    @property
    def open(self) -> bool:
        """Whether the last chunk was scored."""
        return self._gate.open

    def renew(self) -> None:
        """Be awake for a while: the microphone begins anew, perhaps in another room."""
        self._gate.renew()

    def score(self, chunk: npt.NDArray[np.int16], room: npt.NDArray[np.int16] | None = None) -> dict[str, float]:
        """Return how much each word was just said, 0 to 1, after another chunk of audio; 0 while asleep.

        Args:
            chunk: What the engine hears.
            room: What the gate hears; None: the same. With noise taken out the rest stands out of nothing, and the gate
                would be open nearly twice as long (measured: 86 instead of 47 % of a stream at 10 dB) for no word more.
        """
        self.taken += 1
        if not self._gate.process(chunk if room is None else room):
            self._kept.append(chunk.copy())
            return dict.fromkeys(self.words, 0.0)
        self._catch_up()
        self.scored += 1
        return self._detector.score(chunk)

    def follow(self, chunks: npt.NDArray[np.int16]) -> None:
        """Take in chunks of audio whose scores nobody wants; no work is done until one is wanted."""
        for chunk in chunks:
            self._gate.process(chunk)
            self._kept.append(chunk.copy())

    def ended_before(self, word: str) -> int | None:
        """Return how many frames before the last chunk's end a word ended that this chunk's score made a detection.

        A chunk that was slept through is scored first: it made no detection, but it can be asked about.
        """
        if self._kept:
            last = self._kept.pop()
            self._catch_up()
            self._detector.score(last)
        return self._detector.ended_before(word)

    def twin(self) -> GatedDetector:
        """Return a second stream over the same networks; it begins with this one's past, asleep or not."""
        twin = copy.copy(self)
        twin._detector = self._detector.twin()  # noqa: SLF001 - it is of this class
        twin._gate, twin._kept = copy.deepcopy((self._gate, self._kept))  # noqa: SLF001 - the same
        return twin

    def _catch_up(self) -> None:
        if self._kept:
            self._detector.follow(np.array(self._kept))
            self._kept.clear()
