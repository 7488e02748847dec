"""How fast the delay of an echo grows: the loudspeaker's and the microphone's clocks differ by so much.

Where the delays come from is ``echo_probe.py``'s business, what follows from a drift ``echo_path.py``'s.
"""

from __future__ import annotations

from collections import deque

import numpy as np

_DELAYS = 8
"""Delays that a drift is told from at least: 4 s, half a second apart (measured: good to 30 ppm)."""

_SPREAD_MS = 0.3
"""Delays that lie further off a straight line jump between a room's reflections and tell no drift (guess)."""

_SPREAD = 0.15
"""Or than this part of the whole way (guess)."""


class EchoDrift:
    """Follows a delay. Thread: one at a time.

    Args:
        every_s: The time from one delay to the next.
    """

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._delays_ms: deque[float] = deque(maxlen=2 * _DELAYS)

    @property
    def delay_ms(self) -> float | None:
        """The newest delay; None: there is none."""
        return self._delays_ms[-1] if self._delays_ms else None

    def append(self, delay_ms: float) -> None:
        """Take the next delay."""
        self._delays_ms.append(delay_ms)

    def restart(self) -> None:
        """Compare nothing that comes with what was."""
        self._delays_ms.clear()

    @property
    def ppm(self) -> float | None:
        """How fast it grows, in parts per million of time; None: too little is known, or it jumps."""
        if len(self._delays_ms) < _DELAYS:
            return None
        times, delays = np.arange(len(self._delays_ms)) * self._every_s, np.array(self._delays_ms)
        slope, offset = np.polyfit(times, delays, 1)
        spread_ms = float(np.std(delays - offset - slope * times))
        if spread_ms > _SPREAD_MS + _SPREAD * abs(slope) * times[-1]:
            return None
        return float(slope) * 1000
