"""Clients that live in an environment of their own, made once on demand and kept outside the checkout.

What is installed is pinned with its hashes in a lock file beside the client; the lock names no registry, the machine's
own settings do. A machine without Node, or without a way to a registry, skips these tests and says why. A lock file
that contradicts what a registry delivers is no such excuse: it fails.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent

INSTALL_S = 240
"""How long an installation may take before the test is skipped (measured: 8 s for npm, 16 s for pip)."""

_OUR_FAULT = ("EINTEGRITY", "EUSAGE", "DO NOT MATCH THE HASHES", "Hashes are required")
"""What a package manager says when the lock file is wrong, rather than the network away."""


def node_environment() -> Path:
    """Return the folder with ``node_modules`` for the Node clients; skip where there is none to be had."""
    for command in ("node", "npm"):
        if shutil.which(command) is None:
            pytest.skip(f"the Node clients need {command}, which is not installed here")
    files = [HERE / "node" / name for name in ("package.json", "package-lock.json")]
    with _folder("node", files) as (folder, is_complete):
        if not is_complete():
            for file in files:
                shutil.copy(file, folder)
            quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1")
            _install("npm packages", "npm", "ci", *quiet, cwd=folder)
    return folder


def agents_python() -> Path:
    """Return the interpreter that has ``openai-agents``; skip where it cannot be installed."""
    lock = HERE / "agents" / "requirements.txt"
    with _folder(f"agents-{sys.version_info.major}.{sys.version_info.minor}", [lock]) as (folder, is_complete):
        python = folder / "venv" / "bin" / "python"
        if not is_complete():
            _install("virtual environment", sys.executable, "-m", "venv", "--clear", str(folder / "venv"), cwd=folder)
            hashed = ("--quiet", "--retries", "1", "--require-hashes", "--no-deps", "-r", str(lock))
            _install("openai-agents", str(python), "-m", "pip", "install", *hashed, cwd=folder)
    return python


@contextlib.contextmanager
def _folder(name: str, locks: list[Path]) -> Iterator[tuple[Path, Callable[[], bool]]]:
    """Hold the folder of an environment for what its locks say now, and mark it complete when nothing went wrong."""
    chosen = os.environ.get("SPEAKERD_TEST_CACHE")
    base = Path(chosen) if chosen else Path(tempfile.gettempdir()) / f"speakerd-test-cache-{os.getuid()}"
    key = hashlib.sha256(b"".join(lock.read_bytes() for lock in locks)).hexdigest()[:16]
    folder = base / "contract" / f"{name}-{key}"
    folder.mkdir(parents=True, exist_ok=True)
    stamp = folder / "complete"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another run may be at it
        yield folder, stamp.exists
        stamp.touch()


def _install(what: str, *command: str, cwd: Path) -> None:
    """Run a package manager; skip the test where the registry is out of reach."""
    try:
        ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{what}: not installed within {INSTALL_S} s")
    if ran.returncode == 0:
        return
    said = ran.stderr + ran.stdout
    if any(sign in said for sign in _OUR_FAULT):
        pytest.fail(f"{what}: the lock file does not fit:\n{said[-2000:]}")
    told = [line for line in said.splitlines() if line.startswith(("ERROR", "npm error"))]
    pytest.skip(f"{what} cannot be installed here: {(told or [f'exit code {ran.returncode}'])[0][:200]}")
