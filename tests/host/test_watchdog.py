"""The watchdog is fed while every part moves, by the loop alone; who stands still is named once."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from speakerd.core.pulse import LIMITS_S, Part
from speakerd.host.watchdog import LOOK_S, LoopWitness, Watchdog, patience_s, write_stacks

PID = 4711


@pytest.mark.parametrize(
    ("environment", "expected_s"),
    [
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(PID)}, 30.0),
        ({"WATCHDOG_USEC": "500000"}, 0.5),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_PID": str(PID)}, None),
        ({"WATCHDOG_USEC": ""}, None),
        ({}, None),
    ],
)
def test_who_is_waited_for(environment: dict[str, str], expected_s: float | None) -> None:
    """Only what systemd says to this very process counts."""
    assert patience_s(environment, PID) == expected_s


@pytest.mark.parametrize("told", ["soon", "0", "-1", "1e6"])
def test_what_is_no_time_is_told_and_does_nothing(caplog: pytest.LogCaptureFixture, told: str) -> None:
    """With where it is set."""
    assert patience_s({"WATCHDOG_USEC": told}, PID) is None
    assert "WatchdogSec=" in caplog.text


class Bench:
    """A watchdog whose looks happen by hand, five seconds apart."""

    def __init__(self) -> None:
        self.fed = 0
        self.now_s = 0.0
        self.counts: dict[Part, int | None] = {}
        self.stacks_written = 0
        self.watchdog = Watchdog(
            30.0, feed=self.feed, counts=lambda: self.counts, now=lambda: self.now_s, stacks=self.write_stacks
        )

    def write_stacks(self) -> None:
        self.stacks_written += 1

    def feed(self) -> None:
        self.fed += 1

    def looks(self, count: int) -> int:
        """Look so many times; return how often it was fed."""
        before = self.fed
        for _ in range(count):
            self.watchdog.look()
            self.now_s += LOOK_S
        return self.fed - before


def test_a_part_that_stands_still_is_not_fed_for_and_named_once(caplog: pytest.LogCaptureFixture) -> None:
    """One error says which part and for how long; when it moves again, that is said and it is fed again."""
    bench = Bench()
    bench.counts = {Part.CAPTURE: 5, Part.WAKE: None}
    assert bench.looks(20) == LIMITS_S[Part.CAPTURE] / LOOK_S
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.ERROR, "the watchdog is not fed: capture has delivered nothing for 15 s")
    ]
    assert bench.stacks_written == 1
    bench.counts = {Part.CAPTURE: 6}
    assert bench.looks(1) == 1
    assert caplog.messages[1:] == ["the watchdog is fed again: everything moves"]


def test_a_second_part_is_named_too(caplog: pytest.LogCaptureFixture) -> None:
    """And nothing is fed before both move."""
    bench = Bench()
    bench.counts = {Part.CAPTURE: 5}
    bench.looks(4)
    bench.counts = {Part.CAPTURE: 5, Part.PLAYBACK: 1}
    bench.looks(4)
    bench.counts = {Part.CAPTURE: 6, Part.PLAYBACK: 1}
    assert bench.looks(1) == 0
    assert [message.split(": ")[1].split()[0] for message in caplog.messages] == ["capture", "playback"]
    assert bench.stacks_written == 2


async def test_it_is_fed_at_once_and_again_and_again() -> None:
    """The service manager's patience begins with the start; a third of it is the longest wait."""
    fed = asyncio.Queue[None]()
    watchdog = Watchdog(0.03, feed=lambda: fed.put_nowait(None), counts=dict, now=asyncio.get_running_loop().time)
    task = asyncio.create_task(watchdog.run())
    async with asyncio.timeout(10):
        for _ in range(5):
            await fed.get()
    assert "speakerd-witness" in {thread.name for thread in threading.enumerate()}
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_where_nobody_watches_nothing_is_done() -> None:
    """Not even a thread is started."""
    watchdog = Watchdog(None, feed=lambda: pytest.fail("fed"), counts=dict, now=lambda: 0.0)
    await watchdog.run()


def test_the_witness_says_that_the_loop_stands_and_where(caplog: pytest.LogCaptureFixture) -> None:
    """Once, with file, line and function of what it hangs in; and that it turns again."""
    now_s, written = [100.0], list[float]()
    witness = LoopWitness(10.0, lambda: now_s[0], lambda: written.append(now_s[0]))
    assert witness.look() == 10.0
    now_s[0] += 6
    assert witness.look() == pytest.approx(4.0)
    witness.turned()
    now_s[0] += 11
    assert witness.look() == 10.0
    witness.look()
    (message,) = caplog.messages
    assert message.startswith("the watchdog is not fed: the event loop has not turned for 11 s, it is at ")
    assert "speakerd/host/watchdog.py:" in message
    assert message.endswith("in _place")
    witness.turned()
    assert caplog.messages[1:] == ["the event loop turns again"]
    assert written == [117.0]


def test_the_stacks_name_places_and_no_values(capfd: pytest.CaptureFixture[str]) -> None:
    """Of every thread, on standard error."""
    at_rest, secret = threading.Event(), "a token"
    thread = threading.Thread(target=at_rest.wait, args=(30.0,), name=secret)
    thread.start()
    try:
        write_stacks()
    finally:
        at_rest.set()
        thread.join()
    told = capfd.readouterr().err
    assert "in wait" in told
    assert "test_the_stacks_name_places_and_no_values" in told
    assert secret not in told


def test_the_witness_of_a_loop_whose_thread_has_ended(caplog: pytest.LogCaptureFixture) -> None:
    """It does not fall over what is not there."""
    made: list[LoopWitness] = []
    now_s = [0.0]
    thread = threading.Thread(target=lambda: made.append(LoopWitness(10.0, lambda: now_s[0], lambda: None)))
    thread.start()
    thread.join()
    now_s[0] = 20.0
    made[0].look()
    assert caplog.messages == ["the watchdog is not fed: the event loop has not turned for 20 s, it is at its end"]


def test_the_witness_watches_from_a_thread_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """While this one does nothing at all."""
    said = threading.Event()
    handler = logging.Handler()
    handler.emit = lambda _record: said.set()  # type: ignore[method-assign] # what a handler is for
    logger = logging.getLogger("speakerd.host")
    logger.addHandler(handler)
    times = iter([0.0])
    witness = LoopWitness(0.01, lambda: next(times, 1.0), lambda: None)
    try:
        witness.start()
        assert said.wait(10)
    finally:
        witness.stop()
        logger.removeHandler(handler)
