"""How an audio thread calls the event loop: a bell that does not ring twice before it is answered."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Protocol


class Loop(Protocol):
    """The one thing of an event loop that other threads may use."""

    def call_soon_threadsafe(self, callback: Callable[[], None], /) -> object:
        """Run the callback on the loop's thread, soon."""


class Doorbell:
    """Runs a callback on the loop's thread after ``ring``, once for however many rings came before it ran.

    Args:
        loop: Where the callback runs.
        callback: Looks at everything there is to look at; a ring that comes while it runs makes it run again.
    """

    def __init__(self, loop: Loop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        # Only ever tried, never waited for: whoever fails to take it knows that a call is outstanding already.
        self._outstanding = threading.Lock()

    def ring(self) -> None:
        """Ask for the callback. Thread: any; never blocks. After the loop has closed it does nothing."""
        if self._outstanding.acquire(blocking=False):
            # The loop closes before an abandoned audio thread ends; nobody is left to answer then.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        # Free before the callback runs: what arrives during it must ring again.
        self._outstanding.release()
        self._callback()
