"""``speakerd bench idle``: what the daemon costs while nobody talks, thread by thread, and how soon it hears.

The whole daemon on the virtual card in a quiet room, beside the least program that listens, in turns. A thread's CPU
time and wake-ups are Linux's own figures; the card's part is in them, on both sides.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from speakerd.bench import bare, proc
from speakerd.bench.cpu import QUIET_TIMES, RESIDENT_MB
from speakerd.bench.figures import Figure, format_table, holds, machine
from speakerd.bench.proc import Memory, Thread
from speakerd.core.errors import SpeakerdError
from speakerd.demo.process import Child, StageError
from speakerd.demo.props import as_installed
from speakerd.demo.stage import Stage

IDLE_TIMES = 1.5
"""The daemon's CPU time in a quiet room, at most so many times the bare program's (specified)."""

HEARD_S = 0.5
"""A wake word that begins so soon after the process was started is heard (specified)."""

WORD = "Hey Jarvis."
"""What is said to a daemon that has just been started."""

LOOP = "event loop"
"""What the process's first thread is called here; Linux calls it by the program."""

_LATE_S = 8.0
"""How long a detection is waited for after its word: the engine may still load (guessed)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long what is looked at."""

    settle_s: float = 15.0
    """Between ready and the first measurement: what is imported late is there by then (guessed)."""

    slices: int = 4
    """How often the two programs take turns."""

    slice_s: float = 15.0
    """How long each is measured in a turn."""

    offsets_s: tuple[float, ...] = (0.2, 0.3, 0.4, HEARD_S)
    """When the word begins after the process was started; ``HEARD_S`` must be among them."""


@dataclass(slots=True)
class Spent:
    """What the threads of a program cost."""

    seconds: float = 0.0
    """How long they were looked at."""

    cpu_s: dict[str, float] = field(default_factory=dict)
    """User and system time by thread."""

    wakeups: dict[str, int] = field(default_factory=dict)
    """How often each was woken up."""

    @property
    def cpu_ms_per_s(self) -> float:
        """Milliseconds a second, all threads together."""
        return sum(self.cpu_s.values()) / self.seconds * 1000

    @property
    def wakeups_per_s(self) -> float:
        """Wake-ups a second, all threads together."""
        return sum(self.wakeups.values()) / self.seconds

    def add(self, pid: int, before: Mapping[int, Thread], after: Mapping[int, Thread], seconds: float) -> None:
        """Take in a stretch of time. A thread that ended in it is not known any more; none does in an idle daemon."""
        self.seconds += seconds
        for number, now in after.items():
            then = before.get(number, Thread(now.name, 0.0, 0))
            name = LOOP if number == pid else now.name
            self.cpu_s[name] = self.cpu_s.get(name, 0.0) + now.cpu_s - then.cpu_s
            self.wakeups[name] = self.wakeups.get(name, 0) + now.wakeups - then.wakeups


@dataclass(slots=True)
class Measured:
    """All that was measured."""

    bare: Spent = field(default_factory=Spent)
    """The least program that listens."""

    daemon: Spent = field(default_factory=Spent)
    """The daemon."""

    bare_memory: Memory | None = None
    """The resident memory of the one."""

    memory: Memory | None = None
    """That of the other, when it is ready to talk."""

    is_fine: bool = True
    """Whether CPU time was counted in nanoseconds, not in ticks of ten milliseconds."""

    microphone_s: list[float] = field(default_factory=list)
    """From each start of the process until its microphone's card was open."""

    ready_s: list[float] = field(default_factory=list)
    """From each start of the process until it said that it is ready."""

    heard: dict[float, list[bool]] = field(default_factory=dict)
    """Of words that began so long after a start, which were heard."""


def measure(out: Path, starts: int, say: Callable[[str], None], *, plan: Plan | None = None) -> bool:
    """Measure the idle daemon and its starts.

    Args:
        out: Where ``idle.json`` and the logs are written; made if missing.
        starts: How often a word is said at each moment after a start.
        say: Told what happens.
        plan: How long what is looked at; None: long enough to be trusted.

    Returns:
        Whether no target was missed.
    """
    out.mkdir(parents=True, exist_ok=True)
    before = machine()
    measured = Measured()
    try:
        asyncio.run(_measure(measured, out / "logs", starts, plan or Plan(), say))
    except SpeakerdError as error:
        say(f"the bench broke off: {error}")
        return False
    rows = figures(measured)
    data = {**before, "figures": [row.shown() for row in rows], **_plain(measured)}
    (out / "idle.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    for line in ("", format_threads(measured), "", format_table(rows)):
        say(line)
    say(f"written to {out / 'idle.json'}")
    return holds(rows)


def figures(measured: Measured) -> list[Figure]:
    """Return the rows beside their targets."""
    ours, least = measured.daemon, measured.bare
    is_there = bool(ours.seconds and least.seconds)
    times = ours.cpu_ms_per_s / least.cpu_ms_per_s if is_there and least.cpu_ms_per_s else None
    tries = measured.heard.get(HEARD_S, [])
    return [
        Figure("bare capture: CPU for each second", least.cpu_ms_per_s if is_there else None, "ms"),
        Figure("idle daemon: CPU for each second", ours.cpu_ms_per_s if is_there else None, "ms"),
        Figure(f"idle daemon: times bare (the design wants {QUIET_TIMES:g})", times, "", IDLE_TIMES),
        Figure("bare capture: wake-ups for each second", least.wakeups_per_s if is_there else None, ""),
        Figure("idle daemon: wake-ups for each second", ours.wakeups_per_s if is_there else None, ""),
        Figure("resident memory", None if measured.memory is None else measured.memory.resident_mb, "MB", RESIDENT_MB),
        Figure(
            f"words that begin {HEARD_S:g} s after the start, heard of {len(tries)}",
            float(sum(tries)) if tries else None,
            "",
            float(len(tries)),
            at_least=True,
        ),
        Figure("process start -> a word that begins then is heard, always", _sure_s(measured.heard), "s"),
        Figure(
            "process start -> microphone open", median(measured.microphone_s) if measured.microphone_s else None, "s"
        ),
        Figure("process start -> ready", median(measured.ready_s) if measured.ready_s else None, "s"),
    ]


def _sure_s(heard: Mapping[float, list[bool]]) -> float | None:
    """Return the soonest moment from which on every word was heard; None: there is none."""
    sure_s = None
    for after_s in sorted(heard, reverse=True):
        if not all(heard[after_s]):
            break
        sure_s = after_s
    return sure_s


def format_threads(measured: Measured) -> str:
    """Return the tables of threads, of memory and of words."""
    lines = [f"{'thread':<32}{'CPU ms/s':>10}{'wake-ups/s':>12}"]
    for program, spent in (("bare", measured.bare), ("daemon", measured.daemon)):
        for name in sorted(spent.cpu_s, key=spent.cpu_s.__getitem__, reverse=True):
            cost = spent.cpu_s[name] / spent.seconds * 1000
            lines.append(f"{f'{program}: {name}':<32}{cost:>10.2f}{spent.wakeups[name] / spent.seconds:>12.1f}")
    if not measured.is_fine:
        lines.append(
            "this Linux counts CPU time in ticks of 10 ms: threads that wake often and shortly are ill counted"
        )
    lines += ["", f"{'resident memory, MB':<32}{'all':>10}{'anonymous':>12}{'files':>10}"]
    for program, memory in (("bare", measured.bare_memory), ("daemon", measured.memory)):
        if memory is not None:
            kinds = f"{memory.resident_mb:>10.1f}{memory.anonymous_mb:>12.1f}{memory.file_mb:>10.1f}"
            lines.append(f"{program:<32}{kinds}")
    lines += ["", f"{'a word that begins after':<32}{'heard':>10}"]
    for after_s, heard in measured.heard.items():
        lines.append(f"{f'{after_s:g} s':<32}{f'{sum(heard)} of {len(heard)}':>10}")
    return "\n".join(lines)


def _plain(measured: Measured) -> dict[str, Any]:
    """Return all of it for programs."""
    return {
        "threads": {
            program: {
                name: {
                    "cpu_ms_per_s": round(spent.cpu_s[name] / spent.seconds * 1000, 3),
                    "wakeups_per_s": round(spent.wakeups[name] / spent.seconds, 2),
                }
                for name in spent.cpu_s
            }
            for program, spent in (("bare", measured.bare), ("daemon", measured.daemon))
        },
        "cpu_time_in_nanoseconds": measured.is_fine,
        "memory_mb": {
            program: None if memory is None else asdict(memory)
            for program, memory in (("bare", measured.bare_memory), ("daemon", measured.memory))
        },
        "microphone_s": [round(each, 3) for each in measured.microphone_s],
        "ready_s": [round(each, 3) for each in measured.ready_s],
        "heard": {f"{after_s:g} s": heard for after_s, heard in measured.heard.items()},
    }


async def _measure(measured: Measured, logs: Path, starts: int, plan: Plan, say: Callable[[str], None]) -> None:
    idle_s = plan.settle_s + 2 * plan.slices * plan.slice_s
    room_s = idle_s + 2 * starts * len(plan.offsets_s) * (_LATE_S + 4.0) + 120.0
    compiled = as_installed(logs.parent)
    async with Stage(logs, tier="scripted", start_daemon=False, room_s=room_s, environment=compiled) as stage:
        say(f"about {idle_s:.0f} s of silence, then {starts * len(plan.offsets_s)} starts")
        await stage.start_daemon()
        await stage.stop_daemon()  # the first one compiles its modules, and keeps what that took
        await stage.start_daemon()
        await asyncio.sleep(plan.settle_s)
        for number in range(plan.slices):
            async with bare.running(stage, "bare-capture", bare.CAPTURE) as child:
                await _look(child, measured.bare, plan.slice_s)
                measured.bare_memory = proc.memory(_pid(child))
            await _look(stage.daemon, measured.daemon, plan.slice_s)
            say(f"turn {number + 1} of {plan.slices}: measured")
        measured.memory = proc.memory(_pid(stage.daemon))
        measured.is_fine = proc.is_fine(_pid(stage.daemon))
        await stage.stop_daemon()
        await _starts(measured, stage, starts, plan, say)


async def _look(child: Child, spent: Spent, span_s: float) -> None:
    """Look what a program's threads cost in a span of time."""
    loop = asyncio.get_running_loop()
    pid = _pid(child)
    begun_s, before = loop.time(), proc.threads(pid)
    await asyncio.sleep(span_s)
    pid = _pid(child)
    spent.add(pid, before, proc.threads(pid), loop.time() - begun_s)


async def _starts(measured: Measured, stage: Stage, starts: int, plan: Plan, say: Callable[[str], None]) -> None:
    """Start the daemon again and again, and say the word at a moment at which it may not listen yet."""
    try:
        await asyncio.to_thread(stage.prepare, WORD)
    except StageError as nobody:
        say(f"without words: {nobody}")
        return
    for number in range(starts):
        for after_s in plan.offsets_s:
            begun_s = stage.room.now_s()
            _, end_s = stage.say(WORD, at_s=begun_s + after_s)
            await stage.start_daemon()
            parts_s = {mark["part"]: mark["t"] - begun_s for mark in stage.marks("ready", after_s=begun_s)}
            measured.microphone_s.append(parts_s["microphone"])
            measured.ready_s.append(max(parts_s.values()))
            measured.heard.setdefault(after_s, []).append(await _is_heard(stage, begun_s, end_s))
            await stage.stop_daemon()
        say(f"starts: round {number + 1} of {starts} measured")


async def _is_heard(stage: Stage, begun_s: float, end_s: float) -> bool:
    """Return whether the daemon tells of a detection."""
    left_s = max(0.0, end_s - stage.room.now_s()) + _LATE_S
    try:
        await stage.wait_for("wake", after_s=begun_s, timeout_s=left_s)
    except StageError:
        stage.daemon.require_alive()
        return False
    return True


def _pid(child: Child) -> int:
    child.require_alive()
    assert child.pid is not None
    return child.pid
