"""The ledger's file under many hands; how torn and foreign files are taken is told with the ledger itself."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import date
from pathlib import Path

import pytest

from speakerd.core.spend import NOTHING_SPENT, Spend
from speakerd.host.ledger_file import read, save, version_of

TODAY = date(2026, 11, 22)
DAY = {TODAY: Spend(turns=1)}

COUNT = """
import sys
from pathlib import Path
from speakerd.core.spend import Usage, rate_of
from speakerd.host.ledger import Ledger
book = Ledger(Path(sys.argv[1]), rate=rate_of("gpt-realtime", {}))
for _ in range(50):
    book.end_turn(Usage(audio_out=1))
    book.close()
"""


async def test_processes_that_write_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    """Three processes, fifty turns each."""
    path = tmp_path / "usage.json"
    ones = [await asyncio.create_subprocess_exec(sys.executable, "-c", COUNT, str(path)) for _ in range(3)]
    assert await asyncio.gather(*(one.wait() for one in ones)) == [0, 0, 0]
    document = json.loads(path.read_text())
    assert [(day["turns"], day["audio_out"]) for day in document["days"].values()] == [(150, 150)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for another user")
def test_what_root_writes_stays_the_daemons(tmp_path: Path) -> None:
    """The file belongs to whom the directory belongs to."""
    os.chown(tmp_path, 12345, 12345)
    save(tmp_path / "usage.json", {}, DAY, TODAY)
    assert (tmp_path / "usage.json").stat().st_uid == 12345


def test_what_is_saved_is_added_to_what_is_there(tmp_path: Path) -> None:
    """The file's own figures count, not what was known of it; without a file what is known is written again."""
    path = tmp_path / "usage.json"
    assert version_of(path) is None
    saved = save(path, {TODAY: Spend(turns=4)}, DAY, TODAY)
    assert saved == ({TODAY: Spend(turns=5)}, version_of(path))
    assert save(path, {TODAY: NOTHING_SPENT}, DAY, TODAY) == ({TODAY: Spend(turns=6)}, version_of(path))
    assert saved != version_of(path)
    assert read(path, {}) == {TODAY: Spend(turns=6)}


def test_what_cannot_be_read_is_not_written_over(tmp_path: Path) -> None:
    """Saving says why it did not."""
    path = tmp_path / "usage.json"
    path.mkdir()  # the one thing that not even root can read
    assert isinstance(save(path, {}, DAY, TODAY), IsADirectoryError)
    assert read(path, DAY) == DAY
