"""The diary."""

from __future__ import annotations

import json
import logging
import stat
from pathlib import Path

import pytest

from speakerd.host.trace import FileTrace, NoTrace


def test_a_mark_is_in_the_file_at_once(tmp_path: Path) -> None:
    """One JSON object a line, with the time and what belongs to it, readable while the diary is kept."""
    times = iter([1.5, 2.25])
    trace = FileTrace(tmp_path / "diary", lambda: next(times))
    trace.mark("wake", score=0.9, path=Path("/x"))
    trace.mark("transcript", text="tea\n\u2615")
    lines = (tmp_path / "diary").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"t": 1.5, "name": "wake", "score": 0.9, "path": "/x"},
        {"t": 2.25, "name": "transcript", "text": "tea\n\u2615"},
    ]
    trace.close()
    trace.mark("after the end")
    trace.close()
    assert len((tmp_path / "diary").read_text().splitlines()) == 2


def test_nobody_else_reads_it(tmp_path: Path) -> None:
    """The file is the user's alone, also when it was there before, and starts empty."""
    path = tmp_path / "diary"
    path.write_text("old\n")
    path.chmod(0o644)
    FileTrace(path, lambda: 0.0).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == ""


def test_a_full_disk_ends_the_diary_only(caplog: pytest.LogCaptureFixture) -> None:
    """The conversation goes on, and it is said once."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full here")
    mode = stat.S_IMODE(full.stat().st_mode)
    trace = FileTrace(full, lambda: 0.0)
    full.chmod(mode)
    with caplog.at_level(logging.WARNING, "speakerd"):
        trace.mark("one")
        trace.mark("two")
    assert len(caplog.messages) == 1


def test_no_diary_is_kept_unless_asked_for() -> None:
    """Marks without a diary go nowhere."""
    NoTrace().mark("wake", score=1)
