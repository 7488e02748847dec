"""What the engines of ``speakerd bench wake`` cost, side by side, how far their scores agree, and the limits. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from speakerd.bench.figures import Figure
from speakerd.bench.proc import Memory
from speakerd.bench.wake_run import OURS, STOCK, Start
from speakerd.bench.wake_sound import QUIET, ROOMS, SPEECH
from speakerd.core.units import WAKE_RATE_HZ
from speakerd.core.wake_gate import WakeTrigger
from speakerd.wake.shapes import CHUNK_FRAMES

PACED = "continuous speech, as it comes"
"""The same audio, each chunk at its time. By then a processor has other things in its caches, which costs every engine
about as much for each chunk: it is told, but no limit is on it."""

MIXED = "mixed audio"
"""Everything, for the comparison of scores."""

QUIET_PERCENT, SPEECH_PERCENT = 2.0, 20.0
"""Of stock's CPU time, at most: a fiftieth in a quiet room, a fifth in continuous speech (specified)."""

START_PERCENT = 100 / 3
"""Of stock's time from the process's start to its first detection, at most (specified)."""

DIFFERENCE = 1e-3
"""By which a score may differ from stock's (specified)."""

LATE_CHUNKS = 1
"""By which the gate may delay a detection (specified)."""

THRESHOLD, REFRACTORY_S = 0.5, 2.0
"""Of the trigger: the configuration's defaults."""

CHUNK_S = CHUNK_FRAMES / WAKE_RATE_HZ
"""How much audio a chunk is."""

_CELL = 17

Scores = npt.NDArray[np.float64]


@dataclass(slots=True)
class Costs:
    """What was measured of one engine."""

    cpu_ms_per_s: dict[str, list[float]] = field(default_factory=dict)
    """CPU milliseconds for each second of audio, by room, one of each round."""

    starts: list[Start] = field(default_factory=list)
    """How its processes came up."""

    memory: Memory | None = None
    """After all that it has listened to."""

    missing: str | None = None
    """Why it is not measured, or not to the end; None: it is."""

    def note(self, room: str, cpu_s: float, audio_s: float) -> None:
        """Take in what a recording cost."""
        self.cpu_ms_per_s.setdefault(room, []).append(cpu_s / audio_s * 1000)

    def plain(self) -> dict[str, Any]:
        """Return all of it for programs."""
        return {
            "cpu_ms_per_s": {
                room: {"median": round(median(values), 3), "values": [round(value, 3) for value in values]}
                for room, values in self.cpu_ms_per_s.items()
            },
            "starts": [
                {
                    "first_score_s": round(start.first_score_s, 3),
                    "detected_s": None if start.detected_s is None else round(start.detected_s, 3),
                    "cpu_s": round(start.cpu_s, 3),
                    "resident_mb": round(start.memory.resident_mb, 1),
                }
                for start in self.starts
            ],
            "memory_mb": None
            if self.memory is None
            else {
                "resident": round(self.memory.resident_mb, 1),
                "anonymous": round(self.memory.anonymous_mb, 1),
                "file": round(self.memory.file_mb, 1),
            },
            "missing": self.missing,
        }


@dataclass(slots=True)
class Agreement:
    """How far two engines agree that heard the same."""

    chunks: int = 0
    """How many scores were compared: all of the first engine's but those of chunks that it slept through."""

    difference: float = 0.0
    """The largest between two scores."""

    detections: int = 0
    """How many the second engine made."""

    differ: int = 0
    """How many only one of the two made."""

    late_chunks: int = 0
    """How much later than the second the first one made one that both made, at most."""

    def plain(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "chunks": self.chunks,
            "difference": self.difference,
            "detections": self.detections,
            "only_one_detected": self.differ,
            "late_chunks": self.late_chunks,
        }


def agreement(ours: Scores, right: Scores, *, asleep_is_zero: bool = False) -> Agreement:
    """Compare two engines chunk by chunk, and what the trigger makes of them.

    Args:
        ours: The scores of one. Shape: (chunks,).
        right: Those of the other. Shape: the same.
        asleep_is_zero: A score of exactly 0 says that the first one slept.
    """
    compared = ours != 0.0 if asleep_is_zero else np.ones(len(ours), bool)
    difference = float(np.abs(ours - right)[compared].max(initial=0.0))
    found, expected = detections(ours), detections(right)
    pairs = [(one, other) for other in expected for one in found if abs(one - other) <= _SAME_CHUNKS]
    differ = len(found) + len(expected) - 2 * len(pairs)
    late = max((one - other for one, other in pairs), default=0)
    return Agreement(int(compared.sum()), difference, len(expected), differ, late)


_SAME_CHUNKS = round(REFRACTORY_S / CHUNK_S / 2)
"""So far from one another two detections are still of the same word: within half the refractory time only one is."""


def detections(scores: Scores) -> list[int]:
    """Return the chunks that make detections."""
    trigger = WakeTrigger(THRESHOLD, REFRACTORY_S)
    return [
        at for at, score in enumerate(scores) if trigger.process({"": float(score)}, CHUNK_S, playing=False) is not None
    ]


def figures(
    engines: Mapping[str, Costs], to_stock: Agreement | None, gate: Agreement | None, *, stock_is_whole: bool = True
) -> list[Figure]:
    """Return the rows beside their limits.

    Args:
        engines: What was measured, by name.
        to_stock: Our engine without its gate beside stock; None: it could not be compared.
        gate: Our engine with its gate beside itself without; None: the same.
        stock_is_whole: Stock imports all that its package imports; else nobody's start is judged by its.
    """
    start = _percent(engines, _detected) if stock_is_whole else None
    return [
        Figure("quiet room: CPU, share of stock's", _percent(engines, _cpu(QUIET)), "%", QUIET_PERCENT),
        Figure("continuous speech: CPU, share of stock's", _percent(engines, _cpu(SPEECH)), "%", SPEECH_PERCENT),
        Figure(f"{PACED}: CPU, share of stock's", _percent(engines, _cpu(PACED)), "%"),
        Figure("process start -> first detection, share of stock's", start, "%", START_PERCENT),
        *_agreed("gate off and stock", to_stock),
        *_agreed("gate on and off", gate),
        Figure(
            "gate on and off: latest detection, chunks", None if gate is None else gate.late_chunks, "", LATE_CHUNKS
        ),
    ]


def _agreed(name: str, found: Agreement | None) -> list[Figure]:
    """Return the rows of a comparison; the difference in millionths, so that it can be read."""
    if found is None:
        return [
            Figure(f"{name}: largest difference of scores, millionths", None, "", DIFFERENCE * 1e6),
            Figure(f"{name}: detections that only one made", None, "", 0),
        ]
    return [
        Figure(f"{name}: largest difference of scores, millionths", found.difference * 1e6, "", DIFFERENCE * 1e6),
        Figure(f"{name}: detections that only one made, of {found.detections}", float(found.differ), "", 0),
    ]


def _cpu(room: str) -> Callable[[Costs], float | None]:
    return lambda costs: _middle(costs.cpu_ms_per_s.get(room, ()))


def _detected(costs: Costs) -> float | None:
    return _middle([start.detected_s for start in costs.starts if start.detected_s is not None])


def _percent(engines: Mapping[str, Costs], pick: Callable[[Costs], float | None]) -> float | None:
    """Return ours as a share of stock's; None: one of them is missing."""
    ours, stock = pick(engines[OURS]), pick(engines[STOCK])
    return None if ours is None or not stock else round(ours / stock * 100, 3)


def _middle(values: Sequence[float]) -> float | None:
    return median(values) if values else None


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table."""

    name: str
    """What it is, with its unit."""

    pick: Callable[[Costs], float | None]
    """What stands in an engine's column; None: it was not measured."""

    digits: int = 1
    """Behind the point."""

    is_ratio: bool = True
    """Whether it is also told as a part or a multiple of stock's."""


def _memory(pick: Callable[[Memory], float]) -> Callable[[Costs], float | None]:
    return lambda costs: None if costs.memory is None else pick(costs.memory)


ROWS = (
    *(Row(f"{room}, CPU ms/s", _cpu(room), 2) for room in (*ROOMS, PACED, MIXED)),
    Row("process start -> first score, s", lambda costs: _middle([each.first_score_s for each in costs.starts]), 2),
    Row("process start -> word detected, s", _detected, 2),
    Row("CPU of the start, s", lambda costs: _middle([each.cpu_s for each in costs.starts]), 2),
    Row("resident memory, after the start, MB", lambda costs: _middle([x.memory.resident_mb for x in costs.starts]), 0),
    Row("resident memory, at the end, MB", _memory(lambda memory: memory.resident_mb), 0),
    Row("  anonymous", _memory(lambda memory: memory.anonymous_mb), 0, is_ratio=False),
    Row("  files", _memory(lambda memory: memory.file_mb), 0, is_ratio=False),
)
"""Everything that every engine has."""


def format_engines(engines: Mapping[str, Costs]) -> str:
    """Return the table: a column for each engine, and how stock's figure compares."""
    width = max(len(row.name) for row in ROWS) + 1
    head = f"{'medians (beside stock)':<{width}}" + "".join(f"{name:>{_CELL}}" for name in engines)
    lines = [
        f"{row.name:<{width}}" + "".join(f"{_cell(row, each, engines[STOCK]):>{_CELL}}" for each in engines.values())
        for row in ROWS
    ]
    return "\n".join(line.rstrip() for line in (head, *lines))


def _cell(row: Row, costs: Costs, stock: Costs) -> str:
    value, base = row.pick(costs), row.pick(stock)
    if value is None:
        return "-"
    shown = f"{value:.{row.digits}f}"
    if not row.is_ratio or costs is stock or not base or not value:
        return shown
    return f"{shown} (1/{base / value:.1f})" if value < base else f"{shown} ({value / base:.1f}x)"
