"""When a word ended, by how long its score stays: counted in steps and parts of them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.core.word_fade import FADED, HEY_JARVIS, since_end_s, stays


def test_a_score_that_falls_at_once_stayed_for_a_part_of_a_step() -> None:
    """Half way in log-odds, half a step."""
    assert stays(0.5, [FADED**2, 0.0, 0.9]) == pytest.approx(0.5, abs=0.01)


def test_the_last_fall_counts() -> None:
    """A score that dips once and comes back has not faded; two low ones in a row end it."""
    assert 3 < stays(0.6, [0.9, 0.001, 0.9, 0.0, 0.0]) < 4
    assert 1 < stays(0.6, [0.9, 0.001, 0.001, 0.9, 0.9]) < 2


def test_no_more_scores_are_taken_than_are_needed() -> None:
    """Each costs the work of a chunk."""
    taken = []
    stays(0.9, (taken.append(score) or score for score in itertools.chain([0.9, 0.9], itertools.repeat(0.0))))
    assert taken == [0.9, 0.9, 0.0, 0.0]


def test_a_word_that_never_fades_is_given_up() -> None:
    """After eleven steps, even if there were more."""
    assert stays(0.9, itertools.repeat(1.0)) == 11.0


def test_scores_that_end_early_are_taken_as_they_are() -> None:
    """What was heard is all that is known."""
    assert stays(0.9, []) == 0.0
    assert stays(0.9, [0.9]) == 1.0


@given(st.floats(FADED, 1.0), st.lists(st.floats(0.0, 1.0), max_size=14))
def test_whatever_the_scores_the_answer_is_within_the_steps(score: float, following: list[float]) -> None:
    """It is never negative, and never beyond what was listened to."""
    assert 0.0 <= stays(score, following) <= min(len(following), 11)


def test_the_longer_the_score_stays_the_later_the_word_ended() -> None:
    """Half a second ago when it fades at once; soon when it stays for ten chunks."""
    assert since_end_s(HEY_JARVIS, 0.0) == pytest.approx(0.551)
    assert since_end_s(HEY_JARVIS, 0.8) == pytest.approx(-0.089)
