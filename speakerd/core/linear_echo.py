"""A linear echo canceller for the wake word: it takes our own voice out and leaves everybody else's as it is.

The canceller on the way to the session (``audio/echo.py``) removes more, but while both talk it cuts holes into the
user's words, and a wake word with holes is not recognised. This one only subtracts what it predicts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from speakerd.core.pcm import FULL_SCALE

Int16 = npt.NDArray[np.int16]
Spectra = npt.NDArray[np.complex64]

BLOCK_FRAMES = 256
"""What is predicted at once: 16 ms at 16 kHz; five make a chunk of the wake word's."""

_PARTITIONS = 16
"""Blocks that the predicted echo reaches back: 256 ms, delay included (chosen: a living room)."""

_BINS = BLOCK_FRAMES + 1

_MEMORY = 0.9995
"""How little the room is expected to change from block to block (measured: 0.999 to 0.9999 do equally well)."""

_NOISE_MEMORY = 0.7
"""How fast it notices that somebody talks, and stops learning (measured: 0 to 0.7 do equally well)."""

_DOUBT = np.float32(1.0)
"""How far the room's response may be from what is known of it at first (measured: learns a room within a second)."""

_WORSE = 1.3
"""What is left may not be louder than what came in by this factor, in power; else another room was learnt (guess)."""

_WORSE_BLOCKS = 12
"""For so long: 0.2 s (guess)."""


class LinearEcho:
    """A partitioned-block frequency-domain Kalman filter on wake audio. Thread: one at a time.

    Source: Enzner and Vary, "Frequency-domain adaptive Kalman filter for acoustic echo control", Signal Processing 86
    (2006), with diagonal covariances and the response split into partitions.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the room."""
        self._response: Spectra = np.zeros((_PARTITIONS, _BINS), np.complex64)
        self._played: Spectra = np.zeros((_PARTITIONS, _BINS), np.complex64)
        self._last = np.zeros(BLOCK_FRAMES, np.float32)
        self._noise = np.zeros(_BINS, np.float32)
        self._worse = 0
        self._turn = 0
        self.renew()

    def renew(self) -> None:
        """Trust what is known of the room less: the loudspeaker was silent for a while, and may begin elsewhere."""
        self._doubt = np.full((_PARTITIONS, _BINS), _DOUBT, np.float32)

    def process(self, near: Int16, far: Int16) -> Int16:
        """Return what the microphone heard without its echo.

        Args:
            near: What the microphone heard, before any other canceller.
            far: What the loudspeaker played meanwhile or up to a quarter of a second before; as many frames.

        Shape: (frames,), a multiple of ``BLOCK_FRAMES``.
        """
        heard = near.astype(np.float32).reshape(-1, BLOCK_FRAMES) / np.float32(FULL_SCALE)
        played = far.astype(np.float32).reshape(-1, BLOCK_FRAMES) / np.float32(FULL_SCALE)
        left = np.concatenate([self._block(one, other) for one, other in zip(heard, played, strict=True)])
        out: Int16 = np.clip(np.rint(left * FULL_SCALE), -32768, 32767).astype(np.int16)
        return out

    def _block(self, heard: npt.NDArray[np.float32], played: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        self._played = np.roll(self._played, 1, axis=0)
        self._played[0] = np.fft.rfft(np.concatenate((self._last, played)))
        self._last = played
        predicted = np.fft.irfft((self._response * self._played).sum(axis=0))[BLOCK_FRAMES:]
        left = (heard - predicted).astype(np.float32)
        self._learn(np.fft.rfft(np.concatenate((np.zeros(BLOCK_FRAMES, np.float32), left))).astype(np.complex64))
        return self._checked(heard, left)

    def _learn(self, error: Spectra) -> None:
        power = (error * error.conj()).real
        self._noise = _NOISE_MEMORY * self._noise + (1 - _NOISE_MEMORY) * power
        played_power = (self._played * self._played.conj()).real
        gain = self._doubt / ((self._doubt * played_power).sum(axis=0) + 2 * self._noise + np.float32(1e-6))
        self._response += gain * self._played.conj() * error
        self._constrain()
        response_power = (self._response * self._response.conj()).real
        kept = np.float32(_MEMORY**2)
        self._doubt = kept * (1 - np.float32(0.5) * gain * played_power) * self._doubt + (1 - kept) * response_power

    def _constrain(self) -> None:
        """Keep the partitions from wrapping around: the first, which is loudest, and the others in turn."""
        self._turn = self._turn % (_PARTITIONS - 1) + 1
        for partition in (0, self._turn):
            taps = np.fft.irfft(self._response[partition])
            taps[BLOCK_FRAMES:] = 0
            self._response[partition] = np.fft.rfft(taps)

    def _checked(self, heard: npt.NDArray[np.float32], left: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return what is left, or what came in where that is quieter: the echo has moved; then forget the room."""
        if float(left @ left) <= _WORSE * float(heard @ heard):
            self._worse = 0
            return left
        self._worse += 1
        if self._worse >= _WORSE_BLOCKS:
            self._response[:] = 0
            self._worse = 0
            self.renew()
        return heard
