"""Whether the microphone hears the loudspeaker at all: not with headphones, or where a board cancels echo itself.

A canceller without an echo to cancel does harm: until it has noticed, which takes it seconds after each reset, it takes
the user's words for one. So an echo that would have been loud enough to be heard and was not is disbelieved within half
a second (``echo_limit.py``), and believed in as soon when it comes after all. What becomes of the answer is
``audio/echo.py``'s business.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from speakerd.core.echo_drift import EchoDrift
from speakerd.core.echo_limit import EchoLimit
from speakerd.core.pcm import rms_dbfs
from speakerd.core.units import WIRE_RATE_HZ

Int16 = npt.NDArray[np.int16]

_DECIMATION = 3
"""Looked at is 8 kHz: speech has its power there, and a transform costs a third (chosen)."""

_RATE_HZ = WIRE_RATE_HZ // _DECIMATION

_WINDOW_FRAMES = _RATE_HZ
"""Frames of the microphone that are compared at once: 1 s (measured: half of it tells a reverberant room badly)."""

_HOP_FRAMES = _RATE_HZ // 2
"""A window begins every half second."""

_REACH_FRAMES = _RATE_HZ * 3 // 10
"""How far an echo may lie behind the far end: 300 ms; a slow loudspeaker's buffer and a room are within it (guess)."""

_AHEAD_FRAMES = _RATE_HZ * 6 // 100
"""And how far ahead of it, since the far end's count may be wrong by that much: 60 ms (specified by the reference)."""

_TRANSFORM_FRAMES = 16_384
"""The power of two that holds window and reach."""

_BAND_HZ = (200.0, 3600.0)
"""What is compared: above the hum of mains, below what the decimation folds."""

_MEMORY = 0.85
"""How much of the windows before counts with each new one (measured: tells 0.4 s of reverberation from chance)."""

WINDOW_S = _WINDOW_FRAMES / _RATE_HZ
"""What is compared at once."""

REACH_S = _REACH_FRAMES / _RATE_HZ
"""How much of the far end before it."""

_SAME_LAG_MS = 2.0
"""Delays this close are the same (measured: what leaked through a canceller had the echo's delay in 33 of 67 windows,
what was left of the echo under a user's voice in 1 of 28)."""

_PEAK = 8.0
"""An echo's peak stands out of the rest by this factor. Measured over 1230 windows of two voices at once without an
echo: 99 % below 7.2; with echoes from -40 to 0 dB in rooms of 60 to 400 ms, a louder user included: 8.3 and more."""

_WINDOWS = 3
"""So many windows in a row without an echo are believed: 2.3 s of a reply (measured: the third always shows it)."""

_AUDIBLE_DBFS = -50.0
"""A far end below this tells nothing (guess)."""

_GLANCE_FRAMES = WIRE_RATE_HZ // 10
"""So often the levels of both ends are looked at: every 100 ms (chosen)."""

_SUDDEN_FRAMES = WIRE_RATE_HZ // 2
"""An echo that was not there is looked for in so much: 0.5 s."""

_SUDDEN_LEVELS = 20
"""And in so many levels of 20 ms it must not have been impossible."""

_SUDDEN_PEAK = 13.0
"""It stands out by this factor, at one delay twice in a row. Measured with 12 and 14: echoes of -24 to 0 dB that nobody
spoke over were found within 0.6 s in 9 of 10, a voice without an echo was taken for one in 7 and 2 of 150."""

_CERTAIN = 2
"""Windows with an echo, after which only ``_WINDOWS`` without one are believed (chosen: one may be chance)."""


class EchoProbe:
    """Compares what the microphone hears with what the loudspeaker plays. Thread: one at a time.

    Args:
        hears_echo: What was found before the last start; None: nothing is known. Then there is an echo until it is
            known better, and that is known soon; one that was found before takes ``_WINDOWS`` to be disbelieved.
    """

    def __init__(self, hears_echo: bool | None = None) -> None:
        self._hears_echo = hears_echo is not False
        self._certainty = _CERTAIN if hears_echo else 0
        self._limit = EchoLimit()
        frequencies = np.fft.rfftfreq(_TRANSFORM_FRAMES, 1 / _RATE_HZ)
        self._band = (frequencies > _BAND_HZ[0]) & (frequencies < _BAND_HZ[1])
        self._taper = np.hanning(_WINDOW_FRAMES)
        self._turn_per_ppm = -2j * np.pi * frequencies * 1e-6 * _HOP_FRAMES / _RATE_HZ
        self._drift = EchoDrift(frequencies[self._band], _HOP_FRAMES / _RATE_HZ)
        self.restart()

    @property
    def hears_echo(self) -> bool:
        """Whether the microphone hears the loudspeaker."""
        return self._hears_echo

    def restart(self) -> None:
        """Begin to compare anew, after a hole or where the far end has moved; what is known stays known."""
        self._near: list[Int16] = []
        self._far: list[Int16] = []
        self._waiting_frames = 0
        self._likeness: npt.NDArray[np.complex128] = np.zeros(_TRANSFORM_FRAMES // 2 + 1, np.complex128)
        self._without = 0
        self._lag_ms: float | None = None
        self._limit.restart()
        self._drift.restart()
        self._unseen_frames = 0
        self._sudden_lag_ms: float | None = None

    def rest(self, near: Int16) -> None:
        """Take what the microphone hears while nothing plays, and begin to compare anew after it."""
        self.restart()
        self._limit.rest(near)

    @property
    def lag_ms(self) -> float | None:
        """How much later the microphone hears a sound than the far end had it; None: no echo was found lately."""
        return self._lag_ms

    @property
    def drift_ppm(self) -> float | None:
        """How fast that grows, in parts per million of time: the clocks differ by so much; None: not known yet."""
        return self._drift.ppm

    def process(self, near: Int16, far: Int16) -> None:
        """Take the next frames of both ends, as many of each, at the wire's rate.

        Args:
            near: What the microphone heard, before anything was cancelled.
            far: What the loudspeaker played meanwhile, or up to 300 ms before.
        """
        self._near.append(near)
        self._far.append(far)
        self._waiting_frames += len(near)
        self._limit.process(near, far)
        self._unseen_frames += len(near)
        if self._unseen_frames >= _GLANCE_FRAMES:
            self._unseen_frames = 0
            self._glance()
        size = (_REACH_FRAMES + _WINDOW_FRAMES) * _DECIMATION
        while self._waiting_frames >= size:
            heard, played = np.concatenate(self._near), np.concatenate(self._far)
            self._look(heard[_REACH_FRAMES * _DECIMATION : size], played[:size])
            hop = _HOP_FRAMES * _DECIMATION
            self._near, self._far = [heard[hop:]], [played[hop:]]
            self._waiting_frames -= hop

    def _glance(self) -> None:
        """Disbelieve an echo that would have been heard, and believe in one that suddenly is."""
        if self._hears_echo:
            if self._certainty < _CERTAIN and not self._limit.allows():
                self._hears_echo = False
            return
        before, self._sudden_lag_ms = self._sudden_lag_ms, None
        if self._waiting_frames < _SUDDEN_FRAMES or not self._limit.allows(_SUDDEN_LEVELS):
            return
        window, played = self._latest()
        if rms_dbfs(played) < _AUDIBLE_DBFS:
            return
        peak, lag_ms = _peak(self._phases(window, played))
        if peak > _SUDDEN_PEAK:
            self._sudden_lag_ms = lag_ms
            self._hears_echo = _is_same(lag_ms, before)

    def _latest(self) -> tuple[Int16, Int16]:
        """Return the last half second of the near end, and the far end from ``_REACH_FRAMES`` before it on."""
        near, far = np.concatenate(self._near), np.concatenate(self._far)
        end = len(near) // _DECIMATION * _DECIMATION
        size = _SUDDEN_FRAMES + _REACH_FRAMES * _DECIMATION
        played = far[max(0, end - size) : end]
        before = np.zeros(size - len(played), np.int16)  # nothing was played: that is where this begins
        return near[end - _SUDDEN_FRAMES : end], np.concatenate((before, played))

    def _look(self, near: Int16, far: Int16) -> None:
        """Judge one window of the near end, and the far end from ``_REACH_FRAMES`` before it on."""
        self._follow()
        if rms_dbfs(far) < _AUDIBLE_DBFS:
            self._drift.append(None)
            return
        phases = self._phases(near, far)
        self._drift.append(phases[self._band])
        self._likeness = self._likeness * _MEMORY + phases
        peak, lag_ms = _peak(self._likeness)
        before = self._lag_ms
        self._lag_ms = lag_ms if peak > _PEAK and self._limit.allows() else None
        if self._lag_ms is not None:
            self._without = 0
            self._certainty = min(self._certainty + 1, _CERTAIN)
            self._hears_echo = self._hears_echo or _is_same(lag_ms, before)
            return
        self._without += 1
        if self._without >= _WINDOWS:
            self._hears_echo = False
            self._certainty = 0

    def _follow(self) -> None:
        """Take what was alike in the windows before to where it is by now: the clocks may have drifted apart."""
        if self._drift.ppm:
            self._likeness = self._likeness * np.exp(self._turn_per_ppm * self._drift.ppm)

    def sounds_like_far(self, sound: Int16, far: Int16) -> bool:
        """Return whether a second of sound holds the far end, at the very delay at which the microphone hears it.

        Args:
            sound: ``WINDOW_S`` at the wire's rate.
            far: As much of the far end, and ``REACH_S`` before it.
        """
        if self._lag_ms is None:
            return False
        _, lag_ms = _peak(self._phases(sound, far))
        return abs(lag_ms - self._lag_ms) <= _SAME_LAG_MS

    def _phases(self, near: Int16, far: Int16) -> npt.NDArray[np.complex128]:
        """Compare one window; only the phases count: loudness is the user's, an echo keeps its distance in time."""
        means = _decimate(near)
        taper = self._taper if len(means) == _WINDOW_FRAMES else np.hanning(len(means))
        heard = np.fft.rfft(means * taper, _TRANSFORM_FRAMES)
        cross = heard * np.conj(np.fft.rfft(_decimate(far), _TRANSFORM_FRAMES))
        phases: npt.NDArray[np.complex128] = np.where(self._band, cross / np.maximum(np.abs(cross), 1e-9), 0)
        return phases


def _is_same(lag_ms: float, other_ms: float | None) -> bool:
    return other_ms is not None and abs(lag_ms - other_ms) <= _SAME_LAG_MS


def _peak(phases: npt.NDArray[np.complex128]) -> tuple[float, float]:
    """Return by what factor the likeliest delay stands out of the rest, and that delay in milliseconds."""
    lags = np.fft.irfft(phases, _TRANSFORM_FRAMES)
    # The near end begins _REACH_FRAMES later: the last lag is the latest echo, that many before it no delay at all.
    reach = np.abs(lags[-_REACH_FRAMES - _AHEAD_FRAMES :])
    at = int(np.argmax(reach))
    return float(reach[at] / max(lags.std(), 1e-30)), (at - _AHEAD_FRAMES) * 1000 / _RATE_HZ


def _decimate(frames: Int16) -> npt.NDArray[np.float64]:
    """Return the mean of each three frames; both ends are folded alike, so it needs no better filter."""
    means: npt.NDArray[np.float64] = frames.reshape(-1, _DECIMATION).mean(axis=1)
    return means
