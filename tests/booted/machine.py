"""A machine with a systemd of its own: a container that is booted, driven by commands, and thrown away.

Its file system is a stack: folders that are only read, and one on top that takes what is written. What a machine wrote
can so become the ground of others: one is installed on, the rest begin installed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

BOOT_S = 60.0
"""How long booting may take; 1 to 3 s on two busy cores (measured)."""

END_S = 30.0
"""How long the last of its processes may take to be gone; some took 5 s on a busy disk (measured)."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_LAUNCH = (
    'echo $$ >"$0/cgroup.procs" && layers=$1 root=$2 && shift 2 && mount -t overlay overlay -o "$layers" "$root" && '
    'exec systemd-nspawn --directory="$root" "$@"'
)
"""Into a control group of its own."""

_WITH_ME = ("setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
"""A test run that is killed takes along everything that runs in its containers, and all that is mounted for them."""

_POLL_S = 0.05
"""How often something outside is looked at again (chosen)."""


class MachineError(AssertionError):
    """A machine did not do what it should; the message holds what it said."""


class Machine:
    """A booted container. Context manager; with it end its processes, its mounts and its control groups.

    Args:
        directory: Where what it writes is kept (``written``), and its console's output.
        ground: Folders it stands on, the upper ones first; none of them is written to.
        binds: What of this machine it sees, by the path it has there: for reading only …
        writable: … and for writing.
    """

    def __init__(
        self,
        directory: Path,
        ground: Sequence[Path],
        *,
        binds: Mapping[str, Path] | None = None,
        writable: Mapping[str, Path] | None = None,
    ) -> None:
        self.written = directory / "written"
        self.boot_s = 0.0
        self._root = directory / "root"
        self._console = directory / "console.log"
        self._work = directory / "work"
        self._ground = list(ground)
        self._binds = [f"--bind-ro={path}:{inside}" for inside, path in (binds or {}).items()]
        self._binds += [f"--bind={path}:{inside}" for inside, path in (writable or {}).items()]
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0
        self._state = "not even begun"
        self._group: Path | None = None

    def __enter__(self) -> Self:
        try:
            begun_s = time.monotonic()
            self._boot()
            self.boot_s = time.monotonic() - begun_s
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    # --- what a person could type ------------------------------------------------------------------------------------

    def run(self, *command: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a command as root, whatever comes of it; ``stdout`` holds both its streams."""
        inside = ["nsenter", f"--target={self._leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]
        return subprocess.run(
            [*inside, "--root", "env", "-i", "--chdir=/", f"PATH={_PATH}", "HOME=/root", "LANG=C.UTF-8", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )

    def do(self, *command: str, timeout_s: float = 60.0) -> str:
        """Run a command that must succeed, and return what it wrote.

        Raises:
            MachineError: it failed.
        """
        done = self.run(*command, timeout_s=timeout_s)
        if done.returncode != 0:
            raise MachineError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout.strip()

    def systemctl(self, *arguments: str) -> str:
        """Run systemctl, which must succeed."""
        return self.do("systemctl", *arguments)

    def unit_property(self, name: str, unit: str = "speakerd") -> str:
        """Return one property of a unit."""
        return self.do("systemctl", "show", "--value", f"--property={name}", unit)

    @property
    def systemd_version(self) -> int:
        """Its systemd's number."""
        return int(self.systemctl("--version").split()[1])

    def journal(self, unit: str = "speakerd") -> str:
        """Return what the journal has of a unit, without time stamps."""
        return self.do("journalctl", f"--unit={unit}", "--no-pager", "--output=cat")

    def drop_in(self, name: str, lines: str, unit: str = "speakerd") -> None:
        """Lay something over a unit's ``[Service]``, as ``systemctl edit`` does; taken away again by an empty text."""
        path = f"/etc/systemd/system/{unit}.service.d/{name}.conf"
        if lines:
            self.write(path, f"[Service]\n{lines}\n")
        else:
            self.do("rm", "-f", path)
        self.systemctl("daemon-reload")

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        place = self._place(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")

    def read(self, path: str) -> str:
        """Read a file."""
        return self._place(path).read_text(encoding="utf-8")

    def wait_until(self, holds: Callable[[], bool], what: str, timeout_s: float = 30.0) -> float:
        """Wait for something to hold, and return how long it took.

        Raises:
            MachineError: it never did.
        """
        begun_s = time.monotonic()
        while not holds():
            if time.monotonic() > begun_s + timeout_s:
                raise MachineError(f"waited {timeout_s:g} s in vain for: {what}\n{self.journal()}")
            time.sleep(_POLL_S)
        return time.monotonic() - begun_s

    def _place(self, path: str) -> Path:
        """Return where a file of its own is to be had from here: only its processes see what is mounted for them."""
        return Path(f"/proc/{self._leader}/root") / path.lstrip("/")

    # --- its life ----------------------------------------------------------------------------------------------------

    def _layers(self) -> str:
        """Return how its file system is stacked, as options of mount."""
        layers = f"lowerdir={':'.join(map(str, self._ground))},upperdir={self.written},workdir={self._work}"
        # volatile: else its end waits until everything that anybody has written is on the disk; redirect_dir: a folder
        # is moved as on any machine, not copied.
        return f"{layers},volatile,redirect_dir=on"

    def _boot(self) -> None:
        options = ["--quiet", "--boot", "--register=no", "--keep-unit", "--private-network", "--console=pipe"]
        options += ["--link-journal=no", f"--machine=speakerd-{os.getpid()}", *self._binds]
        for folder in (self.written, self._root, self._work):
            folder.mkdir(parents=True, exist_ok=True)
        self._group = self._make_group()
        with self._console.open("wb") as console:
            self._nspawn = subprocess.Popen(
                [*_WITH_ME, "sh", "-c", _LAUNCH, str(self._group), self._layers(), str(self._root), *options],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                # 257 does without the old control groups; so then does 252.
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            )
        end_s = time.monotonic() + BOOT_S
        while not (self._find_leader() and self._is_up()):
            if self._nspawn.poll() is not None or time.monotonic() > end_s:
                said = self._console.read_text(encoding="utf-8", errors="replace")
                raise MachineError(f"the container did not boot: {self._state}\n{said[-3000:]}")
            time.sleep(_POLL_S)

    def _find_leader(self) -> bool:
        assert self._nspawn is not None
        with contextlib.suppress(OSError):
            found = [leader for nspawn in _children(self._nspawn.pid) for leader in _children(nspawn)]
            # Until it is systemd it may still see this machine's own file system.
            if found and Path(f"/proc/{found[0]}/comm").read_text(encoding="ascii") == "systemd\n":
                self._leader = found[0]
        return self._leader != 0

    def _is_up(self) -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._state = self.run("systemctl", "is-system-running", timeout_s=10).stdout.strip()
        return self._state in {"running", "degraded"}

    def _end(self) -> None:
        if self._nspawn is not None and self._nspawn.poll() is None:
            if self._leader:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._leader, signal.SIGKILL)  # whatever it was doing: nothing in it is kept running
            self._nspawn.kill()
            self._nspawn.wait()
        self._remove_group()
        shutil.rmtree(self._work, ignore_errors=True)

    def _make_group(self) -> Path:
        """Make a control group for this container alone: two in one would end each other's services."""
        mine = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
        unified = Path("/sys/fs/cgroup/unified")  # beside the old ones
        top = unified if unified.is_dir() else Path("/sys/fs/cgroup")
        parent = top / mine.removeprefix("0::").strip("/")
        for left in parent.glob("speakerd-booted-*"):
            if not Path(f"/proc/{left.name.split('-')[2]}").exists():
                _remove(left)  # by a run that was killed
        group = parent / f"speakerd-booted-{os.getpid()}-{id(self):x}"
        group.mkdir()
        return group

    def _remove_group(self) -> None:
        end_s = time.monotonic() + END_S
        while self._group is not None and self._group.exists() and time.monotonic() < end_s:
            _remove(self._group)
            time.sleep(_POLL_S)


def _remove(group: Path) -> None:
    """Remove a control group, from the leaves on, as far as nothing is in it; what was just killed may still be."""
    for folder, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
