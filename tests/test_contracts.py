"""The house stands by contracts that fail when they are broken."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BREACHES = {
    "an adapter imports another": ("speakerd/wake/models.py", "import speakerd.audio.ring"),
    "an adapter imports the controller": ("speakerd/host/trace.py", "import speakerd.controller"),
    "the controller imports an adapter": ("speakerd/controller.py", "import speakerd.audio.ring"),
    "the core looks at the clock": ("speakerd/core/units.py", "import time"),
    "the wire opens a socket": ("speakerd/realtime/wire.py", "import socket"),
    "a second module imports ALSA": ("speakerd/audio/ring.py", "import alsaaudio"),
}


def lint(directory: Path) -> subprocess.CompletedProcess[str]:
    """Run the import contracts over a copy of the package."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"]
    environment = {"PYTHONPATH": str(directory), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the package with its contracts."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "speakerd", tmp_path / "speakerd", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_house_keeps_its_contracts(copy):
    """As it stands, nothing is broken."""
    ran = lint(copy)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_noticed(copy, breach):
    """Each kind of forbidden import makes the check fail."""
    file, line = BREACHES[breach]
    with (copy / file).open("a", encoding="utf-8") as module:
        module.write(f"\n{line}\n")
    ran = lint(copy)
    assert ran.returncode != 0
    assert "BROKEN" in ran.stdout
