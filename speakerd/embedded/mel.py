"""The log-mel spectrogram that Whisper was trained on, in numpy. Pure."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
"""Samples from -1 to 1, or mel bands by frames."""

RATE_HZ = 16_000
"""Whisper's rate (specified, as everything below)."""

HOP_FRAMES = 160
"""Audio frames between two mel frames: 10 ms."""

_WINDOW_FRAMES = 400
_BANDS = 80
_FLOOR = 1e-10
_RANGE_DECADES = 8.0
_LINEAR_HZ_PER_MEL = 200.0 / 3
_LOG_START_HZ = 1000.0
_LOG_STEP = np.log(6.4) / 27.0


def log_mel(audio: Float32, seconds: int) -> Float32:
    """Return the spectrogram of audio padded with silence, or cut, to a length.

    Args:
        audio: 16 kHz mono.
        seconds: Length of the result in audio.

    Shape:
        (any,) → (80, 100 * seconds).
    """
    length = seconds * RATE_HZ
    padded = np.zeros(length, dtype=np.float32)
    padded[: min(length, len(audio))] = audio[:length]
    padded = np.pad(padded, _WINDOW_FRAMES // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW_FRAMES)[::HOP_FRAMES][: length // HOP_FRAMES]
    window = np.hanning(_WINDOW_FRAMES + 1)[:-1].astype(np.float32)
    power = np.abs(np.fft.rfft(frames * window, axis=1)).astype(np.float32) ** 2
    decades = np.log10(np.maximum(_filters() @ power.T, _FLOOR))
    decades = np.maximum(decades, decades.max() - _RANGE_DECADES)
    result: Float32 = ((decades + 4.0) / 4.0).astype(np.float32)
    return result


@lru_cache(maxsize=1)
def _filters() -> Float32:
    """Return the triangular filters, of equal area each.

    Shape:
        (80, 201).
    """
    bins_hz = np.fft.rfftfreq(_WINDOW_FRAMES, 1.0 / RATE_HZ)
    edges_hz = _mel_to_hz(np.linspace(0.0, _hz_to_mel(RATE_HZ / 2), _BANDS + 2))
    rising = (bins_hz - edges_hz[:-2, None]) / np.diff(edges_hz)[:-1, None]
    falling = (edges_hz[2:, None] - bins_hz) / np.diff(edges_hz)[1:, None]
    area = 2.0 / (edges_hz[2:] - edges_hz[:-2])
    filters: Float32 = (np.maximum(0.0, np.minimum(rising, falling)) * area[:, None]).astype(np.float32)
    return filters


def _hz_to_mel(hz: float) -> float:
    """Return the mel of a frequency above 1 kHz, where the scale is logarithmic."""
    return float(_LOG_START_HZ / _LINEAR_HZ_PER_MEL + np.log(hz / _LOG_START_HZ) / _LOG_STEP)


def _mel_to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the frequencies of mels: linear up to 1 kHz, logarithmic above."""
    log_start = _LOG_START_HZ / _LINEAR_HZ_PER_MEL
    above = _LOG_START_HZ * np.exp(_LOG_STEP * (mel - log_start))
    return np.where(mel < log_start, mel * _LINEAR_HZ_PER_MEL, above)
