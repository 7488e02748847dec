"""``make demo-entra``: the life of a sign-in, from nobody signed in to somebody signed in again."""

from __future__ import annotations

import asyncio
import sys
import wave
from pathlib import Path

from tests.fakes.command import environment
from tests.fakes.models import wake_models

PATIENCE_S = 110.0


async def test_the_demo_works_and_keeps_the_rooms_sound(voice, tmp_path):
    """Signed out, signed in by the command, refreshed while it speaks, revoked, signed in again; each is heard."""
    wake_models()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.demo_entra", "--tier", "scripted", "--out", str(tmp_path)),
        cwd=Path(__file__).parents[2],
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            told = (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    print(told)  # noqa: T201 - pytest keeps it, -s shows it
    assert process.returncode == 0
    assert told.count("the same sentence") == 2
    assert "it worked" in told
    with wave.open(str(tmp_path / "room.wav")) as sound:
        assert sound.getnframes() > 20 * sound.getframerate()
