"""Let the wake word's thread body hear a day in a few minutes, and see whether it grows.

    .venv/bin/python -m tests.wake.day [--hours N] [--noise-suppression] [--json]

The worker is the daemon's, with both its rings, its gate and the real engine. Most of the day the room is quiet; four
times an hour somebody says something, the loudspeaker plays something, or the wake word is said.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from speakerd.audio.ring import make_ring
from speakerd.core.wake_gate import WakeTrigger
from speakerd.wake import engine, models
from speakerd.wake.noise import NoiseSuppressor
from speakerd.wake.shapes import CHUNK_FRAMES
from speakerd.wake.worker import WakeWorker
from tests.fakes.long_audio import RATE_HZ, chunked, pink
from tests.fakes.voices import say

HOUR_CHUNKS = 3600 * RATE_HZ // CHUNK_FRAMES
SETTLED_HOURS = 0.25
"""By then everything was done once: what is allocated once is no growth (chosen)."""

QUIET_S = 67.0
"""The room's noise is played over and over, from here to there, at another place each time (chosen: it is no divisor
of anything)."""


@dataclass
class Day:
    """What became of a worker."""

    rss_mb: dict[str, float]
    """Memory by hour."""

    said: int
    """How often the wake word was said."""

    detected: int
    """How often it was heard."""

    open_share: float
    """How much of the time the engine was awake."""

    farthest_s: float
    """How far a detection was from the end of its word, at most."""

    cpu_s: float
    """What all of it took, making the audio included."""

    def __str__(self) -> str:
        return "\n".join(
            [
                f"resident memory, MB: {', '.join(f'{hour} {mb:.2f}' for hour, mb in self.rss_mb.items())}",
                f"wake words said {self.said}, heard {self.detected}, {self.farthest_s:.2f} s from their ends at most",
                f"awake {100 * self.open_share:.2f} % of the time; {self.cpu_s:.0f} s of CPU in all",
            ]
        )


def rss_mb() -> float:
    """Return the memory of this process that is in use."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class House:
    """A worker and the room around it."""

    def __init__(self, *, suppressed: bool) -> None:
        self.heard = 0
        self.farthest_frames = 0
        self._ends_at = 0
        self.near, near_consumer = make_ring(20 * RATE_HZ * 2)
        self.far, far_consumer = make_ring(20 * RATE_HZ * 2)
        words = {"hey_jarvis": models.resolve("hey_jarvis")}
        self.worker = WakeWorker(
            ring=near_consumer,
            far_ring=far_consumer,
            make_detector=lambda: engine.make(words, models.features()),
            trigger=WakeTrigger(0.5, 2.0),
            gated=True,
            suppressor=NoiseSuppressor() if suppressed else None,
            on_detected=lambda _word, _score, at: self.count(at),
            on_ended=lambda _at: None,
            on_failed=lambda _code, _error: None,
            on_ready=lambda: None,
        )
        rng = np.random.default_rng(1)
        self.room = chunked(pink(rng, QUIET_S, 10.0))
        self.word = self.scene(say("hey jarvis", RATE_HZ))
        self.talk = self.scene(say("Could you please turn down the radio in the kitchen?", RATE_HZ))

    def count(self, at: int) -> None:
        """Count a detection, at this position."""
        self.heard += 1
        self.farthest_frames = max(self.farthest_frames, abs(at - self._ends_at))

    def scene(self, said: np.ndarray) -> np.ndarray:
        """Return somebody who says something at an ordinary level in the room."""
        sound = np.concatenate((np.zeros(RATE_HZ), said / 4.0, np.zeros(2 * RATE_HZ)))
        return chunked(sound + self.room.ravel()[: len(sound)])

    def hear(self, chunks: np.ndarray, played: np.ndarray | None = None) -> None:
        """Let the worker take some seconds of audio."""
        silence = bytes(2 * CHUNK_FRAMES)
        for at, chunk in enumerate(chunks):
            self.far.write(silence if played is None else played[at].tobytes())
            self.near.write(chunk.tobytes())
            assert self.worker.pump_once()

    def live(self, hours: float) -> Day:
        """Let so much time go by."""
        begun_s, said, day, sounds = time.process_time(), 0, {"start": rss_mb()}, 0
        due = {round(hour * HOUR_CHUNKS): hour for hour in (SETTLED_HOURS, 1.0, hours / 2, hours) if hour <= hours}
        rng = np.random.default_rng(2)
        while self.worker.chunks < hours * HOUR_CHUNKS:
            before = self.worker.chunks
            if before >= sounds * HOUR_CHUNKS // 4:
                kind, sounds = sounds % 4, sounds + 1
                said += kind in (0, 3)
                self._ends_at = before * CHUNK_FRAMES + len(self.word.ravel()) - 2 * RATE_HZ
                if kind == 2:
                    self.hear(self.talk // 4 + self.room[: len(self.talk)], self.talk)
                else:
                    self.hear(self.talk if kind == 1 else self.word)
            first = int(rng.integers(0, len(self.room) // 2))
            self.hear(self.room[first : first + len(self.room) // 2])
            for chunks in [chunks for chunks in due if chunks <= self.worker.chunks]:
                day[f"{due.pop(chunks):g} h"] = rss_mb()
        return Day(
            {hour: round(mb, 2) for hour, mb in day.items()},
            said,
            self.heard,
            self.worker.scored_chunks / self.worker.chunks,
            self.farthest_frames / RATE_HZ,
            time.process_time() - begun_s,
        )


def main() -> None:
    """Live and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--noise-suppression", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    house = House(suppressed=arguments.noise_suppression)
    house.worker.pump_once()  # makes the engine
    day = house.live(arguments.hours)
    if arguments.json:
        print(json.dumps(asdict(day)))  # noqa: T201 - a command prints
        return
    print(day)  # noqa: T201 - the same


if __name__ == "__main__":
    main()
