"""``speakerd bench embedded`` judges, writes down and never passes what it did not see."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from speakerd.bench import embedded
from speakerd.bench.crowd import Crowd
from speakerd.bench.embedded import read_alone, without_network
from speakerd.bench.figures import Verdict


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        ({"right": True}, Verdict.PASS),
        ({"right": False}, Verdict.FAIL),
        ({"not_shown": "forbidden here"}, Verdict.NOT_SHOWN),
    ],
)
def test_no_network_is_judged_by_a_right_answer(told: dict[str, object], verdict: Verdict) -> None:
    """Where leaving the network is not allowed, nothing is claimed."""
    assert without_network(told).verdict is verdict


def test_a_child_that_fails_without_a_network_gave_no_answer() -> None:
    """It counts as a missed limit, with its last words; one that works is believed."""
    failed = read_alone(1, "", "Traceback\nOSError: Network is unreachable\n")
    assert failed["right"] is False
    assert "unreachable" in failed["answer"]
    assert read_alone(0, '{"right": true}', "") == {"right": True}


def test_without_the_neural_tier_the_rest_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so plainly, shows those limits as not shown, and still holds the scripted tier to its own."""
    (tmp_path / "hibari.py").write_text("raise ImportError('no hibari on this machine')\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    lines: list[str] = []
    out = tmp_path / "out"
    held = embedded.measure(out, 1, lines.append, crowd=Crowd(sessions=3, turns=1, line="One second of it."))
    assert any(line.startswith("the neural tier is not measured: ") for line in lines)
    written = json.loads((out / "embedded.json").read_text(encoding="utf-8"))
    verdicts = {row["name"]: row["verdict"] for row in written["figures"]}
    neural = {name: verdict for name, verdict in verdicts.items() if name.startswith("neural")}
    assert set(neural.values()) == {"NOT SHOWN"}
    assert len(neural) == 4
    assert written["neural"] is None
    (late,) = [verdict for name, verdict in verdicts.items() if "deltas later" in name]
    assert (late, held) in (("PASS", True), ("FAIL", False))
    assert "could not be shown: 4" in lines[-2]
