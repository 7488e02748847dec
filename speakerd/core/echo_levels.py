"""Levels of 20 ms: what an echo's loudness is told from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from speakerd.core.pcm import FULL_SCALE, SILENCE_DBFS
from speakerd.core.units import WIRE_RATE_HZ, ms_to_frames

Int16 = npt.NDArray[np.int16]
Powers = npt.NDArray[np.float64]

STEP_MS = 20
"""What one level is of."""

STEP_FRAMES = ms_to_frames(STEP_MS, WIRE_RATE_HZ)
"""The same at the wire's rate."""


def powers(samples: Int16) -> Powers:
    """Return the mean square of each level, 1 being full scale; of whole levels only."""
    steps = samples.astype(np.float32).reshape(-1, STEP_FRAMES)
    squares: Powers = np.einsum("ij,ij->i", steps, steps).astype(np.float64) / (STEP_FRAMES * FULL_SCALE**2)
    return squares


def power(samples: Int16) -> float:
    """Return the mean square of all of them, 1 being full scale."""
    wide = samples.astype(np.float32)
    return float(wide @ wide) / len(wide) / FULL_SCALE**2


def dbfs(mean_square: float) -> float:
    """Return a mean square as a level."""
    return max(SILENCE_DBFS, 10 * float(np.log10(max(mean_square, 1e-30))))
