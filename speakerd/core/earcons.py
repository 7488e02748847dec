"""The speaker's short sounds, made here from sines: nothing to install, nothing to license, the same every time.

When which one is played is the conversation's decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from speakerd.core.actions import Earcon
from speakerd.core.units import WIRE_RATE_HZ

LEVEL_DBFS = -20.0
"""RMS over the whole sound: as loud as speech at a normal level (guess)."""

ATTACK_MS = 8.0
"""A raised cosine this long keeps the onset from clicking (guess, by ear)."""

RELEASE_MS = 40.0
"""The same for the end (guess, by ear)."""

PARTIALS = ((1.0, 1.0), (2.0, 0.18), (3.0, 0.06))
"""Multiples of the note's pitch and their amplitudes: close to a marimba, soft but not dull (guess, by ear)."""


@dataclass(frozen=True, slots=True)
class _Note:
    """One struck note."""

    at_ms: float
    """When it is struck, from the beginning of the sound."""

    pitch_hz: float
    """Its fundamental."""

    decay_ms: float
    """Time in which its amplitude falls to 1/e."""


_SCORES: dict[Earcon, tuple[float, tuple[_Note, ...]]] = {
    # A rising fifth asks, a falling one closes, a low minor third twice is a shake of the head.
    Earcon.WAKE: (180.0, (_Note(0.0, 587.33, 90.0), _Note(70.0, 880.0, 110.0))),
    Earcon.END: (200.0, (_Note(0.0, 880.0, 90.0), _Note(80.0, 587.33, 110.0))),
    Earcon.ERROR: (250.0, (_Note(0.0, 329.63, 80.0), _Note(110.0, 277.18, 110.0))),
}
"""Length in ms and notes of each sound."""


@cache
def earcon_pcm(earcon: Earcon) -> npt.NDArray[np.int16]:
    """Return a sound as wire audio, read-only.

    Shape: (frames,), 80 to 250 ms.
    """
    length_ms, notes = _SCORES[earcon]
    sound = np.zeros(int(length_ms * WIRE_RATE_HZ / 1000))
    for note in notes:
        at = int(note.at_ms * WIRE_RATE_HZ / 1000)
        sound[at:] += _struck(note, len(sound) - at)
    sound *= _ramps(len(sound), attack_ms=0.0, release_ms=RELEASE_MS)
    rms = float(np.sqrt(np.mean(sound**2)))
    pcm = np.rint(sound * (32768.0 * 10 ** (LEVEL_DBFS / 20) / rms)).astype(np.int16)
    pcm.flags.writeable = False
    return pcm


def _struck(note: _Note, frames: int) -> npt.NDArray[np.float64]:
    t = np.arange(frames) / WIRE_RATE_HZ
    tone = np.zeros(frames)
    for multiple, amplitude in PARTIALS:
        # Higher partials die sooner, as on a bar of wood.
        tone += (
            amplitude * np.exp(-t * multiple * 1000 / note.decay_ms) * np.sin(2 * np.pi * note.pitch_hz * multiple * t)
        )
    return tone * _ramps(frames, attack_ms=ATTACK_MS, release_ms=0.0)


def _ramps(frames: int, *, attack_ms: float, release_ms: float) -> npt.NDArray[np.float64]:
    """Return an envelope that rises and falls as raised cosines, 1 in between."""
    envelope = np.ones(frames)
    attack, release = (min(frames, int(ms * WIRE_RATE_HZ / 1000)) for ms in (attack_ms, release_ms))
    envelope[:attack] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(attack) / max(1, attack))
    envelope[frames - release :] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(1, release + 1) / max(1, release))
    return envelope
