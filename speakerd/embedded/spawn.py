"""The embedded service as a child process of ours: started, asked for its address, ended with us."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import re
import signal
import sys
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from speakerd.core.errors import Remedy, SpeakerdError
from speakerd.embedded.tiers import TierName

_log = logging.getLogger("speakerd.embedded")

READY_S = 60.0
"""How long loading may take; a Pi reads 100 MB of weights from its card first (guessed)."""

_LEAVE_S = 0.5
"""How long it may take to end before it is killed: it has nothing to lose, and of the daemon's two seconds a card that
hangs takes one (chosen)."""

_ANNOUNCED = re.compile(r"listening on (wss?://\S+) \(tier: (\w+)\)")

PARENT_VARIABLE = "SPEAKERD_EMULATE_PARENT"
"""Environment variable with the process id that the service is to end with."""

_PR_SET_PDEATHSIG = 1
"""``prctl``: the signal that comes when the parent dies (Linux, specified)."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What the child said of itself."""

    url: str
    """Base URL for a Realtime client."""

    tier: str
    """The tier it really has."""


def parse_announcement(line: str) -> Announced | None:
    """Return what the first line of ``speakerd emulate`` says, or None when it says something else."""
    match = _ANNOUNCED.search(line)
    return Announced(match[1], match[2]) if match else None


class SpawnedService:
    """The service in a process of its own: ``async with SpawnedService("auto") as service: service.url``.

    It costs this process nothing while it works, and ends with it, however that ends.

    Args:
        tier: Which ears, brain and voice.
        command: What to run; for tests.

    Attributes:
        url: Base URL for a Realtime client.
        tier: The tier it really has.

    Raises:
        SpeakerdError: it did not come up (code ``embedded-spawn``).
    """

    def __init__(self, tier: TierName = "auto", *, command: tuple[str, ...] | None = None) -> None:
        where = ("--host", "127.0.0.1", "--port", "0")
        ours = (sys.executable, "-m", "speakerd", "emulate", *where, "--tier", tier, "--log-level", "warning")
        self._command = command or ours
        self._process: asyncio.subprocess.Process | None = None
        self._drain: asyncio.Task[None] | None = None
        self.url = ""
        self.tier = ""

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, PARENT_VARIABLE: str(os.getpid())},
        )
        try:
            async with asyncio.timeout(READY_S):
                announced = await self._first_announcement()
        except TimeoutError:
            await self._end()
            sentence = f"the embedded service was not ready within {READY_S:.0f} s"
            raise SpeakerdError("embedded-spawn", sentence, Remedy.RETRY) from None
        except BaseException:
            await self._end()
            raise
        self.url, self.tier = announced.url, announced.tier
        self._drain = asyncio.create_task(self._read_on(), name="embedded-drain")
        _log.info("embedded service at %s, tier %s", self.url, self.tier)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def wait(self) -> int:
        """Return the child's exit code once it has ended; while all is well it does not."""
        assert self._process is not None
        return await self._process.wait()

    async def _first_announcement(self) -> Announced:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            announced = parse_announcement(line.decode(errors="replace"))
            if announced is not None:
                return announced
        code = await self._process.wait()
        raise SpeakerdError("embedded-spawn", f"the embedded service ended with exit code {code}", Remedy.RETRY)

    async def _read_on(self) -> None:
        """Read what else it says, so that it never waits for a full pipe. Ends with the child."""
        assert self._process is not None
        assert self._process.stdout is not None
        while await self._process.stdout.readline():
            pass

    async def _end(self) -> None:
        """End the child; kill it when it does not listen."""
        process = self._process
        if process is None:
            return
        if self._drain is not None:
            self._drain.cancel()
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(_LEAVE_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


def spawn(tier: TierName = "auto") -> SpawnedService:
    """Return the service as a child process, not yet started; enter it to start."""
    return SpawnedService(tier)


def end_with_parent() -> None:
    """End this process with the one that spawned it, if one says so in the environment. Call it early, in the child.

    The child asks for this itself, because code between fork and exec may deadlock in a process with threads.
    """
    parent = os.environ.get(PARENT_VARIABLE)
    if parent is None:
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it died before we asked
        raise SpeakerdError("embedded-orphan", "the process that started this service is gone", Remedy.EXIT)
