"""Both ends as the wake word's thread wants them while something plays: at its rate, in step with what it hears.

Which far-end frame belongs to which of the microphone's is ``reference.py``'s work.
"""

from __future__ import annotations

import numpy as np

from speakerd.audio.echo import Pcm
from speakerd.core.pcm import Resampler
from speakerd.core.units import WAKE_RATE_HZ, WIRE_RATE_HZ


class InStep:
    """Turns wire audio into wake audio, as much at a time as there is of another stream. Thread: event loop."""

    def __init__(self) -> None:
        self._resampler = Resampler(WIRE_RATE_HZ, WAKE_RATE_HZ)
        self._waiting = np.zeros(0, np.int16)

    def process(self, wire: Pcm | None, frames: int) -> bytes | None:
        """Return the next frames of wake audio, or None.

        Args:
            wire: The next frames of the wire's; None: nothing has played for a while, and none are wanted.
            frames: How many frames of wake audio there are; the canceller holds some back, and so does this.
        """
        if wire is None:
            if len(self._waiting):  # a second of silence by now
                self._resampler.reset()
                self._waiting = self._waiting[:0]
            return None
        self._waiting = np.concatenate((self._waiting, self._resampler.process(wire)))
        taken, self._waiting = self._waiting[:frames], self._waiting[frames:]
        return np.concatenate((taken, np.zeros(frames - len(taken), np.int16))).tobytes()
