"""Keeper, child process, worker and the real library, against a stand-in for Microsoft Entra ID."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from speakerd.auth.entra import EntraCredentials
from speakerd.auth.keeper import TokenKeeper
from speakerd.auth.process import DeviceCode, SignInFailed, Wish, Worker
from speakerd.core.errors import AuthError
from speakerd.core.sign_in import SignIn, SignInState
from speakerd.core.sign_in_fault import classify
from tests.fakes.entra import Entra
from tests.fakes.entra_directory import SCOPE

PATIENCE_S = 60.0
"""A loaded machine loads the library slowly."""


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Entra]:
    with Entra(tmp_path / "authority", keep_secrets=False) as entra:
        entra.directory.interval_s = 1
        yield entra


def worker_of(authority: Entra, tmp_path: Path) -> Worker:
    wish = Wish("device_code", authority.directory.tenant, authority.directory.client, SCOPE, None, tmp_path / "state")
    return Worker(wish, {"PATH": os.environ["PATH"], **authority.environment}, timeout_s=PATIENCE_S)


async def sign_in(worker: Worker, authority: Entra) -> list[DeviceCode]:
    """Sign a person in who enters the code at once."""
    codes: list[DeviceCode] = []

    def on_code(code: DeviceCode) -> None:
        codes.append(code)
        assert authority.directory.approve(code.user_code)

    await worker.login(on_code)
    return codes


async def changed(told: asyncio.Queue[SignIn], state: SignInState) -> SignIn:
    async with asyncio.timeout(PATIENCE_S):
        while (sign_in := await told.get()).state is not state:
            pass
    return sign_in


@pytest.mark.timeout(300)
async def test_a_sign_in_lives_on_in_every_process(authority: Entra, tmp_path: Path) -> None:
    """Signed in once; another process fetches what is kept, another forces a new one; signed out is signed out."""
    worker = worker_of(authority, tmp_path)
    with pytest.raises(SignInFailed) as caught:
        await worker.fetch()
    assert classify(caught.value.fault).code == "auth-signed-out"
    codes = await sign_in(worker, authority)
    assert len(codes) == 1
    first = await worker.fetch()
    assert authority.directory.judge(first.secret) == "ok"
    assert first.account == authority.directory.account
    forced = await worker.fetch(force=True)
    assert forced.secret != first.secret
    assert authority.directory.judge(forced.secret) == "ok"
    assert await asyncio.to_thread(worker.logout)
    with pytest.raises(SignInFailed):
        await worker.fetch()


@pytest.mark.timeout(300)
async def test_the_keeper_goes_through_the_life_of_a_sign_in(
    authority: Entra, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Signed out, signed in, a token refused, the sign-in revoked, signed in again; no secret in any log."""
    caplog.set_level(logging.DEBUG)
    worker = worker_of(authority, tmp_path)
    told: asyncio.Queue[SignIn] = asyncio.Queue()
    keeper = TokenKeeper(
        lambda force: worker.fetch(force=force),
        on_change=told.put_nowait,
        now=time.monotonic,
        call_at=asyncio.get_running_loop().call_at,
    )
    credentials = EntraCredentials(keeper)
    running = asyncio.create_task(keeper.run())
    await changed(told, SignInState.SIGN_IN_REQUIRED)
    await sign_in(worker, authority)
    keeper.kick("sign-in done")
    assert (await changed(told, SignInState.OK)).account == authority.directory.account
    before = await credentials.headers()
    credentials.rejected()
    token = await keeper.wait(PATIENCE_S)
    assert f"Bearer {token.secret}" != before["Authorization"]
    authority.directory.end_sign_ins()
    keeper.rejected(token.secret)
    with pytest.raises(AuthError) as caught:
        await keeper.wait(PATIENCE_S)
    assert caught.value.code == "auth-signed-out"
    await sign_in(worker, authority)
    keeper.kick("sign-in done")
    await changed(told, SignInState.OK)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    for secret in authority.directory.secrets():
        assert secret not in caplog.text
