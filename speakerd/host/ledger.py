"""What was spent, day by day, on disk: it survives restarts, so that a budget for the day is one.

Prices, sums and days are the core's business (``core/spend.py``). The file is JSON, a few kilobytes, replaced whole
after each turn, in a worker thread: a slow card makes no conversation wait. It holds figures only.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any

from speakerd.core.spend import NOTHING_SPENT, Rate, Spend, Usage, estimate, latest, total

FILE_NAME = "usage.json"
"""In the state directory."""

VERSION = 1
"""Of the file's form. A file of a later version is kept aside, never written over."""

KEPT_DAYS = 90
"""Days of talk that are kept (guess: a quarter's bill)."""

SPANS_DAYS = (1, 7, 30)
"""What ``speakerd usage`` shows (contract)."""

MAX_BYTES = 256 * 1024
"""A longer file is none of ours (guess; 90 days take 16 kB, measured)."""

MAX_USD = 1e6
"""No day costs as much (guess)."""

log = logging.getLogger("speakerd.ledger")


def ledger_path(environment: Mapping[str, str]) -> Path:
    """Return where the ledger stands: in the unit's state directory, else in the user's."""
    if state := environment.get("STATE_DIRECTORY"):
        return Path(state.split(":")[0]) / FILE_NAME
    home = environment.get("XDG_STATE_HOME") or Path(environment.get("HOME") or Path.home()) / ".local/state"
    return Path(home) / "speakerd" / FILE_NAME


class Ledger:
    """Counts what is used, and tells when today's budget is spent. Thread: event loop.

    Args:
        path: The file; its directory is made where it is missing.
        rate: The prices.
        daily_usd: Today's budget; None: no limit.
        on_over: Hears when the budget is spent (True), and when there is some again (False).
        today: The local date.
    """

    def __init__(
        self,
        path: Path,
        *,
        rate: Rate,
        daily_usd: float | None = None,
        on_over: Callable[[bool], None] | None = None,
        today: Callable[[], date] = date.today,
    ) -> None:
        self._path = path
        self._rate = rate
        self._daily_usd = daily_usd
        self._on_over = on_over
        self._today = today
        self._days = _read(path)
        self._over = False
        self._changed = False
        self._due = asyncio.Event()
        self._failing = False

    async def run(self) -> None:
        """Write the file after each turn. Ends: by cancellation, once a write that is under way is done."""
        while True:
            await self._due.wait()
            self._due.clear()
            self._changed = False
            writing = asyncio.ensure_future(asyncio.to_thread(_write, self._path, self._days))
            try:
                self._note(await asyncio.shield(writing))
            finally:
                await asyncio.wait([writing])  # two at a time would write into one another

    def close(self) -> None:
        """Write what is not written yet; the daemon ends, and ``run`` has."""
        if self._changed:
            self._changed = False
            self._note(_write(self._path, self._days))

    def add(self, usage: Usage) -> None:
        """Count tokens at today's prices, at once: the budget may be spent with them."""
        self._count(Spend(usage, estimate(usage, self._rate.prices)))

    def add_usd(self, usd: float) -> None:
        """Count what is not paid by tokens of the model, such as transcription."""
        self._count(Spend(usd=usd))

    def end_turn(self, unreported: Usage) -> None:
        """Count a turn, with what its replies took at least that were not accounted for, and have it written."""
        self._count(Spend(unreported, estimate(unreported, self._rate.prices), turns=1))
        self._due.set()

    def use(self, rate: Rate, daily_usd: float | None) -> None:
        """Count by other prices and hold to another budget from now on; what was counted stays."""
        self._rate, self._daily_usd = rate, daily_usd
        self.refresh()

    @property
    def is_over(self) -> bool:
        """Whether today's budget is spent."""
        return total(self._days, self._today()).is_over(self._daily_usd)

    def refresh(self) -> None:
        """Look at the date and the budget again, and tell ``on_over`` where that changes something.

        Nothing happens at midnight: who is about to open a session asks first.
        """
        over = self.is_over
        if over != self._over:
            self._over = over
            if over:
                log.warning("today's budget of %.2f USD is spent: no more sessions", self._daily_usd)
            else:
                log.info("there is budget for sessions again")
            if self._on_over is not None:
                self._on_over(over)

    def report(self) -> dict[str, Any]:
        """Return what ``speakerd usage`` shows, as plain data."""
        today = self._today()
        return {
            "date": today.isoformat(),
            "daily_usd": self._daily_usd,
            "over_budget": self.is_over,
            "prices": self._rate.source,
            "prices_known": self._rate.known,
            "spans": [{"days": span, **total(self._days, today, span).as_plain_data()} for span in SPANS_DAYS],
        }

    def _count(self, spend: Spend) -> None:
        today = self._today()
        # Always a new mapping: the one before may be being written.
        self._days = latest({**self._days, today: self._days.get(today, NOTHING_SPENT) + spend}, today, KEPT_DAYS)
        self._changed = True
        self.refresh()

    def _note(self, failure: OSError | None) -> None:
        """Say that the file cannot be written, once until it can be again."""
        if failure is not None and not self._failing:
            log.warning("%s cannot be written, a restart forgets what was spent: %s", self._path, failure)
        self._failing = failure is not None


def _write(path: Path, days: Mapping[date, Spend]) -> OSError | None:
    """Replace the file at once, for its owner and group only; return why it could not be. Thread: any."""
    document = {"version": VERSION, "days": {day.isoformat(): spend.as_plain_data() for day, spend in days.items()}}
    fresh = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(json.dumps(document) + "\n")
            file.flush()
            os.fsync(descriptor)
        fresh.replace(path)
    except OSError as error:
        return error
    return None


def _read(path: Path) -> dict[date, Spend]:
    """Return the days of a file; one that cannot be understood is kept aside, and all begins anew."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        log.warning("%s cannot be read, nothing counts as spent: %s", path, error)
        return {}
    try:
        return _parse(content)
    except (ValueError, RecursionError) as error:
        aside = path.with_name(f"{path.name}.aside")
        log.warning("%s is not understood (%s): kept as %s, nothing counts as spent", path, error, aside.name)
        try:
            path.replace(aside)
        except OSError as failure:
            log.warning("%s cannot be kept aside: %s", path, failure)
        return {}


def _parse(content: bytes) -> dict[date, Spend]:
    """Read a file's content.

    Raises:
        ValueError: it is not what this version writes.
    """
    if len(content) > MAX_BYTES:
        raise ValueError("too long")
    document = json.loads(content)
    if (
        not isinstance(document, dict)
        or document.get("version") != VERSION
        or not isinstance(document.get("days"), dict)
    ):
        raise ValueError(f"not version {VERSION}")
    return {date.fromisoformat(day): _spend(values) for day, values in document["days"].items()}


def _spend(values: object) -> Spend:
    day = values if isinstance(values, dict) else {}
    usd = day.get("usd")
    if isinstance(usd, bool) or not isinstance(usd, int | float) or not 0 <= usd < MAX_USD:  # nor is NaN
        raise ValueError("a day without a sum")
    kinds = {one.name: _whole(day, one.name) for one in fields(Usage)}
    return Spend(Usage(**kinds), float(usd), _whole(day, "turns"))


def _whole(values: Mapping[str, object], name: str) -> int:
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is no count")
    return value
