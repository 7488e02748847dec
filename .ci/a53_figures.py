"""What the emulated machine of ``bench_a53.py`` said, read and set beside what is allowed. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from speakerd.bench.figures import Figure

MARK = "A53 "
"""What a line begins with that is for us; the guest has the same."""

SPEECH_LIMIT_M, GATED_LIMIT_M = 5.0, 0.4
"""Millions of instructions per 80 ms that the wake path may take (specified)."""

SCORE_LIMIT = 0.001
"""How far a score may be from the one that this machine computes (specified)."""

BOARD_MIPS = (500.0, 800.0)
"""What a core of a Zero 2 W does in a second: 1 GHz at 0.5 to 0.8 instructions a cycle (guess)."""

_CHUNKS_IN_S = 12.5
"""Of 80 ms."""

_PART = "A53"


class ConsoleError(Exception):
    """The machine did not say what it was made for."""


@dataclass(slots=True)
class Task:
    """One measurement, in a process of its own."""

    name: str
    """What it was asked for."""

    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What it told, by fact."""

    ended: str | int | None = None
    """Its exit code, or the signal that ended it; None: it never ended."""

    said: str = ""
    """The last of what it printed."""

    @property
    def died(self) -> str | None:
        """How it ended, in words; None: well."""
        if self.ended == 0:
            return None
        return (
            "never ended"
            if self.ended is None
            else f"ended by {self.ended}"
            if isinstance(self.ended, str)
            else f"ended with {self.ended}"
        )


@dataclass(slots=True)
class Run:
    """One run of the machine."""

    machine: dict[str, Any] = field(default_factory=dict)
    """Its Python, its kernel, its processor as the kernel describes it."""

    tasks: dict[str, Task] = field(default_factory=dict)
    """The measurements by name; of those that were done twice, the second."""

    whole: bool = False
    """Whether it came to its end."""

    def take(self, line: str) -> None:
        """Take a line of its console."""
        if not line.startswith(MARK):
            return
        fact = json.loads(line.removeprefix(MARK))
        match fact:
            case {"fact": "machine"}:
                self.machine = {name: value for name, value in fact.items() if name != "fact"}
            case {"fact": "found", "task": name, "what": what}:
                task = self.tasks[name] if self._is_open(name) else self._renewed(name)
                task.found[what["fact"]] = {key: value for key, value in what.items() if key != "fact"}
            case {"fact": "end", "task": name, "ended": ended, "said": said}:
                task = self.tasks[name] if self._is_open(name) else self._renewed(name)
                task.ended, task.said = ended, said
            case {"fact": "done"}:
                self.whole = True

    def _is_open(self, name: str) -> bool:
        return name in self.tasks and self.tasks[name].ended is None

    def _renewed(self, name: str) -> Task:
        self.tasks[name] = Task(name)
        return self.tasks[name]

    def imports(self) -> list[Task]:
        """Return the imports."""
        return [task for name, task in self.tasks.items() if name.startswith("import ")]

    def millions(self, task: str, fact: str, kind: str = "instructions") -> float | None:
        """Return a count in millions; None: it was not found."""
        found = self.tasks[task].found.get(fact) if task in self.tasks else None
        return None if found is None else found[kind] / 1e6

    def scores(self, task: str) -> list[float]:
        """Return the scores of the clip with the wake word."""
        found = self.tasks[task].found.get("scores", {}) if task in self.tasks else {}
        return list(found.get("word", ()))


def emulator_version(said: str) -> tuple[int, int]:
    """Return major and minor of an emulator, from what ``--version`` says; (0, 0): it cannot be told."""
    found = re.search(r"version (\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def read(lines: Iterable[str]) -> Run:
    """Return what a console said.

    Raises:
        ConsoleError: the machine did not start, or broke off; the message has its last words.
    """
    run, last = Run(), []
    for line in lines:
        run.take(line)
        last = [*last[-9:], line]
    if not run.whole:
        what = "broke off" if run.machine else "did not start"
        raise ConsoleError(f"the emulated machine {what}; it said last:\n" + "\n".join(last))
    return run


def off(found: Sequence[float], right: Sequence[float]) -> float | None:
    """Return how far two traces of scores are apart at most; None: they cannot be compared."""
    if not found or len(found) != len(right):
        return None
    return max(abs(one - other) for one, other in zip(found, right, strict=True))


def share(millions: float) -> str:
    """Return what so many instructions per 80 ms are of a core of a Zero 2 W, as an estimate."""
    most, least = (100 * millions * _CHUNKS_IN_S / mips for mips in BOARD_MIPS)
    return f"{least:.1f} to {most:.1f} %"


def figures(run: Run, right: Mapping[str, Sequence[float]]) -> list[Figure]:
    """Return what was measured beside what is allowed.

    Args:
        run: What the machine said.
        right: The same scores as this machine computes them, by task.
    """
    imports = run.imports()
    good = sum(task.died is None for task in imports) if imports else None
    rows = [
        Figure("packages that import", good, "", len(imports), at_least=True),
        Figure("lean engine, 80 ms of speech", run.millions("lean", "chunk"), "M", SPEECH_LIMIT_M),
        *(
            Figure(f"  of it {part}", run.millions("lean", part), "M")
            for part in ("melspectrogram", "embedding", "classifier")
        ),
        Figure("  the kernel beside it", run.millions("lean", "chunk", "kernel"), "M"),
        Figure("behind the gate, 80 ms of a quiet room", run.millions("gated", "chunk"), "M", GATED_LIMIT_M),
        Figure("  waking up, once", run.millions("gated", "waking"), "M"),
        Figure("openWakeWord as speakerd runs it, 80 ms", run.millions("openwakeword", "chunk"), "M"),
        Figure("stock openwakeword.Model, 80 ms", run.millions("stock", "chunk"), "M"),
        *(
            Figure(f"start of {name}, imports included", run.millions(task, "start"), "M")
            for task, name in (("lean", "the lean engine"), ("openwakeword", "openWakeWord"))
        ),
        *(
            Figure(f"import of {name}", run.millions(f"import {name}", "import"), "M")
            for name in ("numpy", "onnxruntime")
        ),
    ]
    for task, name in (("lean", "lean"), ("openwakeword", "openWakeWord")):
        rows.append(Figure(f"{name}: scores off by", off(run.scores(task), right.get(task, ())), "", SCORE_LIMIT))
        rows.append(Figure(f"{name}: score of the word", max(run.scores(task), default=None), "", 0.5, at_least=True))
    return rows
