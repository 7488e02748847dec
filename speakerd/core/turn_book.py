"""Which mark of the diary belongs to which turn: every turn that begins makes exactly one record in the end. Pure.

A turn begins when the user gets the word, or when the service speaks unasked, and ends when the reply is over, is cut,
or will not come; the empty and the failed ones make a record too. A user who goes on before the reply is audible is in
the same turn still, as in ``conversation.py``: that is counted, and makes no record of its own. The marks are those of
``ports.Trace``: each comes just before the change of state that it causes. No transcript is looked at. What a turn and
its record hold is in ``turn_record.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from speakerd.core.spend import NO_USAGE, Prices, Usage
from speakerd.core.state import Phase
from speakerd.core.turn_record import Counts, Turn, TurnRecord

GRACE_S = 1.0
"""How long a turn that is over waits for what still belongs to it: the loudspeaker's silence (10 ms, measured) and the
account of a cancelled response (to the service and back; guess)."""

_FRESH_S = 0.1
"""A wake mark older than this did not cause the change of state (guess: they are in the same call)."""

_RESTING = frozenset({Phase.IDLE.value, Phase.FOLLOW_UP.value})
_SAME_TURN = frozenset({"SpeechStarted", "LinkLost"})
"""What gives the user the word again before the reply is audible, in the turn that is open: they go on, or their
question is asked again."""

_BEGUN = {"WakeWordDetected": "wake", "SpeechStarted": "speech", "ResponseCreated": "response", "TextGiven": "text"}

Taker = Callable[[float, Mapping[str, object]], None]
"""Takes in the marks of one name: when, and what belongs to it."""


class TurnBook:
    """Collects marks and yields records.

    Args:
        prices: For the estimate; may be set anew at any time.
        counts: Tells what has been counted until now.
    """

    def __init__(self, prices: Prices, counts: Callable[[], Counts]) -> None:
        self.prices = prices
        self._counts = counts
        self._near_misses = counts().near_misses
        self._phase = Phase.IDLE.value
        self._conversation = self._number = 0
        self._open: Turn | None = None
        self._closing: list[Turn] = []
        self._wake: tuple[float, float | None] | None = None
        self._speech_s: float | None = None
        self._link_open_s: float | None = None
        self._unasked: str | None = None
        self._done: tuple[Turn, str] | None = None
        self._owed = NO_USAGE
        self._owed_usd = 0.0
        self._takers: dict[str, Taker] = {
            "wake": self._on_wake,
            "state": self._on_state,
            "link.connecting": self._on_link,
            "link.open": self._on_link_open,
            "link.up": self._on_link_up,
            "link.lost": self._on_link_lost,
            "uplink": self._on_uplink,
            "uplink.again": self._on_uplink_again,
            "speech_started": self._on_speech_started,
            "speech_stopped": self._on_speech_stopped,
            "response.created": self._on_created,
            "response.done": self._on_done,
            "downlink": self._on_downlink,
            "audible": self._on_audible,
            "drained": self._on_drained,
            "flush": self._on_flush,
            "silent": self._on_silent,
            "truncate": self._on_truncate,
        }

    def mark(self, now_s: float, name: str, fields: Mapping[str, object]) -> None:
        """Take in a mark of the diary; one that no turn needs is passed over."""
        taker = self._takers.get(name)
        if taker is not None:
            taker(now_s, fields)

    def note_usage(self, usage: Usage) -> None:
        """Take in the tokens of the response whose ``response.done`` was marked last.

        What comes when its turn is written already is put down to the next one: no token is lost.
        """
        turn = self._latest
        if self._done is not None:
            turn, response_id = self._done
            turn.reply(response_id).accounted = True
            self._done = None
        if turn is None:
            self._owed += usage
        else:
            turn.usage += usage

    def note_transcription(self, usd: float) -> None:
        """Take in what writing down an utterance cost; it may come after the reply."""
        if self._latest is None:
            self._owed_usd += usd
        else:
            self._latest.transcription_usd += usd

    @property
    def due_s(self) -> float | None:
        """When ``settle`` will have a record."""
        return self._closing[0].ended_s + GRACE_S if self._closing else None

    def settle(self, now_s: float) -> tuple[TurnRecord, ...]:
        """Return the records that are due, in the order in which their turns ended."""
        count = sum(1 for turn in self._closing if turn.ended_s + GRACE_S <= now_s)
        due, self._closing = self._closing[:count], self._closing[count:]
        if self._done is not None and self._done[0] in due:
            self._done = None
        return tuple(turn.record(self.prices) for turn in due)

    def close(self, now_s: float) -> tuple[TurnRecord, ...]:
        """Return everything that is not written yet: the daemon ends."""
        if self._open is not None:
            self._end(now_s, "shut-down", "")
        return self.settle(float("inf"))

    # --- when a turn begins and ends ---------------------------------------------------------------------------------

    @property
    def _latest(self) -> Turn | None:
        return self._open or (self._closing[-1] if self._closing else None)

    def _on_state(self, now_s: float, fields: Mapping[str, object]) -> None:
        after, event = str(fields.get("after")), str(fields.get("on"))
        listens = after == Phase.LISTENING.value
        if self._open is not None and listens and self._phase == Phase.THINKING.value and event in _SAME_TURN:
            if event == "SpeechStarted":
                self._open.resume()
        else:
            begins = listens or (after not in _RESTING and self._open is None)
            if self._open is not None and (begins or after in _RESTING):
                self._end(now_s, self._open.how_it_ends(self._phase, event), event)
            if begins:
                self._begin(now_s, event)
        if after == Phase.IDLE.value:
            self._link_open_s = None  # the link is closed with the conversation
        self._phase = after

    def _begin(self, now_s: float, event: str) -> None:
        if self._phase == Phase.IDLE.value or self._number == 0:
            self._conversation += 1
            self._number = 1
        else:
            self._number += 1
        turn = Turn(self._conversation, self._number, _BEGUN.get(event, "other"), now_s, self._counts())
        turn.link_open_s = self._link_open_s
        turn.usage, self._owed = self._owed, NO_USAGE
        turn.transcription_usd, self._owed_usd = self._owed_usd, 0.0
        turn.spoke = turn.begun == "speech"
        if turn.begun == "wake":
            wake = self._fresh_wake(now_s)
            if wake is None:
                turn.begun = "request"
            else:
                turn.begun_s, turn.wake_score = wake
        if turn.begun == "response" and self._unasked is not None:
            turn.reply(self._unasked)
        self._unasked = None
        self._open = turn

    def _end(self, now_s: float, how: str, event: str) -> None:
        turn, self._open = self._open, None
        assert turn is not None
        counts = self._counts()
        turn.ended, turn.ended_on, turn.ended_s, turn.cut_s = how, event, now_s, now_s
        turn.xruns = max(0, counts.xruns - turn.counts.xruns)  # a card that came back counts from 0
        turn.starvations = max(0, counts.starvations - turn.counts.starvations)
        turn.near_misses = max(0, counts.near_misses - self._near_misses)
        self._near_misses = counts.near_misses
        wake = self._fresh_wake(now_s)
        if event == "SpeechStarted" and self._speech_s is not None:
            turn.cut_s = self._speech_s
        elif event == "WakeWordDetected" and wake is not None:
            turn.cut_s = wake[0]
        self._closing.append(turn)

    def _fresh_wake(self, now_s: float) -> tuple[float, float | None] | None:
        return self._wake if self._wake is not None and now_s - self._wake[0] <= _FRESH_S else None

    # --- what belongs to which turn ----------------------------------------------------------------------------------

    def _owner(self, fields: Mapping[str, object]) -> tuple[Turn | None, str]:
        """Return the turn a response belongs to: the one that has it, else the one that is open."""
        response_id = str(fields.get("response_id"))
        for turn in (*self._closing, *([self._open] if self._open else [])):
            if response_id in turn.replies:
                return turn, response_id
        return self._open, response_id

    @property
    def _hushed(self) -> Turn | None:
        """The turn that a flush cuts: the one whose end brought it, for that was a moment ago, or that was resumed."""
        resumed = self._open is not None and self._open.resumed > 0
        return self._closing[-1] if self._closing and not resumed else self._open

    def _on_wake(self, now_s: float, fields: Mapping[str, object]) -> None:
        score = fields.get("score")
        self._wake = now_s, float(score) if isinstance(score, int | float) else None

    def _on_link(self, _now_s: float, _fields: Mapping[str, object]) -> None:
        self._set_link_open(None)

    def _on_link_open(self, now_s: float, _fields: Mapping[str, object]) -> None:
        self._set_link_open(now_s)

    def _set_link_open(self, at_s: float | None) -> None:
        self._link_open_s = at_s
        if self._open is not None and self._open.first_uplink_s is None:
            self._open.link_open_s = at_s

    def _on_link_up(self, _now_s: float, _fields: Mapping[str, object]) -> None:
        if self._open is not None:
            self._open.trouble = None

    def _on_link_lost(self, _now_s: float, fields: Mapping[str, object]) -> None:
        self._link_open_s = None
        if self._open is not None:
            self._open.trouble = str(fields.get("code"))

    def _on_uplink(self, now_s: float, _fields: Mapping[str, object]) -> None:
        if self._open is not None and self._open.first_uplink_s is None:
            self._open.first_uplink_s = now_s

    def _on_uplink_again(self, _now_s: float, _fields: Mapping[str, object]) -> None:
        if self._open is not None:
            self._open.ask_again()

    def _on_speech_started(self, now_s: float, _fields: Mapping[str, object]) -> None:
        self._speech_s = now_s
        if self._open is not None:
            self._open.spoke = True

    def _on_speech_stopped(self, now_s: float, _fields: Mapping[str, object]) -> None:
        if self._open is not None and self._open.delta_s is None:
            self._open.stopped_s = now_s

    def _on_created(self, _now_s: float, fields: Mapping[str, object]) -> None:
        response_id = str(fields.get("response_id"))
        if self._open is not None:
            self._open.reply(response_id)
        else:
            self._unasked = response_id

    def _on_done(self, _now_s: float, fields: Mapping[str, object]) -> None:
        turn, response_id = self._owner(fields)
        self._done = None if turn is None else (turn, response_id)
        if turn is not None and response_id in turn.replies and not turn.replies[response_id].overtaken:
            turn.status = str(fields.get("status"))

    def _on_downlink(self, now_s: float, fields: Mapping[str, object]) -> None:
        turn, response_id = self._owner(fields)
        size = fields.get("bytes")
        if turn is not None and isinstance(size, int):
            reply = turn.reply(response_id)
            reply.received_bytes += size
            if turn.delta_s is None and not reply.overtaken:
                turn.delta_s = now_s

    def _on_audible(self, now_s: float, fields: Mapping[str, object]) -> None:
        turn, _ = self._owner(fields)
        if turn is not None and turn.audible_s is None:
            turn.audible_s = now_s

    def _on_drained(self, now_s: float, _fields: Mapping[str, object]) -> None:
        if self._latest is not None:
            self._latest.quiet_s = now_s

    def _on_flush(self, now_s: float, fields: Mapping[str, object]) -> None:
        if self._hushed is not None and fields.get("audible") and self._hushed.audible_s is not None:
            self._hushed.cut = True
            self._hushed.quiet_s = now_s

    def _on_silent(self, now_s: float, _fields: Mapping[str, object]) -> None:
        if self._hushed is not None and self._hushed.cut and self._hushed.silent_s is None:
            self._hushed.silent_s = now_s

    def _on_truncate(self, _now_s: float, fields: Mapping[str, object]) -> None:
        heard_ms = fields.get("heard_ms")
        if self._hushed is not None and isinstance(heard_ms, int):
            self._hushed.told_ms = (self._hushed.told_ms or 0) + max(0, heard_ms)
