"""Arithmetic on samples: between bytes and arrays, between channels, rates and loudness.

The working type is int16, mono, one numpy array a block; the resampler computes in float32 inside. Which thread calls
what, and when, is not known here.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

Sample = TypeVar("Sample", np.int16, np.float32)

Int16 = npt.NDArray[np.int16]
"""Samples, or frames by channels."""

FULL_SCALE = 32768.0
"""What 0 dBFS means for an int16 sample (specified)."""

SILENCE_DBFS = -120.0
"""What digital silence is called, so that levels stay finite (chosen: below one bit of 16)."""

DECISION_S = 1.0
"""How much audio the choice of a channel rests on (guessed; longer than any click at the start of a stream)."""

PASS_BAND = 0.88
"""Up to where the filter is flat, as a part of the lower of the two Nyquist rates; 0.9 loses a fifth of a dB (chosen:
voice needs no more, and each hundredth costs delay)."""

STOP_BAND_DB = 80.0
"""How far aliases and images lie below the signal (chosen: 70 is asked for, 16 bits could show 96)."""

OUTPUTS_PER_ROW = 16
"""About how many outputs one row of the matrix product makes: fewer waste calls, more waste products (measured)."""


def decode(data: bytes, channels: int, sample_format: str) -> Int16:
    """Turn a card's bytes into int16 frames; of 32 bits the upper 16 are kept.

    Args:
        data: Whole frames.
        channels: Samples a frame.
        sample_format: ``S16_LE`` or ``S32_LE``.

    Shape:
        (frames, channels), a read-only view of ``data``.
    """
    samples: Int16 = np.frombuffer(data, dtype="<i2")
    if sample_format == "S32_LE":
        samples = samples[1::2]
    return samples.reshape(-1, channels)


def encode(mono: Int16, channels: int, sample_format: str) -> bytes:
    """Turn int16 samples into a card's bytes, the same signal on every channel.

    Args:
        mono: Samples.
        channels: Samples a frame.
        sample_format: ``S16_LE`` or ``S32_LE``.
    """
    if sample_format == "S32_LE":
        wide = mono.astype("<i4") << 16
        return wide.repeat(channels).tobytes()
    return mono.astype("<i2", copy=False).repeat(channels).tobytes()


def pick_channel(frames: Int16, channel: int | Literal["auto"]) -> Int16:
    """Return one channel of a block; ``auto``: the liveliest one in this block.

    Shape:
        (frames, channels) → (frames,), contiguous.

    Raises:
        ValueError: there is no such channel.
    """
    index = int(np.argmax(_energies(frames))) if channel == "auto" else channel
    if not 0 <= index < frames.shape[1]:
        raise ValueError(f"there is no channel {index}: the card has {frames.shape[1]}, counted from 0")
    return np.ascontiguousarray(frames[:, index])


class ChannelPicker:
    """Chooses one channel of a stream and keeps it.

    ``auto`` compares the channels' energies over the first second of sound, taking the best so far meanwhile: half of a
    stereo microphone is often not connected, and an array's channels differ.

    Args:
        channel: Counted from 0, or ``auto``.
        rate_hz: Of the stream.
    """

    def __init__(self, channel: int | Literal["auto"], rate_hz: int) -> None:
        self._channel = channel
        self._undecided_frames = int(rate_hz * DECISION_S)
        self._energy: npt.NDArray[np.float64] | float = 0.0

    @property
    def channel(self) -> int | Literal["auto"]:
        """The channel, or ``auto`` while that is not decided yet."""
        return self._channel

    def pick(self, frames: Int16) -> Int16:
        """Return the chosen channel of the next block.

        Shape:
            (frames, channels) → (frames,), contiguous.

        Raises:
            ValueError: there is no such channel.
        """
        if self._channel != "auto" or not len(frames):
            return pick_channel(frames, 0 if self._channel == "auto" else self._channel)
        energies = _energies(frames)
        self._energy = self._energy + energies
        if energies.any():  # digital silence, with which some cards begin, tells nothing
            self._undecided_frames -= len(frames)
        best = int(np.argmax(self._energy))
        if self._undecided_frames <= 0:
            self._channel = best
        return pick_channel(frames, best)


def _energies(frames: Int16) -> npt.NDArray[np.float64]:
    """Return each channel's energy from one frame to the next.

    Without the constant offset, of which cheap converters have plenty, and next to without the hum that an input picks
    up when nothing is connected to it: it would win over a microphone in a quiet room, and we would be deaf.
    """
    steps = np.diff(frames.astype(np.float64), axis=0)
    energies: npt.NDArray[np.float64] = (steps**2).sum(axis=0)
    return energies


def rms_dbfs(samples: Int16) -> float:
    """Return the loudness of a block in dB below full scale; ``SILENCE_DBFS`` for silence and for no samples at all."""
    if not len(samples):
        return SILENCE_DBFS
    wide = samples.astype(np.float32)
    mean_square = float(np.dot(wide, wide)) / len(wide)
    if mean_square == 0.0:
        return SILENCE_DBFS
    return max(SILENCE_DBFS, 10 * math.log10(mean_square / FULL_SCALE**2))


class Resampler:
    """Turns a mono stream at one rate into the same stream at another.

    Blocks may have any length; after ``n`` inputs exactly ``n * rate_out_hz // rate_in_hz`` outputs have come out. One
    block's outputs do not depend on where the blocks are cut.

    Args:
        rate_in_hz: Of what goes in.
        rate_out_hz: Of what comes out.

    Attributes:
        delay_frames: How far the output lags, in output frames; constant, and 0 where the rates are equal.
    """

    def __init__(self, rate_in_hz: int, rate_out_hz: int) -> None:
        common = math.gcd(rate_in_hz, rate_out_hz)
        self._up, self._down = rate_out_hz // common, rate_in_hz // common
        self.delay_frames = 0
        if self._up != self._down:
            self._matrix, self.delay_frames = _design(self._up, self._down)
            self._row_out = self._matrix.shape[1]
            self._row_in = self._row_out // self._up * self._down
        self.reset()

    def reset(self) -> None:
        """Begin again, as if before the first block."""
        self._total_in = 0
        self._total_out = 0
        if self._up != self._down:
            self._tail = np.zeros(self._matrix.shape[0] - self._row_in, dtype=np.float32)

    def process(self, block: npt.NDArray[Sample]) -> npt.NDArray[Sample]:
        """Take the next inputs and return the outputs that are now due, of the same type.

        Shape:
            (any,) → (as many as are due,)
        """
        if self._up == self._down:
            return block
        inputs = np.concatenate((self._tail, block), dtype=np.float32)
        self._total_in += len(block)
        due = self._total_in * self._up // self._down
        first_row, offset = divmod(self._total_out, self._row_out)
        outputs = self._rows(inputs, max(1, -(-(due - first_row * self._row_out) // self._row_out)))
        outputs = outputs[offset : offset + due - self._total_out]
        # Keep what the row that the next output belongs to looks at; its outputs that are out already are made again.
        self._tail = inputs[(due // self._row_out - first_row) * self._row_in :]
        self._total_out = due
        if block.dtype == np.int16:
            np.rint(outputs, out=outputs)
            np.maximum(outputs, -32768, out=outputs)
            np.minimum(outputs, 32767, out=outputs)
            return outputs.astype(np.int16)
        return outputs.astype(block.dtype, copy=False)

    def _rows(self, inputs: npt.NDArray[np.float32], rows: int) -> npt.NDArray[np.float32]:
        """Return the outputs of whole rows; the last ones may look at inputs that have not come and count as zero."""
        size = self._matrix.shape[0]
        needed = (rows - 1) * self._row_in + size
        if needed > len(inputs):
            inputs = np.concatenate((inputs, np.zeros(needed - len(inputs), dtype=np.float32)))
        # A view by hand: numpy's own sliding windows take longer to be made than all the outputs.
        step = inputs.itemsize
        windows = np.ndarray((rows, size), np.float32, inputs.data, strides=(self._row_in * step, step))
        outputs: npt.NDArray[np.float32] = np.ascontiguousarray(windows) @ self._matrix
        return outputs.reshape(-1)


@lru_cache(maxsize=16)
def _design(up: int, down: int) -> tuple[npt.NDArray[np.float32], int]:
    """Return the matrix that makes a row of outputs from a window of inputs, and the delay in output frames.

    With the filter ``h`` at ``up`` times the input's rate, output ``n`` is the sum over ``k`` of ``h[n * down % up + k
    * up]`` times input ``n * down // up - k``. A row is a whole number of cycles of ``up`` outputs, so that every row
    has the same matrix; the columns hold the taps, shifted by the inputs they start at.
    """
    taps, delay_frames = _low_pass(up, down)
    taps_per_phase = -(-len(taps) // up)
    phases = np.pad(taps, (0, taps_per_phase * up - len(taps))).reshape(taps_per_phase, up) * up
    cycles = max(1, OUTPUTS_PER_ROW // up)
    matrix = np.zeros((cycles * down + taps_per_phase - 1, cycles * up), dtype=np.float32)
    for column in range(cycles * up):
        newest = column * down // up + taps_per_phase - 1
        matrix[newest - taps_per_phase + 1 : newest + 1, column] = phases[::-1, column * down % up]
    matrix.flags.writeable = False
    return matrix, delay_frames


def _low_pass(up: int, down: int) -> tuple[npt.NDArray[np.float64], int]:
    """Return a Kaiser-windowed sinc at ``up`` times the input's rate, and its delay in output frames, a whole number.

    Source: the usual estimates of a Kaiser window's shape and length from the stop band's depth and the transition.
    """
    nyquist = 0.5 / max(up, down)  # the lower one, in cycles per tap
    transition = (1 - PASS_BAND) * nyquist
    half = math.ceil((STOP_BAND_DB - 7.95) / (2 * 14.36 * transition))
    delay_frames = -(-half // down)
    half = delay_frames * down
    time = np.arange(-half, half + 1)
    cutoff = nyquist - transition / 2
    taps = 2 * cutoff * np.sinc(2 * cutoff * time) * np.kaiser(2 * half + 1, 0.1102 * (STOP_BAND_DB - 8.7))
    return taps / taps.sum(), delay_frames
