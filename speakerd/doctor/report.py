"""What was found, as values, as text and as JSON. Pure: who finds it is the business of the other modules."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SCHEMA_VERSION = 1
"""Of the JSON; it changes when a name goes or means something else, not when one comes (contract)."""

_INDENT = " " * 8
"""Below the verdict, where its detail begins (chosen)."""


class Verdict(enum.Enum):
    """How a check ended."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    """As it should be."""

    WARN = "warn"
    """It works, or could not be looked at; somebody should know."""

    FAIL = "fail"
    """The speaker does not work like this."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at."""

    check: str
    """Its name for programs, the same for ever."""

    verdict: Verdict
    """How it ended."""

    detail: str
    """What was found, with its figures."""

    advice: str | None = None
    """What to do now; None where it passed."""

    data: Mapping[str, Any] = field(default_factory=dict)
    """The figures, for programs."""

    def __post_init__(self) -> None:
        if self.verdict is not Verdict.PASS and not self.advice:
            raise ValueError(f"{self.check} did not pass and says not what to do")


def passed(check: str, detail: str, **data: Any) -> Line:
    """Return a line about something that is as it should be."""
    return Line(check, Verdict.PASS, detail, None, data)


def warned(check: str, detail: str, advice: str, **data: Any) -> Line:
    """Return a line about something that somebody should know."""
    return Line(check, Verdict.WARN, detail, advice, data)


def failed(check: str, detail: str, advice: str, **data: Any) -> Line:
    """Return a line about something that keeps the speaker from working."""
    return Line(check, Verdict.FAIL, detail, advice, data)


class Report:
    """Everything that was found so far, in order.

    Attributes:
        lines: Each with the heading it stands under.
    """

    def __init__(self) -> None:
        self.lines: list[tuple[str, Line]] = []

    def add(self, group: str, lines: Sequence[Line]) -> None:
        """Take what a check has found."""
        self.lines += [(group, line) for line in lines]

    def count(self, verdict: Verdict) -> int:
        """Return how many lines ended so."""
        return sum(line.verdict is verdict for _, line in self.lines)

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.count(Verdict.FAIL)

    def has(self, check: str, verdict: Verdict) -> bool:
        """Return whether a check has ended so."""
        return any(line.check == check and line.verdict is verdict for _, line in self.lines)

    def summary(self) -> str:
        """Return the last line, for people."""
        counts = [f"{self.count(verdict)} {word}" for verdict, word in _WORDS.items() if self.count(verdict)]
        return ", ".join(counts) or "nothing was looked at"

    def as_plain_data(self, version: str, *, complete: bool = True) -> dict[str, Any]:
        """Return everything as JSON takes it.

        Args:
            version: Of this program.
            complete: Nobody interrupted it.
        """
        groups: dict[str, list[dict[str, Any]]] = {}
        for group, line in self.lines:
            groups.setdefault(group, []).append(
                {
                    "check": line.check,
                    "verdict": line.verdict.value,
                    "detail": line.detail,
                    "advice": line.advice,
                    "data": dict(line.data),
                }
            )
        return {
            "schema": SCHEMA_VERSION,
            "speakerd": version,
            "ok": self.ok,
            "complete": complete,
            "counts": {verdict.value: self.count(verdict) for verdict in Verdict},
            "groups": [{"name": name, "checks": checks} for name, checks in groups.items()],
        }


_WORDS = {Verdict.PASS: "passed", Verdict.WARN: "to know", Verdict.FAIL: "failed"}


def format_line(line: Line) -> str:
    """Return a line for people: the verdict, what was found, and below it what to do."""
    text = f"  {line.verdict.value}  {line.check.replace('-', ' ')}: {line.detail}"
    return text if line.advice is None else f"{text}\n{_INDENT}do: {line.advice}"
