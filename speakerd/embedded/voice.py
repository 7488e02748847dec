"""The neural tier's voice: hibari, 24 kHz, which is the wire's own rate."""

from __future__ import annotations

import threading

import numpy as np

from speakerd.embedded.parts import in_breaths

_PEAK = 32767.0

_SEED = 1
"""The voice's breath comes from a random generator; the same words shall sound the same."""

_QUIET = 0.0005
"""Below this, 66 dB under full scale, nobody hears anything; each sentence begins with 0.3 s of it (measured)."""

_LEAD_FRAMES = 120
"""Kept of that, 5 ms: enough for a plosive to rise (guessed)."""


class HibariVoice:
    """Speaks English with the one voice that comes in the package.

    Raises:
        ImportError: the package is missing.
    """

    def __init__(self) -> None:
        import hibari

        self._engine = hibari.Hibari()
        self._one_at_a_time = threading.Lock()

    def sentences(self, text: str) -> list[str]:
        """Return the sentences of a text."""
        sentences: list[str] = self._engine.split_sentences(text)
        return in_breaths(sentences)

    def speak(self, sentence: str, speed: float) -> bytes:
        """Return one sentence as wire audio. Thread: any; a second of speech takes 20 ms of CPU."""
        with self._one_at_a_time:
            samples = self._engine(sentence, speed=speed, seed=_SEED)
        # An answer that begins with silence is an answer that comes late; the silence behind it separates sentences.
        loud = np.flatnonzero(np.abs(samples) > _QUIET)
        spoken = samples[max(0, int(loud[0]) - _LEAD_FRAMES) :] if len(loud) else samples
        pcm: bytes = (np.clip(spoken, -1.0, 1.0) * _PEAK).astype("<i2").tobytes()
        return pcm
