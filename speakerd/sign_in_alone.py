"""What it takes to sign in without a daemon: as whom, and where it is kept, so that the daemon finds it."""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from speakerd.auth.process import Wish, Worker
from speakerd.core.settings import Auth
from speakerd.host.places import SYSTEM_FOLDER, daemons_state_folder, may_use, state_folder
from speakerd.identity import wish_of
from speakerd.sign_in_desk import Attempts

SERVICE_USER = "speakerd"
"""The unit's User (contract)."""


@dataclass(frozen=True, slots=True)
class Alone:
    """Signing in without a daemon."""

    auth: Auth
    """The configuration of it."""

    attempts: Attempts
    """Makes attempts."""

    who: str
    """As whom, for people."""

    state: Path
    """The folder below which the sign-in is kept."""


def alone_of(
    auth: Auth, environment: Mapping[str, str], system: Path = SYSTEM_FOLDER, user: str = SERVICE_USER
) -> Alone:
    """Return what it takes to work alone: as the service's user where root asks and there is one, else as who asks.

    Args:
        auth: The configuration of signing in.
        environment: Of the process.
        system: The state directory of an installed daemon.
        user: The service's user.
    """
    account = _account(user) if os.geteuid() == 0 else None
    if account is not None:
        state = system if system.is_dir() else Path(account.pw_dir) / ".local/state/speakerd"
        worker = Worker(wish_of(auth, state), environment, user=user)
        return Alone(auth, worker, f"as the service's user {user}", state)
    who, state = f"as {_own_name()}", daemons_state_folder(environment, system)
    if state == system and not may_use(state):
        who, state = f"{who}, which is not the service's sign-in (sudo speakerd login)", state_folder(environment)
    return Alone(auth, Worker(wish_of(auth, state), environment), who, state)


def worker_of(wish: Wish, environment: Mapping[str, str]) -> Worker:
    """Return what signs in for a command: where root asks, as the owner of the folder, who alone can use what is in it.

    Args:
        wish: What it is asked with.
        environment: Of the process.
    """
    if os.geteuid() == 0:
        # No folder, or one that nobody owns any more: it is root's own.
        with contextlib.suppress(OSError, KeyError):
            owner = pwd.getpwuid(wish.state.stat().st_uid)
            if owner.pw_uid != 0:
                return Worker(wish, environment, user=owner.pw_name)
    return Worker(wish, environment)


def whose(environment: Mapping[str, str], system: Path = SYSTEM_FOLDER) -> str | None:
    """Return what a person is told whose command has a sign-in of its own beside the speaker's; None: it has not.

    Args:
        environment: Of the process.
        system: The state directory of an installed daemon.
    """
    state = daemons_state_folder(environment, system)
    if state != system or may_use(state):
        return None
    own = state_folder(environment)
    return f"as {_own_name()}, with a sign-in of your own, in {own} (speakerd login --local); the speaker's: use sudo"


def _account(user: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(user)
    except KeyError:
        return None


def _own_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"
