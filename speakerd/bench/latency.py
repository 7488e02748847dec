"""``speakerd bench latency``: conversations on the stage; how long each hop took, beside what others published."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from speakerd.bench.figures import machine, summary
from speakerd.core.errors import SpeakerdError
from speakerd.demo import timeline
from speakerd.demo.script import Cue, Line, Performer
from speakerd.demo.stage import Stage

STORY = (
    Line("ask in one breath", "Hey Jarvis, what time is it?", Cue.IDLE, "", wake_word="Hey Jarvis,"),
    Line("interrupt", "Wait, what is the capital of France?", Cue.OVER_REPLY, "", delay_s=1.5),
)
"""One conversation: every hop is in it once."""

REPLIES = (
    "This answer is long enough to be interrupted, and it goes on and on and on until somebody says another word.",
    "Good.",
)
"""Hummed without a pause inside a sentence, so that the moment of silence is exact."""

CONFIG: dict[str, Any] = {"conversation": {"follow_up_s": 1.0}}
"""What the bench changes in the stage's configuration: conversations follow quickly."""

PUBLISHED = {
    "detected -> first byte of speech": "EchoMuse 258 in all",
    "first delta -> audible": "bare loop 91, openai-agents 203, pipecat 9 to 16 with 18 gaps in 10 replies",
    "speech_started -> silence": "bare loop 11, pipecat 26 to 29, openai-agents 111",
    "truncation: told - really heard": "bare loop -11, openai-agents +102, pipecat +33 to +311",
}
"""Milliseconds that were measured once on another machine, with another sound path; not in this run."""

_ROOM_S_PER_TURN = 20.0
_ROOM_S = 60.0


def measure(out: Path, turns: int, say: Callable[[str], None]) -> bool:
    """Measure the hops of a conversation.

    Args:
        out: Where ``latency.json`` and the logs are written; made if missing.
        turns: Conversations to hold.
        say: Told what happens.

    Returns:
        Whether every conversation worked.
    """
    out.mkdir(parents=True, exist_ok=True)
    try:
        measured = asyncio.run(_measure(out / "logs", turns, say))
    except SpeakerdError as error:
        say(f"the bench broke off: {error}")
        return False
    figures = {name: summary(values) for name, values in measured.items() if values}
    text = json.dumps({**machine(), "conversations": turns, "ms": figures}, indent=2) + "\n"
    (out / "latency.json").write_text(text, encoding="utf-8")
    say("")
    say(format_figures(figures))
    say(f"written to {out / 'latency.json'}")
    return True


async def _measure(logs: Path, turns: int, say: Callable[[str], None]) -> dict[str, list[float]]:
    """Hold the conversations and return every hop of each, in milliseconds."""
    measured: dict[str, list[float]] = {name: [] for name, _ in timeline.HOPS}
    room_s = _ROOM_S + turns * _ROOM_S_PER_TURN
    async with Stage(logs, tier="scripted", replies=REPLIES, config=CONFIG, room_s=room_s) as stage:
        for number in range(1, turns + 1):
            performer = Performer(stage, STORY, lambda _line: None, understands=False)
            await asyncio.to_thread(performer.rehearse)
            await performer.play()
            begin_s = performer.spoken[0].begin_s
            sounds = stage.room.audible_spans(begin_s, stage.room.now_s(), threshold=1)
            told = timeline.build(stage.marks(after_s=begin_s), performer.spoken, sounds)
            for name, measure in timeline.HOPS:
                measured[name] += [value for turn in told.turns if (value := measure(turn)) is not None]
            say(f"conversation {number} of {turns}")
    return measured


def format_figures(figures: dict[str, dict[str, float]]) -> str:
    """Return the figures as a table beside the published ones."""
    rows = [f"{'milliseconds, on the virtual card':<36}{'median':>8}{'p95':>8}{'n':>5}  published, not measured here"]
    rows += [
        f"{name:<36}{each['median']:>8.0f}{each['p95']:>8.0f}{each['count']:>5}  {PUBLISHED.get(name, '')}".rstrip()
        for name, each in figures.items()
    ]
    return "\n".join(rows)
