"""How loud an echo can be at most: never louder than the microphone was while the loudspeaker was loud.

A few tenths of a second tell it, and a pause between two words of somebody who talks meanwhile is enough. Nothing here
tells that there is an echo; that is ``echo_probe.py``'s business.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from speakerd.core.echo_levels import STEP_FRAMES, Int16, Powers, dbfs, powers
from speakerd.core.echo_path import audible_dbfs

_WINDOW = 50
"""Levels that are looked at: 1 s (measured: over 1.5 s, an echo of -18 dB in a room of 0.4 s has gaps, too)."""

_LATEST = 8
"""How late an echo is reckoned with: 160 ms. A later one is noticed when it comes (chosen: each step delays the first
answer by as much)."""

_EARLIEST = 3
"""And how far ahead, since the far end's count may be wrong by that much: 60 ms (specified by the reference)."""

_QUIETEST = 3
"""So many levels must be as quiet: one alone may be a hole (measured: with one alone, 1 in 8 echoes was missed)."""

_LEAST = 5
"""Levels of a loud far end, at each delay: fewer tell nothing (chosen)."""

_LOUD = 10**-4.5
"""A far end is loud above this, -45 dBFS (guess)."""

_SILENT = 10**-9.0
"""What is below this, -90 dBFS, is no microphone that listens (guess: converters have more noise)."""

_LOUDEST_DBFS = -17.0
"""The loudest that is played for a tenth of a second (guess; an echo of it has to stay inaudible)."""

_GAIN_MAX_DB = -15.0
"""No echo louder than this is ever called inaudible, however loud the room is (chosen)."""

_NOISE_LEVELS = 150
"""The room's noise is of the last 3 s without a sound of ours."""

_NOISE_PERCENTILE = 10
"""Somebody has just talked: the quietest moments are the room's (chosen)."""


class EchoLimit:
    """Bounds the echo by the levels of both ends. Thread: one at a time."""

    def __init__(self) -> None:
        self._noise: deque[float] = deque(maxlen=_NOISE_LEVELS)
        self._resting = np.zeros(0, np.int16)
        self.restart()

    def restart(self) -> None:
        """Begin to compare anew; the room's noise stays known."""
        self._heard = self._played = np.zeros(0, np.int16)
        self._near = self._far = np.zeros(0)

    def rest(self, near: Int16) -> None:
        """Take what the microphone hears while nothing of ours is heard."""
        self._resting = np.concatenate((self._resting, near))
        whole = len(self._resting) // STEP_FRAMES * STEP_FRAMES
        self._noise.extend(powers(self._resting[:whole]))
        self._resting = self._resting[whole:]

    def process(self, near: Int16, far: Int16) -> None:
        """Take the next frames of both ends, as many of each, at the wire's rate."""
        self._heard, self._played = np.concatenate((self._heard, near)), np.concatenate((self._played, far))
        whole = len(self._heard) // STEP_FRAMES * STEP_FRAMES
        kept = _WINDOW + _LATEST + 1
        self._near = np.concatenate((self._near, powers(self._heard[:whole])))[-kept:]
        self._far = np.concatenate((self._far, powers(self._played[:whole])))[-kept:]
        self._heard, self._played = self._heard[whole:], self._played[whole:]

    def allows(self, levels: int = _WINDOW) -> bool:
        """Return whether there may be an echo that is heard; also where that is not known.

        Args:
            levels: How many of the last levels are looked at.
        """
        if not self._noise:
            return True
        noise_dbfs = dbfs(float(np.percentile(self._noise, _NOISE_PERCENTILE)))
        gain_max_db = min(audible_dbfs(noise_dbfs) - _LOUDEST_DBFS, _GAIN_MAX_DB)
        return self._gain(levels) > 10 ** (gain_max_db / 10)

    def _gain(self, levels: int) -> float:
        """Return by what factor of power an echo may be there at most; infinite: nothing is known."""
        first = max(0, len(self._near) - levels)
        near = self._near[first:]
        if not len(near) or np.min(near) < _SILENT:
            return np.inf
        far = np.concatenate(([0.0], self._far, [0.0]))
        far = np.minimum(np.minimum(far[:-2], far[1:-1]), far[2:])  # an echo may lie astride two levels
        return max(self._gain_at(near, far, first, delay) for delay in range(-_EARLIEST, _LATEST + 1))

    @staticmethod
    def _gain_at(near: Powers, far: Powers, first: int, delay: int) -> float:
        """Return what an echo so late can be."""
        begin = max(first - delay, 0)
        end = max(begin, min(first - delay + len(near), len(far)))
        cause = far[begin:end]
        heard = near[begin - first + delay : end - first + delay]
        loud = cause > _LOUD
        if np.count_nonzero(loud) < _LEAST:
            return np.inf
        return float(np.partition(heard[loud] / cause[loud], _QUIETEST - 1)[_QUIETEST - 1])
