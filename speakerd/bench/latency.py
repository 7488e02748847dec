"""``speakerd bench latency``: every hop of a conversation, beside the least program of its kind in the same run.

Both talk to one scripted service through one tap, on one virtual card, in the same words. Half of the bare program's
conversations come before the daemon's and half after, so that a machine that grows busier is noticed by both.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from speakerd.bench import talks
from speakerd.bench.figures import format_table, holds, machine, summary
from speakerd.bench.hops import Hop, Values, gather, targets
from speakerd.bench.service import serving
from speakerd.bench.wire_tap import WireTap
from speakerd.core.errors import SpeakerdError
from speakerd.demo.props import HEADPHONES
from speakerd.demo.stage import Stage

PUBLISHED = {
    Hop.FIRST_BYTE: "EchoMuse 258",
    Hop.MICROPHONE: "bare 39, openai-agents 38, pipecat 29 to 34",
    Hop.AUDIBLE: "bare 91, openai-agents 203, pipecat 9 to 16",
    Hop.SILENCE: "bare 11, openai-agents 111, pipecat 26 to 29",
    Hop.TOLD_BEGAN: "bare -11, openai-agents +102, pipecat +33 to +100",
    Hop.TOLD_SILENT: "bare -22, openai-agents -6, pipecat -1 to +29",
    Hop.GAPS: "bare 0, openai-agents 0, pipecat 2 to 5",
}
"""Medians that were measured once on another day, through a sound server: another sound path, not this run."""

_ROOM_S_PER_TURN = 40.0
_ROOM_S = 120.0
_COLUMNS = ("median", "p95", "min", "max", "n", "bare: med.", "p95")


def measure(out: Path, turns: int, say: Callable[[str], None]) -> bool:
    """Measure the hops of a conversation.

    Args:
        out: Where ``latency.json`` and the logs are written; made if missing.
        turns: Conversations to hold with each side.
        say: Told what happens.

    Returns:
        Whether every conversation worked and no target was missed.
    """
    (out / "logs").mkdir(parents=True, exist_ok=True)
    before = machine()
    try:
        ours, bare = asyncio.run(_measure(out / "logs", turns, say))
    except SpeakerdError as error:
        say(f"the bench broke off: {error}")
        return False
    rows = targets(ours, bare)
    data = {
        **before,
        "conversations": turns,
        "figures": [row.shown() for row in rows],
        "ms": {side: _plain(values) for side, values in (("daemon", ours), ("bare", bare))},
    }
    (out / "latency.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    say("")
    say(format_hops(ours, bare))
    say("")
    say(format_table(rows))
    say(f"written to {out / 'latency.json'}")
    return holds(rows)


async def _measure(logs: Path, turns: int, say: Callable[[str], None]) -> tuple[Values, Values]:
    """Hold the conversations and return the hops of the daemon's and of the bare program's."""
    room_s = _ROOM_S + turns * _ROOM_S_PER_TURN
    async with (
        serving("scripted", logs / "service.log", replies=[talks.REPLY]) as service,
        WireTap(service.url) as tap,
        _stage(logs / "stage", tap, room_s) as stage,
    ):
        await asyncio.to_thread(talks.rehearse, stage)
        progress = _Progress(turns, say)
        before = await talks.with_bare(stage, tap, turns // 2, lambda: progress.note("bare"))
        await stage.start_daemon()
        ours = await talks.with_daemon(stage, tap, turns, lambda: progress.note("daemon"))
        await stage.stop_daemon()
        after = await talks.with_bare(stage, tap, turns - turns // 2, lambda: progress.note("bare"))
        return gather(ours), gather([*before, *after])


def _stage(folder: Path, tap: WireTap, room_s: float) -> Stage:
    """Return a room whose daemon reaches its service through the tap."""
    config: dict[str, Any] = {**talks.CONFIG, "service": {"endpoint": tap.url}}
    return Stage(folder, config=config, card=HEADPHONES, room_s=room_s, start_service=False, start_daemon=False)


class _Progress:
    """Counts conversations aloud."""

    def __init__(self, turns: int, say: Callable[[str], None]) -> None:
        self._turns = turns
        self._say = say
        self._done: dict[str, int] = {}

    def note(self, side: str) -> None:
        """Say that one more is over."""
        self._done[side] = self._done.get(side, 0) + 1
        self._say(f"{side}: conversation {self._done[side]} of {self._turns}")


def format_hops(ours: Values, bare: Values) -> str:
    """Return the distribution of every hop beside the bare program's, and the published figures below."""
    width = max(len(hop.value) for hop in Hop)
    head = f"{'milliseconds, on the virtual card':<{width}}" + "".join(f"{name:>8}" for name in _COLUMNS[:4])
    lines = [head + "".join(f"{name:>{size}}" for name, size in zip(_COLUMNS[4:], (6, 12, 8), strict=True))]
    lines += [f"{hop.value:<{width}}{_cells(ours[hop])}{_beside(bare[hop])}".rstrip() for hop in Hop]
    lines += ["", "published medians of others, another day and another sound path, not measured here:"]
    lines += [f"  {hop.value}: {figure}" for hop, figure in PUBLISHED.items()]
    return "\n".join(lines)


def _cells(values: Sequence[float]) -> str:
    if not values:
        return f"{'-':>8}" * 4 + f"{0:>6}"
    each = summary(values)
    shown = "".join(f"{each[name]:>8.0f}" for name in ("median", "p95", "min", "max"))
    return f"{shown}{each['count']:>6}"


def _beside(values: Sequence[float]) -> str:
    if not values:
        return f"{'-':>12}{'-':>8}"
    each = summary(values)
    return f"{each['median']:>12.0f}{each['p95']:>8.0f}"


def _plain(values: Values) -> dict[str, dict[str, Any]]:
    """Return what was measured of each hop, summed up and one by one."""
    return {
        hop.value: {**summary(measured), "values": [round(value, 1) for value in measured]}
        for hop, measured in values.items()
        if measured
    }
