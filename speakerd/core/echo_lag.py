"""Finds, to the sample, how much later the microphone hears what the loudspeaker plays.

A card that has rested starts anew a few milliseconds earlier or later than anybody counted, and a canceller that has
learnt a room is of use only where its far end stands as it stood then. What is moved, and when, is the business of
``audio/aligned.py``.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from speakerd.core.units import WIRE_RATE_HZ, ms_to_frames

Int16 = npt.NDArray[np.int16]

SOUND_FRAMES = ms_to_frames(150, WIRE_RATE_HZ)
"""How much of a sound its delay is told from. Measured over 37 beginnings of replies and wake sounds in five rooms,
reverberation 0 to 300 ms: true to a frame in all, with a voice as loud over it in 36; the other was doubtful."""

REACH_FRAMES = ms_to_frames(250, WIRE_RATE_HZ)
"""How late an echo is looked for (guess: a slow loudspeaker's buffer and a room are within it)."""

AHEAD_FRAMES = ms_to_frames(60, WIRE_RATE_HZ)
"""And how far ahead of its cause, since the count may be wrong by so much (specified by the reference)."""

_BAND_HZ = (200.0, 8000.0)
"""What is compared: above the hum of mains, and wide, so that the peak is sharp."""

_PEAK = 8.0
"""The delay stands out of the others by this factor (measured, as above: true ones 6.6 to 48, the wrong one 9.1)."""

_RIVAL = 1.7
"""And out of the second best by this one (measured, as above: true ones mostly 1.7 to 50, the wrong one 1.4)."""

_APART_FRAMES = 24
"""A millisecond: what is nearer than that is the same peak."""

_TAPER_FRAMES = ms_to_frames(30, WIRE_RATE_HZ)
"""Both ends fade in and out over this. A tone that is cut off by the edge of what is looked at has its edge in both
ends at the same place, which is a perfect delay of 0. Of 300 looks that began in one of our chimes 178 told a wrong
delay (151 of them 0), with 10 ms 38, with this none; of 300 beginnings of replies 2 did, with this none, and 273
instead of 262 told the right one (measured, 50 synthesised rooms)."""


def find_lag(near: Int16, far: Int16) -> int | None:
    """Return how many frames later the near end has what the far end has; None: that is not to be told.

    Args:
        near: What the microphone heard.
        far: What was played, as many frames.
    """
    size = 1 << (len(near) + len(far) - 1).bit_length()
    fade = _fade(len(near))
    cross = np.fft.rfft(near * fade, size) * np.conj(np.fft.rfft(far * fade, size))
    frequencies = np.fft.rfftfreq(size, 1 / WIRE_RATE_HZ)
    band = (frequencies > _BAND_HZ[0]) & (frequencies < _BAND_HZ[1])
    # Only the phases count: loudness is the room's and the user's, an echo keeps its distance in time.
    likeness = np.fft.irfft(np.where(band, cross / np.maximum(np.abs(cross), 1e-9), 0), size)
    reach = np.concatenate((likeness[-AHEAD_FRAMES:], likeness[: min(REACH_FRAMES, len(near))]))
    best = int(np.argmax(reach))
    others = np.concatenate((reach[: max(0, best - _APART_FRAMES)], reach[best + _APART_FRAMES + 1 :]))
    if reach[best] <= _PEAK * reach.std() or reach[best] <= _RIVAL * others.max():
        return None
    return best - AHEAD_FRAMES


@lru_cache(maxsize=4)
def _fade(frames: int) -> npt.NDArray[np.float32]:
    """Return what fades so many frames in and out, raised cosines. Read-only."""
    fade = np.ones(frames, np.float32)
    taper = min(_TAPER_FRAMES, frames // 4)
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(taper) + 0.5) / max(1, taper))
    fade[:taper] *= ramp
    fade[frames - taper :] *= ramp[::-1]
    fade.flags.writeable = False
    return fade
