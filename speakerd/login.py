"""The commands ``login`` and ``logout``: through the running daemon, or alone where none answers.

Alone, root becomes the service's user, so that the daemon finds the sign-in. The daemon's end is ``sign_in_desk.py``;
what the terminal shows is drawn in ``host/code_page.py``.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from speakerd.auth.journal import write_down
from speakerd.auth.process import FETCH_TIMEOUT_S, DeviceCode, SignInFailed
from speakerd.core.errors import AuthError, Remedy, SpeakerdError
from speakerd.core.settings import Settings
from speakerd.core.sign_in import SignInState
from speakerd.core.sign_in_fault import classify, classify_login
from speakerd.core.token_life import Token
from speakerd.host import client
from speakerd.host.code_page import CodePage, columns_of
from speakerd.sign_in_alone import Alone, alone_of
from speakerd.sign_in_desk import Attempts, prove

SIGNED_IN, NOT_SIGNED_IN = 0, 77
"""Exit codes (contract)."""

ANSWER_TIMEOUT_S = FETCH_TIMEOUT_S + 10.0
"""How long the daemon may take to get a code, or a token, and to say so (guess)."""

TICK_S = 1.0
"""How often the time that is left is shown anew."""

NOT_KEPT = AuthError(
    "auth-state",
    "signed in, but it could not be kept: the folder must belong to the service's user, mode 0700, on a disk with room",
    Remedy.OPERATOR,
)

_ASKING = "asking Microsoft for a code (Ctrl-C ends it)"
_WAITING = "waiting for you (Ctrl-C ends it)"

_NOT_REVOKED = """What Microsoft has noted of it is not gone: a copy that somebody made before still opens the account.
To end that, sign out everywhere at https://mysignins.microsoft.com/security-info, or have an administrator revoke the
account's sessions (Entra admin center, Users). A token that was fetched before holds until it ends, often an hour."""

_NOTHING = {
    "none": "nothing to sign in: auth.method is none, the embedded service asks for nobody",
    "api_key": "nothing to sign in: auth.method is api_key, that key is all the service wants",
}


class Ask(Protocol):
    """Asks the daemon: ``host.client.request``, with its socket known."""

    def __call__(self, command: str, *, timeout_s: float, **arguments: object) -> dict[str, Any]:
        """Return its answer, or raise its refusal."""


def run(
    command: str, load: Callable[[], Settings], *, environment: Mapping[str, str], socket: Path, local: bool
) -> int:
    """Sign in or out, and tell it on the terminal.

    Args:
        command: ``login`` or ``logout``.
        load: Reads the configuration, which only who works alone needs.
        environment: Of the process.
        socket: The daemon's control socket.
        local: Work alone even where there is a daemon.

    Returns:
        The exit code.

    Raises:
        SpeakerdError: it cannot even be tried.
    """
    desk = Desk(
        ask=None if local else partial(client.request, socket),
        alone=lambda: alone_of(load().auth, environment),
        page=CodePage(sys.stdout, columns_of(sys.stdout)),
        complain=_complain,
    )
    return desk.login() if command == "login" else desk.logout()


class Desk:
    """Where a person signs in or out.

    Args:
        ask: Asks the daemon; None: work alone.
        alone: Gives what it takes to work alone.
        page: What is shown.
        complain: Says what went wrong.
        tick_s: How often the time that is left is shown anew.
    """

    def __init__(
        self,
        *,
        ask: Ask | None,
        alone: Callable[[], Alone],
        page: CodePage,
        complain: Callable[[str], None],
        tick_s: float = TICK_S,
    ) -> None:
        self._ask = ask
        self._alone = alone
        self._page = page
        self._complain = complain
        self._tick_s = tick_s

    def login(self) -> int:
        """Sign a person in, and return the exit code.

        Raises:
            SpeakerdError: it cannot even be tried.
        """
        try:
            code = None if self._ask is None else self._through_daemon(self._ask)
            return self._by_ourselves() if code is None else code
        except SpeakerdError as error:
            if not error.code.startswith("auth-"):
                raise
            self._page.clear()
            self._complain(f"{error.code}: {error}")
            return NOT_SIGNED_IN
        finally:
            self._page.clear()

    def logout(self) -> int:
        """Sign out, and return the exit code.

        Raises:
            SpeakerdError: the sign-in cannot be removed.
        """
        answer = None if self._ask is None else _or_absent(self._ask, "logout")
        if answer is None:
            alone = self._alone()
            self._say_who(alone)
            answer = {"was_signed_in": alone.attempts.logout(), "method": alone.auth.method}
        if answer["was_signed_in"]:
            self._page.say(f"signed out: the sign-in is gone from this machine\n{_NOT_REVOKED}")
        else:
            self._page.say("nobody was signed in: nothing of a sign-in is on this machine")
        if answer["method"] != "device_code":
            self._page.say(f"auth.method is {answer['method']}, which goes on without")
        return SIGNED_IN

    # --- through the daemon -------------------------------------------------------------------------------------------

    def _through_daemon(self, ask: Ask) -> int | None:
        """Let the daemon do it; None: there is none."""
        try:
            self._page.wait(_ASKING)
            answer = _or_absent(ask, "login")
            if answer is None or "user_code" not in answer:
                return None if answer is None else self._tell_proof(answer)
            if answer["joined"]:
                self._page.say("a sign-in is under way already, this is its code")
            self._page.show(answer["verification_uri"], answer["user_code"])
            while answer.get("state") != "signed_in":
                self._page.wait(_WAITING, answer["expires_in_s"])
                answer = ask("login-wait", timeout_s=client.TIMEOUT_S, wait_s=self._tick_s)
        except KeyboardInterrupt:
            self._cancel(ask)
            return NOT_SIGNED_IN
        who = _signed_in(answer["account"], answer["tenant"])
        if not answer.get("kept", True):
            self._page.say(f"{who} until the speaker needs its next token, within the hour")
            raise NOT_KEPT
        self._page.say(f"{who}; the speaker is ready; refreshes by itself")
        return SIGNED_IN

    def _cancel(self, ask: Ask) -> None:
        """End the sign-in on the daemon's side too, and say whether that worked."""
        try:
            cancelled = ask("login-cancel", timeout_s=client.TIMEOUT_S)["cancelled"]
        except SpeakerdError as error:
            self._page.say(f"cancelled, but the daemon could not be told ({error}): the code ends by itself")
            return
        ended = "nobody was signed in" if cancelled else "but it had ended already: speakerd status says how"
        self._page.say(f"cancelled, {ended}")

    # --- alone --------------------------------------------------------------------------------------------------------

    def _by_ourselves(self) -> int:
        alone = self._alone()
        try:
            return asyncio.run(self._sign_in(alone))
        except KeyboardInterrupt:
            self._page.say("cancelled, nobody was signed in")
            return NOT_SIGNED_IN

    async def _sign_in(self, alone: Alone) -> int:
        """Sign a person in. Ends: when that is decided, or by cancellation, always with the worker gone."""
        self._say_who(alone)
        if alone.auth.method != "device_code":
            self._page.wait(f"trying {alone.auth.method}")
            return self._tell_proof(await prove(alone.auth, alone.attempts))
        ticking = asyncio.create_task(self._tick(_ASKING, None))

        def on_code(code: DeviceCode) -> None:
            nonlocal ticking
            ticking.cancel()
            self._page.show(code.verification_uri, code.user_code)
            over_at_s = asyncio.get_running_loop().time() + code.expires_in_s
            ticking = asyncio.create_task(self._tick(_WAITING, over_at_s))

        try:
            token = await _or_error(alone.attempts.login(on_code), self._page.clear)
            await _or_not_kept(alone.attempts)
        finally:
            ticking.cancel()
            await asyncio.wait([ticking])
        told = (
            f"{_signed_in(token.account, alone.auth.tenant)}, for the speaker that keeps its sign-in in {alone.state}"
        )
        self._page.say(f"{told}: one that runs finds it within five minutes, and refreshes it by itself")
        return SIGNED_IN

    async def _tick(self, what: str, over_at_s: float | None) -> None:
        """Show the time that is left. Ends: by cancellation."""
        loop = asyncio.get_running_loop()
        while True:
            self._page.wait(what, None if over_at_s is None else over_at_s - loop.time())
            await asyncio.sleep(self._tick_s)

    def _say_who(self, alone: Alone) -> None:
        why = "alone, as asked" if self._ask is None else "no daemon answers, so it is done here"
        self._page.say(f"{why}: {alone.who}, in {alone.state}")

    # --- what both show -----------------------------------------------------------------------------------------------

    def _tell_proof(self, answer: Mapping[str, Any]) -> int:
        """Say that nobody needs to sign in, and whether it works so."""
        method = answer["method"]
        if "works" not in answer:
            self._page.say(_NOTHING[method])
        elif answer["works"]:
            self._page.say(f"nothing to sign in: {method} works" + _for(answer["account"]))
        else:
            self._page.clear()
            self._complain(f"{answer['code']}: nothing to sign in: {method} does not work, because {answer['message']}")
            return NOT_SIGNED_IN
        return SIGNED_IN


def _or_absent(ask: Ask, command: str) -> dict[str, Any] | None:
    """Ask the daemon; None: there is none. One that does not answer, or not to us, is an error."""
    try:
        return ask(command, timeout_s=ANSWER_TIMEOUT_S)
    except SpeakerdError as error:
        if isinstance(error.__cause__, FileNotFoundError | ConnectionRefusedError):
            return None
        raise


async def _or_error(login: Awaitable[Token], clear: Callable[[], None]) -> Token:
    """Return what came of a sign-in.

    Args:
        login: The sign-in.
        clear: Takes away what is shown, so that a record on the same terminal has a line of its own.

    Raises:
        AuthError: nobody was signed in.
    """
    try:
        return await login
    except SignInFailed as failure:
        verdict = classify_login(failure.fault)
        clear()
        write_down(verdict, failure.fault)
        raise verdict.error from failure


async def _or_not_kept(attempts: Attempts) -> None:
    """See whether a sign-in was kept, which is all it is for where no daemon has the token: fetch another token by it.

    Raises:
        AuthError: it was not kept, or does not work.
    """
    try:
        await attempts.fetch()
    except SignInFailed as failure:
        verdict = classify(failure.fault)
        raise (NOT_KEPT if verdict.state is SignInState.SIGN_IN_REQUIRED else verdict.error) from failure


def _signed_in(account: str | None, tenant: str | None) -> str:
    return "signed in" + (f" as {account}" if account else "") + (f" (tenant {tenant})" if tenant else "")


def _for(account: str | None) -> str:
    return f", for {account}" if account else ""


def _complain(text: str) -> None:
    sys.stderr.write(f"speakerd: {text}\n")
