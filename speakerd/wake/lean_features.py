"""openWakeWord's features as a stream on numpy: each 80 ms of audio is looked at once.

The embedding network looks at 76 rows of melspectrogram to make one embedding, and 80 ms later at 76 rows of which 68
are the same. None of its convolutions pads the time axis, and its pools halve it at places that stay aligned to 80 ms.
So every layer may keep what it made of the last two rows and go on from there: what comes out is the same, for an
eighth of the work. What an embedding means is the classifier's business (``lean_classifier.py``).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from speakerd.wake.onnx_file import BadModelError, Graph, Node
from speakerd.wake.shapes import BANDS, EMBEDDING_WIDTH

Float32 = npt.NDArray[np.float32]
Int16 = npt.NDArray[np.int16]

_WINDOW_FRAMES, _HOP_FRAMES = 512, 160
"""What one row of melspectrogram looks at, and how far the next one is (specified)."""

_RANGE_DB = 80.0
"""What lies further below the loudest of a chunk counts as this far below it (specified by the melspectrogram)."""


class Melspectrogram:
    """Audio to rows of mel bands, in openWakeWord's units.

    Args:
        graph: Its network: a Fourier transform written as a convolution, and the bands' weights.

    Raises:
        BadModelError: it is another network.
    """

    def __init__(self, graph: Graph) -> None:
        try:
            real, self._bands = graph.constants["0.stft.conv_real.weight"], graph.constants["1.melW"]
        except KeyError as error:
            raise BadModelError(f"the melspectrogram has no {error}") from None
        if real.shape != (257, 1, _WINDOW_FRAMES) or self._bands.shape != (257, BANDS):
            raise BadModelError(f"the melspectrogram has weights of {real.shape} and {self._bands.shape}")
        self._window = real[0, 0]  # the cosine of frequency 0 is 1: what is left is the window

    def rows(self, audio: Float32) -> Float32:
        """Return the rows of some stretch of audio. Shape: (rows, 32)."""
        frames = np.lib.stride_tricks.sliding_window_view(audio, _WINDOW_FRAMES)[::_HOP_FRAMES]
        spectrum = np.fft.rfft(frames * self._window)
        power = spectrum.real**2 + spectrum.imag**2
        level: Float32 = np.log10(np.maximum(power.astype(np.float32) @ self._bands, 1e-10))
        return np.multiply(level, 10.0, dtype=np.float32)

    @staticmethod
    def finished(rows: Float32) -> Float32:
        """Return rows as the embedding takes them, limited chunk by chunk. Shape: (chunks, rows, 32), the same."""
        loudest = rows.max(axis=(1, 2), keepdims=True)
        finished: Float32 = np.maximum(rows, loudest - _RANGE_DB) / 10 + 2
        return finished


@dataclass(frozen=True, slots=True)
class _Layer:
    """A convolution with what follows it."""

    kind: str
    """``first`` (3 x 3), ``time`` (3 x 1) or ``bands`` (1 x 3)."""

    weights: Float32
    """Shape: (3 taps, inputs, outputs); of the first layer (9, outputs)."""

    bias: Float32
    """Shape: (outputs,)."""

    pool: tuple[int, int]
    """How many rows and bands are made one by taking the largest; (1, 1): none."""

    slope: float
    """What negative numbers are multiplied by; 1: nothing is done to them."""

    least: float
    """What no number may be below afterwards."""


class Embedding:
    """Rows of melspectrogram to embeddings, one for each chunk, as a stream with a past.

    Args:
        graph: The network.

    Raises:
        BadModelError: it is another network.
    """

    def __init__(self, graph: Graph) -> None:
        self._layers = _layers(graph)
        self._past: list[Float32 | None] = [None] * len(self._layers)

    def fork(self) -> Embedding:
        """Return a second stream with this one's past."""
        twin = copy.copy(self)
        twin._past = list(self._past)  # noqa: SLF001 - it is of this class; the arrays are replaced, never written to
        return twin

    def process(self, rows: Float32) -> Float32:
        """Return the embeddings of the next chunks.

        Args:
            rows: Shape: (8 chunks, 32).

        Shape: (chunks, 96).
        """
        x = rows[:, :, None]
        for index, layer in enumerate(self._layers):
            y, self._past[index] = _STEPS[layer.kind](x, layer, self._past[index])
            x = _activated(_pooled(y, layer.pool), layer)
        return x[:, 0, :]


def _layers(graph: Graph) -> tuple[_Layer, ...]:
    """Read the layers out of the network; every one must be of a kind that can be streamed."""
    layers: list[_Layer] = []
    for node in graph.nodes:
        if node.op == "Conv":
            layers.append(_convolution(node, graph))
            continue
        if node.op == "Reshape":
            continue
        if not layers:
            raise BadModelError(f"the embedding begins with {node.op}")
        layers[-1] = _with_next(layers[-1], node, graph)
    kinds = [layer.kind for layer in layers]
    if (
        not kinds
        or kinds[0] != "first"
        or "first" in kinds[1:]
        or layers[-1].weights.shape != (3, EMBEDDING_WIDTH, EMBEDDING_WIDTH)
    ):
        raise BadModelError("the embedding is another network")
    return tuple(layers)


def _convolution(node: Node, graph: Graph) -> _Layer:
    weights = graph.constants[node.inputs[1]]
    outputs, inputs, high, wide = weights.shape
    bias = graph.constants[node.inputs[2]] if node.inputs[2:] else np.zeros(outputs, np.float32)
    pads = node.attributes.get("pads", [0, 0, 0, 0])
    kinds = {(3, 3, 0, 1): "first", (3, 1, 0, 0): "time", (1, 3, 0, 1): "bands"}
    kind = kinds.get((high, wide, pads[0], pads[1]))
    plain = node.attributes.get("strides", [1, 1]) == [1, 1] and pads[:2] == pads[2:]
    if kind is None or not plain or (kind == "first") != (inputs == 1):
        raise BadModelError(f"a convolution of {weights.shape} with {node.attributes} cannot be streamed")
    first = kind == "first"
    taps: Float32 = weights.reshape(outputs, 9).T if first else weights.reshape(outputs, inputs, 3).transpose(2, 1, 0)
    return _Layer(kind, np.ascontiguousarray(taps), bias, (1, 1), 1.0, -np.inf)


def _with_next(layer: _Layer, node: Node, graph: Graph) -> _Layer:
    """Return a layer with what follows it; a pool may as well come before: both keep the order of numbers."""
    pool, slope, least = layer.pool, layer.slope, layer.least
    given: dict[str, Any] = node.attributes
    if node.op == "LeakyRelu":
        slope = float(given["alpha"])
    elif node.op == "Max" and [graph.constants[name].size for name in node.inputs[1:]] == [1]:
        least = graph.constants[node.inputs[1]].item()
    elif node.op == "MaxPool" and given["kernel_shape"] == given["strides"] and not any(given.get("pads", [0])):
        pool = (given["kernel_shape"][0], given["kernel_shape"][1])
        if not {*pool} <= {1, 2}:
            raise BadModelError(f"a pool of {pool} cannot be streamed")
    else:
        raise BadModelError(f"{node.op} with {given} cannot be streamed")
    return _Layer(layer.kind, layer.weights, layer.bias, pool, slope, least)


def _first_step(x: Float32, layer: _Layer, past: Float32 | None) -> tuple[Float32, Float32]:
    """Convolve 3 rows x 3 bands of one number each."""
    wide = np.zeros((len(x) + 2, BANDS + 2), np.float32)
    wide[2:, 1:-1] = x[:, :, 0]
    if past is not None:
        wide[:2] = past
    windows = np.lib.stride_tricks.sliding_window_view(wide, (3, 3))
    y = windows.reshape(-1, 9) @ layer.weights
    y += layer.bias
    return y.reshape(len(x), BANDS, -1), wide[-2:].copy()


def _time_step(x: Float32, layer: _Layer, past: Float32 | None) -> tuple[Float32, Float32]:
    """Convolve 3 rows of one band; kept is what the last two rows give to the next two."""
    taps = _taps(x, layer)
    before = np.zeros((2, 2, *taps.shape[2:]), np.float32) if past is None else past
    wide = np.concatenate((before, taps[:2]), axis=1)
    y = taps[2]
    y += wide[1, 1:-1]
    y += wide[0, :-2]
    y += layer.bias
    return y, wide[:, -2:].copy()


def _bands_step(x: Float32, layer: _Layer, past: Float32 | None) -> tuple[Float32, Float32 | None]:
    """Convolve 3 bands of one row; beyond the lowest and the highest there is nothing."""
    taps = _taps(x, layer)
    y = taps[1]
    y[:, 1:] += taps[0, :, :-1]
    y[:, :-1] += taps[2, :, 1:]
    y += layer.bias
    return y, past


def _taps(x: Float32, layer: _Layer) -> Float32:
    """Return what each number gives to each tap. Shape: (3, rows, bands, outputs)."""
    rows, bands, width = x.shape
    taps: Float32 = np.matmul(x.reshape(-1, width), layer.weights)
    return taps.reshape(3, rows, bands, -1)


_STEPS = {"first": _first_step, "time": _time_step, "bands": _bands_step}


def _pooled(y: Float32, pool: tuple[int, int]) -> Float32:
    high, wide = pool
    if wide > 1:
        y = np.maximum(y[:, ::2], y[:, 1::2])
    return np.maximum(y[::2], y[1::2]) if high > 1 else y


def _activated(y: Float32, layer: _Layer) -> Float32:
    if layer.slope == 1.0:
        return y
    low = y * np.float32(layer.slope)
    np.maximum(low, np.float32(layer.least), out=low)
    np.maximum(y, low, out=y)
    return y
