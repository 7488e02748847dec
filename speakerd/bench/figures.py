"""Figures beside their limits: what was measured, what is allowed, and whether it holds. Pure but for ``machine``."""

from __future__ import annotations

import enum
import math
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from speakerd import __version__

_DIGITS = 3
"""Figures are shown with so many digits, whole numbers with all of theirs."""


class Verdict(enum.Enum):
    """What a figure says about its limit."""

    PASS = "PASS"  # noqa: S105 - no password
    """The limit holds."""

    FAIL = "FAIL"
    """It does not."""

    NOT_SHOWN = "NOT SHOWN"
    """It could not be measured here."""

    NONE = ""
    """There is no limit."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of a table: something that was measured, or that could not be."""

    name: str
    """What it is."""

    value: float | None
    """What was measured; None: it could not be."""

    unit: str
    """Its unit."""

    limit: float | None = None
    """What it may be at most; None: it is only told."""

    at_least: bool = False
    """Whether the limit is the least in place of the most."""

    @property
    def verdict(self) -> Verdict:
        """Whether the limit holds."""
        if self.value is None:
            return Verdict.NOT_SHOWN
        if self.limit is None:
            return Verdict.NONE
        holds = self.value >= self.limit if self.at_least else self.value <= self.limit
        return Verdict.PASS if holds else Verdict.FAIL

    def shown(self) -> dict[str, Any]:
        """Return the row for programs."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "limit": self.limit,
            "limit_is": "at least" if self.at_least else "at most",
            "verdict": self.verdict.value or None,
        }


def summary(values: Sequence[float]) -> dict[str, float]:
    """Return the middle, the 95th percentile by nearest rank, the extremes and the count of some milliseconds."""
    ordered = sorted(values)
    return {
        "median": round(median(ordered), 1),
        "p95": round(percentile(ordered, 95), 1),
        "min": round(ordered[0], 1),
        "max": round(ordered[-1], 1),
        "count": len(ordered),
    }


def percentile(values: Sequence[float], percent: int) -> float:
    """Return a percentile of at least one value by nearest rank: one of the values, none in between."""
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def holds(figures: Sequence[Figure]) -> bool:
    """Return whether no limit is missed. What could not be shown is not missed: the table says it."""
    return all(figure.verdict is not Verdict.FAIL for figure in figures)


def format_table(figures: Sequence[Figure]) -> str:
    """Return the figures with limit and verdict, and a last line that counts the verdicts."""
    width = max(len(figure.name) for figure in figures)
    rows = [f"{'figure':<{width}}{'measured':>13}{'limit':>14}  verdict"]
    rows += [
        f"{each.name:<{width}}{_measured(each):>13}{_limit(each):>14}  {each.verdict.value}".rstrip()
        for each in figures
    ]
    counted = {verdict: sum(figure.verdict is verdict for figure in figures) for verdict in Verdict}
    last = f"limits that hold: {counted[Verdict.PASS]}, that are missed: {counted[Verdict.FAIL]}"
    return "\n".join([*rows, f"{last}, that could not be shown: {counted[Verdict.NOT_SHOWN]}"])


def machine() -> dict[str, Any]:
    """Return what figures depend on: our version, Python, the kind of processor, how many and how busy they are."""
    return {
        "version": __version__,
        "machine": platform.machine(),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "load_1_min": round(os.getloadavg()[0], 2),
    }


def _measured(figure: Figure) -> str:
    return "-" if figure.value is None else f"{_number(figure.value)} {figure.unit}".strip()


def _limit(figure: Figure) -> str:
    if figure.limit is None:
        return ""
    return f"{'>=' if figure.at_least else '<='} {figure.limit:g} {figure.unit}".strip()


def _number(value: float) -> str:
    whole = len(str(int(abs(value))))
    return f"{value:.{max(0, _DIGITS - whole)}f}" if value != int(value) else f"{int(value)}"
