"""``speakerd emulate``: the embedded service by itself."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import ssl
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

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
                await client.wait_closed()
                assert client.close_code == 1001
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


def gone(path: str) -> bool:
    """Return whether there is nothing at a path."""
    return not Path(path).exists()


async def test_tls_key_and_record(tmp_path):
    """With --tls a client that trusts the printed authority is served, with the key of the file only, and recorded."""
    pytest.importorskip("cryptography", reason="the certificate is made by speakerd[local]")
    (tmp_path / "key").write_text("secret\n")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "speakerd", "emulate", "--port", "0", "--tier", "scripted", "--host", "0.0.0.0"),
        *("--tls", "--api-key-file", "key", "--record", "kept"),
        stdout=asyncio.subprocess.PIPE,
        env=environment(),
        cwd=tmp_path,
    )
    try:
        async with asyncio.timeout(20):
            assert process.stdout is not None
            announced = parse_announcement((await process.stdout.readline()).decode())
            assert announced is not None
            assert announced.url.startswith("wss://0.0.0.0:")
            authority = re.search(r"(/\S+\.pem)", (await process.stdout.readline()).decode())
            assert authority is not None
            trusting = ssl.create_default_context(cafile=authority[1])
            url = f"wss://localhost:{urlsplit(announced.url).port}/v1/realtime?model=m"
            with pytest.raises(InvalidStatus, match="401"):
                await connect(url, additional_headers={"Authorization": "Bearer local"}, ssl=trusting, proxy=None)
            async with connect(url, additional_headers={"api-key": "secret"}, ssl=trusting, proxy=None) as client:
                assert json.loads(await client.recv())["type"] == "session.created"
            process.terminate()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert gone(authority[1])
    assert len(list((tmp_path / "kept").iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--tls-cert", "c.pem"], "embedded-certificate"),
        (["--tls-cert", "c.pem", "--tls-key", "k.pem"], "embedded-certificate"),
        (["--api-key-file", "missing"], "embedded-key"),
        (["--api-key-file", "empty"], "embedded-key"),
        (["--faults", "empty"], "embedded-faults"),
        (["--record", "empty"], "embedded-record"),
    ],
)
async def test_files_that_cannot_be_used_are_named(tmp_path, arguments, code):
    """A file that is missing or wrong ends it with 78 before anything is served."""
    (tmp_path / "empty").touch()
    ended = await speakerd("emulate", "--port", "0", "--tier", "scripted", *arguments, cwd=tmp_path)
    assert (ended.code, ended.out) == (78, "")
    assert f"speakerd: {code}: " in ended.err
