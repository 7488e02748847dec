"""Many sessions at once on the scripted tier: how late a delta comes, and what a session costs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from speakerd.bench.figures import Figure, percentile
from speakerd.bench.service import cpu_s, resident_mb, serving
from speakerd.bench.talker import SILENCE_MS, Reply, dialler, talking
from speakerd.core.units import PERIOD_MS, WIRE_RATE_HZ, ms_to_frames
from speakerd.realtime.link import SdkDialler

LATE_MS = 4.0 * PERIOD_MS
"""What a loudspeaker's card holds, four periods: a delta that comes later is a gap in the sound."""

REPLY = "It hums for about six seconds in every one of them, so that many of its deltas are on their way at once."
"""What each is answered with."""

_SPEECH_MS = 1000
_PITCH_HZ, _AMPLITUDE = 220, 3000.0
"""A tone as loud as speech is speech to the scripted tier."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who talks at once, and how much."""

    sessions: int = 20
    """How many (specified)."""

    turns: int = 3
    """How often each says something, at the same moment as all others: the worst case (chosen)."""

    line: str = REPLY
    """What each is answered with."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of a crowd."""

    sessions: int
    """How many there were at once."""

    late_ms: list[float]
    """For every delta of every session: how late it came; the first of a reply is never late."""

    first_ms: list[float]
    """For every reply: from the last frame of what was said to its first audio."""

    empty_mb: float
    """Resident memory of the service before the first session."""

    full_mb: float
    """The same while all are there, after the last reply."""

    cpu_ms_per_s: float
    """CPU milliseconds of the service for each second, all sessions together."""


async def measure(logs: Path, crowd: Crowd, say: Callable[[str], None]) -> Measured:
    """Let sessions talk at once, each streaming in real time and taking a reply that is sent in real time.

    Args:
        logs: Where the service's output goes; must be there.
        crowd: Who talks.
        say: Told what happens.

    Raises:
        SpeakerdError: something broke.
    """
    loop = asyncio.get_running_loop()
    async with serving("scripted", logs / "scripted.log", paced=True, replies=[crowd.line]) as service:
        dial = dialler(service.url)
        await dial.warm()
        say(f"scripted: {crowd.sessions} sessions at once, turns of each: {crowd.turns}")
        empty_mb = resident_mb(service.pid)
        everybody = asyncio.Barrier(crowd.sessions + 1)
        async with asyncio.TaskGroup() as group:
            held = [group.create_task(_hold(dial, everybody, crowd.turns)) for _ in range(crowd.sessions)]
            await everybody.wait()
            begun_s, begun_cpu_s = loop.time(), cpu_s(service.pid)
            await everybody.wait()
            cpu_ms_per_s = (cpu_s(service.pid) - begun_cpu_s) / (loop.time() - begun_s) * 1000
            full_mb = resident_mb(service.pid)
            await everybody.wait()
    replies = [each for session in held for each in session.result()]
    late_ms = [round(late_s * 1000, 1) for reply, _ in replies for late_s in reply.late_s]
    first_ms = [round((reply.first_s - said_s) * 1000, 1) for reply, said_s in replies if reply.first_s is not None]
    return Measured(crowd.sessions, late_ms, first_ms, empty_mb, full_mb, cpu_ms_per_s)


async def _hold(dial: SdkDialler, everybody: asyncio.Barrier, turns: int) -> list[tuple[Reply, float]]:
    """Hold one session, in step with the others, and return its replies and when each was asked for."""
    async with talking(dial) as talker:
        await everybody.wait()
        replies = [await talker.ask(tone()) for _ in range(turns)]
        await everybody.wait()  # memory is read while all are there
        await everybody.wait()
    return replies


def tone() -> bytes:
    """Return what the scripted tier takes for speech, as wire audio."""
    frames = np.arange(ms_to_frames(_SPEECH_MS, WIRE_RATE_HZ))
    return (_AMPLITUDE * np.sin(2 * np.pi * _PITCH_HZ * frames / WIRE_RATE_HZ)).astype("<i2").tobytes()


def figures(measured: Measured) -> list[Figure]:
    """Return the rows of a crowd beside their limits."""
    late = sum(late_ms > LATE_MS for late_ms in measured.late_ms)
    name = f"scripted, {measured.sessions} sessions"
    memory_mb = (measured.full_mb - measured.empty_mb) / measured.sessions
    return [
        Figure(f"{name}: deltas later than {LATE_MS:.0f} ms, of {len(measured.late_ms)}", late, "", 0),
        Figure(f"{name}: the latest delta", max(measured.late_ms), "ms"),
        Figure(f"{name}: lateness, 99th percentile", percentile(measured.late_ms, 99), "ms"),
        Figure(f"{name}: slowest first audio ({SILENCE_MS} ms of VAD silence)", max(measured.first_ms), "ms"),
        Figure(f"{name}: memory for each", memory_mb, "MB"),
        Figure(f"{name}: CPU for each second of each", measured.cpu_ms_per_s / measured.sessions, "ms"),
    ]
