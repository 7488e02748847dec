"""Writes small ONNX files, for networks that nobody has published."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

_DTYPES = {np.dtype("f4"): 1, np.dtype("i4"): 6, np.dtype("i8"): 7, np.dtype("?"): 9, np.dtype("f8"): 11}


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def message(field: int, data: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(data)) + data


def text(field: int, value: str) -> bytes:
    return message(field, value.encode())


def tensor(value: np.ndarray, name: str = "", *, typed: bool = False) -> bytes:
    """A tensor, its elements as raw bytes or, for floats and long integers, as a typed list."""
    head = b"".join(number(1, size) for size in value.shape) + number(2, _DTYPES[value.dtype]) + text(8, name)
    if not typed:
        return head + message(9, value.tobytes())
    if value.dtype == np.dtype("f4"):
        return head + message(4, value.tobytes())
    return head + message(7, b"".join(varint(int(each)) for each in value.ravel()))


def attribute(name: str, value: object) -> bytes:
    """An attribute; its ``type`` is what onnxruntime goes by."""
    match value:
        case float():
            return text(1, name) + varint(2 << 3 | 5) + struct.pack("<f", value) + number(20, 1)
        case int():
            return text(1, name) + number(3, value) + number(20, 2)
        case np.ndarray():
            return text(1, name) + message(5, tensor(value)) + number(20, 4)
        case str():
            return text(1, name) + text(4, value) + number(20, 3)
        case bytes():  # a graph
            return text(1, name) + message(6, value) + number(20, 5)
        case _:
            return text(1, name) + b"".join(number(8, each) for each in value) + number(20, 7)


def node(op: str, inputs: Sequence[str], output: str, **attributes: object) -> bytes:
    return (
        b"".join(text(1, name) for name in inputs)
        + text(2, output)
        + text(4, op)
        + b"".join(message(5, attribute(name, value)) for name, value in attributes.items())
    )


def value_info(name: str, shape: Sequence[int | str]) -> bytes:
    dims = b"".join(message(1, number(1, dim) if isinstance(dim, int) else text(2, dim)) for dim in shape)
    return text(1, name) + message(2, message(1, number(1, 1) + message(2, dims)))


def graph(
    nodes: Sequence[bytes],
    constants: Mapping[str, np.ndarray],
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Mapping[str, Sequence[int | str]],
    *,
    typed: bool = False,
) -> bytes:
    return b"".join(
        [message(1, each) for each in nodes]
        + [text(2, "g")]
        + [message(5, tensor(value, name, typed=typed)) for name, value in constants.items()]
        + [message(11, value_info(name, shape)) for name, shape in inputs.items()]
        + [message(12, value_info(name, shape)) for name, shape in outputs.items()]
    )


def write(path: Path, data: bytes, opset: int = 17) -> Path:
    path.write_bytes(number(1, 8) + message(7, data) + message(8, number(2, opset)))
    return path
