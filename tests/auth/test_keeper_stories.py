"""What holds for the keeper in any order of what can happen to it.

That no two attempts are under way at a time is asserted in ``tests/fakes/sign_in.py``, where they begin.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from speakerd.auth.keeper import ATTEMPT_GAP_S, REFRESH_GAP_S
from speakerd.auth.refusals import FRESH_S
from speakerd.core.errors import AuthError
from speakerd.core.sign_in import SignInState
from speakerd.core.sign_in_fault import Fault
from speakerd.core.token_life import LONGEST_RETRY_S, Token
from tests.fakes.sign_in import BUSY, OFFLINE, REVOKED, UNKNOWN_APP, Stage, settle

FAULTS = [OFFLINE, BUSY, REVOKED, UNKNOWN_APP, Fault("Strange"), Fault("X", http_status=429, retry_after_s=30.0)]
LIVES_S = [2.0, 3.0, 10.0, 61.0, 599.0, 3600.0, 86_400.0]
PATIENCE_S = [0.05, 0.7, 5.0]
SPANS_S = [0.0, 0.1, 0.7, 1.0, 2.0, 10.0, 60.0, 299.0, 301.0, 1800.0, 86_400.0]
HAIR_S = 1e-6
"""Times are sums of floats."""


class Life(RuleBasedStateMachine):
    """Entra, the service, people and the clock do what they can do, in any order."""

    @initialize(beginning=st.integers(0, 6), chance=st.sampled_from([0.0, 0.5, 1.0]))
    def begin(self, beginning: int, chance: float) -> None:
        self.loop = asyncio.new_event_loop()
        self.stage = Stage(chance)
        self.refused: list[Token] = []
        self.dropped: set[str] = set()
        """Refused, or signed out: never to be served again."""
        self.good: Token | None = None
        """What must be served while it can be used."""
        self.refused_before = False
        """The service has refused a token, and taken none since."""
        self.is_doubted = False
        """It has refused a fresh one after that, or nothing but that one can be had: believed until it takes one."""
        self.leaps: list[tuple[float, float]] = []
        """After which moments an attempt may follow the one before sooner, and how soon."""
        self.waiters: list[tuple[float, asyncio.Task[Token]]] = []
        self.run(self.stage.start())
        story = [
            lambda: self.give(3600.0, None),
            lambda: self.pass_time(1800.0),
            lambda: self.fail(OFFLINE),
            lambda: self.wait(0.7),
            lambda: self.be_refused(0),
            lambda: self.give(10.0, None),
        ]
        for act in story[:beginning]:
            act()
            self.check_waiters()

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.run(self.stage.stop())
            self.pass_time(max(PATIENCE_S))
            self.check_waiters()
            self.loop.close()

    def run(self, what: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(what)

    @property
    def now_s(self) -> float:
        return self.stage.clock.now()

    # --- people and the service --------------------------------------------------------------------------------------

    @rule(timeout_s=st.sampled_from(PATIENCE_S))
    def wait(self, timeout_s: float) -> None:
        waiter = self.loop.create_task(self.stage.keeper.wait(timeout_s))
        self.waiters.append((self.now_s + timeout_s, waiter))
        self.run(settle())

    @precondition(lambda self: self.waiters)
    @rule(which=st.integers(0, 100))
    def stop_waiting(self, which: int) -> None:
        _, waiter = self.waiters.pop(which % len(self.waiters))
        waiter.cancel()
        self.run(settle())

    @precondition(lambda self: self.stage.attempts.given)
    @rule(age=st.integers(0, 2))
    def be_refused(self, age: int) -> None:
        """The service refuses the newest token, or an older one whose handshake was slow."""
        given = self.stage.attempts.given
        token = given[-1 - age % len(given)]
        if token is self.good:
            self.good = None
            self.refused.append(token)
            self.dropped.add(token.secret)
            self.leaps.append((self.now_s, 0.0))
            fresh = self.now_s - token.fetched_at_s < FRESH_S
            self.is_doubted = self.is_doubted or (self.refused_before and fresh)
            self.refused_before = True
        self.stage.keeper.rejected(token.secret)
        self.run(settle())

    @precondition(lambda self: self.stage.attempts.given)
    @rule(age=st.integers(0, 2))
    def be_accepted(self, age: int) -> None:
        """The service takes the newest token, or an older one whose handshake was slow."""
        given = self.stage.attempts.given
        token = given[-1 - age % len(given)]
        self.stage.keeper.accepted(token.secret)
        if token is self.good:
            self.refused_before = self.is_doubted = False
            assert self.stage.keeper.status()["code"] != "auth-refused"
        self.run(settle())

    @rule(reason=st.sampled_from(["network", "clock", "wake word"]))
    def kick(self, reason: str) -> None:
        self.stage.keeper.kick(reason)
        self.run(settle())

    @rule(life_s=st.sampled_from(LIVES_S))
    def log_in(self, life_s: float) -> None:
        self.good = self.stage.attempts.token(life_s)
        self.refused_before = self.is_doubted = False
        self.stage.keeper.adopt(self.good)
        self.leaps.append((self.now_s, REFRESH_GAP_S))
        self.run(settle())
        self.check_served()
        assert self.stage.attempts.flights == []

    @rule()
    def log_out(self) -> None:
        if self.good is not None:
            self.dropped.add(self.good.secret)
            self.good = None
        self.refused_before = self.is_doubted = False
        self.stage.keeper.forget()
        assert self.stage.keeper.current() is None
        self.run(settle())
        assert self.stage.attempts.flights == []

    # --- Entra -------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.stage.attempts.is_asked)
    @rule(life_s=st.sampled_from(LIVES_S), refresh_s=st.sampled_from([None, 0.0, 1.0, 600.0, 1e6]))
    def give(self, life_s: float, refresh_s: float | None) -> None:
        self.leaps.append((self.now_s, REFRESH_GAP_S))
        self.good = self.run(self.stage.give(life_s, refresh_s))
        self.check_served()

    @precondition(lambda self: self.stage.attempts.is_asked)
    @rule(fault=st.sampled_from(FAULTS))
    def fail(self, fault: Fault) -> None:
        self.run(self.stage.fail(fault))

    @precondition(lambda self: self.stage.attempts.is_asked and self.refused)
    @rule(which=st.integers(0, 3))
    def give_a_refused_one(self, which: int) -> None:
        self.leaps.append((self.now_s, 0.0))
        _, forced = self.stage.attempts.begun[-1]
        self.is_doubted = self.is_doubted or forced
        self.stage.attempts.give(self.refused[-1 - which % len(self.refused)])
        self.run(settle())

    @precondition(lambda self: self.stage.attempts.is_asked)
    @rule()
    def give_one_that_is_over(self) -> None:
        token = self.stage.attempts.token(0.0)
        self.dropped.add(token.secret)
        self.stage.attempts.give(token)
        self.run(settle())

    # --- time --------------------------------------------------------------------------------------------------------

    @rule(span_s=st.sampled_from(SPANS_S))
    def pass_time(self, span_s: float) -> None:
        self.run(self.stage.pass_time(span_s))

    # --- what must hold ----------------------------------------------------------------------------------------------

    def check_served(self) -> None:
        """A token has just come: it is served, and all is well unless the service refuses every one."""
        assert self.stage.keeper.current() is self.good
        state = SignInState.MISCONFIGURED if self.is_doubted else SignInState.OK
        assert self.stage.told[-1].state is state
        assert self.stage.keeper.status()["code"] == ("auth-refused" if self.is_doubted else None)
        assert all(waiter.done() for _, waiter in self.waiters), "somebody was not told"

    def check_token(self, token: Token) -> None:
        assert token.secret not in self.dropped
        assert self.now_s < token.expires_at_s

    def check_waiters(self) -> None:
        for deadline_s, waiter in list(self.waiters):
            if not waiter.done():
                assert self.now_s < deadline_s + HAIR_S, "it waits in vain"
                continue
            self.waiters.remove((deadline_s, waiter))
            verdict = waiter.exception()
            if verdict is None:
                self.check_token(waiter.result())
            else:
                assert isinstance(verdict, AuthError)

    @invariant()
    def what_is_served_is_good(self) -> None:
        token = self.stage.keeper.current()
        if token is not None:
            self.check_token(token)
        if self.good is not None and self.good.is_usable(self.now_s):
            assert token is self.good, "a good token is served whatever else goes wrong"

    @invariant()
    def nobody_waits_for_longer_than_they_want(self) -> None:
        self.check_waiters()

    @invariant()
    def the_next_attempt_is_arranged(self) -> None:
        if self.stage.attempts.flights:
            return
        next_in_s = self.stage.keeper.status()["next_in_s"]
        assert isinstance(next_in_s, float)
        usable = self.good is not None and self.good.is_usable(self.now_s)
        assert usable or next_in_s <= LONGEST_RETRY_S
        timer_s = self.stage.clock.next_s
        assert timer_s is not None, "nothing will wake the keeper"
        assert timer_s <= self.now_s + next_in_s + 0.1

    @invariant()
    def entra_is_not_hammered(self) -> None:
        begun_s = [when_s for when_s, _ in self.stage.attempts.begun[-2:]]
        if len(begun_s) < 2:
            return
        before_s, after_s = begun_s
        gaps_s = [gap_s for when_s, gap_s in self.leaps if before_s - HAIR_S <= when_s <= after_s + HAIR_S]
        assert after_s - before_s >= min(gaps_s, default=ATTEMPT_GAP_S) - HAIR_S


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=200, stateful_step_count=40)
