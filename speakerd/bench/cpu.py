"""``speakerd bench cpu``: what the daemon costs to leave on and to talk to, beside the least program that could do it.

CPU time is that of the daemon's process alone, the virtual card's part in it included, which both sides pay.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from speakerd.bench import bare
from speakerd.bench.figures import Figure, format_table, holds, machine
from speakerd.bench.neural import QUESTIONS
from speakerd.bench.service import cpu_s, resident_mb
from speakerd.core.errors import SpeakerdError
from speakerd.demo.process import Child
from speakerd.demo.stage import Stage
from speakerd.realtime.spec import SessionSpec

QUIET_TIMES, SPEECH_TIMES, TALK_TIMES, RESIDENT_MB = 1.3, 2.0, 1.3, 110.0
"""What may not be passed: times the bare program in a quiet room, in continuous speech and in conversation; memory when
ready to talk (specified)."""

QUESTION = "Tell me a joke."
REPLY = "Why did the microphone break up with the speaker? It needed someone who would listen."
"""What is asked in conversation, and what a service that only hums says to it: five seconds."""

_GAP_S = 0.3
"""Between sentences of continuous speech (guessed: people breathe)."""

_LEAD_S = 0.5
"""Before the first question: a session opens in much less (measured)."""

_SLACK_S = 300.0
"""How much longer the room lasts than the plan: starting takes time, and speech runs over its window."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long each state is looked at."""

    settle_s: float = 15.0
    """Between ready and the first measurement: what is imported late is there by then (guessed)."""

    window_s: float = 30.0
    """How long a state is measured: a clock tick of 10 ms is 0.3 ms a second then (chosen)."""

    turn_s: float = 10.0
    """From one question to the next; the answer takes seven of them, and the daemon listens on for eight (chosen)."""

    tier: str = "auto"
    """Of the service that is talked to; only ``neural`` speaks, so that the echo canceller has its work."""

    reply: str = REPLY
    """What a service that only hums answers."""

    @property
    def length_s(self) -> float:
        """All of it but the conversations."""
        return self.settle_s + 3 * self.window_s


@dataclass(slots=True)
class Measured:
    """CPU milliseconds a second in each state, and memory; None: it did not come about."""

    tier: str | None = None
    """Of the service that was talked to."""

    bare_listening: float | None = None
    """The bare program that only reads the microphone."""

    quiet: float | None = None
    """The daemon in a quiet room."""

    speech: float | None = None
    """The daemon while somebody talks to somebody else."""

    bare_talking: float | None = None
    """The bare program in a conversation."""

    talking: float | None = None
    """The daemon in the same conversation."""

    ready_mb: float | None = None
    """The daemon's resident memory, ready to talk."""

    after_mb: float | None = None
    """The same after the conversation."""


def measure(out: Path, questions: int, say: Callable[[str], None], *, plan: Plan | None = None) -> bool:
    """Measure each state and print the ratios beside their targets.

    Args:
        out: Where ``cpu.json`` and the logs are written; made if missing.
        questions: How many are asked in the conversation.
        say: Told what happens.
        plan: How long each state is looked at; None: long enough to be trusted.

    Returns:
        Whether no target was missed.
    """
    out.mkdir(parents=True, exist_ok=True)
    before = machine()
    try:
        measured = asyncio.run(_measure(out / "logs", questions, plan or Plan(), say))
    except SpeakerdError as error:
        say(f"the bench broke off: {error}")
        return False
    rows = figures(measured)
    data = {**before, "figures": [row.shown() for row in rows], "cpu_ms_per_s": asdict(measured)}
    (out / "cpu.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    say("")
    say(format_table(rows))
    say(f"written to {out / 'cpu.json'}")
    return holds(rows)


def figures(measured: Measured) -> list[Figure]:
    """Return the rows beside their targets."""
    quiet = _ratio(measured.quiet, measured.bare_listening)
    speech = _ratio(measured.speech, measured.bare_listening)
    talking = _ratio(measured.talking, measured.bare_talking)
    return [
        Figure("bare capture: CPU for each second", measured.bare_listening, "ms"),
        Figure("daemon, quiet room: CPU for each second", measured.quiet, "ms"),
        Figure("daemon, quiet room: times bare", quiet, "", QUIET_TIMES),
        Figure("daemon, continuous speech: CPU for each second", measured.speech, "ms"),
        Figure("daemon, continuous speech: times bare", speech, "", SPEECH_TIMES),
        Figure("bare conversation: CPU for each second", measured.bare_talking, "ms"),
        Figure("daemon, in conversation: CPU for each second", measured.talking, "ms"),
        Figure("daemon, in conversation: times bare", talking, "", TALK_TIMES),
        Figure("daemon, ready to talk: resident memory", measured.ready_mb, "MB", RESIDENT_MB),
        Figure("daemon, after the conversation: resident memory", measured.after_mb, "MB"),
    ]


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or not theirs else ours / theirs


async def _measure(logs: Path, questions: int, plan: Plan, say: Callable[[str], None]) -> Measured:
    length_s = plan.length_s + 2 * questions * plan.turn_s
    room_s = length_s + _SLACK_S
    async with Stage(logs, tier=plan.tier, replies=[plan.reply], start_daemon=False, room_s=room_s) as stage:
        for words in (QUESTION, *(words for words, _ in QUESTIONS)):
            await asyncio.to_thread(stage.prepare, words)
        measured = Measured(tier=stage.tier)
        say(f"the service is the {stage.tier} one; {length_s:.0f} s to go")
        async with bare.running(stage, "bare-capture", bare.CAPTURE) as child:
            measured.bare_listening = await _spent(child, plan.window_s)
        say("bare capture: measured")
        await stage.start_daemon()
        await asyncio.sleep(plan.settle_s)
        measured.quiet = await _spent(stage.daemon, plan.window_s)
        measured.ready_mb = _memory(stage.daemon)
        say("quiet room: measured")
        measured.speech = await _in_speech(stage, plan.window_s, say)
        measured.talking = await _in_conversation(stage, [plan.turn_s] * questions, say)
        measured.after_mb = _memory(stage.daemon)
        await stage.stop_daemon()
        measured.bare_talking = await _bare_conversation(stage, [plan.turn_s] * questions, say)
        return measured


async def _in_speech(stage: Stage, window_s: float, say: Callable[[str], None]) -> float | None:
    """Measure while somebody talks without a break, and not to us; None: the daemon took it for its wake word."""
    begun_s = at_s = stage.room.now_s() + 0.5
    for words, _ in itertools.cycle(QUESTIONS):
        _, said_s = stage.say(words, at_s=at_s)
        at_s = said_s + _GAP_S
        if at_s > begun_s + window_s:
            break
    await stage.until(begun_s)
    spent = await _spent(stage.daemon, window_s)
    await stage.until(at_s + 1.0)
    if stage.marks("wake", after_s=begun_s):
        say("continuous speech: not measured, it woke the daemon")
        return None
    say("continuous speech: measured")
    return spent


async def _in_conversation(stage: Stage, turns_s: Sequence[float], say: Callable[[str], None]) -> float | None:
    """Measure the daemon in a conversation; None: not every question was answered."""
    begun_s = stage.room.now_s()
    await stage.tell("wake")
    spent = await _spent_talking(stage, stage.daemon, turns_s)
    ended = [mark.get("status") for mark in stage.marks("response.done", after_s=begun_s)]
    return if_answered("in conversation", spent, ended, len(turns_s), say)


async def _bare_conversation(stage: Stage, turns_s: Sequence[float], say: Callable[[str], None]) -> float | None:
    """Measure the bare program in the same conversation; None: not every question was answered."""
    session = json.dumps(SessionSpec(noise_reduction=None).full())
    async with bare.running(
        stage, "bare-talk", bare.TALK, f"{stage.url}/realtime?model=gpt-realtime", session
    ) as child:
        spent = await _spent_talking(stage, child, turns_s)
        ended: list[Any] = child.output().split()[1:]
    return if_answered("bare conversation", spent, ended, len(turns_s), say)


def if_answered(name: str, spent: float, ended: list[Any], questions: int, say: Callable[[str], None]) -> float | None:
    """Return a figure if as many responses were completed as questions were asked."""
    if ended == ["completed"] * questions:
        say(f"{name}: measured")
        return spent
    say(f"{name}: not measured, {questions} questions ended as {ended}")
    return None


async def _spent_talking(stage: Stage, child: Child, turns_s: Sequence[float]) -> float:
    """Ask once for each turn and return the CPU milliseconds a second of all of it."""
    at_s = stage.room.now_s() + _LEAD_S
    for turn_s in turns_s:
        stage.say(QUESTION, at_s=at_s)
        at_s += turn_s
    return await _spent(child, sum(turns_s))


async def _spent(child: Child, span_s: float) -> float:
    """Return the CPU milliseconds a second of a process over a span of time."""
    loop = asyncio.get_running_loop()
    child.require_alive()
    assert child.pid is not None
    begun_s, begun_cpu_s = loop.time(), cpu_s(child.pid)
    await asyncio.sleep(span_s)
    child.require_alive()
    return (cpu_s(child.pid) - begun_cpu_s) / (loop.time() - begun_s) * 1000


def _memory(child: Child) -> float:
    child.require_alive()
    assert child.pid is not None
    return resident_mb(child.pid)
