"""What was spent, for people."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

from speakerd.core.spend import Usage, rate_of
from speakerd.host.ledger import Ledger
from speakerd.host.usage_text import format_usage


def test_the_table_has_a_row_for_each_span(tmp_path: Path) -> None:
    """Today, 7 days, 30 days in columns, the budget with how much of it is used, and where the prices come from."""
    rate = rate_of("gpt-realtime", {})
    book = Ledger(tmp_path / "f", rate=rate, daily_usd=0.5, today=lambda: date(2026, 11, 22))
    book.add(Usage(text_in=40, audio_in=1000, cached_text_in=30, cached_audio_in=400, text_out=90, audio_out=2000))
    book.end_turn(Usage())
    report = json.loads(json.dumps(book.report()))
    assert format_usage(report).splitlines() == [
        "tokens   turns     USD  sound in  cached  sound out  text in  cached  text out",
        "today        1  0.1489      1000     400       2000       40      30        90",
        "7 days       1  0.1489      1000     400       2000       40      30        90",
        "30 days      1  0.1489      1000     400       2000       40      30        90",
        "",
        "budget: 0.50 USD a day, 30% used",
        "prices: list prices of gpt-realtime, 2026-08",
    ]


def test_what_the_owner_should_know_is_said(tmp_path: Path) -> None:
    """A spent budget, a budget that is not set, and prices that are guessed."""
    book = Ledger(tmp_path / "f", rate=rate_of("kitchen", {}), daily_usd=0.01)
    assert "budget: 0.01 USD a day, 0% used\n" in format_usage(book.report())
    book.add_usd(0.02)
    text = format_usage(book.report())
    assert "200% used: spent, no conversation before tomorrow" in text
    assert text.endswith("(a guess: tell speakerd the model's prices)")
    book.use(rate_of("kitchen", {}, local=True), None)
    assert "budget: none" in format_usage(book.report())
    assert format_usage(book.report()).endswith("prices: free, on this machine")
