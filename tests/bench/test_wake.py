"""Engines hear the same, one after the other; what cannot be had is said, and the rest is measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from speakerd.bench.figures import Verdict
from speakerd.bench.wake import Plan, measure
from speakerd.bench.wake_run import AWAKE, MICRO, MICRO_PEER, OURS, PACKAGE, STOCK, STOCK_PEER
from speakerd.bench.wake_sound import KITCHEN, QUIET, ROOMS, SPEECH
from speakerd.bench.wake_table import MIXED, PACED
from speakerd.demo.mouth import Mouth, find_mouth
from speakerd.demo.process import StageError
from tests.fakes.models import wake_models

pytestmark = pytest.mark.timeout(300)  # eight processes with real engines

PEERS = {STOCK: replace(STOCK_PEER, lock="nothing.txt"), MICRO: replace(MICRO_PEER, lock="nothing.txt")}
"""Stock is then run from our own environment; the other one cannot be had at all."""

PLAN = Plan(starts=1, lead_s=0.4, span_s=0.8, paced_s=0.24)


def nobody() -> Mouth:
    raise StageError("no-voice", "nobody can speak here")


def test_real_engines_side_by_side(tmp_path: Path) -> None:
    """Ours and openWakeWord's own, whose scores are the same."""
    wake_models()
    try:
        find_mouth()
    except StageError as silent:
        pytest.skip(f"nobody can speak here: {silent}")
    told: list[str] = []
    worked = measure(tmp_path, 1, told.append, minutes=0.4, peers=PEERS, plan=PLAN)
    assert (tmp_path / "wake.json").exists(), told
    written = json.loads((tmp_path / "wake.json").read_text(encoding="utf-8"))
    assert list(written["engines"]) == [OURS, AWAKE, PACKAGE, STOCK, MICRO]
    for name in (OURS, AWAKE, PACKAGE, STOCK):
        engine = written["engines"][name]
        assert engine["missing"] is None, told
        assert set(engine["cpu_ms_per_s"]) == {*ROOMS, PACED, MIXED}
        assert all(0.0 < cost["median"] < 5000.0 for cost in engine["cpu_ms_per_s"].values())
        assert 10.0 < engine["memory_mb"]["anonymous"] < engine["memory_mb"]["resident"] < 500.0
        (start,) = engine["starts"]
        assert 0.0 < start["first_score_s"] < start["detected_s"] < 60.0
    assert written["gate_off_and_stock"]["difference"] < 1e-3
    assert written["gate_off_and_stock"]["detections"] >= 1
    assert written["gate_off_and_stock"]["only_one_detected"] == 0
    assert written["gate_on_and_off"]["only_one_detected"] == 0
    assert "was not installed" in written["engines"][MICRO]["missing"]
    assert any(line.startswith("pymicro is not measured: ") for line in told)
    assert any("too kind" in line for line in told)
    (start_row,) = (row for row in written["figures"] if "first detection" in row["name"])
    assert start_row["verdict"] == "NOT SHOWN", "stock's start is too kind, so ours is not judged by it"
    assert worked == all(row["verdict"] != Verdict.FAIL.value for row in written["figures"])


def test_without_a_voice_the_rooms_without_speech_are_measured(tmp_path: Path) -> None:
    """What names speech is not shown, and does not pass."""
    wake_models()
    told: list[str] = []
    measure(tmp_path, 1, told.append, minutes=0.05, peers=PEERS, plan=PLAN, mouth=nobody)
    written = json.loads((tmp_path / "wake.json").read_text(encoding="utf-8"))
    costs = written["engines"][OURS]["cpu_ms_per_s"]
    assert {QUIET, KITCHEN} < set(costs)
    assert not {SPEECH, PACED} & set(costs)
    assert written["voice"] is None
    speech = [
        row["verdict"] for row in written["figures"] if "speech" in row["name"] or "first detection" in row["name"]
    ]
    assert set(speech) == {"NOT SHOWN"}
    assert "without speech: nobody can speak here" in told
