"""Who the daemon is to the service, put together: the credential, what keeps it fresh, and what the conversation hears.

How a token is kept is told in ``auth/keeper.py``; what a state of the sign-in leads to is decided in
``core/sign_in_cells.py``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from speakerd.auth.api_key import ApiKey, NoCredentials
from speakerd.auth.entra import EntraCredentials
from speakerd.auth.keeper import TokenKeeper
from speakerd.auth.process import Wish, Worker
from speakerd.auth.surroundings import Surroundings
from speakerd.core.events import SignInChanged
from speakerd.core.settings import Auth, Settings
from speakerd.core.sign_in import SignIn
from speakerd.host.places import state_folder
from speakerd.ports import Credentials

_log = logging.getLogger("speakerd.auth")


class Timer(Protocol):
    """What ``call_at`` gives back."""

    def cancel(self) -> None:
        """Forget the call."""


class Identity:
    """The daemon's own sign-in. Thread: event loop.

    Args:
        settings: The configuration.
        environment: Of the process.
        on_change: Hears how it stands, whenever that changes.
        call_at: Arms a timer, as ``loop.call_at`` does.
        now: Seconds on the monotonic clock.
        state: The folder below which the sign-in is kept; None: this process's own.
        make_worker: Makes what signs in.

    Attributes:
        credentials: What a handshake is signed with.
        keeper: Keeps a token of Entra's; None: the configuration wants none.
        worker: Signs in with Entra, and out, whatever the configuration wants now.
    """

    def __init__(
        self,
        settings: Settings,
        environment: Mapping[str, str],
        *,
        on_change: Callable[[SignInChanged], None],
        call_at: Callable[[float, Callable[[], None]], Timer],
        now: Callable[[], float] = time.monotonic,
        state: Path | None = None,
        make_worker: Callable[[Wish, Mapping[str, str]], Worker] = Worker,
    ) -> None:
        self._method = settings.auth.method
        self._on_change = on_change
        self._call_at = call_at
        self._running_out: Timer | None = None
        self._told: SignInChanged | None = None
        self.keeper: TokenKeeper | None = None
        self.credentials: Credentials = NoCredentials()
        self._key: ApiKey | None = None
        if settings.auth.method == "api_key":
            azure = settings.service.provider == "azure"
            self.credentials = self._key = ApiKey.from_settings(settings.auth.api_key_file, environment, azure=azure)
        self.worker = worker = make_worker(wish_of(settings.auth, state or state_folder(environment)), environment)
        if settings.auth.is_entra:
            self.keeper = TokenKeeper(
                lambda force: worker.fetch(force=force), on_change=self._hear, now=now, call_at=call_at
            )
            self.credentials = EntraCredentials(self.keeper)
            self._surroundings = Surroundings(self.keeper.kick)

    async def run(self) -> None:
        """Keep a token fresh, where there is one to be kept; else see whether the key can be used.

        Ends: at once, or by cancellation.
        """
        trouble = None if self._key is None else self._key.trouble()
        if trouble is not None:
            _log.warning("%s: %s", trouble.code, trouble)
        if self.keeper is None:
            return
        await self._surroundings.until_clock_is_set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.keeper.run(), name="sign-in")
            group.create_task(self._surroundings.run(), name="surroundings")

    def close(self) -> None:
        """Tell nobody anything any more: another one has taken its place, and ``run`` is being cancelled."""
        self._on_change = lambda _changed: None
        if self._running_out is not None:
            self._running_out.cancel()
            self._running_out = None

    async def ready(self, timeout_s: float) -> None:
        """Wait until a handshake can be signed.

        Raises:
            AuthError: it cannot; the error says why.
        """
        if self.keeper is not None:
            await self.keeper.wait(timeout_s)

    def status(self) -> dict[str, Any]:
        """Return how it stands, as plain data; never a token or a key."""
        trouble = None if self._key is None else self._key.trouble()
        known = {} if trouble is None else {"code": trouble.code, "message": str(trouble)}
        return {"method": self._method} | (known if self.keeper is None else self.keeper.status())

    def _hear(self, sign_in: SignIn) -> None:
        self._surroundings.hear(sign_in)
        self._tell(sign_in)

    def _tell(self, sign_in: SignIn) -> None:
        """Say how it stands, and again when the token that is left runs out."""
        assert self.keeper is not None
        token = self.keeper.current()
        if self._running_out is not None:
            self._running_out.cancel()
            self._running_out = None
        if token is not None:
            self._running_out = self._call_at(token.usable_until_s, lambda: self._tell(sign_in))
        changed = SignInChanged(sign_in.state, usable=token is not None)
        if changed != self._told:
            self._told = changed
            self._on_change(changed)


def wish_of(auth: Auth, state: Path) -> Wish:
    """Return what a worker is asked with, by configuration.

    Args:
        auth: The section of the configuration.
        state: The folder below which the sign-in is kept.
    """
    return Wish(
        method=auth.method,
        tenant=auth.tenant,
        client=auth.client,
        scope=auth.scope,
        certificate_file=auth.certificate_file,
        state=state,
    )
