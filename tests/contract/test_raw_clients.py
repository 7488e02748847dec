"""Clients without an SDK: both paths, both ways to identify oneself, what is refused, and Azure's dialect."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import struct
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from speakerd.embedded.server import EmbeddedService
from speakerd.embedded.tiers import scripted
from tests.contract import strict
from tests.contract.guest import BEARER, visiting

API_KEY = {"api-key": "local"}


@pytest.fixture
async def service() -> AsyncIterator[EmbeddedService]:
    async with EmbeddedService(scripted()) as it:
        yield it


@pytest.mark.parametrize("headers", [BEARER, API_KEY], ids=["bearer", "api-key"])
@pytest.mark.parametrize("azure", [False, True], ids=["/v1", "/openai/v1"])
async def test_a_turn_on_either_path_with_either_key(
    service: EmbeddedService, azure: bool, headers: dict[str, str]
) -> None:
    """OpenAI's and Azure's paths, a bearer token and an API key: every pair completes a turn."""
    async with visiting(service, azure=azure, headers=headers) as guest:
        assert (await guest.ask("hello"))["status"] == "completed"
        assert guest.events[0]["session"]["model"] == "mine"


@pytest.mark.parametrize("name", ["model", "deployment"])
@pytest.mark.parametrize("path", ["/v1/realtime", "/openai/v1/realtime"])
async def test_model_and_deployment_mean_the_same(service: EmbeddedService, path: str, name: str) -> None:
    """Azure's own clients say ``deployment`` or ``model``; the session tells what was asked for."""
    root = service.url.removesuffix("/v1")
    async with connect(f"{root}{path}?{name}=my-model", additional_headers=BEARER, proxy=None) as socket:
        assert strict.check(await socket.recv())["session"]["model"] == "my-model"


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("/v1/realtime?model=m", {}, 401),
        ("/openai/v1/realtime?model=m", {}, 401),
        ("/v1/realtime?model=m", {"Authorization": "Bearer "}, 401),
        ("/openai/v1/realtime?model=m&api-version=2025-08-28", BEARER, 401),
        ("/openai/v1/realtime?deployment=m&api-version=2024-10-01-preview", API_KEY, 401),
        ("/v1/realtime", BEARER, 400),
        ("/v1/nothing", BEARER, 404),
    ],
)
async def test_handshake_that_is_refused(
    service: EmbeddedService, target: str, headers: dict[str, str], status: int
) -> None:
    """Without a key, with an ``api-version``, without a model or elsewhere: an HTTP status, and an error in JSON."""
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{service.url.removesuffix('/v1')}{target}", additional_headers=headers, proxy=None)
    assert refused.value.response.status_code == status
    error = json.loads(refused.value.response.body or b"")["error"]
    assert {"message", "type", "code"} <= set(error)


async def test_azure_dialect(service: EmbeddedService) -> None:
    """On Azure's path a content part comes twice in its event, and no rate limits are told."""
    async with visiting(service, azure=True) as azure, visiting(service) as openai:
        for guest in (azure, openai):
            await guest.ask("hello")
        await openai.until("rate_limits.updated")
    (part,) = azure.of("response.content_part.added")
    assert part["content"] == part["part"]
    assert "content" not in openai.of("response.content_part.added")[0]
    assert not azure.of("rate_limits.updated")


async def test_client_of_a_plain_socket(service: EmbeddedService) -> None:
    """Nothing but a TCP socket and the WebSocket's own rules: no extension and no subprotocol is forced on a client."""
    place = urlsplit(service.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        "GET /v1/realtime?model=m HTTP/1.1",
        f"Host: {place.netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        "Authorization: Bearer local",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    assert answer.startswith("http/1.1 101")
    assert "sec-websocket-extensions" not in answer
    assert "sec-websocket-protocol" not in answer
    assert (await _text(reader))["type"] == "session.created"
    writer.write(_masked(json.dumps({"type": "response.create"}).encode()))
    while (await _text(reader))["type"] != "response.done":
        pass
    writer.close()
    await writer.wait_closed()


async def _text(reader: asyncio.StreamReader) -> dict[str, str]:
    """Read one unmasked text frame, as a server sends it."""
    first, size = await reader.readexactly(2)
    assert first == 0x81
    if size == 126:
        (size,) = struct.unpack("!H", await reader.readexactly(2))
    elif size == 127:
        (size,) = struct.unpack("!Q", await reader.readexactly(8))
    return strict.check(await reader.readexactly(size))


def _masked(payload: bytes) -> bytes:
    """Return one short text frame, as a client sends it."""
    mask = os.urandom(4)
    assert len(payload) < 126
    return bytes([0x81, 0x80 | len(payload)]) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
