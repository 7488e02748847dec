"""What the recording of a room and the audio on a line say about each other: where, when, and with what gaps. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GAP_MS = 12.0
"""Silence inside a reply from which on it is a gap, as the published figures count it."""

ALIKE = 0.7
"""How like a recording a stretch of the line must be to be it: noise is below 0.1, speech through ALSA's plainest
resampler above 0.9 (measured)."""


@dataclass(frozen=True)
class Sound:
    """What a loudspeaker played, with its place in time."""

    begin_s: float
    """The first sample."""

    rate_hz: int
    """Samples a second."""

    pcm: NDArray[np.int16]
    """The samples; silence is zero."""

    def first_s(self, after_s: float) -> float | None:
        """Return when the first sample that is not silence came after a moment."""
        loud = np.flatnonzero(self.pcm[self._index(after_s) :])
        return self._time_s(self._index(after_s) + int(loud[0])) if len(loud) else None

    def silent_s(self, after_s: float, quiet_ms: float) -> float | None:
        """Return when the sound ended that there was at a moment: where silence of some length begins.

        None: it goes on to the end of the recording.
        """
        first = self._index(after_s)
        quiet = round(quiet_ms * self.rate_hz / 1000)
        loud = np.flatnonzero(self.pcm[first:])
        edges = np.concatenate(([-1], loud, [len(self.pcm) - first]))
        long = np.flatnonzero(np.diff(edges) > quiet)
        return self._time_s(first + int(edges[long[0]]) + 1) if len(long) else None

    def gaps_ms(self, begin_s: float, end_s: float | None = None) -> list[float]:
        """Return how long each gap was between the first and the last sound of a span, or of all that follows."""
        end = None if end_s is None else self._index(end_s)
        loud = np.flatnonzero(self.pcm[self._index(begin_s) : end])
        silences = (np.diff(loud) - 1) * 1000 / self.rate_hz
        return [float(each) for each in silences[silences > GAP_MS]]

    def _index(self, at_s: float) -> int:
        return min(max(round((at_s - self.begin_s) * self.rate_hz), 0), len(self.pcm))

    def _time_s(self, index: int) -> float:
        return self.begin_s + index / self.rate_hz


def place(recording: NDArray[np.int16], line: NDArray[np.int16]) -> tuple[int, float]:
    """Return where on a line a recording begins, and how like it the line is there (1: the same but for its level).

    A negative place means that the line begins inside the recording.
    """
    if not len(recording) or not len(line):
        return 0, 0.0
    size = 1 << (len(recording) + len(line) - 1).bit_length()
    spectrum = np.fft.rfft(line.astype(np.float64), size) * np.fft.rfft(recording.astype(np.float64), size).conj()
    alike = np.fft.irfft(spectrum, size)
    at = int(np.argmax(alike))
    at = at if at < len(line) else at - size
    part = line[max(at, 0) : at + len(recording)].astype(np.float64)
    said = recording[max(-at, 0) : max(-at, 0) + len(part)].astype(np.float64)
    power = float(np.sqrt(np.sum(part**2) * np.sum(said**2)))
    return at, (float(np.sum(part * said)) / power if power else 0.0)


@dataclass(frozen=True)
class Line:
    """The audio that came over a line, with when each piece of it came."""

    rate_hz: int
    """Samples a second."""

    at_s: Sequence[float]
    """When each piece came."""

    pieces: Sequence[NDArray[np.int16]]
    """The pieces."""

    @property
    def pcm(self) -> NDArray[np.int16]:
        """All of it, in order."""
        return np.concatenate(self.pieces) if self.pieces else np.zeros(0, np.int16)

    def arrival_s(self, index: int) -> float | None:
        """Return when the piece came that holds a sample; None: none does."""
        ends = np.cumsum([len(piece) for piece in self.pieces])
        number = int(np.searchsorted(ends, index, side="right"))
        return self.at_s[number] if index >= 0 and number < len(self.at_s) else None
