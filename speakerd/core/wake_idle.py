"""The energy gate before the wake word's networks: whether a room is so quiet that nobody can be saying anything.

It costs about a hundredth of what the networks cost. It is about sounds that begin, not about voices: what lasts, a fan
or a fridge, is the room's own level after a while; whatever stands out of that opens. Who sleeps meanwhile, and how he
catches up, is ``wake/gated.py``'s business.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from speakerd.core.units import WAKE_RATE_HZ

STEP_FRAMES = WAKE_RATE_HZ // 50
"""The energy is taken of 20 ms at once (specified: about a consonant, longer than a period of a deep voice)."""

FLOOR_S = 10.0
"""The room's own level is the least of so much time: whoever talks takes a breath within it (specified)."""

HANG_S = 1.6
"""It stays open for so long behind the last sound: a score comes up to 0.6 s after the word's end (specified)."""

OPEN_RATIO = 10 ** (5 / 10)
"""A sound that stands out of the room's level by 5 dB opens (specified; white noise by itself reaches 1.5 dB)."""


class IdleGate:
    """Open while there may be something to hear: at first, and whenever a sound stands out of the room.

    It never opens late by more than the step that stands out is in: the chunk that holds it finds it open. What it
    learns of the room is the least level of the last ten seconds, so a room that falls silent is known at once, digital
    silence is the quietest room there is, and one that grows loud for good keeps it open for ten seconds.

    Thread: one at a time.

    Args:
        chunk_frames: Frames of each chunk, a multiple of ``STEP_FRAMES``.

    Attributes:
        open: Whether the last chunk was one to listen to.
    """

    def __init__(self, chunk_frames: int) -> None:
        self._levels: deque[float] = deque(maxlen=round(FLOOR_S * WAKE_RATE_HZ / chunk_frames))
        self._hang_chunks = round(HANG_S * WAKE_RATE_HZ / chunk_frames)
        self._frames = np.zeros(chunk_frames + 1, np.float32)
        self._steps = np.zeros((chunk_frames // STEP_FRAMES, STEP_FRAMES), np.float32)
        self.renew()

    def renew(self) -> None:
        """Forget the room, and stay open until the next one is known: the microphone begins, or was away."""
        self._levels.clear()
        self._open_chunks = self._hang_chunks
        self.open = True

    def process(self, chunk: npt.NDArray[np.int16]) -> bool:
        """Take another chunk; return whether it is one to listen to.

        Shape: (chunk_frames,).
        Units: S16 at 16 kHz.
        """
        energies = self._energies(chunk)
        self._levels.append(sum(energies))
        if max(energies) * len(energies) > OPEN_RATIO * min(self._levels):
            self._open_chunks = self._hang_chunks + 1
        self.open = self._open_chunks > 0
        self._open_chunks -= self.open
        return self.open

    def _energies(self, chunk: npt.NDArray[np.int16]) -> list[float]:
        """Return the energy of each step.

        Taken of the differences between samples: so a card's offset is nothing, hum and wind are little, and no speech
        is without its higher half.
        """
        frames = self._frames
        frames[0] = frames[-1]
        frames[1:] = chunk
        np.subtract(frames[1:], frames[:-1], out=self._steps.reshape(-1))
        energies: list[float] = np.einsum("ij,ij->i", self._steps, self._steps).tolist()
        return energies
