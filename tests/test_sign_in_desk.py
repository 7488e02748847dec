"""The daemon's end of a sign-in: one at a time, for whoever asks, and never by itself."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace

import pytest

from speakerd.auth.process import SignInFailed
from speakerd.core.errors import AuthError, Remedy
from speakerd.core.settings import Auth
from speakerd.core.token_life import Token
from speakerd.sign_in_desk import SignInDesk
from tests.fakes.attempts import BLOCKED, CODE, OFFLINE, TOKEN, NotingKeeper, ToldAttempts


class Room:
    """A desk, and what stands around it."""

    def __init__(self, method="device_code", **options):
        self.attempts = ToldAttempts()
        self.attempts.login_ends = self.end = asyncio.get_running_loop().create_future()
        self.keeper = NotingKeeper()
        self.spoken = []
        self.hushed = []
        self.muted = False
        auth = Auth(method=method, tenant="contoso.example", client="11111111-2222-3333-4444-555555555555")
        self.desk = SignInDesk(
            auth,
            options.get("attempts", self.attempts),
            options.get("keeper", self.keeper),
            speak=lambda *what: self.spoken.append(what),
            hush=lambda: self.hushed.append(len(self.spoken)),
            is_muted=lambda: self.muted,
            wait_s=options.get("wait_s", 15.0),
        )

    async def ask(self, command, **arguments):
        """Ask as the control socket does."""
        return await self.desk.handlers[command]({"command": command, **arguments})

    async def refusal(self, command, **arguments):
        with pytest.raises(AuthError) as caught:
            await self.ask(command, **arguments)
        return caught.value


async def test_a_sign_in_from_its_code_to_its_token():
    """The code comes at once, the waiting ends with the token, which the keeper gets first."""
    room = Room()
    answer = await room.ask("login")
    assert answer == {
        "user_code": CODE.user_code,
        "verification_uri": CODE.verification_uri,
        "expires_in_s": pytest.approx(900, abs=5),
        "joined": False,
    }
    assert await room.ask("login-wait", wait_s=0) == {"state": "waiting", "expires_in_s": pytest.approx(900, abs=5)}
    waiting = asyncio.create_task(room.ask("login-wait"))
    room.end.set_result(TOKEN)
    signed_in = {"state": "signed_in", "account": "ann@example.com", "tenant": "contoso.example", "kept": True}
    assert await waiting == signed_in
    assert room.keeper.heard == [TOKEN]
    assert await room.ask("login-wait") == signed_in


async def test_whether_it_was_kept_is_told():
    """A disk that fails costs the sign-in at the next refresh, and nobody reads the journal before."""
    room = Room()
    room.attempts.keeps = False
    await room.ask("login")
    room.end.set_result(TOKEN)
    answer = await room.ask("login-wait")
    assert (answer["state"], answer["kept"]) == ("signed_in", False)
    assert room.keeper.heard == [TOKEN]


async def test_nothing_begins_by_itself():
    """Whoever waits for a sign-in that nobody began, or ends it, is told so."""
    room = Room()
    assert (await room.refusal("login-wait")).code == "auth-no-login"
    assert await room.ask("login-cancel") == {"cancelled": False}
    assert room.attempts.calls == []


async def test_who_comes_second_joins():
    """The same code, one sign-in, and both hear how it ends."""
    room = Room()
    first, second = await asyncio.gather(room.ask("login"), room.ask("login"))
    assert [first["joined"], second["joined"]] == [False, True]
    assert second["user_code"] == first["user_code"]
    both = asyncio.gather(room.ask("login-wait"), room.ask("login-wait"))
    room.end.set_result(TOKEN)
    assert [answer["state"] for answer in await both] == ["signed_in", "signed_in"]
    assert room.attempts.calls == ["login", "login over"]


async def test_after_an_end_the_next_is_a_new_one():
    """Nobody gets a code that is over."""
    room = Room()
    await room.ask("login")
    room.end.set_exception(SignInFailed(BLOCKED))
    assert (await room.refusal("login-wait")).code == "auth-blocked"
    room.attempts.code = replace(CODE, user_code="NEXT12345")
    room.attempts.login_ends = asyncio.get_running_loop().create_future()
    answer = await room.ask("login")
    assert (answer["user_code"], answer["joined"]) == ("NEXT12345", False)
    await room.ask("login-cancel")


async def test_a_refusal_carries_the_verdict(caplog):
    """Its code and what to do; the keeper keeps what it has; the journal knows the facts."""
    room = Room()
    await room.ask("login")
    room.end.set_exception(SignInFailed(BLOCKED))
    error = await room.refusal("login-wait")
    assert error.remedy is Remedy.OPERATOR
    assert "Conditional Access" in str(error)
    assert room.keeper.heard == []
    assert "AADSTS 53003" in caplog.text


async def test_without_a_code_there_is_a_refusal_at_once():
    """Nobody waits for a code that does not come."""
    room = Room()
    room.attempts.code = OFFLINE
    assert (await room.refusal("login")).code == "auth-no-network"
    assert (await room.refusal("login-wait")).code == "auth-no-network"
    assert room.spoken == []


async def test_a_cancelled_sign_in_is_over_for_everybody():
    """Its process is gone when the answer comes, and who waits is told."""
    room = Room()
    await room.ask("login")
    waiting = asyncio.create_task(room.refusal("login-wait"))
    await asyncio.sleep(0)
    assert await room.ask("login-cancel") == {"cancelled": True}
    assert room.attempts.calls == ["login", "login over"]
    assert (await waiting).code == "auth-cancelled"
    assert await room.ask("login-cancel") == {"cancelled": False}


async def test_cancelling_before_the_code_ends_the_asking():
    """Who asked for the code is refused."""
    room = Room()
    asking = asyncio.create_task(room.refusal("login"))
    await asyncio.sleep(0)
    assert await room.ask("login-cancel") == {"cancelled": True}
    assert (await asking).code == "auth-cancelled"


async def test_a_connection_that_closes_ends_nothing():
    """Only a cancellation does."""
    room = Room()
    await room.ask("login")
    waiting = asyncio.create_task(room.ask("login-wait"))
    await asyncio.sleep(0)
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting
    room.end.set_result(TOKEN)
    assert (await room.ask("login-wait"))["state"] == "signed_in"


async def test_the_end_of_the_daemon_is_the_end_of_a_sign_in():
    """No process outlives it."""
    room = Room()
    running = asyncio.create_task(room.desk.run())
    await room.ask("login")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert room.attempts.calls == ["login", "login over"]


async def test_the_code_is_spoken_once_and_again_when_asked():
    """Address and code, when the code comes; never by itself while somebody waits."""
    room = Room()
    await room.ask("login")
    await room.ask("login-wait", wait_s=0)
    await room.ask("login-wait", wait_s=0, speak="yes")
    assert room.spoken == [(CODE.verification_uri, CODE.user_code)]
    await room.ask("login-wait", wait_s=0, speak=True)
    assert len(room.spoken) == 2
    room.end.set_result(TOKEN)
    await room.ask("login-wait")
    await room.ask("login-wait", speak=True)
    assert len(room.spoken) == 2


@pytest.mark.parametrize("end", [TOKEN, SignInFailed(BLOCKED), None])
async def test_a_code_that_is_over_is_said_no_longer(end):
    """Entered, refused or given up: letter by letter it takes twenty seconds."""
    room = Room()
    await room.ask("login")
    if end is None:
        await room.ask("login-cancel")
    else:
        (room.end.set_result if end is TOKEN else room.end.set_exception)(end)
        with suppress(AuthError):
            await room.ask("login-wait")
    assert room.hushed == [1]


async def test_a_muted_speaker_says_no_code():
    """The terminal shows it all the same."""
    room = Room()
    room.muted = True
    assert (await room.ask("login"))["user_code"] == CODE.user_code
    await room.ask("login-wait", wait_s=0, speak=True)
    assert room.spoken == []
    await room.ask("login-cancel")


@pytest.mark.parametrize("wait_s", [None, "long", 1e9, -1, float("nan")])
async def test_waiting_ends_in_time_whatever_is_asked(wait_s):
    """The longest wait is ours to say."""
    room = Room(wait_s=0.01)
    await room.ask("login")
    async with asyncio.timeout(10):
        assert (await room.ask("login-wait", wait_s=wait_s))["state"] == "waiting"
    await room.ask("login-cancel")


async def test_logout_ends_everything():
    """A sign-in under way, what is on disk, and the token that is held."""
    room = Room()
    await room.ask("login")
    assert await room.ask("logout") == {"was_signed_in": True, "method": "device_code"}
    assert room.attempts.calls == ["login", "login over", "logout"]
    assert room.keeper.heard == [None]
    assert (await room.ask("logout"))["was_signed_in"] is False


async def test_logout_leaves_alone_what_needs_no_person():
    """A machine's own identity goes on; a sign-in that was left behind is removed all the same."""
    room = Room(method="managed_identity")
    assert await room.ask("logout") == {"was_signed_in": True, "method": "managed_identity"}
    assert room.keeper.heard == []


async def test_where_no_person_is_needed_a_token_proves_it():
    """The keeper gets it as well."""
    room = Room(method="managed_identity")
    assert await room.ask("login") == {"method": "managed_identity", "works": True, "account": "ann@example.com"}
    assert room.attempts.calls == ["fetch"]
    assert room.keeper.heard == [TOKEN]


async def test_where_it_does_not_work_the_reason_is_told():
    """As code and message; nothing is refused, for nobody needs to sign in."""
    room = Room(method="managed_identity")
    room.attempts.fetched = OFFLINE
    answer = await room.ask("login")
    assert (answer["works"], answer["code"]) == (False, "auth-no-network")
    assert "network" in answer["message"]
    assert room.keeper.heard == []


@pytest.mark.parametrize("method", ["none", "api_key"])
@pytest.mark.parametrize("has_worker", [False, True])
async def test_without_entra_there_is_nothing_to_do(method, has_worker):
    """And nothing is tried."""
    room = Room(method=method, keeper=None) if has_worker else Room(method=method, keeper=None, attempts=None)
    assert await room.ask("login") == {"method": method}
    assert await room.ask("logout") == {"was_signed_in": has_worker, "method": method}


async def test_the_desk_works_without_a_keeper():
    """A sign-in is then for whoever reads the disk."""
    room = Room(keeper=None)
    await room.ask("login")
    room.end.set_result(TOKEN)
    assert (await room.ask("login-wait"))["state"] == "signed_in"


async def test_nothing_secret_is_logged(caplog):
    """Neither code nor token nor name."""
    caplog.set_level(logging.DEBUG)
    room = Room()
    await room.ask("login")
    room.end.set_result(Token("eyJ.secret", 0.0, 10.0, None, "ann@example.com"))
    await room.ask("login-wait")
    await room.ask("logout")
    assert "sign-in: done" in caplog.text
    for secret in (CODE.user_code, "eyJ.secret", "ann@example.com"):
        assert secret not in caplog.text


async def test_a_bug_is_not_taken_for_a_failed_sign_in():
    """What nobody foresaw reaches whoever waits, as it is."""
    room = Room()
    await room.ask("login")
    room.end.set_exception(ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        await room.ask("login-wait")


async def test_another_configuration_ends_a_sign_in_and_is_asked_with_from_then_on():
    """Whoever waits is told; the next sign-in is the new one's."""
    room = Room()
    await room.ask("login")
    waiting = asyncio.create_task(room.ask("login-wait"))
    await asyncio.sleep(0)
    attempts = ToldAttempts()
    attempts.login_ends = asyncio.get_running_loop().create_future()
    attempts.code = replace(CODE, user_code="OTHER1234")
    room.desk.use(Auth(method="device_code"), attempts, None)
    with pytest.raises(AuthError, match="cancelled"):
        await waiting
    assert (await room.ask("login"))["user_code"] == "OTHER1234"
    await room.ask("login-cancel")
    room.desk.use(Auth(), None, None)
    assert await room.ask("login") == {"method": "none"}
