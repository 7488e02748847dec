"""openWakeWord's features as a stream on numpy: each 80 ms of audio is looked at once.

The embedding network looks at 76 rows of melspectrogram to make one embedding, and 80 ms later at 76 rows of which 68
are the same. None of its convolutions pads the time axis, and its pools halve it at places that stay aligned to 80 ms.
So every layer may keep what it made of the last two rows and go on from there: what comes out is the same, for an
eighth of the work. What an embedding means is the classifier's business (``lean_classifier.py``).
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from speakerd.wake.lean_layers import Chain, Layer
from speakerd.wake.onnx_file import BadModelError, Graph, Node
from speakerd.wake.shapes import BANDS, CHUNK_ROWS, EMBEDDING_WIDTH

Float32 = npt.NDArray[np.float32]
Int16 = npt.NDArray[np.int16]

_WINDOW_FRAMES, _HOP_FRAMES = 512, 160
"""What one row of melspectrogram looks at, and how far the next one is (specified)."""

_LEAST_POWER, _TEN = np.float32(1e-10), np.float32(10.0)
"""What a band has at least, and decibels in a bel (specified by the melspectrogram)."""

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
        audio = np.ascontiguousarray(audio)
        shape = (1 + (len(audio) - _WINDOW_FRAMES) // _HOP_FRAMES, _WINDOW_FRAMES)
        # A sliding_window_view would be the same for twenty times the instructions.
        frames: Float32 = np.ndarray(shape, np.float32, audio, 0, (_HOP_FRAMES * audio.itemsize, audio.itemsize))
        spectrum = np.fft.rfft(frames * self._window)
        power = spectrum.real**2 + spectrum.imag**2
        level: Float32 = np.log10(np.maximum(power.astype(np.float32, copy=False) @ self._bands, _LEAST_POWER))
        return level * _TEN

    @staticmethod
    def finished(rows: Float32) -> Float32:
        """Return rows as the embedding takes them, limited chunk by chunk. Shape: (chunks, rows, 32), the same."""
        loudest = rows.max(axis=(1, 2), keepdims=True)
        finished: Float32 = np.maximum(rows, loudest - _RANGE_DB) / 10 + 2
        return finished


class Embedding:
    """Rows of melspectrogram to embeddings, one for each chunk, as a stream with a past.

    Args:
        graph: The network.

    Raises:
        BadModelError: it is another network.
    """

    def __init__(self, graph: Graph) -> None:
        self._layers = _layers(graph)
        self._chain = Chain(self._layers, CHUNK_ROWS, BANDS)

    def fork(self) -> Embedding:
        """Return a second stream with this one's past."""
        twin = copy.copy(self)
        twin._chain = Chain(self._layers, CHUNK_ROWS, BANDS)  # noqa: SLF001 - it is of this class
        twin._chain.follow(self._chain)  # noqa: SLF001 - the same
        return twin

    def process(self, rows: Float32) -> Float32:
        """Return the embeddings of the next chunks.

        Args:
            rows: Shape: (8 chunks, 32).

        Shape: (chunks, 96).
        """
        chunks = rows.reshape(-1, CHUNK_ROWS, BANDS, 1)
        return np.concatenate([self._chain.process(chunk)[:, 0] for chunk in chunks])


def _layers(graph: Graph) -> tuple[Layer, ...]:
    """Read the layers out of the network; every one must be of a kind that can be streamed."""
    layers: list[Layer] = []
    for node in graph.nodes:
        if node.op == "Conv":
            layers.append(_convolution(node, graph))
            continue
        if node.op == "Reshape":
            continue
        if not layers:
            raise BadModelError(f"the embedding begins with {node.op}")
        layers[-1] = _with_next(layers[-1], node, graph)
    shapes = [layer.weights.shape for layer in layers]
    is_known = bool(shapes) and shapes[0][2] == 1 and all(shape[2] > 1 for shape in shapes[1:])
    if not is_known or shapes[-1] != (3, 1, EMBEDDING_WIDTH, EMBEDDING_WIDTH):
        raise BadModelError("the embedding is another network")
    return tuple(layers)


def _convolution(node: Node, graph: Graph) -> Layer:
    weights = graph.constants[node.inputs[1]]
    outputs, inputs, high, wide = weights.shape
    bias = graph.constants[node.inputs[2]] if node.inputs[2:] else np.zeros(outputs, np.float32)
    pads = node.attributes.get("pads", [0, 0, 0, 0])
    known = {(3, 3, 0, 1), (3, 1, 0, 0), (1, 3, 0, 1)}
    plain = node.attributes.get("strides", [1, 1]) == [1, 1] and pads[:2] == pads[2:]
    if (high, wide, pads[0], pads[1]) not in known or not plain or (high == wide) != (inputs == 1):
        raise BadModelError(f"a convolution of {weights.shape} with {node.attributes} cannot be streamed")
    taps: Float32 = np.ascontiguousarray(weights.transpose(2, 3, 1, 0))
    return Layer(taps, bias, (1, 1), 1.0, -np.inf)


def _with_next(layer: Layer, node: Node, graph: Graph) -> Layer:
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
    return Layer(layer.weights, layer.bias, pool, slope, least)
