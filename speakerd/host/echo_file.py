"""What was found of the echo, on disk: a daemon that is started again in the same room begins where it was.

What is worth keeping is decided in ``core/echo_found.py``. The file is JSON, an entry for each setup of cards,
replaced whole in a worker thread. It is a convenience: one that is missing, unreadable or not understood is as good as
none, and is written anew.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from speakerd.core.echo_found import EchoFound, Setup, revise
from speakerd.core.echo_path import EchoFigures

FILE_NAME = "echo.json"
"""In the state directory."""

VERSION = 1
"""Of the file's form."""

MAX_SETUPS = 8
"""So many are kept, those used last (guess: a headset, a USB loudspeaker, and what was tried)."""

MAX_BYTES = 64 * 1024
"""A longer file is none of ours (guess; eight setups take 2 kB)."""

_CARDS = Path("/proc/asound/cards")
_CARD = re.compile(r"\s*\d+ \[(.*?)\s*\]: (.*)")

log = logging.getLogger("speakerd.echo")


def sound_cards(listing: Path = _CARDS) -> tuple[str, ...]:
    """Return the machine's sound cards by id and name, whatever their order; none where the kernel lists none."""
    try:
        lines = listing.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    return tuple(sorted(f"{card[1]}: {card[2]}" for card in map(_CARD.match, lines) if card))


class EchoFile:
    """Keeps what was found of the echo. Thread: event loop.

    Args:
        path: The file; its directory is made where it is missing.
        setup: What the daemon plays and hears with.

    Attributes:
        found: What is known of this setup; None: nothing.
    """

    def __init__(self, path: Path, setup: Setup) -> None:
        self._path = path
        self._setup = setup
        self._all = _read(path)
        self._due = asyncio.Event()
        self._failing = False
        self.found = self._all.get(setup)

    def use(self, setup: Setup) -> None:
        """Keep what is found with other sound cards from now on."""
        self._setup = setup
        self.found = self._all.get(setup)

    def note(self, figures: EchoFigures) -> None:
        """Take a measurement; what is news is written."""
        found = revise(self.found, figures)
        if found == self.found:
            return
        self.found = found
        others = {setup: old for setup, old in self._all.items() if setup != self._setup}
        self._all = others if found is None else {self._setup: found, **others}
        self._due.set()

    async def run(self) -> None:
        """Write what is news. Ends: by cancellation, once a write that is under way is done."""
        while True:
            await self._due.wait()
            self._due.clear()
            writing = asyncio.ensure_future(asyncio.to_thread(_save, self._path, self._all))
            try:
                await asyncio.shield(writing)
            finally:
                await asyncio.wait([writing])
                self._saved(writing.result())

    def close(self) -> None:
        """Write what is not written yet; the daemon ends, and ``run`` has."""
        if self._due.is_set():
            self._due.clear()
            self._saved(_save(self._path, self._all))

    def _saved(self, failure: OSError | None) -> None:
        """Say that it cannot be written, once until it can be again."""
        if failure is not None and not self._failing:
            log.warning("%s cannot be written, a restart forgets what was found of the echo: %s", self._path, failure)
        self._failing = failure is not None


def _save(path: Path, known: Mapping[Setup, EchoFound]) -> OSError | None:
    """Replace the file at once; return why that failed. Thread: any."""
    setups = [asdict(setup) | asdict(found) for setup, found in list(known.items())[:MAX_SETUPS]]
    text = json.dumps({"version": VERSION, "setups": setups}, ensure_ascii=False) + "\n"
    fresh = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        fresh.replace(path)
    except OSError as error:
        return error
    return None


def _read(path: Path) -> dict[Setup, EchoFound]:
    try:
        with path.open("rb") as file:
            return _parse(file.read(MAX_BYTES + 1))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        log.warning("%s tells nothing of the echo, it is measured anew: %s", path, error)
        return {}


def _parse(content: bytes) -> dict[Setup, EchoFound]:
    """Read a file's content.

    Raises:
        ValueError: it is not what this version writes.
    """
    if len(content) > MAX_BYTES:
        raise ValueError("too long")
    document = json.loads(content)
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise ValueError(f"not version {VERSION}")
    setups = document.get("setups")
    if not isinstance(setups, list) or len(setups) > MAX_SETUPS:
        raise ValueError("no list of setups")
    return dict(map(_entry, setups))


def _entry(values: object) -> tuple[Setup, EchoFound]:
    one = values if isinstance(values, dict) else {}
    capture, playback, cards, hears = (one.get(name) for name in ("capture", "playback", "cards", "hears_echo"))
    if not (
        capture and isinstance(capture, str) and playback and isinstance(playback, str) and isinstance(hears, bool)
    ):
        raise ValueError("a setup without a name or a finding")
    if not isinstance(cards, list) or not all(isinstance(card, str) for card in cards):
        raise ValueError("a setup without its cards")
    setup = Setup(capture, playback, tuple(cards))
    return setup, EchoFound(hears, _number(one, "echo_dbfs"), _number(one, "delay_ms"))


def _number(values: Mapping[str, object], name: str) -> float | None:
    value = values.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is no number")
    return float(value)
