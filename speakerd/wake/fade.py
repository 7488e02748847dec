"""Where a wake word ended, asked of any engine: a twin of it hears silence until the word has faded.

What the fading says is ``core/word_fade.py``'s business.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from speakerd.core.units import WAKE_RATE_HZ
from speakerd.core.word_fade import HEY_JARVIS, Fade, since_end_s, stays
from speakerd.wake import models

if TYPE_CHECKING:  # the engines import this
    from speakerd.wake.detector import Detector

_FADES = {models.WORDS["hey_jarvis"].file: HEY_JARVIS}
"""The classifiers whose scores tell where the word ended, by their files."""


def of(path: Path) -> Fade | None:
    """Return how a classifier's score fades; None: that was not measured."""
    return _FADES.get(path.name)


def ended_before(detector: Detector, word: str, score: float, fade: Fade | None) -> int | None:
    """Return how many frames before the last chunk's end a word ended; None: its model cannot tell.

    The twin hears 8 chunks in the middle, 11 at most (measured), each at the cost of a chunk; the detector itself stays
    as it is.

    Args:
        detector: The engine.
        word: What it detected.
        score: The score that made the detection.
        fade: How the word's classifier fades.
    """
    if fade is None:
        return None
    twin, silence = detector.twin(), np.zeros(detector.chunk_frames, np.int16)
    stays_chunks = stays(score, (twin.score(silence)[word] for _ in itertools.count()))
    return round(since_end_s(fade, stays_chunks * detector.chunk_frames / WAKE_RATE_HZ) * WAKE_RATE_HZ)
