"""The neural tier measured: how soon it is ready, what it holds in memory, how soon it answers a spoken question."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speakerd.bench.figures import Figure, summary
from speakerd.bench.service import Service, cpu_s, peak_mb, resident_mb, serving
from speakerd.bench.talker import SILENCE_MS, dialler, talking
from speakerd.core.units import WIRE_RATE_HZ
from speakerd.demo.mouth import SPEECH_RATE_HZ, find_mouth
from speakerd.demo.room import resample

FIRST_AUDIO_MS, RESIDENT_MB, READY_S = 900.0, 500.0, 6.0
"""What may not be passed: the middle of the latencies, memory at any time, the slowest start (specified)."""

STARTS = 3
"""How often the service is started; the slowest one counts (chosen: the first may read the weights from the disk)."""

PAUSE_S = 1.0
"""Between an answer and the next question (chosen)."""

QUESTIONS = (
    ("What is the capital of France?", "Paris"),
    ("What time is it?", "It is"),
    ("What is twelve times seven?", "84"),
    ("Tell me a joke.", "microphone"),
    ("What is the capital of Japan?", "Tokyo"),
    ("How many meters are in three kilometers?", "3000"),
    ("Who are you?", "speakerd"),
    ("What is fifteen percent of eighty?", "12"),
    ("What day is it today?", "Today is"),
    ("Repeat after me: the kettle is on.", "kettle"),
    ("What is the capital of Italy?", "Rome"),
    ("What is one hundred minus forty one?", "59"),
)
"""What is asked, and what stands in the right answer."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One question and how it was answered."""

    question: str
    """What was said."""

    first_audio_ms: float
    """From the last frame of the question to the first audio of the answer."""

    right: bool
    """Whether the answer holds what it must."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of the tier."""

    ready_s: list[float]
    """From spawning to listening, for each start."""

    answered: list[Answered]
    """The questions, in order."""

    ready_mb: float
    """Resident memory before the first session."""

    after_mb: float
    """Resident memory after the last question."""

    peak_mb: float
    """The most resident memory at any time."""

    cpu_ms_per_s: float
    """CPU milliseconds for each second of the session's audio."""


async def measure(logs: Path, questions: int, say: Callable[[str], None]) -> Measured:
    """Start the tier some times, then ask the last one in real time.

    Args:
        logs: Where the service's output goes; must be there.
        questions: How many, taken from ``QUESTIONS`` round and round.
        say: Told what happens.

    Raises:
        SpeakerdError: the tier is not installed (code ``embedded-tier``), or something broke.
    """
    ready_s: list[float] = []
    for number in range(1, STARTS):
        async with serving("neural", logs / "neural.log") as service:
            ready_s.append(service.ready_s)
        say(f"neural: start {number} of {STARTS} was ready after {service.ready_s:.2f} s")
    mouth = await asyncio.to_thread(find_mouth)
    asked = list(itertools.islice(itertools.cycle(QUESTIONS), questions))
    spoken = {words: await asyncio.to_thread(wire_speech, mouth.speak, words) for words, _ in asked}
    async with serving("neural", logs / "neural.log") as service:
        ready_s.append(service.ready_s)
        say(f"neural: start {STARTS} of {STARTS} was ready after {service.ready_s:.2f} s; asking, as {mouth.name}")
        return await _asked(service, [(*each, spoken[each[0]]) for each in asked], ready_s, say)


async def _asked(
    service: Service, asked: list[tuple[str, str, bytes]], ready_s: list[float], say: Callable[[str], None]
) -> Measured:
    """Ask in one session and return what was measured."""
    loop = asyncio.get_running_loop()
    ready_mb = resident_mb(service.pid)
    answered: list[Answered] = []
    dial = dialler(service.url)
    await dial.warm()
    async with talking(dial) as talker:
        begun_s, begun_cpu_s = loop.time(), cpu_s(service.pid)
        for question, expected, pcm in asked:
            reply, said_s = await talker.ask(pcm)
            assert reply.first_s is not None
            took_ms = (reply.first_s - said_s) * 1000
            answered.append(Answered(question, round(took_ms, 1), expected in reply.text))
            say(f"neural: {took_ms:4.0f} ms  {question}  ->  {reply.text}")
            await asyncio.sleep(PAUSE_S)
        cpu_ms_per_s = (cpu_s(service.pid) - begun_cpu_s) / (loop.time() - begun_s) * 1000
        after_mb = resident_mb(service.pid)
    return Measured(ready_s, answered, ready_mb, after_mb, peak_mb(service.pid), cpu_ms_per_s)


def figures(measured: Measured | None) -> list[Figure]:
    """Return the rows of the tier beside their limits; None: it could not be measured."""
    name = f"neural: end of speech -> first audio ({SILENCE_MS} ms of VAD silence)"
    if measured is None:
        return [
            Figure("neural: spawn -> ready", None, "s", READY_S),
            Figure("neural: resident memory", None, "MB", RESIDENT_MB),
            Figure(f"{name}, median", None, "ms", FIRST_AUDIO_MS),
        ]
    first = summary([each.first_audio_ms for each in measured.answered])
    right = sum(each.right for each in measured.answered)
    return [
        Figure(
            f"neural: spawn -> ready, slowest of {len(measured.ready_s)} starts", max(measured.ready_s), "s", READY_S
        ),
        Figure("neural: resident memory, ready", measured.ready_mb, "MB", RESIDENT_MB),
        Figure(
            f"neural: resident memory, after {len(measured.answered)} questions", measured.after_mb, "MB", RESIDENT_MB
        ),
        Figure("neural: resident memory, the most at any time", measured.peak_mb, "MB", RESIDENT_MB),
        Figure(f"{name}, median", first["median"], "ms", FIRST_AUDIO_MS),
        Figure("neural: the same, least", first["min"], "ms"),
        Figure("neural: the same, 95th percentile", first["p95"], "ms"),
        Figure("neural: the same, most", first["max"], "ms"),
        Figure(f"neural: right answers of {len(measured.answered)}", right, ""),
        Figure("neural: CPU for each second of audio", measured.cpu_ms_per_s, "ms"),
    ]


def wire_speech(speak: Callable[[str], NDArray[np.int16]], words: str) -> bytes:
    """Return a sentence as wire audio, without silence around it."""
    return resample(speak(words), SPEECH_RATE_HZ, WIRE_RATE_HZ).astype("<i2").tobytes()
