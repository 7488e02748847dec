"""A service that gives no sign of life is noticed, and one that gives any is left alone."""

from __future__ import annotations

import asyncio

import pytest

from speakerd.core.errors import LinkError
from speakerd.core.events import LinkLost, LinkUp
from speakerd.realtime.dialler import SdkDialler
from speakerd.realtime.endpoint import Endpoint
from speakerd.realtime.heartbeat import BEAT_S, SILENT_BEATS, Heartbeat
from speakerd.realtime.sockets import Socket
from tests.fakes.link_listener import Listener, running_link
from tests.fakes.realtime_server import Client, RealtimeServer

PERIOD = bytes(960)
BACKLOG_PERIODS = 5_500
"""More than a socket's buffers hold, and less than a link may be behind: 110 s."""


class Service:
    """A service that nothing comes from, and whose pings are answered when the test says so. Beats pass at once."""

    def __init__(self, *alive_at: int, answers: int = 0) -> None:
        self._alive_at = alive_at
        self._answers = answers
        self.beats = 0
        self.pings = 0
        self.heart = Heartbeat(self.sleep)

    async def sleep(self, delay_s: float) -> None:
        assert delay_s == BEAT_S
        self.beats += 1
        if self.beats in self._alive_at:
            self.heart.heard()
        await asyncio.sleep(0)

    async def ping(self) -> None:
        self.pings += 1
        if self.pings > self._answers:
            await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("alive_at", "until"), [((), 1 + SILENT_BEATS), ((3,), 3 + SILENT_BEATS), ((6, 12), 12 + SILENT_BEATS)]
)
async def test_silence_is_counted_from_the_last_sign_of_life(alive_at: tuple[int, ...], until: int) -> None:
    """A session is called lost after six beats in a row without one, never sooner."""
    service = Service(*alive_at)
    with pytest.raises(ExceptionGroup) as raised:
        await service.heart.run(service)
    (error,) = raised.value.exceptions
    assert isinstance(error, LinkError)
    assert (error.code, service.beats, service.pings) == ("link-timeout", until, 1)


async def test_an_answered_ping_is_a_sign_of_life() -> None:
    """Pings that are answered keep a session in which nothing is said; the last one goes unanswered."""
    service = Service(answers=20)
    with pytest.raises(ExceptionGroup):
        await service.heart.run(service)
    assert service.pings == 21
    assert service.beats >= 40


class Hurry:
    """Lets the beats of a link pass when the test says so."""

    def __init__(self) -> None:
        self.over = asyncio.Event()

    async def sleep(self, _delay_s: float) -> None:
        await self.over.wait()
        await asyncio.sleep(0)


async def silent(client: Client) -> None:
    await client.configure()
    client.fall_silent()


@pytest.mark.parametrize("behind", [False, True])
async def test_a_network_that_falls_silent_is_a_lost_link(behind: bool) -> None:
    """No reset, no close: packets simply stop, also behind audio that nobody takes. It is told without waiting for a
    close that nobody answers."""
    hurry, listener = Hurry(), Listener()
    async with RealtimeServer(silent) as server, running_link(server.url, listener, pulse=hurry.sleep) as link:
        link.open()
        await listener.until(LinkUp())
        await server.visits[0].silent.wait()
        if behind:
            link.append(BACKLOG_PERIODS * PERIOD)
            await listener.until_sent(len(PERIOD))
        hurry.over.set()
        await listener.until(LinkLost("link-timeout"))
        assert link.status()["state"] == "closed"
    assert listener.events == [LinkUp(), LinkLost("link-timeout")]


async def test_a_socket_that_nobody_reads_is_broken_off() -> None:
    """A close frame that cannot even be written does not keep us."""
    async with RealtimeServer(silent) as server:
        socket = await SdkDialler(Endpoint(server.url, "gpt-realtime"), close_timeout_s=0.05)({}, 5.0)
        await socket.recv()
        await socket.send('{"type": "session.update", "event_id": "evt_1", "session": {}}')
        await server.visits[0].silent.wait()
        waiting = asyncio.create_task(send_without_end(socket))
        await asyncio.wait([waiting], timeout=1.0)
        assert not waiting.done()
        async with asyncio.timeout(1.0):
            await socket.close()
        with pytest.raises(LinkError):
            await waiting


async def send_without_end(socket: Socket) -> None:
    while True:
        await socket.send("x" * 100_000)
