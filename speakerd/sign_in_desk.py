"""The daemon's end of ``speakerd login`` and ``logout``: one sign-in with a code at a time, for whoever asks.

It never begins one by itself. How a sign-in is done is in ``auth/process.py``, what becomes of the token in
``auth/keeper.py``; the other end is ``login.py``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from speakerd.auth.journal import write_down
from speakerd.auth.process import DeviceCode, SignInFailed
from speakerd.core.errors import AuthError, Remedy
from speakerd.core.settings import Auth
from speakerd.core.sign_in_fault import classify, classify_login
from speakerd.core.token_life import Token

WAIT_S = 15.0
"""How long ``login-wait`` waits at most, so that nobody takes the daemon for dead (required: below 20 s)."""

CANCELLED = AuthError(
    "auth-cancelled", "the sign-in was cancelled, nobody was signed in: run speakerd login again", Remedy.REAUTHENTICATE
)

NOT_BEGUN = AuthError(
    "auth-no-login", "no sign-in is under way in the daemon: run speakerd login", Remedy.REAUTHENTICATE
)

_log = logging.getLogger("speakerd.auth")


class Attempts(Protocol):
    """What makes attempts to sign in: ``auth.process.Worker``."""

    @property
    def is_kept(self) -> bool:
        """Whether what they have learnt was written down."""

    async def fetch(self) -> Token:
        """Return a token without asking anybody."""

    async def login(self, on_code: Callable[[DeviceCode], None]) -> Token:
        """Sign a person in."""

    def logout(self) -> bool:
        """Remove what a sign-in has left."""


class Keeper(Protocol):
    """What keeps the token: ``auth.keeper.TokenKeeper``."""

    def adopt(self, token: Token) -> None:
        """Take a token."""

    def forget(self) -> None:
        """Drop the token."""


@dataclass(slots=True)
class _Login:
    """A sign-in with a code."""

    code: asyncio.Future[DeviceCode]
    """What the person needs, once it is known."""

    task: asyncio.Task[Token]
    """What waits for the person."""

    over_at_s: float = 0.0
    """When the code ends, on the loop's clock."""

    is_kept: bool = True
    """Whether what came of it was written down."""


class SignInDesk:
    """Answers what the control socket asks about signing in. Thread: event loop.

    Args:
        auth: The configuration of signing in.
        attempts: Makes attempts; None: nothing here needs a token.
        keeper: Hears what came of them; None likewise.
        speak: Says an address and a code aloud.
        hush: Ends that: it was entered, or is of no use any more.
        is_muted: Whether the owner wants quiet.
        wait_s: How long ``login-wait`` waits at most.
    """

    def __init__(
        self,
        auth: Auth,
        attempts: Attempts | None,
        keeper: Keeper | None,
        *,
        speak: Callable[[str, str], None],
        hush: Callable[[], None] = lambda: None,
        is_muted: Callable[[], bool],
        wait_s: float = WAIT_S,
    ) -> None:
        self._auth = auth
        self._attempts = attempts
        self._keeper = keeper
        self._speak = speak
        self._hush = hush
        self._is_muted = is_muted
        self._wait_s = wait_s
        self._loop = asyncio.get_running_loop()
        self._login: _Login | None = None

    @property
    def handlers(self) -> Mapping[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]]:
        """The commands of the control socket that are answered here."""
        return {
            "login": self.login,
            "login-wait": self.login_wait,
            "login-cancel": self.login_cancel,
            "logout": self.logout,
        }

    def use(self, auth: Auth, attempts: Attempts | None, keeper: Keeper | None) -> None:
        """Sign in by another configuration from now on; a sign-in that is under way ends.

        Args:
            auth: The configuration of signing in.
            attempts: Makes attempts.
            keeper: Hears what came of them.
        """
        self._auth, self._attempts, self._keeper = auth, attempts, keeper
        if self._login is not None and self._login.task.cancel():  # whoever waits for it is told that it was cancelled
            self._hush()

    async def run(self) -> None:
        """See to it that no sign-in outlives the daemon. Ends: by cancellation."""
        try:
            await asyncio.Event().wait()
        finally:
            await self._end_login()

    async def login(self, _request: dict[str, Any]) -> dict[str, Any]:
        """Begin a sign-in, or join the one that is under way, and return its code.

        Where nobody needs to sign in, tell whether that works.

        Raises:
            AuthError: there is no code; the error says why.
        """
        if self._attempts is None or self._auth.method != "device_code":
            return await prove(self._auth, self._attempts, self._keeper)
        login = self._login
        joined = login is not None and not login.task.done()
        if login is None or not joined:
            login = self._begin(self._attempts)
        either: list[asyncio.Future[Any]] = [login.code, login.task]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not login.code.done():
            _token_of(login.task)
        code = login.code.result()
        return {
            "user_code": code.user_code,
            "verification_uri": code.verification_uri,
            "expires_in_s": self._left_s(login),
            "joined": joined,
        }

    async def login_wait(self, request: dict[str, Any]) -> dict[str, Any]:
        """Wait until the sign-in has ended, for a while.

        ``"speak": true`` says the code once more; ``"wait_s"`` is how long to wait at most.

        Raises:
            AuthError: nobody was signed in; the error says why.
        """
        login = self._login
        if login is None:
            raise NOT_BEGUN
        if request.get("speak") is True and login.code.done() and not login.task.done():
            self._say(login.code.result())
        await asyncio.wait([login.task], timeout=self._patience_s(request.get("wait_s")))
        if not login.task.done():
            return {"state": "waiting", "expires_in_s": self._left_s(login)}
        token = _token_of(login.task)
        who = {"account": token.account, "tenant": self._auth.tenant}
        return {"state": "signed_in", **who, "kept": login.is_kept}

    async def login_cancel(self, _request: dict[str, Any]) -> dict[str, Any]:
        """End the sign-in that is under way."""
        cancelled = await self._end_login()
        if cancelled:
            self._hush()
        return {"cancelled": cancelled}

    async def logout(self, _request: dict[str, Any]) -> dict[str, Any]:
        """Remove the sign-in from this machine.

        Raises:
            AuthError: it cannot be removed.
        """
        if await self._end_login():
            self._hush()
        was_signed_in = self._attempts is not None and await asyncio.to_thread(self._attempts.logout)
        if self._keeper is not None and self._auth.method == "device_code":
            self._keeper.forget()
        if was_signed_in:
            _log.info("sign-in: removed from this machine")
        return {"was_signed_in": was_signed_in, "method": self._auth.method}

    # --- a sign-in ----------------------------------------------------------------------------------------------------

    def _begin(self, attempts: Attempts) -> _Login:
        code: asyncio.Future[DeviceCode] = self._loop.create_future()
        task = self._loop.create_task(self._sign_in(attempts, code), name="login")
        self._login = login = _Login(code, task)
        return login

    async def _sign_in(self, attempts: Attempts, code: asyncio.Future[DeviceCode]) -> Token:
        """Sign a person in. Ends: when the worker does, or by cancellation."""

        def on_code(device_code: DeviceCode) -> None:
            assert self._login is not None
            self._login.over_at_s = self._loop.time() + device_code.expires_in_s
            code.set_result(device_code)
            self._say(device_code)

        _log.info("sign-in: asking for a code")
        try:
            token = await attempts.login(on_code)
        except SignInFailed as failure:
            write_down(classify_login(failure.fault), failure.fault)
            self._hush()
            raise
        if self._login is not None:
            self._login.is_kept = attempts.is_kept
        _log.info("sign-in: done")
        self._hush()
        if self._keeper is not None:
            self._keeper.adopt(token)
        return token

    async def _end_login(self) -> bool:
        """End a sign-in that is under way, with its process; return whether there was one."""
        login = self._login
        if login is None or login.task.done():
            return False
        login.task.cancel()
        await asyncio.wait([login.task])
        _log.info("sign-in: cancelled")
        return True

    def _say(self, code: DeviceCode) -> None:
        if not self._is_muted():
            self._speak(code.verification_uri, code.user_code)

    def _left_s(self, login: _Login) -> float:
        return round(max(0.0, login.over_at_s - self._loop.time()), 1)

    def _patience_s(self, asked: object) -> float:
        return min(max(0.0, asked), self._wait_s) if isinstance(asked, int | float) else self._wait_s


def _token_of(task: asyncio.Task[Token]) -> Token:
    """Return what came of a sign-in that has ended.

    Raises:
        AuthError: nobody was signed in.
    """
    if task.cancelled():
        raise CANCELLED
    try:
        return task.result()
    except SignInFailed as failure:
        raise classify_login(failure.fault).error from failure


async def prove(auth: Auth, attempts: Attempts | None, keeper: Keeper | None = None) -> dict[str, Any]:
    """Tell whether signing in works where no person is needed for it: fetch a token.

    Args:
        auth: The configuration of signing in.
        attempts: Makes attempts; None: nothing here needs a token.
        keeper: Gets the token.
    """
    answer: dict[str, Any] = {"method": auth.method}
    if attempts is None or not auth.is_entra:
        return answer
    try:
        token = await attempts.fetch()
    except SignInFailed as failure:
        verdict = classify(failure.fault)
        return answer | {"works": False, "code": verdict.code, "message": verdict.message}
    if keeper is not None:
        keeper.adopt(token)
    return answer | {"works": True, "account": token.account}
