"""Where a wake word ends: a pause behind it is found, and nothing is cut where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from speakerd.core.word_tail import (
    BREATH_LEAD_FRAMES,
    CONTEXT_FRAMES,
    EARLY_FRAMES,
    LATE_FRAMES,
    SEARCH_FRAMES,
    Tail,
    pause_lasts,
    search_begin,
    word_tail,
)

MS = 16


def scene(*parts: tuple[float, int]) -> np.ndarray:
    """Return noise of some loudness for some milliseconds each, as (dBFS, ms)."""
    noise = np.random.default_rng(7)
    return np.concatenate(
        [noise.normal(0, 32768 * 10 ** (dbfs / 20), ms * MS) for dbfs, ms in parts] or [np.zeros(0)]
    ).astype(np.int16)


def frames(tail: Tail | None) -> int:
    """Return how much of a word is cut where a pause was found."""
    assert tail is not None
    assert tail.pause == tail.begin
    return tail.begin


def breath(tail: Tail | None) -> int:
    """Return where the uplink begins in one breath."""
    assert tail is not None
    assert tail.pause is None
    return tail.begin


ROOM, WORD = -60.0, -20.0


@pytest.mark.parametrize("room_dbfs", [-90.0, -60.0, -40.0])
@pytest.mark.parametrize("tail_ms", [0, 100, 240, 380])
def test_a_pause_behind_the_word_is_found_where_it_begins(room_dbfs: float, tail_ms: int) -> None:
    """Wherever in the search the word ends, in a quiet room and in a loud one."""
    heard = scene((room_dbfs, 1500), (WORD, 500 + tail_ms), (room_dbfs, 600))
    assert frames(word_tail(heard, CONTEXT_FRAMES)) == tail_ms * MS


def test_a_sentence_in_one_breath_is_sent_from_before_the_search_on() -> None:
    """Speech that goes on is known as soon as a pause could no longer begin in time: 120 ms behind the detection."""
    heard = scene((ROOM, 1500), (WORD, 500), (WORD, 420))
    assert breath(word_tail(heard, CONTEXT_FRAMES)) == -BREATH_LEAD_FRAMES
    assert word_tail(heard[: -10 * MS], CONTEXT_FRAMES) is None


def test_a_stop_consonant_is_no_pause() -> None:
    """The silence inside a "t" is shorter."""
    heard = scene((ROOM, 1500), (WORD, 600), (ROOM, 190), (WORD, 600))
    assert breath(word_tail(heard, CONTEXT_FRAMES)) == -BREATH_LEAD_FRAMES


@pytest.mark.parametrize("quiet_ms", [0, 20, 190])
def test_a_pause_that_is_not_over_is_waited_for(quiet_ms: int) -> None:
    """As long as it may yet become one, nothing is decided."""
    heard = scene((ROOM, 1500), (WORD, 700), (ROOM, quiet_ms))
    assert word_tail(heard, CONTEXT_FRAMES) is None


def test_the_wait_ends_310_ms_behind_the_detection() -> None:
    """A pause that begins at the last moment is known 200 ms later."""
    search_ms = SEARCH_FRAMES // MS
    heard = scene((ROOM, 1500), (WORD, 500 + search_ms), (ROOM, 200))
    assert frames(word_tail(heard, CONTEXT_FRAMES)) == SEARCH_FRAMES
    assert word_tail(heard[: -10 * MS], CONTEXT_FRAMES) is None


def test_a_pause_at_once_cuts_nothing() -> None:
    """A button pressed in a quiet room: the uplink begins where it was asked to."""
    assert frames(word_tail(scene((ROOM, 3000)), CONTEXT_FRAMES)) == 0


ENDED = CONTEXT_FRAMES + 300 * MS
"""Told for a word that ends 300 ms behind the place of ``search_at``."""


def test_a_told_end_bounds_the_search_on_both_sides() -> None:
    """A pause counts from 250 ms before the told end to 120 ms behind it; later it is one behind a command."""
    search_at = CONTEXT_FRAMES
    assert search_begin(search_at, ENDED) == ENDED - EARLY_FRAMES
    assert search_begin(search_at, None) == search_at
    for ends_ms, is_found in ((-250, True), (0, True), (90, True), (110, False)):
        heard = scene((ROOM, 1500), (WORD, 800 + ends_ms), (ROOM, 700))
        tail = word_tail(heard, search_at, ENDED)
        assert tail is not None
        assert (tail.pause is not None) == is_found
        if is_found:
            assert tail.pause == (300 + ends_ms) * MS


@pytest.mark.parametrize(("ended_ms", "begin_ms"), [(-150, -420), (69, -201), (71, -200), (200, -200)])
def test_one_breath_begins_before_the_told_end_and_never_later_than_without(ended_ms: int, begin_ms: int) -> None:
    """However late the word was detected, it stands before the command."""
    heard = scene((ROOM, 1500), (WORD, 1500))
    assert breath(word_tail(heard, CONTEXT_FRAMES, CONTEXT_FRAMES + ended_ms * MS)) == begin_ms * MS


def test_with_a_told_end_one_breath_is_known_sooner() -> None:
    """Speech that goes on 120 ms behind the told end goes on for good."""
    ended = CONTEXT_FRAMES + 200 * MS
    heard = scene((ROOM, 1500), (WORD, 700 + LATE_FRAMES // MS + 10))
    assert breath(word_tail(heard, CONTEXT_FRAMES, ended)) == -BREATH_LEAD_FRAMES
    assert word_tail(heard[: -10 * MS], CONTEXT_FRAMES, ended) is None


def test_a_told_end_never_makes_the_wait_longer() -> None:
    """Who is told an end that is yet to come waits for the pause as long as without."""
    heard = scene((ROOM, 1500), (WORD, 920))
    late = CONTEXT_FRAMES + SEARCH_FRAMES
    assert breath(word_tail(heard, CONTEXT_FRAMES, late)) == -BREATH_LEAD_FRAMES
    later = late + EARLY_FRAMES
    longer = scene((ROOM, 1500), (WORD, 1200))
    assert breath(word_tail(longer, CONTEXT_FRAMES, later)) == -BREATH_LEAD_FRAMES


@pytest.mark.parametrize(("early_ms", "begins_ms"), [(-100, 0), (40, 0), (80, 40), (140, 100), (240, 100)])
def test_the_uplink_begins_where_a_soft_end_has_died_away(early_ms: int, begins_ms: int) -> None:
    """In a pause that begins before the told end, up to 100 ms further on; the pause itself begins where it does."""
    ended = CONTEXT_FRAMES + 300 * MS
    heard = scene((ROOM, 1500), (WORD, 800 - early_ms), (ROOM, 700))
    tail = word_tail(heard, CONTEXT_FRAMES, ended)
    assert tail is not None
    assert tail.pause == (300 - early_ms) * MS
    assert tail.begin - tail.pause == begins_ms * MS


def test_a_word_told_to_end_before_the_microphone_began() -> None:
    """There is nothing before the first frame."""
    heard = scene((WORD, 1000))
    assert breath(word_tail(heard, 300 * MS, 100 * MS)) == -470 * MS


@pytest.mark.parametrize("before_ms", [0, 7, 100, 900])
def test_little_before_the_word_is_enough(before_ms: int) -> None:
    """A word said right after the start is cut as well, to the 10 ms."""
    heard = scene((ROOM, before_ms), (WORD, 300), (ROOM, 600))
    assert frames(word_tail(heard, before_ms * MS)) == pytest.approx(300 * MS, abs=10 * MS)


def test_digital_silence_is_quiet() -> None:
    """A microphone that delivers nothing but zeros does no harm."""
    assert word_tail(np.zeros(CONTEXT_FRAMES + 16_000, np.int16), CONTEXT_FRAMES) is not None


def test_a_pause_of_400_ms_waits_for_us() -> None:
    """Until then nothing is said; then it is."""
    room = scene((ROOM, 400))
    assert pause_lasts(room[:-1], ROOM + 6) is None
    assert pause_lasts(room, ROOM + 6) is True


def test_a_comma_is_no_lasting_pause() -> None:
    """Who goes on after 200 ms does not wait for us, and no chime may lie over it."""
    assert pause_lasts(scene((ROOM, 200), (WORD, 60)), ROOM + 6) is False


def test_speech_after_a_lasting_pause_comes_too_late() -> None:
    """What is said later does not undo it."""
    assert pause_lasts(scene((ROOM, 400), (WORD, 200)), ROOM + 6) is True
