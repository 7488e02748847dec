"""``speakerd emulate``: the embedded service by itself."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import pytest
from websockets.asyncio.client import connect

from speakerd.embedded.spawn import parse_announcement
from tests.fakes.command import environment, speakerd


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_announces_itself_serves_and_leaves(tmp_path, number):
    """The first line says where it listens; a client is served there; Ctrl-C and SIGTERM end it with 0."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "speakerd", "emulate", "--port", "0", "--tier", "scripted"),
        stdout=asyncio.subprocess.PIPE,
        env=environment(),
        cwd=tmp_path,
    )
    try:
        async with asyncio.timeout(20):
            assert process.stdout is not None
            announced = parse_announcement((await process.stdout.readline()).decode())
            assert announced is not None
            assert announced.tier == "scripted"
            async with connect(
                f"{announced.url}/realtime?model=gpt-realtime",
                additional_headers={"Authorization": "Bearer local"},
                proxy=None,
            ) as client:
                created = json.loads(await client.recv())
                assert created["type"] == "session.created"
                assert created["session"]["model"] == "gpt-realtime"
                process.send_signal(number)
                assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_it_listens_on_this_machine_only(tmp_path):
    """There is no key to check, so another address is refused."""
    ended = await speakerd("emulate", "--host", "0.0.0.0", "--port", "0", cwd=tmp_path)
    assert ended.code == 78
    assert "embedded-not-loopback" in ended.err
