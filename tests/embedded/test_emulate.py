"""``speakerd emulate``: what it says."""

from __future__ import annotations

import asyncio

import pytest

from speakerd.core.errors import SpeakerdError
from speakerd.embedded.emulate import emulate
from speakerd.embedded.spawn import parse_announcement


async def test_first_line_is_for_programs_and_the_rest_for_people() -> None:
    """It tells where it listens and which tier it has, then how to point clients at it."""
    lines: list[str] = []
    told = asyncio.Event()

    def announce(line: str) -> None:
        lines.append(line)
        if "Ctrl+C" in line:
            told.set()

    serving = asyncio.create_task(emulate(port=0, tier="scripted", announce=announce))
    await told.wait()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    announced = parse_announcement(lines[0])
    assert announced is not None
    assert announced.tier == "scripted"
    assert any("provider: embedded" in line and announced.url in line for line in lines)
    assert any("AsyncOpenAI" in line for line in lines)


async def test_other_addresses_are_refused() -> None:
    """It listens on this machine only."""
    with pytest.raises(SpeakerdError, match="loopback"):
        await emulate(host="192.0.2.1", port=0, tier="scripted")
