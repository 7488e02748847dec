"""A service manager's side of its socket: what a daemon under ``WatchdogSec=`` tells it, and when."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path


class ServiceManager:
    """Takes down what it is told on a datagram socket, as systemd does, with the moment. Thread: event loop.

    Args:
        manager: The socket, bound and not blocking.
        path: Where.
    """

    def __init__(self, manager: socket.socket, path: Path) -> None:
        self._socket = manager
        self._path = path
        self.told: list[tuple[float, str]] = []
        """Everything it was told: moment and assignments."""

    def environment(self, watchdog_s: float | None) -> Mapping[str, str]:
        """Return what it gives a service with so much ``WatchdogSec=``; None: it has none."""
        return {
            "NOTIFY_SOCKET": str(self._path),
            **({} if watchdog_s is None else {"WATCHDOG_USEC": str(int(1_000_000 * watchdog_s))}),
        }

    def pings(self, after_s: float = 0.0) -> list[float]:
        """Return when it was told ``WATCHDOG=1`` after a moment."""
        return [at_s for at_s, what in self.told if what == "WATCHDOG=1" and at_s > after_s]

    async def listen(self) -> None:
        """Listen. Ends: by cancellation."""
        loop = asyncio.get_running_loop()
        while True:
            data = await loop.sock_recv(self._socket, 4096)
            self.told.append((time.monotonic(), data.decode()))


@contextlib.asynccontextmanager
async def service_manager() -> AsyncIterator[ServiceManager]:
    """Be a service manager until the block ends."""
    scratch = Path(tempfile.mkdtemp(prefix="speakerd-manager-"))  # a socket's path may have 107 bytes
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(scratch / "notify"))
        manager.setblocking(False)
        made = ServiceManager(manager, scratch / "notify")
        task = asyncio.create_task(made.listen())
        try:
            yield made
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            shutil.rmtree(scratch)
