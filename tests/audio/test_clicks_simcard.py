"""A tone on the virtual card never jumps by more than a tone does: begun, ended, run dry, cut, and under an earcon."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from speakerd.audio.alsa import open_playback
from speakerd.audio.loudspeaker import Loudspeaker
from speakerd.core.actions import Earcon
from speakerd.core.events import Device, DeviceFound, Event, PlaybackDrained
from speakerd.core.pcm import Int16
from speakerd.core.units import ItemId, ResponseId
from speakerd.demo import simcard
from speakerd.demo.room import ROOM_RATE_HZ, Room
from tests.fakes.ports import FakeTrace

LEVEL = 8000
TONE_HZ = 440
OWN_STEP = LEVEL * 2 * np.pi * TONE_HZ / ROOM_RATE_HZ
"""What the tone moves in one frame of the room at most: 461."""

PATIENCE_S = 20.0


def tone(ms: int, *, from_ms: int = 0) -> Int16:
    """Return a part of an endless tone, which begins and ends anywhere in its wave."""
    time_s = np.arange(from_ms * 24, (from_ms + ms) * 24) / 24_000
    wave: Int16 = np.rint(LEVEL * np.sin(2 * np.pi * TONE_HZ * time_s + 0.7)).astype(np.int16)
    return wave


class Bench:
    """A loudspeaker in a room."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.events: list[Event] = []
        self.changed = asyncio.Event()
        self.trace = FakeTrace()
        self.speaker = Loudspeaker(
            device="speaker",
            open_pcm=open_playback,
            on_event=self._on_event,
            now=time.monotonic,
            trace=self.trace,
            earcons=True,
        )
        self.replies = 0

    def _on_event(self, event: Event) -> None:
        self.events.append(event)
        self.changed.set()

    async def until(self, event: Event) -> None:
        """Wait for the next such event."""
        async with asyncio.timeout(PATIENCE_S):
            while event not in self.events:
                self.changed.clear()
                await self.changed.wait()
        self.events.clear()

    def say(self, pcm: Int16, *, same: bool = False) -> ResponseId:
        """Let a reply arrive at once, or more of the last one."""
        self.replies += 0 if same else 1
        response_id = ResponseId(f"resp_{self.replies}")
        self.speaker.accept(response_id)
        self.speaker.enqueue(response_id, ItemId(f"item_{self.replies}"), pcm.tobytes())
        return response_id

    async def heard_since(self, start_s: float) -> Int16:
        """Return what the room heard until what is audible now is over."""
        await asyncio.sleep(0.15)  # what the card holds, and the room
        return self.room.heard(start_s, self.room.now_s() - 0.01)

    def xruns(self) -> int:
        """Return how often this machine was too busy for the card."""
        return int(self.speaker.status()["xruns"])


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """A loudspeaker that was found."""
    with Room.create(tmp_path / "room", length_s=60) as room:
        plugin = simcard.build(tmp_path / "plugin")
        monkeypatch.setenv("ALSA_CONFIG_PATH", str(simcard.write_asound_conf(tmp_path, room.path, plugin)))
        bench = Bench(room)
        task = asyncio.create_task(bench.speaker.run())
        try:
            await bench.until(DeviceFound(Device.LOUDSPEAKER))
            yield bench
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def largest_step(heard: Int16) -> int:
    """Return by how much the sound moves at most from one frame to the next."""
    return int(np.abs(np.diff(heard.astype(int))).max())


async def test_a_reply_begins_and_ends_without_a_click(bench: Bench) -> None:
    """In mid-wave, the first and the last frame are next to silence."""
    start_s = bench.room.now_s()
    bench.speaker.end_of_audio(bench.say(tone(400)))
    await bench.until(PlaybackDrained())
    heard = await bench.heard_since(start_s)
    assert np.abs(heard).max() > 0.99 * LEVEL
    assert largest_step(heard) <= OWN_STEP + 2


async def test_a_reply_that_runs_dry_fades_out_and_in(bench: Bench) -> None:
    """The gap has no edges."""
    start_s = bench.room.now_s()
    bench.say(tone(300))
    await bench.until(PlaybackDrained())
    await asyncio.sleep(0.1)  # what is in the card by now is shorter than what counts as a gap
    bench.speaker.end_of_audio(bench.say(tone(300, from_ms=300), same=True))
    await bench.until(PlaybackDrained())
    heard = await bench.heard_since(start_s)
    assert bench.speaker.status()["starvations"] == 1
    assert len(bench.room.audible_spans(start_s, bench.room.now_s() - 0.01)) == 2
    assert largest_step(heard) <= OWN_STEP + 2


async def test_an_earcon_over_a_reply_does_not_click(bench: Bench) -> None:
    """Neither the ducking nor the mixing moves anything faster than the two sounds do."""
    start_s = bench.room.now_s()
    response_id = bench.say(tone(1200))
    bench.speaker.play_earcon(Earcon.END)
    bench.speaker.end_of_audio(response_id)
    await bench.until(PlaybackDrained())
    heard = await bench.heard_since(start_s)
    assert largest_step(heard) <= 3 * OWN_STEP


async def test_a_flush_cuts_where_there_is_nearly_nothing_to_cut(bench: Bench) -> None:
    """Most cuts are no steeper than the tone itself; a machine that is busy for a moment may miss one."""
    steps = []
    for n in range(9):
        start_s = bench.room.now_s()
        bench.say(tone(2000))
        await asyncio.sleep(0.2 + 0.0043 * n)  # anywhere in the period and in the wave
        bench.speaker.flush()
        flushed_s = bench.room.now_s()
        heard = await bench.heard_since(start_s)
        last = int(np.flatnonzero(heard)[-1])
        assert start_s + last / ROOM_RATE_HZ - flushed_s < 0.03 + 0.05  # the budget, and a busy machine
        steps.append(largest_step(heard[last - 2000 :]))
    assert statistics.median(steps) <= 2 * OWN_STEP
