"""What nobody said is counted, said for an hour, and never explained away."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from speakerd.bench.echo import REVERBERATION_S, Watched, figures, measure, room_response, voice_dbfs
from speakerd.bench.figures import Verdict, holds
from speakerd.demo.room import ROOM_RATE_HZ
from tests.fakes.models import wake_models


def watched(**differs: int) -> Watched:
    return Watched(**{"replies": 9, "named": 8, "replied_s": 360.0, "echo_db": 0.2, **differs})


def value(rows: list, name: str) -> object:
    (row,) = [row for row in rows if row.name == name]
    return row.value


def test_a_quiet_run_holds() -> None:
    """It says how sure that is: none in six minutes may still be thirty an hour."""
    rows = figures(watched())
    assert holds(rows)
    assert (value(rows, "false barge-ins"), value(rows, "false wakes an hour")) == (0, 0.0)
    assert value(rows, "false wakes an hour, at most (95 %)") == pytest.approx(29.96, abs=0.01)
    assert rows[0].name == "replies, 8 of them with the wake word"


@pytest.mark.parametrize(("differs", "failed"), [({"barge_ins": 1}, "false barge-ins"), ({"wakes": 2}, "false wakes")])
def test_a_single_false_one_fails(differs: dict[str, int], failed: str) -> None:
    """By itself; six minutes are a tenth of an hour."""
    rows = figures(watched(**differs))
    assert [row.name for row in rows if row.verdict is Verdict.FAIL] == [failed]
    assert value(rows, f"{failed} an hour") == 10.0 * sum(differs.values())


@pytest.mark.parametrize("nothing", [None, Watched()])
def test_without_replies_nothing_holds(nothing: Watched | None) -> None:
    """A loudspeaker that said nothing was taken for nobody."""
    rows = [row for row in figures(nothing) if row.name.startswith("false")]
    assert all(row.value is None for row in rows)
    assert {row.verdict for row in rows} == {Verdict.NOT_SHOWN}


def test_the_room_dies_away_by_60_db() -> None:
    """Within its reverberation time, with the energy of the sound itself, most of it direct."""
    response = room_response().astype(np.float64)
    assert len(response) == REVERBERATION_S * ROOM_RATE_HZ
    assert float(np.sum(response**2)) == pytest.approx(1.0, abs=1e-6)
    assert response[0] ** 2 > 0.5
    thirds = [10 * math.log10(float(np.mean(part**2))) for part in np.array_split(response[1:], 3)]
    assert thirds[0] - thirds[1] == pytest.approx(20.0, abs=1.5)
    assert thirds[1] - thirds[2] == pytest.approx(20.0, abs=1.5)


def test_pauses_do_not_make_a_voice_quieter() -> None:
    """Its level is that of its loud frames."""
    voice = np.full(ROOM_RATE_HZ, 3277, np.int16)
    spoken = np.concatenate([voice, np.zeros(9 * ROOM_RATE_HZ, np.int16)])
    assert voice_dbfs(spoken) == pytest.approx(-20.0, abs=0.01) == voice_dbfs(voice)
    assert voice_dbfs(np.zeros(9600, np.int16)) < -90


def test_replies_are_played_and_watched(tmp_path: Path) -> None:
    """A few seconds of them: the wake word is in every one, the echo is as loud as the user, and all is written."""
    wake_models()
    pytest.importorskip("hibari", reason="nobody here speaks")
    told: list[str] = []
    worked = measure(tmp_path, 0.05, told.append)
    assert (tmp_path / "echo.json").exists(), told
    written = json.loads((tmp_path / "echo.json").read_text(encoding="utf-8"))
    seen = written["watched"]
    assert (seen["replies"], seen["named"]) == (1, 1), told
    assert seen["replied_s"] > 3.0
    assert abs(seen["echo_db"]) < 3.0
    assert worked == (seen["barge_ins"] == seen["wakes"] == 0)
