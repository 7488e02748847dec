"""An engine in a process of its own answers, or it is said how it ended."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speakerd.bench import wake_run
from speakerd.bench.wake_run import MICRO, OPEN, OUR_OPTIONS, PEERS, STOCK, EngineError, running, their_command

PROGRAMS = Path(wake_run.__file__).parent / "peer_programs"

PROGRAM = f"""\
import sys
sys.path.insert(0, {str(PROGRAMS)!r})
import wake_line
def make(options):
    heard = []
    def score(chunk):
        heard.append(chunk)
        if options.get("breaks") == len(heard):
            raise SystemExit("a string broke")
        return float(chunk[0]) / 100
    return score, options["threshold"]
wake_line.serve(make)
"""
"""An engine that scores a chunk by its first number."""


def chunks(*firsts: int) -> np.ndarray:
    made = np.zeros((len(firsts), 1280), np.int16)
    made[:, 0] = firsts
    return made


def command(tmp_path: Path, **options: Any) -> list[str]:
    np.save(tmp_path / "first.npy", chunks(10, 20, 60, 70))
    whole = {"first": str(tmp_path / "first.npy"), "threshold": 0.5, **options}
    return [sys.executable, "-c", PROGRAM, json.dumps(whole)]


def test_it_tells_how_it_came_up_and_what_it_heard(tmp_path: Path) -> None:
    """The lead is heard, too, but its scores are not told."""
    np.save(tmp_path / "heard.npy", chunks(90, 30, 40, 10))
    with running("it", command(tmp_path), tmp_path / "log") as engine:
        start = engine.start
        assert start.detected_s is not None
        assert 0.0 < start.first_score_s < start.detected_s < 60.0
        assert 0.0 < start.cpu_s < 60.0
        assert 5.0 < start.memory.resident_mb < 200.0
        told = engine.listen(tmp_path / "heard.npy", lead=1, scores=tmp_path / "scores.npy")
        assert told["top"] == 0.4
        assert 0.0 <= told["cpu_s"] < 10.0
        assert np.load(tmp_path / "scores.npy").tolist() == [0.3, 0.4, 0.1]
        assert engine.listen(tmp_path / "heard.npy", pace_s=0.001)["top"] == 0.9


def test_a_word_that_is_not_detected_is_told(tmp_path: Path) -> None:
    with running("it", command(tmp_path, threshold=0.9), tmp_path / "log") as engine:
        assert engine.start.detected_s is None


def test_one_that_does_not_come_up_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(EngineError, match="it ended with 1: a string broke"),
        running("it", command(tmp_path, breaks=2), tmp_path / "log"),
    ):
        pass


def test_one_that_breaks_later_says_why(tmp_path: Path) -> None:
    """In the middle of a recording, and again when it is asked once more."""
    np.save(tmp_path / "heard.npy", chunks(1, 2, 3))
    with running("it", command(tmp_path, breaks=6), tmp_path / "log") as engine:
        for _ in range(2):
            with pytest.raises(EngineError, match="it ended with 1"):
                engine.listen(tmp_path / "heard.npy")


@pytest.mark.parametrize("name", PEERS)
def test_a_peers_program_knows_nothing_of_us(name: str) -> None:
    """It runs where speakerd is not, pinned by hash, from wherever the machine's packages come."""
    peer = PEERS[name]
    python, alone, program, options = their_command(peer, Path("/venv/bin/python"), {"word": "x"})
    assert (python, alone, json.loads(options)) == ("/venv/bin/python", "-E", {"word": "x"})
    for path in (Path(program), Path(program).with_name("wake_line.py")):
        source = path.read_text(encoding="utf-8")
        compile(source, str(path), "exec")
        assert "import speakerd" not in source
        assert "from speakerd" not in source
    text = peer.lock_file().read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    assert text.count("==") <= text.count("--hash=sha256:")
    assert peer.version()


def test_every_engine_of_the_table_is_somebodys() -> None:
    assert set(PEERS) == {STOCK, OPEN, MICRO}
    assert [options["engine"] for options in OUR_OPTIONS.values()] == ["auto", "auto", "openwakeword"]
