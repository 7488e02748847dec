"""The ceiling: nothing goes to the card louder than it can play, and what is below is not touched.

A sum of two sounds, or one that is amplified, can pass full scale, where a card wraps or clips; a clipped loudspeaker
is what an echo canceller understands least. The curve has no memory: nothing pumps, and nothing is late.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FULL_SCALE = 32_767.0
"""The largest sample there is (specified)."""

CEILING = 29_204.0
"""-1 dBFS. What is louder is bent; the rest is room for the peaks that resampling makes between the samples (guess:
speech overshoots by less than a dB)."""


def limit(samples: npt.NDArray[np.int16] | npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    """Return samples that do not pass full scale: the same up to the ceiling, bent smoothly towards it above.

    Args:
        samples: Finite, as loud as they like.

    Shape: as ``samples``.
    """
    if not len(samples) or max(float(np.max(samples)), -float(np.min(samples))) <= CEILING:
        return samples.astype(np.int16, copy=False) if samples.dtype == np.int16 else _rounded(samples)
    wide = samples.astype(np.float32)
    level = np.abs(wide)
    above = np.maximum(level - CEILING, 0.0) / (FULL_SCALE - CEILING)
    # Slope 1 at the ceiling, so that there is no corner; never more than full scale, however far above.
    bent = CEILING + (FULL_SCALE - CEILING) * (above / (1.0 + above))
    return _rounded(np.where(level > CEILING, np.copysign(bent, wide), wide))


def _rounded(samples: npt.NDArray[np.float32] | npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    whole: npt.NDArray[np.int16] = np.rint(samples).astype(np.int16)
    return whole
