"""A socket opened on a guess: adopted, dropped, or dead by the time it is wanted."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Mapping

import pytest

from speakerd.core.errors import AuthError, LinkError, Remedy
from speakerd.core.events import LinkLost, LinkUp
from speakerd.core.guess import GUESS_DECLINED, WORTH_FROM_S, worth_guessing
from speakerd.embedded.faults import Faults
from speakerd.embedded.server import EmbeddedService
from speakerd.embedded.tiers import scripted
from speakerd.realtime.prepared import Prepared
from tests.fakes.link_listener import Listener, Signer, running_link
from tests.fakes.realtime_server import Client, RealtimeServer, Refuse, Script

PERIOD = bytes(range(256)) * 3 + bytes(192)  # 960 bytes, 20 ms
AN_HOUR_S = 3600.0
TICKS = itertools.count()


class Socket:
    """A socket on which nothing happens."""

    def __init__(self) -> None:
        self.closed = False

    async def recv(self) -> bytes:
        raise AssertionError("nobody reads a prepared socket")

    async def send(self, text: str) -> None:
        raise AssertionError("nobody writes to a prepared socket")

    async def close(self) -> None:
        self.closed = True


class Dial:
    """Hands out one socket, or an error, once it is let."""

    def __init__(self, error: LinkError | None = None) -> None:
        self.socket = Socket()
        self.let = asyncio.Event()
        self._error = error

    async def warm(self) -> None:
        pass

    async def __call__(self, headers: Mapping[str, str], timeout_s: float) -> Socket:
        await self.let.wait()
        if self._error is not None:
            raise self._error
        return self.socket


def prepared(dial: Dial, listener: Listener, *, held_s: float = AN_HOUR_S) -> Prepared:
    return Prepared(dial=dial, credentials=Signer(), trace=listener, now=lambda: next(TICKS), held_s=held_s)


async def test_a_socket_is_handed_over_once() -> None:
    """Who takes it waits for the dialling and has to close it; then there is nothing left to take or abandon."""
    dial, listener = Dial(), Listener()
    async with asyncio.TaskGroup() as tasks:
        guess = prepared(dial, listener)
        guess.start(tasks)
        assert guess.hopeful
        taking = tasks.create_task(guess.take())
        await asyncio.sleep(0)
        dial.let.set()
        assert await taking is dial.socket
        assert guess.dialled_in_s == 1
        assert not guess.hopeful
        assert await guess.take() is None
        guess.abandon()
    assert not dial.socket.closed
    assert [name for name, _ in listener.marks] == ["link.preparing", "link.prepared"]


async def test_a_wrong_guess_is_closed() -> None:
    """An abandoned socket is closed, and there is nothing to take."""
    dial, listener = Dial(), Listener()
    dial.let.set()
    async with asyncio.TaskGroup() as tasks:
        guess = prepared(dial, listener)
        guess.start(tasks)
        await listener.until_marked("link.prepared")
        assert guess.hopeful
        guess.abandon()
        guess.abandon()
        assert not guess.hopeful
    assert dial.socket.closed
    assert await guess.take() is None
    assert listener.marked("link.abandoned") == [{"reason": "unused"}]


async def test_a_guess_abandoned_while_dialling_opens_nothing() -> None:
    """The attempt is cancelled; who already waits for it gets nothing."""
    dial, listener = Dial(), Listener()
    async with asyncio.TaskGroup() as tasks:
        guess = prepared(dial, listener)
        guess.start(tasks)
        taking = tasks.create_task(guess.take())
        await listener.until_marked("link.preparing")
        guess.abandon()
        assert await taking is None
    assert listener.marked("link.prepared") == []


async def test_a_guess_abandoned_at_the_end_of_the_dialling_is_closed_all_the_same() -> None:
    """A cancellation that the handshake swallowed is not forgotten."""

    class Stubborn(Dial):
        async def __call__(self, headers: Mapping[str, str], timeout_s: float) -> Socket:
            with contextlib.suppress(asyncio.CancelledError):
                await self.let.wait()
            return self.socket

    dial, listener = Stubborn(), Listener()
    async with asyncio.TaskGroup() as tasks:
        guess = prepared(dial, listener)
        guess.start(tasks)
        await listener.until_marked("link.preparing")
        await asyncio.sleep(0)
        guess.abandon()
    assert dial.socket.closed
    assert listener.marked("link.abandoned") == [{"reason": "unused"}]


async def test_a_socket_that_nobody_wants_grows_too_old() -> None:
    """Without anybody's doing, a prepared socket is closed after a while."""
    dial, listener = Dial(), Listener()
    dial.let.set()
    async with asyncio.TaskGroup() as tasks:
        guess = prepared(dial, listener, held_s=0.0)
        guess.start(tasks)
    assert dial.socket.closed
    assert not guess.hopeful
    assert listener.marked("link.abandoned") == [{"reason": "too old"}]


async def test_a_failure_is_silent() -> None:
    """What could not be opened is not there, and that is all."""
    dial, listener = Dial(LinkError("link-refused", "no", Remedy.RETRY)), Listener()
    dial.let.set()
    async with asyncio.TaskGroup() as tasks:
        guess = prepared(dial, listener)
        guess.start(tasks)
        assert await guess.take() is None
    assert not guess.hopeful
    assert listener.marked("link.abandoned") == [{"reason": "link-refused"}]


# With the link, over real sockets.


class Waits:
    """Notes how long the link wants to wait, and does not; what it waits for a session's age, it waits forever."""

    def __init__(self) -> None:
        self.asked_s: list[float] = []

    async def __call__(self, delay_s: float) -> None:
        if delay_s > 60:
            await asyncio.Event().wait()
        self.asked_s.append(delay_s)


def hearing(size_bytes: int, heard: list[bytes]) -> Script:
    async def script(client: Client) -> None:
        await client.configure()
        heard.append(await client.expect_audio(size_bytes))

    return script


async def silent(client: Client) -> None:
    await client.emit("session.created", session={"id": "sess_fake"})


async def test_preparing_sends_nothing_and_tells_nobody() -> None:
    """A prepared socket is opened and closed again without a single message from us; no event, no session."""
    listener = Listener()
    async with RealtimeServer(silent) as server:
        async with running_link(server.url, listener) as link:
            link.append(PERIOD)
            link.prepare()
            link.prepare()
            await listener.until_marked("link.prepared")
            assert (link.status()["state"], link.status()["prepared"]) == ("closed", True)
            link.abandon()
            link.abandon()
            await server.assert_complete()
            assert link.status()["prepared"] is False
        assert server.visits[0].close_code == 1000
    assert listener.events == []
    assert [name for name, _ in listener.marks] == ["link.preparing", "link.prepared", "link.abandoned"]


async def test_an_open_session_prepares_nothing() -> None:
    """There is one socket at most, also when all is asked for before run()."""
    heard: list[bytes] = []
    listener = Listener()
    async with RealtimeServer(hearing(len(PERIOD), heard)) as server:
        async with running_link(server.url, listener) as link:
            link.prepare()  # run() has not had its first turn yet
            link.append(PERIOD)
            link.open()
            await listener.until(LinkUp())
            link.prepare()
            await listener.until_sent(len(PERIOD))
        await server.assert_complete()
    assert len(listener.marked("link.preparing")) == 1


async def test_a_quick_service_is_not_connected_to_on_a_guess() -> None:
    """Before the first handshake nothing is known, so nothing is begun; after a quick one, nothing is to be gained.
    Either is told, so that nobody waits for what was not begun."""
    listener = Listener()
    async with RealtimeServer(hearing(len(PERIOD), [])) as server:
        async with running_link(server.url, listener, worth=worth_guessing) as link:
            link.prepare()
            assert (link.status()["handshake_ms"], link.status()["prepared"]) == (None, False)
            assert listener.events == [LinkLost(GUESS_DECLINED)]
            link.append(PERIOD)
            link.open()
            await listener.until_sent(len(PERIOD))
            link.close()
            await server.visits[0].over.wait()
            link.prepare()
            assert link.status()["handshake_ms"] < WORTH_FROM_S * 1000
            assert link.status()["prepared"] is False
        await server.assert_complete()
    assert listener.marked("link.preparing") == []
    assert [event for event in listener.events if event != LinkUp()] == 2 * [LinkLost(GUESS_DECLINED)]


async def test_a_slow_service_is_connected_to_on_a_guess_from_the_second_time_on() -> None:
    """How long its handshake takes is known from the first session, and from each prepared socket."""
    listener = Listener()
    faults = Faults(slow_handshake_s=WORTH_FROM_S)
    async with (
        EmbeddedService(scripted(), faults=faults) as service,
        running_link(service.url, listener, worth=worth_guessing) as link,
    ):
        link.prepare()
        link.open()
        await listener.until(LinkUp())
        assert link.status()["handshake_ms"] >= WORTH_FROM_S * 1000
        link.close()
        service.faults = Faults()
        link.prepare()
        await listener.until_marked("link.prepared")
        link.abandon()
        link.prepare()
        assert service.connections == 2
    assert len(listener.marked("link.preparing")) == 1


async def test_a_prepared_socket_becomes_the_session() -> None:
    """Opening costs no second handshake; the update goes first, then the audio, whole."""
    heard: list[bytes] = []
    signer, listener = Signer(), Listener()
    async with RealtimeServer(hearing(2 * len(PERIOD), heard)) as server:
        async with running_link(server.url, listener, signer=signer) as link:
            link.prepare()
            await listener.until_marked("link.prepared")
            link.append(PERIOD)
            link.open()
            link.append(PERIOD)
            await listener.until(LinkUp())
            await listener.until_sent(2 * len(PERIOD))
            link.abandon()
            assert link.status()["state"] == "up"
        await server.assert_complete()
        assert server.visits[0].close_code == 1000
    assert heard == [2 * PERIOD]
    assert signer.asked == 1
    assert listener.marked("link.open") == [{"prepared": True}]


async def test_opening_joins_a_dialling_that_is_under_way() -> None:
    """A handshake that has begun is waited for, not doubled; closing meanwhile leaves nothing behind."""
    listener = Listener()
    faults = Faults(slow_handshake_s=0.2)
    async with EmbeddedService(scripted(), faults=faults) as service, running_link(service.url, listener) as link:
        link.prepare()
        await listener.until_marked("link.preparing")
        link.open()
        link.close()
        link.prepare()
        await listener.until_marked("link.preparing", times=2)
        link.open()
        link.abandon()
        await listener.until(LinkUp())
        assert service.connections == 1
    assert listener.events == [LinkUp()]


@pytest.mark.parametrize("code", [1000, 1001, 4000, None])
async def test_a_prepared_socket_that_died_costs_nothing(code: int | None) -> None:
    """Closed or broken off meanwhile, it is dialled afresh at once, without a wait, and no word is lost."""
    heard: list[bytes] = []

    async def dying(client: Client) -> None:
        await silent(client)
        if code is None:
            client.abort()
        else:
            await client.close(code)

    waits, listener = Waits(), Listener()
    async with RealtimeServer(dying, hearing(2 * len(PERIOD), heard)) as server:
        async with running_link(server.url, listener, sleep=waits) as link:
            link.prepare()
            await listener.until_marked("link.prepared")
            await server.visits[0].over.wait()
            link.append(PERIOD)
            link.open()
            link.append(PERIOD)
            await listener.until(LinkUp())
            await listener.until_sent(2 * len(PERIOD))
        await server.assert_complete()
    assert heard == [2 * PERIOD]
    assert waits.asked_s == []
    assert listener.events == [LinkUp()]


async def test_a_prepared_socket_that_breaks_off_with_our_words_costs_none_of_them() -> None:
    """It dies between the update and its confirmation: what was sent is sent again, from its beginning."""
    heard: list[bytes] = []

    async def breaking(client: Client) -> None:
        await client.expect("session.update")
        await client.expect_audio(len(PERIOD))
        client.abort()

    waits, listener = Waits(), Listener()
    async with RealtimeServer(breaking, hearing(2 * len(PERIOD), heard)) as server:
        async with running_link(server.url, listener, sleep=waits) as link:
            link.prepare()
            await listener.until_marked("link.prepared")
            link.append(PERIOD)
            link.open()
            await listener.until_marked("link.open", times=2)
            link.append(PERIOD)
            await listener.until(LinkUp())
            await listener.until_sent(3 * len(PERIOD))
        await server.assert_complete()
    assert heard == [2 * PERIOD]
    assert waits.asked_s == []


async def test_a_prepared_session_that_is_lost_later_is_lost() -> None:
    """Once it is up, a prepared session is like any other: its end is told, not repaired."""

    async def ending(client: Client) -> None:
        await client.configure()
        await client.close(1011)

    listener = Listener()
    async with RealtimeServer(ending) as server:
        async with running_link(server.url, listener) as link:
            link.prepare()
            await listener.until_marked("link.prepared")
            link.open()
            await listener.until(LinkLost("link-closed-1011"))
        await server.assert_complete()


@pytest.mark.parametrize("refusal", [Refuse(503), Refuse(401), AuthError("auth-none", "no key", Remedy.OPERATOR)])
async def test_what_fails_on_a_guess_is_nobodys_business(
    refusal: Refuse | AuthError, caplog: pytest.LogCaptureFixture
) -> None:
    """A refused handshake or a missing credential is neither told nor logged; opening dials afresh."""
    plans: list[Refuse | Script] = [hearing(len(PERIOD), [])]
    signer, listener = Signer(), Listener()
    if isinstance(refusal, Refuse):
        plans.insert(0, refusal)
    else:
        signer = Signer(refusal)
    with caplog.at_level(logging.INFO, "speakerd.link"):
        async with RealtimeServer(*plans) as server:
            async with running_link(server.url, listener, signer=signer) as link:
                link.prepare()
                await listener.until_marked("link.abandoned")
                assert listener.events == []
                link.append(PERIOD)
                link.open()
                await listener.until(LinkUp())
                await listener.until_sent(len(PERIOD))
            await server.assert_complete()
    assert caplog.records == []
    assert listener.events == [LinkUp()]


async def test_a_prepared_socket_that_has_fallen_silent_is_given_up_early() -> None:
    """A dead connection that nobody closed is noticed in two seconds of real time, and dialled afresh."""
    heard: list[bytes] = []

    async def deaf(client: Client) -> None:
        await client.expect("session.update")
        await client.expect_audio(len(PERIOD))

    listener = Listener()
    async with RealtimeServer(deaf, hearing(len(PERIOD), heard)) as server:
        async with running_link(server.url, listener) as link:
            link.prepare()
            await listener.until_marked("link.prepared")
            link.append(PERIOD)
            link.open()
            await listener.until(LinkUp())
            await listener.until_sent(2 * len(PERIOD))
        await server.assert_complete()
    assert heard == [PERIOD]
