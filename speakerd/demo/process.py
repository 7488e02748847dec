"""A child process that writes to a file, says when it is ready, and never outlives its parent.

What is started, and what it needs, is ``stage.py``'s business.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from speakerd.core.errors import Remedy, SpeakerdError

STOP_TIMEOUT_S = 5.0
"""How long a process may take to end by itself before it is killed (guess: the daemon promises two seconds)."""

_LAUNCHER = """\
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
"""Asks Linux to kill this process with its parent, then becomes the command. Between fork and exec nothing of ours may
run: the parent may have threads."""


class StageError(SpeakerdError):
    """Something on the stage did not happen: a process ended, or a moment never came."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message, Remedy.OPERATOR)


class Child:
    """One child process; its output goes to a file from the first byte on.

    Args:
        name: For messages.
        log: Where its output goes, both streams; appended to.
        stop_timeout_s: How long it may take to end by itself.
    """

    def __init__(self, name: str, log: Path, *, stop_timeout_s: float = STOP_TIMEOUT_S) -> None:
        self.name = name
        self.log = log
        self._stop_timeout_s = stop_timeout_s
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Its process id, or None while it does not run."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    @property
    def exit_code(self) -> int | None:
        """How it ended, or None while it runs or was never started."""
        return None if self._process is None else self._process.returncode

    async def start(self, command: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> None:
        """Start a command, named by its absolute path, in a process group of its own: Ctrl-C is for us alone."""
        with self.log.open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-S", "-c", _LAUNCHER, str(os.getpid()), *command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=dict(env),
                cwd=cwd,
                process_group=0,
            )

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int | None:
        """End it by a signal, by SIGKILL if it does not obey, and return its exit code (None: never started).

        Ends: always with the process gone, also when cancelled.
        """
        process = self._process
        if process is None:
            return None
        if process.returncode is None:
            try:
                with contextlib.suppress(ProcessLookupError):  # it has just ended
                    process.send_signal(number)
                async with asyncio.timeout(self._stop_timeout_s):
                    await process.wait()
            except TimeoutError:
                pass  # killed below
            finally:
                if process.returncode is None:
                    with contextlib.suppress(ProcessLookupError):  # the same
                        process.kill()
        return await process.wait()

    def output(self) -> str:
        """Return everything it has written so far."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def require_alive(self) -> None:
        """Do nothing while it runs.

        Raises:
            StageError: it has ended (code ``stage-ended``); the message holds its last lines.
        """
        if self.exit_code is not None:
            raise StageError(
                "stage-ended", f"the {self.name} ended with {self.exit_code}:\n{last_lines(self.output())}"
            )


def last_lines(text: str, count: int = 20) -> str:
    """Return the last lines of a text."""
    return "\n".join(text.splitlines()[-count:])
