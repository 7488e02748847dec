"""The wake word engines of ``speakerd bench wake``, each in a process of its own, and how one is asked.

What they listen to is ``wake_sound.py``'s business, what is made of their answers ``wake_table.py``'s.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from speakerd.bench import proc
from speakerd.bench.peers_install import Peer
from speakerd.core.errors import Remedy, SpeakerdError
from speakerd.demo.props import clean_environment

OURS, AWAKE, PACKAGE, STOCK, OPEN, MICRO = "speakerd", "gate off", "on package", "stock", "pyopen", "pymicro"
"""The engines, as the table calls them."""

ANSWER_S = 600.0
"""How long an answer may take: a minute of audio at ten times its length (guessed)."""

STOCK_PEER = Peer(
    package="openwakeword",
    lock="peer-stock.txt",
    program="wake_stock.py",
    imports="import openwakeword.model",
    download_mb=88,
    disk_mb=362,
    query="",
    about="openwakeword.Model on onnxruntime, 80 ms at a time, as its page shows it; the published models",
)
OPEN_PEER = Peer(
    package="pyopen-wakeword",
    lock="peer-open.txt",
    program="wake_open.py",
    imports="import pyopen_wakeword",
    download_mb=23,
    disk_mb=83,
    query="",
    about="the same networks on TensorFlow Lite, which works with threads of its own choice",
)
MICRO_PEER = Peer(
    package="pymicro-wakeword",
    lock="peer-micro.txt",
    program="wake_micro.py",
    imports="import pymicro_wakeword",
    download_mb=19,
    disk_mb=78,
    query="",
    about="microWakeWord on TensorFlow Lite, another and smaller network with its own threshold",
)
PEERS: Mapping[str, Peer] = {STOCK: STOCK_PEER, OPEN: OPEN_PEER, MICRO: MICRO_PEER}
"""The engines that the package registry has, by the table's name."""

OUR_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    OURS: {"engine": "auto", "gated": True},
    AWAKE: {"engine": "auto", "gated": False},
    PACKAGE: {"engine": "openwakeword", "gated": False},
}
"""Ours, by the table's name."""

_PROGRAMS = Path(__file__).resolve().parent / "peer_programs"


class EngineError(SpeakerdError):
    """An engine's process ended or answered nonsense (code ``bench-engine``)."""

    def __init__(self, message: str) -> None:
        super().__init__("bench-engine", message, Remedy.OPERATOR)


@dataclass(frozen=True, slots=True)
class Start:
    """How a process came up, with the recording that was waiting for it."""

    first_score_s: float
    """From before it was spawned until it had scored its first 80 ms."""

    detected_s: float | None
    """The same until it had detected the word in the recording; None: it did not."""

    cpu_s: float
    """All that it spent on it, the recording included."""

    memory: proc.Memory
    """What it took after that."""


def our_command(options: Mapping[str, Any]) -> list[str]:
    """Return what starts our own wake path."""
    return [sys.executable, "-m", "speakerd.bench.wake_ours", json.dumps(dict(options))]


def their_command(peer: Peer, python: Path, options: Mapping[str, Any]) -> list[str]:
    """Return what starts a peer's engine; nothing in our environment points its interpreter at our packages."""
    return [str(python), "-E", str(_PROGRAMS / peer.program), json.dumps(dict(options))]


class Engine:
    """An engine's process that waits for what to listen to. Thread: one.

    Args:
        name: What it is called in messages.
        process: It, with pipes of text.
        begun_s: When it was spawned.

    Raises:
        EngineError: it ended, or did not answer in time.

    Attributes:
        start: How it came up.
    """

    def __init__(self, name: str, process: subprocess.Popen[str], begun_s: float) -> None:
        self._name = name
        self._process = process
        told = self._answer()
        detected_s = told["detected_s"]
        self.start = Start(
            told["first_score_s"] - begun_s,
            None if detected_s is None else detected_s - begun_s,
            told["cpu_s"],
            self.memory(),
        )

    def listen(self, audio: Path, *, lead: int = 0, pace_s: float = 0.0, scores: Path | None = None) -> dict[str, Any]:
        """Have it score a recording; return what it tells: ``cpu_s``, without the lead, and the ``top`` score.

        Args:
            audio: The recording.
            lead: Chunks at its beginning that do not count.
            pace_s: From one chunk to the next; 0: as fast as it can.
            scores: Where it writes its scores.

        Raises:
            EngineError: it ended, or did not answer in time.
        """
        line = {"audio": str(audio), "lead": lead, "pace_s": pace_s, "scores": None if scores is None else str(scores)}
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended; the answer that does not come tells how
            # Past the file object, which would keep what cannot be written and fail once more when it is closed.
            os.write(self._process.stdin.fileno(), json.dumps(line).encode() + b"\n")
        return self._answer()

    def memory(self) -> proc.Memory:
        """Return its resident memory."""
        return proc.memory(self._process.pid)

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        watchdog = threading.Timer(ANSWER_S, self._process.kill)
        watchdog.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        if not line:
            raise EngineError(f"{self._name} ended with {self._process.wait()}")
        told: dict[str, Any] = json.loads(line)
        return told


@contextlib.contextmanager
def running(name: str, command: list[str], log: Path) -> Iterator[Engine]:
    """Run an engine as long as the context lasts.

    Args:
        name: For messages.
        command: What starts it.
        log: Where it complains, appended to.

    Raises:
        EngineError: it does not come up; the message holds the last line of its complaint.
    """
    with log.open("a", encoding="utf-8") as complaints, _spawned(command, complaints) as (process, begun_s):
        try:
            yield Engine(name, process, begun_s)
        except EngineError as error:
            said = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
            raise EngineError(f"{error}: {said[-1][:300]}" if said else f"{error} without a word") from error


@contextlib.contextmanager
def _spawned(command: list[str], complaints: TextIO) -> Iterator[tuple[subprocess.Popen[str], float]]:
    begun_s = time.monotonic()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": complaints, "text": True}
    with subprocess.Popen(command, env=clean_environment(), **pipes) as process:  # type: ignore[call-overload]  # our options are those of text # noqa: S603 - our own programs, no shell
        try:
            yield process, begun_s
        finally:
            process.kill()  # it has nothing to finish
