"""Programs hold the same conversations on one stage, and a peer that cannot be had is said to be missing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from speakerd.bench.hops import Hop
from speakerd.bench.peers import measure
from speakerd.bench.peers_acts import Plan
from speakerd.bench.peers_install import AGENTS
from speakerd.bench.peers_table import BARE, OURS, PUBLISHED
from speakerd.demo.mouth import find_mouth
from speakerd.demo.process import StageError
from tests.fakes.models import wake_models

pytestmark = pytest.mark.timeout(300)  # two programs, three starts, five conversations in real time


def test_one_conversation_with_each(tmp_path: Path) -> None:
    """The daemon and the bare program on one line; of a peer that is not there the published figures are told."""
    wake_models()
    try:
        find_mouth()
    except StageError as nobody:
        pytest.skip(f"nobody can speak here: {nobody}")
    told: list[str] = []
    absent = replace(AGENTS, lock="nothing.txt")
    plan = Plan(settle_s=0.5, questions=1, turn_s=8.0)
    worked = measure(tmp_path, 1, told.append, peers=[absent], plan=plan)
    assert (tmp_path / "peers.json").exists(), told
    written = json.loads((tmp_path / "peers.json").read_text(encoding="utf-8"))
    assert list(written["programs"]) == [BARE, OURS]
    bare, ours = written["programs"].values()
    assert set(bare) == set(ours), told
    for side in (bare, ours):
        assert 0.0 < side[f"{Hop.MICROPHONE.value}, ms"]["median"] < 200.0
        assert 0.0 <= side[f"{Hop.SILENCE.value}, ms"]["median"] < 1000.0
        assert side[Hop.GAPS.value]["count"] == 2
        assert 1.0 < side["CPU in conversation, ms/s"]["median"] < 1000.0
        assert 10.0 < side["resident memory, ready to talk, MB"]["median"] < 400.0
        assert 0.05 < side["process start -> first append, s"]["median"] < 60.0
    assert worked == all(row["verdict"] != "FAIL" for row in written["figures"])
    assert list(written["missing"]) == [AGENTS.package]
    assert any(PUBLISHED[AGENTS.package] in line and "another day" in line for line in told)
    assert [line for line in told if "start 1 of 1" in line] == [
        f"{name}: start 1 of 1, 1 conversations held" for name in (BARE, OURS)
    ]
