"""systemd stops the daemon in the middle of an answer."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

import pytest

from tests.fakes import command
from tests.fakes.stories import through
from tests.fakes.tap import Tap

LONG = "This is an answer that is so long that nobody will hear the end of it before the daemon has to leave."

MOMENTS_S = (0.4, 0.55, 0.7, 0.85, 1.0, 1.3, 1.7)
"""While it loads, starts its service, waits for it, opens its cards; from when Python itself is sure to be up."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_falls_silent_at_once_says_goodbye_and_leaves_nothing(play, voice, number):
    """Exit code 0 within two seconds, silence before that, the socket closed with 1000, no control socket left."""
    async with play(replies=[LONG], start_daemon=False) as stage, Tap(stage.url) as tap:
        await through(tap, stage)
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        audible = await stage.wait_for("audible", after_s=begun, timeout_s=20)
        await stage.until(audible["t"] + 1.0)
        told_s = stage.room.now_s()
        assert await stage.stop_daemon(number) == 0
        ended_s = stage.room.now_s()
        assert ended_s - told_s < 2.0
        await stage.until(ended_s + 0.5)
        spans = stage.room.audible_spans(audible["t"], ended_s + 0.5, gap_ms=200)
        assert spans[-1][1] < told_s + 0.3
        await tap.calls[0].over.wait()
        assert tap.calls[0].close_code == 1000
        assert not stage.socket_path.exists()


@pytest.mark.parametrize("whom", ["the daemon", "the control group"])
async def test_it_leaves_at_any_moment_of_the_start(whom, tmp_path):
    """Quietly, soon, with its child, and it ended well; systemd tells the whole control group, others the daemon."""
    environment = command.environment(
        SPEAKERD_SOCKET=str(tmp_path / "control.sock"), STATE_DIRECTORY=str(tmp_path / "state")
    )
    config = tmp_path / "speakerd.yaml"
    config.write_text("assistant: {voice: cedar}\n", encoding="utf-8")  # and its own embedded service
    for delay_s in MOMENTS_S:
        daemon = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "speakerd", "run", "-c", str(config)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            process_group=0,
        )
        await asyncio.sleep(delay_s)
        told_s = time.monotonic()
        if whom == "the daemon":
            daemon.terminate()
        else:
            os.killpg(daemon.pid, signal.SIGTERM)
        said, _ = await asyncio.wait_for(daemon.communicate(), 10)  # the child holds the other end as long as it lives
        assert time.monotonic() - told_s < 2.0, delay_s
        assert daemon.returncode == 0, delay_s
        assert "Traceback" not in said.decode(), delay_s
        assert "Exception ignored" not in said.decode(), delay_s


async def test_it_leaves_as_readily_while_both_cards_hang(play):
    """Neither thread comes back, and its own service is to end as well."""
    async with play(config={"service": {"endpoint": None}}, start_service=False) as stage:
        for name in ("capture", "playback"):
            stage.room.set_fault(name, "stall")
        await stage.until(stage.room.now_s() + 0.5)
        told_s = stage.room.now_s()
        assert await stage.stop_daemon() == 0
        assert stage.room.now_s() - told_s < 2.0


async def test_it_leaves_as_readily_while_it_starts(play):
    """A signal in the first moments ends it as well; a process that has not yet taken over the signal dies of it."""
    async with play(start_service=False, start_daemon=False) as stage:
        await stage.start_daemon(until_ready=False)
        await stage.wait_for("ready", part="microphone", timeout_s=20)
        told_s = stage.room.now_s()
        assert await stage.stop_daemon() == 0
        assert stage.room.now_s() - told_s < 2.0
