"""What an hour leaves behind: the installed unit in a quiet room, a conversation every few minutes, no test of a run.

``python -m tests.booted.hour --minutes 60`` boots a machine, prints a line a minute and at the end how much the service
grew after its first minutes. As root, for as long as it is told.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speakerd.demo.mouth import find_mouth
from tests.booted import root
from tests.booted.conftest import CHECKOUT, INSTALL, INSTALL_S, WHEELS, copy_checkout
from tests.booted.machine import Machine
from tests.booted.stage import INSIDE, Stage

QUESTION = "Hey Jarvis, what time is it?"

WARM_MIN = 10
"""Growth is counted from here: by then it has loaded whatever it loads late (chosen)."""

MINUTE_S = 60.0

_ROOM = f"{INSIDE}/room"
"""The card that is not there maps the room's hour of sound; a real card does not, so its pages do not count."""

_MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+ *(?P<path>.*)$")


@dataclass(frozen=True)
class Moment:
    """What the service is at one moment."""

    daemon_kb: int
    """Resident memory of the main process, without the room's pages."""

    anonymous_kb: int
    """Of that, what is no file's."""

    service_kb: int
    """Resident memory of the embedded service beside it."""

    threads: int
    """Of the main process."""

    files: int
    """That it has open."""

    processes: int
    """Of the unit."""

    restarts: int
    """Since it was started."""

    heard: int
    """Wake words so far."""

    def __str__(self) -> str:
        """As a line of the table."""
        sizes = (self.daemon_kb, self.anonymous_kb, self.service_kb)
        counts = (self.threads, self.files, self.processes, self.restarts, self.heard)
        return " ".join([*(f"{kb / 1024:10.2f}" for kb in sizes), *(f"{count:8d}" for count in counts)])


TITLES = (
    *(f"{title:>10}" for title in ("daemon MB", "anonymous", "service MB")),
    *(f"{title:>8}" for title in ("threads", "files", "procs", "restarts", "wakes")),
)
"""Of the table's columns after the minute; as wide as ``Moment``'s numbers."""


def look(machine: Machine, stage: Stage) -> Moment:
    """Return how the service is now.

    Raises:
        MachineError: it is not there.
    """
    main = machine.unit_property("MainPID")
    group = machine.do("cat", "/sys/fs/cgroup/system.slice/speakerd.service/cgroup.procs").split()
    daemon_kb, anonymous_kb = resident_kb(machine.do("cat", f"/proc/{main}/smaps"))
    others = [resident_kb(machine.do("cat", f"/proc/{process}/smaps"))[0] for process in group if process != main]
    return Moment(
        daemon_kb,
        anonymous_kb,
        sum(others),
        threads=len(machine.do("ls", f"/proc/{main}/task").split()),
        files=len(machine.do("ls", f"/proc/{main}/fd").split()),
        processes=len(group),
        restarts=int(machine.unit_property("NRestarts")),
        heard=len(stage.marks("wake")),
    )


def resident_kb(smaps: str) -> tuple[int, int]:
    """Return the resident memory of a process and what of it is no file's, from its ``smaps``, without the room."""
    resident = anonymous = 0
    counts = True
    for line in smaps.splitlines():
        if found := _MAPPING.match(line):
            counts = found["path"] != _ROOM
        elif counts and line.startswith("Rss:"):
            resident += int(line.split()[1])
        elif counts and line.startswith("Anonymous:"):
            anonymous += int(line.split()[1])
    return resident, anonymous


def watch(
    machine: Machine,
    stage: Stage,
    words: NDArray[np.int16],
    *,
    minutes: int,
    every: int,
    tell: Callable[[str], None],
) -> list[Moment]:
    """Let the minutes pass, and return how it was after each."""
    begun_s = time.monotonic()
    tell(" ".join(["minute", *TITLES]))
    moments = [look(machine, stage)]
    for minute in range(1, minutes + 1):
        if minute % every == 1 % every:
            stage.say(words)
        time.sleep(max(0.0, begun_s + minute * MINUTE_S - time.monotonic()))
        moments.append(look(machine, stage))
        tell(f"{minute:6d} {moments[-1]}")
    return moments


def main() -> None:
    """Boot, start, watch, and say what grew."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=int, default=60, help="how long (%(default)s)")
    parser.add_argument("--every", type=int, default=5, help="minutes between conversations (%(default)s)")
    parser.add_argument("--release", choices=root.PYTHONS, default="bookworm", help="of Debian (%(default)s)")
    wishes = parser.parse_args()
    words = find_mouth().speak(QUESTION)
    folder = Path(tempfile.mkdtemp(prefix="speakerd-hour-"))
    bottom, wheels = root.root_of(wishes.release), root.wheels_of(wishes.release)
    copy_checkout(folder / "checkout")
    stage = Stage(folder / "stage", room_s=(wishes.minutes + 5) * MINUTE_S)
    binds, writable = {CHECKOUT: folder / "checkout", WHEELS: wheels}, {INSIDE: stage.folder}
    try:
        with Machine(folder / "machine", [bottom], binds=binds, writable=writable) as machine:
            machine.do(*INSTALL, timeout_s=INSTALL_S)
            machine.systemctl("stop", "speakerd")
            machine.drop_in("10-stage", stage.lines)
            stage.begin()
            machine.systemctl("start", "speakerd")
            moments = watch(machine, stage, words, minutes=wishes.minutes, every=wishes.every, tell=_tell)
            _tell(machine.do("speakerd", "status"))
    finally:
        stage.close()
        shutil.rmtree(folder, ignore_errors=True)
    first, last = moments[min(WARM_MIN, len(moments) - 1)], moments[-1]
    _tell(f"from minute {min(WARM_MIN, len(moments) - 1)} to minute {len(moments) - 1}: "
          f"daemon {(last.daemon_kb - first.daemon_kb) / 1024:+.2f} MB, "
          f"embedded service {(last.service_kb - first.service_kb) / 1024:+.2f} MB, "
          f"threads {last.threads - first.threads:+d}, files {last.files - first.files:+d}, "
          f"restarts {last.restarts}")  # fmt: skip


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
