"""What Linux tells of a process, as it tells it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from speakerd.bench.proc import is_fine, memory, threads

STATUS = """\
Name:\tspeakerd-microp
State:\tS (sleeping)
VmRSS:\t   100000 kB
RssAnon:\t    70000 kB
RssFile:\t    29000 kB
voluntary_ctxt_switches:\t1234
nonvoluntary_ctxt_switches:\t5
"""
STAT = "8 (a name) with) S 1 8 8 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 4 0 1 1 1"


def process(root: Path, schedstat: str | None) -> Path:
    """Make a process of one thread."""
    folder = root / "7" / "task" / "8"
    folder.mkdir(parents=True)
    (folder / "status").write_text(STATUS, encoding="utf-8")
    (root / "7" / "status").write_text(STATUS, encoding="utf-8")
    (folder / "stat").write_text(STAT, encoding="utf-8")
    if schedstat is not None:
        for place in (folder, root / "7"):
            (place / "schedstat").write_text(schedstat, encoding="ascii")
    return root


def test_memory_is_told_by_kind(tmp_path: Path) -> None:
    found = memory(7, process(tmp_path, None))
    assert (found.resident_mb, found.anonymous_mb, found.file_mb) == (102.4, 71.68, 29.696)


def test_nanoseconds_are_preferred(tmp_path: Path) -> None:
    root = process(tmp_path, "1234567890 5 6\n")
    (thread,) = threads(7, root).values()
    assert (thread.name, thread.cpu_s, thread.wakeups) == ("speakerd-microp", 1.23456789, 1234)
    assert is_fine(7, root)


def test_without_them_ticks_are_counted(tmp_path: Path) -> None:
    """A kernel that does not count says 0, or has no such file."""
    for number, schedstat in enumerate(("0 0 0\n", "nonsense", None)):
        root = process(tmp_path / str(number), schedstat)
        assert threads(7, root)[8].cpu_s == 200 / os.sysconf("SC_CLK_TCK")
        assert not is_fine(7, root)


def test_a_thread_that_has_just_ended_is_left_out(tmp_path: Path) -> None:
    root = process(tmp_path, None)
    (root / "7" / "task" / "9").mkdir()
    assert list(threads(7, root)) == [8]


def test_our_own_threads_are_found() -> None:
    """With a wait of each as a wake-up."""
    go, gone = threading.Event(), threading.Event()

    def wait() -> None:
        for _ in range(3):
            go.wait(0.001)
        gone.set()
        go.wait()

    thread = threading.Thread(target=wait)
    thread.start()
    gone.wait(10)
    found = threads(os.getpid())
    go.set()
    thread.join()
    assert thread.native_id is not None
    assert found[thread.native_id].wakeups >= 3
    assert found[os.getpid()].cpu_s > 0
    assert memory(os.getpid()).anonymous_mb > 1
