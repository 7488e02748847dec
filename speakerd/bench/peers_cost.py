"""What a program costs with all the processes that it starts: CPU time and memory, from ``/proc``."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from speakerd.bench.service import resident_mb

_PARENT, _USER, _CHILDREN_END = 1, 11, 15
"""Places in ``/proc/PID/stat`` behind the name: the parent, then user and system time, own and of children that ended
(specified by Linux)."""

_GONE = (FileNotFoundError, ProcessLookupError)
"""A process that ended while it was looked at."""


def family(pid: int, proc: Path = Path("/proc")) -> list[int]:
    """Return a process and all that descend from it, itself first; empty once it is gone."""
    parents = {each: int(fields[_PARENT]) for each, fields in _stats(proc)}
    found = [pid] if pid in parents else []
    for each in found:  # grows while it is walked
        found += [child for child, parent in parents.items() if parent == each]
    return found


def family_cpu_s(pid: int, proc: Path = Path("/proc")) -> float:
    """Return the CPU seconds of a process and all that descend from it, those that have ended included."""
    members = set(family(pid, proc))
    ticks = sum(sum(map(int, fields[_USER:_CHILDREN_END])) for each, fields in _stats(proc) if each in members)
    return ticks / os.sysconf("SC_CLK_TCK")


def family_resident_mb(pid: int) -> float:
    """Return the resident memory of a process and all that descend from it, in millions of bytes.

    Pages that they share count once for each.
    """
    total_mb = 0.0
    for member in family(pid):
        with contextlib.suppress(*_GONE):
            total_mb += resident_mb(member)
    return total_mb


def _stats(proc: Path) -> Iterator[tuple[int, list[str]]]:
    """Return for every process the fields behind its name, which may hold anything."""
    for folder in proc.iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(*_GONE):
                text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
                yield int(folder.name), text.rpartition(")")[2].split()
