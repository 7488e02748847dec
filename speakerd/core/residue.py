"""What a canceller lets through of our own voice, told from a person by a second canceller of another kind.

The one on the way to the session (``audio/echo.py``) removes most, and now and then opens for 80 ms in the middle of a
word of ours, which a service takes for speech (measured: 6 times in 3 hours of replies, in 5 of 63 rooms). A linear one
leaves more of the echo, but everything that anybody says. So what is louder behind the first than behind the second was
said by nobody. Neither knows a room at once: until the second has shown that it does, silence is sent.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from speakerd.core.echo_levels import STEP_FRAMES
from speakerd.core.echo_path import AUDIBLE_DBFS
from speakerd.core.linear_echo import LinearEcho
from speakerd.core.pcm import FULL_SCALE
from speakerd.core.units import WIRE_RATE_HZ, ms_to_frames

Int16 = npt.NDArray[np.int16]

_DECIMATION = 6
"""It compares at 4 kHz, where a voice has its power (measured: as good as all of it, for a quarter of the CPU)."""

_BLOCK = 512
"""Predicted at once, 128 ms at that rate (measured: 256 learn no sooner, for twice the CPU)."""

_PARTITIONS = 2
"""Blocks that the predicted echo reaches back: 256 ms, delay included (measured: with 3 it learns later)."""

_BLOCK_FRAMES = _BLOCK * _DECIMATION
"""The same in wire frames."""

_TAPS = 48
"""Of the filter before the decimation: a plain mean folds our own hissing sounds into what nobody predicts (measured:
with it 5 of those 6 are still taken for speech, with this one)."""

_BEFORE = _TAPS - _DECIMATION
"""Frames before a stretch that its filter looks back to."""

_KEPT = 2 * WIRE_RATE_HZ // _DECIMATION
"""What is kept of the second canceller's work: longer than a sound is ever held back (follows from ``aligned.py``)."""

_LOUDER = 2.0
"""From this ratio of powers on the first is louder, 3 dB: what a person is by chance (guess)."""

_SHOWN = 10.0
"""The second canceller knows the room when it takes out so much of a block, 10 dB in power (measured: after 0.2 s of a
reply in a room that it knew, after 1.5 to 1.8 s in a new one)."""

_HEARD = FULL_SCALE**2 * 10 ** (-40 / 10)
"""And the block was so loud that this is no chance: -40 dBFS (guess)."""

_PATIENCE_FRAMES = ms_to_frames(2000, WIRE_RATE_HZ)
"""For so much of a reply it may take: longer than the first canceller needs to learn a room (measured: 1.6 s), and who
talks over us must be heard in the end."""

_SHORT_FRAMES = ms_to_frames(300, WIRE_RATE_HZ)
"""What we play is no reply until it is longer than this: a chime is 250 ms at most, and people begin to speak over it.
Nor is it heard any more after so much silence (chosen: rooms ring for as long)."""

_REST_FRAMES = ms_to_frames(100, WIRE_RATE_HZ)
"""Nor is it heard where only so much was played since the far end moved: what is left of one that was cut off by
somebody, who goes on to speak (guess: two blocks on their way)."""

_QUIET_FAR = 30
"""A far end whose samples stay within this is silent: below -60 dBFS, as for ``audio/aligned.py``."""

_FAINT = int(FULL_SCALE * 10 ** (AUDIBLE_DBFS / 20))
"""Samples within this are no speech to anybody."""


def _low_pass() -> npt.NDArray[np.float32]:
    """Return the filter before the decimation, a column for each group of frames it looks at."""
    at = np.arange(_TAPS) - (_TAPS - 1) / 2
    taps = np.sinc(at / _DECIMATION * 0.9) * np.hamming(_TAPS)
    return np.ascontiguousarray((taps / taps.sum()).reshape(-1, _DECIMATION).T, np.float32)


_LOW_PASS = _low_pass()


class Residue:
    """Makes quiet what only a canceller can have said. Thread: one at a time."""

    def __init__(self) -> None:
        self._echo = LinearEcho(_BLOCK, _PARTITIONS)
        self.restart()
        self.rest()

    def restart(self) -> None:
        """Take note that either canceller may have to learn: the far end has moved, or the first began anew."""
        self._knows_room = False
        self._since_frames = 0  # of what was played from here on

    def rest(self) -> None:
        """Take note that what comes next does not follow what came last."""
        self._near = self._far = self._out = np.zeros(_BEFORE, np.int16)
        self._left = np.zeros(0, np.int16)
        self._reply_frames = self._quiet_frames = 0  # of what was played since

    def process(self, near: Int16, far: Int16, out: Int16, held_frames: int, *, wanted: bool = True) -> Int16:
        """Return what the first canceller let through, without what it should not have.

        Args:
            near: What the microphone heard.
            far: What was played meanwhile, as many frames.
            out: What the first canceller has just returned.
            held_frames: How far ``out`` ends before ``near`` does.
            wanted: Else ``out`` is returned as it is; the room is learnt all the same, for who may be heard later.

        Shape: (frames,), as many as ``out``.
        """
        self._near, self._far = np.concatenate((self._near, near)), np.concatenate((self._far, far))
        while len(self._near) >= _BEFORE + _BLOCK_FRAMES:
            self._learn()
        before, self._out = self._out, np.concatenate((self._out, out))[-_BEFORE:]
        self._follow(far)
        if not wanted:
            return out
        if self._is_held_back:
            return np.zeros_like(out)
        if np.max(out, initial=0) <= _FAINT and np.min(out, initial=0) >= -_FAINT:
            return out
        return self._limited(np.concatenate((before, out)), held_frames)

    def _learn(self) -> None:
        """Give a block to the second canceller."""
        size = _BEFORE + _BLOCK_FRAMES
        heard, played = _decimated(self._near[:size]), _decimated(self._far[:size])
        self._near, self._far = self._near[_BLOCK_FRAMES:], self._far[_BLOCK_FRAMES:]
        left = self._echo.process(heard, played)
        self._left = np.concatenate((self._left, left))[-_KEPT:]
        power = _power(heard)
        self._knows_room = self._knows_room or (power >= _HEARD and power >= _SHOWN * _power(left))

    def _follow(self, far: Int16) -> None:
        """Count what is played."""
        for at in range(0, len(far), STEP_FRAMES):
            step = far[at : at + STEP_FRAMES]
            if np.max(step) > _QUIET_FAR or np.min(step) < -_QUIET_FAR:
                self._quiet_frames = 0
                self._reply_frames += len(step)
                self._since_frames += len(step)
            else:
                self._quiet_frames += len(step)

    @property
    def _is_held_back(self) -> bool:
        """Whether a reply is heard that nobody has learnt to take out yet; given up when it takes too long."""
        if self._knows_room or self._since_frames >= _PATIENCE_FRAMES:
            return False
        is_reply = self._reply_frames >= _SHORT_FRAMES and self._since_frames >= _REST_FRAMES
        return is_reply and self._quiet_frames < _SHORT_FRAMES

    def _limited(self, sound: Int16, held_frames: int) -> Int16:
        """Make quiet what the second canceller leaves less of.

        Args:
            sound: The ``_BEFORE`` frames before what is to be returned, and that.
            held_frames: How far it ends before the microphone does.
        """
        out, left = sound[_BEFORE:].copy(), self._left_until(held_frames)
        for at in range(0, len(out), STEP_FRAMES):
            step = out[at : at + STEP_FRAMES]
            size, first = len(step) // _DECIMATION, len(left) - (len(out) - at) // _DECIMATION
            if first < 0 or not size:
                continue  # nothing to compare it with
            power = _power(_decimated(sound[at : at + _BEFORE + size * _DECIMATION]))
            limit = _LOUDER * _power(left[first : first + size])
            if power > limit:
                step[:] = np.rint(step * (limit / power))  # as far below the limit as it was above: nobody hears it
        return out

    def _left_until(self, held_frames: int) -> Int16:
        """Return what the second canceller leaves, up to so many frames before the microphone's last."""
        rest = (len(self._near) - _BEFORE) % _DECIMATION
        whole = len(self._near) - rest
        begun = self._echo.foresee(_decimated(self._near[:whole]), _decimated(self._far[:whole]))
        left = np.concatenate((self._left, begun))
        return left[: len(left) - max(0, -(-(held_frames - rest) // _DECIMATION))]


def _decimated(frames: Int16) -> Int16:
    """Return frames at the rate of the comparison; the first ``_BEFORE`` are only looked at.

    Shape: (_BEFORE + n * _DECIMATION,) → (n,).
    """
    groups = frames.astype(np.float32).reshape(-1, _DECIMATION) @ _LOW_PASS
    size = len(groups) - _BEFORE // _DECIMATION
    out: Int16 = np.rint(sum(groups[each : each + size, each] for each in range(_TAPS // _DECIMATION))).astype(np.int16)
    return out


def _power(frames: Int16) -> float:
    wide = frames.astype(np.float32)
    return float(wide @ wide) / max(1, len(wide)) + 1.0
