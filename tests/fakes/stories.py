"""What several stories do in the same way."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from speakerd.demo.stage import Stage
    from tests.fakes.tap import Tap


async def through(tap: Tap, stage: Stage) -> None:
    """Start the daemon with a tap between it and the stage's service."""
    stage.url = tap.url
    await stage.start_daemon()


async def until_line(stage: Stage, line: str, timeout_s: float = 15.0) -> None:
    """Wait until the status says this."""
    end_s = stage.room.now_s() + timeout_s
    while (said := (await stage.status())["line"]) != line:
        assert stage.room.now_s() < end_s, f"the status still says: {said}"
        await stage.until(stage.room.now_s() + 0.05)


def at_noon() -> dict[str, str]:
    """Return the environment of a daemon for which it is noon: what nobody asked for is not said at night."""
    return {"TZ": f"NOON{time.gmtime().tm_hour - 12:+d}"}


def processes_in(directory: Path) -> list[str]:
    """Return the commands of all processes that work in a directory: everything a stage starts does."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.joinpath("cwd").readlink() == directory:
                found.append(process.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # it ended meanwhile, or is another user's
    return found
