"""The service manager's watchdog is fed in normal life and in trouble, and not for one moment longer than it hears.

A socket of the test is the service manager. The threads that hang here are stopped by the kernel, the cards by their
own fault; only the limits' seconds pass for nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from speakerd.core.events import Device
from speakerd.core.pulse import LIMITS_S, Part
from tests.fakes.frozen import NotAllowedError, frozen
from tests.fakes.service_manager import ServiceManager, service_manager
from tests.fakes.stories import until_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from speakerd.demo.stage import Stage

WATCHDOG_S = 3.0
"""What the unit would allow: a ping a second, so that a story is short; the parts' own limits stay what they are."""

PATIENCE_S = LIMITS_S[Part.CAPTURE] + 10.0
"""In so much a hang must be named: the limit, the seconds until a card is given up, and a busy machine."""


@asynccontextmanager
async def watched(play, **options) -> AsyncIterator[tuple[Stage, ServiceManager]]:
    """Let a daemon run under a watchdog."""
    async with service_manager() as manager:
        environment = {**manager.environment(WATCHDOG_S), **options.pop("environment", {})}
        async with play(environment=environment, **options) as stage:
            yield stage, manager


async def fed(stage: Stage, manager: ServiceManager, for_s: float) -> None:
    """Require that nothing is missing for a while: no ping comes later than the service manager waits."""
    begun_s = stage.room.now_s()
    await stage.until(begun_s + for_s)
    pings = [begun_s, *manager.pings(begun_s), stage.room.now_s()]
    gaps = [later - earlier for earlier, later in itertools.pairwise(pings)]
    assert max(gaps) < WATCHDOG_S, f"{max(gaps):.1f} s without a ping"


def lost(status: dict[str, Any]) -> list[str]:
    """Return the cards that are not there."""
    return sorted(device.value for device in Device if not status[device.value]["found"])


async def unfed(stage: Stage, manager: ServiceManager, sentence: str) -> None:
    """Require that a hang is named in the journal, and that no ping comes from then on."""
    begun_s = stage.room.now_s()
    while sentence not in stage.log():
        assert stage.room.now_s() < begun_s + PATIENCE_S, f"nobody says: {sentence}"
        await asyncio.sleep(0.1)
    named_s = stage.room.now_s()
    await stage.until(named_s + WATCHDOG_S + 0.5)
    assert manager.pings(named_s) == []
    assert stage.log().count("the watchdog is not fed") == 1
    last_s = max(manager.pings())
    measured = f"{sentence}: named after {named_s - begun_s:.1f} s, fed last after {last_s - begun_s:.1f} s"
    print(measured)  # noqa: T201 - pytest keeps it, -s shows it


@contextmanager
def hanging(thread_id: int) -> Iterator[None]:
    """Stop one thread of the daemon; skip where the kernel does not let us."""
    with ExitStack() as exits:
        try:
            exits.enter_context(frozen(thread_id))
        except NotAllowedError as error:
            pytest.skip(f"no thread can be stopped here: {error}")
        yield


async def test_it_is_fed_in_normal_life(play, voice):
    """At rest, in a conversation, muted; ready is said first."""
    async with watched(play, replies=["One, two, three, four, five, six."]) as (stage, manager):
        assert "READY=1" in [what for _, what in manager.told]
        await fed(stage, manager, 4.0)
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("audible", after_s=begun, timeout_s=20)
        await fed(stage, manager, 4.0)
        await stage.tell("stop")
        await stage.tell("mute")
        await fed(stage, manager, LIMITS_S[Part.WAKE] + 3.0)
        assert "the watchdog is not fed" not in stage.log()


async def test_it_is_fed_while_both_cards_are_lost(play):
    """Lost is a state, not a hang: they are looked for, for however long it takes."""
    async with watched(play, start_service=False) as (stage, manager):
        for direction in ("playback", "capture"):
            stage.room.set_fault(direction, "enodev")
        await until_line(stage, "no microphone: retrying")
        await fed(stage, manager, max(LIMITS_S.values()) + 5.0)
        assert sorted(device.value for device in Device) == lost(await stage.status())
        assert "the watchdog is not fed" not in stage.log()


async def test_a_microphone_that_hangs_ends_it(play):
    """A call that never returns keeps the card open for ever: only another process can open it again."""
    async with watched(play, start_service=False) as (stage, manager):
        stage.room.set_fault("capture", "stall")
        await unfed(stage, manager, "the watchdog is not fed: capture has delivered nothing for")
        stage.room.set_fault("capture", "none")
        await until_line(stage, 'listening for "hey jarvis"')
        await stage.until(stage.room.now_s() + 2.0)
        assert "the watchdog is fed again" in stage.log()


async def test_a_loudspeaker_that_hangs_in_mid_reply_ends_it(play, voice):
    """The same at the other end."""
    async with watched(play, replies=["One, two, three, four, five, six, seven, eight."]) as (stage, manager):
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("audible", after_s=begun, timeout_s=20)
        await asyncio.sleep(0.3)
        stage.room.set_fault("playback", "stall")
        await unfed(stage, manager, "the watchdog is not fed: playback has not moved for")
        stage.room.set_fault("playback", "none")


async def test_a_wake_word_engine_that_hangs_ends_it(play):
    """Everything else goes on, and the microphone is heard by nobody."""
    async with watched(play, start_service=False) as (stage, manager):
        with hanging((await stage.status())["wake"]["thread_id"]):
            await unfed(stage, manager, "the watchdog is not fed: the wake word engine has scored nothing for")
            assert (await stage.status())["line"] == 'listening for "hey jarvis"'
        await fed(stage, manager, 1.0)


async def test_a_loop_that_hangs_feeds_nothing(play):
    """Not even once: what says so, and where it hangs, is not what feeds."""
    async with watched(play, start_service=False) as (stage, manager):
        begun_s = stage.room.now_s()
        with hanging(stage.daemon.pid):
            await unfed(stage, manager, "the watchdog is not fed: the event loop has not turned for")
            assert max(manager.pings()) < begun_s + 0.5
        await stage.until(stage.room.now_s() + 2.0)
        assert "the event loop turns again" in stage.log()
        assert manager.pings(stage.room.now_s() - 2.0)


async def test_an_open_that_holds_the_interpreter_feeds_nothing_and_leaves_its_stack(play):
    """ALSA's open hangs in a named pipe: no thread of ours runs any more, and the abort tells where it hung."""
    secret = "sk-secret-of-nobody-12345678"
    config = {"auth": {"method": "none"}}
    async with watched(play, config=config, environment={"AZURE_OPENAI_API_KEY": secret}, start_service=False) as (
        stage,
        manager,
    ):
        pipe = stage.socket_path.with_name("never-written")
        os.mkfifo(pipe)
        conf = stage.directory / "asound.conf"
        hangs = f'pcm.!mic {{ type file slave.pcm "null" file "/dev/null" infile "{pipe}" format "raw" }}\n'
        conf.write_text(conf.read_text() + hangs)
        os.utime(conf, (4e9, 4e9))  # ALSA reads it again when its second is another
        stage.room.set_fault("capture", "enodev")
        await stage.until(stage.room.now_s() + 4.0)
        quiet_s = stage.room.now_s()
        await stage.until(quiet_s + 2 * WATCHDOG_S)
        assert manager.pings(quiet_s) == [], "its loop turns: the open does not hold the interpreter"
        assert await stage.stop_daemon(signal.SIGABRT) == -signal.SIGABRT
        log = stage.log()
        assert "Fatal Python error: Aborted" in log
        assert "in _open_once" in log
        assert "in run_forever" in log  # every thread is there, the loop's too
        assert secret not in log
