"""A thread around an audio body: it starts, it fails aloud, and somebody notices when it hangs."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from typing import Protocol

from speakerd.threads import name_for_the_kernel

REALTIME_PRIORITY = 10
"""SCHED_FIFO priority of the audio threads: above every ordinary thread, below the kernel's own (guessed)."""

STALL_S = 1.0
"""A card that moved nothing for this long hangs: the longest period is far shorter (specified)."""


class Body(Protocol):
    """What runs in the thread, one period a call."""

    progress: int
    """Grows while the card moves."""

    @property
    def resting(self) -> bool:
        """Whether standing still is what was asked for."""

    def pump_once(self) -> None:
        """Move one period, or nothing when resting."""

    def wait_until_due(self) -> None:
        """Sleep while there is nothing to do, until somebody asks for something."""

    def interrupt(self) -> None:
        """Make ``wait_until_due`` return. Thread: any."""


class AudioThread:
    """Runs a body until it is stopped or the body fails.

    Thread: the loop's, but for ``on_failed``, which is called on the audio thread as the last thing it does.

    Args:
        name: Of the thread, for ``on_failed`` and for debuggers.
        body: What to run; this thread is the only one to pump it.
        on_failed: Called with the name and what escaped from the body.

    Attributes:
        realtime: Whether the kernel let the thread run at real-time priority.
    """

    def __init__(self, name: str, body: Body, on_failed: Callable[[str, BaseException], None]) -> None:
        self.name = name
        self.realtime = False
        self._body = body
        self._on_failed = on_failed
        self._stopping = False
        # A daemon: one that hangs inside the kernel must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._seen_progress = -1
        self._seen_at_s = 0.0

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread; once."""
        self._thread.start()
        name_for_the_kernel(self._thread)

    def stop(self, timeout_s: float) -> bool:
        """Ask the thread to end and wait for it.

        Returns:
            False: it hangs in the card and is abandoned. Its PCM must not be touched again, since closing it would
            hang this thread too, and with it the whole process (pyalsaaudio holds the interpreter's lock in close).
        """
        self._stopping = True
        self._body.interrupt()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def stalled(self, now_s: float) -> bool:
        """Tell whether the card has moved nothing for ``STALL_S``; to be asked a few times a second.

        A body that rests, and a thread that has ended, are not stalled.
        """
        progress = self._body.progress
        if progress != self._seen_progress or self._body.resting or not self.alive:
            self._seen_progress = progress
            self._seen_at_s = now_s
            return False
        return now_s - self._seen_at_s > STALL_S

    def _run(self) -> None:
        self.realtime = _try_realtime()
        try:
            while not self._stopping:
                self._body.wait_until_due()
                self._body.pump_once()
        except BaseException as error:  # noqa: BLE001 - the thread's outermost line: nothing may end it silently
            self._on_failed(self.name, error)


def _try_realtime() -> bool:
    # Refused without CAP_SYS_NICE or LimitRTPRIO=; the buffers are long enough to live without it.
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(REALTIME_PRIORITY))  # 0: the calling thread
        return True
    return False
