"""What a booted machine leaves behind."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.booted import root
from tests.booted.machine import END_S, Machine

_BOOT_AND_WAIT = """
import sys, time
from pathlib import Path
from tests.booted.machine import Machine
with Machine(Path(sys.argv[1]), [Path(sys.argv[2])]):
    print("booted", flush=True)
    time.sleep(600)
"""


def test_a_killed_run_leaves_nothing_that_cannot_be_removed(tmp_path: Path, release: str) -> None:
    """What it had mounted goes with it, else whoever tidies up after it fails on a busy folder."""
    place = tmp_path / "machine"
    command = [sys.executable, "-c", _BOOT_AND_WAIT, str(place), str(root.root_of(release))]
    with subprocess.Popen(command, cwd=root.PROJECT, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"booted\n"
        run.kill()
    end_s = time.monotonic() + END_S
    while place.exists() and time.monotonic() < end_s:
        shutil.rmtree(place, ignore_errors=True)  # its processes end a moment after the run does
        time.sleep(0.1)
    assert not place.exists()
    assert str(place) not in Path("/proc/mounts").read_text(encoding="utf-8")


def test_it_can_be_written_to_and_read(tmp_path: Path, release: str) -> None:
    """From outside, by the path that a file has inside."""
    with Machine(tmp_path / "machine", [root.root_of(release)]) as machine:
        machine.write("/srv/new/note", "hello\n")
        assert machine.do("cat", "/srv/new/note") == "hello"
        machine.do("sh", "-c", "echo again >/run/note")
        assert machine.read("/run/note") == "again\n"
