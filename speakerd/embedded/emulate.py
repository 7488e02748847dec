"""``speakerd emulate``: the embedded service by itself, and what it tells a person about itself."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from functools import partial

from speakerd.core.errors import Remedy, SpeakerdError
from speakerd.embedded.faults import FAULTS_VARIABLE, Faults, parse_faults
from speakerd.embedded.server import BURST_PACE, EmbeddedService
from speakerd.embedded.spawn import end_with_parent
from speakerd.embedded.tiers import TierName, build

DEFAULT_PORT = 8765
"""Where it listens unless told otherwise (chosen)."""


async def emulate(
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    tier: TierName = "auto",
    *,
    paced: bool = False,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve Realtime clients on this machine.

    Args:
        host: A loopback address.
        port: 0: any free one.
        tier: Which ears, brain and voice.
        paced: Send answers in real time rather than in a burst.
        announce: Told, line by line, where it listens and how to use it; the first line is for programs. None: written
            to standard output.

    Ends:
        By cancellation only.

    Raises:
        SpeakerdError: it cannot listen there, or the tier cannot be loaded.
    """
    end_with_parent()
    tell = announce or _write_line
    service = EmbeddedService(
        partial(build, tier), host=host, port=port, pace=1.0 if paced else BURST_PACE, faults=faults_from_environment()
    )
    async with service:
        loaded = await service.tier()
        tell(f"listening on {service.url} (tier: {loaded.name})")
        for line in how_to(service.url, service.port):
            tell(line)
        await asyncio.Event().wait()


def _write_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def faults_from_environment() -> Faults:
    """Return the faults the environment asks for.

    Raises:
        SpeakerdError: they cannot be read.
    """
    source = os.environ.get(FAULTS_VARIABLE)
    try:
        return parse_faults(source) if source else Faults()
    except (TypeError, ValueError) as error:
        raise SpeakerdError("embedded-faults", str(error), Remedy.EXIT) from error


def how_to(url: str, port: int) -> list[str]:
    """Return how to use a service, for people.

    Args:
        url: Its base URL.
        port: Its port, for the Azure-style path.
    """
    root = url.removesuffix("/v1")
    return [
        "",
        "speakerd:   in speakerd.yaml",
        f'              service: {{provider: embedded, endpoint: "{url}"}}',
        "              auth: {method: none}",
        "Python:     the Realtime quick start as it stands, with",
        f'              client = AsyncOpenAI(websocket_base_url="{root}/openai/v1", api_key="local")',
        f"any client: {url}/realtime?model=gpt-realtime with 'Authorization: Bearer local'",
        f"It listens on this machine only (port {port}). Ctrl+C ends it.",
    ]
