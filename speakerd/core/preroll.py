"""The pre-roll: the last seconds of microphone audio, addressed by wire frame.

Frames are counted from the microphone's start and never counted anew, so a position stays true however much later it
is used. Who may read them, and what is sent where, is decided in ``uplink_gate``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from speakerd.core.units import Frames


class Preroll:
    """A ring of the newest wire frames.

    Args:
        capacity_frames: How many it holds.
    """

    def __init__(self, capacity_frames: int) -> None:
        if capacity_frames <= 0:
            raise ValueError(f"a pre-roll of {capacity_frames} frames")
        self._ring: npt.NDArray[np.int16] = np.zeros(capacity_frames, np.int16)
        self._end = 0

    @property
    def start(self) -> Frames:
        """Position of the oldest frame held."""
        return Frames(max(0, self._end - len(self._ring)))

    @property
    def end(self) -> Frames:
        """Position after the newest frame: how many have been appended in all."""
        return Frames(self._end)

    def append(self, pcm: npt.NDArray[np.int16]) -> None:
        """Take in the next frames; the oldest make room."""
        capacity = len(self._ring)
        newest = pcm[-capacity:]
        at = (self._end + len(pcm) - len(newest)) % capacity
        head = min(len(newest), capacity - at)
        self._ring[at : at + head] = newest[:head]
        self._ring[: len(newest) - head] = newest[head:]
        self._end += len(pcm)

    def amend(self, from_frame: int, pcm: npt.NDArray[np.int16]) -> None:
        """Put other frames in the place of some that are held; what is not held any more, or not yet, is left out."""
        first, last = max(from_frame, self.start), min(from_frame + len(pcm), self._end)
        places = np.arange(first, last) % len(self._ring)
        self._ring[places] = pcm[first - from_frame : first - from_frame + len(places)]

    def read(self, from_frame: int, to_frame: int) -> npt.NDArray[np.int16]:
        """Return a copy of the frames from one position up to another, as far as they are held.

        Shape: (frames,); shorter than asked for where frames are gone or not there yet.
        """
        first, last = max(from_frame, self.start), min(to_frame, self._end)
        if first >= last:
            return np.zeros(0, np.int16)
        capacity = len(self._ring)
        at, length = first % capacity, last - first
        return np.concatenate((self._ring[at : at + length], self._ring[: max(0, at + length - capacity)]))
