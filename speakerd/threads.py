"""What a thread is called by the kernel: ``top -H``, ``ps -L`` and the bench show it."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

_LENGTH = 15
"""The kernel keeps so many bytes of a name (specified)."""


def name_for_the_kernel(thread: threading.Thread) -> None:
    """Give a thread that was started its name. Python does it by itself from 3.14 on.

    A kernel that does not let us, or has no ``/proc``, leaves the thread with its process's name: only who looks at it
    misses anything.
    """
    with contextlib.suppress(OSError):
        Path(f"/proc/self/task/{thread.native_id}/comm").write_bytes(thread.name.encode()[:_LENGTH])
