"""Where a wake word ends: the pause behind it, if there is one, and whether it lasts.

A detection comes up to a fifth of a second before the word's end and up to 0.6 s after it (measured on 1045 synthesised
cases), so an uplink that starts a fixed time before it begins inside the word, and the service answers "-vis". Where
somebody pauses behind the word, the uplink can start in the pause; where somebody goes on in the same breath, it must
not be cut at all, and begins early enough for the latest detection. A pause that comes later than the word can end is
one behind the command. For some words ``word_fade`` knows more exactly when that was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from speakerd.core.pcm import FULL_SCALE, SILENCE_DBFS
from speakerd.core.units import WAKE_RATE_HZ

CONTEXT_FRAMES = 2 * WAKE_RATE_HZ
"""How much is looked at before the search begins: the room, and the word's loudest part."""

EARLY_FRAMES = WAKE_RATE_HZ // 4
"""A word ended at most so long before the end that its fading score tells: 245 ms of 1045 cases, 125 ms in 98 % of them
(measured). The search begins there."""

TOLD_LEAD_FRAMES = WAKE_RATE_HZ * 27 // 100
"""In one breath the uplink begins so long before a told end, or ``BREATH_LEAD_FRAMES`` before the search without one,
whichever is earlier: 270 ms. The told end came 276 ms and more behind the word's beginning in all of 2294 cases, so
that nothing said before the word is sent (measured). More of the word is better than less: of 36 commands behind "-vis"
the recogniser of the embedded service understood 6 and a "this" or "miss" before most, behind "Jarvis" 17 to 21,
without it 32."""

LATE_FRAMES = WAKE_RATE_HZ // 10
"""A pause must begin within this behind the told end, or it is one behind the command; in one breath the uplink opens
so long behind it. Measured on 1045 cases, of which 54 lost part of a command with no end told: with 150 ms 7, with
120 ms 3, with 100 ms 2; but 12, 16 and 20 of 340 pauses had more than 60 ms of the word before them (19 with no end
told). On 1249 cases of other voices, never looked at before, with 120 ms: 5 lost a part instead of 58, 12 pauses
instead of 32. The first byte of a command leaves 20 ms sooner with 100 ms than with 120."""

_SETTLE_FRAMES = WAKE_RATE_HZ // 10
"""Where the end is told, the uplink begins at most so long behind the beginning of the pause: an "s" that dies away in
a loud room is quiet already. It is half of what makes a pause, so a command that begins as softly has the other half
(measured with 150 ms above: 12 of 340 pauses had more than 60 ms of the word before them, without it 40; not one
command more was cut)."""

_SETTLE_BEFORE_END_FRAMES = WAKE_RATE_HZ * 4 // 100
"""And so long before the told end (measured together with the former)."""

SEARCH_FRAMES = WAKE_RATE_HZ * 41 // 100
"""And within this in any case: the uplink's lead of 300 ms before a detection, and 110 ms after it. A detection came
up to 113 ms before the word's last sample, most often right after the start; with 90 ms a pause was missed in one of 12
runs, with 80 ms in one of 317 other cases, with 70 ms in five (measured)."""

BREATH_LEAD_FRAMES = WAKE_RATE_HZ * 2 // 10
"""In one breath, and with no end told, the uplink begins so much before the search: half a second before the detection.
Detections came up to half a second after the word's end in 98 % of the cases, and never within 580 ms of its beginning,
so nothing said before the word is sent (measured)."""

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
    """What is known of a wake word's end; places are frames at ``WAKE_RATE_HZ`` from the one that was asked about."""

    begin: int
    """Where the uplink begins: in the pause, or, in one breath, before the earliest end that the word can have."""

    pause: int | None
    """Where the pause behind the word begins; None: the user went on in the same breath."""

    quiet_below_dbfs: float
    """Level below which it is quiet behind the word."""


def search_begin(search_at: int, ended: int | None) -> int:
    """Return where ``word_tail`` begins to search, given the same arguments."""
    return search_at if ended is None else ended - EARLY_FRAMES


def word_tail(heard: npt.NDArray[np.int16], search_at: int, ended: int | None = None) -> Tail | None:
    """Return how the word ends.

    Args:
        heard: Wake audio around that place: up to ``CONTEXT_FRAMES`` before the search begins, and everything behind
            it so far.
        search_at: 300 ms before the detection, in frames of it: where the search begins when no end was told.
        ended: Where the word's score says that it ended; None: nobody knows.

    Returns:
        None when that cannot be said yet: at most 120 ms after the detection in one breath, 310 ms before a pause.
    """
    begin = max(0, search_begin(search_at, ended))
    end = search_at + SEARCH_FRAMES
    if ended is not None:
        end = max(begin, min(end, ended + LATE_FRAMES))
    levels = _levels_dbfs(heard[begin % _STEP_FRAMES :])
    first = begin // _STEP_FRAMES
    last = first + (end - begin) // _STEP_FRAMES
    quiet_below_dbfs = _quiet_below_dbfs(
        levels[: max(0, last - _WORD_STEPS)], levels[max(0, last - _WORD_STEPS) : last]
    )
    quiet = levels < quiet_below_dbfs
    for step in range(first, last + 1):
        stretch = quiet[step : step + _PAUSE_STEPS]
        if stretch.all():
            if len(stretch) < _PAUSE_STEPS:
                return None
            pause = begin + (step - first) * _STEP_FRAMES
            return Tail(_settled(pause, ended) - search_at, pause - search_at, quiet_below_dbfs)
    told_lead = 0 if ended is None else ended - TOLD_LEAD_FRAMES - search_at
    return Tail(min(-BREATH_LEAD_FRAMES, told_lead), None, quiet_below_dbfs)


def _settled(pause: int, ended: int | None) -> int:
    """Return where in a pause the word is surely over."""
    if ended is None:
        return pause
    return max(pause, min(pause + _SETTLE_FRAMES, ended - _SETTLE_BEFORE_END_FRAMES))


def _quiet_below_dbfs(before: npt.NDArray[np.float64], word: npt.NDArray[np.float64]) -> float:
    """Return the level that separates the word from the room."""
    room_dbfs = float(np.percentile(before, _ROOM_PERCENTILE)) if len(before) else SILENCE_DBFS
    word_dbfs = float(max(word, default=SILENCE_DBFS))
    return max(room_dbfs + _ABOVE_ROOM_DB, word_dbfs - _BELOW_WORD_DB)


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
