"""Twenty sessions at once, each as a speaker would hold it: audio in real time both ways. Figures with ``-s``."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect

from speakerd.embedded.spawn import SpawnedService

SESSIONS = 20
TURNS = 2
FRAME_MS = 20
LATE_S = 0.25
"""How late a delta may be: less than the loudspeaker's ring of 300 ms holds."""
MEMORY_MB = 8.0
"""How much a session may cost."""

REPLY = "It hums for about three seconds in every one of them."
SERVE = (
    "import asyncio; from speakerd.embedded.emulate import emulate;"
    "asyncio.run(emulate(port=0, tier='scripted', paced=True))"
)
AUTH = {"Authorization": "Bearer local"}


def speech(spoken_ms: int) -> list[str]:
    """Return appends of one frame each: a tone as loud as speech, and the silence that ends the turn."""
    length = 24 * FRAME_MS
    tone = (3000 * np.sin(2 * np.pi * 220 * np.arange(length) / 24_000)).astype("<i2").tobytes()
    frames = [tone] * (spoken_ms // FRAME_MS) + [bytes(len(tone))] * (600 // FRAME_MS)
    return [
        json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(frame).decode()}) for frame in frames
    ]


async def microphone(socket: ClientConnection, spoken: asyncio.Event) -> None:
    """Send frames in real time for ever: what is said once for each time the event is set, else silence."""
    loop = asyncio.get_running_loop()
    silence = speech(0)[0]
    words: list[str] = []
    due_s = loop.time()
    for _ in itertools.count():
        if spoken.is_set():
            spoken.clear()
            words = speech(1000)
        await socket.send(words.pop(0) if words else silence)
        due_s += FRAME_MS / 1000
        await asyncio.sleep(max(0.0, due_s - loop.time()))


async def hold(url: str, everybody: asyncio.Barrier) -> list[float]:
    """Hold some turns and return how late each delta was after the first of its turn, in seconds."""
    loop = asyncio.get_running_loop()
    late_s: list[float] = []
    async with connect(f"{url}/realtime?model=m", additional_headers=AUTH, compression=None, proxy=None) as socket:
        await everybody.wait()
        spoken = asyncio.Event()
        speaking = asyncio.create_task(microphone(socket, spoken))
        for _ in range(TURNS):
            spoken.set()
            due_s: float | None = None
            while (event := json.loads(await socket.recv()))["type"] != "response.done":
                if event["type"] == "response.output_audio.delta":
                    due_s = due_s or loop.time()
                    late_s.append(loop.time() - due_s)
                    due_s += len(event["delta"]) * 3 / 4 / 48_000
            assert event["response"]["status"] == "completed"
        await everybody.wait()  # so that memory is measured while all are there
        await everybody.wait()
        speaking.cancel()
    return late_s


def spent_s(process_id: int) -> float:
    """Return the CPU seconds of a process."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(process_id: int) -> float:
    """Return the resident memory of a process."""
    return int(Path(f"/proc/{process_id}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def test_twenty_sessions_without_a_late_delta(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty paced conversations on one service: no delta is late, and a session costs little memory."""
    monkeypatch.setenv("SPEAKERD_EMULATE_SCRIPT", json.dumps([REPLY]))
    async with SpawnedService(command=(sys.executable, "-c", SERVE)) as service:
        assert service._process is not None
        process_id = service._process.pid
        before_mb, before_s, begun_s = resident_mb(process_id), spent_s(process_id), time.monotonic()
        everybody = asyncio.Barrier(SESSIONS + 1)
        async with asyncio.TaskGroup() as group:
            held = [group.create_task(hold(service.url, everybody)) for _ in range(SESSIONS)]
            await everybody.wait()
            await everybody.wait()
            took_s = time.monotonic() - begun_s
            memory_mb = (resident_mb(process_id) - before_mb) / SESSIONS
            cpu_s = spent_s(process_id) - before_s
            await everybody.wait()
    late_s = [late for session in held for late in session.result()]
    worst_ms, middle_ms = max(late_s) * 1000, statistics.median(late_s) * 1000
    load = cpu_s / took_s
    figures = (
        f"{SESSIONS} sessions of {TURNS} turns, {took_s:.1f} s: {len(late_s)} deltas late by {worst_ms:.0f} ms at most",
        f"{middle_ms:.1f} ms in the middle; CPU {load * 100:.0f} % of a core",
        f"{load / SESSIONS * 1000:.1f} ms a second for each; memory {before_mb:.0f} MB before",
        f"{memory_mb:.2f} MB more for each",
    )
    print("\n" + ", ".join(figures))  # noqa: T201 - for pytest -s
    assert len(late_s) >= SESSIONS * TURNS * 5
    assert max(late_s) < LATE_S
    assert memory_mb < MEMORY_MB
