"""Scores what the loudspeaker plays, with the networks that listen to the microphone, so that its own words are known.

It runs in the wake thread, only while something plays and until that has left the networks' memory. What follows from
a score is ``core/own_speech.py`` and ``core/wake_gate.py``'s business.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from speakerd.core.own_speech import OwnSpeech
from speakerd.core.units import WAKE_RATE_HZ
from speakerd.wake.detector import Detector

MEMORY_S = 2.1
"""How far back a score looks: 16 embeddings, 80 ms apart, of 0.76 s each (specified by openWakeWord). After so much
silence what is in there is silence, and the next reply may begin behind it."""


class SelfScore:
    """A detector on the far end, asleep while nothing plays. Thread: wake.

    Args:
        detector: A stream of its own; the networks may be shared.

    Attributes:
        own: What was played, as the trigger wants to know it.
        chunks: How many were scored.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._chunk_s = detector.chunk_frames / WAKE_RATE_HZ
        self._quiet_s = MEMORY_S
        self.own = OwnSpeech()
        self.chunks = 0

    def process(self, chunk: npt.NDArray[np.int16]) -> None:
        """Take the next chunk of what was played, in step with the microphone's.

        Shape: (chunk_frames,).
        Units: S16 at 16 kHz.
        """
        audible = bool(chunk.any())
        self._quiet_s = 0.0 if audible else self._quiet_s + self._chunk_s
        scores: dict[str, float] = {}
        if self._quiet_s < MEMORY_S:
            scores = self._detector.score(chunk)
            self.chunks += 1
        self.own.process(scores, self._chunk_s, audible)
