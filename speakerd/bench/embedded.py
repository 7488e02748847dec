"""``speakerd bench embedded``: the embedded service, each tier as a process, against the limits it promised."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from speakerd.bench import crowd as crowds
from speakerd.bench import neural
from speakerd.bench.crowd import Crowd
from speakerd.bench.figures import Figure, format_table, holds, machine
from speakerd.core.errors import SpeakerdError
from speakerd.demo.process import last_lines
from speakerd.demo.props import clean_environment

ALONE = "neural: right answers of 1 with no network but the loopback"
"""The row of the network namespace."""


def measure(out: Path, questions: int, say: Callable[[str], None], *, crowd: Crowd | None = None) -> bool:
    """Measure both tiers and print them beside their limits.

    Args:
        out: Where ``embedded.json`` and the logs are written; made if missing.
        questions: What is asked of the neural tier.
        say: Told what happens.
        crowd: Who talks to the scripted tier at once; None: as many as was promised.

    Returns:
        Whether no limit was missed.
    """
    logs = out / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    before = machine()
    try:
        figures, details = asyncio.run(_measure(logs, questions, crowd or Crowd(), say))
    except SpeakerdError as error:
        say(f"the bench broke off: {error}")
        return False
    rows = [figure.shown() for figure in figures]
    text = json.dumps({**before, "figures": rows, **details}, indent=2, ensure_ascii=False) + "\n"
    (out / "embedded.json").write_text(text, encoding="utf-8")
    say("")
    say(format_table(figures))
    say(f"written to {out / 'embedded.json'}")
    return holds(figures)


async def _measure(
    logs: Path, questions: int, crowd: Crowd, say: Callable[[str], None]
) -> tuple[list[Figure], dict[str, Any]]:
    """Return the rows, and for programs what they were made of."""
    measured: neural.Measured | None = None
    try:
        measured = await neural.measure(logs, questions, say)
        alone = await _alone(logs)
    except SpeakerdError as error:
        if error.code != "embedded-tier":
            raise
        say(f"the neural tier is not measured: {error}")
        alone = {"not_shown": "the neural tier is not installed"}
    if "not_shown" in alone:
        say(f"not shown that no network is used: {alone['not_shown']}")
    else:
        say(f"no network but the loopback: {alone['question']}  ->  {alone['answer']}")
    gathered = await crowds.measure(logs, crowd, say)
    details = {
        "neural": dataclasses.asdict(measured) if measured is not None else None,
        "no_network": alone,
        "crowd": dataclasses.asdict(gathered),
    }
    return [*neural.figures(measured), without_network(alone), *crowds.figures(gathered)], details


def without_network(alone: dict[str, Any]) -> Figure:
    """Return the row of the network namespace from what was told there."""
    right = None if "not_shown" in alone else float(alone["right"])
    return Figure(ALONE, right, "", 1, at_least=True)


async def _alone(logs: Path) -> dict[str, Any]:
    """Have one question asked where there is no network, and return what was told, or why it was not."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "speakerd.bench.alone", str(logs / "alone.log")),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=clean_environment(),
    )
    try:
        told, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return read_alone(process.returncode, told.decode(), complaint.decode(errors="replace"))


def read_alone(exit_code: int | None, told: str, complaint: str) -> dict[str, Any]:
    """Return what the child told; one that failed without the network it was not to need gave no right answer."""
    if exit_code == 0:
        result: dict[str, Any] = json.loads(told)
        return result
    return {"question": "none", "answer": last_lines(complaint, 3), "right": False}
