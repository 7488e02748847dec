"""The table shows what was measured here beside the bare program's and keeps apart what others published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from speakerd.bench.hops import Hop, Values
from speakerd.bench.latency import PUBLISHED, format_hops, measure
from speakerd.demo.mouth import find_mouth
from speakerd.demo.process import StageError
from tests.fakes.models import wake_models


def test_every_hop_has_a_row() -> None:
    """Measured or not, with the bare program's figures at its end, all columns aligned."""
    ours: Values = {hop: [] for hop in Hop} | {Hop.SILENCE: [9.0, 10.0, 30.0]}
    bare: Values = {hop: [] for hop in Hop} | {Hop.SILENCE: [7.0, 12.0]}
    table = format_hops(ours, bare).splitlines()
    rows = table[1 : 1 + len(Hop)]
    assert [row[: row.index("  ")] for row in rows] == [hop.value for hop in Hop]
    (silence,) = [row for row in rows if row.startswith(Hop.SILENCE.value)]
    assert silence.split()[-7:] == ["10", "30", "9", "30", "3", "10", "12"]
    assert len({len(row) for row in rows}) == 1


def test_published_figures_are_said_not_to_be_measured_here() -> None:
    """Below the table, by the name of the hop."""
    empty: Values = {hop: [] for hop in Hop}
    table = format_hops(empty, empty).splitlines()
    at = next(number for number, line in enumerate(table) if "not measured here" in line)
    assert len(table) - at - 1 == len(PUBLISHED)
    assert all(f"  {hop.value}: {figure}" in table[at:] for hop, figure in PUBLISHED.items())


def test_one_conversation_with_each(tmp_path: Path) -> None:
    """The daemon and the bare program hold the same conversation on one line, and every hop of it is written."""
    wake_models()
    try:
        find_mouth()
    except StageError as nobody:
        pytest.skip(f"nobody can speak here: {nobody}")
    told: list[str] = []
    worked = measure(tmp_path, 1, told.append)
    assert (tmp_path / "latency.json").exists(), told
    written = json.loads((tmp_path / "latency.json").read_text(encoding="utf-8"))
    ours, bare = written["ms"]["daemon"], written["ms"]["bare"]
    up = {Hop.DETECTED, Hop.ONE_BREATH, Hop.MISSING, Hop.OPEN, Hop.FIRST_BYTE}
    assert set(ours) == {hop.value for hop in Hop if hop not in (Hop.PAUSED, Hop.PAUSE)}
    assert set(bare) == set(ours) - {hop.value for hop in up}
    for side in (ours, bare):
        assert 0.0 < side[Hop.MICROPHONE.value]["median"] < 200.0
        assert 400.0 < side[Hop.DELTA.value]["median"] < 3000.0
        assert 0.0 <= side[Hop.SILENCE.value]["median"] < 1000.0
        assert side[Hop.GAPS.value]["count"] == 2
    assert worked == all(row["verdict"] != "FAIL" for row in written["figures"])
    assert [line for line in told if "conversation 1 of 1" in line] == [
        "daemon: conversation 1 of 1",
        "bare: conversation 1 of 1",
    ]
