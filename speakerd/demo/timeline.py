"""What happened when: the daemon's diary laid beside what was really said and heard in the room. Pure.

Every moment that a person could witness comes from the room, not from the daemon: the voice's end, the loudspeaker's
first and last sample. Drawing it is ``picture.py``'s business.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Span = tuple[float, float]
"""Begin and end, in seconds on the monotonic clock."""

_ENDS = ("PlaybackDrained", "ResponseDone")
"""What a reply is over on that was not cut: whichever comes last."""

_SLACK_S = 0.1
"""The diary notes that something is over up to a few periods before or after the room hears it (measured)."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """One thing that the user said."""

    words: str
    """The sentence."""

    begin_s: float
    """Its first sample in the room."""

    end_s: float
    """Its last sample in the room."""

    word_end_s: float | None = None
    """The end of the wake word in it; None: it holds none."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """A reply that was cut by the user."""

    voice_s: float
    """The first sample of the user's voice over the reply, in the room."""

    detected_s: float | None
    """``speech_started`` was received."""

    flush_s: float
    """The daemon silenced the loudspeaker."""

    silent_s: float
    """The last sample of the reply in the room."""

    told_ms: int | None
    """What the service was told the user heard."""

    heard_ms: float
    """What there was to hear in the room."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer; a moment that never came is None."""

    spoken: Spoken
    """What the user said, in the room."""

    understood: str | None = None
    """What the service understood."""

    answered: str | None = None
    """What the service says it answered."""

    wake_s: float | None = None
    """The wake word was detected."""

    open_s: float | None = None
    """The socket was open."""

    up_s: float | None = None
    """The session was configured."""

    first_byte_s: float | None = None
    """The first microphone audio was sent."""

    stopped_s: float | None = None
    """``speech_stopped`` was received."""

    delta_s: float | None = None
    """The first audio of the reply was received."""

    audible_s: float | None = None
    """The first sample of the reply in the room."""

    silent_s: float | None = None
    """The last sample of the reply in the room."""

    interruption: Interruption | None = None
    """How the reply was cut, if it was."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch in one state of the conversation."""

    name: str
    """As the daemon calls it."""

    begin_s: float
    """When it was entered."""

    end_s: float
    """When it was left."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """A whole conversation."""

    begin_s: float
    """The first word's first sample: zero on every scale."""

    end_s: float
    """When the daemon was idle again, or the last thing known."""

    turns: tuple[Turn, ...]
    """In the order they were spoken."""

    phases: tuple[Phase, ...]
    """Without gap, from ``begin_s`` on."""

    def as_plain_data(self) -> dict[str, Any]:
        """Return everything as plain data, times in seconds since ``begin_s``, and the hops in milliseconds."""
        data: dict[str, Any] = _relative(dataclasses.asdict(self), self.begin_s)
        data["hops_ms"] = _relative({name: [measure(turn) for turn in self.turns] for name, measure in HOPS}, 0.0)
        return data


def build(marks: Sequence[Mapping[str, Any]], spoken: Sequence[Spoken], sounds: Sequence[Span]) -> Timeline:
    """Lay a diary beside the room.

    Args:
        marks: The diary, oldest first.
        spoken: What the user said, oldest first, at least one sentence.
        sounds: When the loudspeaker sounded at all, quiet breaths included.
    """
    begin_s = spoken[0].begin_s
    idle = [mark["t"] for mark in marks if mark["name"] == "state" and mark["after"] == "idle" and mark["t"] > begin_s]
    latest_s = max([spoken[-1].end_s, *(mark["t"] for mark in marks)])
    end_s = idle[-1] if idle else latest_s
    turns = []
    for index, line in enumerate(spoken):
        following = spoken[index + 1] if index + 1 < len(spoken) else None
        within = _Window(marks, line.begin_s, following.begin_s if following else latest_s + 1.0)
        turn = _reply(_request(Turn(line), within), within, sounds)
        if following is not None:
            turn = _interruption(turn, following, marks, sounds)
        turns.append(turn)
    return Timeline(begin_s, end_s, tuple(turns), _phases(marks, begin_s, end_s))


class _Window:
    """The part of a diary between two moments."""

    def __init__(self, marks: Sequence[Mapping[str, Any]], begin_s: float, end_s: float) -> None:
        self._marks = [mark for mark in marks if begin_s <= mark["t"] < end_s]

    def all(self, name: str, **fields: object) -> list[Mapping[str, Any]]:
        """Return the marks of a name that have these fields; ``...`` stands for any value."""
        return [
            mark
            for mark in self._marks
            if mark["name"] == name and all(key in mark and value in (..., mark[key]) for key, value in fields.items())
        ]

    def first(self, name: str, **fields: object) -> float | None:
        """Return when the first such mark was made."""
        found = self.all(name, **fields)
        return found[0]["t"] if found else None

    def ended_s(self, since_s: float) -> float:
        """Return when a reply was over that was under way; infinity: it was cut, or still goes on.

        That the loudspeaker has nothing to play is no end: on a busy machine a reply starves on its way.
        """
        left = self.all("state", before="speaking")
        ends = [mark["t"] for mark in left if mark["on"] in _ENDS and mark["t"] > since_s]
        return min(ends, default=float("inf"))

    def text(self, role: str) -> str | None:
        """Return the last transcript of a side."""
        found = [mark["text"].strip() for mark in self.all("transcript", role=role)]
        return next((text for text in reversed(found) if text), None)


def _request(turn: Turn, within: _Window) -> Turn:
    """Add the way of the question to the service."""
    turn = dataclasses.replace(turn, understood=within.text("user"))
    if turn.spoken.word_end_s is None:
        return turn
    return dataclasses.replace(
        turn,
        wake_s=within.first("wake"),
        open_s=within.first("link.open"),
        up_s=within.first("link.up"),
        first_byte_s=within.first("uplink", bytes=...),
    )


def _reply(turn: Turn, within: _Window, sounds: Sequence[Span]) -> Turn:
    """Add the way of the answer back; of several responses the last counts, for a hesitation makes two."""
    created = within.all("response.created")
    if not created:
        return turn
    created_s, response_id = created[-1]["t"], created[-1]["response_id"]
    stopped = [mark["t"] for mark in within.all("speech_stopped") if mark["t"] <= created_s + _SLACK_S]
    turn = dataclasses.replace(
        turn,
        stopped_s=stopped[-1] if stopped else None,
        delta_s=within.first("downlink", response_id=response_id),
        answered=within.text("assistant"),
    )
    if turn.delta_s is None:
        return turn
    ended_s = within.ended_s(turn.delta_s)
    reply = [span for span in sounds if turn.delta_s <= span[0] <= ended_s + _SLACK_S]
    if not reply:
        return turn
    return dataclasses.replace(turn, audible_s=reply[0][0], silent_s=reply[-1][1])


def _interruption(turn: Turn, following: Spoken, marks: Sequence[Mapping[str, Any]], sounds: Sequence[Span]) -> Turn:
    """Add how the next sentence cut this reply, if it did."""
    if turn.audible_s is None:
        return turn
    over_s = _Window(marks, turn.audible_s, float("inf")).ended_s(turn.audible_s)
    after = _Window(marks, following.begin_s, over_s)
    flush_s = after.first("flush", audible=True)
    if flush_s is None:
        return turn
    silent_s = max((end_s for begin_s, end_s in sounds if turn.audible_s <= begin_s <= flush_s), default=flush_s)
    told = after.all("truncate")
    interruption = Interruption(
        voice_s=following.begin_s,
        detected_s=after.first("speech_started"),
        flush_s=flush_s,
        silent_s=silent_s,
        told_ms=told[0]["heard_ms"] if told else None,
        heard_ms=(silent_s - turn.audible_s) * 1000,
    )
    # A reply's transcript comes when it is over, and this one was over when it was cut.
    cut = _Window(marks, following.begin_s, flush_s + _SLACK_S)
    answered = turn.answered or cut.text("assistant")
    return dataclasses.replace(turn, answered=answered, silent_s=silent_s, interruption=interruption)


def _phases(marks: Sequence[Mapping[str, Any]], begin_s: float, end_s: float) -> tuple[Phase, ...]:
    changes = [mark for mark in marks if mark["name"] == "state"]
    before = [mark["after"] for mark in changes if mark["t"] <= begin_s]
    inside = [mark for mark in changes if begin_s < mark["t"] <= end_s]
    names = [before[-1] if before else "idle", *(mark["after"] for mark in inside)]
    edges = [begin_s, *(mark["t"] for mark in inside), end_s]
    return tuple(
        Phase(name, since_s, until_s)
        for name, since_s, until_s in zip(names, edges, edges[1:], strict=False)
        if until_s > since_s
    )


# --- what is measured ------------------------------------------------------------------------------------------------

MOMENTS: tuple[tuple[str, Callable[[Turn], float | None]], ...] = (
    ("wake", lambda turn: turn.wake_s),
    ("connect", lambda turn: turn.open_s),
    ("first byte", lambda turn: turn.first_byte_s),
    ("end of speech", lambda turn: turn.spoken.end_s),
    ("first delta", lambda turn: turn.delta_s),
    ("audible", lambda turn: turn.audible_s),
    ("interrupted", lambda turn: turn.interruption.voice_s if turn.interruption else None),
    ("silent", lambda turn: turn.silent_s),
)
"""The moments of a turn, by the names people use."""


def _cut(choose: Callable[[Interruption], float | None]) -> Callable[[Turn], float | None]:
    return lambda turn: choose(turn.interruption) if turn.interruption else None


HOPS: tuple[tuple[str, Callable[[Turn], float | None]], ...] = (
    ("wake word ends -> detected", lambda turn: _ms(turn.spoken.word_end_s, turn.wake_s)),
    ("detected -> socket open", lambda turn: _ms(turn.wake_s, turn.open_s)),
    ("detected -> first byte of speech", lambda turn: _ms(turn.wake_s, turn.first_byte_s)),
    ("wake word ends -> first byte", lambda turn: _ms(turn.spoken.word_end_s, turn.first_byte_s)),
    ("end of speech -> first delta", lambda turn: _ms(turn.spoken.end_s, turn.delta_s)),
    ("first delta -> audible", lambda turn: _ms(turn.delta_s, turn.audible_s)),
    ("user interrupts -> speech_started", _cut(lambda cut: _ms(cut.voice_s, cut.detected_s))),
    ("speech_started -> silence", _cut(lambda cut: _ms(cut.detected_s, cut.silent_s))),
    (
        "truncation: told - really heard",
        _cut(lambda cut: None if cut.told_ms is None else cut.told_ms - cut.heard_ms),
    ),
)
"""The spans that matter, in milliseconds."""


def _ms(begin_s: float | None, end_s: float | None) -> float | None:
    return None if begin_s is None or end_s is None else (end_s - begin_s) * 1000


def _relative(value: Any, begin_s: float, key: str = "") -> Any:
    """Return plain data whose ``..._s`` values count from a moment, rounded to what was measured."""
    if isinstance(value, Mapping):
        return {name: _relative(below, begin_s, name) for name, below in value.items()}
    if isinstance(value, list | tuple):
        return [_relative(below, begin_s) for below in value]
    if isinstance(value, float):
        return round(value - begin_s, 4) if key.endswith("_s") else round(value, 1)
    return value
