"""The configuration, read again while the daemon runs: when it is read, what of it holds, and what people are told.

A file that is wrong changes nothing, and says where it is wrong. What differs is told by ``core/changes.py``, what the
parts do about it by ``refit.py``.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from speakerd.config import Loaded
from speakerd.core.changes import Change, When, blend, changes, describe
from speakerd.core.errors import ConfigError, SpeakerdError, WakeError
from speakerd.core.settings import Settings
from speakerd.core.story import Kind, story
from speakerd.ports import Trace
from speakerd.wake.detector import Detector

log = logging.getLogger("speakerd.reload")

SETTLE_S = 0.1
"""A file must say the same for so long: an editor that writes in place leaves it empty for a moment, and an empty file
is a good configuration (guess: editors take a few milliseconds)."""

MOST_LOOKS = 20
"""So often a file that keeps changing is looked at before what it says is taken for what is meant (guess)."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the configuration comes from."""

    path: Path | None
    """The file; None: there is none."""

    read: Callable[[], Loaded]
    """Reads and judges it; raises ``ConfigError`` with every problem."""


class Fitter(Protocol):
    """What hands a configuration to the parts: ``refit.Refit``."""

    async def make(self, running: Settings, wanted: Settings) -> Detector | None:
        """Make what is slow or may fail."""

    def fit(self, before: Settings, after: Settings, detector: Detector | None) -> None:
        """Use it."""

    def tidy(self, settings: Settings) -> None:
        """End what nothing of it uses."""

    def outdate(self) -> None:
        """Say that the new configuration is wrong."""


class Notifier(Protocol):
    """The service manager."""

    def reloading(self) -> None:
        """Say that we are at it."""

    def ready(self) -> None:
        """Say that we are done."""


class Reloader:
    """Reads the configuration again whenever that is asked for. Thread: event loop.

    Args:
        settings: What the daemon was started with.
        source: Where more comes from; None: there is never another.
        fitter: Hands a configuration to the parts.
        notifier: The service manager.
        is_idle: Whether nobody is in a conversation.
        trace: The diary.
        wall: The time of day, for the status.
        sleep: Waits.

    Attributes:
        ready: To be set when the daemon is up: what is asked for before is done then.
        running: What holds now.
    """

    def __init__(
        self,
        settings: Settings,
        source: Source | None,
        *,
        fitter: Fitter,
        notifier: Notifier,
        is_idle: Callable[[], bool],
        trace: Trace,
        wall: Callable[[], dt.datetime] = lambda: dt.datetime.now().astimezone(),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.ready = asyncio.Event()
        self.running = settings
        self._wanted = settings  # what the last good file says
        self._source = source or Source(None, lambda: Loaded(settings, None, []))
        self._path = self._source.path
        self._fitter = fitter
        self._notifier = notifier
        self._is_idle = is_idle
        self._trace = trace
        self._wall = wall
        self._sleep = sleep
        self._asked = asyncio.Event()
        self._making = False
        self._waiting: list[asyncio.Future[None]] = []
        self._since = wall()
        self._last: dict[str, Any] | None = None

    async def run(self) -> None:
        """Reload whenever asked. Ends: by cancellation; a file that is being read then is of no use any more."""
        await self.ready.wait()
        while True:
            await self._asked.wait()
            self._notifier.reloading()
            while self._asked.is_set():
                self._asked.clear()
                waiting, self._waiting = self._waiting, []
                await self._reload()
                self._trace.mark("reload", **(self._last or {}))
                for asker in waiting:
                    if not asker.done():
                        asker.set_result(None)
            self._notifier.ready()

    def ask(self) -> None:
        """Read the configuration again, soon; asked again before it was read it is read once."""
        self._asked.set()

    async def by_request(self, _request: dict[str, Any]) -> dict[str, Any]:
        """Read the configuration again and return what came of it, for the control socket."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        self.ask()
        await done
        return {"configuration": self.status()}

    def settle(self) -> None:
        """Have all hold that waited for the end of a conversation."""
        if self._is_idle():
            self._use(self._wanted, None)

    def status(self) -> dict[str, Any]:
        """Return how it stands, as plain data."""
        return {
            "path": None if self._path is None else str(self._path),
            "since": self._since.isoformat(timespec="seconds"),
            "last_reload": self._last,
            "next_conversation": [change.key for change in changes(self.running, self._wanted)],
        }

    async def _reload(self) -> None:
        self._making = True
        try:
            loaded = await self._read()
            detector = await self._fitter.make(self.running, loaded.settings)
        except SpeakerdError as error:
            self._making = False
            self._refuse(error)
            return
        self._making = False
        found = changes(self._wanted, loaded.settings)
        self._tell(found, loaded)
        self._wanted, self._path = loaded.settings, loaded.path
        self._since = self._wall()
        self._last = {
            "at": self._since.isoformat(timespec="seconds"),
            "outcome": "changed" if found else "unchanged",
            "changes": [str(change) for change in found],
            "problems": [],
        }
        after = self._wanted if self._is_idle() else blend(self.running, self._wanted, {When.NOW})
        self._use(after, detector, anew=True)

    def _use(self, after: Settings, detector: Detector | None, *, anew: bool = False) -> None:
        """Hand a configuration to the parts, if it is another one; what they read besides, anew if asked."""
        before, self.running = self.running, after
        if anew or before != after:
            self._fitter.fit(before, after, detector)
        self._tidy()

    def _tidy(self) -> None:
        """End what was needed for a change that is over, or will not come; not while one is being made ready."""
        if self.running == self._wanted and not self._making:
            self._fitter.tidy(self.running)

    async def _read(self) -> Loaded:
        """Read the file until it says the same twice.

        Raises:
            ConfigError: it is wrong, or cannot be read.
        """
        before = await asyncio.to_thread(self._look)
        for _ in range(MOST_LOOKS):
            await self._sleep(SETTLE_S)
            now = await asyncio.to_thread(self._look)
            if now == before:
                break
            before = now
        if isinstance(before, str):
            raise ConfigError(before)
        return before

    def _look(self) -> Loaded | str:
        """Return what the file says, or every problem of it. Thread: a worker."""
        try:
            return self._source.read()
        except ConfigError as error:
            return str(error)

    def _refuse(self, error: SpeakerdError) -> None:
        """Keep what holds, and say why."""
        problems = str(error).splitlines()
        if not isinstance(error, ConfigError):
            key = "wake" if isinstance(error, WakeError) else "service"
            problems = [f"{self._path}: {key}: {error}"]
        for problem in problems:
            log.error("configuration: %s", problem)
        told = story(Kind.RELOAD_REFUSED, problems=len(problems))
        log.error("configuration: the new one is wrong and the old one holds: speakerd check-config", extra=told)
        self._last = {
            "at": self._wall().isoformat(timespec="seconds"),
            "outcome": "wrong",
            "changes": [],
            "problems": problems,
        }
        self._fitter.outdate()
        self._tidy()

    def _tell(self, found: tuple[Change, ...], loaded: Loaded) -> None:
        told = story(Kind.RELOADED, changes=len(found))
        log.info("%s", describe(found, busy=not self._is_idle()), extra=told)
        for note in loaded.notes:
            log.warning("%s", note)
