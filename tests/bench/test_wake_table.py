"""Scores are compared as the trigger judges them, and every limit is beside what was measured of stock."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.bench.figures import Verdict, holds
from speakerd.bench.proc import Memory
from speakerd.bench.wake_run import AWAKE, OPEN, OURS, STOCK, Start
from speakerd.bench.wake_sound import QUIET, SPEECH
from speakerd.bench.wake_table import PACED, ROWS, Agreement, Costs, agreement, detections, figures, format_engines

QUIETLY = np.full(100, 0.01)


def word(at: int, peak: float = 0.9) -> np.ndarray:
    """Return scores in which a word is heard from a chunk on."""
    scores = QUIETLY.copy()
    scores[at : at + 12] = peak
    return scores


def start(detected_s: float | None) -> Start:
    return Start(0.1, detected_s, 0.2, Memory(50.0, 30.0, 20.0))


def engines() -> dict[str, Costs]:
    """Return what just holds every limit."""
    ours, stock = Costs(starts=[start(0.5)]), Costs(starts=[start(1.5), start(1.6), start(1.5)])
    for room, cost, stocks in ((QUIET, 0.6, 30.0), (SPEECH, 6.0, 30.0), (PACED, 8.0, 40.0)):
        ours.note(room, cost / 100, 10.0)
        stock.note(room, stocks / 100, 10.0)
    ours.memory = stock.memory = Memory(60.0, 40.0, 20.0)
    return {OURS: ours, AWAKE: Costs(), STOCK: stock, OPEN: Costs(missing="nobody answers")}


SAME = Agreement(chunks=100, difference=1e-3, detections=4)


def test_equal_scores_agree() -> None:
    found = agreement(word(40), word(40))
    assert found == Agreement(chunks=100, difference=0.0, detections=1, differ=0, late_chunks=0)


def test_what_only_one_detected_counts() -> None:
    """On either side, and two words that lie apart are not one."""
    assert agreement(word(40), QUIETLY).differ == 1
    assert agreement(QUIETLY, word(40)).differ == 1
    assert agreement(word(10), word(70)).differ == 2


def test_a_detection_that_comes_later_is_the_same_one() -> None:
    found = agreement(word(42), word(40))
    assert (found.differ, found.late_chunks) == (0, 2)
    assert agreement(word(40), word(42)).late_chunks == -2


def test_what_was_slept_through_is_not_compared() -> None:
    """But a detection that was slept through is."""
    asleep = word(40)
    asleep[:30] = 0.0
    assert agreement(asleep, word(40), asleep_is_zero=True) == Agreement(70, 0.0, 1)
    assert agreement(asleep, word(40)).difference == pytest.approx(0.01)
    assert agreement(np.zeros(100), word(40), asleep_is_zero=True) == Agreement(0, 0.0, 1, 1)


def test_a_word_is_detected_once() -> None:
    assert detections(word(40)) == [40]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_every_trace_agrees_with_itself(scores: list[float]) -> None:
    found = agreement(np.array(scores), np.array(scores))
    assert (found.difference, found.differ, found.late_chunks) == (0.0, 0, 0)
    assert found.detections == len(detections(np.array(scores)))


def test_figures_at_their_limits_hold() -> None:
    rows = figures(engines(), SAME, SAME)
    assert holds(rows)
    assert sum(row.verdict is Verdict.PASS for row in rows) == len(rows) - 1
    (told,) = [row for row in rows if row.limit is None]
    assert (told.name.startswith(PACED), told.value) == (True, 20.0)


@pytest.mark.parametrize(("room", "cost"), [(QUIET, 0.7), (SPEECH, 6.1)])
def test_each_room_can_be_missed(room: str, cost: float) -> None:
    costs = engines()
    costs[OURS].cpu_ms_per_s[room] = [cost]
    (failed,) = [row.name for row in figures(costs, SAME, SAME) if row.verdict is Verdict.FAIL]
    assert failed.startswith(room)


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        (Agreement(difference=1.1e-3), "largest difference"),
        (Agreement(detections=3, differ=1), "only one made, of 3"),
        (Agreement(late_chunks=2), "latest"),
    ],
)
def test_scores_can_be_too_far_off(wrong: Agreement, part: str) -> None:
    for rows in (figures(engines(), wrong, SAME), figures(engines(), SAME, wrong)):
        failed = [row.name for row in rows if row.verdict is Verdict.FAIL]
        assert all(part in name for name in failed)
        assert len(failed) == (part != "latest" or rows[-1].value == 2)


def test_a_slow_start_is_missed() -> None:
    costs = engines()
    costs[OURS].starts = [start(0.51)]
    (failed,) = [row.name for row in figures(costs, SAME, SAME) if row.verdict is Verdict.FAIL]
    assert "first detection" in failed


def test_without_stock_nothing_passes_that_names_it() -> None:
    """Neither does a start in which no word was detected."""
    costs = engines()
    costs[STOCK] = Costs(starts=[start(None)])
    rows = figures(costs, None, None)
    assert holds(rows)
    assert [row.verdict for row in rows] == [Verdict.NOT_SHOWN] * len(rows)


def test_the_table_has_a_column_for_each_and_a_dash_where_nothing_is() -> None:
    lines = format_engines(engines()).splitlines()
    assert len(lines) == len(ROWS) + 1
    assert lines[0].split()[-4:] == ["speakerd", "gate", "off", "stock", "pyopen"][-4:]
    (quiet,) = [line for line in lines if line.startswith(QUIET)]
    assert quiet.split()[-5:] == ["0.60", "(1/50.0)", "-", "30.00", "-"]


def test_what_costs_more_than_stock_is_told_as_a_multiple() -> None:
    costs = engines()
    costs[OPEN].note(QUIET, 0.75, 10.0)
    assert "75.00 (2.5x)" in format_engines(costs)


def test_programs_are_told_everything() -> None:
    plain = engines()[STOCK].plain()
    assert plain["cpu_ms_per_s"][QUIET] == {"median": 30.0, "values": [30.0]}
    assert [each["detected_s"] for each in plain["starts"]] == [1.5, 1.6, 1.5]
    assert plain["memory_mb"] == {"resident": 60.0, "anonymous": 40.0, "file": 20.0}
    assert Costs(missing="gone").plain() == {"cpu_ms_per_s": {}, "starts": [], "memory_mb": None, "missing": "gone"}
