"""The program as people call it: a command in a process of its own."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 30.0

_FOREIGN = re.compile(r"^(AZURE|OPENAI|SPEAKERD)_|_proxy$", re.IGNORECASE)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment without what means another service or daemon, and with more."""
    return {key: value for key, value in os.environ.items() if not _FOREIGN.search(key)} | more


async def speakerd(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    typed: str = "",
    patience_s: float = PATIENCE_S,
) -> Ended:
    """Run a command to its end, with what is typed into it; one that does not end is killed and fails the test."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "speakerd", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(**(env or {})),
        cwd=cwd,
    )
    try:
        async with asyncio.timeout(patience_s):
            out, err = await process.communicate(typed.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())
