"""The pre-roll against a plain list."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.core.preroll import Preroll


def ramp(start: int, frames: int) -> np.ndarray:
    """Return frames that carry their own position."""
    return (np.arange(start, start + frames) % 30_000).astype(np.int16)


def test_starts_empty() -> None:
    """A new pre-roll holds nothing."""
    preroll = Preroll(10)
    assert (preroll.start, preroll.end) == (0, 0)
    assert preroll.read(0, 10).size == 0


def test_needs_room() -> None:
    """A pre-roll without room is a mistake."""
    with pytest.raises(ValueError, match="0 frames"):
        Preroll(0)


def test_keeps_the_newest_frames_at_their_positions() -> None:
    """Old frames make room, positions stay."""
    preroll = Preroll(10)
    preroll.append(ramp(0, 7))
    preroll.append(ramp(7, 8))
    assert (preroll.start, preroll.end) == (5, 15)
    assert preroll.read(0, 100).tolist() == list(range(5, 15))


def test_a_reading_is_a_copy() -> None:
    """What was read does not change when the ring goes on."""
    preroll = Preroll(4)
    preroll.append(ramp(0, 4))
    reading = preroll.read(0, 2)
    preroll.append(ramp(4, 4))
    assert reading.tolist() == [0, 1]


def test_frames_that_are_held_can_be_amended() -> None:
    """Also around the ring's end; those that are gone, or to come, are left out, and positions stay."""
    preroll = Preroll(10)
    preroll.append(ramp(0, 15))
    preroll.amend(8, -ramp(8, 4))
    assert preroll.read(5, 15).tolist() == [5, 6, 7, -8, -9, -10, -11, 12, 13, 14]
    preroll.amend(3, -ramp(3, 3))
    preroll.amend(14, -ramp(14, 3))
    assert preroll.read(5, 15).tolist() == [-5, 6, 7, -8, -9, -10, -11, 12, 13, -14]
    for gone_or_to_come in (0, 20):
        preroll.amend(gone_or_to_come, ramp(0, 2))
    assert preroll.read(5, 15).tolist() == [-5, 6, 7, -8, -9, -10, -11, 12, 13, -14]
    assert preroll.end == 15


@given(
    st.integers(1, 50),
    st.lists(st.integers(0, 120), max_size=20),
    st.integers(-10, 2500),
    st.integers(-10, 2500),
)
def test_any_reading_is_the_same_slice_of_all_that_came(
    capacity: int, blocks: list[int], from_frame: int, to_frame: int
) -> None:
    """Whatever the block sizes, a reading equals the slice of the whole stream, as far as it is held."""
    preroll = Preroll(capacity)
    whole = ramp(0, sum(blocks))
    position = 0
    for block in blocks:
        preroll.append(whole[position : position + block])
        position += block
    held = range(max(0, len(whole) - capacity), len(whole))
    assert (preroll.start, preroll.end) == (held.start, held.stop)
    expected = whole[max(from_frame, held.start) : max(min(to_frame, held.stop), 0)]
    assert preroll.read(from_frame, to_frame).tolist() == expected.tolist()
