"""Counting is the daemon's own trigger over kept scores: what is missed, what is false, how late, and the curve."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.bench.accuracy_count import (
    CHUNK_S,
    CURVE,
    SWEEP,
    Point,
    Trial,
    best_within,
    count,
    curve,
    fires,
    judge,
)
from speakerd.core.wake_gate import WakeTrigger

WORD = "hey_jarvis"
LEAD = 10
SCORES = st.lists(st.floats(0, 1, width=32), min_size=LEAD + 1, max_size=60)


def trial(scores: list[float], word: str | None = WORD, end_s: float | None = None, name: str = "clip") -> Trial:
    """A trial whose clip begins after ``LEAD`` chunks and is all the rest."""
    column = np.array(scores, np.float32)[:, None]
    clip_s = (len(scores) - LEAD) * CHUNK_S
    return Trial(name, word or "other", word, None, "quiet", clip_s, LEAD * CHUNK_S, (WORD,), column, end_s)


def spoken(*peaks: tuple[int, float], chunks: int = 60) -> list[float]:
    """Scores that are low but for some chunks, counted from the clip's beginning."""
    scores = [0.01] * chunks
    for index, score in peaks:
        scores[LEAD + index] = score
    return scores


def test_a_word_is_heard_at_the_end_of_the_chunk_that_reaches_the_threshold() -> None:
    """And is so late after the phrase; negative means before its end."""
    judged = judge(trial(spoken((4, 0.4), (5, 0.8), (6, 0.99)), end_s=0.5), 0.5, 2.0)
    assert judged.hit is not None
    assert judged.hit.at_s == pytest.approx(6 * CHUNK_S)
    assert judged.hit.score == pytest.approx(0.8)
    assert judged.late_s == pytest.approx(6 * CHUNK_S - 0.5)
    assert (judged.missed, judged.false, judged.again) == (False, (), 0)


def test_a_word_below_the_threshold_is_missed_and_its_best_place_is_told() -> None:
    """So that somebody can listen to it there."""
    one = trial(spoken((4, 0.4), (5, 0.45)))
    judged = judge(one, 0.5, 2.0)
    assert judged.missed
    assert judged.late_s is None
    assert one.peak == (pytest.approx(0.45), pytest.approx(6 * CHUNK_S))


def test_one_utterance_counts_once_and_a_second_one_neither_way() -> None:
    """The refractory time is the daemon's."""
    judged = judge(trial(spoken((4, 0.8), (6, 0.9), (45, 0.9))), 0.5, 2.0)
    assert judged.hit is not None
    assert (judged.again, judged.false) == (1, ())


def test_what_fires_in_the_room_before_a_clip_is_false_in_any_case() -> None:
    """And makes the daemon deaf for the word that follows at once."""
    scores = spoken((3, 0.9))
    scores[LEAD - 2] = 0.9
    judged = judge(trial(scores), 0.5, 2.0)
    assert judged.missed
    assert [fire.at_s for fire in judged.false] == [pytest.approx(-CHUNK_S)]


def test_other_sounds_are_counted_by_the_hour_and_by_the_clip() -> None:
    """The room around them is no time in which anything was said."""
    twice = judge(trial(spoken((1, 0.9), (45, 0.9)), word=None), 0.5, 2.0)
    quiet = judge(trial(spoken(), word=None), 0.5, 2.0)
    counted = count([twice, quiet])
    assert (counted.negatives, counted.taken, counted.false, counted.positives) == (2, 1, 2, 0)
    assert counted.hours == pytest.approx(100 * CHUNK_S / 3600)
    assert counted.false_per_h == pytest.approx(2 / counted.hours)
    assert counted.false_per_h_at_most == pytest.approx(6.296 / counted.hours, rel=1e-3)
    assert counted.taken_rate == 0.5
    assert counted.taken_range == pytest.approx((0.0126, 0.9874), abs=1e-4)
    assert (counted.miss_rate, counted.miss_range, counted.late_median_s, counted.late_90_s) == (None, None, None, None)


def test_without_other_sounds_nothing_can_be_false() -> None:
    """Nor is it told as a rate of 0."""
    counted = count([judge(trial(spoken((1, 0.9)), end_s=0.1), 0.5, 2.0)])
    assert (counted.false_per_h, counted.false_per_h_at_most, counted.taken_rate, counted.taken_range) == (None,) * 4
    assert counted.late_median_s == counted.late_90_s == pytest.approx(2 * CHUNK_S - 0.1)
    assert curve([trial(spoken((1, 0.9)))], 2.0) == []


def test_latency_has_its_middle_and_nine_of_ten() -> None:
    """By nearest rank: one of the values."""
    counted = count(judge(trial(spoken((index, 0.9)), end_s=0.0), 0.5, 2.0) for index in range(10))
    assert counted.late_median_s == pytest.approx(5.5 * CHUNK_S)
    assert counted.late_90_s == pytest.approx(9 * CHUNK_S)


def test_any_configured_word_wakes_the_speaker() -> None:
    """A clip of one that is taken for another is not missed."""
    both = trial(spoken((4, 0.2)))
    scores = np.hstack((both.scores, np.roll(np.array(spoken((5, 0.9)), np.float32)[:, None], 0)))
    judged = judge(dataclasses.replace(both, words=(WORD, "alexa"), scores=scores), 0.5, 2.0)
    assert judged.hit is not None
    assert judged.hit.word == "alexa"


@given(SCORES, st.floats(0.05, 1.0), st.floats(0.0, 3.0))
def test_a_threshold_over_kept_scores_fires_as_the_trigger_does(
    scores: list[float], threshold: float, refractory_s: float
) -> None:
    """The chunks that are left out make no difference."""
    one = trial(scores, word=None)
    trigger = WakeTrigger(threshold, refractory_s)
    whole = [
        index
        for index, score in enumerate(one.scores[:, 0].tolist())
        if trigger.process({WORD: score}, CHUNK_S, playing=False) is not None
    ]
    assert [round((fire.at_s + one.lead_s) / CHUNK_S) - 1 for fire in fires(one, threshold, refractory_s)] == whole


@given(st.lists(SCORES, min_size=1, max_size=8), st.lists(SCORES, min_size=1, max_size=4))
def test_a_curve_has_rates_and_agrees_with_the_count_at_each_threshold(
    said: list[list[float]], other: list[list[float]]
) -> None:
    """In the thresholds' order, within what rates can be."""
    trials = [trial(scores) for scores in said] + [trial(scores, word=None) for scores in other]
    points = curve(trials, 2.0, [0.9, 0.2, 0.5])
    assert [point.threshold for point in points] == [0.2, 0.5, 0.9]
    for point in points:
        counted = count(judge(one, point.threshold, 2.0) for one in trials)
        assert (point.miss_rate, point.false_per_h) == (counted.miss_rate, counted.false_per_h)
        assert 0 <= point.miss_rate <= 1
        assert point.false_per_h >= 0


@given(st.lists(SCORES, min_size=1, max_size=8))
def test_a_higher_threshold_never_hears_a_word_more(said: list[list[float]]) -> None:
    """Where the room before the clip is quiet."""
    trials = [trial([0.0] * LEAD + scores[LEAD:]) for scores in said]
    misses = [count(judge(one, threshold, 2.0) for one in trials).misses for threshold in CURVE]
    assert misses == sorted(misses)


@given(
    st.lists(st.builds(Point, st.floats(0.1, 0.9), st.floats(0, 1), st.floats(0, 50)), max_size=12), st.floats(0, 50)
)
def test_the_best_threshold_is_one_that_was_measured(points: list[Point], allowed: float) -> None:
    """No other that is allowed misses fewer."""
    best = best_within(points, allowed)
    fitting = [point for point in points if point.false_per_h <= allowed]
    assert (best is None) == (not fitting)
    if best is not None:
        assert best in fitting
        assert all(best.miss_rate <= point.miss_rate for point in fitting)


def test_the_curve_passes_every_threshold_of_the_table() -> None:
    """And is dense near 0 and 1 only, within what a configuration may say."""
    assert set(SWEEP) <= set(CURVE)
    assert list(CURVE) == sorted(set(CURVE))
    assert 0.04 < CURVE[0] < CURVE[-1] < 1.0
    assert math.isclose(CURVE[-1], 0.999, abs_tol=0.001)
