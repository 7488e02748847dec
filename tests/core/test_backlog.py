"""The backlog and its gate."""

from __future__ import annotations

import numpy as np
import pytest

from speakerd.core.backlog import GATES_KEPT, Backlog, DownlinkGate, Piece
from speakerd.core.units import ItemId, ResponseId

A, B = ItemId("item_a"), ItemId("item_b")
R, S = ResponseId("resp_r"), ResponseId("resp_s")


def piece(item_id: ItemId, first: int, frames: int) -> Piece:
    """Return audio whose frames count up."""
    return Piece(item_id, R, np.arange(first, first + frames).astype(np.int16))


def test_gives_audio_in_the_order_it_came_piece_by_piece() -> None:
    """A piece never holds frames of two items."""
    backlog = Backlog()
    backlog.append(piece(A, 0, 5))
    backlog.append(piece(B, 5, 2))
    taken = []
    while backlog:
        taken.append(backlog.take(3))
    assert [one.pcm.tolist() for one in taken] == [[0, 1, 2], [3, 4], [5, 6]]
    assert [one.item_id for one in taken] == [A, A, B]
    assert backlog.frames == 0


def test_the_head_is_what_comes_next() -> None:
    """An empty backlog has none; a part that was taken is not of it any more."""
    backlog = Backlog()
    assert backlog.head is None
    backlog.append(piece(A, 0, 4))
    backlog.take(3)
    assert backlog.head is not None
    assert (backlog.head.item_id, backlog.head.pcm.tolist(), backlog.frames) == (A, [3], 1)


def test_nothing_is_left_after_clearing() -> None:
    """A flushed backlog is empty."""
    backlog = Backlog()
    backlog.append(piece(A, 0, 5))
    backlog.clear()
    assert not backlog
    assert backlog.frames == 0
    with pytest.raises(IndexError):
        backlog.take(1)


def test_the_gate_knows_only_accepted_responses() -> None:
    """A response is shut out before it is accepted and after it is rejected."""
    gate = DownlinkGate()
    assert gate.of(R) is None
    gate.accept(R)
    assert gate.of(R) is not None
    assert gate.of(S) is None
    assert gate.of(None) is None
    gate.reject(R)
    gate.reject(R)
    assert gate.of(R) is None


def test_the_gate_forgets_the_oldest_of_many() -> None:
    """A thousand conversations leave no more than a handful of names."""
    gate = DownlinkGate()
    for n in range(1000):
        gate.accept(ResponseId(str(n)))
    assert [gate.of(ResponseId(str(n))) is not None for n in (999 - GATES_KEPT, 1000 - GATES_KEPT, 999)] == [
        False,
        True,
        True,
    ]


def test_all_is_complete_when_nothing_announced_is_left_open() -> None:
    """Only responses whose audio was spoken of count, and only until the stretch of playing ends."""
    gate = DownlinkGate()
    gate.accept(R)
    gate.accept(S)
    assert gate.all_complete
    one = gate.of(R)
    assert one is not None
    one.announced = True
    assert not gate.all_complete
    one.complete = True
    assert gate.all_complete
    one.complete = False
    gate.end_stretch()
    assert gate.all_complete
    assert not one.announced
