"""What was spent, as a table for people. The figures are the ledger's, as plain data over the control socket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_COLUMNS = (
    ("turns", "turns"),
    ("USD", "usd"),
    ("sound in", "audio_in"),
    ("cached", "cached_audio_in"),
    ("sound out", "audio_out"),
    ("text in", "text_in"),
    ("cached", "cached_text_in"),
    ("text out", "text_out"),
)
"""Heading and key of each column."""


def format_usage(report: Mapping[str, Any]) -> str:
    """Write the ledger's report: a row a span, then the budget, then where the prices come from."""
    head = ["tokens", *(heading for heading, _ in _COLUMNS)]
    rows = [[_span(row["days"]), *(_figure(key, row[key]) for _, key in _COLUMNS)] for row in report["spans"]]
    note = "" if report["prices_known"] else " (a guess: tell speakerd the model's prices)"
    return "\n".join([*_table([head, *rows]), "", _budget(report), f"prices: {report['prices']}{note}"])


def _span(days: int) -> str:
    return "today" if days == 1 else f"{days} days"


def _figure(key: str, value: float) -> str:
    return f"{value:.4f}" if key == "usd" else f"{value}"


def _budget(report: Mapping[str, Any]) -> str:
    daily_usd = report["daily_usd"]
    if daily_usd is None:
        return "budget: none (budget.daily_usd)"
    used = sum(row["usd"] for row in report["spans"] if row["days"] == 1) / daily_usd
    verdict = ": spent, no conversation before tomorrow" if report["over_budget"] else ""
    return f"budget: {daily_usd:.2f} USD a day, {used:.0%} used{verdict}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" if index == 0 else f"{cell:>{width}}" for index, (cell, width) in cells).rstrip()
        for cells in (enumerate(zip(row, widths, strict=True)) for row in rows)
    ]
