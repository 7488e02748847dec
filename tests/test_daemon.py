"""``speakerd run`` as a process: what it does is told by the stories, how it stops by ``test_sigterm``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.fakes.command import environment


def test_a_diary_that_cannot_be_written_is_an_error_with_its_name(tmp_path: Path) -> None:
    """And no traceback."""
    nowhere = str(tmp_path / "absent/diary")
    (tmp_path / "c.yaml").write_text("", encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "speakerd", "run", "-c", str(tmp_path / "c.yaml")],
        env=environment(SPEAKERD_TRACE=nowhere),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 1
    assert f"speakerd: trace-failed: SPEAKERD_TRACE={nowhere}: " in run.stderr
    assert "Traceback" not in run.stderr
