"""A thread of another process that hangs: the kernel stops it, as a debugger would, and the others go on.

It is caught asleep, where it holds nothing of the interpreter's; what it does not do from then on is what the test is
about.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

_SEIZE, _INTERRUPT, _DETACH = 0x4206, 0x4207, 17
"""Requests of ``ptrace`` (specified)."""

_WALL = 0x40000000
"""For ``waitpid``: threads, too (specified)."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_libc.ptrace.restype = ctypes.c_long


class NotAllowedError(Exception):
    """This machine lets nobody stop another's thread."""


@contextlib.contextmanager
def frozen(thread_id: int) -> Iterator[None]:
    """Stop a thread until the block ends.

    Raises:
        NotAllowedError: the kernel refuses.
    """
    _ptrace(_SEIZE, thread_id)
    try:
        _until_asleep(thread_id)
        _ptrace(_INTERRUPT, thread_id)
        os.waitpid(thread_id, _WALL)
        yield
    finally:
        try:
            _ptrace(_DETACH, thread_id)
        except NotAllowedError:  # it was killed meanwhile, and who stopped it is the first to be told of its end
            with contextlib.suppress(ChildProcessError):
                os.waitpid(thread_id, _WALL)


def _until_asleep(thread_id: int) -> None:
    stat = Path(f"/proc/{thread_id}/stat")
    while stat.read_text().rpartition(")")[2].split()[0] != "S":
        time.sleep(0.001)


def _ptrace(request: int, thread_id: int) -> None:
    if _libc.ptrace(request, thread_id, None, None) < 0:
        error = ctypes.get_errno()
        raise NotAllowedError(f"ptrace: {os.strerror(error)}, {signal.Signals.SIGSTOP.name} stops only all threads")
