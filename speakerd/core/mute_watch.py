"""Notices a microphone that delivers nothing but zeros: a hardware mute switch, a channel that is not connected.

No room is that quiet and no converter that good: the last bit of a microphone that hears is never at rest.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from speakerd.core.events import MicrophoneSilent

SILENT_AFTER_S = 5.0
"""From so many zeros on the microphone is called silent (guess: longer than any card takes to start, shorter than
somebody wonders why nothing answers)."""


class MuteWatch:
    """Counts the zeros that come from a microphone. Thread: one at a time.

    Args:
        rate_hz: Frames a second.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._zero_frames = 0

    @property
    def silent_s(self) -> float:
        """How long nothing but zeros has come."""
        return self._zero_frames / self._rate_hz

    @property
    def silent(self) -> bool:
        """Whether the microphone is to be called silent."""
        return self.silent_s >= SILENT_AFTER_S

    def process(self, frames: npt.NDArray[np.int16]) -> MicrophoneSilent | None:
        """Take the next frames, before anything was done to them; return the change, if there is one."""
        before = self.silent
        self._zero_frames = 0 if frames.any() else self._zero_frames + len(frames)
        return MicrophoneSilent(self.silent) if self.silent is not before else None

    def restart(self) -> MicrophoneSilent | None:
        """Begin anew, with another card or none; return the change, if there is one."""
        before, self._zero_frames = self.silent, 0
        return MicrophoneSilent(silent=False) if before else None
