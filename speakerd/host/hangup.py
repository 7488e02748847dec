"""SIGHUP, which asks a daemon to read its configuration again: none is fatal, and none that comes early is lost."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from types import FrameType


class Hangups:
    """Takes SIGHUP from now on; left alone it would end the process. Thread: the main one.

    Ends: by ``ignore``.
    """

    def __init__(self) -> None:
        self._came = False
        signal.signal(signal.SIGHUP, self._note)

    def listen(self, loop: asyncio.AbstractEventLoop, heard: Callable[[], None]) -> None:
        """Call for each one from now on, and for those that came before anybody could listen."""
        loop.add_signal_handler(signal.SIGHUP, heard)
        if self._came:
            loop.call_soon(heard)

    def ignore(self, loop: asyncio.AbstractEventLoop) -> None:
        """Heed no more of them: the daemon ends."""
        loop.remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._came = True
