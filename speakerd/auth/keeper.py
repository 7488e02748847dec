"""A token ahead of need: one attempt at a time, and whoever asks meanwhile shares it.

The rules. A token that is good is served whatever fails; one that the service refused, or that was signed out, never
again. The next attempt is always arranged: before the token ends, after a failure with patience, sooner when something
has happened. How an attempt is made is in ``process.py``; what its failure means and when the next one is due is the
core's (``sign_in_fault.py``, ``token_life.py``).
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

from speakerd.auth.journal import write_down
from speakerd.auth.process import SignInFailed
from speakerd.auth.refusals import Refusals
from speakerd.core.errors import AuthError
from speakerd.core.sign_in import REFUSED, SIGNED_OUT, STARTING, SignIn, SignInState
from speakerd.core.sign_in_fault import Fault, classify
from speakerd.core.token_life import LONGEST_RETRY_S, Token, refresh_at_s, retry_after_s

ATTEMPT_GAP_S = 2.0
"""From the beginning of an attempt to the next at the least, whoever asks how often: Entra is not hammered (guess).
Two may be nearer: the refresh of a token that lives for seconds, and the one after the service's first refusal."""

REFRESH_GAP_S = 1.0
"""The same for tokens that live for seconds only (guess)."""

_SLOW = (SignInState.SIGN_IN_REQUIRED, SignInState.MISCONFIGURED)
"""Nothing changes before a person does something."""

_log = logging.getLogger("speakerd.auth")


class Timer(Protocol):
    """What ``call_at`` gives back."""

    def cancel(self) -> None:
        """Forget the call."""


class TokenKeeper:
    """Keeps a token ahead of need. Thread: event loop; ``current`` from any.

    Args:
        fetch: Makes an attempt; True: a token that the library has kept will not do. Cancelling it ends it.
        on_change: Hears how it stands, whenever that changes.
        now: Seconds on the monotonic clock.
        call_at: Arms a timer on the same clock, as ``loop.call_at`` does.
        chance: 0 to 1, drawn anew each time.
    """

    def __init__(
        self,
        fetch: Callable[[bool], Awaitable[Token]],
        *,
        on_change: Callable[[SignIn], None],
        now: Callable[[], float],
        call_at: Callable[[float, Callable[[], None]], Timer],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._fetch = fetch
        self._on_change = on_change
        self._now = now
        self._call_at = call_at
        self._chance = chance
        self._sign_in = SignIn(STARTING)
        self._since_s = now()
        self._token: Token | None = None
        self._refusals = Refusals()
        self._force = False
        self._fetches = 0
        self._failures = 0
        self._flight: asyncio.Future[Token] | None = None
        self._void = False
        self._kicked = False
        self._begun_s = now() - ATTEMPT_GAP_S
        self._quickest_s: float | None = None
        self._held_until_s = now()
        self._due_s = now()
        self._moved = asyncio.Event()
        self._waiting: set[asyncio.Future[bool]] = set()

    async def run(self) -> None:
        """Fetch whenever it is time. Ends: by cancellation, once an attempt that is under way has ended."""
        while True:
            await self._until_due()
            await self._fly()

    def current(self) -> Token | None:
        """Return the token, or None when there is none that can be used. Thread: any."""
        token = self._token
        return token if token is not None and token.is_usable(self._now()) else None

    @property
    def refusal(self) -> AuthError | None:
        """What is wrong where the service refuses every token; None: it is not known to."""
        return REFUSED.error if self._refusals.is_of_all else None

    @property
    def quickest_s(self) -> float | None:
        """How long the quickest attempt took that brought a token; None: none has."""
        return self._quickest_s

    async def wait(self, timeout_s: float) -> Token:
        """Return the token; where there is none, the one that an attempt brings in time.

        Raises:
            AuthError: there is none; the error says why.
        """
        token = self.current()
        if token is not None:
            return token
        deadline_s = self._now() + timeout_s
        self._bring_forward()
        if self._flight is None and self._due_s >= deadline_s:
            raise self._error()
        while await self._hear_news(deadline_s):
            token = self.current()
            if token is not None:
                return token
            if self._flight is None and self._due_s > self._now():
                break
        raise self._error()

    def rejected(self, secret: str) -> bool:
        """Drop a token that the service has refused, unless that is done, and fetch another.

        The first refusal is followed by an attempt at once. Where the service refuses what came of it as well, more
        of them will not help.

        Returns:
            Whether the next token is on its way for this.
        """
        token, now_s = self._token, self._now()
        if token is None or token.secret != secret:
            return False
        self._token = None
        self._force = True
        worth_another = self._refusals.note(secret, now_s - token.fetched_at_s)
        if worth_another:
            self._due_s = max(now_s, self._held_until_s)
            self._moved.set()
        else:
            self._held_until_s = max(self._held_until_s, now_s + ATTEMPT_GAP_S)
            self._arrange(LONGEST_RETRY_S)
            self._tell(SignIn(REFUSED, self._sign_in.account))
        return worth_another

    def accepted(self, secret: str) -> None:
        """Take note that the service has taken a token: whatever it has refused before, it does not refuse us."""
        token = self._token
        if token is None or token.secret != secret:
            return
        doubted = self._refusals.is_of_all
        self._refusals.end()
        if doubted and self._sign_in.verdict is REFUSED:
            self._tell(SignIn(None, token.account))

    def kick(self, reason: str) -> None:
        """Try now, or as soon as that is decent: something has happened.

        Args:
            reason: For the log.
        """
        _log.debug("sign-in: trying anew, %s", reason)
        self._failures = 0
        self._kicked = self._flight is not None
        self._bring_forward()

    def adopt(self, token: Token) -> None:
        """Take a token that a login has brought; an attempt that is under way is of no use any more."""
        self._abandon_flight()
        self._refusals.end()
        self._land(token, forced=True)
        self._spread_news()

    def forget(self) -> None:
        """Drop the token, and what an attempt under way will bring: it was signed out."""
        self._abandon_flight()
        self._token = None
        self._force = False
        self._failures = 0
        self._refusals.end()
        self._held_until_s = self._now()
        self._arrange(LONGEST_RETRY_S)
        self._tell(SignIn(SIGNED_OUT))
        self._spread_news()

    def status(self) -> dict[str, object]:
        """Return how it stands, as plain data; never the token. Failures are those in a row."""
        now_s, token, verdict = self._now(), self.current(), self._sign_in.verdict
        return {
            "state": self._sign_in.state.value,
            "code": verdict.code if verdict else None,
            "message": verdict.message if verdict else None,
            "account": self._sign_in.account,
            "since_s": round(now_s - self._since_s, 1),
            "token_valid_for_s": round(token.expires_at_s - now_s, 1) if token else None,
            "fetches": self._fetches,
            "failures": self._failures,
            "next_in_s": None if self._flight is not None else round(max(0.0, self._due_s - now_s), 1),
        }

    # --- when ---------------------------------------------------------------------------------------------------------

    async def _until_due(self) -> None:
        while self._now() < self._due_s:
            self._moved.clear()
            timer = self._call_at(self._due_s, self._moved.set)
            try:
                await self._moved.wait()
            finally:
                timer.cancel()

    def _bring_forward(self) -> None:
        """Let the next attempt begin as soon as that is decent. What an attempt under way decides comes later."""
        self._due_s = min(self._due_s, self._decent_s())
        self._moved.set()

    def _arrange(self, wait_s: float) -> None:
        """Let the next attempt begin in a while, sooner if somebody brings it forward."""
        self._due_s = max(self._now() + wait_s, self._decent_s())
        self._moved.set()

    def _decent_s(self) -> float:
        return max(self._now(), self._begun_s + ATTEMPT_GAP_S, self._held_until_s)

    # --- an attempt ---------------------------------------------------------------------------------------------------

    async def _fly(self) -> None:
        """Make one attempt, from its beginning to its very end."""
        forced, self._kicked, self._void = self._force, False, False
        self._begun_s = self._now()
        self._fetches += 1
        flight = self._flight = asyncio.ensure_future(self._fetch(forced))
        try:
            await asyncio.wait([flight])
        finally:
            if not flight.done():  # we are cancelled, and nothing of it is to be left behind
                flight.cancel()
                await asyncio.wait([flight])
            self._flight = None
        if self._void:
            with suppress(asyncio.CancelledError, SignInFailed):  # the flight's own; nobody wants to know any more
                flight.result()
        else:
            self._end_flight(flight, forced=forced)
        self._kicked = False  # it was about this one
        self._spread_news()

    def _end_flight(self, flight: asyncio.Future[Token], *, forced: bool) -> None:
        try:
            token = flight.result()
        except SignInFailed as failure:
            self._fail(failure.fault)
        else:
            took_s = self._now() - self._begun_s
            self._quickest_s = took_s if self._quickest_s is None else min(took_s, self._quickest_s)
            self._land(token, forced=forced)

    def _abandon_flight(self) -> None:
        """Let an attempt end without effect. The next one begins when it is gone."""
        if self._flight is not None:
            self._void, self._kicked = True, False
            self._flight.cancel()

    def _land(self, token: Token, *, forced: bool) -> None:
        """Take a token, unless it is none that can be used."""
        if self._refusals.include(token.secret):
            self._come_back(forced=forced)
        elif not token.is_usable(self._now()):
            self._fail(Fault("TokenOver"))
        else:
            had_none, self._token = self.current() is None, token
            self._force = False
            self._failures = 0
            self._due_s = max(refresh_at_s(token, self._chance()), self._begun_s + REFRESH_GAP_S)
            if self._kicked:  # where the clock was set meanwhile, this one's end was counted with two clocks
                self._due_s = self._decent_s()
            self._moved.set()
            # A service that refuses all of them is not known to take this one before it has: all looked well, and
            # every conversation was refused.
            self._tell(SignIn(REFUSED if self._refusals.is_of_all else None, token.account), anew=had_none)

    def _come_back(self, *, forced: bool) -> None:
        """Do without a token that was refused already; where no other was asked for, ask for another."""
        if forced:
            self._failures += 1
            self._refusals.note_same()
            self._arrange(LONGEST_RETRY_S)
            self._tell(SignIn(REFUSED, self._sign_in.account))
        else:
            self._force = True
            self._due_s = self._now()

    def _fail(self, fault: Fault) -> None:
        verdict = classify(fault)
        self._failures += 1
        wait_s = LONGEST_RETRY_S if verdict.state in _SLOW else retry_after_s(self._failures, self._chance())
        if self._kicked:  # what happened meanwhile may have been the cure
            self._failures, wait_s = 0, 0.0
        if fault.retry_after_s is not None:  # Entra asks for it, and a person's impatience is no reason
            self._held_until_s = self._now() + min(fault.retry_after_s, LONGEST_RETRY_S)
        self._arrange(wait_s)
        self._tell(SignIn(verdict, self._sign_in.account), fault)

    # --- who wants to know --------------------------------------------------------------------------------------------

    def _error(self) -> AuthError:
        return (self._sign_in.verdict or STARTING).error

    async def _hear_news(self, deadline_s: float) -> bool:
        """Wait until something has come of it; False: not in time."""
        news: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.add(news)
        timer = self._call_at(deadline_s, lambda: _resolve(news, in_time=False))
        try:
            return await news
        finally:
            timer.cancel()
            self._waiting.discard(news)

    def _spread_news(self) -> None:
        for news in self._waiting:
            _resolve(news, in_time=True)

    def _tell(self, sign_in: SignIn, fault: Fault | None = None, *, anew: bool = False) -> None:
        """Say how it stands, where that has changed, or there is a token again."""
        before, self._sign_in = self._sign_in, sign_in
        if sign_in.verdict != before.verdict:
            self._since_s = self._now()
            write_down(sign_in.verdict, fault)
        if anew or sign_in != before:
            self._on_change(sign_in)


def _resolve(news: asyncio.Future[bool], *, in_time: bool) -> None:
    if not news.done():
        news.set_result(in_time)
