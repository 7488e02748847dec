"""What a connection on a guess saves: the real link against services whose handshakes are slow."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from speakerd.bench.figures import machine
from speakerd.core.errors import SpeakerdError
from speakerd.core.events import Event, LinkUp
from speakerd.core.units import PERIOD_MS, SAMPLE_BYTES, WIRE_RATE_HZ, ms_to_frames
from speakerd.embedded.faults import Faults
from speakerd.embedded.server import EmbeddedService
from speakerd.embedded.tiers import scripted
from speakerd.realtime.link import Endpoint, RealtimeLink, SessionSpec

HANDSHAKES_MS = (0, 80, 150, 300, 600)
"""How long the service lets each handshake wait (chosen: the same house, the same country, another continent)."""

LEAD_S = 0.08
"""How long before the detection the guess is made: what most wake words give (measured, see ``wake_gate.RISING``)."""

HOLD_S = 0.12
"""When the uplink opens in one breath: so long it looks for the wake word's end (measured on the virtual card)."""

_PATIENCE_S = 10.0
_PERIOD = bytes(ms_to_frames(PERIOD_MS, WIRE_RATE_HZ) * SAMPLE_BYTES)


@dataclass(frozen=True, slots=True)
class Opened:
    """One session, in milliseconds from the detection."""

    open_ms: float
    """Until its socket was open; negative: it was before."""

    up_ms: float
    """Until the service had granted it."""

    first_ms: float
    """Until the first byte of speech was sent."""


class _Diary:
    """Notes when each thing happened first. Thread: event loop."""

    def __init__(self) -> None:
        self.at_s: dict[str, float] = {}
        self.news = asyncio.Event()

    def mark(self, name: str, **_fields: object) -> None:
        """Note it."""
        self.at_s.setdefault(name, time.monotonic())
        self.news.set()

    def on_event(self, event: Event) -> None:
        """Note that the session is there."""
        if isinstance(event, LinkUp):
            self.mark("up")

    async def until(self, *names: str) -> None:
        """Wait for all of them.

        Raises:
            TimeoutError: they do not come.
        """
        async with asyncio.timeout(_PATIENCE_S):
            while not all(name in self.at_s for name in names):
                self.news.clear()
                await self.news.wait()


class _Anybody:
    """A credential that the embedded service takes."""

    async def headers(self) -> Mapping[str, str]:
        """Return it."""
        return {"Authorization": "Bearer local"}

    def rejected(self) -> SpeakerdError | None:
        """It has no other."""
        return None

    def accepted(self) -> None:
        """That was to be expected."""


def measure(out: Path, turns: int, say: Callable[[str], None], *, handshakes_ms: Sequence[int] = HANDSHAKES_MS) -> bool:
    """Measure sessions with and without a guess, in turn, and print the medians side by side.

    Args:
        out: Where ``guess.json`` is written; made if missing.
        turns: Sessions of each kind for each handshake.
        say: Told what happens.
        handshakes_ms: How long handshakes wait.

    Returns:
        Whether every session came up.
    """
    out.mkdir(parents=True, exist_ok=True)
    before = machine()
    try:
        opened = asyncio.run(_measure(turns, say, handshakes_ms))
    except TimeoutError:
        say("the bench broke off: a session did not come up")
        return False
    rows = {wait_ms: (middle(plain), middle(guessed)) for wait_ms, (plain, guessed) in opened.items()}
    shown = {
        str(wait_ms): {
            kind: {"open": each.open_ms, "up": each.up_ms, "first": each.first_ms}
            for kind, each in zip(("without", "with"), pair, strict=True)
        }
        for wait_ms, pair in rows.items()
    }
    text = json.dumps({**before, "sessions": turns, "median_ms_by_handshake_ms": shown}, indent=2) + "\n"
    (out / "guess.json").write_text(text, encoding="utf-8")
    say(format_rows(rows))
    say(f"written to {out / 'guess.json'}")
    return True


async def _measure(
    turns: int, say: Callable[[str], None], handshakes_ms: Sequence[int]
) -> dict[int, tuple[list[Opened], list[Opened]]]:
    """Open all sessions; for each handshake those without and those with a guess, in turn."""
    opened: dict[int, tuple[list[Opened], list[Opened]]] = {}
    for wait_ms in handshakes_ms:
        opened[wait_ms] = ([], [])
        async with EmbeddedService(scripted(["Good."]), faults=Faults(slow_handshake_s=wait_ms / 1000)) as service:
            for _, guess in itertools.product(range(turns), (False, True)):
                opened[wait_ms][guess].append(await _one(service.url, guess=guess))
        say(f"handshake of {wait_ms} ms: {turns} sessions of each kind")
    return opened


async def _one(url: str, *, guess: bool) -> Opened:
    """Open one session as the daemon does around a detection, and say when what was reached."""
    diary = _Diary()
    async with _running(url, diary) as link:
        if guess:
            link.prepare()
            await asyncio.sleep(LEAD_S)
        detected_s = time.monotonic()
        link.open()
        await asyncio.sleep(HOLD_S)
        link.append(_PERIOD)
        await diary.until("up", "uplink")
    opened_s = min(diary.at_s.get("link.prepared", diary.at_s["link.open"]), diary.at_s["link.open"])
    return Opened(*((at_s - detected_s) * 1000 for at_s in (opened_s, diary.at_s["up"], diary.at_s["uplink"])))


@contextlib.asynccontextmanager
async def _running(url: str, diary: _Diary) -> AsyncIterator[RealtimeLink]:
    """Run a link that takes every guess for worth it."""
    link = RealtimeLink(
        endpoint=Endpoint(url, "gpt-realtime"),
        credentials=_Anybody(),
        spec=SessionSpec(),
        on_event=diary.on_event,
        on_audio=lambda _response, _item, _pcm: None,
        now=time.monotonic,
        trace=diary,
        worth=lambda _handshake_s: True,
    )
    await link.warm()
    task = asyncio.create_task(link.run())
    try:
        yield link
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def middle(opened: list[Opened]) -> Opened:
    """Return the median of each, in whole milliseconds."""
    return Opened(
        *(round(median(values)) for values in zip(*((o.open_ms, o.up_ms, o.first_ms) for o in opened), strict=True))
    )


def format_rows(rows: Mapping[int, tuple[Opened, Opened]]) -> str:
    """Return the medians as a table: without a guess, with one."""
    lines = ["milliseconds from the detection, without -> with a guess", f"{'handshake':>9}{'session up':>16}"]
    lines[1] += f"{'first byte of speech':>24}{'saved':>8}"
    for wait_ms, (plain, guessed) in rows.items():
        up = f"{plain.up_ms:.0f} -> {guessed.up_ms:.0f}"
        first = f"{plain.first_ms:.0f} -> {guessed.first_ms:.0f}"
        lines.append(f"{wait_ms:>9}{up:>16}{first:>24}{plain.first_ms - guessed.first_ms:>8.0f}")
    return "\n".join(lines)
