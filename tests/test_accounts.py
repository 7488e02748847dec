"""The books of the daemon: a turn's line, the ledger and the budget."""

from __future__ import annotations

import asyncio
import json
import logging

from speakerd.accounts import Accounts, ChatAccounts
from speakerd.core.settings import Settings
from speakerd.core.turn_record import Counts
from speakerd.realtime.usage import TranscriptionUsage, Usage
from tests.fakes.ports import FakeTrace

USAGE = Usage(text_in=10, audio_in=1000, cached_text_in=0, cached_audio_in=0, text_out=5, audio_out=2000)


def accounts(tmp_path, over=None, **settings):
    """Return books of a configuration, whose time stands still."""
    return Accounts(
        Settings.model_validate(settings),
        {"STATE_DIRECTORY": str(tmp_path)},
        trace=FakeTrace(),
        counts=Counts,
        on_over=(lambda spent: None) if over is None else over.append,
        now=lambda: 100.0,
        call_at=lambda when, callback: asyncio.get_running_loop().call_later(60, callback),
    )


async def test_a_budget_is_over_when_it_is_spent(tmp_path):
    """The owner's limit is told at once, and still holds after a restart."""
    paid = {"service": {"provider": "openai"}, "budget": {"daily_usd": 0.05}}
    over = []
    books = accounts(tmp_path, over, **paid)
    books.note_usage(USAGE)
    assert over == [True]
    books.close()
    again = []
    accounts(tmp_path, again, **paid).refresh()
    assert again == [True]


async def test_what_is_local_costs_nothing(tmp_path):
    """The embedded service is counted, and free."""
    books = accounts(tmp_path, service={"transcription": "whisper-1"})
    books.note_usage(USAGE)
    books.note_transcription(TranscriptionUsage(seconds=3.0, text_in=0, audio_in=0, text_out=0))
    today = books.report()["spans"][0]
    assert (today["audio_out"], today["usd"]) == (2000, 0.0)


async def test_transcription_is_paid_too(tmp_path):
    """A minute has its price; a report of a transcription that nobody ordered has none."""
    minute = TranscriptionUsage(seconds=60.0, text_in=0, audio_in=0, text_out=0)
    books = accounts(tmp_path, service={"provider": "openai", "transcription": "whisper-1"})
    books.note_transcription(minute)
    assert books.report()["spans"][0]["usd"] > 0
    none = accounts(tmp_path / "other", service={"provider": "openai"})
    none.note_transcription(minute)
    assert none.report()["spans"][0]["usd"] == 0


async def test_the_ledger_is_written_after_a_turn(tmp_path, caplog):
    """A conversation leaves a line in the log and figures on disk, no words."""
    books = accounts(tmp_path)
    task = asyncio.create_task(books.run())
    with caplog.at_level(logging.INFO, logger="speakerd.turn"):
        books.trace.mark("wake", model="hey_jarvis", score=0.9, position_frames=1)
        books.trace.mark("state", before="idle", after="listening", on="WakeWordDetected")
        books.trace.mark("state", before="listening", after="idle", on="DeadlinePassed")
        task.cancel()
        books.close()
    assert "ended=nothing-said" in caplog.text
    assert json.loads((tmp_path / "usage.json").read_text())


async def test_the_last_turn_and_today_can_be_asked_for(tmp_path):
    """For the status: what came of it, how long ago, and what was spent; nothing before there was a turn."""
    books = accounts(tmp_path, service={"provider": "openai"}, budget={"daily_usd": 2.0})
    assert books.last_turn() is None
    assert books.today() == {"usd": 0.0, "turns": 0, "daily_usd": 2.0, "over_budget": False}
    books.trace.mark("state", before="idle", after="thinking", on="TextGiven")
    books.note_usage(USAGE)
    books.trace.mark("state", before="thinking", after="idle", on="StopRequested")
    books.close()
    last = books.last_turn()
    assert (last["begun"], last["ended"], last["ago_s"]) == ("text", "stopped", 0.0)
    assert json.dumps(last)
    assert books.today()["usd"] > 0
    assert books.today()["turns"] == 1


async def test_a_model_without_a_price_is_told(tmp_path, caplog):
    """The owner learns that the estimate is a guess."""
    accounts(tmp_path, service={"provider": "openai", "model": "my-own"})
    assert "prices:" in caplog.text


PAID = {"service": {"provider": "openai"}, "budget": {"daily_usd": 0.2}}


async def test_a_chat_is_in_the_daemons_books(tmp_path):
    """Each reply is a turn; the daemon knows of it without a restart, and the chat of what the daemon spends."""
    shown, over = [], []
    daemon = accounts(tmp_path, over, **PAID)
    chat = ChatAccounts(Settings.model_validate(PAID), {"STATE_DIRECTORY": str(tmp_path)}, shown.append)
    chat.note_usage(USAGE)
    chat.close()
    assert chat.has_money()
    today = daemon.report()["spans"][0]
    assert (today["turns"], today["audio_out"]) == (1, 2000)
    daemon.note_usage(USAGE)
    daemon.close()
    assert over == [True]
    assert not chat.has_money()
    assert shown == ["Today's budget of 0.20 USD is spent (budget.daily_usd).\n"]


async def test_a_chat_of_another_user_says_that_it_keeps_no_books(tmp_path):
    """It goes on, with a budget of its own."""
    shown = []
    environment = {"STATE_DIRECTORY": "/proc/self"}  # where not even root can write
    chat = ChatAccounts(Settings.model_validate(PAID), environment, shown.append)
    assert "is not in 'speakerd usage'" in shown.pop()
    chat.note_usage(USAGE)
    assert chat.has_money()
    chat.note_usage(USAGE)
    assert not chat.has_money()
    chat.close()


async def test_another_configuration_counts_at_once(tmp_path):
    """A budget that is smaller than what was spent, other prices for what follows, and what was counted stays."""
    over = []
    books = accounts(tmp_path, over, service={"provider": "openai"})
    books.note_usage(USAGE)
    spent = books.report()["spans"][0]["usd"]
    free = {"audio_in": 0, "audio_out": 0, "text_in": 0, "text_out": 0}
    prices = {"gpt-realtime": free}
    new = {"service": {"provider": "openai", "transcription": "whisper-1"}, "budget": {"daily_usd": 0.01}}
    books.use(Settings.model_validate(new))
    assert over == [True]
    books.use(Settings.model_validate(new | {"budget": {"prices": prices}}))
    assert over == [True, False]
    books.note_usage(USAGE)
    assert books.report()["spans"][0]["usd"] == spent > 0
    books.note_transcription(TranscriptionUsage(seconds=60.0, text_in=0, audio_in=0, text_out=0))
    assert books.report()["spans"][0]["usd"] > spent


async def test_another_model_without_a_price_is_told(tmp_path, caplog):
    """As at the start."""
    books = accounts(tmp_path, service={"provider": "openai"})
    assert "prices:" not in caplog.text
    books.use(Settings.model_validate({"service": {"provider": "openai", "model": "my-own"}}))
    assert "prices:" in caplog.text
