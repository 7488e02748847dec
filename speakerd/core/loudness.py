"""What a volume from 0 to 100 means: as a factor for samples, and as decibels of a mixer. Pure.

Volume is how loud it seems, not a voltage: half of it is 18 dB less, which is about what people call half of what they
are used to hear indoors; the factor is the cube of the volume, as desktop mixers have it (chosen).
"""

from __future__ import annotations

import math

FULL = 100
"""The loudest, in percent; 0 is silence."""

_DB_PER_DECADE = 60.0
"""A tenth of the volume is a thousandth of the voltage (follows from the cube)."""


def gain_of(percent: int) -> float:
    """Return the factor that samples are multiplied by; 0 to 1."""
    return float((percent / FULL) ** 3)


def db_of(percent: int, lowest_db: float, highest_db: float) -> float:
    """Return where a mixer is to stand.

    Args:
        percent: The volume.
        lowest_db: What the mixer calls silence.
        highest_db: The loudest it can be.
    """
    if percent <= 0:
        return lowest_db
    return max(lowest_db, _top_db(lowest_db, highest_db) + _DB_PER_DECADE * math.log10(percent / FULL))


def percent_of(db: float, lowest_db: float, highest_db: float) -> int:
    """Return the volume at which a mixer stands; somebody else may have moved it.

    Args:
        db: Where it stands.
        lowest_db: What the mixer calls silence.
        highest_db: The loudest it can be.
    """
    if db <= lowest_db:
        return 0
    percent = FULL * 10 ** ((db - _top_db(lowest_db, highest_db)) / _DB_PER_DECADE)
    return max(0, min(FULL, round(percent)))


def _top_db(lowest_db: float, highest_db: float) -> float:
    """Return what 100 is: a mixer that amplifies, as the Pi's own jack does by 4 dB, would clip a loud voice there."""
    return 0.0 if lowest_db < 0.0 < highest_db else highest_db
