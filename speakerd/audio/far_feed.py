"""What the loudspeaker plays, as the wake word's thread wants it: at its rate, one frame for each of the microphone's.

Which far-end frame belongs to which of the microphone's is ``reference.py``'s work.
"""

from __future__ import annotations

import numpy as np

from speakerd.audio.echo import Pcm
from speakerd.core.pcm import Resampler
from speakerd.core.units import WAKE_RATE_HZ, WIRE_RATE_HZ


class FarFeed:
    """Turns the far end into wake audio, in step with the near end's. Thread: event loop."""

    def __init__(self) -> None:
        self._resampler = Resampler(WIRE_RATE_HZ, WAKE_RATE_HZ)
        self._waiting = np.zeros(0, np.int16)

    def process(self, far: Pcm | None, frames: int) -> bytes | None:
        """Return the next frames of wake audio; None: nothing has played for a while, they are all zeros.

        Args:
            far: The next frames of the wire's; None: nothing has played for a while.
            frames: How many frames of wake audio the microphone has; the canceller holds some back, and so does this.
        """
        if far is None:
            if len(self._waiting):  # a second of silence by now
                self._resampler.reset()
                self._waiting = self._waiting[:0]
            return None
        self._waiting = np.concatenate((self._waiting, self._resampler.process(far)))
        taken, self._waiting = self._waiting[:frames], self._waiting[frames:]
        return np.concatenate((taken, np.zeros(frames - len(taken), np.int16))).tobytes()
