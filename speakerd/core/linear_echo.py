"""A linear echo canceller: it takes our own voice out and leaves everybody else's as it is.

The canceller on the way to the session (``audio/echo.py``) removes more, but while both talk it cuts holes into the
user's words, and neither a wake word nor a question with holes is recognised. This one only subtracts what it predicts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from speakerd.core.pcm import FULL_SCALE

Int16 = npt.NDArray[np.int16]
Spectra = npt.NDArray[np.complex64]

BLOCK_FRAMES = 320
"""What is predicted at once for the wake word: 20 ms at 16 kHz; four make a chunk of its. Half as much again as 256
costs a fifth less and cancels as well; with 640 and 1280 it learns 2 and 8 dB less in the first seconds (measured)."""

PARTITIONS = 12
"""Blocks that the predicted echo reaches back there: 240 ms, delay included (chosen: a living room)."""

_MEMORY = np.float32(0.9988)
"""How little the room is expected to change from block to block, in power (measured: 0.998 to 0.9998 do as well)."""

_NOISE_MEMORY = np.float32(0.8)
"""How fast it notices that somebody talks, and stops learning (measured: 0.6 does equally well)."""

_DOUBT = np.float32(1.0)
"""How far the room's response may be from what is known of it at first (measured: learns a room within a second)."""

_WORSE = 1.3
"""What is left may not be louder than what came in by this factor, in power; else another room was learnt (guess)."""

_WORSE_BLOCKS = 10
"""For so long: 0.2 s (guess)."""


class LinearEcho:
    """A partitioned-block frequency-domain Kalman filter. Thread: one at a time.

    It works in place, on arrays that are made once: it runs 50 times a second while anything plays.

    Args:
        block_frames: What is predicted at once.
        partitions: How many of them the predicted echo reaches back, delay included.
        constrained: How many of these are kept from wrapping around with each block: two take out 1.5 dB more than one
            from the third second of a reply on, for a quarter more work (measured).

    Source: Enzner and Vary, "Frequency-domain adaptive Kalman filter for acoustic echo control", Signal Processing 86
    (2006), with diagonal covariances and the response split into partitions.
    """

    def __init__(self, block_frames: int = BLOCK_FRAMES, partitions: int = PARTITIONS, *, constrained: int = 1) -> None:
        self._block_frames = block_frames
        self._partitions = partitions
        self._constrained = constrained
        self._shape = (partitions, block_frames + 1)
        self._product = np.empty(self._shape, np.complex64)
        self._share = np.empty(self._shape, np.float32)
        self._frames = np.zeros(2 * block_frames, np.float32)
        self._left = np.zeros(2 * block_frames, np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget the room."""
        self._response: Spectra = np.zeros(self._shape, np.complex64)
        # The last blocks, newest first, are the rows from _newest on: each stands twice, so nothing is ever moved.
        self._newest = 0
        self._played: Spectra = np.zeros((2 * self._partitions, self._shape[1]), np.complex64)
        self._played_power = np.zeros((2 * self._partitions, self._shape[1]), np.float32)
        self._frames[:] = 0
        self._quiet_blocks = self._partitions + 1
        self._noise = np.zeros(self._shape[1], np.float32)
        self._worse = 0
        self._turn = 0
        self.renew()

    def renew(self) -> None:
        """Trust what is known of the room less: the loudspeaker was silent for a while, and may begin elsewhere."""
        self._doubt = np.full(self._shape, _DOUBT, np.float32)

    def process(self, near: Int16, far: Int16) -> Int16:
        """Return what the microphone heard without its echo.

        Args:
            near: What the microphone heard, before any other canceller.
            far: What the loudspeaker played meanwhile or up to a quarter of a second before; as many frames.

        Shape: (frames,), a multiple of ``block_frames``.
        """
        quiet, is_quiet = self._quiet_blocks > self._partitions, not far.any()
        self._quiet_blocks = self._quiet_blocks + len(far) // self._block_frames if is_quiet else 0
        if quiet and is_quiet:  # no echo reaches into this any more
            return near
        heard = near.astype(np.float32).reshape(-1, self._block_frames) / np.float32(FULL_SCALE)
        played = far.astype(np.float32).reshape(-1, self._block_frames) / np.float32(FULL_SCALE)
        left = np.concatenate([self._block(one, other) for one, other in zip(heard, played, strict=True)])
        out: Int16 = np.clip(np.rint(left * FULL_SCALE), -32768, 32767).astype(np.int16)
        return out

    def foresee(self, near: Int16, far: Int16) -> Int16:
        """Return what will be left of a block that has only begun, as far as it goes; nothing is learnt from it.

        Args:
            near: What the microphone heard since the last block, fewer frames than one.
            far: What was played meanwhile, as many.
        """
        frames = np.zeros_like(self._frames)
        frames[: self._block_frames] = self._frames[self._block_frames :]
        frames[self._block_frames : self._block_frames + len(far)] = far.astype(np.float32) / np.float32(FULL_SCALE)
        product = self._response[0] * np.fft.rfft(frames)
        product += np.einsum("ij,ij->j", self._response[1:], self._rows(self._played)[:-1])
        predicted = np.fft.irfft(product)[self._block_frames : self._block_frames + len(near)]
        out: Int16 = np.clip(np.rint(near - predicted * FULL_SCALE), -32768, 32767).astype(np.int16)
        return out

    def _block(self, heard: npt.NDArray[np.float32], played: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        self._take(played)
        product = np.multiply(self._response, self._rows(self._played), out=self._product)
        predicted = np.fft.irfft(product.sum(axis=0))[self._block_frames :]
        left: npt.NDArray[np.float32] = np.subtract(heard, predicted, out=self._left[self._block_frames :])
        self._learn(np.fft.rfft(self._left).astype(np.complex64, copy=False))
        return self._checked(heard, left.copy())

    def _take(self, played: npt.NDArray[np.float32]) -> None:
        """Take in what is played: the newest row, and its power, which is needed as often as there are partitions."""
        self._frames[: self._block_frames] = self._frames[self._block_frames :]
        self._frames[self._block_frames :] = played
        spectrum = np.fft.rfft(self._frames)
        self._newest = (self._newest - 1) % self._partitions
        rows = slice(self._newest, None, self._partitions)
        self._played[rows] = spectrum
        self._played_power[rows] = _power(spectrum)

    def _rows(self, ring: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return ring[self._newest : self._newest + self._partitions]

    def _learn(self, error: Spectra) -> None:
        self._noise *= _NOISE_MEMORY
        self._noise += (1 - _NOISE_MEMORY) * _power(error)
        share = np.multiply(self._doubt, self._rows(self._played_power), out=self._share)
        scale = 1 / (share.sum(axis=0) + 2 * self._noise + np.float32(1e-6))
        step = np.conj(self._rows(self._played), out=self._product)
        step *= error * scale
        step *= self._doubt
        self._response += step
        share *= scale * (-_MEMORY / 2)
        share += _MEMORY
        self._doubt *= share
        for _ in range(self._constrained):
            self._constrain()

    def _constrain(self) -> None:
        """Keep a partition from wrapping around, and doubt it a little more, as rooms change.

        Every second time it is the first, which is loudest, else one of the others in turn.
        """
        self._turn = (self._turn + 1) % (2 * (self._partitions - 1))
        partition, every = (0, 2) if self._turn % 2 else (1 + self._turn // 2, 2 * (self._partitions - 1))
        taps = np.fft.irfft(self._response[partition])
        taps[self._block_frames :] = 0
        response = self._response[partition] = np.fft.rfft(taps)
        self._doubt[partition] += (1 - _MEMORY) * every / self._constrained * _power(response)

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


def _power(spectrum: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    power: npt.NDArray[np.float32] = np.square(spectrum.real)
    power += np.square(spectrum.imag)
    return power
