"""The layers of the embedding network on numpy, each with buffers of its own, for a stream of chunks.

A small board pays for every call of numpy some 8000 instructions, whatever it computes (counted on an emulated
Cortex-A53). So all buffers and views are made once, the bias is one more weight, and each result is written where the
next layer reads it. What the layers are is read out of the network in ``lean_features.py``.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

Float32 = npt.NDArray[np.float32]

_FLOAT_BYTES = 4

TILE_ROWS = 4
"""So many rows are convolved at once where there are as many, by Winograd's F(4, 3): half of the multiplications."""

_BEFORE = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    np.float32,
)
"""Turns six rows into the six that are multiplied (Source: Lavin and Gray, Fast Algorithms for Convolutional Neural
Networks, 2015)."""

_TAPS = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]], np.float64) / 24
"""Turns the three taps into the six that they are multiplied with (the same)."""

_AFTER = np.array(
    [[1, 1, 1, 1, 1, 0, 1], [0, 1, -1, 2, -2, 0, 1], [0, 1, 1, 4, 4, 0, 1], [0, 1, -1, 8, -8, 1, 1]], np.float32
)
"""Turns six products, and the bias, into four rows (the same)."""


@dataclass(frozen=True)
class Layer:
    """A convolution with what follows it; every stream uses the same."""

    weights: Float32
    """Shape: (taps in time, taps over bands, inputs, outputs)."""

    bias: Float32
    """Shape: (outputs,)."""

    pool: tuple[int, int]
    """How many rows and bands are made one by taking the largest; (1, 1): none."""

    slope: float
    """What negative numbers are multiplied by; 1: nothing is done to them."""

    least: float
    """What no number may be below afterwards."""

    @functools.cached_property
    def as_columns(self) -> Float32:
        """The weights for one number of each tap and input, and the bias behind them. Shape: (taps + 1, outputs)."""
        return np.concatenate((self.weights.reshape(-1, len(self.bias)), self.bias[None]))

    @functools.cached_property
    def as_tiles(self) -> Float32:
        """The weights of three taps in time for rows that ``_BEFORE`` has turned. Shape: (6, inputs, outputs)."""
        taps: npt.NDArray[np.float64] = np.einsum("pt,tio->pio", _TAPS, self.weights[:, 0])
        return taps.astype(np.float32)


class Stage:
    """A layer that is given so many rows at a time, and keeps what the next ones look back on.

    Args:
        layer: What it computes.
        rows: How many rows it is given.
        bands: How many numbers of each kind a row has.

    Attributes:
        into: What it is given is written here. Shape: (rows, bands, inputs).
        shape: What comes out. Shape: (rows, bands, outputs) behind the pool.
    """

    def __init__(self, layer: Layer, rows: int, bands: int) -> None:
        high, wide, inputs, outputs = layer.weights.shape
        before, beside = high - 1, wide // 2
        self._padded = np.zeros((rows + before, bands + 2 * beside, inputs), np.float32)
        self.into = self._padded[before:, beside : beside + bands]
        self._past, self._next_past = self._padded[:before], self._padded[rows:]
        self._remembers = before > 0
        self._sums = np.empty((rows, bands, outputs), np.float32)
        self._is_tiled = _is_tiled(layer, rows)
        if self._is_tiled:
            self._prepare_tiles(layer, rows, bands)
        else:
            self._prepare(layer, rows, bands)
        self._prepare_pool(layer)
        # An array of nothing else: with a single number numpy takes three times the instructions.
        self._least = np.full(self._pooled.shape, layer.least, np.float32)
        self._slope = np.array(layer.slope, np.float32)
        self._is_linear = layer.slope == 1.0

    def turn(self) -> None:
        """Make what was given last the past; to be called before ``into`` is written."""
        if self._remembers:
            self._past[:] = self._next_past

    def follow(self, other: Stage) -> None:
        """Go on where another stage of the same layer ended."""
        self._next_past[:] = other._next_past

    def run(self, out: Float32) -> None:
        """Compute what ``into`` holds. Shape of ``out``: ``shape``."""
        if self._is_tiled:
            np.matmul(_BEFORE, self._tiles, out=self._turned)
            np.matmul(self._factors, self._weights, out=self._products)
            np.matmul(_AFTER, self._with_bias, out=self._result)
        else:
            np.copyto(self._cells, self._windows)
            np.dot(self._columns, self._weights, out=self._result)
        for one, other, larger in self._pools:
            np.maximum(one, other, out=larger)
        if self._is_linear:
            out[:] = self._pooled
            return
        np.multiply(self._pooled, self._slope, out=self._low)
        np.maximum(self._low, self._least, out=self._limited)
        np.maximum(self._pooled, self._limited, out=out)

    def _prepare(self, layer: Layer, rows: int, bands: int) -> None:
        """Lay out a line for each number that comes out: the numbers that go into it, and a 1 for the bias."""
        high, wide, inputs, outputs = layer.weights.shape
        shape = (rows, bands, high, wide, inputs)
        down, across, along = self._padded.strides
        self._windows = as_strided(self._padded, shape, (down, across, down, across, along), writeable=False)
        self._columns = np.ones((rows * bands, high * wide * inputs + 1), np.float32)
        line_bytes = self._columns.strides[0]
        strides = (bands * line_bytes, line_bytes, wide * inputs * _FLOAT_BYTES, inputs * _FLOAT_BYTES, _FLOAT_BYTES)
        self._cells = as_strided(self._columns, shape, strides)
        self._weights = layer.as_columns
        self._result: Float32 = self._sums.reshape(rows * bands, outputs)

    def _prepare_tiles(self, layer: Layer, rows: int, bands: int) -> None:
        """Lay out tiles of six rows that overlap by two, and for each the products and the bias."""
        inputs, outputs = layer.weights.shape[2:]
        tiles, width = rows // TILE_ROWS, bands * inputs
        row_bytes = self._padded.strides[0]
        strides = (TILE_ROWS * row_bytes, row_bytes, _FLOAT_BYTES)
        self._tiles = as_strided(self._padded, (tiles, len(_TAPS), width), strides, writeable=False)
        self._turned = np.empty((tiles, len(_TAPS), width), np.float32)
        self._factors = self._turned.reshape(tiles, len(_TAPS), bands, inputs)
        self._weights = layer.as_tiles
        products = np.empty((tiles, len(_TAPS) + 1, bands, outputs), np.float32)
        products[:, -1] = layer.bias
        self._products = products[:, :-1]
        self._with_bias = products.reshape(tiles, len(_TAPS) + 1, bands * outputs)
        self._result = self._sums.reshape(tiles, TILE_ROWS, bands * outputs)

    def _prepare_pool(self, layer: Layer) -> None:
        """Find the views between which the largest are taken."""
        high, wide = layer.pool
        self._pools: list[tuple[Float32, Float32, Float32]] = []
        pooled: Float32 = self._sums
        for factor, axis in ((wide, 1), (high, 0)):
            if factor > 1:
                even, odd = (pooled[:, at::2] if axis else pooled[at::2] for at in (0, 1))
                larger = np.empty(even.shape, np.float32)
                self._pools.append((even, odd, larger))
                pooled = larger
        # Not in place: numpy takes twice the instructions for a result that lies where an operand does.
        self._pooled, self._low, self._limited = pooled, np.empty_like(pooled), np.empty_like(pooled)
        self.shape = pooled.shape


def _is_tiled(layer: Layer, rows: int) -> bool:
    high, wide = layer.weights.shape[:2]
    return (high, wide) == (3, 1) and rows % TILE_ROWS == 0


class Chain:
    """All layers, for so many chunks at a time.

    Args:
        layers: One behind the other.
        rows: How many rows of melspectrogram it is given.
        bands: How many bands such a row has.
        inputs: How many numbers of each band.
    """

    def __init__(self, layers: tuple[Layer, ...], rows: int, bands: int, inputs: int = 1) -> None:
        self._stages: list[Stage] = []
        shape: tuple[int, ...] = (rows, bands, inputs)
        for layer in layers:
            self._stages.append(Stage(layer, *shape[:2]))
            shape = self._stages[-1].shape
        self._result = np.empty(shape, np.float32)
        outs = [stage.into for stage in self._stages[1:]] + [self._result]
        self._runs = list(zip([stage.run for stage in self._stages], outs, strict=True))

    def process(self, rows: Float32) -> Float32:
        """Return what the last layer makes of the next rows. Shape: (rows, bands, 1) in, (rows, bands, outputs) out."""
        for stage in self._stages:
            stage.turn()
        self._stages[0].into[:] = rows
        for run, out in self._runs:
            run(out)
        return self._result.copy()

    def follow(self, other: Chain) -> None:
        """Go on where another chain of the same layers ended."""
        for stage, others in zip(self._stages, other._stages, strict=True):
            stage.follow(others)
