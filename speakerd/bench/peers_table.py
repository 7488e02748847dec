"""What the programs of ``speakerd bench peers`` cost, side by side, and the limits that name them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from speakerd.bench.cpu import RESIDENT_MB, TALK_TIMES
from speakerd.bench.figures import Figure, percentile, summary
from speakerd.bench.hops import ABOVE_BARE_MS, RESOLUTION_MS, SILENCE_MS, SILENCE_P95_MS, TOLD_MS, Hop, Values
from speakerd.core.units import PERIOD_MS

BARE, OURS = "bare", "speakerd"
"""The two programs that are always there."""

PUBLISHED: Mapping[str, str] = {
    "openai-agents": "microphone 38, audible 203, gaps 0, silence 111, told +102 ms; CPU 56 ms/s, 136 MB, start 2.9 s",
    "pipecat-ai": "microphone 34, audible 9, 18 gaps in 10 replies, silence 26, told +33 ms; CPU 111 ms/s, 139 MB, "
    "start 2.0 s",
}
"""Medians that were measured once on another day, through a sound server: another sound path, not this run."""

HOPS = (Hop.MICROPHONE, Hop.AUDIBLE, Hop.GAPS, Hop.SILENCE, Hop.TOLD_BEGAN, Hop.TOLD_SILENT)
"""The hops that every program has."""

_CELL = 16


@dataclass(slots=True)
class Costs:
    """What was measured of one program."""

    values: Values = field(default_factory=lambda: {hop: [] for hop in Hop})
    """The hops of its conversations."""

    cpu_ms_per_s: list[float] = field(default_factory=list)
    """CPU time of all its processes in each conversation."""

    ready_mb: list[float] = field(default_factory=list)
    """Memory of all its processes before each first conversation."""

    after_mb: list[float] = field(default_factory=list)
    """The same after each last one."""

    first_append_s: list[float] = field(default_factory=list)
    """From each start of its process to the first sound of the microphone on the line."""

    failures: list[str] = field(default_factory=list)
    """Why a start of it came to nothing."""

    def plain(self) -> dict[str, Any]:
        """Return all of it for programs, summed up and one by one."""
        rows = {
            **{f"{hop.value}, ms": self.values[hop] for hop in HOPS if hop is not Hop.GAPS},
            Hop.GAPS.value: self.values[Hop.GAPS],
            "CPU in conversation, ms/s": self.cpu_ms_per_s,
            "resident memory, ready to talk, MB": self.ready_mb,
            "resident memory, after the conversations, MB": self.after_mb,
        }
        plain: dict[str, Any] = {
            name: {**summary(each), "values": [round(one, 1) for one in each]} for name, each in rows.items() if each
        }
        if self.first_append_s:
            # A tenth of a second would be too coarse.
            plain["process start -> first append, s"] = {
                "median": round(median(self.first_append_s), 3),
                "values": [round(one, 3) for one in self.first_append_s],
            }
        if self.failures:
            plain["failed starts"] = self.failures
        return plain


Programs = Mapping[str, Costs]
"""What was measured, by the program's name; ``BARE`` and ``OURS`` are among them."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table."""

    name: str
    """What it is, with its unit."""

    pick: Callable[[Costs], float | None]
    """What stands in a program's column; None: it was not measured."""

    is_ratio: bool = True
    """Whether it says something to have it as a multiple of the bare program's."""

    digits: int = 0
    """Behind the point."""


def _middle(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def _p95(values: Sequence[float]) -> float | None:
    return percentile(values, 95) if values else None


def _farthest(values: Sequence[float]) -> float | None:
    return max(values, key=abs) if values else None


def _sum(values: Sequence[float]) -> float | None:
    return sum(values) if values else None


ROWS = (
    Row("microphone -> the append that holds it, ms", lambda each: _middle(each.values[Hop.MICROPHONE])),
    Row("  95th percentile", lambda each: _p95(each.values[Hop.MICROPHONE])),
    # This card has no start threshold: the least program is audible at once, and a multiple of that says nothing.
    Row("first delta -> audible, ms", lambda each: _middle(each.values[Hop.AUDIBLE]), is_ratio=False),
    Row("  95th percentile", lambda each: _p95(each.values[Hop.AUDIBLE]), is_ratio=False),
    Row("gaps in all replies together", lambda each: _sum(each.values[Hop.GAPS]), is_ratio=False),
    Row("speech_started -> silence in the room, ms", lambda each: _middle(each.values[Hop.SILENCE])),
    Row("  95th percentile", lambda each: _p95(each.values[Hop.SILENCE])),
    Row("told - heard when the user began, ms", lambda each: _middle(each.values[Hop.TOLD_BEGAN]), is_ratio=False),
    Row("  farthest", lambda each: _farthest(each.values[Hop.TOLD_BEGAN]), is_ratio=False),
    Row("CPU in conversation, ms/s", lambda each: _middle(each.cpu_ms_per_s)),
    Row("resident memory, ready to talk, MB", lambda each: _middle(each.ready_mb)),
    Row("  after the conversations", lambda each: _middle(each.after_mb)),
    Row("process start -> first append, s", lambda each: _middle(each.first_append_s), digits=2),
    Row("starts that came to nothing", lambda each: float(len(each.failures)), is_ratio=False),
)
"""Everything that every program has."""


def format_programs(programs: Programs) -> str:
    """Return the table: a column for each program, each with its multiple of the bare program's figure."""
    width = max(len(row.name) for row in ROWS)
    head = f"{'medians on the virtual card (times bare)':<{width}}" + "".join(f"{name:>{_CELL}}" for name in programs)
    lines = [
        f"{row.name:<{width}}" + "".join(f"{_cell(row, each, programs[BARE]):>{_CELL}}" for each in programs.values())
        for row in ROWS
    ]
    return "\n".join(line.rstrip() for line in (head, *lines))


def _cell(row: Row, costs: Costs, bare: Costs) -> str:
    value, base = row.pick(costs), row.pick(bare)
    if value is None:
        return "-"
    shown = f"{value:+.0f}" if "told" in row.name or "farthest" in row.name else f"{value:.{row.digits}f}"
    return shown if not row.is_ratio or costs is bare or not base else f"{shown} ({value / base:.1f})"


def judged(programs: Programs) -> list[Figure]:
    """Return our figures beside the limits that name the others, from what was measured of those in the same run."""
    ours, bare = programs[OURS], programs[BARE]
    others = [costs for name, costs in programs.items() if name != OURS]
    began = ours.values[Hop.TOLD_BEGAN]
    gaps = ours.values[Hop.GAPS]
    replies = f"gaps in {len(gaps)} replies"
    return [
        *(
            _beside(f"{Hop.MICROPHONE.value}, {name}", [rank(each.values[Hop.MICROPHONE]) for each in (ours, *others)])
            for name, rank in _RANKS
        ),
        *(
            _within(
                f"{Hop.AUDIBLE.value}, {name}", "ms", rank(ours.values[Hop.AUDIBLE]), rank(bare.values[Hop.AUDIBLE])
            )
            for name, rank in _RANKS
        ),
        Figure(replies, _sum(gaps), "", 0.0),
        Figure(f"{Hop.SILENCE.value}, median", _rounded(_middle(ours.values[Hop.SILENCE])), "ms", SILENCE_MS),
        Figure(f"{Hop.SILENCE.value}, p95", _rounded(_p95(ours.values[Hop.SILENCE])), "ms", SILENCE_P95_MS),
        Figure(f"{Hop.TOLD_BEGAN.value}, farthest", _rounded(_distance(began)), "ms", TOLD_MS),
        Figure("told more than was heard by then, most", _rounded(max(began, default=None)), "ms", float(PERIOD_MS)),
        Figure("CPU in conversation, times bare", _ratio(ours.cpu_ms_per_s, bare.cpu_ms_per_s), "", TALK_TIMES),
        Figure("resident memory, ready to talk", _rounded(_middle(ours.ready_mb)), "MB", RESIDENT_MB),
    ]


_RANKS: tuple[tuple[str, Callable[[Sequence[float]], float | None]], ...] = (("median", _middle), ("p95", _p95))


def _beside(name: str, figures: Sequence[float | None]) -> Figure:
    """Return our figure, the first, with the best of the others as its limit; without any there is nothing to show."""
    ours, *others = figures
    best = min((each for each in others if each is not None), default=None)
    if best is None:
        return Figure(name, None, "ms")
    return Figure(name, _rounded(ours), "ms", round(best + RESOLUTION_MS, 1))


def _within(name: str, unit: str, ours: float | None, bare: float | None) -> Figure:
    """Return our figure with the bare program's and what may come on top as its limit."""
    if bare is None:
        return Figure(name, None, unit)
    return Figure(name, _rounded(ours), unit, round(bare + ABOVE_BARE_MS, 1))


def _ratio(ours: Sequence[float], bare: Sequence[float]) -> float | None:
    return median(ours) / median(bare) if ours and bare else None


def _distance(values: Sequence[float]) -> float | None:
    farthest = _farthest(values)
    return None if farthest is None else abs(farthest)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
