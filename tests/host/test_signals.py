"""Signals from the first moment to the last."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from speakerd.host.signals import ALL, STOPS, Signals


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Leave the process as it was."""
    before = {number: signal.getsignal(number) for number in ALL}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: signal.Signals, times: int = 1) -> None:
    """Send a signal to this process."""
    for _ in range(times):
        os.kill(os.getpid(), number)


async def turns() -> None:
    """Let the loop do what is due."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_hangup_that_comes_early_is_heard_when_somebody_listens() -> None:
    """It ends nothing, and several are one: the file is read once."""
    signals, heard = Signals(), asyncio.Queue[None]()
    send(signal.SIGHUP, 2)
    signals.listen(lambda: None)
    send(signal.SIGHUP)
    await turns()
    signals.listen(lambda: None, lambda: heard.put_nowait(None))
    await asyncio.wait_for(heard.get(), 10)
    await turns()
    assert heard.empty()
    send(signal.SIGHUP)
    await asyncio.wait_for(heard.get(), 10)
    signals.ignore()


async def test_a_hangup_that_comes_late_ends_nothing() -> None:
    """The daemon is on its way out, and heeds it no more."""
    signals, heard = Signals(), asyncio.Queue[None]()
    signals.listen(lambda: None, lambda: heard.put_nowait(None))
    signals.ignore()
    for number in ALL:
        send(number)
    await turns()
    assert heard.empty()


@pytest.mark.parametrize("number", sorted(STOPS))
async def test_a_stop_before_anybody_listens_leaves_at_once(number: signal.Signals) -> None:
    """Nothing is open, so nothing is closed; it went well."""
    codes: list[int] = []
    Signals(leave=codes.append)
    send(number)
    assert codes == [0]


@pytest.mark.parametrize("number", sorted(STOPS))
async def test_a_stop_is_told_once(number: signal.Signals) -> None:
    """To who listens then; a second one does not disturb the end that the first has begun."""
    signals, told = Signals(), asyncio.Queue[str]()
    signals.listen(lambda: told.put_nowait("the start"))
    signals.listen(lambda: told.put_nowait("the daemon"))
    send(number)
    send(number)
    assert await asyncio.wait_for(told.get(), 10) == "the daemon"
    await turns()
    assert (told.empty(), signals.stopped) == (True, True)


async def test_a_storm_of_hangups_is_quiet_and_hides_no_stop(capfd: pytest.CaptureFixture[str]) -> None:
    """While the loop is busy; the descriptor of the loop's own handlers is full after some 300."""
    signals, heard = Signals(), asyncio.Queue[str]()
    signals.listen(lambda: heard.put_nowait("stop"), lambda: heard.put_nowait("hangup"))
    send(signal.SIGHUP, 2000)
    send(signal.SIGTERM)
    assert sorted([await asyncio.wait_for(heard.get(), 10), await asyncio.wait_for(heard.get(), 10)]) == [
        "hangup",
        "stop",
    ]
    await turns()
    assert heard.empty()
    assert capfd.readouterr().err == ""


async def test_it_wakes_a_loop_that_sleeps() -> None:
    """From another process, while nothing else happens."""
    signals, told = Signals(), asyncio.Event()
    signals.listen(told.set)
    sender = await asyncio.create_subprocess_exec("/bin/sh", "-c", f"kill -TERM {os.getpid()}")
    await asyncio.wait_for(told.wait(), 10)
    await sender.wait()


def test_only_what_is_asked_for_is_taken() -> None:
    """Another program ends by a hangup as ever."""
    before = signal.getsignal(signal.SIGHUP)
    Signals(STOPS)
    assert signal.getsignal(signal.SIGHUP) is before
