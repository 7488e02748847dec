"""One wide line in the log for each turn, ``turn 3: key=value key=value …``, beside the diary that it passes on.

The keys are always the same, all of them, in this order; ``-`` stands for what was not there to measure. No transcript
and no name of a session, a response or a person is among them.

=================  ====================================================================================================
key                what it holds
=================  ====================================================================================================
conversation       counted from 1 since the daemon's start
begun              ``wake``, ``request`` (``speakerd wake``), ``speech`` (no wake word needed), ``text`` (``speakerd
                   say`` or ``ask``), ``response``, ``other``
ended              ``answered``, ``interrupted``, ``nothing-said`` … or the link's error code: ``TurnRecord.ended``
resumed            how often the user went on before the reply was audible
asked_again        1: the question was asked again by itself, because the link was lost before the reply was audible
score              of the wake word, 0 to 1
open_ms            wake word detected → socket open; 0: it was open already
first_byte_ms      wake word detected → first audio sent
reply_ms           the service heard the end of speech → first audio of the reply
audible_ms         first audio of the reply received → audible
received_ms        sound of the reply that was received
heard_ms           of it, what came out of the loudspeaker
barge_in           what cut an audible reply: ``speech``, ``wake``, ``stop``
silent_ms          what cut it → the loudspeaker silent
told_ms            what the service was told was heard of the items that were cut
xruns              of both cards, during the turn
starvations        gaps in the reply, because the network was late
near_misses        times that the wake word was nearly heard since the line before
text_in            tokens of text read, as the service reports them; the next five likewise
audio_in           of sound read
cached_text_in     of the text read, those that were cached
cached_audio_in    of the sound read, those that were cached
text_out           of text written
audio_out          of sound spoken
unreported_out     at least so many tokens of sound spoken that the service did not report: the link was closed or lost
usd                the estimate for all of it, in USD
=================  ====================================================================================================

What a turn is, and which mark belongs to which, is the core's business: ``core/turn_book.py``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Protocol

from speakerd.core.spend import Prices, Usage
from speakerd.core.story import Kind, story
from speakerd.core.turn_book import TurnBook
from speakerd.core.turn_record import Counts, TurnRecord
from speakerd.ports import Trace

log = logging.getLogger("speakerd.turn")


class Timer(Protocol):
    """What ``call_at`` gives back."""

    def cancel(self) -> None:
        """Forget the call."""


class TurnLog:
    """A diary that also writes a line for each turn, about a second after its end. Thread: event loop.

    Args:
        trace: The diary that every mark is passed on to.
        prices: For the estimate.
        counts: Tells what other parts have counted until now; asked twice a turn.
        now: Seconds on the monotonic clock.
        call_at: Arms a timer at a moment of that clock, as ``loop.call_at`` does.
        on_turn: Hears of each record when its line is written.

    Ends: by ``close``, which writes what is not written yet.
    """

    def __init__(
        self,
        *,
        trace: Trace,
        prices: Prices,
        counts: Callable[[], Counts],
        now: Callable[[], float],
        call_at: Callable[[float, Callable[[], None]], Timer],
        on_turn: Callable[[TurnRecord], None],
    ) -> None:
        self._trace = trace
        self._book = TurnBook(prices, counts)
        self._now = now
        self._call_at = call_at
        self._on_turn = on_turn
        self._timer: Timer | None = None

    def mark(self, name: str, **fields: object) -> None:
        """Note that something happened now."""
        self._trace.mark(name, **fields)
        self._book.mark(self._now(), name, fields)
        self._arm()

    def note_usage(self, usage: Usage) -> None:
        """Put tokens down to the turn whose ``response.done`` was marked last."""
        self._book.note_usage(usage)

    def note_transcription(self, usd: float) -> None:
        """Put down what writing down the user's words cost."""
        self._book.note_transcription(usd)

    def use(self, prices: Prices) -> None:
        """Estimate by other prices from the next line on."""
        self._book.prices = prices

    def close(self) -> None:
        """Write what is not written yet; the daemon ends."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._write(self._book.close(self._now()))

    def _arm(self) -> None:
        if self._timer is None and self._book.due_s is not None:
            self._timer = self._call_at(self._book.due_s, self._settle)

    def _settle(self) -> None:
        self._timer = None
        self._write(self._book.settle(self._now()))
        self._arm()

    def _write(self, records: tuple[TurnRecord, ...]) -> None:
        for record in records:
            told = story(Kind.TURN, turn=record.turn, **values_of(record))
            log.info("turn %d: %s", record.turn, format_record(record), extra=told)
            self._on_turn(record)


def format_record(record: TurnRecord) -> str:
    """Write a record as the module's table says."""
    return " ".join(f"{key}={'-' if value is None else value}" for key, value in values_of(record).items())


def values_of(record: TurnRecord) -> dict[str, object]:
    """Return a record's values by the keys of the module's table."""
    return {
        "conversation": record.conversation,
        "begun": record.begun,
        "ended": record.ended,
        "resumed": record.resumed,
        "asked_again": record.asked_again,
        "score": None if record.wake_score is None else f"{record.wake_score:.2f}",
        "open_ms": record.open_ms,
        "first_byte_ms": record.first_byte_ms,
        "reply_ms": record.reply_ms,
        "audible_ms": record.audible_ms,
        "received_ms": record.received_ms,
        "heard_ms": record.heard_ms,
        "barge_in": record.barge_in,
        "silent_ms": record.silent_ms,
        "told_ms": record.told_ms,
        "xruns": record.xruns,
        "starvations": record.starvations,
        "near_misses": record.near_misses,
        **asdict(record.usage),
        "unreported_out": record.unreported.audio_out,
        "usd": f"{record.cost_usd:.4f}",
    }
