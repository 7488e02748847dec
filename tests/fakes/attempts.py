"""Attempts to sign in that end as a test says, and a keeper that notes what it hears."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from speakerd.auth.process import DeviceCode, SignInFailed
from speakerd.core.sign_in_fault import Fault
from speakerd.core.token_life import Token

CODE = DeviceCode("GTHM6NKXT", "https://microsoft.com/devicelogin", 900.0)
TOKEN = Token("eyJ.secret", 1000.0, 4600.0, None, "ann@example.com")
BLOCKED = Fault("ClientAuthenticationError", http_status=400, aadsts=(53003,))
OFFLINE = Fault("ServiceRequestError")


class ToldAttempts:
    """Stands for ``auth.process.Worker``.

    Attributes:
        code: What a sign-in asks people for; a fault: no code comes.
        login_ends: What comes of a sign-in; nothing until it is set.
        fetched: What comes of a fetch.
        kept: Whether there is anything to remove.
        keeps: Whether the disk plays along.
        calls: What was asked, in order.
    """

    def __init__(self) -> None:
        self.code: DeviceCode | Fault = CODE
        self.login_ends: asyncio.Future[Token] | Token | Fault | BaseException = Fault("NotTold")
        self.fetched: Token | Fault = TOKEN
        self.kept = self.keeps = True
        self.calls: list[str] = []

    @property
    def is_kept(self) -> bool:
        return self.keeps

    async def fetch(self, *, force: bool = False) -> Token:
        self.calls.append("fetch")
        return _given(self.fetched)

    async def login(self, on_code: Callable[[DeviceCode], None]) -> Token:
        self.calls.append("login")
        await asyncio.sleep(0)
        if isinstance(self.code, Fault):
            raise SignInFailed(self.code)
        on_code(self.code)
        try:
            if isinstance(self.login_ends, asyncio.Future):
                return await self.login_ends
            await asyncio.sleep(0)
            return _given(self.login_ends)
        finally:
            self.calls.append("login over")

    def logout(self) -> bool:
        self.calls.append("logout")
        was, self.kept = self.kept, False
        return was


def _given(outcome: Token | Fault | BaseException) -> Token:
    if isinstance(outcome, BaseException):
        raise outcome
    if isinstance(outcome, Fault):
        raise SignInFailed(outcome)
    return outcome


class NotingKeeper:
    """Stands for ``auth.keeper.TokenKeeper``."""

    def __init__(self) -> None:
        self.heard: list[Token | None] = []

    def adopt(self, token: Token) -> None:
        self.heard.append(token)

    def forget(self) -> None:
        self.heard.append(None)
