"""The service as a child process."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from speakerd.core.errors import SpeakerdError
from speakerd.embedded.guide import Place, guide
from speakerd.embedded.spawn import PARENT_VARIABLE, Announced, SpawnedService, parse_announcement

SERVE = "import asyncio; from speakerd.embedded.emulate import emulate; asyncio.run(emulate(port=0, tier='scripted'))"


def test_announcement_is_understood() -> None:
    """The first line tells address and tier; other lines tell nothing."""
    assert parse_announcement("listening on ws://127.0.0.1:80/v1 (tier: neural)\n") == Announced(
        "ws://127.0.0.1:80/v1", "neural"
    )
    secure = parse_announcement("listening on wss://[::1]:80/v1 (tier: scripted)")
    assert secure == Announced("wss://[::1]:80/v1", "scripted")
    assert parse_announcement("loading\n") is None
    assert all(parse_announcement(line) is None for line in guide(Place("ws://127.0.0.1:80/v1")))


async def test_child_serves_and_ends_with_its_context() -> None:
    """The child listens where it says, and is gone when the context is left."""
    async with SpawnedService(command=(sys.executable, "-c", SERVE)) as service:
        assert service.tier == "scripted"
        port = int(service.url.split(":")[2].split("/")[0])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        await writer.wait_closed()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_child_ends_with_its_parent() -> None:
    """A parent that is killed takes the service with it."""
    middle = (
        "import asyncio, sys; from speakerd.embedded.spawn import SpawnedService\n"
        "async def main():\n"
        "    async with SpawnedService(command=(sys.executable, '-c', sys.argv[1])) as service:\n"
        "        print(service.url, flush=True)\n"
        "        await service.wait()\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", middle, SERVE, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    url = (await parent.stdout.readline()).decode()
    port = int(url.split(":")[2].split("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    parent.kill()
    await parent.wait()
    async with asyncio.timeout(10):
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
    writer.close()


async def test_child_that_fails_is_an_error() -> None:
    """A service that ends before it listens is reported with its exit code."""
    with pytest.raises(SpeakerdError, match="exit code 3"):
        async with SpawnedService(command=(sys.executable, "-c", "raise SystemExit(3)")):
            pass


async def test_orphan_notices() -> None:
    """A child whose parent was gone before it could ask ends by itself."""
    environment = {**os.environ, PARENT_VARIABLE: "1"}
    orphan = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVE), env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, complaint = await orphan.communicate()
    assert orphan.returncode != 0
    assert b"is gone" in complaint
