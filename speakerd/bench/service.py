"""``speakerd emulate`` in a process of its own for a measurement, and what that process costs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from speakerd.core.errors import Remedy, SpeakerdError
from speakerd.demo.process import Child, last_lines
from speakerd.demo.props import clean_environment
from speakerd.embedded.spawn import READY_S, parse_announcement
from speakerd.embedded.tiers import SCRIPT_VARIABLE

_POLL_S = 0.01
"""How often the log is looked at; the time to be ready is this coarse (chosen)."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service that listens."""

    url: str
    """Base URL for a Realtime client."""

    pid: int
    """Its process."""

    ready_s: float
    """From before it was spawned until it said that it listens, all models loaded."""


@contextlib.asynccontextmanager
async def serving(
    tier: str, log: Path, *, paced: bool = False, replies: Sequence[str] | None = None
) -> AsyncIterator[Service]:
    """Run the service as long as the context lasts.

    Args:
        tier: ``scripted`` or ``neural``.
        log: Where its output goes, anew; its folder must be there.
        paced: Send audio in real time.
        replies: What the scripted tier says, line after line.

    Raises:
        SpeakerdError: it did not come up (code ``embedded-spawn``), for one because its tier is not installed
            (``embedded-tier``).
    """
    child = _child(tier, log)
    environment = clean_environment()
    if replies is not None:
        environment[SCRIPT_VARIABLE] = json.dumps(list(replies))
    command = [sys.executable, "-m", "speakerd", "emulate", "--port", "0", "--tier", tier]
    try:
        begun_s = asyncio.get_running_loop().time()
        await child.start(command + ["--paced"] * paced, env=environment, cwd=child.log.parent)
        async with asyncio.timeout(READY_S):
            while (announced := parse_announcement(child.output())) is None:
                if child.exit_code is not None:
                    raise did_not_start(child.exit_code, child.output())
                await asyncio.sleep(_POLL_S)
        assert child.pid is not None
        yield Service(announced.url, child.pid, asyncio.get_running_loop().time() - begun_s)
    except TimeoutError as error:
        sentence = f"the {tier} service was not ready within {READY_S:.0f} s"
        raise SpeakerdError("embedded-spawn", sentence, Remedy.RETRY) from error
    finally:
        await child.stop()


def _child(tier: str, log: Path) -> Child:
    log.unlink(missing_ok=True)
    return Child(f"{tier} service", log.resolve())


def did_not_start(exit_code: int, output: str) -> SpeakerdError:
    """Return why a service ended before it listened: a missing tier is told from everything else."""
    _, found, sentence = output.partition("speakerd: embedded-tier: ")
    if found:
        return SpeakerdError("embedded-tier", sentence.splitlines()[0], Remedy.EXIT)
    sentence = f"the service ended with exit code {exit_code}:\n{last_lines(output)}"
    return SpeakerdError("embedded-spawn", sentence, Remedy.RETRY)


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process so far, all threads, user and kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process in millions of bytes, shared pages included."""
    return _status_mb(pid, "VmRSS")


def peak_mb(pid: int) -> float:
    """Return the most resident memory a process has had so far, in millions of bytes."""
    return _status_mb(pid, "VmHWM")


def _status_mb(pid: int, field: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    (kib,) = (line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return int(kib) * 1024 / 1e6
