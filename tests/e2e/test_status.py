"""``speakerd status``: a page, live, and everything for programs."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import signal
import sys
import time

from tests.e2e.test_commands import tell, terminal
from tests.fakes.command import environment


async def test_the_page_says_how_it_is(play, voice, neural_url):
    """After a turn: the true line first, then what ALSA gave, the score, the latencies, what was spent."""
    async with play(config={"service": {"endpoint": neural_url}}, start_service=False) as stage:
        begun, _ = stage.say(voice("Hey Jarvis, what is the capital of France?"))
        audible = await stage.wait_for("audible", after_s=begun, timeout_s=30)
        playing = await stage.tell("status")  # a command of its own may take longer to start than the answer
        await stage.wait_for("state", after="follow-up", after_s=audible["t"], timeout_s=20)
        await tell(stage, "stop")
        await stage.until(stage.room.now_s() + 1.5)
        page = (await tell(stage, "status")).out
        status = json.loads((await tell(stage, "status", "--json")).out)
    assert page.startswith('listening for "hey jarvis"\n')
    assert re.search(r"microphone +\S+: 48000 Hz, 2 channels, S16_LE, buffer \d+ ms, hears channel \d", page)
    assert re.search(r"wake word +hey jarvis: last score 0\.\d\d, \d near misses", page)
    assert re.search(r"last turn +answered \d s ago, .*first sound of the reply after \d+ ms", page)
    assert re.search(r"sign-in +none\n", page)
    assert re.search(r"session +closed; 1 since the start, the last one reached in \d+ ms", page)
    assert re.search(r"spent today +about 0\.0000 USD in 1 turn, no budget", page)
    assert re.search(r"configuration +embedded gpt-realtime, voice marin\n", page)
    assert len(page.splitlines()) <= 16
    assert playing["loudspeaker"]["level_dbfs"] > -50, "what is played has a level"
    assert playing["link"]["age_s"] > 0
    assert status["loudspeaker"]["level_dbfs"] == -120.0
    assert status["last_turn"]["begun"] == "wake"
    assert "version" not in status


async def test_a_watch_on_a_terminal_is_drawn_in_place_and_ends_by_ctrl_c(play):
    """With 0 and no traceback."""
    async with play(start_service=False) as stage:
        ours, theirs = pty.openpty()
        process = await watching(stage, stdout=theirs)
        os.close(theirs)
        drawn = await asyncio.to_thread(read_until, ours, b"\x1b[J", 4)
        process.send_signal(signal.SIGINT)
        _, said = await process.communicate()
        os.close(ours)
    assert (process.returncode, said) == (0, b"")
    assert drawn.count(b'listening for "hey jarvis"') >= 3
    assert re.search(rb"\[[#.]{24}\]", drawn)
    assert re.search(rb"\x1b\[\d+F\x1b\[J", drawn)


async def test_a_watch_elsewhere_is_lines_and_ends_with_the_daemon(play):
    """It says so with 69."""
    async with play(start_service=False) as stage:
        process = await watching(stage, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        line = await process.stdout.readline()
        await stage.stop_daemon()
        _, said = await process.communicate()
    assert re.fullmatch(rb'\d\d:\d\d:\d\d  listening for "hey jarvis"  \(microphone .*\)\n', line)
    assert (process.returncode, b"daemon-unreachable" in said) == (69, True)


async def watching(stage, stdout):
    """Start a watch on the stage's daemon."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "speakerd", "status", "--watch"),
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
        env=environment(**terminal(stage)),
        cwd=stage.directory,
    )


def read_until(descriptor, mark, times):
    """Read a terminal until something stands there so often."""
    read, end_s = b"", time.monotonic() + 20
    while read.count(mark) < times:
        assert time.monotonic() < end_s, read
        read += os.read(descriptor, 4096)
    return read
