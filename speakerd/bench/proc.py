"""What Linux knows of a process that is measured: memory by kind, and the CPU time and the wake-ups of each thread."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
"""Where Linux tells it."""

_USER, _SYSTEM = 11, 12
"""Places in ``/proc/PID/task/TID/stat`` behind the name (specified by Linux)."""

_GONE = (FileNotFoundError, ProcessLookupError)
"""A thread that ended while it was looked at."""


@dataclass(frozen=True, slots=True)
class Memory:
    """The resident memory of a process in millions of bytes."""

    resident_mb: float
    """All of it."""

    anonymous_mb: float
    """Its own: heap, stacks, what it has written to."""

    file_mb: float
    """Pages of programs and libraries, which other processes may share."""


@dataclass(frozen=True, slots=True)
class Thread:
    """What a thread has cost so far."""

    name: str
    """What Linux calls it: the first 15 letters of its name."""

    cpu_s: float
    """User and system time."""

    wakeups: int
    """How often it has gone to sleep, and so was woken up again."""


def memory(pid: int, proc: Path = PROC) -> Memory:
    """Return the resident memory of a process."""
    fields = _status(proc / str(pid))
    resident, anonymous, file = (int(fields[name].split()[0]) * 1024 / 1e6 for name in ("VmRSS", "RssAnon", "RssFile"))
    return Memory(resident, anonymous, file)


def threads(pid: int, proc: Path = PROC) -> dict[int, Thread]:
    """Return the threads of a process by their id; CPU time in nanoseconds if Linux counts them, else in ticks."""
    found = {}
    for folder in (proc / str(pid) / "task").iterdir():
        with contextlib.suppress(*_GONE):
            fields = _status(folder)
            wakeups = int(fields["voluntary_ctxt_switches"])
            found[int(folder.name)] = Thread(fields["Name"], _cpu_s(folder), wakeups)
    return found


def is_fine(pid: int, proc: Path = PROC) -> bool:
    """Return whether CPU time comes in nanoseconds, not in ticks of ten milliseconds."""
    return _nanoseconds(proc / str(pid)) is not None


def _cpu_s(folder: Path) -> float:
    fine = _nanoseconds(folder)
    if fine is not None:
        return fine / 1e9
    fields = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / os.sysconf("SC_CLK_TCK")


def _nanoseconds(folder: Path) -> int | None:
    """Return the first number of ``schedstat``; None: this Linux does not count, then it is missing or 0."""
    try:
        spent = int((folder / "schedstat").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return spent or None


def _status(folder: Path) -> dict[str, str]:
    lines = (folder / "status").read_text(encoding="utf-8", errors="replace").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
