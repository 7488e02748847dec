"""The playhead against a plain model: what was heard, never more, never less, item by item."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.core.events import Heard
from speakerd.core.playhead import Playhead, played_frames
from speakerd.core.units import ItemId, Ms

A, B = ItemId("item_a"), ItemId("item_b")

ITEMS = st.sampled_from([ItemId(f"item_{n}") for n in range(4)])
SIZES = st.integers(0, 5000)
STORY = st.lists(
    st.one_of(
        st.tuples(st.just("received"), ITEMS, SIZES),
        st.tuples(st.just("handed_over"), st.one_of(st.none(), ITEMS), SIZES),
        st.tuples(st.just("heard"), st.none(), st.integers(-100, 40_000)),
        st.tuples(st.just("flush"), st.none(), st.just(0)),
    ),
    max_size=60,
)


def play(*sizes: tuple[ItemId | None, int]) -> Playhead:
    """Return a playhead that received and handed over everything given."""
    playhead = Playhead()
    for item_id, frames in sizes:
        if item_id is not None:
            playhead.received(item_id, frames)
        playhead.handed_over(item_id, frames)
    return playhead


def test_counts_whole_milliseconds_of_the_item_that_is_audible() -> None:
    """Heard time is rounded down to the millisecond."""
    playhead = play((A, 4800))
    playhead.heard(2423)
    assert playhead.unheard() == (Heard(A, Ms(100)),)


def test_forgets_an_item_that_was_wholly_heard() -> None:
    """Nothing is left to truncate of an item that has come out."""
    playhead = play((A, 480), (B, 480))
    playhead.heard(500)
    assert playhead.unheard() == (Heard(B, Ms(0)),)


def test_counts_each_item_from_its_own_beginning() -> None:
    """The second item's heard time does not hold the first one's."""
    playhead = play((A, 4800), (B, 4800))
    playhead.heard(4800 + 2400)
    assert playhead.unheard() == (Heard(B, Ms(100)),)


def test_names_items_that_still_wait_in_the_backlog() -> None:
    """An item of which nothing was handed over is unheard too."""
    playhead = play((A, 480))
    playhead.received(B, 480)
    assert playhead.unheard() == (Heard(A, Ms(0)), Heard(B, Ms(0)))


def test_an_earcon_moves_no_item() -> None:
    """Frames that belong to no item are heard without anybody's credit."""
    playhead = play((None, 480), (A, 480))
    playhead.heard(480 + 240)
    assert playhead.unheard() == (Heard(A, Ms(10)),)
    assert playhead.waiting_frames == 240


def test_an_item_that_ran_dry_goes_on_where_it_was() -> None:
    """More audio of an item that had been wholly heard is counted on top."""
    playhead = play((A, 480))
    playhead.heard(480)
    assert playhead.unheard() == ()
    playhead.received(A, 480)
    assert playhead.unheard() == (Heard(A, Ms(20)),)


def test_keeps_at_most_the_newest_of_items_that_are_over() -> None:
    """A day of replies leaves nothing behind."""
    playhead = Playhead()
    for n in range(100):
        playhead.received(ItemId(str(n)), 10)
        playhead.handed_over(ItemId(str(n)), 10)
        playhead.heard((n + 1) * 10)
    assert len(playhead._items) == 1
    assert not playhead._spans


def test_nothing_grows_after_a_flush() -> None:
    """Reports that arrive after a flush credit nobody."""
    playhead = play((A, 4800))
    playhead.flush()
    playhead.heard(4800)
    assert playhead.unheard() == ()
    assert playhead.handed_over_frames == 0


@pytest.mark.parametrize(
    ("queued", "tail", "elapsed_s", "expected"),
    [
        (960, 0, 0.0, 9040),  # all of the queue is content
        (960, 0, 0.01, 9520),  # 480 frames have come out since
        (960, 480, 0.0, 9520),  # half of the queue is silence behind the content
        (960, 5000, 0.0, 10_000),  # silence only
        (960, 0, 9.0, 10_000),  # long ago
        (960, 0, -1.0, 9040),  # a clock that was asked too early
        (20_000, 0, 0.0, 0),  # a card that claims to hold more than it was given
    ],
)
def test_played_frames_is_content_less_what_the_card_still_holds(
    queued: int, tail: int, elapsed_s: float, expected: int
) -> None:
    """Silence behind the content and time since the report are taken off the queue."""
    played = played_frames(
        content_frames=10_000, silence_tail_frames=tail, queued_frames=queued, elapsed_s=elapsed_s, rate_hz=48_000
    )
    assert played == expected


@given(STORY)
def test_any_story_is_monotone_bounded_and_sums_up(story: list[tuple[str, ItemId | None, int]]) -> None:
    """Per item heard never falls nor passes what was received; over all, it never passes what has come out."""
    playhead = Playhead()
    received: Counter[ItemId] = Counter()
    last: dict[ItemId, int] = {}
    handed = top = 0
    for name, item_id, frames in story:
        if name == "received":
            assert item_id is not None
            if item_id not in {heard.item_id for heard in playhead.unheard()}:
                last.pop(item_id, None)  # over, or never begun: it may start anew
                received[item_id] = 0
            received[item_id] += frames
            playhead.received(item_id, frames)
        elif name == "handed_over":
            playhead.handed_over(item_id, frames)
            handed += frames
        elif name == "heard":
            playhead.heard(frames)
            top = max(top, min(frames, handed))
        else:
            playhead.flush()
            received.clear()
            last.clear()
            handed = top = 0
        unheard = playhead.unheard()
        assert playhead.waiting_frames == handed - top
        assert sum(item.heard for item in playhead._items.values()) <= top or name != "heard"
        for item in unheard:
            assert item.heard_ms >= last.get(item.item_id, 0)
            last[item.item_id] = item.heard_ms
            state = playhead._items[item.item_id]
            assert item.heard_ms == state.heard * 1000 // 24_000
            assert state.heard < state.received


@given(st.lists(st.tuples(ITEMS, st.integers(1, 3000)), min_size=1, max_size=10), st.lists(st.integers(0, 40_000)))
def test_credit_of_all_items_is_what_has_come_out(pieces: list[tuple[ItemId, int]], reports: list[int]) -> None:
    """With everything received before it is played, no heard frame is lost or counted twice."""
    playhead = Playhead()
    for item_id, frames in pieces:
        playhead.received(item_id, frames)
    for item_id, frames in pieces:
        playhead.handed_over(item_id, frames)
    total = sum(frames for _, frames in pieces)
    for report in reports:
        playhead.heard(report)
    top = min(total, max(reports, default=0))
    assert sum(item.heard for item in playhead._items.values()) == top
    assert playhead.waiting_frames == total - top
