"""Which frame stands where in a session's audio."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from speakerd.core.sent_frames import SentFrames
from speakerd.core.units import Frames, Ms

MS = 24
"""Frames a millisecond."""


def sent(*stretches: tuple[int, int | None]) -> SentFrames:
    """Return the places of a session that was sent these: how many milliseconds, and from which one on."""
    frames = SentFrames()
    for length_ms, first_ms in stretches:
        frames.add(length_ms * MS, None if first_ms is None else Frames(first_ms * MS))
    return frames


def test_a_session_counts_from_its_own_beginning() -> None:
    """The first frame that was sent stands at 0."""
    frames = sent((20, 5000), (20, 5020))
    assert [frames.at(Ms(place)) for place in (0, 15, 39, 40)] == [5000 * MS, 5015 * MS, 5039 * MS, None]


def test_what_is_not_sent_is_skipped() -> None:
    """Behind a gap the places go on, the frames jump."""
    frames = sent((20, 100), (20, 900))
    assert [frames.at(Ms(place)) for place in (19, 20)] == [119 * MS, 900 * MS]


def test_a_place_in_silence_is_the_first_frame_behind_it() -> None:
    """Nothing that was withheld belongs to what was heard; what was said in it goes out behind it."""
    frames = sent((20, 100), (300, None), (20, 250), (10, None))
    assert [frames.at(Ms(place)) for place in (25, 319, 320, 330)] == [250 * MS, 250 * MS, 250 * MS, 260 * MS]
    assert frames.at(Ms(340)) is None


def test_a_session_that_takes_over_is_sent_the_rest() -> None:
    """What had not left the old session is at the beginning of the new one."""
    frames = sent((20, 100), (20, None), (20, 500), (20, 520)).after(50 * MS)
    frames.add(20 * MS, Frames(540 * MS))
    assert [frames.at(Ms(place)) for place in (0, 30, 49)] == [510 * MS, 540 * MS, 559 * MS]
    assert sent((20, 100), (20, 300)).after(0).at(Ms(21)) == 301 * MS


STRETCHES = st.lists(st.tuples(st.integers(1, 50), st.one_of(st.none(), st.integers(0, 5000))), max_size=8)


@given(STRETCHES, st.integers(0, 450), st.integers(0, 400))
def test_the_map_is_a_list_of_all_that_was_sent(stretches: list[tuple[int, int | None]], place: int, gone: int) -> None:
    """Against a plain list: the frame at a place or the first one behind it, also for a session that takes over."""
    listed = [None if first is None else first + n for length, first in stretches for n in range(length)]
    gone = min(gone, len(listed))
    expected = next((ms for ms in listed[gone:][place:] if ms is not None), None)
    assert sent(*stretches).after(gone * MS).at(Ms(place)) == (None if expected is None else expected * MS)
