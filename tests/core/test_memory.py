"""What is remembered of a conversation, and how much of a reply that was cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.core.memory import ELLIPSIS, MAX_CHARACTERS, MAX_TURNS, Memory, Said, heard_part
from speakerd.core.units import ItemId, Ms

Q, A, B = ItemId("item_q"), ItemId("item_a"), ItemId("item_b")
REPLY = "The sun stands high above the roofs."

WORDS = st.lists(st.text("abcäß.,", min_size=1, max_size=9), max_size=30).map(" ".join)


def test_what_was_said_comes_back_in_order_until_it_is_too_old() -> None:
    """Messages are handed on oldest first, each for as many minutes as was asked."""
    memory = Memory(minutes=1)
    memory.said("user", " What time is it? ", 100.0)
    memory.said("assistant", "Noon.", 102.0)
    assert memory.recent(159.9) == (Said("user", "What time is it?"), Said("assistant", "Noon."))
    assert memory.recent(160.0) == (Said("assistant", "Noon."),)
    assert memory.recent(162.0) == ()


def test_zero_minutes_remember_nothing() -> None:
    """Who wants no memory has none, not even for a moment."""
    memory = Memory(minutes=0)
    memory.said("user", "Hello.", 5.0)
    memory.expect(Q, 5.0)
    memory.cut(A, Ms(1), Ms(2))
    assert memory.recent(5.0) == ()


def test_the_users_words_take_their_place_before_the_reply() -> None:
    """What the user said is written down after the reply has come, and stands before it all the same."""
    memory = Memory(minutes=10)
    memory.expect(Q, 1.0)
    memory.said("assistant", "Noon.", 3.0, A)
    assert memory.recent(4.0) == (Said("assistant", "Noon."),)
    memory.said("user", "What time is it?", 4.0, Q)
    memory.expect(Q, 5.0)
    assert memory.recent(5.0) == (Said("user", "What time is it?"), Said("assistant", "Noon."))


@pytest.mark.parametrize("cut_first", [True, False])
def test_a_reply_is_remembered_as_far_as_it_was_heard(*, cut_first: bool) -> None:
    """A cut counts whether the words came before or after it; a second one only shortens; other replies stay."""
    memory = Memory(minutes=10)
    if cut_first:
        memory.cut(A, Ms(500), Ms(1000))
    memory.said("assistant", REPLY, 1.0, A)
    if not cut_first:
        memory.cut(A, Ms(500), Ms(1000))
    memory.said("assistant", REPLY, 1.0, B)
    heard = Said("assistant", "The sun stands…")
    assert memory.recent(2.0) == (heard, Said("assistant", REPLY))
    memory.cut(A, Ms(900), Ms(1000))
    assert memory.recent(2.0)[0] == heard
    memory.cut(A, Ms(0), Ms(1000))
    assert memory.recent(2.0) == (Said("assistant", REPLY),)


def test_forgetting_leaves_nothing() -> None:
    """After forget() nothing said or cut before counts."""
    memory = Memory(minutes=10)
    memory.said("assistant", REPLY, 1.0, A)
    memory.cut(A, Ms(0), Ms(1000))
    memory.forget()
    assert memory.recent(1.0) == ()
    memory.said("assistant", REPLY, 1.0, A)
    assert memory.recent(1.0) == (Said("assistant", REPLY),)


def test_only_the_last_cuts_are_kept() -> None:
    """Cuts of replies whose words never come do not pile up."""
    memory = Memory(minutes=10)
    for number in range(1000):
        memory.cut(ItemId(f"item_{number}"), Ms(0), Ms(1000))
    assert len(memory._cuts) == MAX_TURNS


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text(max_size=3000)), max_size=60))
def test_memory_is_bounded_and_never_skips(messages: list[tuple[str, str]]) -> None:
    """The story of a talkative evening: what is handed on is the unbroken end of it, within all bounds."""
    memory = Memory(minutes=10)
    for second, (role, text) in enumerate(messages):
        memory.said(role, text, float(second))
    recent = memory.recent(float(len(messages)))
    assert len(recent) <= MAX_TURNS
    assert sum(len(said.text) for said in recent) <= MAX_CHARACTERS
    assert len(memory._entries) <= MAX_TURNS
    spoken = [Said(role, text.strip()) for role, text in messages if text.strip()]
    assert list(recent) == spoken[len(spoken) - len(recent) :]
    if spoken and messages[-1][1].strip():
        assert recent


def test_a_message_beyond_all_bounds_is_shortened() -> None:
    """Even one message alone cannot be longer than everything together may be; its beginning counts."""
    memory = Memory(minutes=10)
    memory.said("user", "word " * MAX_CHARACTERS, 1.0)
    (said,) = memory.recent(1.0)
    assert len(said.text) <= MAX_CHARACTERS
    assert said.text.startswith("word word")
    assert said.text.endswith("word" + ELLIPSIS)


def test_what_is_said_again_is_remembered_once() -> None:
    """What the user has said since the last reply is forgotten, written down or not; what was answered stays."""
    memory = Memory(minutes=10)
    memory.withdraw()
    for role, text in (
        ("user", "Who are you?"),
        ("assistant", "A speaker."),
        ("user", "What time"),
        ("user", "is it?"),
    ):
        memory.said(role, text, 1.0)
    memory.expect(ItemId("item_5"), 1.0)
    memory.withdraw()
    assert memory.recent(2.0) == (Said("user", "Who are you?"), Said("assistant", "A speaker."))


@given(WORDS, st.integers(-10, 4000), st.integers(-10, 3000))
def test_a_heard_part_never_says_more_than_was_heard(text: str, heard_ms: int, whole_ms: int) -> None:
    """The story of an interruption: whole words of the beginning, no more than their share, marked as cut."""
    part = heard_part(text, Ms(heard_ms), Ms(whole_ms))
    if heard_ms >= whole_ms > 0:
        assert part == text
        return
    assert part == "" or part.endswith(ELLIPSIS)
    words = part.removesuffix(ELLIPSIS)
    assert text.startswith(words)
    assert len(words) * max(1, whole_ms) <= len(text) * max(0, heard_ms)
    assert part == "" or whole_ms > 0
    if " " in text:
        assert words.split() == text.split()[: len(words.split())]


@given(WORDS, st.integers(0, 1000), st.integers(0, 1000))
def test_hearing_more_never_remembers_less(text: str, one_ms: int, other_ms: int) -> None:
    """The part of a longer hearing begins with the part of a shorter one."""
    less, more = (
        heard_part(text, Ms(heard_ms), Ms(1000)).removesuffix(ELLIPSIS) for heard_ms in sorted((one_ms, other_ms))
    )
    assert more.startswith(less)


def test_a_language_without_spaces_is_cut_at_a_character() -> None:
    """Half of a reply without spaces is half of its characters."""
    assert heard_part("今天天气很好。", Ms(500), Ms(1000)) == "今天天" + ELLIPSIS


def test_another_span_holds_for_what_was_said_already() -> None:
    """Shorter forgets at once, longer remembers again; nothing was thrown away."""
    memory = Memory(minutes=10)
    memory.said("user", "Hello.", 0.0)
    memory.use(1)
    assert memory.recent(100.0) == ()
    memory.use(10)
    assert memory.recent(100.0) == (Said("user", "Hello."),)
