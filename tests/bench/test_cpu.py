"""What the daemon costs stands beside the least program that was measured with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from speakerd.bench.cpu import Measured, Plan, figures, if_answered, measure
from speakerd.bench.figures import Verdict, holds
from speakerd.demo.mouth import find_mouth
from speakerd.demo.process import StageError
from tests.fakes.models import wake_models

GOOD = Measured(
    tier="neural",
    bare_listening=10.0,
    quiet=13.0,
    speech=20.0,
    bare_talking=50.0,
    talking=65.0,
    ready_mb=110.0,
    after_mb=120.0,
)


def differing(**fields: object) -> Measured:
    return Measured(**{**{name: getattr(GOOD, name) for name in Measured.__slots__}, **fields})  # type: ignore[arg-type]  # a test's shorthand


def test_figures_at_their_targets_hold() -> None:
    """Each ratio is to the bare program of its own state; memory after the conversation is only told."""
    rows = figures(GOOD)
    assert [row.value for row in rows if "times bare" in row.name] == pytest.approx([1.3, 2.0, 1.3])
    assert holds(rows)
    assert sum(row.verdict is Verdict.PASS for row in rows) == 4


@pytest.mark.parametrize(
    ("differs", "part"),
    [
        ({"quiet": 13.1}, "quiet room: times"),
        ({"speech": 20.1}, "speech: times"),
        ({"talking": 65.1}, "in conversation: times"),
        ({"ready_mb": 110.1}, "ready to talk"),
    ],
)
def test_each_target_can_be_missed(differs: dict[str, object], part: str) -> None:
    """By itself."""
    (failed,) = [row.name for row in figures(differing(**differs)) if row.verdict is Verdict.FAIL]
    assert part in failed


@pytest.mark.parametrize("missing", ["bare_listening", "bare_talking", "quiet", "speech", "talking"])
def test_what_did_not_come_about_passes_nothing(missing: str) -> None:
    """Neither does what would have been compared with it."""
    rows = figures(differing(**{missing: None}))
    assert any(row.verdict is Verdict.NOT_SHOWN and row.limit is not None for row in rows)


def test_a_conversation_without_answers_is_no_measurement() -> None:
    """Silence would be cheap; so would be an answer too few."""
    told: list[str] = []
    assert if_answered("talk", 50.0, ["completed", "completed"], 2, told.append) == 50.0
    assert if_answered("talk", 50.0, ["completed"], 2, told.append) is None
    assert if_answered("talk", 50.0, ["completed", "cancelled"], 2, told.append) is None
    assert ["measured" in line for line in told] == [True, True, True]
    assert "not measured" in told[1]


def test_both_programs_are_measured_in_one_room(tmp_path: Path) -> None:
    """The daemon and the bare programs run on the same card, hold the same conversation, and all of it is written."""
    wake_models()
    try:
        find_mouth()
    except StageError as nobody:
        pytest.skip(f"nobody can speak here: {nobody}")
    told: list[str] = []
    plan = Plan(settle_s=0.5, window_s=1.0, turn_s=6.0, tier="scripted", reply="One, two.")
    worked = measure(tmp_path, 1, told.append, plan=plan)
    assert (tmp_path / "cpu.json").exists(), told
    written = json.loads((tmp_path / "cpu.json").read_text(encoding="utf-8"))
    costs = written["cpu_ms_per_s"]
    assert (costs["tier"], [name for name, value in costs.items() if value is None]) == ("scripted", []), told
    assert costs["talking"] > 1.0
    assert costs["bare_talking"] > 1.0
    assert 20.0 < costs["ready_mb"] < 400.0
    assert worked == all(row["verdict"] != "FAIL" for row in written["figures"])
