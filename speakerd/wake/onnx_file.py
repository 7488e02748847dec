"""Reads a network out of an ONNX file: its nodes, its weights, its inputs and outputs, without any package.

An ONNX file is one protocol-buffer message. Of its hundred kinds of fields those are read that a network for inference
on the CPU is made of; whatever else is in there is passed over. What a node computes is not known here.

Source: onnx.proto of ONNX 1.13, and the wire format of protocol buffers (field = varint of number << 3 | wire type).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Tensor = npt.NDArray[Any]
Made = TypeVar("Made")

_DTYPES = {1: "<f4", 6: "<i4", 7: "<i8", 9: "?", 11: "<f8"}
"""Element types by ONNX's numbers, those that are read (specified)."""

_TYPED_FIELDS = {4: "<f4", 5: "<i4", 7: "<i8", 10: "<f8"}
"""Where a tensor's elements stand when they do not stand in ``raw_data`` (specified)."""

# Field numbers of the messages (specified), read as MESSAGE_FIELD.
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 5, 11, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_OP_TYPE, _NODE_ATTRIBUTE = 1, 2, 4, 5
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW_DATA = 1, 2, 8, 9
_VALUE_NAME, _VALUE_TYPE, _TYPE_TENSOR, _TENSOR_SHAPE, _SHAPE_DIM, _DIM_VALUE = 1, 2, 1, 2, 1, 1

_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
"""How a field is written: wire types of protocol buffers (specified)."""

_MORE = 0x80
"""The bit of a varint's byte that says that another one follows (specified)."""


class BadModelError(Exception):
    """The file is not an ONNX network, or holds what cannot be read."""


@dataclass(frozen=True, slots=True)
class Node:
    """One operation."""

    op: str
    """What it does, in ONNX's terms."""

    inputs: tuple[str, ...]
    """Names of what it takes; an empty name is an optional input that is not given."""

    outputs: tuple[str, ...]
    """Names of what it makes."""

    attributes: dict[str, Any] = field(default_factory=dict)
    """Numbers, lists of integers, tensors and graphs by name."""


@dataclass(frozen=True, slots=True)
class Graph:
    """A network, in the order in which it is computed."""

    nodes: tuple[Node, ...]
    """Its operations."""

    constants: dict[str, Tensor]
    """Its weights by name."""

    inputs: dict[str, tuple[int | None, ...]]
    """Shapes by name, weights left out; None: any length."""

    outputs: tuple[str, ...]
    """Names of its results."""


def read(path: Path) -> Graph:
    """Read a network.

    Raises:
        BadModelError: it is none.
        OSError: the file cannot be read.
    """
    data = path.read_bytes()
    try:
        graphs = [value for number, value in _fields(data) if number == _MODEL_GRAPH and isinstance(value, bytes)]
        if len(graphs) != 1:
            raise BadModelError(f"{path} is not an ONNX model")
        return _graph(graphs[0])
    except (IndexError, ValueError, KeyError, OverflowError, RecursionError, struct.error) as error:
        raise BadModelError(f"{path} is not an ONNX model that can be read: {error!r}") from error


def load(path: Path, make: Callable[[Graph], Made]) -> Made:
    """Make something of a network's file.

    Raises:
        BadModelError: it is no network, or not one that it can be made of.
        OSError: the file cannot be read.
    """
    try:
        return make(read(path))
    except (BadModelError, KeyError, ValueError, IndexError, TypeError) as error:
        raise BadModelError(f"{path}: {error}") from error


def _graph(data: bytes) -> Graph:
    nodes: list[Node] = []
    constants: dict[str, Tensor] = {}
    inputs: dict[str, tuple[int | None, ...]] = {}
    outputs: list[str] = []
    for number, value in _messages(data):
        if number == _GRAPH_NODE:
            nodes.append(_node(value))
        elif number == _GRAPH_INITIALIZER:
            name, tensor = _tensor(value)
            constants[name] = tensor
        elif number == _GRAPH_INPUT:
            name, shape = _value_info(value)
            inputs[name] = shape
        elif number == _GRAPH_OUTPUT:
            outputs.append(_value_info(value)[0])
    return Graph(
        tuple(nodes),
        constants,
        {name: shape for name, shape in inputs.items() if name not in constants},
        tuple(outputs),
    )


def _node(data: bytes) -> Node:
    inputs, outputs, attributes, op = [], [], {}, ""
    for number, value in _messages(data):
        if number == _NODE_INPUT:
            inputs.append(value.decode())
        elif number == _NODE_OUTPUT:
            outputs.append(value.decode())
        elif number == _NODE_OP_TYPE:
            op = value.decode()
        elif number == _NODE_ATTRIBUTE:
            name, content = _attribute(value)
            attributes[name] = content
    return Node(op, tuple(inputs), tuple(outputs), attributes)


def _attribute(data: bytes) -> tuple[str, Any]:
    name, content, integers = "", None, []
    for number, value in _fields(data):
        match number, value:
            case 1, bytes():
                name = value.decode()
            case 2, bytes():
                (content,) = struct.unpack("<f", value)
            case 3, int():
                content = _signed(value)
            case 4, bytes():
                content = value
            case 5, bytes():
                content = _tensor(value)[1]
            case 6, bytes():
                content = _graph(value)
            case 8, _:
                integers += _integers(value)
            case _:
                pass
    return name, integers or content


def _tensor(data: bytes) -> tuple[str, Tensor]:
    name, shape, kind, raw, typed = "", [], 0, None, []
    for number, value in _fields(data):
        if number == _TENSOR_DIMS:
            shape += _integers(value)
        elif number == _TENSOR_TYPE and isinstance(value, int):
            kind = value
        elif number == _TENSOR_NAME and isinstance(value, bytes):
            name = value.decode()
        elif number == _TENSOR_RAW_DATA and isinstance(value, bytes):
            raw = value
        elif number in _TYPED_FIELDS:
            typed += _elements(number, value)
    dtype = np.dtype(_DTYPES[kind])
    flat = np.frombuffer(raw, dtype) if raw is not None else np.array(typed, dtype)
    return name, flat.reshape(shape)


def _elements(number: int, value: int | bytes) -> list[Any]:
    if number in (5, 7):
        return _integers(value)
    if isinstance(value, int):
        raise ValueError(f"elements of {_TYPED_FIELDS[number]} as one integer")  # noqa: TRY004 - the file's fault
    return list(np.frombuffer(value, _TYPED_FIELDS[number]))


def _value_info(data: bytes) -> tuple[str, tuple[int | None, ...]]:
    """Return the name and the shape of a ValueInfoProto."""
    name, shape = "", []
    for number, value in _messages(data):
        if number == _VALUE_NAME:
            name = value.decode()
        elif number == _VALUE_TYPE:
            for tensor in _inner(value, _TYPE_TENSOR):
                for dims in _inner(tensor, _TENSOR_SHAPE):
                    shape = [_dimension(dim) for dim in _inner(dims, _SHAPE_DIM)]
    return name, tuple(shape)


def _dimension(data: bytes) -> int | None:
    return next((value for number, value in _fields(data) if number == _DIM_VALUE and isinstance(value, int)), None)


def _inner(data: bytes, wanted: int) -> list[bytes]:
    return [value for number, value in _messages(data) if number == wanted]


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Go through the fields that have a length: messages, texts, bytes."""
    return ((number, value) for number, value in _fields(data) if isinstance(value, bytes))


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Go through a message's fields: numbers as integers, everything else as bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        wire = key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if wire == _BYTES:
            length, at = _varint(data, at)
        elif wire in (_EIGHT_BYTES, _FOUR_BYTES):
            length = 8 if wire == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"wire type {wire} at byte {at}")
        if at + length > len(data):
            raise ValueError("it ends in the middle of a field")
        yield key >> 3, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & ~_MORE) << shift
        shift += 7
        if byte < _MORE:
            return value, at


def _integers(value: int | bytes) -> list[int]:
    """Return one integer, or a packed list of them."""
    if isinstance(value, int):
        return [_signed(value)]
    integers, at = [], 0
    while at < len(value):
        integer, at = _varint(value, at)
        integers.append(_signed(integer))
    return integers


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
