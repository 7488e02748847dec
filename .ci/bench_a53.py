"""Count the instructions of the wake path on an emulated Cortex-A53, with the wheels that a Raspberry Pi gets.

    .venv/bin/python .ci/bench_a53.py [--release bookworm|trixie] [--only TASK ...] [--out DIR]

And prove that these wheels are imported there at all: a library that was built for a newer processor ends with an
illegal instruction. Instructions are exact and the same on every machine; seconds on a real board are only guessed
from them. A tool for developers: it keeps 0.8 GB and takes mmdebstrap, so it is no topic of ``speakerd bench``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import a53_figures  # noqa: E402 - found through the line above
import a53_guest  # noqa: E402 - the same
import a53_machine  # noqa: E402 - the same
import numpy as np  # noqa: E402 - the same
import pytest  # noqa: E402 - the same

from speakerd.bench.figures import format_table, holds, machine  # noqa: E402 - the same
from speakerd.core.errors import WakeError  # noqa: E402 - the same
from speakerd.wake import models  # noqa: E402 - the same
from speakerd.wake.detector import Detector, OpenWakeWord  # noqa: E402 - the same
from speakerd.wake.lean import Lean  # noqa: E402 - the same
from tests.booted import root  # noqa: E402 - the same
from tests.fakes.voices import say  # noqa: E402 - the same

WORD = a53_guest.WORD
"""The wake word whose engines are measured."""

RATE_HZ, CHUNK_FRAMES = 16_000, 1280
"""Of the wake path (specified)."""

VOICE = "espeak"
"""A voice that every machine with the tests' packages has, and that says the same everywhere."""

TEXT = (
    "The kettle is on the stove, and the radio plays something slow. Nobody in this kitchen is in a hurry today. "
    "Would you like some tea with your bread, or shall we wait until the others come back from the market?"
)
"""Speech that is not the wake word, some twelve seconds of it."""

ROOM_PEAK = 10
"""The level of a quiet room, in steps of the converter (measured: reference recordings)."""


def sounds() -> dict[str, np.ndarray]:
    """Return what the engines hear, by name; int16 at 16 kHz."""
    noise = np.random.default_rng(7)

    def quiet(seconds: float) -> np.ndarray:
        return np.round(noise.standard_normal(round(seconds * RATE_HZ)) * ROOM_PEAK).astype(np.int16)

    speech = say(TEXT, RATE_HZ, VOICE)
    word = np.concatenate((quiet(2.0), say("hey jarvis", RATE_HZ, VOICE), quiet(1.0)))
    return {"speech": speech, "quiet": quiet(12.0), "word": word}


def trace(engine: Detector, frames: np.ndarray) -> list[float]:
    """Return an engine's scores, chunk by chunk."""
    chunks = frames[: len(frames) // CHUNK_FRAMES * CHUNK_FRAMES].reshape(-1, CHUNK_FRAMES)
    return [engine.score(chunk)[WORD] for chunk in chunks]


def image_of(release: str, heard: dict[str, np.ndarray], folder: Path) -> Path:
    """Return the root of a run: what is kept of a release, and what this checkout adds."""
    tree, image = folder / "tree", folder / "image.cpio"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "speakerd", tree / "packages/speakerd", ignore=ignored)
    shutil.copytree(models.model_dir(), tree / "models", ignore=ignored)
    shutil.copy(ROOT / ".ci/a53_guest.py", tree / "guest.py")
    (tree / "sounds").mkdir()
    for name, frames in heard.items():
        frames.astype("<i2").tofile(tree / "sounds" / f"{name}.s16")
    a53_machine.pack(tree, folder / "added.cpio")
    with image.open("wb") as file:
        for part in (a53_machine.base_of(release), folder / "added.cpio"):
            file.write(part.read_bytes())
    return image


def measure(
    release: str, only: list[str], out: Path, heard: dict[str, np.ndarray], right: dict[str, list[float]]
) -> bool:
    """Measure on one release, print the table and write it; return whether no limit is missed."""
    command, version = a53_machine.emulator()
    lines: list[str] = []

    def on_line(line: str) -> None:
        lines.append(line)
        if '"fact": "end"' in line:
            task = json.loads(line.removeprefix(a53_figures.MARK))
            print(f"    {task['task']:32} ended: {task['ended']}, {task['took_s']} s of its time", flush=True)

    with tempfile.TemporaryDirectory(prefix="speakerd-a53-") as scratch:
        image = image_of(release, heard, Path(scratch))
        print(f"==> {release} on an emulated Cortex-A53, {version}; about three minutes", flush=True)
        begun_s = time.monotonic()
        a53_machine.run(command, image, only, on_line)
    (out / f"a53-{release}.log").write_text("\n".join(lines), encoding="utf-8")
    run = a53_figures.read(lines)
    rows = a53_figures.figures(run, right)
    took_s = time.monotonic() - begun_s
    print(f"\n{release}, Python {run.machine['python']}, Linux {run.machine['kernel']}, {took_s:.0f} s")
    print(format_table(rows))
    for task in run.tasks.values():
        if task.died:
            print(f"{task.name} {task.died}: {(task.said.strip().splitlines() or ['it said nothing'])[-1]}")
    speech_m = run.millions("lean", "chunk")
    if speech_m is not None:
        print(f"of a core of a Zero 2 W, in speech: {a53_figures.share(speech_m)} (estimate)")
    found = {
        "release": release,
        "emulator": version,
        "emulated": run.machine,
        "wheels": a53_machine.wheels_of(release),
        "host": machine(),
        "figures": [row.shown() for row in rows],
        "tasks": {name: {"ended": task.ended, **task.found} for name, task in run.tasks.items()},
    }
    (out / f"a53-{release}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return holds(rows)


def main() -> None:
    """Measure on each release."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--release", choices=sorted(root.PYTHONS), help="only this one")
    tasks = [a53_guest.IMPORTS, *a53_guest.TASKS]
    parser.add_argument("--only", nargs="+", default=[], choices=tasks, help="measure only this")
    parser.add_argument("--out", type=Path, default=Path("bench"))
    asked = parser.parse_args()
    try:
        asked.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sys.exit(f"cannot write into {asked.out}: {error.strerror}")
    try:
        a53_machine.check_tools()
        a53_machine.check_room(a53_machine.cache())
        heard = sounds()
        files = {WORD: models.resolve(WORD)}, models.features()
        engines: dict[str, Detector] = {"lean": Lean(*files), "openwakeword": OpenWakeWord(*files)}
        right = {name: trace(engine, heard["word"]) for name, engine in engines.items()}
        releases = [asked.release] if asked.release else list(root.PYTHONS)
        good = [measure(release, asked.only, asked.out, heard, right) for release in releases]
    except (a53_machine.BenchError, a53_figures.ConsoleError, WakeError, pytest.skip.Exception) as error:
        sys.exit(str(error))
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
