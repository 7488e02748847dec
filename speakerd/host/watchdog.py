"""The service manager's watchdog: fed by the event loop, and only while every part of the hearing moves.

Feeding is a task of the loop, so that a loop that does not turn feeds nothing, whoever hangs in it. What the parts must
do is in ``core/pulse.py``. A thread beside the loop feeds nothing either: it only writes into the journal that the loop
stands, and where, before the service manager ends us.

Whoever stands is named with the stack of every thread. The end by the service manager writes them too, but from within
a signal, while other threads run on, and that may end in a second fault halfway through (seen once in a hundred).
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from speakerd.core.pulse import LIMITS_S, Part, Pulse, Standstill
from speakerd.core.story import Kind, story

log = logging.getLogger("speakerd.host")

STDERR_FILENO = 2
"""Where the journal reads (specified by POSIX)."""

LOOK_S = 5.0
"""How often to look and to feed (chosen: two wake-ups in ten seconds cost nothing, and a hang is named soon)."""

SHARE = 1 / 3
"""Of what the service manager allows, where that is shorter: two may be lost or late (chosen; it advises a half)."""


def patience_s(environment: Mapping[str, str], pid: int) -> float | None:
    """Return how long the service manager waits for a sign of life; None: it does not.

    Args:
        environment: With ``WATCHDOG_USEC`` and ``WATCHDOG_PID``, as the service manager sets them.
        pid: Of this process: what is meant for a parent is not ours.
    """
    told = environment.get("WATCHDOG_USEC")
    if not told or environment.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    try:
        allowed_s = int(told) / 1_000_000
    except ValueError:
        allowed_s = 0.0
    if allowed_s <= 0:
        log.warning("WATCHDOG_USEC=%s is no time: the watchdog is not fed; WatchdogSec= in the unit sets it", told)
        return None
    return allowed_s


def write_stacks() -> None:
    """Write the stack of every thread, without any values: none of them moves meanwhile, as we hold the interpreter."""
    faulthandler.dump_traceback(STDERR_FILENO, all_threads=True)


class LoopWitness:
    """A thread that says in the journal that the loop stands, and where. It feeds nobody.

    Thread: ``turned`` belongs to the loop that made it, ``look`` to the thread, or to a caller that never starts one.

    Args:
        limit_s: How long the loop may stand.
        now: The monotonic clock.
        stacks: Writes the stack of every thread.
    """

    def __init__(self, limit_s: float, now: Callable[[], float], stacks: Callable[[], None] = write_stacks) -> None:
        self._limit_s = limit_s
        self._now = now
        self._stacks = stacks
        self._loops_thread = threading.get_ident()
        self._turned_s = now()
        self._told = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="speakerd-witness", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, without waiting for it: it may be writing to a journal that does not take it."""
        self._stopping.set()

    def turned(self) -> None:
        """Take note that the loop turns."""
        self._turned_s = self._now()
        if self._told:
            self._told = False
            log.warning("the event loop turns again")

    def look(self) -> float:
        """Say that the loop stands, if it does, once; return how long nobody need look, in seconds."""
        still_s = self._now() - self._turned_s
        if still_s < self._limit_s:
            return self._limit_s - still_s
        if not self._told:
            self._told = True
            place = _place(self._loops_thread)
            told = story(Kind.NOT_FED, part=Part.LOOP.name.lower())
            log.error("the watchdog is not fed: %s, it is at %s", Standstill(Part.LOOP, still_s), place, extra=told)
            self._stacks()
        return self._limit_s

    def _run(self) -> None:
        while not self._stopping.wait(self.look()):
            pass


def _place(thread: int) -> str:
    """Return where a thread is: file, line and function, as in a traceback; no values."""
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - it is how the library's own tools look at a thread
    if frame is None:
        return "its end"
    code = frame.f_code
    return f"{'/'.join(Path(code.co_filename).parts[-3:])}:{frame.f_lineno} in {code.co_name}"


class Watchdog:
    """Feeds the service manager's watchdog while every part moves. Thread: event loop.

    Args:
        patience_s: How long the service manager waits; None: it does not, and nothing is done.
        feed: Tells it that all is well.
        counts: Asks the parts (``Pulse.look``).
        now: The monotonic clock.
        stacks: Writes the stack of every thread.
    """

    def __init__(
        self,
        patience_s: float | None,
        *,
        feed: Callable[[], None],
        counts: Callable[[], Mapping[Part, int | None]],
        now: Callable[[], float],
        stacks: Callable[[], None] = write_stacks,
    ) -> None:
        self._look_s = None if patience_s is None else min(LOOK_S, SHARE * patience_s)
        self._feed = feed
        self._counts = counts
        self._now = now
        self._stacks = stacks
        self._pulse = Pulse(self._look_s or LOOK_S)
        self._still: frozenset[Part] = frozenset()

    async def run(self) -> None:
        """Look and feed, again and again.

        Ends: at once where nobody watches; else by cancellation.
        """
        if self._look_s is None:
            return
        witness = LoopWitness(LIMITS_S[Part.LOOP], self._now, self._stacks)
        witness.start()
        try:
            while True:
                self.look()
                witness.turned()
                await asyncio.sleep(self._look_s)
        finally:
            witness.stop()

    def look(self) -> None:
        """Feed the watchdog, or say once which part it is not fed for."""
        standing = self._pulse.look(self._now(), self._counts())
        newly = [still for still in standing if still.part not in self._still]
        for still in newly:
            told = story(Kind.NOT_FED, part=still.part.name.lower())
            log.error("the watchdog is not fed: %s", still, extra=told)
        if newly:
            self._stacks()
        now_still = frozenset(still.part for still in standing)
        if self._still and not now_still:
            log.warning("the watchdog is fed again: everything moves")
        self._still = now_still
        if not standing:
            self._feed()
