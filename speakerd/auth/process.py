"""The process that signs in: started for each attempt, asked one thing, and never left behind.

Signing in needs a library of 30 to 40 MB, and may hang. So it happens in a child that is killed when it takes too
long; what it holds in its memory goes with it. What the child says is read in ``answers.py``, what it does is in
``worker.py``, and when it is asked is decided in ``keeper.py``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from speakerd.auth.answers import DeviceCode, Granted, Kept
from speakerd.auth.cache import AccountFile
from speakerd.auth.child import Child, NonsenseError, needed_of
from speakerd.auth.private_home import places, remove_left_behind
from speakerd.auth.request import Request
from speakerd.core.errors import AuthError, Remedy
from speakerd.core.sign_in import MISSING
from speakerd.core.sign_in_fault import Fault
from speakerd.core.token_life import Token

__all__ = ["DeviceCode", "SignInFailed", "Wish", "Worker"]

FETCH_TIMEOUT_S = 40.0
"""How long an attempt may take, imports and all: two requests of 15 s at most, and ten for a slow Pi (guess)."""

CODE_GRACE_S = 10.0
"""How long after the end of a code the worker may take to say so (guess)."""

SUPERSEDED = "superseded"
"""Why a worker keeps nothing where a newer sign-in lies there, or somebody has signed out: nothing is amiss."""

_TIDY = (0, 1)
"""Exit codes of a worker that has tidied up after itself."""

_COMMAND = (sys.executable, "-I", "-m", "speakerd.auth.worker")
"""Isolated: nothing of the environment or of the working directory is imported."""

_log = logging.getLogger("speakerd.auth")


class SignInFailed(Exception):  # noqa: N818 - it says what happened
    """An attempt failed; what is known of it, as facts."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.missing or fault.error)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Wish:
    """What a worker is asked with: the configuration of signing in."""

    method: str
    """``auth.method``."""

    tenant: str | None
    """``auth.tenant``."""

    client: str | None
    """``auth.client``."""

    scope: str
    """``auth.scope``."""

    certificate_file: str | None
    """``auth.certificate_file``."""

    state: Path
    """The folder below which the sign-in is kept."""


class Worker:
    """Starts workers, hears what they say and ends them. Thread: event loop.

    Args:
        wish: What they are asked with.
        environment: Of this process; they get what they need of it.
        user: As whom they run, where this process is root's; None: as this process does.
        now: Seconds on the monotonic clock.
        command: What to start; for tests.
        timeout_s: How long an attempt may take.
        code_grace_s: How long after the end of a code the worker may take to say so.

    Attributes:
        user: As whom they run; None: as this process does.

    Raises:
        AuthError: there is no such user (``auth-user``).
    """

    def __init__(
        self,
        wish: Wish,
        environment: Mapping[str, str],
        *,
        user: str | None = None,
        now: Callable[[], float] = time.monotonic,
        command: Sequence[str] = _COMMAND,
        timeout_s: float = FETCH_TIMEOUT_S,
        code_grace_s: float = CODE_GRACE_S,
    ) -> None:
        self.user = user
        self._wish = wish
        self._account = None if user is None else _account(user)
        self._environment = needed_of(environment, wish.method, self._account)
        self._now = now
        self._command = tuple(command)
        self._timeout_s = timeout_s
        self._code_grace_s = code_grace_s
        self._not_kept: str | None = None

    @property
    def is_kept(self) -> bool:
        """Whether what the last attempts have learnt was written down, as far as there was anything."""
        return self._not_kept is None

    async def fetch(self, *, force: bool = False) -> Token:
        """Return a token, without asking any person.

        Args:
            force: Another one than the library has kept.

        Raises:
            SignInFailed: there is none.

        Ends: with the process gone, also when cancelled.
        """
        return await self._ask(self._request("fetch", force=force), _refuse_code)

    async def login(self, on_code: Callable[[DeviceCode], None]) -> Token:
        """Sign a person in, and return the token.

        Args:
            on_code: Told what the person needs, once it is known.

        Raises:
            SignInFailed: nobody was signed in.

        Ends: when it is done or has failed, when the code is over, or when cancelled; always with the process gone.
        """
        return await self._ask(self._request("login"), on_code)

    def logout(self) -> bool:
        """Remove what a sign-in has left: who it was, the library's caches, copies. Thread: any; waits for the disk.

        An attempt under way puts nothing back (``cache.py``); the keeper's ``forget`` ends it.

        Returns:
            Whether there was something.

        Raises:
            AuthError: it cannot be removed (``auth-state``, ``auth-state-busy``).
        """
        try:
            with _as(self._account):
                was_there = AccountFile(self._wish.state).remove()
        except OSError as error:
            raise MISSING["state-busy" if isinstance(error, TimeoutError) else "state"].error from error
        self._tidy_up()
        return was_there

    def _tidy_up(self) -> None:
        """Remove the copies of the sign-in that workers have left behind that were killed."""
        with _as(self._account):
            for folder in places(self._environment, self._wish.state):
                remove_left_behind(folder)

    def _request(self, what: str, *, force: bool = False) -> Request:
        wish = self._wish
        return Request(
            method=wish.method,
            scope=wish.scope,
            state=wish.state,
            do=what,
            tenant=wish.tenant,
            client=wish.client,
            certificate_file=wish.certificate_file,
            force=force,
        )

    async def _ask(self, request: Request, on_code: Callable[[DeviceCode], None]) -> Token:
        child = await self._start()
        granted: Token | None = None
        fault: Fault | None = None
        try:
            async with asyncio.timeout(self._timeout_s) as patience:
                child.ask(request.to_json())
                async for answer in child.answers():
                    match answer:
                        case DeviceCode():
                            on_code(answer)
                            patience.reschedule(_loop_time_s() + answer.expires_in_s + self._code_grace_s)
                        case Granted():
                            granted = self._token(answer)
                            patience.reschedule(_loop_time_s() + self._timeout_s)  # to write it down
                        case Kept():
                            self._note(answer)
                        case Fault():
                            fault = answer
        except TimeoutError:
            fault = fault or Fault("TimeoutError")
        except NonsenseError as error:
            _log.warning("the sign-in worker says what was not agreed on: %s", error)
            fault = fault or Fault("WorkerNonsense")
        finally:
            await self._end(child)
        if granted is not None:
            return granted
        if fault is None:
            _log.warning("the sign-in worker ended with %s and without an answer", child.exit_code)
        raise SignInFailed(fault or Fault("WorkerSilent"))

    async def _end(self, child: Child) -> None:
        await child.end()
        if child.exit_code not in _TIDY:
            self._tidy_up()

    async def _start(self) -> Child:
        try:
            return await Child.start(self._command, self._environment, self._account)
        except OSError as error:
            _log.warning("the sign-in worker cannot be started: %s", error.strerror)
            raise SignInFailed(Fault("WorkerNotStarted")) from error

    def _token(self, granted: Granted) -> Token:
        now_s = self._now()
        return Token(
            secret=granted.secret,
            fetched_at_s=now_s,
            expires_at_s=now_s + granted.expires_in_s,
            refresh_after_s=granted.refresh_in_s,
            account=granted.account,
        )

    def _note(self, kept: Kept) -> None:
        """Say that the sign-in cannot be kept, once until it can be again."""
        if kept.failure == SUPERSEDED:
            return
        if kept.failure is not None and kept.failure != self._not_kept:
            _log.warning("the sign-in could not be written down, a restart may lose it: %s", kept.failure)
        self._not_kept = kept.failure


def _account(user: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(user)
    except KeyError:
        message = f"there is no user {user} on this machine: sudo make install makes it"
        raise AuthError("auth-user", message, Remedy.OPERATOR) from None


@contextmanager
def _as(account: pwd.struct_passwd | None) -> Iterator[None]:
    """Be somebody else for a moment, in all of this process: for a command of root's, never for the daemon."""
    if account is None:
        yield
        return
    user, group = os.geteuid(), os.getegid()
    os.setegid(account.pw_gid)
    os.seteuid(account.pw_uid)
    try:
        yield
    finally:
        os.seteuid(user)
        os.setegid(group)


def _loop_time_s() -> float:
    return asyncio.get_running_loop().time()


def _refuse_code(code: DeviceCode) -> None:
    raise NonsenseError(f"a {type(code).__name__} that nobody asked for")
