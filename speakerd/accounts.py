"""What conversations cost: the line for each turn and the ledger, put together.

Prices and sums are in ``core/spend.py``; whether the budget stops anything is decided in ``core/conversation.py``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from speakerd.core.settings import Settings
from speakerd.core.spend import Usage, rate_of, transcription_usd
from speakerd.core.turn_record import Counts
from speakerd.host.ledger import Ledger, ledger_path
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
        self._transcription_model = settings.service.transcription
        self._local = settings.service.provider == "embedded"
        rate = rate_of(settings.service.model, settings.budget.prices, local=self._local)
        if not rate.known:
            log.warning("prices: %s", rate.source)
        self._ledger = Ledger(ledger_path(environment), rate=rate, daily_usd=settings.budget.daily_usd, on_over=on_over)
        self._turns = TurnLog(
            trace=trace,
            prices=rate.prices,
            counts=counts,
            now=now,
            call_at=call_at,
            on_turn=lambda record: self._ledger.end_turn(record.unreported),
        )
        self.trace: Trace = self._turns

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
