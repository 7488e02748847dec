"""Measure how long after its start a speaker hears the wake word: the daemon beside a loop on stock openwakeword.

    .venv/bin/python .ci/start_figures.py [--rounds N] [--stock PYTHON]

Both on the virtual card, in turn. As soon as a microphone is opened somebody begins to say the wake word. The word
takes the same time in both, so what is compared is how long its beginning has to wait; when it is detected is told
beside it. The stock program imports openwakeword's ``Model`` (on ONNX), loads it, opens the card and scores. An
interpreter with openwakeword as it installs, scikit-learn included, can be named; without one our own is used, in which
scikit-learn is missing and left out: that is in favour of the stock program.

The exit code is 1 where the daemon takes more than a third of the time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from speakerd.demo.process import Child, StageError  # noqa: E402 - found through the line above
from speakerd.demo.props import as_installed, clean_environment  # noqa: E402
from speakerd.demo.simcard import CardProfile  # noqa: E402
from speakerd.demo.stage import Stage  # noqa: E402
from speakerd.wake import models  # noqa: E402

SHARE = 1 / 3
"""How much of the stock program's time the daemon may take (specified)."""

TIMEOUT_S = 60.0

STOCK = """
import importlib.machinery, importlib.util, sys, types

classifier, melspectrogram, embedding, alsaaudio_path, has_training = sys.argv[1:]
if has_training == "no":
    stand_in = types.ModuleType("openwakeword.custom_verifier_model")
    stand_in.train_custom_verifier = None
    sys.modules[stand_in.__name__] = stand_in
import numpy as np
from openwakeword.model import Model

# By its path: an environment with nothing but openwakeword has none.
loader = importlib.machinery.ExtensionFileLoader("alsaaudio", alsaaudio_path)
alsaaudio = importlib.util.module_from_spec(importlib.util.spec_from_loader("alsaaudio", loader))
model = Model(
    wakeword_models=[classifier],
    inference_framework="onnx",
    melspec_model_path=melspectrogram,
    embedding_model_path=embedding,
)
pcm = alsaaudio.PCM(alsaaudio.PCM_CAPTURE, device="default", rate=16000, channels=1, periodsize=1280, periods=8)
while True:
    frames, audio = pcm.read()
    if frames == 1280 and max(model.predict(np.frombuffer(audio, np.int16)).values()) > 0.5:
        print("detected", flush=True)
        break
"""


@dataclass(frozen=True)
class Start:
    """One start, in seconds from the process's."""

    opened_s: float
    """When the microphone was opened: from then on a word is heard."""

    detected_s: float
    """When the word that began then was detected."""

    cpu_s: float
    """What the process had taken of a core when the microphone was opened: holds on a busy machine, too."""


def cpu_s(child: Child) -> float:
    """Return what a process has taken so far."""
    fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def until(true: Callable[[], bool], alive: Callable[[], None]) -> None:
    """Wait for what another process does."""
    async with asyncio.timeout(TIMEOUT_S):
        while not true():
            alive()
            await asyncio.sleep(0.001)


async def daemon(stage: Stage, word: NDArray[np.int16]) -> Start:
    """Start the daemon and say the word."""
    begun_s, opened = stage.room.now_s(), stage.room.opens("capture")
    await stage.start_daemon(until_ready=False)
    await until(lambda: stage.room.opens("capture") > opened, stage.daemon.require_alive)
    opened_s, took_s = stage.room.now_s(), cpu_s(stage.daemon)
    stage.say(word)
    heard = await stage.wait_for("wake", after_s=begun_s, timeout_s=TIMEOUT_S)
    await stage.stop_daemon()
    return Start(opened_s - begun_s, heard["t"] - begun_s, took_s)


async def stock(stage: Stage, word: NDArray[np.int16], python: str, *, has_training: bool) -> Start:
    """Start the stock program and say the word."""
    import alsaaudio

    child = Child("stock program", stage.directory / "stock.log")
    child.log.unlink(missing_ok=True)
    files = [models.resolve("hey_jarvis"), *models.features(), alsaaudio.__file__]
    command = [python, "-c", STOCK, *map(str, files), "yes" if has_training else "no"]
    alsa = {"ALSA_CONFIG_PATH": str(stage.directory / "asound.conf")}
    environment = {**clean_environment(), **alsa, **as_installed(stage.directory)}
    begun_s, opened = stage.room.now_s(), stage.room.opens("capture")
    try:
        await child.start(command, env=environment, cwd=stage.directory)
        await until(lambda: stage.room.opens("capture") > opened, child.require_alive)
        opened_s, took_s = stage.room.now_s(), cpu_s(child)
        stage.say(word)
        await until(lambda: "detected" in child.output(), lambda: None)  # it ends when it has said so
        return Start(opened_s - begun_s, stage.room.now_s() - begun_s, took_s)
    finally:
        await child.stop()


def show(name: str, starts: Sequence[Start]) -> Start:
    """Print the figures of one program; return the best of each, which a busy machine disturbs least."""
    opened, detected, took = zip(*((each.opened_s, each.detected_s, each.cpu_s) for each in starts), strict=True)
    print(f"{name} ({len(starts)} starts)")
    rows = {"a word is heard that begins": opened, "and detected": detected, "CPU until it is heard": took}
    for what, figures in rows.items():
        print(f"  {what:30} {min(figures):6.2f} s at best, median {statistics.median(figures):.2f} s")
    return Start(min(opened), min(detected), min(took))


async def measure(rounds: int, python: str, *, has_training: bool) -> bool:
    """Measure and print; return whether the target is met."""
    daemons, stocks = [], []
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(
            Path(folder),
            card=CardProfile(noise_dbfs=-70.0),
            start_service=False,
            start_daemon=False,
            room_s=900.0,
            environment=as_installed(Path(folder)),
        )
        async with stage:
            word = stage.prepare("Hey Jarvis")
            print(f'"hey jarvis" takes {len(word) / stage.speech_rate_hz:.2f} s; the stock program is run by {python}')
            for at in range(rounds + 1):
                mine = await daemon(stage, word)
                other = await stock(stage, word, python, has_training=has_training)
                if at:  # the first ones fill the caches
                    daemons.append(mine)
                    stocks.append(other)
    mine, other = show("speakerd", daemons), show("stock openwakeword", stocks)
    share = mine.opened_s / other.opened_s
    print(f"until a word is heard: {share:.2f} of the stock program's time (target: {SHARE:.2f} at most)")
    print(f"the same in CPU time: {mine.cpu_s / other.cpu_s:.2f}")
    print(f"until it is detected, its own length included: {mine.detected_s / other.detected_s:.2f}")
    return share <= SHARE


def main() -> int:
    """Measure; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stock", metavar="PYTHON", help="an interpreter with openwakeword as it installs")
    arguments = parser.parse_args()
    python = arguments.stock or sys.executable
    try:
        met = asyncio.run(measure(arguments.rounds, python, has_training=arguments.stock is not None))
    except (StageError, TimeoutError) as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
