"""Signing in as a test wants it: a clock and timers moved by hand, and attempts that end when the test says so."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from speakerd.auth.keeper import TokenKeeper
from speakerd.auth.process import SignInFailed
from speakerd.core.sign_in import SignIn
from speakerd.core.sign_in_fault import Fault
from speakerd.core.token_life import Token

OFFLINE = Fault("ServiceRequestError")
BUSY = Fault("AuthenticationRequiredError", http_status=429)
REVOKED = Fault("AuthenticationRequiredError", http_status=400, oauth_error="invalid_grant", aadsts=(50173,))
UNKNOWN_APP = Fault("ClientAuthenticationError", http_status=400, aadsts=(700016,), correlation_id="c-1")


class HandClock:
    """The monotonic clock and its timers, moved by hand."""

    def __init__(self) -> None:
        self.now_s = 5000.0
        self._timers: list[tuple[float, int, HandTimer]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self.now_s

    def call_at(self, when_s: float, callback: Callable[[], None]) -> HandTimer:
        timer = HandTimer(callback)
        heapq.heappush(self._timers, (when_s, next(self._order), timer))
        return timer

    @property
    def next_s(self) -> float | None:
        """When the next timer is due."""
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def fire(self, until_s: float) -> bool:
        """Move on to the next timer and call it, if there is one before a moment; else move on to that moment."""
        when_s = self.next_s
        if when_s is None or when_s > until_s:
            self.now_s = max(self.now_s, until_s)
            return False
        self.now_s = max(self.now_s, when_s)
        heapq.heappop(self._timers)[2].callback()
        return True


class HandTimer:
    """A timer of it."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Attempts:
    """Attempts that wait until they are told how they end. No two may be under way at a time."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.begun: list[tuple[float, bool]] = []
        self.flights: list[asyncio.Future[Token]] = []
        self.given: list[Token] = []
        self.cancelled = 0
        self.lingers: asyncio.Event | None = None
        """Where set, a cancelled attempt takes until then to be gone."""

    async def __call__(self, force: bool) -> Token:
        assert self.flights == [], "two attempts at a time"
        self.begun.append((self.clock.now(), force))
        flight: asyncio.Future[Token] = asyncio.get_running_loop().create_future()
        self.flights.append(flight)
        try:
            return await flight
        except asyncio.CancelledError:
            self.cancelled += 1
            if self.lingers is not None:
                await self.lingers.wait()
            raise
        finally:
            self.flights.remove(flight)

    @property
    def is_asked(self) -> bool:
        return bool(self.flights) and not self.flights[0].done()

    def token(self, life_s: float = 3600.0, refresh_s: float | None = None) -> Token:
        """Make a token that nobody has seen before."""
        now_s = self.clock.now()
        token = Token(f"token-{len(self.given)}", now_s, now_s + life_s, refresh_s, "ann@example.com")
        self.given.append(token)
        return token

    def give(self, token: Token) -> None:
        self.flights[0].set_result(token)

    def fail(self, fault: Fault) -> None:
        self.flights[0].set_exception(SignInFailed(fault))


class Stage:
    """A keeper at such a clock, with such attempts."""

    def __init__(self, chance: float = 0.0) -> None:
        self.clock = HandClock()
        self.attempts = Attempts(self.clock)
        self.told: list[SignIn] = []
        self.keeper = TokenKeeper(
            self.attempts,
            on_change=self.told.append,
            now=self.clock.now,
            call_at=self.clock.call_at,
            chance=lambda: chance,
        )
        self.running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.running = asyncio.create_task(self.keeper.run())
        await settle()

    async def stop(self) -> None:
        assert self.running is not None
        self.running.cancel()
        with suppress(asyncio.CancelledError):
            await self.running

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def pass_time(self, span_s: float) -> None:
        """Let time pass, and everything happen that is due."""
        until_s = self.clock.now() + span_s
        await settle()
        while self.clock.fire(until_s):
            await settle()
        await settle()

    async def give(self, life_s: float = 3600.0, refresh_s: float | None = None) -> Token:
        """Let the attempt under way bring a new token."""
        token = self.attempts.token(life_s, refresh_s)
        self.attempts.give(token)
        await settle()
        return token

    async def fail(self, fault: Fault) -> None:
        """Let the attempt under way fail."""
        self.attempts.fail(fault)
        await settle()

    @property
    def code(self) -> object:
        return self.keeper.status()["code"]

    @property
    def next_in_s(self) -> object:
        return self.keeper.status()["next_in_s"]


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(12):
        await asyncio.sleep(0)
