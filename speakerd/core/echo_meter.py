"""Measures the echo path while the loudspeaker plays: how loud, how late, how much of it is left behind the canceller.

Levels of 20 ms are compared over windows of a second. A window in which the microphone hears more than what the
loudspeaker can have caused was spoken over and does not count. What the figures mean is decided in ``echo_path.py``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from speakerd.core.echo_levels import STEP_FRAMES, STEP_MS, Powers, dbfs, power, powers
from speakerd.core.echo_path import BargeIn, EchoFigures, audible_dbfs, choose
from speakerd.core.echo_probe import REACH_S, WINDOW_S, EchoProbe
from speakerd.core.events import EchoMeasured
from speakerd.core.pcm import SILENCE_DBFS
from speakerd.core.units import WIRE_RATE_HZ

Int16 = npt.NDArray[np.int16]

_WINDOW = 50
"""Levels that are compared at once: 1 s (measured: the ratio of both ends varies by 0.7 dB from one to the next)."""

_HOP = 25
"""A window begins every half second."""

_BURST = 5
"""What a voice activity detector needs at least: 100 ms (guess; the service's are not published)."""

_HOP_FRAMES = _HOP * STEP_FRAMES

_REACH = 50
"""How late an echo is looked for: 1 s, beyond what the canceller reaches."""

_HISTORY = 4 * _WINDOW + _REACH
"""Levels that are kept: what a delay is found in."""

_MEMORY_WINDOWS = 40
"""Windows that the figures are of: 20 s of playing."""

_FAR_DBFS = -45.0
"""A far end below this, as a mean over the window, tells nothing (guess)."""

_QUIET_FAR_DBFS = -60.0
"""Below this the loudspeaker is quiet (guess)."""

_SPOKEN_DB = 1.5
"""What the microphone hears more than usual, over a second, was said by somebody (measured: 95 % of 286 windows where
nobody spoke are below 1.4, 90 % of 28 with a voice over an echo from 2 dB below to 8 above it are over 1.8)."""

_USUAL_PERCENTILE = 20
"""The usual ratio of both ends: people only ever add to it, so the lowest ones are nearest to the truth (chosen)."""

_ALIKE = 0.7
"""From this correlation of levels on, two sounds are one sound and its echo (measured over 4 s: echoes 0.89 and more,
another voice at most 0.3)."""

_SPOKEN = -1.0
"""What marks a window that somebody spoke over."""

_DOUBTFUL = 0.5
"""What a window counts that is either a faint user or an echo let through (chosen)."""

_CLIPPED = 32_700
"""A sample beyond this is clipped (guess: converters stop a little short)."""

_TAIL_OVER_NOISE_DB = 6.0
"""A tail has ended when it is this near to the noise (guess)."""

_TAIL_QUIET = 3
"""So many levels in a row: a gap between two sounds in the echo is no end (guess)."""

_TAILS = 8
"""Tails that are remembered: the longest but one of them counts."""

_TAIL_MAX = 50
"""A tail of more than a second is a person (guess)."""


@dataclass(frozen=True, slots=True)
class _Window:
    """What was found in one window."""

    leak: float
    """How surely the canceller let echo through, 0 to 1; ``_SPOKEN``: somebody spoke over it."""

    near: float
    """Power at the microphone."""

    out: float
    """Power behind the canceller."""

    burst_dbfs: float
    """The loudest tenth of a second behind the canceller."""

    clipped: float
    """Share of samples at full scale."""


class EchoMeter:
    """Measures the echo path, block by block. Thread: one at a time.

    Args:
        probe: Looks at the same blocks before this does: knows delays exactly; None: they are known to 20 ms.
        choice: What to begin with.

    Attributes:
        figures: What is known.
        choice: What may cut a reply, by measurement.
    """

    def __init__(self, probe: EchoProbe | None, choice: BargeIn) -> None:
        self._probe = probe
        self._windows: deque[_Window] = deque(maxlen=_MEMORY_WINDOWS)
        self._ratios_db: deque[float] = deque(maxlen=_MEMORY_WINDOWS)
        self._noise: deque[float] = deque(maxlen=40)
        self._tails: deque[int] = deque(maxlen=_TAILS)
        self._delay_steps = 0
        self._clean_windows = 0
        self._playing = False
        self._proven = choice is BargeIn.SPEECH
        self._lag_ms: float | None = None
        self._inaudible = probe is not None and not probe.hears_echo
        self.figures = EchoFigures()
        self.choice = choice
        self._begin()

    def process(self, near: Int16, far: Int16 | None, out: Int16) -> EchoMeasured | None:
        """Take the next blocks; return what is known when playing has ended, an echo has come or the choice changes.

        Args:
            near: What the microphone heard.
            far: What the loudspeaker played, as many frames; None: nothing for a while.
            out: What the canceller made of it; in step with ``near``, but some frames may come with the next call.
        """
        if far is None:
            ended, self._playing = self._playing, False
            if ended:
                self._begin()
            if len(out):
                self._noise.append(power(out))
            return EchoMeasured(self.figures, self.choice) if ended and self.figures.windows else None
        self._playing = True
        before = self.choice
        came = self._watch_probe()
        for waiting, block in zip(self._waiting, (near, far, out), strict=True):
            waiting.append(block)
        self._waiting_frames += len(out)
        while self._waiting_frames >= _HOP_FRAMES:
            self._waiting_frames -= _HOP_FRAMES
            self._hop(*(self._take(waiting) for waiting in self._waiting))
        return EchoMeasured(self.figures, self.choice) if came or self.choice is not before else None

    def _watch_probe(self) -> bool:
        """Take the trust back where an echo has come, and say so: nobody has learnt yet to take it out."""
        was_inaudible, self._inaudible = self._inaudible, self._probe is not None and not self._probe.hears_echo
        came = was_inaudible and not self._inaudible
        if came:
            self._windows.clear()
            self._ratios_db.clear()
            self._clean_windows = 0
            self._proven = False
            self.figures = EchoFigures()
            if self.choice is BargeIn.SPEECH:
                self.choice = BargeIn.WAKE_WORD
        return came

    def restart(self) -> None:
        """Say that the far end's place in time has changed: what its delay was is of no use any more."""
        self._lag_ms = None

    def _begin(self) -> None:
        """Begin a stretch of playing."""
        self._waiting: tuple[list[Int16], ...] = ([], [], [])
        self._waiting_frames = 0  # behind the canceller; the others are ahead of it
        self._heard = self._played = np.zeros(0, np.int16)
        self._near = self._far = self._out = np.zeros(0)
        self._clipped = np.zeros(0)
        self._lag_ms = None
        self._tail_steps: int | None = None

    @staticmethod
    def _take(waiting: list[Int16]) -> Int16:
        """Take half a second out of what waits."""
        whole = np.concatenate(waiting)
        waiting[:] = [whole[_HOP_FRAMES:]]
        return whole[:_HOP_FRAMES]

    @property
    def noise_dbfs(self) -> float:
        """The room's own noise, by what was heard while nothing played."""
        return dbfs(self._noise_power)

    @property
    def _noise_power(self) -> float:
        # Somebody may have talked for most of the time: the quieter moments are the room's.
        return float(np.percentile(self._noise, 20)) if self._noise else 10 ** (SILENCE_DBFS / 10)

    def _hop(self, near: Int16, far: Int16, out: Int16) -> None:
        """Take in half a second, and judge the second that ends with it."""
        self._near = np.concatenate((self._near, powers(near)))[-_HISTORY:]
        self._far = np.concatenate((self._far, powers(far)))[-_HISTORY:]
        self._out = np.concatenate((self._out, powers(out)))[-_HISTORY:]
        clipped = np.count_nonzero(np.abs(near) >= _CLIPPED) / len(near)
        self._clipped = np.concatenate((self._clipped, [clipped]))[-2:]
        self._heard = np.concatenate((self._heard, out))[-int(WINDOW_S * WIRE_RATE_HZ) :]
        self._played = np.concatenate((self._played, far))[-int((WINDOW_S + REACH_S) * WIRE_RATE_HZ) :]
        noise = self._noise_power
        for step in range(len(self._far) - _HOP, len(self._far)):
            self._watch_tail(step, noise)
        if len(self._near) < _WINDOW:
            return
        if self._probe is not None and self._probe.lag_ms is not None:
            self._lag_ms = self._probe.lag_ms
        self._find_delay(noise)
        end = len(self._far) - self._delay_steps
        cause = float(self._far[max(0, end - _WINDOW) : end].mean())
        if dbfs(cause) >= _FAR_DBFS:
            self._judge(cause, noise)
            self.figures = self._sum_up(noise)
            self.choice = choose(self.figures, self.choice)
            self._proven = self._proven or self.choice is BargeIn.SPEECH

    def _watch_tail(self, step: int, noise: float) -> None:
        """Measure how long the room, and what else there is, goes on when the loudspeaker has fallen silent."""
        if dbfs(self._far[step]) >= _QUIET_FAR_DBFS:
            self._tail_steps = 0
        elif self._tail_steps is not None:
            self._tail_steps += 1
            recent = np.max(self._out[max(0, step + 1 - _TAIL_QUIET) : step + 1])
            if self._tail_steps > _TAIL_MAX:
                self._tail_steps = None
            elif self._tail_steps >= _TAIL_QUIET and dbfs(recent) < dbfs(noise) + _TAIL_OVER_NOISE_DB:
                self._tails.append(self._tail_steps - _TAIL_QUIET)
                self._tail_steps = None

    def _find_delay(self, noise: float) -> None:
        """Look for the delay of the echo by its loudness, unless the known one still holds."""
        near, far = np.sqrt(np.maximum(self._near - noise, 0.0)), np.sqrt(self._far)
        if len(near) >= _REACH + _WINDOW and _likeness(near, far, self._delay_steps) < _ALIKE:
            best = max(range(_REACH), key=lambda delay: _likeness(near, far, delay))
            if _likeness(near, far, best) >= _ALIKE:
                self._delay_steps = best

    def _judge(self, cause: float, noise: float) -> None:
        """Say of the last window whether somebody spoke over it, and else whether echo was let through."""
        heard, out = float(self._near[-_WINDOW:].mean()), self._out[-_WINDOW:]
        ratio_db = dbfs(max(heard - noise, noise * 0.01)) - dbfs(cause)
        self._ratios_db.append(ratio_db)
        usual_db = float(np.percentile(self._ratios_db, _USUAL_PERCENTILE))
        burst_dbfs = dbfs(float(np.max(np.convolve(out, np.ones(_BURST) / _BURST, "valid"))))
        leak = 0.0
        if burst_dbfs > audible_dbfs(dbfs(noise)):
            leak = _SPOKEN if ratio_db > usual_db + _SPOKEN_DB else self._doubt()
        if leak != _SPOKEN:
            self._clean_windows = 0 if leak else self._clean_windows + 1
        self._windows.append(_Window(leak, heard, float(out.mean()), burst_dbfs, float(self._clipped.mean())))

    def _doubt(self) -> float:
        """Return how surely something loud behind the canceller is our own voice."""
        if self._probe is not None and self._probe.sounds_like_far(self._heard, self._played):
            return 1.0
        if len(self._out) < _REACH + _WINDOW:
            return _DOUBTFUL
        return 1.0 if _likeness(np.sqrt(self._out), np.sqrt(self._far), self._delay_steps) >= _ALIKE else _DOUBTFUL

    def _sum_up(self, noise: float) -> EchoFigures:
        alone = [window for window in self._windows if window.leak != _SPOKEN]
        heard = float(np.mean([window.near for window in alone])) if alone else None
        left = float(np.mean([window.out for window in alone])) if alone else None
        coarse_ms = float(self._delay_steps * STEP_MS) if self._delay_steps else None
        return EchoFigures(
            windows=len(alone),
            leaks=sum(window.leak for window in alone),
            clean_windows=self._clean_windows,
            spoken_over=len(self._windows) - len(alone),
            noise_dbfs=dbfs(noise),
            echo_dbfs=None if heard is None else dbfs(max(heard - noise, 0.0)),
            removed_db=None if heard is None or left is None else dbfs(heard) - dbfs(left),
            residual_dbfs=max((window.burst_dbfs for window in alone), default=None),
            delay_ms=coarse_ms if self._lag_ms is None else self._lag_ms,
            drift_ppm=None if self._inaudible or self._probe is None else self._probe.drift_ppm,
            inaudible=self._inaudible,
            proven=self._proven,
            clipped=float(np.mean([window.clipped for window in self._windows])),
            tail_ms=sorted(self._tails)[-2:][0] * STEP_MS if self._tails else None,
        )


def _likeness(heard: Powers, played: Powers, delay: int) -> float:
    """Return how alike two courses of loudness are, -1 to 1, if one lags the other by this many levels."""
    last, cause = heard[_REACH:], played[_REACH - delay : len(played) - delay]
    a, b = last - last.mean(), cause - cause.mean()
    return float(a @ b / max(np.sqrt(float(a @ a) * float(b @ b)), 1e-12))
