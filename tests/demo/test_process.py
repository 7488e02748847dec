"""A child process ends with the stage, whatever happens."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from speakerd.demo.process import Child, StageError, last_lines

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
PARENT = """
import asyncio, os, sys
from pathlib import Path
from speakerd.demo.process import Child
async def main():
    child = Child("sleeper", Path(sys.argv[1]))
    await child.start(["/bin/sleep", "60"], env=os.environ, cwd=Path("/"))
    print(child.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def start(path: Path, code: str) -> Child:
    child = Child("child", path / "child.log", stop_timeout_s=0.1)
    await child.start([sys.executable, "-c", code], env=os.environ, cwd=path)
    return child


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - another process has no event to wait for
        await asyncio.sleep(0.01)


async def test_output_and_exit_code_are_kept(tmp_path: Path) -> None:
    """Both streams go to the file, and the exit code is known once the child has ended."""
    child = await start(tmp_path, "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    await until(lambda: child.exit_code is not None)
    assert sorted(child.output().split()) == ["err", "out"]
    assert child.pid is None
    with pytest.raises(StageError, match=r"(?s)the child ended with 3.*out"):
        child.require_alive()
    assert await child.stop() == 3


async def test_child_that_was_never_started_has_no_exit_code(tmp_path: Path) -> None:
    """To stop what does not run is no mistake."""
    child = Child("child", tmp_path / "log")
    child.require_alive()
    assert child.output() == ""
    assert await child.stop() is None


async def test_child_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    """What does not end by itself is ended."""
    child = await start(tmp_path, STUBBORN)
    await until(lambda: "up" in child.output())
    assert await child.stop() == -signal.SIGKILL


async def test_cancelled_stop_ends_the_child(tmp_path: Path) -> None:
    """Cancelled while it waits for the child's own end, it kills the child."""
    child = await start(tmp_path, STUBBORN)
    await until(lambda: "up" in child.output())
    stopping = asyncio.create_task(child.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert await child.stop() == -signal.SIGKILL


def test_killed_parent_leaves_no_orphan(tmp_path: Path) -> None:
    """A parent that is killed takes its children along."""
    command = [sys.executable, "-c", PARENT, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 10
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_last_lines_are_the_last() -> None:
    """Of a long log its end is shown."""
    assert last_lines("a\nb\nc", 2) == "b\nc"
