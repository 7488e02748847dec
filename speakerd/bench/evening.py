"""``speakerd bench evening``: a random evening with the real daemon, in which much goes wrong; what is left of it.

Time is scaled, and this is how: replies take one to three seconds, the window for going on is 1.2 s in place of eight,
a session lives 20 s in place of thirty minutes, and nobody rests between two conversations longer than the wake word's
refractory time. Two hundred turns, an hour or more of an evening in a kitchen, take 15 minutes (measured). Nothing else
is scaled: the daemon's deadlines, its patience and every thread run in real time.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from speakerd.bench.evening_plan import scenes
from speakerd.bench.evening_play import FOLLOW_UP_S, REST_WITHIN_S, Evening, threads_and_files, turns_begun
from speakerd.bench.figures import Figure, format_table, holds, machine
from speakerd.bench.service import resident_mb
from speakerd.core.errors import SpeakerdError
from speakerd.demo.props import HEADPHONES
from speakerd.demo.stage import Stage

SEED = 1
"""Of the evening that is played unless told otherwise."""

RSS_MB_PER_100_TURNS = 3.0
"""How much the daemon may grow (chosen: thrice what the allocator's own noise comes to in so many turns)."""

STATUS_MS = 1000.0
"""How long it may take to say how it is (specified)."""

TOLD_OVER_MS = 60
"""How much more than was heard of a cut reply the service may be told, both by the diary (chosen: its marks come as
late as the loop is busy, 24 ms on two crowded cores, measured; a playhead that miscounts is some 200 ms off)."""

WARM_TURNS = 20
"""Growth is counted from here on: what is loaded late is there by then (chosen)."""

_SAMPLES = 5
"""The middle of so many samples at either end is compared (chosen: one may fall into a garbage collection)."""

_GRACE_S = 2.5
"""A turn's line is written a second after its end; then the daemon is told to end."""

_ROOM_S_PER_TURN, _ROOM_S = 25.0, 180.0
_LINE = re.compile(r"\bturn (\d+): conversation=(\d+) .*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sample:
    """The daemon at rest after a scene."""

    turns: int
    """How many turns it has had."""

    rss_mb: float
    """Resident memory."""

    threads: int
    """Threads."""

    files: int
    """Open file descriptors."""


@dataclass(slots=True)
class Told:
    """What an evening came to."""

    turns: int = 0
    """By the diary."""

    lines: int = 0
    """In the journal."""

    scenes: int = 0
    """Conversations and attempts."""

    troubles: dict[str, int] = field(default_factory=dict)
    """What went wrong on purpose, and how often."""

    endings: dict[str, int] = field(default_factory=dict)
    """How the turns ended, by their lines."""

    unanswered: int = 0
    """Questions that were not answered, with nothing in their way but a moment's delay."""

    wedges: int = 0
    """Scenes after which the daemon did not come to rest, or did not answer."""

    broken: str | None = None
    """Why the evening broke off."""

    status_ms: float = 0.0
    """The slowest answer at the control socket."""

    rest_s: float = 0.0
    """The longest way to rest."""

    xruns: int = 0
    """By the turns' lines."""

    starvations: int = 0
    """By the turns' lines."""

    told_over_ms: int | None = None
    """The most by which the service was told of a cut reply more than was heard of it."""

    tracebacks: int = 0
    """In the daemon's log."""

    exit_code: int | None = None
    """How the daemon ended when it was told to."""

    samples: list[Sample] = field(default_factory=list)
    """One for each scene."""


def measure(out: Path, turns: int, say: Callable[[str], None], *, seed: int = SEED) -> bool:
    """Play an evening and print what it came to.

    Args:
        out: Where ``evening.json`` and the logs are written; made if missing.
        turns: How many turns the diary must have.
        say: Told what happens.
        seed: Which evening.

    Returns:
        Whether no limit was missed.
    """
    out.mkdir(parents=True, exist_ok=True)
    before = machine()
    say(f"the evening of seed {seed}, {turns} turns; --seed {seed} plays it again")
    try:
        told = asyncio.run(_play(out / "logs", turns, seed, say))
    except SpeakerdError as error:
        say(f"the bench broke off: {error}")
        return False
    rows = figures(told)
    data = {**before, "seed": seed, "figures": [row.shown() for row in rows], **asdict(told)}
    (out / "evening.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    for line in ("", *_counted(told), "", format_table(rows), f"written to {out / 'evening.json'}"):
        say(line)
    return holds(rows)


async def _play(logs: Path, turns: int, seed: int, say: Callable[[str], None]) -> Told:
    config: dict[str, Any] = {"conversation": {"follow_up_s": FOLLOW_UP_S}}
    room_s = _ROOM_S + turns * _ROOM_S_PER_TURN
    told = Told()
    async with Stage(
        logs, tier="scripted", card=HEADPHONES, config=config, room_s=room_s, start_service=False, start_daemon=False
    ) as stage:
        evening = Evening(stage)
        await evening.begin()
        for scene in scenes(seed):
            say(f"scene {scene.number}, turn {told.turns}: {scene.told()}")
            told.scenes = scene.number
            if scene.trouble is not None:
                told.troubles[scene.trouble.name] = told.troubles.get(scene.trouble.name, 0) + 1
            try:
                await evening.play(scene)
            except SpeakerdError as error:
                told.wedges, told.broken = 1, f"scene {scene.number}: {error}"
                say(f"the evening breaks off in {told.broken}")
                break
            told.turns = turns_begun(stage.marks())
            told.samples.append(_sample(stage, told.turns))
            if told.turns >= turns:
                break
        await asyncio.sleep(_GRACE_S)
        told.exit_code = await stage.stop_daemon()
        told.unanswered, told.rest_s = evening.unanswered, round(evening.slowest_rest_s, 2)
        told.status_ms = evening.slowest_status_ms
        told.turns = turns_begun(stage.marks())
        read_log(stage.log(), told)
    return told


def _sample(stage: Stage, turns: int) -> Sample:
    stage.daemon.require_alive()
    assert stage.daemon.pid is not None
    return Sample(turns, round(resident_mb(stage.daemon.pid), 2), *threads_and_files(stage.daemon.pid))


def read_log(log: str, told: Told) -> None:
    """Take in what the daemon's log says of its turns."""
    lines = [dict(pair.split("=", 1) for pair in found[0].split()[2:]) for found in _LINE.finditer(log)]
    told.lines = len(lines)
    told.endings = dict(Counter(line["ended"] for line in lines).most_common())
    told.xruns = sum(int(line["xruns"]) for line in lines)
    told.starvations = sum(int(line["starvations"]) for line in lines)
    cut = [line for line in lines if line["told_ms"] != "-"]
    told.told_over_ms = max((int(line["told_ms"]) - int(line["heard_ms"]) for line in cut), default=None)
    told.tracebacks = log.count("Traceback (most recent call last)")


def figures(told: Told) -> list[Figure]:
    """Return the rows beside their limits."""
    growth = grown(told.samples)
    return [
        Figure("turns, by the diary", told.turns, ""),
        Figure("turns without a line in the journal, or lines without a turn", abs(told.turns - told.lines), "", 0),
        Figure("wedges: not at rest in time, or no answer", told.wedges, "", 0),
        Figure("questions with nothing in their way, not answered", told.unanswered, "", 0),
        Figure("truncation: told - heard by the diary, the worst", told.told_over_ms, "ms", TOLD_OVER_MS),
        Figure("slowest answer at the control socket", told.status_ms, "ms", STATUS_MS),
        Figure("longest from the last word to rest", told.rest_s, "s", REST_WITHIN_S),
        Figure("resident memory, growth in 100 turns", growth and growth[0], "MB", RSS_MB_PER_100_TURNS),
        Figure("threads, more at the end", growth and growth[1], "", 0),
        Figure("file descriptors, more at the end", growth and growth[2], "", 0),
        Figure("tracebacks in the daemon's log", told.tracebacks, "", 0),
        Figure("exit code of the daemon when told to stop", told.exit_code, "", 0),
        Figure("xruns, pulled cards included", told.xruns, ""),
        Figure("starvations, lost links included", told.starvations, ""),
    ]


def grown(samples: Sequence[Sample]) -> tuple[float, float, float] | None:
    """Return how much memory in 100 turns, and how many threads and descriptors, came since the daemon was warm.

    None: too few turns to say.
    """
    warm = [sample for sample in samples if sample.turns >= WARM_TURNS]
    first, last = warm[:_SAMPLES], warm[-_SAMPLES:]
    if len(warm) < 2 * _SAMPLES:
        return None
    turns = median(sample.turns for sample in last) - median(sample.turns for sample in first)
    rss_mb = _middle(last, "rss_mb") - _middle(first, "rss_mb")
    return (
        round(100 * rss_mb / turns, 2),
        _middle(last, "threads") - _middle(first, "threads"),
        _middle(last, "files") - _middle(first, "files"),
    )


def _middle(samples: Sequence[Sample], name: str) -> float:
    return float(median(getattr(sample, name) for sample in samples))


def _counted(told: Told) -> list[str]:
    troubles = ", ".join(f"{name} {count}" for name, count in sorted(told.troubles.items()))
    endings = ", ".join(f"{name} {count}" for name, count in told.endings.items())
    return [f"{told.scenes} scenes; troubles: {troubles or 'none'}", f"turns ended: {endings or 'none'}"]
