"""An empty configuration is a whole speaker: it starts the embedded service itself, and takes it along when it goes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.fakes.stories import processes_in


async def test_it_brings_its_own_service_and_takes_it_along(play, voice):
    """A question is answered without an address of any service; afterwards nothing of it runs any more."""
    async with play(config={"service": {"endpoint": None}}, start_service=False) as stage:
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("audible", after_s=begun, timeout_s=30)
        assert len(processes_in(stage.directory)) == 2
        assert await stage.stop_daemon() == 0
        assert processes_in(stage.directory) == []


async def test_it_ends_when_its_service_dies_so_that_systemd_starts_it_anew(play):
    """Exit code 1 and the reason; a daemon killed without mercy takes its service along as well."""
    async with play(config={"service": {"endpoint": None}}, start_service=False) as stage:
        child = next(pid for pid in children_of(stage.daemon.pid))
        os.kill(child, signal.SIGKILL)
        assert await until_ended(stage) == 1
        assert "embedded-ended" in stage.log()
        await stage.start_daemon()
        assert await stage.stop_daemon(signal.SIGKILL) == -signal.SIGKILL
        end_s = stage.room.now_s() + 10
        while processes_in(stage.directory):
            assert stage.room.now_s() < end_s
            await stage.until(stage.room.now_s() + 0.05)


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


async def until_ended(stage) -> int:
    """Wait until the daemon ends by itself, and return its exit code."""
    end_s = stage.room.now_s() + 15
    while stage.daemon.exit_code is None:
        assert stage.room.now_s() < end_s, "it goes on without its service"
        await stage.until(stage.room.now_s() + 0.05)
    return stage.daemon.exit_code
