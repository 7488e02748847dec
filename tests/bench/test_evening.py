"""An evening is planned by its seed alone, played with the real daemon, and judged by what is left of it."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from speakerd.bench.evening import Sample, Told, figures, grown, measure, read_log
from speakerd.bench.evening_plan import Move, Opening, scenes
from speakerd.bench.evening_play import turns_begun
from speakerd.bench.figures import Verdict, holds
from speakerd.demo.mouth import find_mouth
from speakerd.demo.process import StageError
from speakerd.embedded.fault_control import checked
from tests.fakes.models import wake_models

SHORT = 11
"""An evening with a refused credential, a killed service and a dropped link within twelve turns."""

STEADY = [Sample(turns, 80.0, 12, 30) for turns in range(0, 200, 4)]
GOOD = Told(turns=200, lines=200, told_over_ms=3, status_ms=9.0, rest_s=21.0, exit_code=0, samples=STEADY)


def state(before: str, after: str, on: str = "") -> dict[str, object]:
    return {"t": 1.0, "name": "state", "before": before, "after": after, "on": on}


def test_a_seed_is_an_evening() -> None:
    """The same seed tells the same story, another one another."""
    assert list(islice(scenes(3), 50)) == list(islice(scenes(3), 50))
    assert list(islice(scenes(3), 50)) != list(islice(scenes(4), 50))


def test_an_evening_has_everything_in_it() -> None:
    """Every way to begin, to go on and to fail, within the number of scenes that 200 turns take."""
    played = list(islice(scenes(1), 80))
    assert {scene.opening for scene in played} == set(Opening)
    assert {move for scene in played for move in scene.moves} == set(Move)
    troubles = {scene.trouble.name.split(" (")[0] for scene in played if scene.trouble}
    assert len(troubles) >= 10
    assert played[0].trouble is None


def test_every_scene_can_be_played() -> None:
    """A question for each move that asks one, and faults that the service knows."""
    for scene in islice(scenes(5), 300):
        assert len(scene.words) == 1 + sum(move is not Move.STOP for move in scene.moves)
        if scene.trouble is not None:
            checked(json.dumps(dict(scene.trouble.faults)))
            assert scene.trouble.name in scene.told()


def test_turns_are_counted_from_changes_of_state() -> None:
    """Each time the user gets the word, and each answer that nobody asked for; other marks do not count."""
    marks = [
        state("idle", "listening"),
        state("listening", "thinking"),
        state("thinking", "speaking"),
        state("speaking", "listening"),
        state("listening", "thinking"),
        state("thinking", "follow-up"),
        state("follow-up", "thinking"),
        state("thinking", "listening", "SpeechStarted"),
        state("thinking", "listening", "LinkLost"),
        {"t": 2.0, "name": "audible"},
    ]
    assert turns_begun(marks) == 3


def test_the_lines_of_the_journal_are_read() -> None:
    """How many there are, how their turns ended, and what they counted; a bug's traceback is seen."""
    line = "INFO speakerd.turn: turn 1: conversation=1 ended={} heard_ms=500 told_ms={} xruns=2 starvations=1"
    told = Told()
    read_log("\n".join([line.format("answered", "-"), "turn the page", line.format("interrupted", 510)]), told)
    assert (told.lines, told.endings) == (2, {"answered": 1, "interrupted": 1})
    assert told.told_over_ms == 10
    assert (told.xruns, told.starvations, told.tracebacks) == (4, 2, 0)
    read_log("Traceback (most recent call last):\n", told)
    assert (told.lines, told.tracebacks) == (0, 1)


def test_growth_is_counted_from_the_warm_daemon_on() -> None:
    """What it takes at the beginning does not count; one sample that differs does not either."""
    cold = [Sample(turns, 40.0, 5, 10) for turns in range(0, 20, 4)]
    warm = [Sample(turns, 80.0 + turns / 50, 12, 30) for turns in range(20, 221, 4)]
    assert grown(cold + warm) == (2.0, 0, 0)
    assert grown([*STEADY[:-1], Sample(200, 95.0, 13, 33)]) == (0.0, 0, 0)


def test_a_short_evening_says_nothing_of_growth() -> None:
    """It is told as not shown."""
    assert grown(STEADY[:14]) is None
    rows = figures(replace(GOOD, samples=STEADY[:14]))
    assert sum(row.verdict is Verdict.NOT_SHOWN for row in rows) == 3
    assert holds(rows)


def test_an_evening_at_its_limits_holds() -> None:
    """Nothing is missed."""
    rows = figures(replace(GOOD, told_over_ms=60, status_ms=1000.0, rest_s=40.0))
    assert holds(rows)
    assert sum(row.verdict is Verdict.PASS for row in rows) == 11


@pytest.mark.parametrize(
    ("differs", "part"),
    [
        ({"lines": 199}, "without a line"),
        ({"lines": 201}, "without a line"),
        ({"wedges": 1}, "wedges"),
        ({"unanswered": 1}, "not answered"),
        ({"told_over_ms": 61}, "truncation"),
        ({"status_ms": 1001.0}, "control socket"),
        ({"rest_s": 40.1}, "to rest"),
        ({"tracebacks": 1}, "tracebacks"),
        ({"exit_code": 1}, "exit code"),
        ({"samples": [replace(each, rss_mb=80 + each.turns / 30) for each in STEADY]}, "resident memory"),
        ({"samples": [replace(each, threads=12 + each.turns // 100) for each in STEADY]}, "threads"),
        ({"samples": [replace(each, files=30 + each.turns // 100) for each in STEADY]}, "descriptors"),
    ],
)
def test_each_limit_can_be_missed(differs: dict[str, object], part: str) -> None:
    """By itself."""
    (failed,) = [row.name for row in figures(replace(GOOD, **differs)) if row.verdict is Verdict.FAIL]  # type: ignore[arg-type]  # a test's shorthand
    assert part in failed


def test_a_short_evening_with_the_real_daemon(tmp_path: Path) -> None:
    """Twelve turns, troubles among them: every turn has its line, and nothing wedges."""
    wake_models()
    try:
        find_mouth()
    except StageError as nobody:
        pytest.skip(f"nobody can speak here: {nobody}")
    said: list[str] = []
    assert measure(tmp_path, 12, said.append, seed=SHORT), "\n".join(said)
    data = json.loads((tmp_path / "evening.json").read_text())
    assert data["seed"] == SHORT
    assert data["turns"] == data["lines"] >= 12
    assert data["troubles"]
    assert "that are missed: 0" in said[-2]
