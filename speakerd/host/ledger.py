"""What was spent, day by day, on disk: it survives restarts, so that a budget for the day is one.

Prices, sums and days are the core's business (``core/spend.py``). The file is JSON, a few kilobytes, replaced whole
after each turn, in a worker thread: a slow card makes no conversation wait. It holds figures only. Several processes
may keep it at once, the daemon and ``speakerd chat``. How it is read and replaced is ``ledger_file.py``.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from speakerd.core.spend import Rate, Spend, Usage, estimate, total
from speakerd.core.story import Kind, story
from speakerd.host.ledger_file import add_up, read, save, version_of
from speakerd.host.places import SYSTEM_FOLDER, daemons_state_folder, state_folder

FILE_NAME = "usage.json"
"""In the state directory."""

SPANS_DAYS = (1, 7, 30)
"""What ``speakerd usage`` shows (contract)."""

log = logging.getLogger("speakerd.ledger")


def ledger_path(environment: Mapping[str, str]) -> Path:
    """Return where the ledger stands: in the unit's state directory, else in the user's."""
    return state_folder(environment) / FILE_NAME


def daemons_ledger_path(environment: Mapping[str, str], system: Path = SYSTEM_FOLDER) -> Path:
    """Return where the ledger of this machine's daemon stands, for another process: an installed one's, else as above.

    Args:
        environment: Of the process.
        system: The state directory of an installed daemon.
    """
    return daemons_state_folder(environment, system) / FILE_NAME


def is_ours(path: Path) -> bool:
    """Return whether this user may read and replace a ledger; one that is not there yet, whether they may make it."""
    if path.parent.is_dir():
        return os.access(path.parent, os.R_OK | os.W_OK | os.X_OK) and (not path.exists() or os.access(path, os.R_OK))
    existing = next(parent for parent in path.parents if parent.exists())
    return os.access(existing, os.W_OK | os.X_OK)


class Ledger:
    """Counts what is used, and tells when today's budget is spent. Thread: event loop.

    Args:
        path: The file; its directory is made where it is missing. None: nothing is kept.
        rate: The prices.
        daily_usd: Today's budget; None: no limit.
        on_over: Hears when the budget is spent (True), and when there is some again (False).
        today: The local date.
    """

    def __init__(
        self,
        path: Path | None,
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
        self._over = False
        self._days: Mapping[date, Spend] = {}
        self._seen: object = None  # which version of the file that is
        self._unsaved: Mapping[date, Spend] = {}
        self._saving: Mapping[date, Spend] = {}
        self._due = asyncio.Event()
        self._failing = False
        self._look()

    async def run(self) -> None:
        """Write the file after each turn. Ends: by cancellation, once a write that is under way is done."""
        while True:
            await self._due.wait()
            self._due.clear()
            if self._path is None:
                continue
            self._saving, self._unsaved = self._unsaved, {}
            writing = asyncio.ensure_future(
                asyncio.to_thread(save, self._path, self._days, self._saving, self._today())
            )
            try:
                await asyncio.shield(writing)
            finally:
                await asyncio.wait([writing])
                self._saved(writing.result())

    def close(self) -> None:
        """Write what is not written yet; the daemon ends, and ``run`` has."""
        if self._unsaved and self._path is not None:
            self._saving, self._unsaved = self._unsaved, {}
            self._saved(save(self._path, self._days, self._saving, self._today()))

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
        return total(self._all, self._today()).is_over(self._daily_usd)

    def refresh(self) -> None:
        """Look at the date and the budget again, and tell ``on_over`` where that changes something.

        Nothing happens at midnight, nor when another process has spent something: who is about to open a session asks
        first.
        """
        self._look()
        over = self.is_over
        if over != self._over:
            self._over = over
            if over:
                spent = story(Kind.BUDGET_SPENT, daily_usd=self._daily_usd)
                log.warning("today's budget of %.2f USD is spent: no more sessions", self._daily_usd, extra=spent)
            else:
                log.info("there is budget for sessions again", extra=story(Kind.BUDGET_BACK))
            if self._on_over is not None:
                self._on_over(over)

    def report(self) -> dict[str, Any]:
        """Return what ``speakerd usage`` shows, as plain data."""
        self._look()
        today, days = self._today(), self._all
        return {
            "date": today.isoformat(),
            "daily_usd": self._daily_usd,
            "over_budget": self.is_over,
            "prices": self._rate.source,
            "prices_known": self._rate.known,
            "spans": [{"days": span, **total(days, today, span).as_plain_data()} for span in SPANS_DAYS],
        }

    @property
    def _all(self) -> Mapping[date, Spend]:
        return add_up(add_up(self._days, self._saving), self._unsaved)

    def _count(self, spend: Spend) -> None:
        self._unsaved = add_up(self._unsaved, {self._today(): spend})
        self.refresh()

    def _look(self) -> None:
        """Take in what another process has written meanwhile, unless we are about to replace it."""
        if self._path is None or self._saving:
            return
        version = version_of(self._path)
        if version is not None and version != self._seen:
            self._seen = version
            self._days = read(self._path, self._days)

    def _saved(self, outcome: tuple[Mapping[date, Spend], object] | OSError) -> None:
        """Note what the file holds now; say that it cannot be written, once until it can be again."""
        failed = isinstance(outcome, OSError)
        if isinstance(outcome, OSError):
            self._unsaved = add_up(self._saving, self._unsaved)
            if not self._failing:
                log.warning("%s cannot be written, a restart forgets what was spent: %s", self._path, outcome)
        else:
            self._days, self._seen = outcome
        self._saving = {}
        self._failing = failed
