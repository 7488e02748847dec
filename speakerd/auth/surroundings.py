"""What happens around us that lets a sign-in work which did not: a clock that is set, a network that is there again.

A Pi has no clock of its own, and until the network's has been asked no certificate may be valid. What is done about
it is the keeper's business.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from speakerd.core.sign_in import SignIn, SignInState

CLOCK_PATIENCE_S = 20.0
"""How long the first attempt waits for the clock: a Pi asks its time server within that once the network is up (guess);
where there is no network an attempt is in vain anyway."""

LOOK_EVERY_S = 2.0
"""How often we look at the clocks, and without a network at the routes (chosen; a look takes 60 µs, measured)."""

STEP_S = 30.0
"""A clock that leaps by more was set, not adjusted (chosen)."""

MAX_ROUTES_BYTES = 64 * 1024
"""More of a routing table is not read (guess; a home has ten lines)."""

_UP = 0x0001
"""RTF_UP, a route that can be used (specified by Linux's route.h)."""

_LOOPBACK = "lo"

Routes = frozenset[tuple[str, ...]]


class Surroundings:
    """Watches clocks and routes. Thread: event loop.

    Args:
        kick: Told what has happened, in a few words.
        now: Seconds on the monotonic clock.
        wall: Seconds on the clock that can be set.
        sleep: Waits for so many seconds.
        root: Where ``/run`` and ``/proc`` are.
    """

    def __init__(
        self,
        kick: Callable[[str], None],
        *,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        root: Path = Path("/"),
    ) -> None:
        self._kick = kick
        self._now = now
        self._wall = wall
        self._sleep = sleep
        self._root = root
        self._offline = False
        self._offset_s = wall() - now()
        self._routes: Routes = frozenset()

    def hear(self, sign_in: SignIn) -> None:
        """Take note of how it stands; without a network its return is looked out for."""
        offline = sign_in.state is SignInState.NO_NETWORK
        if offline and not self._offline:
            self._routes = routes_of(self._root)
        self._offline = offline

    async def until_clock_is_set(self) -> None:
        """Wait until the time server was asked. Ends: at once where nobody asks one, and soon in any case."""
        until_s = self._now() + CLOCK_PATIENCE_S
        timesync = self._root / "run/systemd/timesync"
        while _is_there(timesync) and not _is_there(timesync / "synchronized") and self._now() < until_s:
            await self._sleep(min(LOOK_EVERY_S / 4, until_s - self._now()))
        self._offset_s = self._wall() - self._now()

    async def run(self) -> None:
        """Watch, and kick. Ends: by cancellation."""
        while True:
            await self._sleep(LOOK_EVERY_S)
            self.look()

    def look(self) -> None:
        """Look once."""
        offset_s = self._wall() - self._now()
        if abs(offset_s - self._offset_s) > STEP_S:
            self._kick("the clock was set")
        self._offset_s = offset_s
        if self._offline:
            routes = routes_of(self._root)
            if routes - self._routes:
                self._kick("the network has changed")
            self._routes = routes


def routes_of(root: Path = Path("/")) -> Routes:
    """Return the routes that lead anywhere: interface, destination, its length, gateway.

    What the kernel counts and how it weighs them is left out: it changes when nothing has happened.
    """
    four = (line.split() for line in _lines(root / "proc/net/route")[1:])
    six = (line.split() for line in _lines(root / "proc/net/ipv6_route"))
    found = [(part[0], part[1], part[7], part[2]) for part in four if len(part) > 7 and _is_up(part[3])]  # noqa: PLR2004 - the format's columns
    found += [(part[9], part[0], part[1], part[4]) for part in six if len(part) > 9 and _is_up(part[8])]  # noqa: PLR2004 - the same
    return frozenset(route for route in found if route[0] != _LOOPBACK)


def _is_up(flags: str) -> bool:
    try:
        return bool(int(flags, 16) & _UP)
    except ValueError:
        return False


def _lines(path: Path) -> list[str]:
    """Return a table's lines; none where there is no such table: IPv6 may be switched off."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_ROUTES_BYTES).decode("ascii", "replace").splitlines()
    except OSError:
        return []


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return False
    return True
