"""Where a wake word ends: the pause behind it, if there is one, and whether it lasts.

A detection comes up to a tenth of a second before the word's end and up to half a second after it (measured on 1800
synthesised cases), so an uplink that starts a fixed time before it begins inside the word, and the service answers
"-vis". Where somebody pauses behind the word, the uplink can start in the pause; where somebody goes on in the same
breath, it must not be cut at all, and begins early enough for the latest detection.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from speakerd.core.pcm import FULL_SCALE, SILENCE_DBFS
from speakerd.core.units import WAKE_RATE_HZ

CONTEXT_FRAMES = 2 * WAKE_RATE_HZ
"""How much is looked at before the place where the search begins: the room, and the word's loudest part."""

SEARCH_FRAMES = WAKE_RATE_HZ * 41 // 100
"""A pause must begin within this: the uplink's lead of 300 ms before a detection, and 110 ms after it. A detection came
up to 113 ms before the word's last sample, most often right after the start; with 90 ms a pause was missed in one of 12
runs, with 80 ms in one of 317 other cases, with 70 ms in five (measured)."""

BREATH_LEAD_FRAMES = WAKE_RATE_HZ * 2 // 10
"""In one breath the uplink begins so much before the search: half a second before the detection. Detections came up to
half a second after the word's end, and never within 580 ms of its beginning, so nothing said before the word is sent
(measured)."""

_STEP_FRAMES = WAKE_RATE_HZ // 100
"""A level is taken every 10 ms: with 20 ms the answer came up to a period later (measured)."""

_PAUSE_STEPS = 20
"""So long is a pause: 200 ms. The silence before a "t" or "p" is shorter. With 140 ms some were taken for the
pause behind the word, and a part of the command was lost: in 12 of 1057 cases (measured). Who pauses loses nothing by
the longer wait."""

_WORD_STEPS = 80
"""The word is within the 0.8 s before the search's end: "jarvis" takes 0.5 s (measured)."""

_BELOW_WORD_DB = 30.0
"""So far below the word's loudest part it is quiet (measured with eight voices: 25 to 35 make no difference)."""

_ABOVE_ROOM_DB = 6.0
"""Or so little above the room's own level (measured with noise at -70 and -50 dBFS)."""

_SILENCE_POWER = 10 ** (SILENCE_DBFS / 10)

LASTING_PAUSE_FRAMES = WAKE_RATE_HZ * 4 // 10
"""Who is quiet for so long behind the wake word waits to be heard: 400 ms. A comma in one breath takes half of it
(guess); a chime that comes sooner would lie over the command."""

_ROOM_PERCENTILE = 20
"""The room's own level is the one that a fifth of the time before is below (guess: people pause)."""


@dataclass(frozen=True, slots=True)
class Tail:
    """What is known of a wake word's end."""

    frames: int
    """Where the uplink begins, in frames at ``WAKE_RATE_HZ`` from the place where the search begins: in the pause, or,
    in one breath, ``BREATH_LEAD_FRAMES`` before that place."""

    quiet_below_dbfs: float | None
    """Level below which it is quiet behind the word; None: the user went on in the same breath."""


def word_tail(heard: npt.NDArray[np.int16], search_at: int) -> Tail | None:
    """Return how the word ends.

    Args:
        heard: Wake audio around that place: up to ``CONTEXT_FRAMES`` before it, and everything behind it so far.
        search_at: Where the search begins in it, in frames.

    Returns:
        None when that cannot be said yet: at most 120 ms after the detection in one breath, 310 ms before a pause.
    """
    levels = _levels_dbfs(heard[search_at % _STEP_FRAMES :])
    first = search_at // _STEP_FRAMES
    last = first + SEARCH_FRAMES // _STEP_FRAMES
    before = levels[: max(0, last - _WORD_STEPS)]
    room_dbfs = float(np.percentile(before, _ROOM_PERCENTILE)) if len(before) else SILENCE_DBFS
    word_dbfs = float(max(levels[max(0, last - _WORD_STEPS) : last], default=SILENCE_DBFS))
    quiet_below_dbfs = max(room_dbfs + _ABOVE_ROOM_DB, word_dbfs - _BELOW_WORD_DB)
    quiet = levels < quiet_below_dbfs
    for begin in range(first, last + 1):
        pause = quiet[begin : begin + _PAUSE_STEPS]
        if pause.all():
            return Tail((begin - first) * _STEP_FRAMES, quiet_below_dbfs) if len(pause) == _PAUSE_STEPS else None
    return Tail(-BREATH_LEAD_FRAMES, None)


def pause_lasts(heard: npt.NDArray[np.int16], quiet_below_dbfs: float) -> bool | None:
    """Return whether a pause is one that waits for us; None when that cannot be said yet.

    Args:
        heard: Wake audio from where the pause begins.
        quiet_below_dbfs: The level below which it is quiet.
    """
    levels = _levels_dbfs(heard[:LASTING_PAUSE_FRAMES])
    if (levels >= quiet_below_dbfs).any():
        return False
    return True if len(heard) >= LASTING_PAUSE_FRAMES else None


def _levels_dbfs(heard: npt.NDArray[np.int16]) -> npt.NDArray[np.float64]:
    """Return the level of each whole step."""
    steps = heard[: len(heard) // _STEP_FRAMES * _STEP_FRAMES].reshape(-1, _STEP_FRAMES).astype(np.float64)
    levels: npt.NDArray[np.float64] = 10 * np.log10(
        np.maximum(np.mean(steps**2, axis=1) / FULL_SCALE**2, _SILENCE_POWER)
    )
    return levels
