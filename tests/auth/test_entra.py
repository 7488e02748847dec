"""Handshakes signed with a token."""

from __future__ import annotations

import asyncio

import pytest

from speakerd.auth.entra import PATIENCE_S, RENEWAL_PATIENCE_S, EntraCredentials
from speakerd.core.errors import AuthError, Remedy
from tests.fakes.sign_in import REVOKED, Stage, settle


async def test_a_token_is_a_bearer_token() -> None:
    """The header that every service of Azure's knows; the loop is not left for it."""
    async with Stage() as stage:
        token = await stage.give()
        with pytest.raises(StopIteration) as ended:
            EntraCredentials(stage.keeper).headers().send(None)
        assert ended.value.value == {"Authorization": f"Bearer {token.secret}"}


async def test_a_handshake_waits_for_the_first_token() -> None:
    """For less than the second in which the person hears how it stands."""
    async with Stage() as stage:
        credentials = EntraCredentials(stage.keeper)
        headers = asyncio.create_task(credentials.headers())
        await stage.pass_time(PATIENCE_S - 0.1)
        token = await stage.give()
        assert await headers == {"Authorization": f"Bearer {token.secret}"}


async def test_a_handshake_without_a_token_says_why() -> None:
    """With the code and the remedy of the state."""
    async with Stage() as stage:
        headers = asyncio.create_task(EntraCredentials(stage.keeper).headers())
        await settle()
        await stage.fail(REVOKED)
        with pytest.raises(AuthError) as caught:
            await headers
        assert (caught.value.code, caught.value.remedy) == ("auth-signed-out", Remedy.REAUTHENTICATE)


async def test_what_the_service_has_refused_is_not_given_again() -> None:
    """Another token is fetched; a second refusal of the same handshake changes nothing."""
    async with Stage() as stage:
        credentials = EntraCredentials(stage.keeper)
        await stage.give()
        await credentials.headers()
        assert credentials.rejected() is None
        assert credentials.rejected() is None
        headers = asyncio.create_task(credentials.headers())
        await settle()
        token = await stage.give()
        assert await headers == {"Authorization": f"Bearer {token.secret}"}
        assert [force for _, force in stage.attempts.begun] == [False, True]


@pytest.mark.parametrize(
    ("took_s", "patience_s"), [(0.1, PATIENCE_S), (0.4, 0.8), (2.0, 4.0), (9.0, RENEWAL_PATIENCE_S)]
)
async def test_a_refused_token_is_worth_waiting_for_the_next_one(took_s: float, patience_s: float) -> None:
    """As long as a fetch takes on this machine: whoever asks gets a conversation, or hears soon that there is none."""
    async with Stage() as stage:
        credentials = EntraCredentials(stage.keeper)
        await stage.pass_time(took_s)
        await stage.give()
        await credentials.headers()
        credentials.rejected()
        headers = asyncio.create_task(credentials.headers())
        await stage.pass_time(patience_s - 0.01)
        assert not headers.done()
        await stage.pass_time(0.02)
        with pytest.raises(AuthError) as caught:
            await headers
        assert caught.value.code == "auth-starting"
        await stage.give()


async def test_after_a_login_it_is_not_known_how_long_a_fetch_takes() -> None:
    """Then it is given the most."""
    async with Stage() as stage:
        credentials = EntraCredentials(stage.keeper)
        stage.keeper.adopt(stage.attempts.token())
        await settle()
        await credentials.headers()
        credentials.rejected()
        headers = asyncio.create_task(credentials.headers())
        await stage.pass_time(RENEWAL_PATIENCE_S - 0.1)
        token = await stage.give()
        assert await headers == {"Authorization": f"Bearer {token.secret}"}


async def test_nobody_waits_long_for_a_token_that_is_refused_as_well() -> None:
    """A second refusal in a row is the role's, not the token's: the next to ask hears within a second how it stands."""
    async with Stage() as stage:
        credentials = EntraCredentials(stage.keeper)
        for _ in range(2):
            headers = asyncio.create_task(credentials.headers())
            await settle()
            await stage.give()
            await headers
            in_vain = credentials.rejected()
        assert in_vain is not None
        assert in_vain.code == "auth-refused"
        headers = asyncio.create_task(credentials.headers())
        await stage.pass_time(PATIENCE_S)
        with pytest.raises(AuthError) as caught:
            await headers
        assert caught.value.code == "auth-refused"


async def test_a_refusal_of_what_was_not_given_is_left_alone() -> None:
    """There is nothing to drop."""
    async with Stage() as stage:
        token = await stage.give()
        EntraCredentials(stage.keeper).rejected()
        assert stage.keeper.current() is token


async def test_what_the_service_has_taken_is_told() -> None:
    """What was refused before is over; without a handshake there is nothing to tell."""
    async with Stage() as stage:
        credentials = EntraCredentials(stage.keeper)
        credentials.accepted()
        for _ in range(2):
            headers = asyncio.create_task(credentials.headers())
            await settle()
            await stage.give()
            await headers
            credentials.rejected()
        await stage.pass_time(PATIENCE_S)
        headers = asyncio.create_task(credentials.headers())
        await stage.pass_time(2.0)
        await asyncio.gather(headers, return_exceptions=True)
        await stage.give()
        await credentials.headers()
        assert stage.code == "auth-refused"
        credentials.accepted()
        assert stage.code is None


async def test_the_token_is_not_in_the_repr() -> None:
    """What may land in a log does not hold it."""
    async with Stage() as stage:
        token = await stage.give()
        credentials = EntraCredentials(stage.keeper)
        await credentials.headers()
        assert token.secret not in repr(credentials)
