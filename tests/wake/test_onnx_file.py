"""ONNX files, published ones and broken ones."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakerd.wake import models
from speakerd.wake.onnx_file import BadModelError, read
from tests.fakes.models import wake_models
from tests.fakes.onnx_writer import graph, message, node, number, text, varint, write


@pytest.fixture(scope="module")
def folder() -> Path:
    return wake_models()


@pytest.mark.parametrize("name", models.MODELS)
def test_a_published_model_is_read(folder: Path, name: str) -> None:
    """Every node's inputs are there when it is computed."""
    found = read(folder / models.MODELS[name].file)
    known = {*found.inputs, *found.constants}
    for each in found.nodes:
        assert set(each.inputs) <= known | {""}
        known |= set(each.outputs)
    assert set(found.outputs) <= known
    assert sum(value.size for value in found.constants.values()) > 1000


def test_the_shapes_of_inputs_are_told(folder: Path) -> None:
    assert read(folder / models.WORDS["hey_jarvis"].file).inputs == {"x.1": (1, 16, 96)}
    assert read(folder / models.FEATURES["embedding"].file).inputs == {"input_1": (None, 76, 32, 1)}


@pytest.mark.parametrize("typed", [False, True])
def test_weights_stand_in_bytes_or_in_lists(tmp_path: Path, typed: bool) -> None:
    weights = {"w": np.array([[1.5, -2.0]], "f4"), "shape": np.array([-1, 7], "i8")}
    data = graph([node("Identity", ["x"], "y")], weights, {"x": [1, "n"]}, {"y": [1, "n"]}, typed=typed)
    found = read(write(tmp_path / "m.onnx", data))
    assert found.inputs == {"x": (1, None)}
    assert {name: value.tolist() for name, value in found.constants.items()} == {"w": [[1.5, -2.0]], "shape": [-1, 7]}


def test_attributes_of_each_kind(tmp_path: Path) -> None:
    branch = graph([node("Identity", ["x"], "z")], {}, {}, {"z": [1]})
    made = node("Any", ["x"], "y", one=-3, real=0.25, some=[1, -1], table=np.array([2.0], "f4"), then=branch)
    # A list may be packed, and a text is kept as it is.
    more = message(5, text(1, "packed") + message(8, b"\x01\x02")) + message(5, text(1, "word") + message(4, b"same"))
    found = read(write(tmp_path / "m.onnx", graph([made + more], {}, {"x": [1]}, {"y": [1]}))).nodes[0].attributes
    assert (found["one"], found["real"], found["some"]) == (-3, 0.25, [1, -1])
    assert (found["packed"], found["word"], found["table"].tolist()) == ([1, 2], b"same", [2.0])
    assert found["then"].outputs == ("z",)


def test_what_it_does_not_know_is_passed_over(tmp_path: Path) -> None:
    """Fields of 4 and 8 bytes, a documentation, a version from the future."""
    extra = text(6, "made for a test") + b"\xa5\x06abcd" + b"\xa1\x06abcdefgh"
    data = graph([node("Identity", ["x"], "y")], {}, {"x": [1]}, {"y": [1]})
    path = write(tmp_path / "m.onnx", data)
    path.write_bytes(extra + number(99, 1) + path.read_bytes())
    assert len(read(path).nodes) == 1


LEAVES = st.one_of(
    st.binary(max_size=12),
    st.lists(st.integers(0, 2**64 - 1), max_size=3).map(lambda found: b"".join(varint(each) for each in found)),
)


def messages(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Fields with the numbers that are read, in which anything stands."""
    numbers = st.sampled_from([*range(1, 13), 20])
    fields = st.one_of(
        st.builds(message, numbers, inner),
        st.builds(number, numbers, st.one_of(st.integers(0, 12), st.integers(0, 2**64 - 1))),
        st.builds(lambda field, four: varint(field << 3 | 5) + four, numbers, st.binary(min_size=4, max_size=4)),
    )
    return st.lists(fields, max_size=6).map(b"".join)


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=200), messages(st.recursive(LEAVES, messages, max_leaves=30))))
def test_no_bytes_make_it_fail_otherwise(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Whatever a file holds, it is a network or said not to be one."""
    path = tmp_path_factory.getbasetemp() / "fuzz.onnx"
    for content in (data, message(7, data)):
        path.write_bytes(content)
        with contextlib.suppress(BadModelError):
            read(path)


def nested(depth: int) -> bytes:
    """A graph in a node in a graph, and so on."""
    data = b""
    for _ in range(depth):
        data = message(1, message(5, message(6, data)))
    return data


@pytest.mark.parametrize(
    "data",
    [
        message(5, number(2, 1) + number(4, 7)),
        message(5, number(2, 6) + number(5, 2**40)),
        nested(3000),
    ],
    ids=["a float as an integer", "an integer that is too large", "graphs without end"],
)
def test_what_no_program_writes_is_refused(tmp_path: Path, data: bytes) -> None:
    """In words, as any other file that is no network: a reload to it must not end the daemon."""
    path = tmp_path / "m.onnx"
    path.write_bytes(message(7, data))
    with pytest.raises(BadModelError):
        read(path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_half_a_file_is_refused(folder: Path, tmp_path: Path, share: float) -> None:
    whole = (folder / models.WORDS["alexa"].file).read_bytes()
    path = tmp_path / "half.onnx"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(BadModelError):
        read(path)


def test_a_tensor_of_an_unread_type_is_refused(tmp_path: Path) -> None:
    bad = message(5, number(2, 8) + text(8, "strings"))
    path = write(tmp_path / "m.onnx", bad)
    with pytest.raises(BadModelError, match="can be read"):
        read(path)
