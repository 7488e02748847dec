"""SIGHUP from the first moment to the last."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from speakerd.host.hangup import Hangups


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    """Leave the process as it was."""
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


async def test_one_that_comes_early_is_heard_when_somebody_listens() -> None:
    """It ends nothing, and several are one: the file is read once."""
    hangups, heard = Hangups(), asyncio.Queue[None]()
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGHUP)
    loop = asyncio.get_running_loop()
    hangups.listen(loop, lambda: heard.put_nowait(None))
    await asyncio.wait_for(heard.get(), 10)
    assert heard.empty()
    os.kill(os.getpid(), signal.SIGHUP)
    await asyncio.wait_for(heard.get(), 10)
    hangups.ignore(loop)


async def test_one_that_comes_late_ends_nothing() -> None:
    """The daemon is on its way out, and heeds it no more."""
    hangups, heard = Hangups(), asyncio.Queue[None]()
    loop = asyncio.get_running_loop()
    hangups.listen(loop, lambda: heard.put_nowait(None))
    hangups.ignore(loop)
    os.kill(os.getpid(), signal.SIGHUP)
    await asyncio.sleep(0)
    assert heard.empty()
