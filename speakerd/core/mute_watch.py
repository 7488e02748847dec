"""Notices a microphone that is there and hears nothing: only zeros come, or one value that never changes.

Zeros are a hardware mute switch, a mixer at nothing, a channel that is not connected; another value is a converter
without a clock, or a broken wire. What is looked at is what the card delivered, all of its bits: the last bit of a
microphone that hears is never at rest for long. Noise of an eighth of the last bit, 20 dB below what a converter of 16
bits adds by itself, moves it some 20 times in ten seconds at 48 kHz (follows; with a tenth it may not).

But some microphones gate: they cancel noise, or level the gain, and deliver zeros of their own until somebody speaks.
Seconds of that are a pause; and one that goes on by itself after it was called deaf is given more time from then on,
and nobody is told aloud again.
"""

from __future__ import annotations

import numpy as np

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
        self._sample_bytes = sample_bytes
        self._last = b""
        self._still_frames = 0
        self._patience_s = SILENT_AFTER_S
        self._again = False

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
        return self._still_frames > 0 and any(self._last)

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
        before = self.silent
        if self._moves(data, channel):
            if before:
                self._again, self._patience_s = True, min(self._patience_s * LONGER, SILENT_AFTER_MAX_S)
            self._still_frames = 0
        else:
            self._still_frames += len(data) // (self._channels * self._sample_bytes)
        if self.silent is before:
            return None
        return MicrophoneSilent(True, self.stuck, self._again) if self.silent else MicrophoneSilent(silent=False)

    def restart(self) -> MicrophoneSilent | None:
        """Begin anew, with another card or none; return the change, if there is one."""
        before = self.silent
        self._still_frames, self._last, self._patience_s, self._again = 0, b"", SILENT_AFTER_S, False
        return MicrophoneSilent(silent=False) if before else None

    def _moves(self, data: bytes, channel: int | None) -> bool:
        first, width = (0, self._channels) if channel is None else (channel, 1)
        start = len(data) - (self._channels - first) * self._sample_bytes
        last = data[start : start + width * self._sample_bytes]
        before, self._last = self._last, last
        # The ends first: those of a microphone that hears nearly always differ, and the rest need not be looked at.
        if last != before:
            return True
        frames = np.frombuffer(data, f"<i{self._sample_bytes}").reshape(-1, self._channels)[:, first : first + width]
        return bool((frames != frames[-1]).any())
