"""Who the daemon is to the service, put together."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest

from speakerd.auth.api_key import NoCredentials
from speakerd.auth.process import SignInFailed, Wish
from speakerd.core.errors import AuthError
from speakerd.core.events import SignInChanged
from speakerd.core.settings import Settings
from speakerd.core.sign_in import SignInState
from speakerd.core.token_life import Token
from speakerd.identity import Identity, wish_of
from tests.fakes.sign_in import REVOKED, HandClock

AZURE = {"provider": "azure", "endpoint": "https://kitchen.openai.azure.com"}
CLIENT = "01234567-89ab-cdef-0123-456789abcdef"
DEVICE_CODE = {"method": "device_code", "client": CLIENT, "tenant": "example.onmicrosoft.com"}


def settings(**sections: Any) -> Settings:
    return Settings.model_validate(sections)


class Library:
    """Signs in, or not, at once."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.wish: Wish | None = None
        self.life_s = 3600.0
        self.fails = False

    def __call__(self, wish: Wish, _environment: object) -> Library:
        self.wish = wish
        return self

    async def fetch(self, *, force: bool = False) -> Token:
        if self.fails:
            raise SignInFailed(REVOKED)
        now_s = self.clock.now()
        return Token(f"token-{now_s}-{force}", now_s, now_s + self.life_s, account="me@example.org")


class Bench:
    """An identity with a clock moved by hand."""

    def __init__(self, folder: Path) -> None:
        self.clock = HandClock()
        self.library = Library(self.clock)
        self.heard: list[SignInChanged] = []
        self.identity = Identity(
            settings(service=AZURE, auth=DEVICE_CODE),
            {"STATE_DIRECTORY": str(folder)},
            on_change=self.heard.append,
            call_at=self.clock.call_at,
            now=self.clock.now,
            make_worker=self.library,  # type: ignore[arg-type]  # what is used of it
        )

    async def settle(self, to_s: float = 0.0) -> None:
        """Let time pass, and everything that follows from it happen."""
        until_s = self.clock.now() + to_s
        for _ in range(20):
            await asyncio.sleep(0)
        while self.clock.fire(until_s):
            for _ in range(20):
                await asyncio.sleep(0)

    @contextlib.asynccontextmanager
    async def running(self):
        task = asyncio.create_task(self.identity.run())
        try:
            await self.settle()
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_a_token_is_there_before_it_is_asked_for(bench: Bench) -> None:
    """A handshake is signed at once; the status names the person and never the token."""
    async with bench.running():
        assert bench.heard == [SignInChanged(SignInState.OK, usable=True)]
        headers = await bench.identity.credentials.headers()
        assert headers["Authorization"].startswith("Bearer token-")
        status = bench.identity.status()
        assert (status["method"], status["state"], status["account"]) == ("device_code", "ok", "me@example.org")
        assert "token-" not in str(status)


async def test_the_end_of_the_last_token_is_told(bench: Bench) -> None:
    """Signed out with a token left, then without: two things for whoever wants to talk."""
    async with bench.running():
        bench.library.fails = True
        await bench.settle(2000)
        assert bench.heard[-1] == SignInChanged(SignInState.SIGN_IN_REQUIRED, usable=True)
        await bench.settle(1700)
        assert bench.heard[-1] == SignInChanged(SignInState.SIGN_IN_REQUIRED, usable=False)
        assert len(bench.heard) == 3
        bench.library.fails = False
        await bench.settle(400)
        assert bench.heard[-1] == SignInChanged(SignInState.OK, usable=True)


async def test_a_token_that_the_service_refused_is_replaced(bench: Bench) -> None:
    """By another, which is asked for as such."""
    async with bench.running():
        await bench.settle(100)
        await bench.identity.credentials.headers()
        bench.identity.credentials.rejected()
        await bench.settle()
        headers = await bench.identity.credentials.headers()
        assert headers["Authorization"].endswith("-True")


async def test_waiting_for_a_first_token(bench: Bench) -> None:
    """It comes, or the error says why not."""
    async with bench.running():
        await bench.identity.ready(10.0)
    bench.library.fails = True
    other = Bench(Path("/nowhere"))
    other.library.fails = True
    async with other.running():
        with pytest.raises(AuthError) as refused:
            await other.identity.ready(1.0)
        assert refused.value.code == "auth-signed-out"


async def test_without_entra_there_is_nothing_to_keep(tmp_path: Path) -> None:
    """No process, no task; a key from its file, in Azure's header as well where Azure is asked."""
    heard: list[SignInChanged] = []
    clock = HandClock()

    def of(**sections: Any) -> Identity:
        return Identity(settings(**sections), {}, on_change=heard.append, call_at=clock.call_at)

    nobody = of()
    await nobody.run()
    await nobody.ready(1.0)
    assert isinstance(nobody.credentials, NoCredentials)
    assert nobody.status() == {"method": "none"}
    key = tmp_path / "key"
    key.write_text("secret-1")
    key.chmod(0o600)
    auth = {"method": "api_key", "api_key_file": str(key)}
    headers = await of(auth=auth, service=AZURE).credentials.headers()
    assert headers == {"Authorization": "Bearer secret-1", "api-key": "secret-1"}
    headers = await of(auth=auth, service={"provider": "openai"}).credentials.headers()
    assert headers == {"Authorization": "Bearer secret-1"}
    with pytest.raises(AuthError) as missing:
        of(auth={"method": "api_key"}, service={"provider": "openai"})
    assert missing.value.code == "auth-key-missing"
    assert heard == []


async def test_a_key_that_cannot_be_used_is_told_before_anybody_asks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """At the start in the journal, and in the status as long as it is so."""
    clock, key = HandClock(), tmp_path / "key"
    auth = {"method": "api_key", "api_key_file": str(key)}
    identity = Identity(settings(service=AZURE, auth=auth), {}, on_change=lambda _: None, call_at=clock.call_at)
    await identity.run()
    assert "auth-key-missing" in caplog.text
    assert identity.status()["code"] == "auth-key-missing"
    key.write_text("secret-1")
    key.chmod(0o644)
    assert identity.status()["code"] == "auth-key-exposed"
    key.chmod(0o600)
    assert identity.status() == {"method": "api_key"}
    assert "secret-1" not in caplog.text


def test_a_worker_is_asked_as_configured(bench: Bench, tmp_path: Path) -> None:
    """With every key of the section, and the daemon's own folder."""
    assert bench.library.wish == wish_of(settings(auth=DEVICE_CODE).auth, tmp_path)
    assert bench.library.wish is not None
    assert (bench.library.wish.client, bench.library.wish.scope) == (
        CLIENT,
        "https://cognitiveservices.azure.com/.default",
    )


async def test_one_that_was_replaced_is_silent(bench: Bench) -> None:
    """It tells nobody when its token runs out, and no timer is left of it."""
    bench.library.life_s = 600.0
    async with bench.running():
        assert bench.heard[-1] == SignInChanged(SignInState.OK, usable=True)
        told = len(bench.heard)
        bench.library.fails = True
        bench.identity.close()
        await bench.settle(3600)
    assert len(bench.heard) == told
    bench.identity.close()
