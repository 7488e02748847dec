"""Notices a microphone that is there and hears nothing: only zeros come, or one value that never changes.

Zeros are a hardware mute switch, a mixer at nothing, a channel that is not connected; another value is a converter
without a clock, or a broken wire. What is looked at is what the card delivered, all of its bits: the last bit of a
microphone that hears is never at rest for long. Noise of an eighth of the last bit, 20 dB below what a converter of 16
bits adds by itself, moves it some 20 times in ten seconds at 48 kHz (follows; with a tenth it may not).

But some microphones gate: they cancel noise, or level the gain, and deliver zeros of their own until somebody speaks.
Seconds of that are a pause; and whoever goes on by itself after it was called deaf is given more time from then on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from speakerd.core.events import MicrophoneSilent

SILENT_AFTER_S = 10.0
"""From so much standing still on the microphone is called silent (chosen: longer than any card takes to start and than
the pauses of those that gate, about as long as it takes until somebody wonders why nothing answers)."""

LONGER = 4
"""So many times longer is waited after a silence that ended by itself (chosen: twice, and minutes are enough)."""

SILENT_AFTER_MAX_S = 600.0
"""But no longer than this (chosen: a switch is used again, too)."""


class MuteWatch:
    """Counts how long what a card delivers stands still. Thread: one at a time.

    Args:
        rate_hz: Frames a second.
        channels: Samples a frame.
        sample_bytes: Of one sample, 2 or 4, little endian.
    """

    def __init__(self, rate_hz: int, channels: int, sample_bytes: int) -> None:
        self._rate_hz = rate_hz
        self._channels = channels
        self._dtype = f"<i{sample_bytes}"
        self._last: npt.NDArray[Any] | None = None
        self._still_frames = 0
        self._patience_s = SILENT_AFTER_S

    @property
    def silent_s(self) -> float:
        """How long nothing but one value has come."""
        return self._still_frames / self._rate_hz

    @property
    def silent(self) -> bool:
        """Whether the microphone is to be called silent."""
        return self.silent_s >= self._patience_s

    @property
    def stuck(self) -> bool:
        """Whether what stands still is not zero."""
        return bool(self._still_frames and self._last is not None and self._last.any())

    @property
    def verdict(self) -> str | None:
        """What comes, if the microphone is to be called silent, in words; None: it is not."""
        return ("one value" if self.stuck else "zeros") if self.silent else None

    def process(self, data: bytes, channel: int | None) -> MicrophoneSilent | None:
        """Take the next frames; return the change, if there is one.

        Args:
            data: Whole frames, as the card gave them.
            channel: Which channel is listened to; None: that is not decided, and one that moves is enough.
        """
        frames = np.frombuffer(data, self._dtype).reshape(-1, self._channels)
        if channel is not None:
            frames = frames[:, channel : channel + 1]
        before = self.silent
        if self._moves(frames):
            self._patience_s = min(self._patience_s * (LONGER if before else 1), SILENT_AFTER_MAX_S)
            self._still_frames = 0
        else:
            self._still_frames += len(frames)
        self._last = frames[-1].copy()
        return MicrophoneSilent(self.silent, self.silent and self.stuck) if self.silent is not before else None

    def restart(self) -> MicrophoneSilent | None:
        """Begin anew, with another card or none; return the change, if there is one."""
        before, self._still_frames, self._last, self._patience_s = self.silent, 0, None, SILENT_AFTER_S
        return MicrophoneSilent(silent=False) if before else None

    def _moves(self, frames: npt.NDArray[Any]) -> bool:
        # The ends first: in a room with a microphone that hears they nearly always differ, and the rest costs nothing.
        last = self._last
        if last is None or last.shape != frames[-1].shape or (last != frames[-1]).any():
            return True
        return bool((frames != last).any())
