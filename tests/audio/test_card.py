"""A card's life: found, lost in three ways, found again, put away."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from speakerd.audio.capture import Capture
from speakerd.audio.card import Card
from speakerd.audio.ring import make_ring
from speakerd.core.errors import DeviceError, Remedy
from speakerd.core.events import Device, DeviceFound, DeviceLost, Event
from tests.fakes.cards import PacedCapturePcm
from tests.fakes.pcm import Stall, Unplug

FOUND, LOST = DeviceFound(Device.MICROPHONE), DeviceLost(Device.MICROPHONE)


@dataclass
class Bench:
    """A card keeper that opens what the test has plugged in."""

    plugged: list[PacedCapturePcm] = field(default_factory=list)
    opened: list[PacedCapturePcm] = field(default_factory=list)
    events: asyncio.Queue[Event] = field(default_factory=asyncio.Queue)
    now_s: float = 0.0
    look_takes_s: float = 0.0
    ended: int = 0
    attempts: int = 0
    wrong: Callable[[], None] = lambda: None
    busy: bool = False

    def open_pcm(self) -> PacedCapturePcm:
        self.attempts += 1
        if not self.plugged:
            raise DeviceError("device-missing", "there is no such sound device", Remedy.RETRY)
        self.opened.append(self.plugged.pop(0))
        return self.opened[-1]

    def begin(self, pcm: PacedCapturePcm) -> Capture:
        producer, _ = make_ring(2_000_000)
        return Capture(pcm, producer, self.wrong)

    def end(self) -> None:
        self.ended += 1

    def card(self) -> Card[PacedCapturePcm]:
        return Card(
            Device.MICROPHONE,
            open_pcm=self.open_pcm,
            begin=self.begin,
            end=self.end,
            on_event=self.events.put_nowait,
            now=self.now,
            back_off_s=(0.001, 0.004),
            is_busy=lambda: self.busy,
        )

    def now(self) -> float:
        self.now_s += self.look_takes_s
        return self.now_s

    def plug(self) -> PacedCapturePcm:
        pcm = PacedCapturePcm()
        self.plugged.append(pcm)
        return pcm


@contextlib.asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[tuple[Card[PacedCapturePcm], asyncio.Task[None]]]:
    """Run a keeper; at the end every card lets its thread go."""
    card = bench.card()
    task = asyncio.create_task(card.run())
    try:
        yield card, task
    finally:
        for pcm in bench.opened:
            pcm.gate.allow_all()
        task.cancel()
        await asyncio.wait({task})


async def until(happened: Callable[[], bool]) -> None:
    """Let the others go on until something has happened."""
    async with asyncio.timeout(10):
        while not happened():  # noqa: ASYNC110 - what happens is a number that grows, and rings no bell
            await asyncio.sleep(0)


async def test_a_card_is_found_when_its_first_frames_have_moved() -> None:
    """An open card that delivers nothing is not there yet."""
    bench = Bench()
    pcm = bench.plug()
    async with running(bench) as (card, _):
        pcm.gate.allow(1)
        assert await bench.events.get() == FOUND
        assert card.format is pcm.format
        assert card.trouble is None
        assert card.status()["rate_hz"] == pcm.format.rate_hz
        assert card.status()["found"]
    assert card.status()["rate_hz"] is None
    assert not card.status()["found"]


async def test_a_missing_card_is_reported_once_and_found_when_it_comes() -> None:
    """Many attempts, one event; what is wrong can be read."""
    bench = Bench()
    async with running(bench) as (card, _):
        assert await bench.events.get() == LOST
        assert card.trouble == "there is no such sound device"
        bench.plug().gate.allow(1)
        assert await bench.events.get() == FOUND
        assert bench.attempts > 1
        assert bench.events.empty()


async def test_a_card_that_raises_is_closed_and_opened_again() -> None:
    """Unplugged and back: lost, found, and the old PCM is let go."""
    bench = Bench()
    pcm, again = bench.plug(), bench.plug()
    pcm.plan.extend([None, Unplug()])
    pcm.gate.allow(1)
    again.gate.allow(1)
    async with running(bench) as (card, _):
        assert await bench.events.get() == FOUND
        pcm.gate.allow(1)
        assert await bench.events.get() == LOST
        assert pcm.closed
        assert bench.ended == 1
        assert await bench.events.get() == FOUND
        assert card.losses == 1


async def test_nothing_of_a_lost_card_stays_in_memory() -> None:
    """Not until the collector comes either: it comes rarely, and a ring holds 0.6 MB."""
    bench = Bench()
    pcm, again = bench.plug(), bench.plug()
    bodies: list[weakref.ref[Capture]] = []

    def begin(card: PacedCapturePcm) -> Capture:
        producer, _ = make_ring(2_000_000)
        bodies.append(weakref.ref(body := Capture(card, producer, bench.wrong)))
        return body

    bench.begin = begin  # type: ignore[method-assign] # what the card is made with
    pcm.plan.extend([None, Unplug()])
    pcm.gate.allow(2)
    again.gate.allow(1)
    gc.disable()
    try:
        async with running(bench):
            while await bench.events.get() != LOST:
                pass
            assert await bench.events.get() == FOUND
            await until(lambda: len(bodies) == 2)
            assert (bodies[0]() is None, bodies[1]() is None) == (True, False)
    finally:
        gc.enable()


async def test_a_card_that_hangs_is_abandoned_and_closed_when_it_comes_back() -> None:
    """A call that never returns must not be closed under; it is closed once its thread has ended."""
    bench = Bench()
    release = threading.Event()
    pcm = bench.plug()
    pcm.plan.extend([None, Stall(release)])
    pcm.gate.allow(2)
    async with running(bench):
        assert await bench.events.get() == FOUND
        bench.look_takes_s = 0.6
        assert await bench.events.get() == LOST
        assert not pcm.closed
        release.set()
        await asyncio.to_thread(pcm.let_go.wait)
        bench.look_takes_s = 0.0
        bench.plug().gate.allow(1)
        assert await bench.events.get() == FOUND


async def test_a_card_that_hung_is_believed_when_it_goes_on_moving() -> None:
    """The first that it does after opening, it does before it hangs again: nobody is told of that."""
    bench = Bench()
    release = threading.Event()
    pcm = bench.plug()
    pcm.plan.extend([None, Stall(release)])
    pcm.gate.allow(2)
    async with running(bench) as (card, _):
        assert await bench.events.get() == FOUND
        bench.look_takes_s = 0.2
        bench.plug().gate.allow(1)
        bench.plug().gate.allow_all()
        assert await bench.events.get() == LOST
        assert await bench.events.get() == FOUND
        assert len(bench.opened) == 3
        assert card.losses == 1
        release.set()


async def test_a_search_counts_while_no_thread_holds_the_card() -> None:
    """A lost card is looked for again and again; one that a hanging thread holds open is as good as not."""
    bench = Bench()
    release = threading.Event()
    async with running(bench) as (card, _):
        assert await bench.events.get() == LOST
        pcm = bench.plug()
        pcm.plan.extend([None, Stall(release)])
        pcm.gate.allow(2)
        assert await bench.events.get() == FOUND
        assert card.searches == bench.attempts > 1
        searches = card.searches
        bench.look_takes_s = 0.6
        assert await bench.events.get() == LOST
        assert card.hangs
        await until(lambda: bench.attempts >= searches + 3)
        assert card.searches == searches
        release.set()
        await asyncio.to_thread(pcm.let_go.wait)
        await until(lambda: card.searches > searches)
        assert not card.hangs


async def test_what_is_not_the_cards_fault_escapes() -> None:
    """A mistake of ours in the thread ends the keeper, loudly, and the card is closed."""
    bench = Bench()

    def wrong() -> None:
        raise RuntimeError("a mistake")

    bench.wrong = wrong
    pcm = bench.plug()
    pcm.gate.allow(1)
    async with running(bench) as (_, task):
        with pytest.raises(RuntimeError, match="a mistake"):
            await task
        assert pcm.closed


async def test_cancelling_stops_the_thread_and_closes_the_card() -> None:
    """Nothing of the card is left when the keeper is told to end."""
    bench = Bench()
    pcm = bench.plug()
    pcm.gate.allow(1)
    async with running(bench) as (_, task):
        assert await bench.events.get() == FOUND
        pcm.gate.allow_all()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert pcm.closed
        assert bench.ended == 1
        assert bench.events.empty()


async def test_a_card_that_opens_while_we_end_is_closed() -> None:
    """The thread that opens cannot be cancelled; what it brings is let go."""
    bench = Bench()
    pcm = bench.plug()
    opening, may_open = threading.Event(), threading.Event()
    really_open = bench.open_pcm

    def slow_open() -> PacedCapturePcm:
        opening.set()
        may_open.wait()
        return really_open()

    bench.open_pcm = slow_open  # type: ignore[method-assign] - a card that takes its time
    async with running(bench) as (_, task):
        await asyncio.to_thread(opening.wait)
        task.cancel()
        may_open.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert pcm.closed


async def test_another_card_is_opened_without_a_loss() -> None:
    """It is found again, nobody hears of a loss, and the one before is closed."""
    bench = Bench()
    pcm, other = bench.plug(), bench.plug()
    for plugged in (pcm, other):
        plugged.gate.allow(1)
    async with running(bench) as (card, _):
        assert await bench.events.get() == FOUND
        pcm.gate.allow_all()
        card.renew()
        assert await bench.events.get() == FOUND
        assert (pcm.closed, bench.opened, card.losses, bench.ended) == (True, [pcm, other], 0, 1)


async def test_another_card_that_is_not_there_is_a_loss() -> None:
    """Then it is looked for, as any other."""
    bench = Bench()
    bench.plug().gate.allow(1)
    async with running(bench) as (card, _):
        assert await bench.events.get() == FOUND
        card.renew()
        assert await bench.events.get() == LOST
        assert card.trouble == "there is no such sound device"


async def test_another_card_is_not_waited_for_where_the_one_before_is_missing() -> None:
    """Somebody has just written down which card is the right one."""
    bench = Bench()
    card = Card(
        Device.MICROPHONE,
        open_pcm=bench.open_pcm,
        begin=bench.begin,
        end=bench.end,
        on_event=bench.events.put_nowait,
        now=bench.now,
        back_off_s=(3600, 3600),
    )
    task = asyncio.create_task(card.run())
    assert await bench.events.get() == LOST
    bench.plug().gate.allow(1)
    card.renew()
    assert await asyncio.wait_for(bench.events.get(), 10) == FOUND
    bench.opened[0].gate.allow_all()
    task.cancel()
    await asyncio.wait({task})


async def test_another_card_waits_until_it_is_not_heard() -> None:
    """What is being played ends first."""
    bench = Bench()
    pcm, other = bench.plug(), bench.plug()
    for plugged in (pcm, other):
        plugged.gate.allow(1)
    bench.busy = True
    async with running(bench) as (card, _):
        assert await bench.events.get() == FOUND
        card.renew()
        pcm.gate.allow_all()
        await asyncio.sleep(0)
        assert not pcm.closed
        bench.busy = False
        assert await bench.events.get() == FOUND
        assert pcm.closed


async def test_one_that_is_cancelled_in_the_step_in_which_another_card_is_wanted_ends() -> None:
    """While it waits for the next attempt: a stop and a reload may come at once."""
    bench = Bench()
    card = bench.card()
    card._back_off_s = (3600.0, 3600.0)
    task = asyncio.create_task(card.run())
    assert await bench.events.get() == LOST
    await asyncio.sleep(0)  # it waits now
    card.renew()
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=5)
    assert done == {task}
    assert task.cancelled()
