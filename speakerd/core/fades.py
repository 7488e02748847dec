"""How sound begins and ends without a click: short raised-cosine ramps, and the place where a cut is heard least.

A sample that jumps is heard as a click however quiet the rest is. What is faded when is the mix's decision
(``mix.py``); a card that is silenced at once cannot be faded any more, only cut well (``quiet_place``).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from speakerd.core.units import WIRE_RATE_HZ, ms_to_frames

FADE_FRAMES = ms_to_frames(4, WIRE_RATE_HZ)
"""Length of a ramp: much shorter it is a soft click itself, much longer it takes the edge off a plosive (guess)."""

NEIGHBOUR_FRAMES = 6
"""How far around a place it must be quiet, in the card's frames: an eighth of a millisecond at 48 kHz, which is about
how exactly a thread hits a moment (measured: half of 25 cuts of a 440 Hz tone fell on the very sample)."""

QUIET_ENOUGH = 0.1
"""The first place is taken whose neighbourhood stays below this part of the loudest sample within reach: later ones
are hardly quieter, and somebody waits (guess: 20 dB down)."""

Int16 = npt.NDArray[np.int16]
"""Wire frames."""


@cache
def rise(frames: int) -> npt.NDArray[np.float32]:
    """Return a raised cosine from just above 0 to just below 1, read-only.

    Shape: (frames,).
    """
    ramp = (0.5 - 0.5 * np.cos(np.pi * np.arange(1, frames + 1) / (frames + 1))).astype(np.float32)
    ramp.flags.writeable = False
    return ramp


def faded(pcm: Int16, *, since_begin: int = 0, until_end: int | None = None) -> Int16:
    """Return a part of a sound with the sound's beginning and end faded, as far as they lie in it.

    Args:
        pcm: The part.
        since_begin: Frames of the sound before the part.
        until_end: Frames of the sound from the part's first on; None: its end is not in sight.

    Shape: as ``pcm``, which is returned itself where nothing is faded.
    """
    rising = min(max(0, FADE_FRAMES - since_begin), len(pcm))
    falling = 0 if until_end is None else min(len(pcm), max(0, len(pcm) - until_end + FADE_FRAMES))
    if not rising and not falling:
        return pcm
    gains = np.ones(len(pcm), np.float32)
    ramp = rise(FADE_FRAMES)
    gains[:rising] = ramp[since_begin : since_begin + rising]
    if until_end is not None and falling:
        to_go = until_end - len(pcm) + falling
        gains[len(pcm) - falling :] *= ramp[to_go - falling : to_go][::-1]
    shaped: Int16 = np.rint(pcm * gains).astype(np.int16)
    return shaped


def quiet_place(coming: Int16, reach_frames: int) -> int:
    """Return before which of the coming frames a cut is heard least: near a zero crossing, as soon as may be.

    Args:
        coming: What is played next, from now on.
        reach_frames: How many of them may still be played.

    Units: the card's frames.
    """
    levels = np.abs(coming[: reach_frames + NEIGHBOUR_FRAMES].astype(np.int32))
    width = 2 * NEIGHBOUR_FRAMES
    if len(levels) <= width:
        return 0
    around = np.lib.stride_tricks.sliding_window_view(levels, width).max(axis=1)
    quiet = np.flatnonzero(around <= QUIET_ENOUGH * levels.max())
    return NEIGHBOUR_FRAMES + int(quiet[0] if len(quiet) else np.argmin(around))
