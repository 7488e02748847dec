"""What is known of one turn: the draft that grows with every mark, and the record that it makes in the end. Pure.

Which mark belongs to which turn is ``turn_book.py``'s business; writing records down is ``host/turn_log.py``'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from speakerd.core.spend import NO_USAGE, Prices, Usage, estimate, usage_of_reply
from speakerd.core.state import Phase
from speakerd.core.units import wire_bytes_to_ms

_BARGE_IN = {"WakeWordDetected": "wake", "SpeechStarted": "speech", "StopRequested": "stop"}
_ENDED = {
    "StopRequested": "stopped",
    "MuteChanged": "muted",
    "DeviceLost": "device-lost",
    "BudgetChanged": "over-budget",
    "WakeWordDetected": "interrupted",
}


@dataclass(frozen=True, slots=True)
class Counts:
    """What other parts have counted since they started."""

    xruns: int = 0
    """Of both cards."""

    starvations: int = 0
    """Gaps in a reply because the network was late."""

    near_misses: int = 0
    """Times that the wake word was nearly heard."""


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """One turn. A span that never began or never ended is None; no figure is negative."""

    conversation: int
    """Counted from 1 since the start of the daemon."""

    turn: int
    """Counted from 1 in its conversation."""

    begun: str
    """By what: ``wake``, ``request`` (without the word), ``speech``, ``response`` (unasked) or ``other``."""

    ended: str
    """How: ``answered``, ``silently`` (a reply without sound), ``interrupted``, ``unheard`` (the user went on, and was
    muted or without a microphone by then), ``stopped``, ``muted``, ``nothing-said``, ``utterance-too-long``,
    ``reply-timeout``, ``reply-stalled``, ``response-failed``, ``response-incomplete``, ``device-lost``,
    ``over-budget``, ``shut-down``, ``other``, or the code of the link's error."""

    resumed: int
    """How often the user went on before the reply was audible; what is said of the reply is said of the last."""

    asked_again: int
    """How often it was asked again by itself, because the link was lost before the reply was audible: once at most."""

    wake_score: float | None
    """Of the wake word that began it."""

    open_ms: int | None
    """Wake word detected → socket open; 0: it was open already."""

    first_byte_ms: int | None
    """Wake word detected → first audio sent."""

    reply_ms: int | None
    """The service heard the end of speech → first audio of the reply. Its own silence has passed before that."""

    audible_ms: int | None
    """First audio of the reply received → audible."""

    received_ms: int
    """Sound of the reply that was received."""

    heard_ms: int
    """Of it, what came out of the loudspeaker."""

    barge_in: str | None
    """What cut an audible reply: ``speech``, ``wake`` or ``stop``."""

    silent_ms: int | None
    """What cut it → the loudspeaker silent."""

    told_ms: int | None
    """What the service was told was heard of the items that were cut."""

    xruns: int
    """Of both cards, during the turn."""

    starvations: int
    """Gaps in the reply."""

    near_misses: int
    """Times that the wake word was nearly heard since the last record."""

    usage: Usage
    """Tokens as the service reported them."""

    unreported: Usage
    """The least that replies took whose account never came, because the link was closed or lost."""

    cost_usd: float
    """Estimate for both, and for writing down what the user said."""


@dataclass(slots=True)
class Reply:
    """A response of a turn."""

    received_bytes: int = 0
    """Wire audio of it."""

    accounted: bool = False
    """Whether the service has said what it took."""

    overtaken: bool = False
    """The user went on before it was audible."""


@dataclass(slots=True)
class Turn:
    """A turn whose record is not complete. Times are in seconds on the monotonic clock; None: not yet, or never."""

    conversation: int
    """Counted from 1."""

    number: int
    """Counted from 1 in its conversation."""

    begun: str
    """By what, in the record's words."""

    begun_s: float
    """When: the wake word's detection, or the change of state."""

    counts: Counts
    """At its beginning."""

    wake_score: float | None = None
    """Of the wake word."""

    link_open_s: float | None = None
    """The socket was open."""

    first_uplink_s: float | None = None
    """The first audio was sent."""

    spoke: bool = False
    """The service has heard the user begin."""

    resumed: int = 0
    """How often the user went on before the reply was audible."""

    asked_again: int = 0
    """How often it was asked again by itself."""

    stopped_s: float | None = None
    """The service has heard the user end, the last time."""

    delta_s: float | None = None
    """The first audio of a reply was received."""

    audible_s: float | None = None
    """It was audible."""

    quiet_s: float | None = None
    """The reply has come out of the loudspeaker, or was cut."""

    cut: bool = False
    """A reply that was audible was cut."""

    silent_s: float | None = None
    """The loudspeaker was silent after that."""

    told_ms: int | None = None
    """What the service was told was heard."""

    trouble: str | None = None
    """The code of the error that took the link."""

    status: str = "completed"
    """Of its last response."""

    ended: str = ""
    """How, in the record's words; empty: it has not."""

    ended_on: str = ""
    """The kind of event that ended it."""

    ended_s: float = 0.0
    """When its end changed the state."""

    cut_s: float = 0.0
    """When that was noticed which ended it: a word, a voice."""

    xruns: int = 0
    """During the turn."""

    starvations: int = 0
    """During the turn."""

    near_misses: int = 0
    """Since the record before."""

    usage: Usage = NO_USAGE
    """Tokens that the service has reported."""

    transcription_usd: float = 0.0
    """Estimate for writing down what the user said."""

    replies: dict[str, Reply] = field(default_factory=dict)
    """Its responses, by name."""

    def reply(self, response_id: str) -> Reply:
        """Return what is known of a response, which is this turn's from now on."""
        return self.replies.setdefault(response_id, Reply())

    def resume(self) -> None:
        """The user goes on: what has come of a reply so far answers nothing they still want."""
        self.resumed += 1
        self._overtake()

    def ask_again(self) -> None:
        """What the user said is said to another session: of the one before no reply will come any more."""
        self.asked_again += 1
        self._overtake()

    def _overtake(self) -> None:
        self.stopped_s = self.delta_s = None
        for reply in self.replies.values():
            reply.overtaken = True

    def how_it_ends(self, phase: str, event: str) -> str:
        """Name the turn's end, from the kind of event that brings it and the phase it comes in."""
        match event:
            case "LinkLost":
                return self.trouble or "link-lost"
            case "SpeechStarted":
                return "interrupted" if phase == Phase.SPEAKING.value else "unheard"
            case "DeadlinePassed":
                return self._too_late(phase)
            case "ResponseDone" | "PlaybackDrained":
                return self.trouble or self._answer()
            case _:
                return _ENDED.get(event, "other")

    def _answer(self) -> str:
        if self.status in {"failed", "incomplete"}:
            return f"response-{self.status}"
        return "silently" if self.delta_s is None else "answered"

    def _too_late(self, phase: str) -> str:
        if self.trouble is not None:
            return self.trouble
        if phase == Phase.LISTENING.value:
            return "utterance-too-long" if self.spoke else "nothing-said"
        return "reply-timeout" if phase == Phase.THINKING.value else "reply-stalled"

    def record(self, prices: Prices) -> TurnRecord:
        """Return what came of the turn; what was not reported is guessed from what was received."""
        by_wake = self.begun in {"wake", "request"}
        received_ms = wire_bytes_to_ms(sum(reply.received_bytes for reply in self.replies.values()))
        heard_ms = _ms(self.audible_s, self.ended_s if self.quiet_s is None else self.quiet_s) or 0
        unreported = sum(
            (
                usage_of_reply(wire_bytes_to_ms(one.received_bytes))
                for one in self.replies.values()
                if not one.accounted
            ),
            start=NO_USAGE,
        )
        return TurnRecord(
            conversation=self.conversation,
            turn=self.number,
            begun=self.begun,
            ended=self.ended,
            resumed=self.resumed,
            asked_again=self.asked_again,
            wake_score=self.wake_score,
            open_ms=_ms(self.begun_s, self.link_open_s) if by_wake else None,
            first_byte_ms=_ms(self.begun_s, self.first_uplink_s) if by_wake else None,
            reply_ms=_ms(self.stopped_s, self.delta_s),
            audible_ms=_ms(self.delta_s, self.audible_s),
            received_ms=received_ms,
            heard_ms=min(heard_ms, received_ms),
            barge_in=_BARGE_IN.get(self.ended_on) if self.cut else None,
            silent_ms=_ms(self.cut_s, self.silent_s),
            told_ms=self.told_ms,
            xruns=self.xruns,
            starvations=self.starvations,
            near_misses=self.near_misses,
            usage=self.usage,
            unreported=unreported,
            cost_usd=estimate(self.usage + unreported, prices) + self.transcription_usd,
        )


def _ms(since_s: float | None, until_s: float | None) -> int | None:
    """Return a span in whole milliseconds; what was there already took none."""
    return None if since_s is None or until_s is None else max(0, round((until_s - since_s) * 1000))
