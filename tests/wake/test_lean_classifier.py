"""Classifiers on numpy: the published ones and the kinds that people train, each against onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from speakerd.wake import models
from speakerd.wake.lean_classifier import Classifier, UnknownOperationError
from speakerd.wake.onnx_file import BadModelError, read
from tests.fakes.models import wake_models
from tests.fakes.onnx_writer import graph, node, write

RANDOM = np.random.default_rng(11)


def weights(*shape: int) -> np.ndarray:
    return (RANDOM.standard_normal(shape) / 8).astype("f4")


def own(
    path: Path, nodes: list[bytes], constants: dict[str, np.ndarray], embeddings: int = 16, opset: int = 17
) -> Path:
    """Write a classifier that takes ``x`` and makes ``y``."""
    data = graph(nodes, constants, {"x": [1, embeddings, 96]}, {"y": [1, 1]})
    return write(path / "own.onnx", data, opset)


def assert_same(path: Path, options: onnxruntime.SessionOptions | None = None) -> None:
    """A classifier says what onnxruntime says, to embeddings of any size."""
    classifier, session = Classifier(read(path)), onnxruntime.InferenceSession(str(path), options)
    (given,) = session.get_inputs()
    for level in (0.1, 3.0, 10.0, 200.0):
        x = (RANDOM.standard_normal((classifier.embeddings, 96)) * level).astype("f4")
        right = session.run(None, {given.name: x[None]})[0].item()
        assert classifier.score(x) == pytest.approx(right, abs=1e-5)


@pytest.mark.parametrize("word", models.WORDS)
def test_a_published_classifier_says_what_onnxruntime_says(word: str) -> None:
    wake_models()
    assert_same(models.resolve(word))


def test_both_branches_of_the_published_one_are_taken() -> None:
    """What "hey jarvis" takes for the word is judged by a second network."""
    wake_models()
    path = models.resolve("hey_jarvis")
    classifier, session = Classifier(read(path)), onnxruntime.InferenceSession(str(path))
    for seed in range(30):
        x = (np.random.default_rng(seed).standard_normal((16, 96)) * 10).astype("f4")
        assert classifier.score(x) == pytest.approx(session.run(None, {"x.1": x[None]})[0].item(), abs=1e-5)


NORM = {"scale": weights(32), "shift": weights(32)}
DENSE = {"w1": weights(1536, 32), "b1": weights(32), "w2": weights(32, 1), "b2": weights(1)}

KINDS = {
    "two layers": (
        [
            node("Flatten", ["x"], "f"),
            node("Gemm", ["f", "w1", "b1"], "h"),
            node("Relu", ["h"], "r"),
            node("Gemm", ["r", "w2", "b2"], "o", alpha=0.5, beta=2.0),
            node("Sigmoid", ["o"], "y"),
        ],
        DENSE,
    ),
    "normalised": (
        [
            node("Flatten", ["x"], "f", axis=1),
            node("MatMul", ["f", "w1"], "m"),
            node("Add", ["m", "b1"], "h"),
            node("LayerNormalization", ["h", "scale", "shift"], "n", axis=-1, epsilon=1e-3),
            node("Tanh", ["n"], "r"),
            node("Gemm", ["r", "w2"], "o"),
            node("Sigmoid", ["o"], "y"),
        ],
        DENSE | NORM,
    ),
    "averaged": (
        [
            node("ReduceMean", ["x"], "a", axes=[1], keepdims=0),
            node("Constant", [], "k", value=np.array(3.0, "f4")),
            node("Pow", ["a", "k"], "p"),
            node("Gemm", ["p", "w3", "b3"], "h", transB=1),
            node("LayerNormalization", ["h", "scale"], "n"),
            node("Dropout", ["n"], "d"),
            node("Identity", ["d"], "i"),
            node("Gemm", ["i", "w2", "b2"], "o"),
            node("Sigmoid", ["o"], "y"),
        ],
        DENSE | NORM | {"w3": weights(32, 96), "b3": weights(32)},
    ),
    "of all": (
        [
            node("Reshape", ["x", "shape"], "f"),
            node("ReduceMean", ["f"], "m"),
            node("Sub", ["f", "m"], "c"),
            node("Mul", ["c", "c"], "q"),
            node("Sqrt", ["q"], "s"),
            node("Div", ["s", "two"], "h"),
            node("Gemm", ["column", "h"], "g", transA=1, transB=1),
            node("Greater", ["g", "none"], "big"),
            node("Cast", ["big"], "real", to=1),
            node("Sigmoid", ["real"], "y"),
        ],
        {
            "shape": np.array([1, -1], "i8"),
            "two": np.array(2.0, "f4"),
            "none": np.array(0.0, "f4"),
            "column": weights(1536, 1),
        },
    ),
}


def by_hand(exponent: float = 2.0, axis: int = -1, last: str = "moved") -> list[bytes]:
    """Return a network with a normalisation as training writes it, or nearly so."""
    return [
        node("Flatten", ["x"], "f"),
        node("Gemm", ["f", "w1", "b1"], "h"),
        node("ReduceMean", ["h"], "mean", axes=[axis]),
        node("Sub", ["h", "mean"], "centred"),
        node("Constant", [], "two", value=np.array(exponent, "f4")),
        node("Pow", ["centred", "two"], "square"),
        node("ReduceMean", ["square"], "variance", axes=[axis]),
        node("Constant", [], "little", value=np.array(1e-5, "f4")),
        node("Add", ["variance", "little"], "added"),
        node("Sqrt", ["added"], "deviation"),
        node("Div", ["centred", "deviation"], "normal"),
        node("Mul", ["normal", "scale"], "scaled"),
        node("Add", ["scaled", "shift"], "moved"),
        node("Gemm", [last, "w2", "b2"], "o"),
        node("Sigmoid", ["o"], "y"),
    ]


ONE_STEP = 5
"""Flatten, Gemm, the normalisation, Gemm, Sigmoid."""


def test_a_normalisation_as_training_writes_it_is_one_step(tmp_path: Path) -> None:
    path = own(tmp_path, by_hand(), DENSE | NORM)
    assert_same(path)
    assert len(Classifier(read(path))._program._steps) == ONE_STEP


@pytest.mark.parametrize("other", [{"exponent": 4.0}, {"axis": 1}, {"last": "normal"}, {"last": "centred"}])
def test_what_is_nearly_one_is_computed_as_it_stands(tmp_path: Path, other: dict[str, object]) -> None:
    path = own(tmp_path, by_hand(**other), DENSE | NORM)
    options = onnxruntime.SessionOptions()  # its own optimiser takes any exponent for a square
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    assert_same(path, options)
    assert len(Classifier(read(path))._program._steps) > ONE_STEP


@pytest.mark.parametrize("kind", KINDS)
def test_an_own_classifier_says_what_onnxruntime_says(tmp_path: Path, kind: str) -> None:
    nodes, constants = KINDS[kind]
    assert_same(own(tmp_path, nodes, constants))


def test_means_may_be_asked_for_by_an_input(tmp_path: Path) -> None:
    """So ONNX has it from its version 18 on."""
    nodes = [
        node("ReduceMean", ["x", "axes"], "a", keepdims=0),
        node("Gemm", ["a", "w", "b"], "o"),
        node("Sigmoid", ["o"], "y"),
    ]
    constants = {"axes": np.array([1], "i8"), "w": weights(96, 1), "b": weights(1)}
    assert_same(own(tmp_path, nodes, constants, embeddings=28, opset=18))


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("LSTM", node("LSTM", ["x"], "y")),
        ("Flatten at 0", node("Flatten", ["x"], "y", axis=0)),
        ("Cast to 16", node("Cast", ["x"], "y", to=16)),
    ],
)
def test_an_unknown_operation_is_named(tmp_path: Path, name: str, made: bytes) -> None:
    with pytest.raises(UnknownOperationError, match=name):
        Classifier(read(own(tmp_path, [made], {})))


def test_something_else_than_a_classifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadModelError, match="it takes"):
        Classifier(read(wake_models() / models.FEATURES["embedding"].file))
    with pytest.raises(BadModelError, match="not one score"):
        Classifier(read(own(tmp_path, [node("Flatten", ["x"], "y")], {})))


@pytest.mark.parametrize(
    "nodes",
    [
        [node("If", ["c"], "y", then_branch=1, else_branch=2)],
        [node("Constant", [], "y", value=3)],
        [node("ReduceMean", ["none"], "y", axes=[0])],
    ],
    ids=["branches that are none", "a constant that is none", "a mean of nothing"],
)
def test_what_no_training_makes_is_refused(tmp_path: Path, nodes: list[bytes]) -> None:
    """Before it hears anything: a reload to it must not end the daemon."""
    with pytest.raises(BadModelError, match="cannot be computed"):
        Classifier(read(own(tmp_path, nodes, {"c": np.array([True]), "none": np.zeros((0, 3), "f4")})))
