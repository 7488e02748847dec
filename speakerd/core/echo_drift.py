"""How far the loudspeaker's and the microphone's clocks are apart: the delay of an echo grows by so much.

A room has many reflections, and which of them is the loudest changes from sound to sound; but all of them move alike.
So what is compared is the whole way from one end to the other, as it is now, with what it was seconds ago: what turns
all its phases from the one into the other is the drift. Where the phases come from is ``echo_probe.py``'s business,
what follows from a drift ``echo_path.py``'s.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

Phases = npt.NDArray[np.complexfloating]

_SPANS = (2, 4, 8)
"""How many windows ago it is compared with; the nearest do not overlap. Measured in 480 synthesised rooms (echo 17 to
50 dB out of the noise, reverberation 20 to 400 ms, somebody talking in 3 of 10, clocks up to 1200 ppm apart): known
after 2.3 s of a reply in 95 of 100, in all after 5.3 s. Of 9,291 windows 1 told a drift below 280 ppm for one of 400
and more, or the other way round; up to 240 ppm 99 of 100 are true to 20. Without 8 those beyond are told less well,
without 4 later, and with 1, whose windows overlap, 446 told the wrong side."""

_BAND = 32
"""So many frequencies are taken as one: 16 Hz apart they hardly turn against one another (chosen: up to 8 ms of
delay can be told, a drift of 1500 ppm moves it by 6 in the longest span)."""

_TURNS = 2048
"""Points of a transform over all bands: finer than anything told here (chosen)."""

_PPM = np.arange(-1500.0, 1501.0, 10.0)
"""What is told apart. Clocks further apart are no sound cards (guess)."""

_MEMORY = 0.98
"""How much of what was known counts with each new window: half after 17 s of playing (chosen: cards may be exchanged,
their clocks hardly move)."""

_CERTAIN = 8.0
"""It stands out of chance by this factor (measured in the same rooms without an echo: at most 5.1 in 9,330 windows)."""


class EchoDrift:
    """Follows the way of an echo. Thread: one at a time.

    Args:
        frequencies_hz: What its phases are of, evenly spaced.
        every_s: The time from one window to the next.
    """

    def __init__(self, frequencies_hz: npt.NDArray[np.floating], every_s: float) -> None:
        bands = len(frequencies_hz) // _BAND
        self._bands = bands
        self._windows: deque[Phases | None] = deque(maxlen=max(_SPANS) + 1)
        self._turned = np.zeros((len(_SPANS), bands), np.complex128)
        self._compared = 0.0
        self._ppm: float | None = None
        step_hz = float(frequencies_hz[1] - frequencies_hz[0])
        grown_s = np.outer(np.array(_SPANS) * every_s, _PPM * 1e-6)
        first_hz = frequencies_hz[0] + step_hz * (_BAND - 1) / 2
        self._carriers = np.exp(2j * np.pi * first_hz * grown_s)
        self._at = np.rint(grown_s * _TURNS * step_hz * _BAND).astype(np.int64) % _TURNS

    def append(self, phases: Phases | None) -> None:
        """Take the next window's phases of the near end against the far end; None: the far end was silent.

        Shape: (frequencies,), each of length 1.
        """
        now = None if phases is None else phases[: self._bands * _BAND].astype(np.complex64)
        self._windows.append(now)
        if now is None:
            return
        self._turned *= _MEMORY
        self._compared *= _MEMORY
        for row, span in enumerate(_SPANS):
            before = self._windows[-1 - span] if len(self._windows) > span else None
            if before is not None:
                self._turned[row] += (now * before.conj()).reshape(self._bands, _BAND).sum(axis=1)
                self._compared += 1
        told = self._told()
        self._ppm = self._ppm if told is None else told

    def restart(self) -> None:
        """Compare nothing that comes with what was: the far end has moved. What is known of the clocks still holds."""
        self._windows.clear()

    @property
    def ppm(self) -> float | None:
        """How fast the delay grows, in parts per million of time, as last known; None: that is not known yet."""
        return self._ppm

    def _told(self) -> float | None:
        """Return what all that was compared tells; None: nothing that stands out of chance."""
        if not self._compared:
            return None
        turns = np.fft.ifft(self._turned, _TURNS, axis=1) * _TURNS
        likely = (np.take_along_axis(turns, self._at, axis=1) * self._carriers).real.sum(axis=0)
        best = int(np.argmax(likely))
        by_chance = np.sqrt(self._compared * self._bands * _BAND / 2)
        return float(_PPM[best]) if likely[best] >= _CERTAIN * by_chance else None
