"""Threads have names outside of Python too."""

from __future__ import annotations

import threading
from pathlib import Path

from speakerd.threads import name_for_the_kernel


def test_the_kernel_knows_a_thread_by_its_name() -> None:
    """As much of it as it keeps; of a thread that is gone nothing is said."""
    go = threading.Event()
    thread = threading.Thread(target=go.wait, name="a name that is too long")
    thread.start()
    name_for_the_kernel(thread)
    told = Path(f"/proc/self/task/{thread.native_id}/comm").read_text(encoding="utf-8")
    go.set()
    thread.join()
    assert told == "a name that is \n"
    name_for_the_kernel(thread)
