"""What the wake word's thread does while something plays: takes it out of the microphone, and scores it by itself.

Scored by itself, with the networks that listen to the microphone, our own words are known as ours. Both run only while
something plays and until that has left the networks' memory. What follows from a score is ``core/own_speech.py`` and
``core/wake_gate.py``'s business.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from speakerd.core.linear_echo import LinearEcho
from speakerd.core.own_speech import OwnSpeech
from speakerd.core.units import WAKE_RATE_HZ
from speakerd.wake.detector import Detector

Chunk = npt.NDArray[np.int16]

MEMORY_S = 2.1
"""How far back a score looks: 16 embeddings, 80 ms apart, of 0.76 s each (specified by openWakeWord). After so much
silence what is in there is silence, and the next reply may begin behind it."""


class SelfScore:
    """A canceller and a detector on the far end, asleep while nothing plays. Thread: wake.

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
        self._echo = LinearEcho()
        self.own = OwnSpeech()
        self.chunks = 0

    def process(self, near: Chunk, far: Chunk) -> Chunk:
        """Take the next chunk of both ends; return what the microphone heard, without its echo.

        Shape: (chunk_frames,) each.
        Units: S16 at 16 kHz.
        """
        audible = bool(far.any())
        asleep = self._quiet_s >= MEMORY_S
        self._quiet_s = 0.0 if audible else self._quiet_s + self._chunk_s
        scores: dict[str, float] = {}
        if self._quiet_s < MEMORY_S:
            if asleep:
                self._echo.renew()
            near = self._echo.process(near, far)
            scores = self._detector.score(far)
            self.chunks += 1
        self.own.process(scores, self._chunk_s, audible)
        return near
