"""What a start finds: a sign-in that is good, over or torn, what a killed worker has left, a disk without room."""

from __future__ import annotations

import asyncio
import json
import resource
import shutil
import time

from speakerd.core.errors import SpeakerdError
from speakerd.core.notices import Notice
from tests.fakes.entra_stories import WAITING, house, show
from tests.fakes.full_disk import full_disk
from tests.fakes.stories import until_line

NIGHT = 3
"""At this hour nothing is said that nobody has asked for."""

ROOM_BYTES = 20_000
"""Enough for a configuration and the first lines of a log; a worker wants more before it begins."""


async def test_a_start_finds_its_way_whatever_lies_there(play, voice, tmp_path):
    """Signed in at the first attempt and without anybody's help, each time."""
    async with house(play, voice, tmp_path, start_daemon=False) as home:
        journal, account = home.entra.journal, home.state / "sign-in" / "account.json"
        backup = account.with_name("account.json.bak")
        journal.clear()
        await starts(home, "a token that is kept")
        assert journal.count("refresh") == 0, "the kept one is good for an hour"

        home.forget_access_tokens()
        await starts(home, "no token that is good")
        assert journal.count("refresh") == 1
        assert backup.exists()

        account.write_bytes(account.read_bytes()[:3000])
        await starts(home, "a torn file")
        assert json.loads(account.read_text())["record"]["username"] == home.entra.directory.account

        leave_behind(home)
        home.forget_access_tokens()
        await starts(home, "what killed workers have left")
        assert list(home.run.iterdir()) == []
        assert {path.name for path in account.parent.iterdir()} == {account.name, backup.name, "lock"}


async def test_a_full_disk_is_told_and_nothing_is_lost(play, voice, tmp_path):
    """Without any room nobody is signed in, and it is said; with room again the same daemon signs in by itself."""
    async with house(play, voice, tmp_path, hour=NIGHT, start_daemon=False) as home:
        account = home.state / "sign-in" / "account.json"
        kept = account.read_bytes()
        with full_disk(ROOM_BYTES):
            await home.stage.start_daemon()
        await home.until(code="auth-state-full", failures=1)
        await until_line(home.stage, "cannot sign in: speakerd status says what is missing")
        assert account.read_bytes() == kept
        woken_s = await home.wake()
        resource.prlimit(home.stage.daemon.pid, resource.RLIMIT_FSIZE, resource.getrlimit(resource.RLIMIT_FSIZE))
        await home.is_told(Notice.MISCONFIGURED, "a full disk", woken_s)
        await home.wake()
        await home.until(state="ok")
        await home.ask("stop")  # whether it came in time for that wake word or not
        await until_line(home.stage, WAITING)
        await home.is_let_in("room on the disk again")


async def starts(home, what):
    """Start the daemon, see it signed in, and stop it."""
    begun_s = time.monotonic()
    await home.stage.start_daemon(until_ready=False)
    while True:
        try:
            told = await home.until(state="ok", account=home.entra.directory.account)
            break
        except SpeakerdError:  # it does not listen yet
            home.stage.daemon.require_alive()
            await asyncio.sleep(0.02)
    assert told["fetches"] == 1
    show(f"{what}: signed in {time.monotonic() - begun_s:.1f} s after the process was started")
    assert await home.stage.stop_daemon() == 0


def leave_behind(home):
    """Put there what workers leave that are killed at their worst moments."""
    for name in ("speakerd-sign-in-left", "speakerd-new-left"):
        folder = home.run / name
        folder.mkdir(mode=0o700)
        shutil.copytree(home.state / "sign-in", folder / ".IdentityService")
        (folder / ".IdentityService" / "speakerd.nocae.lockfile").write_text("99999 speakerd")
    unfinished = home.state / "sign-in" / "unfinished-left"
    unfinished.touch(mode=0o600)
    unfinished.write_text("half")
