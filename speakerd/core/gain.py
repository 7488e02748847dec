"""A gain that moves without a click. What it is for, volume or ducking, is its owner's business."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from speakerd.core.units import WIRE_RATE_HZ, ms_to_frames

RAMP_FRAMES = ms_to_frames(20, WIRE_RATE_HZ)
"""How long the way from silence to full gain takes: no click, and heard as one event with its cause (guess)."""

GAIN_MAX = 4.0
"""12 dB; more turns speech into a square wave at the ceiling (guess)."""


class GainRamp:
    """Multiplies a stream by a gain that goes to its target in a straight line. Units: wire frames."""

    def __init__(self) -> None:
        self._gain = self._target = 1.0

    @property
    def target(self) -> float:
        """Where the gain is, or goes."""
        return self._target

    def set(self, target: float) -> None:
        """Go to another gain, from the next block on.

        Raises:
            ValueError: it is not between 0 and ``GAIN_MAX``.
        """
        if not 0.0 <= target <= GAIN_MAX:
            raise ValueError(f"a gain lies between 0 and {GAIN_MAX:g}, not at {target:g}")
        self._target = target

    def settle(self) -> None:
        """Be at the target at once: nothing is being played that could click."""
        self._gain = self._target

    def apply(
        self, block: npt.NDArray[np.int16] | npt.NDArray[np.float32]
    ) -> npt.NDArray[np.int16] | npt.NDArray[np.float32]:
        """Return the next block at its gain, which is the block itself where that is 1.

        Shape: as ``block``.
        """
        if self._gain == self._target:
            return block if self._gain == 1.0 else block * np.float32(self._gain)
        step = math.copysign(1.0 / RAMP_FRAMES, self._target - self._gain)
        way = self._gain + step * np.arange(1, len(block) + 1)
        gains = np.minimum(way, self._target) if step > 0 else np.maximum(way, self._target)
        if len(gains):
            self._gain = float(gains[-1])
        ramped: npt.NDArray[np.float32] = block * gains.astype(np.float32)
        return ramped
