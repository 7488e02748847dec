"""What a guess saves is measured with the real link."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from speakerd.bench.guess import LEAD_S, Opened, format_rows, measure, middle


def test_a_guess_saves_its_lead_where_the_handshake_is_slow(tmp_path: Path) -> None:
    """The table tells it, and the file has what the table has."""
    said: list[str] = []
    assert measure(tmp_path, 1, said.append, handshakes_ms=(300,))
    row = json.loads((tmp_path / "guess.json").read_text())["median_ms_by_handshake_ms"]["300"]
    assert row["without"]["first"] >= 300
    assert row["with"]["first"] >= 300 - LEAD_S * 1000 - 5
    assert row["without"]["first"] - row["with"]["first"] == pytest.approx(LEAD_S * 1000, abs=60)
    assert any("first byte of speech" in line for line in said)


def test_a_row_has_both_kinds_and_the_difference() -> None:
    """Medians of whole milliseconds, without a guess first."""
    plain = middle([Opened(300.2, 305.0, 301.0), Opened(310.0, 315.0, 311.0), Opened(400.0, 400.0, 400.0)])
    assert plain == Opened(310, 315, 311)
    table = format_rows({300: (plain, Opened(230, 235, 231))})
    assert table.splitlines()[-1].split() == ["300", "315", "->", "235", "311", "->", "231", "80"]
