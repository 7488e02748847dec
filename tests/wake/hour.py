"""Compare the daemon's engines with openwakeword as it comes, over an hour of everything.

    .venv/bin/python -m tests.wake.hour [--minutes N] [--seed N]

Four listeners hear the same audio: ``openwakeword.Model`` itself ("stock"), the engine openwakeword, which gives it
streaming features, the lean engine, and the lean engine behind its gate. The exit code is 1 where one of them hears
something else than the others.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from speakerd.core.wake_gate import WakeTrigger
from speakerd.wake import models
from speakerd.wake.detector import OpenWakeWord
from speakerd.wake.gated import GatedDetector
from speakerd.wake.lean import Lean
from speakerd.wake.shapes import CHUNK_FRAMES
from tests.fakes.long_audio import RATE_HZ, mixed
from tests.fakes.stock import Stock

CHUNK_S = CHUNK_FRAMES / RATE_HZ
TOLERANCE = 1e-3
Heard = tuple[int, str]
"""A detection: at which chunk, which word."""

LISTENERS = ("stock", "openwakeword", "lean", "gated")
"""By name."""


@dataclass
class Report:
    """What four listeners made of the same audio."""

    scenes: Counter[str] = field(default_factory=Counter)
    """How many there were of each kind."""

    chunks: int = 0
    """How much audio."""

    open_chunks: int = 0
    """How many the gate let through."""

    off: float = 0.0
    """The largest difference between openwakeword's scores and the lean engine's, on every chunk."""

    off_streamed: float = 0.0
    """The same of the engine openwakeword's, on its streamed features."""

    off_behind_gate: float = 0.0
    """The same behind the gate, where it was open."""

    missed_score: float = 0.0
    """The highest score openwakeword had while the gate was closed."""

    heard: dict[str, list[Heard]] = field(default_factory=lambda: {name: [] for name in LISTENERS})
    """What each listener detected."""

    cpu_s: dict[str, float] = field(default_factory=lambda: dict.fromkeys(LISTENERS, 0.0))
    """What each listener took."""

    @property
    def late_chunks(self) -> int | None:
        """By how much the gate delayed a detection at most; None: one is missing, or there is one more."""
        stock, gated = self.heard["stock"], self.heard["gated"]
        if [word for _, word in stock] != [word for _, word in gated]:
            return None
        return max((mine - right for (right, _), (mine, _) in zip(stock, gated, strict=True)), default=0)

    @property
    def wrong(self) -> list[str]:
        """What does not hold; empty: all does."""
        late = self.late_chunks
        found = {
            f"a score is off by {self.off:.2g}": self.off > TOLERANCE,
            f"a score on streamed features is off by {self.off_streamed:.2g}": self.off_streamed > TOLERANCE,
            f"a score behind the gate is off by {self.off_behind_gate:.2g}": self.off_behind_gate > TOLERANCE,
            "the lean engine detects something else": self.heard["stock"] != self.heard["lean"],
            "the engine openwakeword detects something else": self.heard["stock"] != self.heard["openwakeword"],
            "the gate lost a detection, or made one": late is None,
            f"the gate delayed a detection by {late} chunks": late is not None and late > 1,
            "nothing was said": not self.heard["stock"],
        }
        return [what for what, is_so in found.items() if is_so]

    def __str__(self) -> str:
        open_share = 100 * self.open_chunks / self.chunks
        ms = {name: f"{1000 * cpu_s / self.chunks / CHUNK_S:.2f}" for name, cpu_s in self.cpu_s.items()}
        return "\n".join(
            [
                f"{self.chunks * CHUNK_S / 60:.1f} minutes of audio: "
                + ", ".join(f"{count} times {name}" for name, count in sorted(self.scenes.items())),
                f"detections: {', '.join(f'{name} {len(found)}' for name, found in self.heard.items())}",
                f"largest difference to openwakeword, every chunk:        {self.off:.2g}",
                f"the same of the engine openwakeword, on streamed features: {self.off_streamed:.2g}",
                f"the same behind the gate, where it was open ({open_share:.0f} %): {self.off_behind_gate:.2g}",
                f"the gate's latest detection, in chunks of 80 ms:        {self.late_chunks}",
                f"the highest score while the gate was closed:            {self.missed_score:.2f}",
                f"CPU ms per second of audio: {', '.join(f'{name} {figure}' for name, figure in ms.items())}",
            ]
        )


def compare(minutes: float, seed: int = 1) -> Report:
    """Have all four listen to so much audio."""
    words = {word: models.resolve(word) for word in models.WORDS}
    lean, gated = Lean(words, models.features()), GatedDetector(Lean(words, models.features()))
    listeners = {
        "stock": Stock(words).score,
        "openwakeword": OpenWakeWord(words, models.features()).score,
        "lean": lean.score,
        "gated": gated.score,
    }
    triggers = {name: WakeTrigger(0.5, 2.0) for name in listeners}
    report, scenes, wanted = Report(), mixed(seed), round(minutes * 60 / CHUNK_S)
    while report.chunks < wanted:
        scene = next(scenes)
        report.scenes[scene.name] += 1
        for chunk in scene.chunks:
            scores = {}
            for name, score in listeners.items():
                begun_s = time.thread_time()
                scores[name] = score(chunk)
                report.cpu_s[name] += time.thread_time() - begun_s
                found = triggers[name].process(scores[name], CHUNK_S, playing=False)
                if found is not None:
                    report.heard[name].append((report.chunks, found.model))
            _note(report, scores, is_open=gated.open)
    return report


def _note(report: Report, scores: dict[str, dict[str, float]], *, is_open: bool) -> None:
    right, streamed, lean, gated = (np.array([scores[name][word] for word in models.WORDS]) for name in LISTENERS)
    report.chunks += 1
    report.off = max(report.off, float(np.abs(lean - right).max()))
    report.off_streamed = max(report.off_streamed, float(np.abs(streamed - right).max()))
    if is_open:
        report.open_chunks += 1
        report.off_behind_gate = max(report.off_behind_gate, float(np.abs(gated - right).max()))
    else:
        report.missed_score = max(report.missed_score, float(right.max()))


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    report = compare(arguments.minutes, arguments.seed)
    print(report)  # noqa: T201 - a command prints
    for what in report.wrong:
        print(f"does not hold: {what}")  # noqa: T201 - the same
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
