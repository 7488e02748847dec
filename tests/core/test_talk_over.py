"""Somebody who speaks when a reply ends is heard from the beginning, or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from speakerd.core.talk_over import HISTORY_FRAMES, Opening, Sounds, levels_dbfs, opening
from speakerd.core.units import Frames

STEP = 480
BEGIN = 24_000
"""Where the levels begin, in wire frames."""

ROOM, LOUD = -65.0, -30.0
LEAD, PAUSE, SURE, RELEASE = 250 * 24, 15, 8, 8

Run = tuple[float, int]


def levels(*runs: Run) -> np.ndarray:
    """Return levels: each run so loud, for so many steps."""
    return np.concatenate([np.zeros(0), *(np.full(steps, dbfs) for dbfs, steps in runs)])


def talk(steps: int, at_dbfs: float = LOUD) -> tuple[Run, ...]:
    """Return somebody who speaks for so many steps, in syllables."""
    return tuple((at_dbfs - (12.0 if step % 8 >= 6 else 0.0), 1) for step in range(steps))


def sounds(
    *runs: Run, whole: np.ndarray | None = None, near: np.ndarray | None = None, noise_dbfs: float = ROOM
) -> Sounds:
    """Return what was heard; as long as nothing else is said, no canceller has changed it."""
    clean = levels(*runs)
    whole = clean if whole is None else whole
    return Sounds(Frames(BEGIN), clean, whole, whole if near is None else near, noise_dbfs)


def at(step: int) -> Frames:
    """Return the frame where a step begins."""
    return Frames(BEGIN + step * STEP)


def person(step: int) -> Opening:
    """Return the opening for somebody whose first step is this."""
    return Opening(Frames(at(step) - LEAD), spoken_over=True)


def pause(step: int) -> Opening:
    """Return the opening where nobody speaks."""
    return Opening(at(step), spoken_over=False)


def test_begins_at_the_end_of_the_echo_when_nobody_speaks() -> None:
    """It is told 160 ms behind it, and what begins softly there is not cut."""
    heard = sounds((ROOM, 50 + SURE))
    assert opening(heard, at(50)) == pause(50 + SURE - PAUSE)
    assert opening(sounds((ROOM, 50 + SURE - 1)), at(50)) is None


def test_is_not_decided_while_an_echo_may_still_come() -> None:
    """However quiet it was until now."""
    assert opening(sounds((ROOM, 100)), at(100)) is None
    assert opening(sounds((ROOM, 100)), at(300)) is None


def test_begins_a_little_before_somebody_who_speaks_over_the_end() -> None:
    """In the pause before the first word; it is told once a syllable has risen behind the echo."""
    heard = sounds((ROOM, 40), *talk(40))
    assert opening(heard, at(60)) == person(40)


def test_a_stop_in_a_word_is_no_pause() -> None:
    """The silence before a "t" is shorter, wherever the reply ends."""
    for gap in (50, 56, 60, 64):
        heard = sounds((ROOM, 40), *talk(gap - 40), (ROOM, 8), *talk(60))
        assert opening(heard, at(60)) == person(40)


def test_waits_for_a_pause_when_the_beginning_is_not_found() -> None:
    """What the canceller let through reaches up to the words: those are not sent, the next sentence is."""
    assert opening(sounds(*talk(100)), at(60)) is None
    assert opening(sounds(*talk(100), (ROOM, PAUSE - 1)), at(60)) is None
    assert opening(sounds(*talk(100), (ROOM, PAUSE)), at(60)) == pause(100)


def test_what_ended_with_the_reply_was_its_echo() -> None:
    """What was let through is not sent, although it began behind a pause."""
    heard = sounds((ROOM, 20), *talk(45), (ROOM, PAUSE))
    assert opening(heard, at(66)) == pause(65)


def test_where_there_is_no_echo_a_last_word_is_enough() -> None:
    """Who spoke for 120 ms and 40 of them behind the reply is sent, from the beginning; else it could be an echo."""
    heard = sounds((ROOM, 20), *talk(42), (ROOM, RELEASE))
    assert opening(heard, at(60), echo_free=True) == person(20)
    assert opening(heard, at(60)) is None
    assert opening(heard, at(61), echo_free=True) is None
    assert opening(sounds((ROOM, 57), *talk(5), (ROOM, RELEASE)), at(60), echo_free=True) is None
    assert opening(sounds((ROOM, 57), *talk(6), (ROOM, RELEASE)), at(60), echo_free=True) == person(57)


def test_an_echo_that_dies_away_late_is_nobody() -> None:
    """A room rings for longer than was thought: it only grows quieter, and nothing of it is sent."""
    tail = tuple((LOUD - 1.5 * step, 1) for step in range(20))
    assert opening(sounds((ROOM, 40), (LOUD, 20), *tail), at(60)) is None
    assert opening(sounds((ROOM, 40), (LOUD, 20), *tail, (ROOM, PAUSE)), at(60)) == pause(74)


def test_a_sound_that_never_rises_is_there_to_stay() -> None:
    """A fan that starts over the reply's end is let through from its beginning, after half a second."""
    assert opening(sounds((ROOM, 40), (-40.0, 44)), at(60)) is None
    assert opening(sounds((ROOM, 40), (-40.0, 45)), at(60)) == person(40)


def test_a_click_is_nobody() -> None:
    """What is loud for less than 120 ms is waited out."""
    heard = sounds((ROOM, 60), (ROOM, 2), (LOUD, 2), (ROOM, 2), (LOUD, 3))
    assert opening(heard, at(60)) is None


def test_what_is_loud_is_told_from_the_rooms_noise() -> None:
    """Noise is no speech, and speech stands out of it by as much as the echo's judge asks for."""
    assert opening(sounds((-42.0, 80), noise_dbfs=-42.0), at(60)) == pause(60 + SURE - PAUSE)
    heard = sounds((-42.0, 40), *talk(40, -10.0), noise_dbfs=-42.0)
    assert opening(heard, at(60)) == person(40)


def test_words_that_the_canceller_took_are_found_in_what_the_linear_one_left() -> None:
    """The beginning is there, however little of it is left behind the other, and the rest of the echo is not."""
    near = levels((ROOM, 20), (-20.0, 40), *talk(40))
    whole = levels((ROOM, 20), (LOUD - 14, 20), *talk(60))
    assert opening(sounds((ROOM, 55), *talk(45), whole=whole, near=near), at(60)) == person(40)


@pytest.mark.parametrize(
    ("left_dbfs", "begin", "found"), [(-41.0, 30, None), (-41.0, 35, person(35)), (-39.0, 30, person(30))]
)
def test_a_beginning_that_may_be_an_echos_is_not_believed(left_dbfs: float, begin: int, found: Opening | None) -> None:
    """Of the echo 26 dB are taken out: 21 may be its words or theirs, but for a tenth of a second; 19 are theirs."""
    near = levels((-20.0, 60), *talk(40))
    whole = levels((-46.0, begin), (left_dbfs, 40 - begin), *talk(60))
    assert opening(sounds((ROOM, 55), *talk(45), whole=whole, near=near), at(60)) == found


def test_a_sentence_that_ends_quietly_is_as_loud_as_it_was_before() -> None:
    """What is left of the echo is less than 12 dB below its last words, but not below all that was let through."""
    near = levels((-20.0, 40), *talk(20), *talk(40, LOUD - 6))
    whole = levels((LOUD - 18, 40), *talk(20), *talk(40, LOUD - 6))
    heard = sounds((ROOM, 45), *talk(15), *talk(40, LOUD - 6), whole=whole, near=near)
    assert opening(heard, at(60)) == person(40)


def test_a_soft_first_sound_is_no_echo() -> None:
    """Nothing was taken out of it, so that there is nothing that the words behind it could be."""
    whole = levels((ROOM, 38), (LOUD - 14, 2), *talk(60))
    heard = sounds((ROOM, 59), *talk(1), *((LOUD, 1),) * 40, whole=whole)
    assert opening(heard, at(60)) == person(40)


@pytest.mark.parametrize("left_dbfs", [LOUD, LOUD - 10])
def test_a_beginning_that_does_not_stand_out_of_what_is_left_of_the_echo_is_not_known(left_dbfs: float) -> None:
    """Then nothing of the sentence is sent; the next one is."""
    whole = levels((left_dbfs, 40), *talk(60), (ROOM, PAUSE))
    heard = sounds((ROOM, 55), *talk(45), (ROOM, PAUSE), whole=whole)
    assert opening(heard, at(60)) == pause(100)


def test_what_is_left_of_the_echo_is_nobody_when_nobody_goes_on() -> None:
    """The other canceller knows better where nobody speaks."""
    whole = levels((LOUD, 60), (ROOM, SURE))
    assert opening(sounds((ROOM, 60 + SURE), whole=whole), at(60)) == pause(60 + SURE - PAUSE)


def test_a_first_word_right_behind_the_reply_is_no_pause() -> None:
    """The canceller goes on taking words for 160 ms: the microphone tells; and later it does no more."""
    whole = levels((ROOM, 60), *talk(40))
    assert opening(sounds((ROOM, 60 + SURE), whole=whole[: 60 + SURE]), at(60)) is None
    assert opening(sounds((ROOM, 69), *talk(31), whole=whole), at(60)) == person(69)
    rings = levels((ROOM, 60), (LOUD, 40))
    assert opening(sounds((ROOM, 100), whole=rings), at(60)) == pause(60 + RELEASE)


def test_a_person_is_sent_when_the_canceller_has_let_go() -> None:
    """What comes from then on has no holes."""
    for now, found in ((60 + RELEASE - 1, None), (60 + RELEASE, person(40))):
        assert opening(sounds((ROOM, 40), *talk(now - 40)), at(60), echo_free=True) == found


def test_levels_are_of_whole_steps() -> None:
    """Full scale is 0 dBFS, silence has a floor, and what is no whole step yet is left."""
    square = np.where(np.arange(STEP) % 2, 32767, -32768).astype(np.int16)
    pcm = np.concatenate((square, np.zeros(STEP + 100, np.int16)))
    assert levels_dbfs(pcm).tolist() == pytest.approx([0.0, -120.0], abs=0.01)


@given(
    before=st.lists(st.tuples(st.booleans(), st.integers(1, 30)), max_size=6),
    spoken=st.integers(20, 200),
    gaps=st.integers(0, 8),
    offset=st.integers(0, 60),
    behind=st.integers(0, 60),
    holes=st.sets(st.integers(0, 60), max_size=61),
)
@example(before=[(False, 30)], spoken=60, gaps=8, offset=10, behind=40, holes=set())
@example(before=[(False, 30)], spoken=100, gaps=2, offset=60, behind=40, holes=set(range(20)))
def test_a_sentence_is_whole_or_missing(
    *, before: list[tuple[bool, int]], spoken: int, gaps: int, offset: int, behind: int, holes: set[int]
) -> None:
    """Story: leaks and pauses, a sentence with stops in it, steps taken out of it; it is never cut in the middle."""
    leaks = [(LOUD if leak else ROOM, steps) for leak, steps in before]
    begin = sum(steps for _, steps in leaks)
    sentence = [run for start in range(0, spoken, 10) for run in (*talk(min(10, spoken - start)), (ROOM, gaps))]
    ended = begin + min(offset, spoken)
    whole = levels(*leaks, *sentence, (ROOM, behind))
    clean = whole.copy()
    clean[[begin + hole for hole in holes if begin + hole < ended]] = ROOM
    end_of_sentence = begin + sum(steps for _, steps in sentence) - gaps
    for now in range(ended, len(whole) + 1):
        found = opening(Sounds(Frames(BEGIN), clean[:now], whole[:now], whole[:now], ROOM), at(ended))
        if found is not None:
            everything = found.spoken_over and found.begin <= at(begin)
            from_step = max(0, found.begin - BEGIN) // STEP
            assert everything or (clean[from_step:end_of_sentence] == ROOM).all()
            assert found.begin >= BEGIN - LEAD
            break


def test_it_is_known_from_how_far_back_levels_are_needed() -> None:
    """Two seconds before the reply's end, and the pause before that."""
    assert HISTORY_FRAMES == 2300 * 24
