"""Whether somebody is speaking when a reply ends, and where an uplink may begin then: whole, or not at all.

Where only the wake word may cut a reply the service hears silence in its place, and a question that begins before the
reply's end would reach it without its beginning. The canceller that the session hears through takes words out of it,
too; it tells best where nobody speaks, ``both_voices.py`` keeps what is said. What is known of the echo is
``echo_path.py``'s business; the gate is the microphone's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from speakerd.core.echo_levels import STEP_FRAMES, powers
from speakerd.core.echo_path import audible_dbfs
from speakerd.core.pcm import SILENCE_DBFS
from speakerd.core.units import WIRE_RATE_HZ, Frames, ms_to_frames

_PAUSE_STEPS = 15
"""Nobody is so quiet in the middle of a sentence: 300 ms (guess: a comma takes 200, the service waits for 500)."""

_SURE_STEPS = 8
"""So much of a pause is behind the reply's tail, 160 ms: before that the canceller may have taken words for an echo,
and what is shorter may be the silence before a "t" or "p" (guess)."""

_LEAD_FRAMES = ms_to_frames(250, WIRE_RATE_HZ)
"""The uplink begins so long before the first loud step, still in the pause: an "s" or "f" begins softly (guess)."""

REACH_FRAMES = ms_to_frames(2000, WIRE_RATE_HZ)
"""Who began earlier than this before a reply's end was not answering it (chosen)."""

HISTORY_FRAMES = REACH_FRAMES + _PAUSE_STEPS * STEP_FRAMES
"""What must be known from before the reply's end: the pause before the earliest beginning, too."""

_SPOKEN_STEPS = 6
"""Somebody speaks when so much after the tail is loud: 120 ms; a click is shorter (guess)."""

_SPOKEN_ON_STEPS = 2
"""Where there is no echo, somebody who was speaking goes on when so much is loud, 40 ms: one step may lie
astride the reply's end (chosen)."""

_RISE_DB = 9.0
"""And when it grows louder by so much: an echo only dies away, syllables rise by 20 dB (guess)."""

_STANDS_OUT_DB = 12.0
"""What is left by the linear canceller is somebody if it is at most so much quieter than they are behind the reply
(measured, 1,300 questions over a reply's end: 15 dB send 844 whole, 12 send 934, and our own words before 6 of them; 9
send 979, and before 26)."""

_LET_THROUGH_DB = 2.0
"""Where a canceller takes less than this it takes nothing: what is loud there tells how loud they are, too, for
sentences end quietly (measured, 1,300 questions: without it 887 are sent whole, with it 934; 1 and 3 dB: 933, 932)."""

_SURELY_DB = 6.0
"""And they are no echo if so much less than usual was taken out there (measured on those, the echo from 6 dB below
the user to 10 above: 3 dB send 941 whole, and our own words before 29; 6 dB: 934 and 6; 9 dB: 910 and 3)."""

_AGREED_STEPS = 5
"""Both beginnings lie within 100 ms, or neither is believed (measured: 2 steps send 916 of those, 5 send 934,
8 send 942, and our own words before 16)."""

_RELEASE_STEPS = 8
"""For so long behind a reply the canceller goes on taking words, 160 ms: before that nothing is decided (measured
on 500 questions: 11 % of the loud steps 40 ms behind, 2 % after 120 ms, 0.5 % after 160)."""

_STEADY_STEPS = 25
"""Or when it is loud for so long, 500 ms: no room rings for so long behind the tail (guess)."""

PATIENCE_FRAMES = ms_to_frames(4000, WIRE_RATE_HZ)
"""For so long a pause is waited for when a beginning was not found; then something is loud that never pauses, and who
talks to us must be heard in spite of it (chosen: half of the time in which a follow-up may come)."""

Levels = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sounds:
    """Levels of the microphone, step by step, in step with each other; in dBFS."""

    begin: Frames
    """Where the first step begins, in wire frames."""

    clean: Levels
    """Behind the canceller that the session hears through: no echo, but holes where two speak."""

    whole: Levels
    """Behind the linear one: no holes, but some echo."""

    near: Levels
    """Before both."""

    noise_dbfs: float
    """The room's own noise."""

    def place(self, step: int) -> Frames:
        """Return where a step begins."""
        return Frames(self.begin + step * STEP_FRAMES)


@dataclass(frozen=True, slots=True)
class Opening:
    """Where an uplink begins after a reply."""

    begin: Frames
    """The first wire frame."""

    spoken_over: bool
    """Somebody speaks from there on: what is sent of it must have no holes. Else nobody does yet."""


def opening(sounds: Sounds, quiet_at: Frames, *, echo_free: bool = False) -> Opening | None:
    """Return where the uplink begins after a reply; None: that cannot be said yet, or nobody knows.

    Args:
        sounds: From ``HISTORY_FRAMES`` before the reply's end, or from where frames were withheld, up to now.
        quiet_at: From here on nothing of the reply is left in the room.
        echo_free: Nor was it before, behind the canceller: what is loud there is a person.

    Returns:
        Where what somebody says over the reply's end begins. Where nobody says anything: 140 ms before ``quiet_at`` at
        the earliest, told 160 to 300 ms behind it. Where somebody's beginning is not found: in the pause behind them.
    """
    after = -(-max(0, quiet_at - sounds.begin) // STEP_FRAMES)
    audible = audible_dbfs(sounds.noise_dbfs)
    loud = sounds.clean >= audible
    begin = _begun(sounds, loud, after)
    if begin is not None and len(loud) >= after + _RELEASE_STEPS:
        goes_on = echo_free and _is_spoken_on(loud[begin:], loud[after:])
        if goes_on or _is_spoken(sounds.clean[after:], loud[after:]):
            return Opening(Frames(sounds.place(begin) - _LEAD_FRAMES), spoken_over=True)
    held = slice(after, after + _RELEASE_STEPS)
    loud[held] |= sounds.whole[held] >= audible  # the canceller may have taken the first word behind the reply
    pause = _pause(~loud, after)
    return None if pause is None else Opening(sounds.place(pause), spoken_over=False)


def levels_dbfs(pcm: npt.NDArray[np.int16]) -> Levels:
    """Return the level of each whole step."""
    whole = pcm[: len(pcm) // STEP_FRAMES * STEP_FRAMES]
    levels: Levels = 10 * np.log10(np.maximum(powers(whole), 10 ** (SILENCE_DBFS / 10)))
    return levels


def _is_spoken(levels: Levels, loud: npt.NDArray[np.bool_]) -> bool:
    """Return whether somebody speaks, given what is behind a reply's tail; noise and tails do not."""
    loud_steps = np.count_nonzero(loud)
    if loud_steps < _SPOKEN_STEPS:
        return False
    smooth = (levels[:-1] + levels[1:]) / 2
    rise_db = float(np.max(smooth - np.minimum.accumulate(smooth)))
    return bool(rise_db >= _RISE_DB or loud_steps >= _STEADY_STEPS)


def _is_spoken_on(run: npt.NDArray[np.bool_], behind: npt.NDArray[np.bool_]) -> bool:
    """Return whether somebody who spoke goes on doing so behind the reply."""
    return bool(np.count_nonzero(run) >= _SPOKEN_STEPS and np.count_nonzero(behind) >= _SPOKEN_ON_STEPS)


def _begun(sounds: Sounds, loud: npt.NDArray[np.bool_], after: int) -> int | None:
    """Return the first step of somebody who speaks over a reply's end; None: nobody does, or it is not known.

    What came through the canceller is a person; what it took is one if it was loud. Where a part of that may have been
    an echo, and a beginning lies there, either our own words would be sent or theirs would be cut.
    """
    if not loud[after:].any():
        return None
    audible = audible_dbfs(sounds.noise_dbfs)
    over = np.arange(len(loud)) < after
    least_dbfs = max(audible, _person_dbfs(sounds, loud, after) - _STANDS_OUT_DB)
    perhaps = over & (sounds.whole >= least_dbfs)
    last = after + int(np.argmax(loud[after:]))
    first = _beginning(loud | perhaps, last)
    if first is None:
        return None
    taken_db = sounds.near - sounds.whole
    taken = over & ~loud & (sounds.near >= audible)
    # Where nothing was taken out before, there is no echo to be mistaken for somebody, but perhaps a soft first sound.
    echo = taken & (taken_db >= _LET_THROUGH_DB)
    usual_db = np.median(taken_db[taken]) if echo[:first].any() else np.inf
    sure = _beginning(loud | (perhaps & (taken_db <= usual_db - _SURELY_DB)), last)
    return None if sure is None or sure - first > _AGREED_STEPS else first


def _person_dbfs(sounds: Sounds, loud: npt.NDArray[np.bool_], after: int) -> float:
    """Return how loud somebody is, behind a reply or in what was let through of them: sentences end quietly."""
    let_through = loud & (sounds.near - sounds.clean < _LET_THROUGH_DB)
    behind_dbfs = _mean_dbfs(sounds.clean[after:])
    return max(behind_dbfs, _mean_dbfs(sounds.clean[let_through])) if let_through.any() else behind_dbfs


def _beginning(loud: npt.NDArray[np.bool_], last: int) -> int | None:
    """Return the first step of a run that is loud at a step, if a pause is before it."""
    for step in range(last, _PAUSE_STEPS - 1, -1):
        if not loud[step - _PAUSE_STEPS : step].any():
            return step
    return None


def _mean_dbfs(levels: Levels) -> float:
    """Return the level of all steps together."""
    return float(10 * np.log10(np.mean(10 ** (levels / 10))))


def _pause(quiet: npt.NDArray[np.bool_], after: int) -> int | None:
    """Return the first step of the first pause that goes on behind a reply's tail."""
    for step in range(max(0, after + _SURE_STEPS - _PAUSE_STEPS), len(quiet) + 1 - _PAUSE_STEPS):
        if quiet[step : step + _PAUSE_STEPS].all():
            return step
    return None
