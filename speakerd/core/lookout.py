"""Whether anything is to be heard in what a card delivers, so that a quiet room costs nothing but the reading.

It is the energy gate of the wake word's networks once more (``wake_idle.py``), on the card's own sound and a little
more easily opened, so that what would open that one opens this one. What is quiet waits; nothing is left out.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from speakerd.core.units import WAKE_RATE_HZ
from speakerd.core.wake_idle import IdleGate

_CHUNK_FRAMES = 1280
"""What the wake word's networks look at, at about their rate (specified by openWakeWord)."""

_LOOK_CHUNKS = 2
"""So many are judged at once. Nothing that is said is over within 160 ms, and it is the waking up that costs: judging
two takes hardly longer than one, behind a pause in which other programs have emptied the processor's caches (measured:
0.36 and 0.31 ms of CPU)."""

_OPEN_RATIO = 10 ** (4.5 / 10)
"""Half a decibel less than what opens the gate of the networks, which hears the same sound through a better filter
(chosen; a needless opening costs a few wake-ups, a missed one a second)."""


class Lookout:
    """Listens to one channel of a card. Thread: one at a time.

    Args:
        rate_hz: The card's rate.

    Attributes:
        open: Whether something was heard lately, or it does not know the room yet.
    """

    def __init__(self, rate_hz: int) -> None:
        self._fold = max(1, round(rate_hz / WAKE_RATE_HZ))
        self._chunk_frames = _CHUNK_FRAMES * self._fold
        self._look_frames = _LOOK_CHUNKS * self._chunk_frames
        self._gate = IdleGate(_CHUNK_FRAMES, _OPEN_RATIO)
        self._weights = np.full(self._fold, 1 / self._fold, np.float32)
        self._waiting: list[npt.NDArray[np.int16]] = []
        self._waiting_frames = 0
        self.open = True

    @property
    def missing_frames(self) -> int:
        """How many frames of the card it takes till it can judge again: 160 ms at most, or nearly so."""
        return self._look_frames - self._waiting_frames

    def process(self, frames: npt.NDArray[np.int16]) -> None:
        """Take the next frames. Shape: (any,)."""
        self._waiting.append(frames)
        self._waiting_frames += len(frames)
        if self._waiting_frames < self._look_frames:
            return
        sound = np.concatenate(self._waiting)
        whole = len(sound) // self._chunk_frames * self._chunk_frames
        self._waiting, self._waiting_frames = [sound[whole:]], len(sound) - whole
        # Sums in place of a filter: what they fold down from above hides no voice, it is in the room's level, too.
        for chunk in self._folded(sound[:whole]).reshape(-1, _CHUNK_FRAMES):
            self.open = self._gate.process(chunk)

    def _folded(self, sound: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
        folded: npt.NDArray[np.int16] = (sound.reshape(-1, self._fold).astype(np.float32) @ self._weights).astype(
            np.int16
        )
        return folded
