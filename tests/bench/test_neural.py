"""The neural tier's rows stand beside what was promised, measured or not."""

from __future__ import annotations

import numpy as np
import pytest

from speakerd.bench.figures import Figure, Verdict, holds
from speakerd.bench.neural import QUESTIONS, Answered, Measured, figures, wire_speech
from speakerd.embedded.brain import IntentBrain
from speakerd.embedded.parts import Heard, Prompt
from tests.fakes.embedded import NOW


def measured(**differs: object) -> Measured:
    """Return good figures with some that differ."""
    answered = [Answered("a", 700.0, right=True), Answered("b", 800.0, right=True), Answered("c", 2000.0, right=False)]
    good = {"ready_s": [2.0, 3.0], "answered": answered, "ready_mb": 310.0, "after_mb": 330.0, "peak_mb": 331.0}
    return Measured(**{**good, "cpu_ms_per_s": 140.0, **differs})  # type: ignore[arg-type]  # a test's shorthand


def row(rows: list[Figure], part: str) -> Figure:
    (found,) = [each for each in rows if part in each.name]
    return found


def test_the_middle_of_the_latencies_is_judged_and_not_the_worst() -> None:
    """As it was promised; the others are told."""
    rows = figures(measured())
    assert (row(rows, "median").value, row(rows, "median").verdict) == (800.0, Verdict.PASS)
    assert (row(rows, "same, most").value, row(rows, "same, most").verdict) == (2000.0, Verdict.NONE)
    assert row(rows, "right answers of 3").value == 2
    assert holds(rows)


@pytest.mark.parametrize(
    ("differs", "part"),
    [
        ({"ready_s": [2.0, 6.1, 2.0]}, "spawn -> ready"),
        ({"ready_mb": 501.0}, "memory, ready"),
        ({"after_mb": 501.0}, "memory, after"),
        ({"peak_mb": 501.0}, "memory, the most"),
        ({"answered": [Answered("a", 900.1, right=True)]}, "median"),
    ],
)
def test_each_limit_can_be_missed(differs: dict[str, object], part: str) -> None:
    """One start that is slow is enough, and so is memory at any one time."""
    rows = figures(measured(**differs))
    assert row(rows, part).verdict is Verdict.FAIL
    assert [each for each in rows if each.verdict is Verdict.FAIL] == [row(rows, part)]


def test_a_tier_that_is_absent_passes_nothing() -> None:
    """Each of its limits is named as not shown."""
    assert {each.verdict for each in figures(None)} == {Verdict.NOT_SHOWN}
    assert [each.limit for each in figures(None)] == [6.0, 500.0, 900.0]


@pytest.mark.parametrize(("question", "expected"), QUESTIONS)
def test_every_question_has_an_answer(question: str, expected: str) -> None:
    """What counts as right is what the brain says when it hears the question as it stands."""
    answer = IntentBrain().answer(Prompt(question, heard=Heard(is_speech=True, text=question), now=NOW))
    assert isinstance(answer, str)
    assert expected in answer
    assert expected not in question or expected == "kettle"


def test_speech_is_brought_to_the_wires_rate() -> None:
    """48 kHz samples become half as many, two bytes each."""
    assert len(wire_speech(lambda _words: np.zeros(4800, np.int16), "hush")) == 2400 * 2
