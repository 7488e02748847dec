"""What surrounds the demo's programs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from speakerd.demo.props import as_installed


def test_a_second_start_compiles_nothing(tmp_path: Path) -> None:
    """Whatever the caller's environment says of it."""
    (tmp_path / "own.py").write_text("print('__cached__' in globals() and __cached__)\n")
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **as_installed(tmp_path)}
    command = [sys.executable, "-c", "import own"]
    said = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    cached = Path(said.strip())
    assert cached.is_relative_to(tmp_path / "compiled")
    before = cached.stat()
    subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=True)
    assert cached.stat().st_mtime_ns == before.st_mtime_ns
