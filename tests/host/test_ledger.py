"""What was spent, on disk."""

from __future__ import annotations

import asyncio
import json
import logging
import stat
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speakerd.core.spend import Usage, rate_of
from speakerd.host.ledger import FILE_NAME, Ledger, daemons_ledger_path, is_ours, ledger_path
from speakerd.host.ledger_file import KEPT_DAYS, MAX_BYTES

PRICED = rate_of("gpt-realtime", {})
TODAY = date(2026, 11, 22)
CENT = Usage(audio_out=10_000_000 // 64_000)
"""What costs 0.9984 US cents."""


class Calendar:
    """A date that is moved by hand."""

    def __init__(self) -> None:
        self.date = TODAY

    def __call__(self) -> date:
        return self.date


def ledger(path: Path, calendar: Calendar | None = None, **options: Any) -> Ledger:
    return Ledger(path, **{"rate": PRICED, "today": calendar or Calendar(), **options})


def today(book: Ledger) -> dict[str, Any]:
    return book.report()["spans"][0]


async def written(book: Ledger) -> None:
    """Let the ledger begin to write, and end it: a write that has begun is done when this returns."""
    running = asyncio.create_task(book.run())
    await asyncio.sleep(0)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_what_was_spent_survives_a_restart(tmp_path: Path) -> None:
    """After each turn the file is written; the next daemon goes on from it."""
    path = tmp_path / "state" / "usage.json"
    book = ledger(path)
    book.add(CENT)
    book.add_usd(0.5)
    book.end_turn(Usage(audio_out=20))
    await written(book)
    again = ledger(path)
    assert today(again) == today(book)
    assert today(again)["turns"] == 1
    assert today(again)["audio_out"] == CENT.audio_out + 20
    assert today(again)["usd"] == pytest.approx(0.511264)
    assert stat.S_IMODE(path.stat().st_mode) & 0o137 == 0
    assert [one.name for one in path.parent.iterdir()] == ["usage.json"]


async def test_turns_that_end_together_are_written(tmp_path: Path) -> None:
    """Each write holds all there is; none is left out because one was under way."""
    path = tmp_path / "usage.json"
    book = ledger(path)
    running = asyncio.create_task(book.run())
    for _ in range(20):
        book.end_turn(Usage())
        await asyncio.sleep(0)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    book.close()
    assert today(ledger(path))["turns"] == 20


def test_what_is_left_is_written_at_the_end(tmp_path: Path) -> None:
    """Closing writes late tokens, and touches nothing where there are none."""
    path = tmp_path / "usage.json"
    ledger(path).close()
    assert not path.exists()
    book = ledger(path)
    book.add(CENT)
    book.close()
    book.close()
    assert today(ledger(path))["audio_out"] == CENT.audio_out


def test_the_budget_is_told_once_and_ends_at_midnight(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Over it when it is reached; there is some again on the next day, for who asks."""
    told: list[bool] = []
    calendar = Calendar()
    book = ledger(tmp_path / "f", calendar, daily_usd=0.015, on_over=told.append)
    with caplog.at_level(logging.INFO, "speakerd"):
        book.add(CENT)
        assert (told, book.is_over) == ([], False)
        book.add(CENT)
        book.add(CENT)
        assert (told, book.is_over) == ([True], True)
        calendar.date += timedelta(days=1)
        assert (told, book.is_over) == ([True], False)
        book.refresh()
        book.refresh()
    assert told == [True, False]
    assert len(caplog.messages) == 2
    assert book.report()["spans"][1]["usd"] > 0.015


def test_a_restart_does_not_open_the_purse(tmp_path: Path) -> None:
    """A daemon that starts anew over its budget says so when asked."""
    told: list[bool] = []
    book = ledger(tmp_path / "f")
    book.add(CENT)
    book.close()
    ledger(tmp_path / "f", daily_usd=0.01).refresh()
    over = ledger(tmp_path / "f", daily_usd=0.005, on_over=told.append)
    assert over.is_over
    over.refresh()
    assert told == [True]


def test_a_reload_changes_budget_and_prices(tmp_path: Path) -> None:
    """From now on; what was counted stays as it was."""
    told: list[bool] = []
    book = ledger(tmp_path / "f", daily_usd=0.005, on_over=told.append)
    book.add(CENT)
    book.use(rate_of("x", {}, local=True), 0.5)
    before = today(book)["usd"]
    book.add(CENT)
    assert (told, today(book)["usd"]) == ([True, False], before)
    book.use(PRICED, None)
    assert book.report()["daily_usd"] is None


def test_the_report_counts_days_back(tmp_path: Path) -> None:
    """Today, seven days and thirty; older days are kept for a quarter."""
    calendar = Calendar()
    book = ledger(tmp_path / "f", calendar)
    for _ in range(KEPT_DAYS + 9):
        book.end_turn(Usage())
        calendar.date += timedelta(days=1)
    calendar.date -= timedelta(days=1)
    book.close()
    report = ledger(tmp_path / "f", calendar).report()
    assert [(row["days"], row["turns"]) for row in report["spans"]] == [(1, 1), (7, 7), (30, 30)]
    assert len(json.loads((tmp_path / "f").read_text())["days"]) == KEPT_DAYS
    assert (tmp_path / "f").stat().st_size < MAX_BYTES / 8


GOOD_DAY = {
    "turns": 1,
    "usd": 0.5,
    "text_in": 0,
    "audio_in": 1,
    "cached_text_in": 0,
    "cached_audio_in": 0,
    "text_out": 0,
    "audio_out": 2,
}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 100,
        b"{",
        b"[" * 100_000,
        b"[]",
        b"{}",
        b" " * (MAX_BYTES + 1),
        json.dumps({"version": 2, "days": {}}).encode(),
        json.dumps({"version": 1, "days": []}).encode(),
        json.dumps({"version": 1, "days": {"yesterday": GOOD_DAY}}).encode(),
        json.dumps({"version": 1, "days": {"2026-11-22": []}}).encode(),
        json.dumps({"version": 1, "days": {"2026-11-22": GOOD_DAY | {"turns": -1}}}).encode(),
        json.dumps({"version": 1, "days": {"2026-11-22": GOOD_DAY | {"audio_in": 1.5}}}).encode(),
        json.dumps({"version": 1, "days": {"2026-11-22": GOOD_DAY | {"usd": float("nan")}}}).encode(),
        json.dumps({"version": 1, "days": {"2026-11-22": GOOD_DAY | {"usd": 10**400}}}).encode(),
        json.dumps({"version": 1, "days": {"2026-11-22": GOOD_DAY | {"usd": True}}}).encode(),
    ],
)
def test_a_file_that_is_not_understood_is_kept_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    """A torn one, one of a later version, anything: it is said, kept as it was, and counting begins anew."""
    path = tmp_path / "usage.json"
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING, "speakerd"):
        book = ledger(path)
    assert today(book)["usd"] == 0
    assert "usage.json.aside" in caplog.text
    assert (tmp_path / "usage.json.aside").read_bytes() == content
    book.end_turn(Usage())
    book.close()
    assert today(ledger(path))["turns"] == 1


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_story_any_bytes_are_survived(tmp_path: Path, content: bytes) -> None:
    """Whatever the file holds, the daemon starts."""
    path = tmp_path / "usage.json"
    path.write_bytes(content)
    assert today(ledger(path))["turns"] == 0


def test_a_state_that_cannot_be_written_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The budget holds in memory; when the disk is there again, it is written again."""
    (tmp_path / "blocked").write_text("a file where the directory belongs")
    path = tmp_path / "blocked" / "usage.json"
    with caplog.at_level(logging.WARNING, "speakerd"):
        book = ledger(path)
        caplog.clear()
        for _ in range(3):
            book.end_turn(Usage())
            book.close()
    assert len(caplog.messages) == 1
    (tmp_path / "blocked").unlink()
    book.end_turn(Usage())
    book.close()
    assert today(ledger(path))["turns"] == 4


def test_a_file_that_cannot_even_be_kept_aside_does_not_stop_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A directory that stands where it should be moved is a warning."""
    path = tmp_path / "usage.json"
    path.write_text("{")
    (tmp_path / "usage.json.aside").mkdir()
    with caplog.at_level(logging.WARNING, "speakerd"):
        assert today(ledger(path))["turns"] == 0
    assert "cannot be kept aside" in caplog.text


@pytest.mark.parametrize(
    ("environment", "path"),
    [
        ({"STATE_DIRECTORY": "/var/lib/speakerd:/var/lib/other", "HOME": "/h"}, "/var/lib/speakerd/usage.json"),
        ({"XDG_STATE_HOME": "/s", "HOME": "/h"}, "/s/speakerd/usage.json"),
        ({"HOME": "/h"}, "/h/.local/state/speakerd/usage.json"),
    ],
)
def test_the_ledger_stands_in_the_state_directory(environment: dict[str, str], path: str) -> None:
    """The service manager's, else the user's."""
    assert ledger_path(environment) == Path(path)


def test_two_who_keep_it_at_once_lose_nothing(tmp_path: Path) -> None:
    """Each adds to what the other has written, and knows of it when it asks for the budget or reports."""
    told: list[bool] = []
    path = tmp_path / "usage.json"
    daemon, chat = ledger(path, daily_usd=0.025, on_over=told.append), ledger(path, daily_usd=0.025)
    daemon.add(CENT)
    chat.add(CENT)
    chat.close()
    daemon.close()
    assert today(chat)["audio_out"] == today(daemon)["audio_out"] == 2 * CENT.audio_out
    chat.add(CENT)
    chat.close()
    assert (told, chat.is_over) == ([], True)
    daemon.refresh()
    assert told == [True]
    assert today(ledger(path))["usd"] == pytest.approx(3 * 0.009984, abs=1e-5)


async def test_nothing_is_kept_without_a_file() -> None:
    """The budget holds for as long as the process lives."""
    book = Ledger(None, rate=PRICED, daily_usd=0.005)
    book.add(CENT)
    book.end_turn(Usage())
    await written(book)
    book.close()
    assert book.is_over


def test_a_file_that_cannot_be_read_is_not_written_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What another user keeps there stays; it is said, and counted in memory."""
    path = tmp_path / "usage.json"
    path.mkdir()  # the one thing that not even root can read
    with caplog.at_level(logging.WARNING, "speakerd"):
        book = ledger(path)
        book.end_turn(Usage())
        book.close()
    assert "cannot be read" in caplog.text
    assert "cannot be written" in caplog.text
    assert path.is_dir()
    assert today(book)["turns"] == 1


def test_who_may_keep_a_ledger_is_known_before_it_is_tried(tmp_path: Path) -> None:
    """A directory that can be made is as good as one that is there; one below a file is not."""
    assert is_ours(tmp_path / FILE_NAME)
    assert is_ours(tmp_path / "new" / "er" / FILE_NAME)
    (tmp_path / FILE_NAME).write_text("{}")
    assert is_ours(tmp_path / FILE_NAME)
    assert not is_ours(Path("/proc/self") / FILE_NAME)


def test_another_process_looks_for_the_installed_daemons_ledger(tmp_path: Path) -> None:
    """Where one is installed; else, or told otherwise, where the daemon's own rule says."""
    home = {"HOME": "/h"}
    assert daemons_ledger_path(home, tmp_path) == tmp_path / FILE_NAME
    assert daemons_ledger_path(home, tmp_path / "none") == ledger_path(home)
    assert daemons_ledger_path(home | {"STATE_DIRECTORY": "/s"}, tmp_path) == Path("/s") / FILE_NAME
