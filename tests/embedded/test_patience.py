"""Clients that are gone without a word lose their seat."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from speakerd.embedded.faults import Faults
from speakerd.embedded.options import Options
from speakerd.embedded.patience import Patience
from speakerd.embedded.server import EmbeddedService
from speakerd.embedded.tiers import scripted

AUTH = {"Authorization": "Bearer local"}
REQUEST = (
    b"GET /v1/realtime?model=m HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c3BlYWtlcmQgZW11bGF0ZQ==\r\nAuthorization: Bearer x\r\n\r\n"
)


@pytest.fixture
async def service() -> AsyncIterator[EmbeddedService]:
    """Serve one client at a time, and soon lose patience with it."""
    options = Options(seats=1, patience_s=0.1)
    async with EmbeddedService(scripted(), options=options) as it:
        yield it


async def seated(service: EmbeddedService) -> socket.socket:
    """Take the only seat, over a socket that nobody reads from or answers on."""
    it = socket.create_connection(("127.0.0.1", service.port))
    it.setblocking(False)
    await asyncio.get_running_loop().sock_sendall(it, REQUEST)
    assert await asyncio.get_running_loop().sock_recv(it, 12) == b"HTTP/1.1 101"
    with pytest.raises(InvalidStatus, match="503"):
        await connect(f"{service.url}/realtime?model=m", additional_headers=AUTH, proxy=None)
    return it


async def seat_is_free(service: EmbeddedService) -> None:
    """Return as soon as somebody else is let in."""
    while True:
        try:
            async with connect(f"{service.url}/realtime?model=m", additional_headers=AUTH, proxy=None) as client:
                assert "session.created" in str(await client.recv())
                return
        except InvalidStatus:
            await asyncio.sleep(0.05)


async def test_client_that_answers_no_ping_loses_its_seat(service: EmbeddedService) -> None:
    """A client that reads nothing and says nothing is told 1011 and dropped."""
    with await seated(service) as it:
        await seat_is_free(service)
        told = await asyncio.get_running_loop().sock_recv(it, 65_536)
        assert (1011).to_bytes(2, "big") + b"keepalive ping timeout" in told


async def test_client_that_stops_reading_in_the_middle_loses_its_seat(service: EmbeddedService) -> None:
    """When so much waits that not even a ping gets through, the client is dropped all the same."""
    loop = asyncio.get_running_loop()
    part = {"type": "input_audio", "audio": base64.b64encode(bytes(4 * 1024 * 1024)).decode()}
    item = {"id": "long", "type": "message", "role": "user", "content": [part]}
    with await seated(service) as it:
        create = json.dumps({"type": "conversation.item.create", "item": item}).encode()
        retrieve = b'{"type":"conversation.item.retrieve","item_id":"long"}'
        await loop.sock_sendall(it, _frame(create) + _frame(retrieve) * 3)
        await seat_is_free(service)


async def test_client_that_leaves_a_stalled_service_gives_its_seat_back(service: EmbeddedService) -> None:
    """A stalled connection reads nothing and pings nobody, and stays; its client's end is noticed."""
    service.faults = Faults(stall_after_events=1, first_connections=1)
    it = await seated(service)
    loop = asyncio.get_running_loop()
    told = b""
    while b"session.created" not in told:
        told += await loop.sock_recv(it, 65_536)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            told += await loop.sock_recv(it, 65_536)
    assert b"\x89" not in told[told.index(b"session.created") :]  # a ping's first byte; JSON is ASCII
    it.close()
    await seat_is_free(service)


def _frame(payload: bytes) -> bytes:
    """Return a long text frame, masked with zeros."""
    return bytes([0x81, 0x80 | 127]) + len(payload).to_bytes(8, "big") + bytes(4) + payload


class FakeLoop:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.due: list[FakeTimer] = []

    def call_later(self, delay_s: float, callback: Callable[..., None], *args: Any) -> FakeTimer:
        self.due.append(FakeTimer(self, callback, args))
        return self.due[-1]

    def pass_on(self) -> None:
        """Have everything happen that is due."""
        due, self.due = self.due, []
        for timer in due:
            timer.callback(*timer.args)


class FakeTimer:
    def __init__(self, loop: FakeLoop, callback: Callable[..., None], args: tuple[Any, ...]) -> None:
        self.loop, self.callback, self.args = loop, callback, args

    def cancel(self) -> None:
        if self in self.loop.due:
            self.loop.due.remove(self)


def test_reading_slowly_is_reading() -> None:
    """As long as less waits than before, a client is not dropped; once it stops, it is."""
    loop, dropped, waiting = FakeLoop(), [], [300]
    patience = Patience(loop, lambda: waiting[0], -1, lambda: dropped.append(True))  # type: ignore[arg-type]  # a fake
    patience.expect_reading(40.0)
    for less in (200, 100):
        waiting[0] = less
        loop.pass_on()
        assert not dropped
    loop.pass_on()
    assert dropped


def test_nothing_is_expected_of_who_has_done_it() -> None:
    """After a rest or the end no timer is left."""
    loop = FakeLoop()
    patience = Patience(loop, lambda: 0, -1, lambda: None)  # type: ignore[arg-type]  # a fake
    patience.expect(1.0)
    patience.rest()
    assert loop.due == []
    patience.expect(1.0)
    patience.watch_leaving()
    patience.end()
    assert loop.due == []
