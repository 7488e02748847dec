"""The signals that a service is told things by: end, and read the configuration again.

The event loop's own handlers are not used. While they hold, the arrival of a signal writes to a descriptor of the loop:
when the loop has just closed it, or a storm of signals has filled it, Python prints a traceback, and in the second case
forgets the signal. These handlers run between two steps of the main thread instead, and wake a loop that sleeps.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Collection
from types import FrameType

STOPS = frozenset({signal.SIGTERM, signal.SIGINT})
"""What asks for the end: systemd's, and Ctrl-C."""

ALL = STOPS | {signal.SIGHUP}
"""And what asks for another configuration; left alone, it would end the process."""


class Signals:
    """Takes signals from now on: none is lost, and none ends the process in the middle of something. Thread: main.

    Args:
        numbers: Which of ``ALL``.
        leave: Ends the process, with a code, when it is to end before anybody listens: nothing is open by then.

    Attributes:
        stopped: The end was asked for.

    Ends: by ``ignore``.
    """

    def __init__(self, numbers: Collection[signal.Signals] = ALL, *, leave: Callable[[int], None] = os._exit) -> None:
        self.stopped = False
        self._numbers = numbers
        self._leave = leave
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: Callable[[], object] = lambda: None
        self._hang_up: Callable[[], object] | None = None
        self._hung_up = False
        for number in numbers:
            signal.signal(number, self._on_stop if number in STOPS else self._on_hangup)

    def listen(self, stop: Callable[[], object], hang_up: Callable[[], object] | None = None) -> None:
        """Be called on this loop from now on, in place of who was before; for what came early too.

        Args:
            stop: Told once to end.
            hang_up: Told to read the configuration again; None: nobody is yet, and it is kept.
        """
        self._loop = asyncio.get_running_loop()
        self._stop, self._hang_up = stop, hang_up
        self._pass_on()

    def ignore(self) -> None:
        """Heed no more of them: the process ends."""
        for number in self._numbers:
            signal.signal(number, signal.SIG_IGN)

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        if self._loop is None:
            self._leave(0)
        elif not self.stopped:
            self.stopped = True
            self._loop.call_soon_threadsafe(self._tell_stop)

    def _tell_stop(self) -> None:
        """Tell who listens by now."""
        self._stop()

    def _on_hangup(self, _number: int, _frame: FrameType | None) -> None:
        if not self._hung_up:
            self._hung_up = True
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._pass_on)

    def _pass_on(self) -> None:
        """Tell of hangups that came, once for all of them."""
        if self._hung_up and self._hang_up is not None:
            self._hung_up = False
            self._hang_up()
