"""Where the service is, while the daemon runs: at an address, or a process beside it that comes and goes with the wish.

What the configuration makes of an address is in ``parts.py``, the process in ``embedded/spawn.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

from speakerd.core.changes import starts_service
from speakerd.core.errors import SpeakerdError
from speakerd.core.settings import Settings
from speakerd.parts import endpoint_of, service_of
from speakerd.realtime.endpoint import Endpoint

log = logging.getLogger("speakerd.app")

Serve = Callable[[Settings, Callable[[SpeakerdError], None]], contextlib.AbstractAsyncContextManager[Endpoint]]
"""Starts the embedded service: ``parts.service_of``."""


@dataclass(slots=True, eq=False)
class _Own:
    """A service that we have started."""

    found: asyncio.Future[Endpoint]
    """Where it is, once it is up."""

    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it is not wanted any more."""


class ServicePlace:
    """Finds the service, and starts and ends the embedded one. Thread: event loop.

    Args:
        on_ended: Told when a service that we have started ends by itself.
        serve: Starts one.
    """

    def __init__(self, on_ended: Callable[[SpeakerdError], None], serve: Serve = service_of) -> None:
        self._on_ended = on_ended
        self._serve = serve
        self._own: _Own | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def reach(self, settings: Settings) -> Endpoint:
        """Return where the service of a configuration is; start it, where that is left to us and it does not run.

        Raises:
            SpeakerdError: its address cannot be used, or it does not start.
        """
        if not starts_service(settings):
            return endpoint_of(settings)
        if self._own is None:
            own = self._own = _Own(asyncio.get_running_loop().create_future())
            task = asyncio.create_task(self._hold(settings, own), name="embedded-service")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        # Shielded: who stops asking must not take it from the others.
        return replace(await asyncio.shield(self._own.found), model=settings.service.model)

    def tidy(self, settings: Settings) -> None:
        """End the service that we have started, unless this configuration uses it."""
        if self._own is not None and not starts_service(settings):
            log.info("the embedded service is not used any more: ended")
            self._own.over.set()
            self._own = None

    async def close(self) -> None:
        """End all there is."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _hold(self, settings: Settings, own: _Own) -> None:
        """Keep a service until it is not wanted. Ends: then, or by cancellation; always with its process gone."""
        try:
            async with self._serve(settings, self._on_ended) as endpoint:
                own.found.set_result(endpoint)
                await own.over.wait()
        except SpeakerdError as error:
            if not own.found.done():
                self._own = None  # the next one who asks tries again
                own.found.set_exception(error)


@contextlib.asynccontextmanager
async def service_place(on_ended: Callable[[SpeakerdError], None]) -> AsyncIterator[ServicePlace]:
    """Give a place, and leave nothing of it behind."""
    place = ServicePlace(on_ended)
    try:
        yield place
    finally:
        await place.close()
