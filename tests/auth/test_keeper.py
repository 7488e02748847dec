"""The keeper, one rule at a time. What holds in any order is in ``test_keeper_stories.py``."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from itertools import pairwise

import pytest

from speakerd.auth.keeper import ATTEMPT_GAP_S, REFRESH_GAP_S
from speakerd.core.errors import AuthError, Remedy
from speakerd.core.sign_in import SignInState
from speakerd.core.sign_in_fault import Fault
from speakerd.core.token_life import LONGEST_RETRY_S, SOONEST_REFRESH_S, Token
from tests.fakes.sign_in import BUSY, OFFLINE, REVOKED, UNKNOWN_APP, Stage, settle


async def refusal(waiter: asyncio.Task[Token]) -> AuthError:
    assert waiter.done()
    with pytest.raises(AuthError) as caught:
        await waiter
    return caught.value


async def waiting(stage: Stage, timeout_s: float = 0.7) -> asyncio.Task[Token]:
    """Begin to wait for a token, as a handshake does."""
    waiter = asyncio.create_task(stage.keeper.wait(timeout_s))
    await settle()
    return waiter


# --- a token ---------------------------------------------------------------------------------------------------------


async def test_the_first_token_is_fetched_at_once() -> None:
    """Nobody has to ask for it; a kept one will do."""
    async with Stage() as stage:
        assert stage.attempts.begun == [(5000.0, False)]
        assert stage.keeper.current() is None
        token = await stage.give()
        assert stage.keeper.current() is token


async def test_a_token_is_not_used_in_its_last_minute() -> None:
    """A handshake with it may take that long."""
    async with Stage() as stage:
        token = await stage.give(3600)
        await stage.pass_time(3539)
        assert stage.keeper.current() is token
        await stage.pass_time(2)
        assert stage.keeper.current() is None


async def test_the_next_token_is_fetched_at_half_life() -> None:
    """Long before anybody needs it; the one there is served meanwhile."""
    async with Stage() as stage:
        token = await stage.give(3600)
        await stage.pass_time(1799)
        assert not stage.attempts.is_asked
        await stage.pass_time(2)
        assert stage.attempts.begun[1:] == [(6800.0, False)]
        assert stage.keeper.current() is token
        new = await stage.give(3600)
        assert stage.keeper.current() is new


async def test_the_issuer_may_say_when() -> None:
    """What it suggests comes before our half."""
    async with Stage() as stage:
        await stage.give(3600, refresh_s=600)
        await stage.pass_time(600)
        assert stage.attempts.is_asked


async def test_a_thousand_speakers_do_not_come_at_once() -> None:
    """The moment is spread by a twentieth."""
    async with Stage(chance=1.0) as stage:
        await stage.give(3600)
        assert stage.next_in_s == 1710.0


@pytest.mark.parametrize("life_s", [2, 3, 5, 10])
async def test_tokens_that_live_for_seconds_work(life_s: int) -> None:
    """A new one is there before the old one ends, as long as an attempt takes less than that leaves."""
    async with Stage() as stage:
        await stage.give(life_s)
        for _ in range(10):
            await stage.pass_time(max(1.0, life_s / 2))
            assert stage.attempts.is_asked
            assert stage.keeper.current() is not None
            await stage.pass_time(0.3)
            assert stage.keeper.current() is not None
            await stage.give(life_s)


@pytest.mark.parametrize("refresh_s", [0, 1, -60])
async def test_a_token_whose_moment_has_passed_is_not_fetched_every_second(refresh_s: float) -> None:
    """Throttled, the library gives the kept token once more and says that the next one is overdue."""
    async with Stage() as stage:
        await stage.give(3600, refresh_s=refresh_s)
        assert stage.next_in_s == SOONEST_REFRESH_S


async def test_a_token_of_a_second_is_not_fetched_twice_a_second() -> None:
    """However short its life is."""
    async with Stage() as stage:
        await stage.give(1)
        assert stage.next_in_s == REFRESH_GAP_S


async def test_a_token_that_is_over_when_it_comes_is_a_failure() -> None:
    """It is not asked for again without a pause."""
    async with Stage() as stage:
        await stage.give(0)
        assert stage.keeper.current() is None
        assert (stage.code, stage.next_in_s) == ("auth-failed", ATTEMPT_GAP_S)


async def test_a_clock_that_is_set_changes_no_token() -> None:
    """The keeper knows the monotonic clock only; it is not even given another."""
    async with Stage() as stage:
        token = await stage.give(3600)
        stage.keeper.kick("the clock was set")
        await stage.pass_time(ATTEMPT_GAP_S)
        await stage.fail(OFFLINE)
        await stage.pass_time(1700)
        assert stage.keeper.current() is token


# --- failures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [OFFLINE, BUSY, REVOKED, UNKNOWN_APP, Fault("Strange"), Fault("", missing="client")])
async def test_a_good_token_is_served_whatever_fails(fault: Fault) -> None:
    """What is wrong is told at once all the same."""
    async with Stage() as stage:
        token = await stage.give(3600)
        await stage.pass_time(1800)
        await stage.fail(fault)
        assert stage.keeper.current() is token
        assert stage.told[-1].state is not SignInState.OK
        assert await (await waiting(stage)) is token


async def test_failures_are_met_with_patience() -> None:
    """From two seconds to five minutes."""
    async with Stage(chance=1.0) as stage:
        waits = []
        for _ in range(10):
            await stage.fail(OFFLINE)
            waits.append(stage.next_in_s)
            await stage.pass_time(LONGEST_RETRY_S)
            while stage.attempts.is_asked and len(stage.attempts.begun) <= len(waits):
                await settle()
        assert waits == [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0, 300.0]


async def test_patience_begins_anew_after_a_success() -> None:
    """Yesterday's failures are not today's."""
    async with Stage(chance=1.0) as stage:
        for wait_s in (2, 4, 8):
            await stage.fail(OFFLINE)
            await stage.pass_time(wait_s)
        await stage.give(3600)
        await stage.pass_time(1800)
        await stage.fail(OFFLINE)
        assert stage.next_in_s == 2.0


@pytest.mark.parametrize("fault", [REVOKED, UNKNOWN_APP])
async def test_what_a_person_must_change_is_tried_every_five_minutes(fault: Fault) -> None:
    """From the first time on, and for ever."""
    async with Stage() as stage:
        for count in range(1, 5):
            await stage.fail(fault)
            assert stage.next_in_s == LONGEST_RETRY_S
            await stage.pass_time(LONGEST_RETRY_S)
            assert len(stage.attempts.begun) == count + 1


async def test_entra_may_ask_for_a_pause() -> None:
    """Nobody's impatience shortens it: no wake word, no kick, no refused token; five minutes at most."""
    async with Stage() as stage:
        token = await stage.give(3600)
        await stage.pass_time(1800)
        await stage.fail(Fault("AuthenticationRequiredError", http_status=429, retry_after_s=60.0))
        stage.keeper.rejected(token.secret)
        for _ in range(59):
            stage.keeper.kick("wake word")
            assert (await refusal(await waiting(stage))).code == "auth-busy"
            await stage.pass_time(1)
        assert len(stage.attempts.begun) == 2
        await stage.pass_time(1)
        assert len(stage.attempts.begun) == 3
        await stage.fail(Fault("AuthenticationRequiredError", http_status=503, retry_after_s=86_400.0))
        assert stage.next_in_s == LONGEST_RETRY_S


async def test_an_error_of_our_own_is_not_hidden() -> None:
    """Only a failed sign-in is met with patience."""
    stage = Stage()
    await stage.start()
    stage.attempts.flights[0].set_exception(ZeroDivisionError())
    await settle()
    assert stage.running is not None
    with pytest.raises(ZeroDivisionError):
        await stage.running


# --- who waits -------------------------------------------------------------------------------------------------------


async def test_a_good_token_is_waited_for_by_nobody() -> None:
    """The loop is not even left."""
    async with Stage() as stage:
        token = await stage.give()
        with pytest.raises(StopIteration) as ended:
            stage.keeper.wait(0.7).send(None)
        assert ended.value.value is token


async def test_all_who_wait_share_one_attempt() -> None:
    """However many there are, and whenever they come."""
    async with Stage() as stage:
        waiters = [await waiting(stage) for _ in range(5)]
        await stage.pass_time(0.5)
        waiters += [await waiting(stage) for _ in range(5)]
        token = await stage.give()
        assert [await waiter for waiter in waiters] == [token] * 10
        assert len(stage.attempts.begun) == 1


async def test_who_waits_in_vain_hears_why_in_time() -> None:
    """Before the first attempt has ended: that it has not."""
    async with Stage() as stage:
        waiter = await waiting(stage)
        await stage.pass_time(0.69)
        assert not waiter.done()
        await stage.pass_time(0.02)
        error = await refusal(waiter)
        assert (error.code, error.remedy) == ("auth-starting", Remedy.RETRY)


async def test_who_waits_hears_the_verdict_as_soon_as_it_is_there() -> None:
    """A failed attempt ends the waiting."""
    async with Stage() as stage:
        waiter = await waiting(stage)
        await stage.fail(REVOKED)
        error = await refusal(waiter)
        assert (error.code, error.remedy) == ("auth-signed-out", Remedy.REAUTHENTICATE)


async def test_a_wake_word_without_a_token_tries_at_once() -> None:
    """However long the next attempt would have been away."""
    async with Stage() as stage:
        await stage.fail(UNKNOWN_APP)
        await stage.pass_time(10)
        waiter = await waiting(stage)
        assert stage.attempts.begun[1:] == [(5010.0, False)]
        token = await stage.give()
        assert await waiter is token


async def test_an_attempt_that_hangs_is_told_by_the_last_verdict() -> None:
    """That is the best that is known."""
    async with Stage() as stage:
        await stage.fail(OFFLINE)
        await stage.pass_time(ATTEMPT_GAP_S)
        waiter = await waiting(stage)
        await stage.pass_time(0.7)
        assert (await refusal(waiter)).code == "auth-no-network"


async def test_a_wake_word_every_second_does_not_hammer_entra() -> None:
    """An attempt in two seconds at the most; every wake word has its answer in time."""
    async with Stage() as stage:
        answered = []
        for _ in range(60):
            waiter = await waiting(stage)
            if stage.attempts.is_asked:
                await stage.fail(OFFLINE)
            await stage.pass_time(0.7)
            answered.append((await refusal(waiter)).code)
            await stage.pass_time(0.3)
        assert answered == ["auth-no-network"] * 60
        begun_s = [when_s for when_s, _ in stage.attempts.begun]
        assert all(after - before >= ATTEMPT_GAP_S for before, after in pairwise(begun_s))
        assert 20 <= len(begun_s) <= 31


async def test_who_stops_waiting_does_not_end_the_attempt() -> None:
    """Others want to know; and the next one who asks finds the token there."""
    async with Stage() as stage:
        first, second = await waiting(stage), await waiting(stage)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        token = await stage.give()
        assert await second is token
        assert stage.attempts.cancelled == 0


# --- a token that is refused -----------------------------------------------------------------------------------------


async def test_a_refused_token_is_dropped_and_another_fetched() -> None:
    """At once, and a kept one will not do."""
    async with Stage() as stage:
        token = await stage.give()
        stage.keeper.rejected(token.secret)
        assert stage.keeper.current() is None
        waiter = await waiting(stage)
        assert stage.attempts.begun[1:] == [(5000.0, True)]
        new = await stage.give()
        assert await waiter is new


async def test_a_token_that_is_refused_twice_is_fetched_once() -> None:
    """Two handshakes may have used it; the second may even say so when the new one is there."""
    async with Stage() as stage:
        token = await stage.give()
        stage.keeper.rejected(token.secret)
        stage.keeper.rejected(token.secret)
        await settle()
        stage.keeper.rejected(token.secret)
        new = await stage.give()
        stage.keeper.rejected(token.secret)
        await stage.pass_time(60)
        assert len(stage.attempts.begun) == 2
        assert stage.keeper.current() is new


async def test_how_quick_an_attempt_can_be_is_known() -> None:
    """A slow one changes nothing, nor does one that failed."""
    async with Stage() as stage:
        assert stage.keeper.quickest_s is None
        for span_s, quickest_s in ((3.0, 3.0), (1.0, 1.0), (2.0, 1.0)):
            await stage.pass_time(span_s)
            stage.keeper.rejected((await stage.give()).secret)
            await settle()
            stage.keeper.kick("soon")
            await stage.pass_time(0.0 if stage.attempts.is_asked else ATTEMPT_GAP_S)
            assert stage.keeper.quickest_s == quickest_s
        await stage.fail(OFFLINE)
        assert stage.keeper.quickest_s == 1.0


async def test_a_failure_does_not_bring_a_refused_token_back() -> None:
    """Better none than that."""
    async with Stage() as stage:
        token = await stage.give()
        stage.keeper.rejected(token.secret)
        await settle()
        await stage.fail(OFFLINE)
        assert stage.keeper.current() is None
        assert (await refusal(await waiting(stage))).code == "auth-no-network"
        await stage.pass_time(ATTEMPT_GAP_S)
        assert stage.attempts.begun[-1][1], "the library still has the refused one"


async def test_an_attempt_that_was_under_way_counts_for_a_refused_token() -> None:
    """Unless it brings just that one again."""
    async with Stage() as stage:
        token = await stage.give()
        await stage.pass_time(1800)
        stage.keeper.rejected(token.secret)
        waiter = await waiting(stage)
        stage.attempts.give(token)
        await settle()
        assert not waiter.done()
        assert stage.attempts.begun[1:] == [(6800.0, False), (6800.0, True)]
        new = await stage.give()
        assert await waiter is new


async def test_a_refused_token_that_comes_again_is_none() -> None:
    """An agent may have no other; the state says so, and it is not asked without a pause."""
    async with Stage() as stage:
        token = await stage.give()
        stage.keeper.rejected(token.secret)
        waiter = await waiting(stage)
        stage.attempts.give(token)
        await settle()
        assert (await refusal(waiter)).code == "auth-refused"
        assert stage.next_in_s == LONGEST_RETRY_S


async def test_one_that_comes_after_a_refused_one_came_again_proves_nothing() -> None:
    """A role that is missing is missing when the agent's next token comes: the service has the word."""
    async with Stage() as stage:
        token = await stage.give()
        stage.keeper.rejected(token.secret)
        await settle()
        stage.attempts.give(token)
        await stage.pass_time(LONGEST_RETRY_S)
        new = await stage.give()
        assert stage.keeper.current() is new, "it is shown to the service all the same"
        assert stage.code == "auth-refused"
        stage.keeper.accepted(new.secret)
        assert (stage.code, stage.told[-1].state) == (None, SignInState.OK)


async def test_a_service_that_refuses_every_token_does_not_get_them_all() -> None:
    """The second refusal of a fresh token is told; the third attempt is a matter of seconds, or of a person."""
    async with Stage() as stage:
        stage.keeper.rejected((await stage.give()).secret)
        await settle()
        stage.keeper.rejected((await stage.give()).secret)
        assert (await refusal(await waiting(stage))).code == "auth-refused"
        assert len(stage.attempts.begun) == 2
        await stage.pass_time(ATTEMPT_GAP_S)
        assert stage.attempts.is_asked


async def test_a_token_that_comes_after_refusals_proves_nothing() -> None:
    """Entra gives one whenever it is asked: that all is well is known when the service has taken it."""
    async with Stage() as stage:
        stage.keeper.rejected((await stage.give()).secret)
        await settle()
        stage.keeper.rejected((await stage.give()).secret)
        waiter = await waiting(stage)
        await stage.pass_time(ATTEMPT_GAP_S)
        token = await stage.give()
        assert stage.keeper.current() is token
        assert stage.code == "auth-refused"
        assert (await refusal(waiter)).code == "auth-refused"
        assert [one.state for one in stage.told[-2:]] == [SignInState.MISCONFIGURED] * 2, "that it is there is told"
        await stage.pass_time(1800)
        token = await stage.give()
        assert stage.code == "auth-refused", "nor does the next"
        stage.keeper.accepted("another")
        assert stage.code == "auth-refused"
        stage.keeper.accepted(token.secret)
        assert (stage.code, stage.told[-1].state) == (None, SignInState.OK)


async def test_what_the_service_has_taken_since_counts() -> None:
    """A refusal behind it is the first again."""
    async with Stage() as stage:
        stage.keeper.rejected((await stage.give()).secret)
        await settle()
        token = await stage.give()
        stage.keeper.accepted(token.secret)
        assert stage.keeper.rejected(token.secret)
        await settle()
        assert stage.attempts.is_asked
        assert stage.code is None


async def test_that_the_service_takes_a_token_does_not_mend_what_else_is_wrong() -> None:
    """The rest of its life is used while there is no network to fetch the next."""
    async with Stage() as stage:
        token = await stage.give(3600)
        await stage.pass_time(1800)
        await stage.fail(OFFLINE)
        stage.keeper.accepted(token.secret)
        assert stage.code == "auth-no-network"


async def test_a_token_that_was_good_for_a_while_is_refused_for_the_first_time() -> None:
    """A revocation an hour later is another story."""
    async with Stage() as stage:
        stage.keeper.rejected((await stage.give()).secret)
        await settle()
        token = await stage.give()
        await stage.pass_time(100)
        stage.keeper.rejected(token.secret)
        await settle()
        assert stage.attempts.is_asked
        assert stage.told[-1].state is SignInState.OK


# --- what happens outside --------------------------------------------------------------------------------------------


async def test_a_kick_tries_at_once() -> None:
    """The network is there again: what was to come in minutes comes now, and patience begins anew."""
    async with Stage(chance=1.0) as stage:
        for wait_s in (2, 4, 8, 16, 32):
            await stage.fail(OFFLINE)
            await stage.pass_time(wait_s)
        await stage.fail(OFFLINE)
        await stage.pass_time(10)
        stage.keeper.kick("network")
        await settle()
        assert stage.attempts.is_asked
        await stage.fail(OFFLINE)
        assert stage.next_in_s == 2.0


async def test_a_kick_is_about_the_attempt_it_came_in() -> None:
    """A login long after it is not followed by another attempt at once."""
    async with Stage() as stage:
        token = await stage.give()
        stage.keeper.rejected(token.secret)
        await settle()
        stage.keeper.kick("network")
        stage.attempts.give(token)
        await stage.pass_time(10)
        assert not stage.attempts.is_asked
        stage.keeper.adopt(stage.attempts.token())
        await settle()
        assert not stage.attempts.is_asked
        assert stage.next_in_s == 1800.0


async def test_kicks_are_limited() -> None:
    """An attempt in two seconds at the most; none is forgotten."""
    async with Stage() as stage:
        await stage.fail(OFFLINE)
        for _ in range(100):
            stage.keeper.kick("network")
            await stage.pass_time(0.1)
            if stage.attempts.is_asked:
                await stage.fail(OFFLINE)
        assert 5 <= len(stage.attempts.begun) <= 6


async def test_a_kick_during_an_attempt_is_not_lost() -> None:
    """It may have come too late for that one."""
    async with Stage() as stage:
        await stage.pass_time(30)
        stage.keeper.kick("network")
        await stage.fail(OFFLINE)
        await settle()
        assert stage.attempts.begun[1:] == [(5030.0, False)]
        await stage.fail(REVOKED)
        assert stage.next_in_s == LONGEST_RETRY_S


async def test_a_kick_during_an_attempt_that_brings_a_token_is_followed_by_another() -> None:
    """A clock that is set just then makes a token seem to live for hours or years longer than it does."""
    async with Stage() as stage:
        await stage.pass_time(30)
        stage.keeper.kick("the clock was set")
        kept = await stage.give(3 * 3600)
        assert stage.keeper.current() is kept
        assert stage.attempts.begun[1:] == [(5030.0, False)]
        token = await stage.give(3600)
        assert stage.keeper.current() is token
        assert stage.next_in_s == 1800.0


async def test_a_login_brings_a_token() -> None:
    """What an attempt under way would bring belongs to another sign-in; it is ended."""
    async with Stage() as stage:
        waiter = await waiting(stage)
        token = stage.attempts.token()
        stage.keeper.adopt(token)
        assert stage.keeper.current() is token
        await settle()
        assert await waiter is token
        assert (stage.attempts.cancelled, stage.attempts.flights) == (1, [])
        assert stage.next_in_s == 1800.0


async def test_a_logout_takes_the_token_and_what_was_to_come() -> None:
    """Whoever waits hears that nobody is signed in."""
    async with Stage() as stage:
        await stage.give()
        await stage.pass_time(3590)
        waiter = await waiting(stage)
        stage.keeper.forget()
        assert stage.keeper.current() is None
        assert stage.told[-1].account is None
        await settle()
        assert (await refusal(waiter)).code == "auth-signed-out"
        assert (stage.attempts.cancelled, stage.attempts.flights) == (1, [])
        assert stage.next_in_s == LONGEST_RETRY_S


async def test_a_good_token_is_gone_with_the_sign_in() -> None:
    """From that moment on, and in five minutes we look whether somebody has signed in."""
    async with Stage() as stage:
        await stage.give()
        stage.keeper.forget()
        assert stage.keeper.current() is None
        assert (stage.code, stage.next_in_s) == ("auth-signed-out", LONGEST_RETRY_S)


async def test_an_attempt_that_is_slow_to_end_is_still_the_only_one() -> None:
    """The next begins when its process is gone."""
    async with Stage() as stage:
        stage.attempts.lingers = asyncio.Event()
        stage.keeper.forget()
        stage.keeper.kick("sign-in")
        await stage.pass_time(10)
        assert len(stage.attempts.begun) == 1
        stage.attempts.lingers.set()
        await settle()
        assert len(stage.attempts.begun) == 2


async def test_the_end_of_the_keeper_is_the_end_of_the_attempt() -> None:
    """When run has ended nothing of it is left."""
    stage = Stage()
    await stage.start()
    stage.attempts.lingers = asyncio.Event()
    assert stage.running is not None
    stage.running.cancel()
    await settle()
    assert not stage.running.done()
    stage.attempts.lingers.set()
    with pytest.raises(asyncio.CancelledError):
        await stage.running
    assert stage.attempts.flights == []
    assert stage.clock.next_s is None


async def test_no_timer_is_left_behind() -> None:
    """Neither by the keeper nor by those who waited."""
    stage = Stage()
    await stage.start()
    waiters = [await waiting(stage) for _ in range(3)]
    waiters[0].cancel()
    await stage.give()
    await stage.stop()
    for waiter in waiters:
        with suppress(asyncio.CancelledError):
            await waiter
    assert stage.clock.next_s is None


# --- what is told ----------------------------------------------------------------------------------------------------


async def test_each_change_is_told_and_written_once(caplog: pytest.LogCaptureFixture) -> None:
    """With the facts an administrator needs, and nobody's name."""
    caplog.set_level(logging.INFO)
    async with Stage() as stage:
        await stage.give(600)
        for fault in (REVOKED, REVOKED, UNKNOWN_APP):
            await stage.pass_time(300)
            await stage.fail(fault)
        await stage.pass_time(300)
        await stage.give(600)
        await stage.pass_time(300)
        await stage.give(600)
    assert [one.state.value for one in stage.told] == ["ok", "sign_in_required", "misconfigured", "ok"]
    assert caplog.messages == [
        "sign-in: ok",
        "sign-in: sign_in_required, auth-signed-out, error AuthenticationRequiredError, http 400, AADSTS 50173",
        "sign-in: misconfigured, auth-app, error ClientAuthenticationError, http 400, AADSTS 700016, correlation c-1",
        "sign-in: ok",
    ]


async def test_another_account_is_told_and_not_written(caplog: pytest.LogCaptureFixture) -> None:
    """Who it is belongs on the screen of those who may ask."""
    caplog.set_level(logging.INFO)
    async with Stage() as stage:
        await stage.give()
        stage.keeper.adopt(Token("another", 5000.0, 8600.0, None, "bob@example.com"))
    assert [one.account for one in stage.told] == ["ann@example.com", "bob@example.com"]
    assert len(caplog.messages) == 1
    assert "@" not in caplog.text


async def test_the_status_says_how_it_stands() -> None:
    """State, remedy, who, until when; the token is in nothing that can be shown."""
    async with Stage() as stage:
        assert stage.keeper.status() == {
            "state": "starting",
            "code": "auth-starting",
            "message": "signing in has not ended yet: try again in a moment",
            "account": None,
            "since_s": 0.0,
            "token_valid_for_s": None,
            "fetches": 1,
            "failures": 0,
            "next_in_s": None,
        }
        token = await stage.give()
        await stage.pass_time(100)
        assert stage.keeper.status() == {
            "state": "ok",
            "code": None,
            "message": None,
            "account": "ann@example.com",
            "since_s": 100.0,
            "token_valid_for_s": 3500.0,
            "fetches": 1,
            "failures": 0,
            "next_in_s": 1700.0,
        }
        assert token.secret not in f"{stage.keeper.status()} {vars(stage.keeper)} {stage.told}"
