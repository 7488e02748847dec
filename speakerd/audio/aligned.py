"""Both ends of the echo path in step, to the sample, also after the loudspeaker's card has rested.

``reference.py`` counts; when it has to count anew, the count is good to a few milliseconds, which is as good as another
room to a canceller. So the next sound is held back for as long as its echo needs to be found, and the far end is put
where it stood before. Nothing is held back where nothing was learnt.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from speakerd.core.echo_lag import SOUND_FRAMES, find_lag
from speakerd.core.units import WIRE_RATE_HZ, ms_to_frames

Pcm = npt.NDArray[np.int16]

SLACK_FRAMES = ms_to_frames(50, WIRE_RATE_HZ)
"""How much earlier or later than before an echo may come (measured on the virtual card: up to 40 ms after a rest)."""

FOLLOW_FRAMES = WIRE_RATE_HZ
"""So often the delay is looked at while all is well: two cards drift apart (chosen: 2 ms of CPU each)."""

TRIES = 3
"""So many sounds are held back before the search is given up: a wake sound's echo is not always found (chosen)."""

WRONG_FRAMES = ms_to_frames(2, WIRE_RATE_HZ)
"""So far off a second later, the echo was found in a wrong place: clocks drift 1 ms at most (chosen)."""

SURE_LOOKS = 3
"""So many looks in a row must find an echo elsewhere, and at the same place, before that is believed: no count changed,
and one wrong look would put the far end of every later sound where the canceller is of no use (chosen)."""

_QUIET_FAR = 30
"""A far end whose samples stay within this is silent (guess: below -60 dBFS)."""


_NOTHING = np.zeros(0, np.int16)


class Reference(Protocol):
    """What is needed to know of the loudspeaker."""

    realignments: int
    """How often the far end's place in time has changed."""

    def take(self, frames: int) -> Pcm | None:
        """Return the far-end frames that belong to the next near-end frames; None: nothing has played for a while."""

    def realign(self) -> None:
        """The near end has a hole: count anew."""

    def skip(self, frames: int) -> Pcm:
        """Return the next far-end frames out of turn, fewer where there are no more: they were due already."""

    def put_back(self, far: Pcm) -> None:
        """Take far-end frames back: they are due only now."""


class Learnt(enum.Enum):
    """What is left of a canceller's knowledge."""

    HOLDS = "holds"
    """It holds, now or again."""

    DOUBTFUL = "doubtful"
    """It may not hold for this sound; another one may tell."""

    LOST = "lost"
    """The far end is elsewhere; said once."""


@dataclass(frozen=True, slots=True)
class Ends:
    """Both ends, in step."""

    near: Pcm
    """What the microphone heard; nothing while a sound is held back, more when it is let go."""

    far: Pcm | None
    """What was played, as many frames; None: nothing for a while."""

    counted_anew: bool = False
    """The far end's place in time may have changed since the last."""

    learnt: Learnt = Learnt.HOLDS
    """What was learnt of the room is good for this."""


class Aligned:
    """Gives both ends in step. Thread: event loop.

    Args:
        reference: Counts what was played.

    Attributes:
        lag_frames: How much later the microphone hears a sound than the far end has it; None: not known.
    """

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._realignments = reference.realignments
        self._tries_left = 0
        self._to_check = False
        self._elsewhere: list[int] = []  # where it was found lately, if that was not where it should be
        self._learnt = Learnt.HOLDS
        self._near: list[Pcm] = []
        self._far: list[Pcm] = []
        self._frames = 0
        self.lag_frames: int | None = None

    def realign(self) -> None:
        """Say that the near end has lost frames."""
        self._reference.realign()

    def process(self, near: Pcm) -> Ends:
        """Take the next near-end frames; return what may be used now."""
        far = self._reference.take(len(near))
        anew = self._realignments != self._reference.realignments
        held_near, held_far = self._begin_anew(anew) if anew or far is None else (_NOTHING, _NOTHING)
        if far is None:
            return self._ends(np.concatenate((held_near, near)), None, anew)
        near, far = np.concatenate((held_near, near)), np.concatenate((held_far, far))
        if self._frames or np.abs(far).max(initial=0) > _QUIET_FAR:
            self._near.append(near)
            self._far.append(far)
            self._frames += len(near)
        if self._tries_left and self._frames:
            return self._resolve(anew)
        return self._ends(near, self._follow(far), anew)

    def _ends(self, near: Pcm, far: Pcm | None, anew: bool) -> Ends:
        learnt = self._learnt
        if learnt is Learnt.LOST:
            self._learnt = Learnt.HOLDS  # what is learnt from here on
        return Ends(near, far, anew, learnt)

    def _begin_anew(self, anew: bool) -> tuple[Pcm, Pcm]:
        """Forget the sound that was looked at; return what was held back of it."""
        held = self._let_go() if self._tries_left else (_NOTHING, _NOTHING)
        self._let_go()
        if anew:
            self._realignments = self._reference.realignments
            self._elsewhere = []
            self._tries_left = 0 if self.lag_frames is None else TRIES
            self._learnt = Learnt.LOST if self.lag_frames is None else Learnt.DOUBTFUL
        return held

    def _resolve(self, anew: bool) -> Ends:
        """Hold a sound back until its echo is found, then put the far end where it was."""
        assert self.lag_frames is not None  # else there is nothing to be in doubt of
        if self._frames < SOUND_FRAMES + self.lag_frames + SLACK_FRAMES:
            return self._ends(_NOTHING, _NOTHING, anew)
        near, far = self._let_go()
        lag = find_lag(near, far)
        if lag is not None and abs(lag - self.lag_frames) <= SLACK_FRAMES:
            self._tries_left = 0
            self._learnt = Learnt.HOLDS
            self._to_check = True
            return self._ends(near, self._move(far, lag - self.lag_frames), anew)
        self._tries_left -= 1
        if not self._tries_left:
            self.lag_frames = None
            self._learnt = Learnt.LOST
        return self._ends(near, far, anew)

    def _move(self, far: Pcm, later_frames: int) -> Pcm:
        """Move what is to come of the far end, this included, by so much."""
        if later_frames > 0:
            delayed = np.concatenate((np.zeros(later_frames, np.int16), far))
            self._reference.put_back(delayed[len(far) :])
            return delayed[: len(far)]
        early = self._reference.skip(-later_frames)
        moved = np.concatenate((far, early))[-later_frames:]
        return np.concatenate((moved, np.zeros(len(far) - len(moved), np.int16)))

    def _follow(self, far: Pcm) -> Pcm:
        """Look at the delay now and then; return the far end, moved where it was put in a wrong place before."""
        if self._frames < FOLLOW_FRAMES:
            return far
        lag = find_lag(*self._let_go())
        to_check, self._to_check = self._to_check, False
        if lag is None:
            return far
        if self.lag_frames is None or abs(lag - self.lag_frames) <= WRONG_FRAMES:
            self.lag_frames, self._elsewhere = lag, []
        elif to_check:
            return self._move(far, lag - self.lag_frames)
        else:
            self._doubt(lag)
        return far

    def _doubt(self, lag: int) -> None:
        """Take note of an echo that is not where it should be; believe it when it stays there."""
        self._elsewhere = [each for each in self._elsewhere if abs(each - lag) <= WRONG_FRAMES] + [lag]
        if len(self._elsewhere) == SURE_LOOKS:
            self.lag_frames, self._elsewhere = lag, []

    def _let_go(self) -> tuple[Pcm, Pcm]:
        """Return what was collected, and begin to collect anew."""
        near, far = np.concatenate((_NOTHING, *self._near)), np.concatenate((_NOTHING, *self._far))
        self._near, self._far, self._frames = [], [], 0
        return near, far
