"""The features as a stream, against openWakeWord's networks on onnxruntime, which see every window whole."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from speakerd.wake import models
from speakerd.wake.lean_features import Embedding, Melspectrogram
from speakerd.wake.onnx_file import BadModelError, Graph, read
from speakerd.wake.shapes import CHUNK_FRAMES, OVERLAP_FRAMES
from tests.fakes.models import wake_models
from tests.fakes.onnx_writer import graph, node, write
from tests.fakes.voices import say

ROWS = 76


@pytest.fixture(scope="module")
def graphs() -> tuple[Graph, Graph]:
    wake_models()
    melspectrogram, embedding = models.features()
    return read(melspectrogram), read(embedding)


@pytest.fixture(scope="module")
def right() -> tuple[Callable[[np.ndarray], Any], Callable[[np.ndarray], Any]]:
    """Both networks as they were published."""
    wake_models()
    mel, embedding = (onnxruntime.InferenceSession(str(path)) for path in models.features())
    return (
        lambda audio: mel.run(None, {"input": audio[None]})[0][0, 0] / 10 + 2,
        lambda rows: embedding.run(None, {"input_1": rows[None, :, :, None]})[0].ravel(),
    )


def speech() -> np.ndarray:
    """Somebody speaks, a pause of zeros, some noise."""
    noise = np.random.default_rng(2).integers(-3000, 3000, 20_000)
    whole = np.concatenate((say("hey jarvis, what time is it", 16_000), np.zeros(9_000), noise)).astype("f4")
    return whole[: len(whole) // CHUNK_FRAMES * CHUNK_FRAMES]


def test_rows_are_those_of_the_published_network(graphs, right) -> None:
    """In speech, in noise, in digital silence."""
    audio, melspectrogram = speech(), Melspectrogram(graphs[0])
    for end in range(CHUNK_FRAMES + OVERLAP_FRAMES, len(audio), CHUNK_FRAMES):
        piece = audio[end - CHUNK_FRAMES - OVERLAP_FRAMES : end]
        rows = melspectrogram.finished(melspectrogram.rows(piece)[None])[0]
        assert rows.dtype == np.float32
        assert np.abs(rows - right[0](piece)).max() < 1e-4


def test_embeddings_are_those_of_whole_windows(graphs, right) -> None:
    """Chunk by chunk, several at once, and in any mixture."""
    rows = np.random.default_rng(3).normal(0, 2, (8 * 40, 32)).astype("f4")
    single, mixed = Embedding(graphs[1]), Embedding(graphs[1])
    one_by_one = np.concatenate([single.process(rows[at : at + 8]) for at in range(0, len(rows), 8)])
    cuts = [0, 3, 4, 11, 12, 13, 30, 40]
    at_once = np.concatenate([mixed.process(rows[8 * a : 8 * b]) for a, b in itertools.pairwise(cuts)])
    assert np.abs(at_once - one_by_one).max() < 1e-4
    for chunk in range(ROWS // 8, 40):
        window = rows[8 * chunk + 8 - ROWS : 8 * chunk + 8]
        assert np.abs(one_by_one[chunk] - right[1](window)).max() < 1e-3


def test_a_fork_goes_its_own_way(graphs) -> None:
    rows = np.random.default_rng(4).normal(0, 2, (8 * 30, 32)).astype("f4")
    stream, alone = Embedding(graphs[1]), Embedding(graphs[1])
    before = stream.process(rows[:120])
    fork = stream.fork()
    fork.process(np.zeros((80, 32), "f4"))
    after = stream.process(rows[120:])
    assert np.abs(np.concatenate((before, after)) - alone.process(rows)).max() < 1e-4


def test_other_networks_are_refused(graphs, tmp_path: Path) -> None:
    with pytest.raises(BadModelError, match="has no"):
        Melspectrogram(graphs[1])
    with pytest.raises(BadModelError, match="weights of"):
        Melspectrogram(Graph((), {"0.stft.conv_real.weight": np.zeros(2), "1.melW": np.zeros(2)}, {}, ()))
    with pytest.raises(BadModelError):
        Embedding(graphs[0])
    with pytest.raises(BadModelError, match="another network"):
        Embedding(Graph((), {}, {}, ()))


@pytest.mark.parametrize(
    ("nodes", "shape"),
    [
        ([node("Conv", ["x", "w"], "y", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1])], (8, 1, 3, 3)),
        ([node("Conv", ["x", "w"], "y", kernel_shape=[3, 1], strides=[2, 1])], (8, 4, 3, 1)),
        ([node("Conv", ["x", "w"], "y", strides=[1, 1]), node("Softmax", ["y"], "z")], (8, 4, 3, 1)),
        (
            [
                node("Conv", ["x", "w"], "y", strides=[1, 1]),
                node("MaxPool", ["y"], "z", kernel_shape=[3, 1], strides=[3, 1]),
            ],
            (8, 4, 3, 1),
        ),
    ],
)
def test_what_cannot_be_streamed_is_refused(tmp_path: Path, nodes: list[bytes], shape: tuple[int, ...]) -> None:
    """A convolution that pads the time or takes every second row, a pool of three, and what is not known."""
    weights = {"w": np.zeros(shape, "f4")}
    data = graph(nodes, weights, {"x": [1, 4, 8, 8]}, {"z": [1]})
    with pytest.raises(BadModelError, match="cannot be streamed"):
        Embedding(read(write(tmp_path / "m.onnx", data)))
