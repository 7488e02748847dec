"""A wake word's classifier on numpy: some embeddings in, one score out.

The networks that openWakeWord's training makes are a few layers of plain arithmetic. Their operations are computed here
one after the other, as ONNX describes them; a network with any other operation is refused, and needs onnxruntime.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from speakerd.wake.onnx_file import BadModelError, Graph, Node, Tensor
from speakerd.wake.shapes import EMBEDDING_WIDTH

Float32 = npt.NDArray[np.float32]
Values = dict[str, Tensor]
Operation = Callable[..., Any]
Step = tuple[Operation, tuple[str, ...], str]

_DTYPES = {1: np.float32, 6: np.int32, 7: np.int64, 9: np.bool_, 10: np.float16, 11: np.float64}
"""What ``Cast`` may turn a tensor into, by ONNX's numbers (specified)."""

_SQUARE = 2.0
"""The one exponent that these networks use."""

_LARGEST_EXPONENT = np.float32(88.0)
"""Its exponential is a number that float32 still holds, and the score below it is 0 to 38 digits."""

_NORMALISATION = ("ReduceMean", "Sub", "Pow", "ReduceMean", "Add", "Sqrt", "Div", "Mul", "Add")
"""The nodes of a normalisation, in this order, in the classifiers of openWakeWord's training (measured)."""

_LAST_AXIS = {"axes": [-1]}
"""What its means are taken over."""


class UnknownOperationError(Exception):
    """The network is made of something that is not computed here."""


class Classifier:
    """One wake word's network. Thread: any, one at a time.

    Args:
        graph: The network.

    Raises:
        BadModelError: it does not turn embeddings into one score.
        UnknownOperationError: it needs an engine that knows every operation.

    Attributes:
        embeddings: How many embeddings it looks at.
    """

    def __init__(self, graph: Graph) -> None:
        shapes = list(graph.inputs.values())
        match shapes:
            case [(_, int(embeddings), 96)] if embeddings > 0:
                self.embeddings = embeddings
            case _:
                raise BadModelError(f"it takes {shapes}, not some embeddings of {EMBEDDING_WIDTH} numbers")
        (self._input,) = graph.inputs
        self._program, found = _tried(graph, np.zeros((1, self.embeddings, EMBEDDING_WIDTH), np.float32))
        if found != [(1, 1)]:
            raise BadModelError(f"it gives {found}, not one score")

    def score(self, embeddings: Float32) -> float:
        """Return how much the word was just said, 0 to 1. Shape: (embeddings, 96), the newest last."""
        return float(self._program.run({self._input: embeddings[None]})[0].item())


def _tried(graph: Graph, nothing: Float32) -> tuple[_Program, list[tuple[int, ...]]]:
    """Return the program of a graph, and the shapes of what it makes of nothing."""
    (name,) = graph.inputs
    try:
        program = _Program(graph)
        return program, [result.shape for result in program.run({name: nothing})]
    except (AttributeError, ArithmeticError) as error:  # a number where a tensor or a graph should stand, or no number
        raise BadModelError(f"it cannot be computed: {error}") from error


class _Program:
    """A graph, each node of it a function that is ready to be called; a branch may use what stands outside of it."""

    def __init__(self, graph: Graph) -> None:
        self._constants: Values = dict(graph.constants)
        self._outputs = graph.outputs
        self._steps: list[Step] = []
        for node in graph.nodes:
            if node.op == "Constant":
                self._constants[node.outputs[0]] = node.attributes["value"]
        nodes = [node for node in graph.nodes if node.op != "Constant"]
        while nodes:
            step = _normalisation(nodes, graph.outputs, self._constants)
            del nodes[: len(_NORMALISATION) - 1 if step else 0]
            node = nodes.pop(0)
            self._steps.append(step or (_operation(node), node.inputs, node.outputs[0]))

    def run(self, given: Mapping[str, Tensor]) -> list[Tensor]:
        values: Values = {**given, **self._constants}
        for operation, inputs, output in self._steps:
            if isinstance(operation, _If):
                values[output] = operation.run(values[inputs[0]], values)
            else:
                values[output] = operation(*[values[name] for name in inputs])
        return [values[name] for name in self._outputs]


class _If:
    """One of two graphs, by a condition."""

    def __init__(self, node: Node) -> None:
        self._then, self._else = (_Program(node.attributes[name]) for name in ("then_branch", "else_branch"))

    def run(self, condition: Tensor, values: Values) -> Tensor:
        return (self._then if condition.all() else self._else).run(values)[0]

    def __call__(self) -> None:
        raise AssertionError("a branch is run with what stands outside of it")


class _Normalisation:
    """A layer's numbers, moved and stretched to a mean of 0 and a deviation of 1, then scaled and moved as learnt.

    openWakeWord's training writes it as nine nodes; on a small board they are a third of the classifier's instructions.
    """

    def __init__(self, epsilon: Tensor) -> None:
        self._epsilon = epsilon
        self._share: Tensor = np.zeros(0, np.float32)

    def __call__(self, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        if len(self._share) != x.shape[-1]:
            self._share = np.full(x.shape[-1], 1 / x.shape[-1], x.dtype)
        centred = x - np.dot(x, self._share)[..., None]  # half the instructions of a mean
        deviation = np.sqrt(np.dot(centred * centred, self._share) + self._epsilon)
        normal: Tensor = centred / deviation[..., None] * scale + bias
        return normal


def _normalisation(nodes: Sequence[Node], outputs: Sequence[str], constants: Values) -> Step | None:
    """Return one step in place of the nine nodes of a normalisation; None: the next nodes are something else."""
    nodes, others = nodes[: len(_NORMALISATION)], nodes[len(_NORMALISATION) :]
    if tuple(node.op for node in nodes) != _NORMALISATION:
        return None
    mean, centred, square, variance, added, _, normal, scaled, moved = nodes
    x, exponent, epsilon = mean.inputs[0], constants.get(square.inputs[1]), constants.get(added.inputs[1])
    made = [node.outputs[0] for node in nodes]
    is_one = (
        [node.inputs[0] for node in nodes] == [x, x, made[1], made[2], made[3], made[4], made[1], made[6], made[7]]
        and (centred.inputs[1], normal.inputs[1]) == (made[0], made[5])
        and all(node.attributes == _LAST_AXIS for node in (mean, variance))
        and exponent is not None
        and exponent.tolist() == _SQUARE
        and not {*made[:-1]} & {*outputs, *_taken_by(others)}
    )
    if not is_one or epsilon is None:
        return None
    return _Normalisation(epsilon), (x, scaled.inputs[1], moved.inputs[1]), made[-1]


def _taken_by(nodes: Sequence[Node]) -> Iterator[str]:
    """Return the names of what nodes take, those in their branches included."""
    for node in nodes:
        yield from node.inputs
        for value in node.attributes.values():
            if isinstance(value, Graph):
                yield from _taken_by(value.nodes)
                yield from value.outputs


def _operation(node: Node) -> Operation:
    """Return the function that computes a node."""
    if node.op == "If":
        return _If(node)
    if node.op in _PLAIN:
        return _PLAIN[node.op]
    if node.op in _MADE:
        return _MADE[node.op](node.attributes)
    raise UnknownOperationError(node.op)


def _flatten(given: Mapping[str, Any]) -> Operation:
    if given.get("axis", 1) != 1:
        raise UnknownOperationError(f"Flatten at {given['axis']}")
    return lambda x: x.reshape(len(x), -1)


def _gemm(given: Mapping[str, Any]) -> Operation:
    alpha, beta = np.float32(given.get("alpha", 1.0)), np.float32(given.get("beta", 1.0))
    turned_a, turned_b = bool(given.get("transA", 0)), bool(given.get("transB", 0))
    plain = alpha == beta == 1.0

    def compute(a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
        product: Tensor = np.dot(a.T if turned_a else a, b.T if turned_b else b)
        if not plain:
            product = alpha * product
            c = None if c is None else beta * c
        return product if c is None else product + c

    return compute


def _reduce_mean(given: Mapping[str, Any]) -> Operation:
    axes = given.get("axes")
    keeps = bool(given.get("keepdims", 1))

    def compute(x: Tensor, late_axes: Tensor | None = None) -> Tensor:
        chosen = axes if late_axes is None else late_axes.tolist()
        axis: tuple[int, ...] = tuple(range(x.ndim)) if chosen is None else tuple(chosen)
        total: Tensor = x.sum(axis, keepdims=True)
        mean: Tensor = total * x.dtype.type(total.size / x.size)  # three times as fast as numpy's own for so few
        return mean if keeps else np.squeeze(mean, axis)

    return compute


def _layer_normalization(given: Mapping[str, Any]) -> Operation:
    axis, epsilon = given.get("axis", -1), np.float32(given.get("epsilon", 1e-5))

    def compute(x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
        axes = tuple(range(axis % x.ndim, x.ndim))
        centred = x - x.mean(axes, keepdims=True)
        normal: Tensor = centred / np.sqrt((centred * centred).mean(axes, keepdims=True) + epsilon) * scale
        return normal if bias is None else normal + bias

    return compute


def _cast(given: Mapping[str, Any]) -> Operation:
    if given["to"] not in _DTYPES:
        raise UnknownOperationError(f"Cast to {given['to']}")
    dtype = _DTYPES[given["to"]]
    return lambda x: x.astype(dtype)


def _pow(x: Tensor, exponent: Tensor) -> Tensor:
    return np.square(x) if exponent.size == 1 and exponent.item() == _SQUARE else np.power(x, exponent).astype(x.dtype)


def _sigmoid(x: Tensor) -> Tensor:
    return 1 / (1 + np.exp(np.minimum(-x, _LARGEST_EXPONENT)))


_PLAIN: dict[str, Operation] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "MatMul": np.matmul,
    "Pow": _pow,
    "Sqrt": np.sqrt,
    "Relu": lambda x: np.maximum(x, 0),
    "Sigmoid": _sigmoid,
    "Tanh": np.tanh,
    "Identity": lambda x: x,
    "Dropout": lambda x, *_: x,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "Reshape": lambda x, shape: x.reshape(shape.tolist()),
}
"""Operations without attributes, by ONNX's names."""

_MADE: dict[str, Callable[[Mapping[str, Any]], Operation]] = {
    "Flatten": _flatten,
    "Gemm": _gemm,
    "ReduceMean": _reduce_mean,
    "LayerNormalization": _layer_normalization,
    "Cast": _cast,
}
"""Operations with attributes: what makes the function out of them."""
