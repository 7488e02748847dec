"""A thread of another process that hangs: the kernel stops it, as a debugger would, and the others go on.

It is caught asleep, where it holds nothing of the interpreter's; what it does not do from then on is what the test is
about.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_SEIZE, _INTERRUPT = 0x4206, 0x4207
"""Requests of ``ptrace`` (specified)."""

_WALL = 0x40000000
"""For ``waitpid``: threads, too (specified)."""

_STOPPED = "stopped"

_SOUND_ASLEEP_S = 0.015
"""Three times as long as a thread waits for the interpreter's lock at once (specified by Python)."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_libc.ptrace.restype = ctypes.c_long


class NotAllowedError(Exception):
    """This machine lets nobody stop another's thread."""


@contextlib.contextmanager
def frozen(thread_id: int) -> Iterator[None]:
    """Stop a thread until the block ends.

    Another process stops it: whoever waits for the end of a child of ours would be told that it stopped.

    Raises:
        NotAllowedError: the kernel refuses.
    """
    command = [sys.executable, "-m", "tests.fakes.frozen", str(thread_id)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as stopper:
        assert stopper.stdout is not None
        said = stopper.stdout.readline().strip()
        if said != _STOPPED:
            raise NotAllowedError(said)
        yield


def main(thread_id: int) -> None:
    """Stop a thread, say so, and let it go when nobody wants that any more; also when it was killed meanwhile."""
    try:
        _ptrace(_SEIZE, thread_id)
        _until_asleep(thread_id)
        _ptrace(_INTERRUPT, thread_id)
        os.waitpid(thread_id, _WALL)
    except NotAllowedError as error:
        sys.stdout.write(f"{error}\n")
        return
    sys.stdout.write(f"{_STOPPED}\n")
    sys.stdout.flush()
    sys.stdin.read()
    # The kernel lets it go with this process.


def _until_asleep(thread_id: int) -> None:
    """Wait until it sleeps and has slept for a while: who waits for the interpreter's lock wakes up every 5 ms."""
    before = None
    while (now := _sleep(thread_id)) is None or now != before:
        before = now
        time.sleep(_SOUND_ASLEEP_S)


def _sleep(thread_id: int) -> str | None:
    """Return what tells one sleep from another; None: it is awake."""
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{thread_id}/status").read_text().splitlines())
    return status["voluntary_ctxt_switches"] if status["State"].startswith("S") else None


def _ptrace(request: int, thread_id: int) -> None:
    if _libc.ptrace(request, thread_id, None, None) < 0:
        error = ctypes.get_errno()
        raise NotAllowedError(f"ptrace: {os.strerror(error)}, {signal.Signals.SIGSTOP.name} stops only all threads")


if __name__ == "__main__":
    main(int(sys.argv[1]))
