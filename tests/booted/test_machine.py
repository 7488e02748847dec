"""What a booted machine leaves behind."""

from __future__ import annotations

import contextlib
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


def _running(group: str) -> list[str]:
    """Return the processes in a control group that has this in its name."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if group in (process / "cgroup").read_text(encoding="ascii"):
                found.append((process / "comm").read_text(encoding="utf-8").strip())
    return found


def test_a_killed_run_leaves_nothing_that_runs_or_is_mounted(tmp_path: Path, release: str) -> None:
    """Whatever ran in its containers goes with it; else whoever tidies up after it fails on a busy folder."""
    place = tmp_path / "machine"
    command = [sys.executable, "-c", _BOOT_AND_WAIT, str(place), str(root.root_of(release))]
    with subprocess.Popen(command, cwd=root.PROJECT, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"booted\n"
        group = f"/speakerd-booted-{run.pid}-"
        assert "systemd-journal" in _running(group)
        run.kill()
    end_s = time.monotonic() + END_S
    while _running(group) and time.monotonic() < end_s:
        time.sleep(0.1)
    assert _running(group) == []
    shutil.rmtree(place)
    assert str(place) not in Path("/proc/mounts").read_text(encoding="utf-8")


def test_it_can_be_written_to_and_read(tmp_path: Path, release: str) -> None:
    """From outside, by the path that a file has inside."""
    with Machine(tmp_path / "machine", [root.root_of(release)]) as machine:
        machine.write("/srv/new/note", "hello\n")
        assert machine.do("cat", "/srv/new/note") == "hello"
        machine.do("sh", "-c", "echo again >/run/note")
        assert machine.read("/run/note") == "again\n"
