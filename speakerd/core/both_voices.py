"""The microphone with all that is said over a reply in it, and little of the reply: in step with what comes in.

It costs nearly as much as the canceller that the session hears through (measured: 6 to 9 ms of CPU a second, the other
10), so it runs only where somebody may have to be heard over a reply afterwards. That is ``talk_over.py``'s business.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from speakerd.core.linear_echo import LinearEcho

Int16 = npt.NDArray[np.int16]

BLOCK_FRAMES = 512
"""What is predicted at once, 21 ms at the wire's rate (measured on 300 cases, CPU a second and the echo that is taken
out in 9 of 10: 256 frames 10.6 ms and 6 dB, 512 5.9 ms and 14 dB, 1024 3.6 ms and 13 dB)."""

_PARTITIONS = 12
"""Blocks that the predicted echo reaches back: 256 ms, delay included (measured in rooms of 0.1 to 0.4 s: with 9 of
them a dB less is taken out)."""

_NOTHING = np.zeros(0, np.int16)


class BothVoices:
    """A linear canceller on wire audio that may be left out at any time. Thread: one at a time."""

    def __init__(self) -> None:
        self._echo = LinearEcho(BLOCK_FRAMES, _PARTITIONS, constrained=2)
        self._near = self._far = _NOTHING  # of a block that is not full yet
        self._asleep = False

    def process(self, near: Int16, far: Int16 | None) -> Int16:
        """Return the next frames: as many as went in, less or more by what does not fill a block.

        Args:
            near: What the microphone heard, before any other canceller.
            far: What the loudspeaker played meanwhile, as many frames; None: nothing need be taken out.
        """
        held = np.concatenate((self._near, near))
        if far is None:
            self._asleep = True
            self._near = self._far = _NOTHING
            return held
        if self._asleep:
            self._asleep = False
            self._echo.renew()
        played = np.concatenate((self._far, far))
        whole = len(held) // BLOCK_FRAMES * BLOCK_FRAMES
        self._near, self._far = held[whole:], played[whole:]
        return self._echo.process(held[:whole], played[:whole]) if whole else _NOTHING
