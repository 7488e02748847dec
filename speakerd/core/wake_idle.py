"""The energy gate before the wake word's networks: whether a room is so quiet that nobody can be saying anything.

It costs about a fiftieth of what the networks cost. It is about sounds that begin, not about voices: what lasts, a fan
or a fridge, is the room's own level after a while; whatever stands out of that opens. Who sleeps meanwhile, and how he
catches up, is ``wake/gated.py``'s business.
"""

from __future__ import annotations

import math
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
"""A sound that stands out of the room's level by 5 dB opens (specified). Steady noise by itself never reached it in 25
minutes of five kinds; with 4 dB it does (measured)."""

_LOW_FOLD = 4
"""The second look is at the sums of so many frames: below 2 kHz, where voices are strong. With the first alone 12 of
195 words that the networks heard in noise were slept through, with both none, nor of 205 others; sums of eight open in
noise by themselves (measured with seven voices at +10 to -5 dB in five kinds of noise). The third look is at these
sums' differences, in which the hum of the mains is another 22 dB weaker: without it 40 of 317 words that the networks
heard in a hum of -50 to -3 dBFS were slept through, with it none (measured with seven voices)."""


_AGAIN = 10 ** (1 / 10)
"""By so much more a sound must stand out for the third look: without it white noise opens by itself once in an hour;
with it neither that nor any of four other kinds did in an hour of each (measured)."""


class IdleGate:
    """Open while there may be something to hear: at first, and whenever a sound stands out of the room.

    It never opens late by more than the step that stands out is in: the chunk that holds it finds it open. What it
    learns of the room is the least level of the last ten seconds, so a room that falls silent is known at once, digital
    silence is the quietest room there is, and one that grows loud for good keeps it open for ten seconds.

    Thread: one at a time.

    Args:
        chunk_frames: Frames of each chunk, a multiple of ``STEP_FRAMES``.
        open_ratio: How far a sound must stand out of the room's level, in power.

    Attributes:
        open: Whether the last chunk was one to listen to.
    """

    def __init__(self, chunk_frames: int, open_ratio: float = OPEN_RATIO) -> None:
        self._full = _Band(chunk_frames, 1, open_ratio)
        self._low = _Band(chunk_frames, _LOW_FOLD, open_ratio)
        self._low_again = _Band(chunk_frames, _LOW_FOLD, open_ratio * _AGAIN)
        self._fold = np.ones(_LOW_FOLD, np.float32)
        self._hang_chunks = round(HANG_S * WAKE_RATE_HZ / chunk_frames)
        self.renew()

    def renew(self) -> None:
        """Forget the room, and stay open until the next one is known: the microphone begins, or was away."""
        for band in (self._full, self._low, self._low_again):
            band.forget()
        self._open_chunks = self._hang_chunks
        self.open = True

    def process(self, chunk: npt.NDArray[np.int16]) -> bool:
        """Take another chunk; return whether it is one to listen to.

        Shape: (chunk_frames,).
        Units: S16 at 16 kHz.
        """
        full = self._full.into
        full[:] = chunk
        np.dot(full.reshape(-1, _LOW_FOLD), self._fold, out=self._low.into)
        in_full, in_low = self._full.stands_out(), self._low.stands_out()
        self._low_again.into[:] = self._low.differences
        if self._low_again.stands_out() or in_low or in_full:  # each is asked: it must know the room
            self._open_chunks = self._hang_chunks + 1
        self.open = self._open_chunks > 0
        self._open_chunks -= self.open
        return self.open


class _Band:
    """The energy of the differences of a signal, step by step, and how little there was lately.

    Of differences a card's offset has none, hum and wind have little, and no voice is without its higher half.
    """

    def __init__(self, chunk_frames: int, fold: int, open_ratio: float) -> None:
        self._open_ratio = open_ratio
        self._levels: deque[float] = deque(maxlen=round(FLOOR_S * WAKE_RATE_HZ / chunk_frames))
        self._signal = np.zeros(chunk_frames // fold + 1, np.float32)
        self._steps = np.zeros((chunk_frames // STEP_FRAMES, STEP_FRAMES // fold), np.float32)
        self.forget()

    def forget(self) -> None:
        """Know no level any more."""
        self._levels.clear()
        self._least = math.inf

    @property
    def into(self) -> npt.NDArray[np.float32]:
        """Where what the next chunk gives is written."""
        return self._signal[1:]

    @property
    def differences(self) -> npt.NDArray[np.float32]:
        """Of what was written, once it was asked whether it stands out."""
        return self._steps.reshape(-1)

    def stands_out(self) -> bool:
        """Return whether a step of what was written stands out of the quietest chunk."""
        signal, steps = self._signal, self._steps
        np.subtract(signal[1:], signal[:-1], out=self.differences)
        signal[0] = signal[-1]
        energies: list[float] = np.einsum("ij,ij->i", steps, steps).tolist()
        self._note(sum(energies))
        return max(energies) * len(energies) > self._open_ratio * self._least

    def _note(self, level: float) -> None:
        """Take a chunk's level; the least is looked for only when it was the one that is forgotten."""
        levels = self._levels
        forgotten = levels[0] if len(levels) == levels.maxlen else math.inf
        levels.append(level)
        if level <= self._least:
            self._least = level
        elif forgotten == self._least:
            self._least = min(levels)
