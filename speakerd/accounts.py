"""What conversations cost: the line for each turn and the ledger, put together; for a chat the ledger alone.

Prices and sums are in ``core/spend.py``; whether the budget stops anything is decided in ``core/conversation.py``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from speakerd.core.settings import Settings
from speakerd.core.spend import NO_USAGE, Rate, Usage, rate_of, transcription_usd
from speakerd.core.turn_record import Counts, TurnRecord
from speakerd.host.ledger import Ledger, daemons_ledger_path, is_ours, ledger_path
from speakerd.host.turn_log import Timer, TurnLog
from speakerd.ports import Trace
from speakerd.realtime.usage import TranscriptionUsage
from speakerd.realtime.usage import Usage as ReportedUsage

log = logging.getLogger("speakerd.accounts")


class Accounts:
    """Keeps the books of the daemon. Thread: event loop.

    Args:
        settings: The configuration.
        environment: Of the process; says where the ledger stands.
        trace: The diary.
        counts: What the sound cards and the wake path have counted until now.
        on_over: Told when today's budget is spent (True), and when there is some again (False).
        now: Seconds on the monotonic clock.
        call_at: Arms a timer, as ``loop.call_at`` does.

    Attributes:
        trace: The diary, with a line for each turn drawn from it; every part marks here.
    """

    def __init__(
        self,
        settings: Settings,
        environment: Mapping[str, str],
        *,
        trace: Trace,
        counts: Callable[[], Counts],
        on_over: Callable[[bool], None],
        now: Callable[[], float],
        call_at: Callable[[float, Callable[[], None]], Timer],
    ) -> None:
        rate = self._begin(settings)
        self._ledger = Ledger(ledger_path(environment), rate=rate, daily_usd=settings.budget.daily_usd, on_over=on_over)
        self._turns = TurnLog(
            trace=trace,
            prices=rate.prices,
            counts=counts,
            now=now,
            call_at=call_at,
            on_turn=self._end_turn,
        )
        self._now = now
        self._last: tuple[float, TurnRecord] | None = None
        self.trace: Trace = self._turns

    def use(self, settings: Settings) -> None:
        """Count by another configuration from now on; what was counted stays as it is."""
        rate = self._begin(settings)
        self._turns.use(rate.prices)
        self._ledger.use(rate, settings.budget.daily_usd)

    async def run(self) -> None:
        """Keep the ledger on disk. Ends: by cancellation."""
        await self._ledger.run()

    def close(self) -> None:
        """Write what is not written yet; ``run`` has ended."""
        self._turns.close()
        self._ledger.close()

    def refresh(self) -> None:
        """Look at the date and the budget: a new day has new money."""
        self._ledger.refresh()

    def report(self) -> dict[str, Any]:
        """Return what was used and spent, as plain data."""
        return self._ledger.report()

    def today(self) -> dict[str, Any]:
        """Return what was spent today, as plain data."""
        report = self._ledger.report()
        spent = next((span for span in report["spans"] if span["days"] == 1), {"usd": 0.0, "turns": 0})
        keys = ("daily_usd", "over_budget")
        return {"usd": round(spent["usd"], 6), "turns": spent["turns"], **{key: report[key] for key in keys}}

    def last_turn(self) -> dict[str, Any] | None:
        """Return what came of the last turn and how long ago its line was written, as plain data; None: there is none.

        Its keys are those of its line (``host/turn_log.py``), but for the tokens.
        """
        if self._last is None:
            return None
        at_s, record = self._last
        plain = {key: value for key, value in asdict(record).items() if key not in ("usage", "unreported")}
        return {"ago_s": round(self._now() - at_s, 1), **plain}

    def _end_turn(self, record: TurnRecord) -> None:
        self._last = self._now(), record
        self._ledger.end_turn(record.unreported)

    def note_usage(self, reported: ReportedUsage) -> None:
        """Count what a response took."""
        usage = Usage(**asdict(reported))
        self._turns.note_usage(usage)
        self._ledger.add(usage)

    def note_transcription(self, reported: TranscriptionUsage) -> None:
        """Count what writing down an utterance took."""
        if self._transcription_model is None:
            return
        usd = transcription_usd(
            self._transcription_model, seconds=reported.seconds, audio_in=reported.audio_in, local=self._local
        )
        self._turns.note_transcription(usd)
        self._ledger.add_usd(usd)

    def _begin(self, settings: Settings) -> Rate:
        self._transcription_model = settings.service.transcription
        self._local = settings.service.provider == "embedded"
        rate = _rate_of(settings)
        if not rate.known:
            log.warning("prices: %s", rate.source)
        return rate


class ChatAccounts:
    """Keeps the books of a chat in the daemon's ledger, or in memory where that is another user's. Thread: event loop.

    Args:
        settings: The configuration.
        environment: Of the process; says where the ledger stands.
        write: Shows a line to whoever chats.
    """

    def __init__(self, settings: Settings, environment: Mapping[str, str], write: Callable[[str], None]) -> None:
        self._write = write
        self._daily_usd = settings.budget.daily_usd
        path = daemons_ledger_path(environment)
        ours = is_ours(path)
        if not ours:
            write(
                f"{path} is another user's: what this chat costs is not in 'speakerd usage', and what was spent before "
                "is not known here\n"
            )
        self._ledger = Ledger(path if ours else None, rate=_rate_of(settings), daily_usd=self._daily_usd)

    async def run(self) -> None:
        """Keep the ledger on disk. Ends: by cancellation."""
        await self._ledger.run()

    def close(self) -> None:
        """Write what is not written yet; ``run`` has ended."""
        self._ledger.close()

    def note_usage(self, reported: ReportedUsage) -> None:
        """Count what a reply took: a turn."""
        self._ledger.add(Usage(**asdict(reported)))
        self._ledger.end_turn(NO_USAGE)

    def has_money(self) -> bool:
        """Return whether another reply may be paid for; if not, say so."""
        self._ledger.refresh()
        if self._ledger.is_over:
            self._write(f"Today's budget of {self._daily_usd:.2f} USD is spent (budget.daily_usd).\n")
        return not self._ledger.is_over


def _rate_of(settings: Settings) -> Rate:
    local = settings.service.provider == "embedded"
    return rate_of(settings.service.model, settings.budget.prices, local=local)
