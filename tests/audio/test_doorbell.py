"""The doorbell: once for however many rings."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from speakerd.audio.doorbell import Doorbell


class FakeLoop:
    """Keeps what it was asked to run."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []
        self.closed = False

    def call_soon_threadsafe(self, callback: Callable[[], None], /) -> None:
        if self.closed:
            raise RuntimeError("Event loop is closed")
        self.waiting.append(callback)

    def run(self) -> None:
        waiting, self.waiting = self.waiting, []
        for callback in waiting:
            callback()


def test_many_rings_are_one_call() -> None:
    """Until it is answered, a rung bell does not ring again."""
    loop, answers = FakeLoop(), []
    bell = Doorbell(loop, lambda: answers.append("here"))
    for _ in range(5):
        bell.ring()
    assert len(loop.waiting) == 1
    loop.run()
    assert answers == ["here"]


def test_it_rings_again_after_the_answer() -> None:
    """Each answered ring makes room for the next."""
    loop, answers = FakeLoop(), []
    bell = Doorbell(loop, lambda: answers.append("here"))
    for _ in range(3):
        bell.ring()
        loop.run()
    assert len(answers) == 3


def test_a_ring_during_the_answer_is_not_lost() -> None:
    """What arrives while the callback looks around makes it look once more."""
    loop, answers = FakeLoop(), []

    def answer() -> None:
        answers.append("here")
        if len(answers) == 1:
            bell.ring()

    bell = Doorbell(loop, answer)
    bell.ring()
    loop.run()
    loop.run()
    assert len(answers) == 2


def test_after_the_loop_has_closed_it_is_silent() -> None:
    """An audio thread that outlives the loop does not fail for it."""
    loop = FakeLoop()
    loop.closed = True
    Doorbell(loop, lambda: None).ring()


async def test_another_thread_reaches_the_loop() -> None:
    """With asyncio's own loop the callback runs on the loop's thread."""
    answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    bell = Doorbell(asyncio.get_running_loop(), lambda: answered.set_result(threading.get_ident()))
    threading.Thread(target=bell.ring).start()
    assert await answered == threading.get_ident()
