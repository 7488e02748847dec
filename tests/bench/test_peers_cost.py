"""A program costs what all its processes cost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from speakerd.bench.peers_cost import family, family_cpu_s, family_resident_mb

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Return a ``/proc`` with two families, one of them with a name made to confuse."""
    for pid, name, parent, ticks in (
        (10, "speaker", 1, "1 2 3 4"),
        (11, "a ) R 1 (b", 10, "10 20 30 40"),
        (12, "grandchild", 11, "100 0 0 0"),
        (20, "neighbour", 1, "1000 0 0 0"),
    ):
        folder = tmp_path / str(pid)
        folder.mkdir()
        (folder / "stat").write_text(f"{pid} ({name}) S {parent} 0 0 0 0 0 0 0 0 0 {ticks} 20 0\n", encoding="utf-8")
    (tmp_path / "30").mkdir()  # ended while it was looked at
    (tmp_path / "uptime").write_text("1 1\n", encoding="utf-8")
    return tmp_path


def test_a_family_is_all_that_descend(proc: Path) -> None:
    """Whatever their names hold, and nobody else's."""
    assert family(10, proc) == [10, 11, 12]
    assert family(12, proc) == [12]
    assert family(20, proc) == [20]
    assert family(99, proc) == []


def test_cpu_time_is_that_of_the_family_and_of_children_that_ended(proc: Path) -> None:
    """User and system time of each, and what it inherited from those it waited for."""
    assert family_cpu_s(10, proc) == pytest.approx((10 + 100 + 100) * TICK_S)
    assert family_cpu_s(99, proc) == 0.0


@pytest.fixture
def couple() -> Iterator[int]:
    """Return a process that has a child, both of which have worked."""
    work = "sum(range(3_000_000))"
    child = f"{work}; print(flush=True); input()"
    code = f"import subprocess, sys; {work}; subprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid


def test_a_real_family_is_weighed_whole(couple: int) -> None:
    """Both processes count."""
    parent, child = family(couple)
    assert parent == couple
    assert family_resident_mb(couple) > family_resident_mb(child) > 5.0
    assert family_cpu_s(couple) > family_cpu_s(child) > 0.0


def test_who_is_gone_weighs_nothing() -> None:
    """As for a program that has just ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert family_resident_mb(process.pid) == 0.0
