"""Clients that misbehave get an error or are closed, and a session beside them notices nothing."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import select
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as connect_sync

from speakerd.embedded.spawn import SpawnedService
from tests.fakes.embedded import silence, sound

AUTH = {"Authorization": "Bearer local"}
LATE_S = 0.5
"""How late a delta of the session beside may be: what playback rings and backlogs hide, on a busy machine."""

SERVE = (
    "import asyncio; from speakerd.embedded import door, emulate; door._REQUEST_S = 1.0;"
    "asyncio.run(emulate.emulate(port=0, tier='scripted', paced=True))"
)
T = TypeVar("T")


@pytest.fixture
async def url(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """Serve in a process of its own, in real time, so that the test's own work does not count."""
    monkeypatch.setenv("SPEAKERD_EMULATE_SCRIPT", json.dumps(["A reply of two seconds or so."]))
    async with SpawnedService(command=(sys.executable, "-c", SERVE)) as service:
        yield service.url


async def undisturbed(url: str, mischief: Callable[[], T]) -> T:
    """Hold a paced turn while something happens in a thread, and check that no delta of it was late."""
    loop = asyncio.get_running_loop()
    async with connect(f"{url}/realtime?model=m", additional_headers=AUTH, compression=None, proxy=None) as client:
        begun: asyncio.Task[T] | None = None
        due_s = worst_s = 0.0
        while begun is None or not begun.done():  # it may outlast a turn
            await client.send('{"type":"response.create"}')
            async for message in client:
                event = json.loads(message)
                if event["type"] == "response.output_audio.delta":
                    if begun is None:
                        begun = asyncio.create_task(asyncio.to_thread(mischief))
                    due_s = due_s or loop.time()
                    worst_s = max(worst_s, loop.time() - due_s)
                    due_s += len(base64.b64decode(event["delta"])) / 48_000
                elif event["type"] == "response.done":
                    assert event["response"]["status"] == "completed"
                    due_s = 0.0
                    break
        result = await begun
    print(f"\nlatest delta of the session beside: {worst_s * 1000:.0f} ms")  # noqa: T201 - a figure, for pytest -s
    assert worst_s < LATE_S
    return result


def session(url: str) -> ClientConnection:
    return connect_sync(f"{url}/realtime?model=m", additional_headers=AUTH, compression=None, max_size=None, proxy=None)


def until(client: ClientConnection, kind: str) -> dict[str, Any]:
    """Return the next event of a type."""
    return next(event for event in map(json.loads, client) if event["type"] == kind)


def raw(url: str) -> socket.socket:
    """Return a socket over which a session is open, with everything to come in the test's hand."""
    place = urlsplit(url)
    assert place.hostname is not None
    it = socket.create_connection((place.hostname, place.port or 0), timeout=20)
    it.sendall(
        b"GET /v1/realtime?model=m HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c3BlYWtlcmQgZW11bGF0ZQ==\r\nAuthorization: Bearer x\r\n\r\n"
    )
    return it


def frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """Return a WebSocket frame, masked with zeros."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 127]) + size.to_bytes(8, "big")
    return bytes([(0x80 if final else 0) | opcode]) + length + bytes(4) + payload


def ends(it: socket.socket) -> bool:
    """Return whether the service ends a connection that is not read from."""
    watch = select.poll()
    watch.register(it, 0)  # errors and hang-ups are always told
    return bool(watch.poll(15_000))


async def test_append_that_is_too_long(url: str) -> None:
    """16 MiB of audio are refused, and the session goes on."""

    def mischief() -> tuple[str, str]:
        with session(url) as client:
            client.send(json.dumps({"type": "input_audio_buffer.append", "audio": _audio(16 * 1024 * 1024)}))
            error = until(client, "error")["error"]
            client.send('{"type":"input_audio_buffer.clear"}')
            return error["code"], until(client, "input_audio_buffer.cleared")["type"]

    code, _ = await undisturbed(url, mischief)
    assert code == "string_above_max_length"


async def test_append_as_long_as_may_be(url: str) -> None:
    """15 MiB of audio are taken in before what was sent after them, and the turn in them is where it was spoken."""
    length = 15 * 1024 * 1024
    pcm = sound(960) + silence(1024)
    pcm += bytes(length - len(pcm))

    def mischief() -> list[dict[str, Any]]:
        with session(url) as client:
            detection = {"type": "server_vad", "silence_duration_ms": 500, "create_response": False}
            update = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
            client.send(json.dumps({"type": "session.update", "session": update}))
            until(client, "session.updated")
            audio = base64.b64encode(pcm).decode()
            client.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
            client.send('{"type":"input_audio_buffer.clear"}')
            events = map(json.loads, client)
            return list(itertools.takewhile(lambda event: event["type"] != "input_audio_buffer.cleared", events))

    told = await undisturbed(url, mischief)
    assert [event["type"] for event in told] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert (told[0]["audio_start_ms"], told[1]["audio_end_ms"]) == (0, 960 + 512)


async def test_message_that_is_too_long(url: str) -> None:
    """A message beyond all limits ends the connection with 1009."""

    def mischief() -> int | None:
        with session(url) as client:
            with contextlib.suppress(ConnectionClosed):  # it may come while we are still sending
                client.send(b"x" * (25 * 1024 * 1024))
                until(client, "nothing")
            return client.close_code

    assert await undisturbed(url, mischief) in (1009, 1006)  # 1006 when the close frame is lost behind the flood


async def test_bad_base64_and_bad_json(url: str) -> None:
    """Each is an error, and the session goes on."""

    def mischief() -> list[str]:
        with session(url) as client:
            for message in ('{"type":"input_audio_buffer.append","audio":"no!"}', "{", b"\xff\x00", "[" * 100_000, "1"):
                client.send(message)
            codes = [until(client, "error")["error"]["type"] for _ in range(5)]
            client.send('{"type":"input_audio_buffer.clear"}')
            until(client, "input_audio_buffer.cleared")
            return codes

    assert await undisturbed(url, mischief) == ["invalid_request_error"] * 5


async def test_ten_thousand_items(url: str) -> None:
    """They are taken in or refused one by one."""

    def mischief() -> int:
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
        message = json.dumps({"type": "conversation.item.create", "item": item})

        def flood(client: ClientConnection) -> None:
            for _ in range(10_000):
                client.send(message)
            client.send('{"type":"input_audio_buffer.clear"}')

        with session(url) as client:
            sending = threading.Thread(target=flood, args=(client,))
            sending.start()
            answers = (json.loads(message)["type"] for message in client)
            told = itertools.takewhile(lambda kind: kind != "input_audio_buffer.cleared", answers)
            count = sum(kind in ("conversation.item.added", "error") for kind in told)
            sending.join()
            return count

    assert await undisturbed(url, mischief) == 10_000


async def test_client_that_never_reads(url: str) -> None:
    """When too much waits for it, it is dropped."""

    def mischief() -> bool:
        part = {"type": "input_audio", "audio": _audio(2 * 1024 * 1024)}
        item = {"id": "item_long", "type": "message", "role": "user", "content": [part]}
        it = raw(url)
        it.sendall(frame(1, json.dumps({"type": "conversation.item.create", "item": item}).encode()))
        it.sendall(frame(1, b'{"type":"conversation.item.retrieve","item_id":"item_long"}') * 100)
        with it:
            return ends(it)

    assert await undisturbed(url, mischief)


async def test_ping_flood(url: str) -> None:
    """Pings are answered as long as the pongs are read, and harm nobody when they are not."""

    def mischief() -> bytes:
        deaf = raw(url)
        with contextlib.suppress(ConnectionError, TimeoutError):
            deaf.sendall(frame(9, bytes(125)) * 50_000)
        deaf.close()
        it = raw(url)
        it.sendall(frame(9, b"still there?"))
        seen = b""
        while b"still there?" not in seen:
            seen += it.recv(4096)
        it.close()
        return seen

    assert b"still there?" in await undisturbed(url, mischief)


async def test_fragments_and_binary_frames(url: str) -> None:
    """A message in a thousand pieces is one message; a binary one is read as text; broken text ends it with 1007."""

    def mischief() -> bytes:
        it = raw(url)
        words = b'{"type":"input_audio_buffer.clear","event_id":"' + b"x" * 1000 + b'"}'
        for at, byte in enumerate(words):
            it.sendall(frame(1 if at == 0 else 0, bytes([byte]), final=at == len(words) - 1))
        it.sendall(frame(2, b'{"type":"input_audio_buffer.clear"}'))
        it.sendall(frame(1, b"\xff\xfe"))
        seen = b""
        while piece := it.recv(65_536):
            seen += piece
        it.close()
        return seen

    seen = await undisturbed(url, mischief)
    assert seen.count(b'"input_audio_buffer.cleared"') == 2
    assert (1007).to_bytes(2, "big") in seen[-64:]


async def test_handshakes_that_never_end(url: str) -> None:
    """Who does not send a request in time is disconnected, be it byte by byte."""

    def mischief() -> list[bytes]:
        place = urlsplit(url)
        slow = [socket.create_connection((place.hostname or "", place.port or 0), timeout=10) for _ in range(50)]
        ends = []
        for it, piece in zip(
            slow, itertools.cycle((b"G", b"PUT /faults", b"", b"GET /v1/realtime HTTP/1.1\r\nA: ")), strict=False
        ):
            it.sendall(piece)
        for it in slow:
            try:
                ends.append(it.recv(1))
            except ConnectionError:
                ends.append(b"")
            it.close()
        return ends

    assert await undisturbed(url, mischief) == [b""] * 50


async def test_two_hundred_connections_at_once(url: str) -> None:
    """As many as there are seats come in, the others are asked to come again, and seats that get free are given."""

    def mischief() -> list[bytes]:
        crowd = [raw(url) for _ in range(200)]
        answers = [it.recv(400) for it in crowd]
        for it in crowd:
            it.close()
        return answers

    answers = await undisturbed(url, mischief)
    assert sum(answer.startswith(b"HTTP/1.1 101") for answer in answers) == 63  # one seat is taken
    refused = [answer for answer in answers if answer.startswith(b"HTTP/1.1 503")]
    assert len(refused) == 137
    assert all(b"Retry-After: 5" in answer for answer in refused)
    async with connect(f"{url}/realtime?model=m", additional_headers=AUTH, proxy=None) as client:
        assert "session.created" in str(await client.recv())


def _audio(size: int) -> str:
    return base64.b64encode(os.urandom(size)).decode()
