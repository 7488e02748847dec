"""systemd stops the daemon in the middle of an answer."""

from __future__ import annotations

import signal

import pytest

from tests.fakes.stories import through
from tests.fakes.tap import Tap

LONG = "This is an answer that is so long that nobody will hear the end of it before the daemon has to leave."


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


async def test_it_leaves_as_readily_while_it_starts(play):
    """A signal in the first moments ends it as well; a process that has not yet taken over the signal dies of it."""
    async with play(start_service=False, start_daemon=False) as stage:
        await stage.start_daemon(until_ready=False)
        await stage.wait_for("ready", part="microphone", timeout_s=20)
        told_s = stage.room.now_s()
        assert await stage.stop_daemon() == 0
        assert stage.room.now_s() - told_s < 3.0
