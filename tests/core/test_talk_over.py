"""Somebody who speaks when a reply ends is heard from the beginning, or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from speakerd.core.talk_over import HISTORY_FRAMES, Sounds, levels_dbfs, opening
from speakerd.core.units import Frames

STEP = 480
BEGIN = 24_000
"""Where the levels begin, in wire frames."""

ROOM, LOUD, ECHO = -65.0, -30.0, -20.0
LEAD, PAUSE, SURE = 250 * 24, 15, 8

Run = tuple[float, int]


def levels(*runs: Run) -> np.ndarray:
    """Return levels: each run so loud, for so many steps."""
    return np.concatenate([np.zeros(0), *(np.full(steps, dbfs) for dbfs, steps in runs)])


def talk(steps: int, at_dbfs: float = LOUD) -> tuple[Run, ...]:
    """Return somebody who speaks for so many steps, in syllables."""
    return tuple((at_dbfs - (12.0 if step % 8 >= 6 else 0.0), 1) for step in range(steps))


def sounds(*runs: Run, playing: int = 0, near: np.ndarray | None = None, noise_dbfs: float = ROOM) -> Sounds:
    """Return what was heard; the loudspeaker played for the first so many steps, and was not heard itself."""
    clean = levels(*runs)
    far = levels((ECHO, playing), (-120.0, len(clean) - playing))
    return Sounds(Frames(BEGIN), clean, clean if near is None else near, far, noise_dbfs)


def at(step: int) -> Frames:
    """Return the frame where a step begins."""
    return Frames(BEGIN + step * STEP)


def test_begins_at_the_end_of_the_echo_when_nobody_speaks() -> None:
    """It is told 160 ms behind it, and what begins softly there is not cut."""
    heard = sounds((ROOM, 50 + SURE), playing=50)
    assert opening(heard, at(50)) == at(50 + SURE - PAUSE)
    assert opening(sounds((ROOM, 50 + SURE - 1), playing=50), at(50)) is None


def test_is_not_decided_while_an_echo_may_still_come() -> None:
    """However quiet it was until now."""
    assert opening(sounds((ROOM, 100), playing=50), at(100)) is None
    assert opening(sounds((ROOM, 100), playing=50), at(300)) is None


def test_begins_a_little_before_somebody_who_speaks_over_the_end() -> None:
    """In the pause before the first word; it is told once a syllable has risen behind the echo."""
    heard = sounds((ROOM, 40), *talk(40), playing=60)
    assert opening(heard, at(60)) == at(40) - LEAD


def test_a_stop_in_a_word_is_no_pause() -> None:
    """The silence before a "t" is shorter, wherever the reply ends."""
    for gap in (50, 56, 60, 64):
        heard = sounds((ROOM, 40), *talk(gap - 40), (ROOM, 8), *talk(60), playing=60)
        assert opening(heard, at(60)) == at(40) - LEAD


def test_waits_for_a_pause_when_the_beginning_is_not_found() -> None:
    """What the canceller let through reaches up to the words: those are not sent, the next sentence is."""
    assert opening(sounds(*talk(100), playing=60), at(60)) is None
    assert opening(sounds(*talk(100), (ROOM, PAUSE - 1), playing=60), at(60)) is None
    assert opening(sounds(*talk(100), (ROOM, PAUSE), playing=60), at(60)) == at(100)


def test_what_ended_with_the_reply_was_its_echo() -> None:
    """What was let through is not sent, although it began behind a pause."""
    heard = sounds((ROOM, 20), *talk(45), (ROOM, PAUSE), playing=60)
    assert opening(heard, at(66)) == at(65)


def test_where_there_is_no_echo_a_last_word_is_enough() -> None:
    """Who spoke for 120 ms and 40 of them behind the reply is sent, from the beginning; else it could be an echo."""
    heard = sounds((ROOM, 20), *talk(42), (ROOM, 3), playing=60)
    assert opening(heard, at(60), echo_free=True) == at(20) - LEAD
    assert opening(heard, at(60)) is None
    assert opening(heard, at(61), echo_free=True) is None
    assert opening(sounds((ROOM, 57), *talk(5), playing=60), at(60), echo_free=True) is None
    assert opening(sounds((ROOM, 57), *talk(6), playing=60), at(60), echo_free=True) == at(57) - LEAD


def test_an_echo_that_dies_away_late_is_nobody() -> None:
    """A room rings for longer than was thought: it only grows quieter, and nothing of it is sent."""
    tail = tuple((LOUD - 1.5 * step, 1) for step in range(20))
    assert opening(sounds((ROOM, 40), (LOUD, 20), *tail, playing=60), at(60)) is None
    assert opening(sounds((ROOM, 40), (LOUD, 20), *tail, (ROOM, PAUSE), playing=60), at(60)) >= at(73)


def test_a_sound_that_never_rises_is_there_to_stay() -> None:
    """A fan that starts over the reply's end is let through from its beginning, after half a second."""
    assert opening(sounds((ROOM, 40), (-40.0, 44), playing=60), at(60)) is None
    assert opening(sounds((ROOM, 40), (-40.0, 45), playing=60), at(60)) == at(40) - LEAD


def test_a_click_is_nobody() -> None:
    """What is loud for less than 120 ms is waited out."""
    heard = sounds((ROOM, 60), (ROOM, 2), (LOUD, 2), (ROOM, 2), (LOUD, 3), playing=60)
    assert opening(heard, at(60)) is None


def test_what_is_loud_is_told_from_the_rooms_noise() -> None:
    """Noise is no speech, and speech stands out of it by as much as the echo's judge asks for."""
    assert opening(sounds((-42.0, 80), playing=60, noise_dbfs=-42.0), at(60)) == at(60 + SURE - PAUSE)
    heard = sounds((-42.0, 40), *talk(40, -10.0), playing=60, noise_dbfs=-42.0)
    assert opening(heard, at(60)) == at(40) - LEAD


@pytest.mark.parametrize(("echo_dbfs", "begin", "whole"), [(-20.0, 50, False), (-30.0, 50, True), (-20.0, 68, True)])
def test_words_that_a_loud_echo_was_taken_out_of_are_not_sent(echo_dbfs: float, begin: int, whole: bool) -> None:
    """The canceller takes words with an echo louder than they are, and for a moment longer; not those behind that."""
    near = levels((echo_dbfs, 60), *talk(40))
    heard = sounds((ROOM, begin), *talk(100 - begin), playing=60, near=near)
    assert opening(heard, at(60)) == (at(begin) - LEAD if whole else None)
    hidden = sounds((ROOM, 67), *talk(33), playing=60, near=levels((-20.0, 60), (ROOM, 7), *talk(33)))
    assert opening(hidden, at(60)) is None


def test_the_echo_of_a_reply_that_was_spoken_over_from_its_beginning_is_judged_by_all_of_it() -> None:
    """There is no moment of it alone."""
    near = levels((ROOM, 20), (-12.0, 40), *talk(20))
    heard = Sounds(
        Frames(BEGIN),
        levels((ROOM, 20), *talk(60)),
        near,
        levels((-120.0, 20), (ECHO, 40), (-120.0, 20)),
        ROOM,
    )
    assert opening(heard, at(60)) is None


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
)
@example(before=[(False, 30)], spoken=60, gaps=8, offset=10, behind=40)
def test_a_sentence_is_whole_or_missing(
    before: list[tuple[bool, int]], spoken: int, gaps: int, offset: int, behind: int
) -> None:
    """Story: leaks and pauses, then a sentence with stops in it; at no moment is it cut in the middle."""
    leaks = [(LOUD if leak else ROOM, steps) for leak, steps in before]
    begin = sum(steps for _, steps in leaks)
    sentence = [run for start in range(0, spoken, 10) for run in (*talk(min(10, spoken - start)), (ROOM, gaps))]
    ended = begin + min(offset, spoken)
    everything = levels(*leaks, *sentence, (ROOM, behind))
    end_of_sentence = begin + sum(steps for _, steps in sentence) - gaps
    for now in range(ended, len(everything) + 1):
        far = np.where(np.arange(now) < ended, ECHO, -120.0)
        found = opening(Sounds(Frames(BEGIN), everything[:now], everything[:now], far, ROOM), at(ended))
        if found is not None:
            assert found <= at(begin) or found >= at(end_of_sentence) - 1
            assert found >= BEGIN - LEAD
            break


def test_it_is_known_from_how_far_back_levels_are_needed() -> None:
    """Two seconds before the reply's end, and the pause before that."""
    assert HISTORY_FRAMES == 2300 * 24
