"""The hops of a conversation, measured on the line and in the room, beside the bare program's and their limits. Pure.

A moment that a person could witness is the room's; what the service could witness is the line's. Only when the wake
word was noticed and when the socket was open is the daemon's own word.
"""

from __future__ import annotations

import base64
import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakerd.bench.figures import Figure, percentile, summary
from speakerd.bench.sound import ALIKE, Line, Sound, place
from speakerd.bench.wire_tap import APPEND, DELTA, SPEECH_STARTED, TRUNCATE, Message
from speakerd.core.units import PERIOD_MS, WIRE_RATE_HZ

_QUIET_MS = 100.0
"""Silence that ends a reply: longer than any buffer's hesitation, shorter than the pause before the next (chosen)."""

_MOMENT_S = 0.037
"""Between two moments that the microphone is looked at: no multiple of a period, so that every phase comes (chosen)."""

_LINE_AFTER_S = 0.5
"""How long after it was said something may still come over the line."""


class Hop(enum.Enum):
    """What is measured, by the name in the table; milliseconds unless it says otherwise."""

    DETECTED = "wake word ends -> detected"
    ONE_BREATH = "wake word ends -> first byte of speech, in one breath"
    PAUSED = "command begins behind a pause -> its first byte"
    PAUSE = "wake word ends -> first byte of the pause behind it"
    MISSING = "beginning of the command that never came"
    OPEN = "detected -> socket open"
    FIRST_BYTE = "detected -> first byte"
    MICROPHONE = "microphone -> the append that holds it"
    DELTA = "end of speech -> first delta"
    AUDIBLE = "first delta -> audible"
    STARTED = "user speaks -> speech_started"
    SILENCE = "speech_started -> silence in the room"
    TOLD_BEGAN = "told - heard when speech_started came"
    TOLD_SILENT = "told - heard in the end"
    GAPS = "gaps in a reply (count)"


FIRST_BYTE_MS = 50.0
"""What may not be passed from the end of the wake word, or the beginning of speech behind a pause, to the first byte of
speech (specified)."""

ABOVE_BARE_MS = 20.0
"""How much later than the bare program's a reply may be audible (specified)."""

RESOLUTION_MS = 0.5
"""How far the median of one conversation lies from that of all at the microphone, with the same program (measured: 11.3
to 12.4 around 11.7 ms); less is no difference."""

SILENCE_MS, SILENCE_P95_MS = 20.0, 30.0
"""When the room must be silent, in the middle and at the 95th percentile (specified)."""

TOLD_MS = 20.0
"""How far from what was heard the service may be told: always when the user began; in the end, as the room falls silent
a little later, in the middle (specified)."""


@dataclass(frozen=True)
class Said:
    """Something that was said in the room."""

    begin_s: float
    """Its first sample."""

    end_s: float
    """Its last sample."""

    pcm: NDArray[np.int16]
    """What it sounds like, at ``WIRE_RATE_HZ``."""


@dataclass
class Talk:
    """One conversation as it was witnessed."""

    word_end_s: float | None
    """When the wake word ended; None: there was none."""

    is_one_breath: bool
    """Whether the command followed without a pause."""

    command: Said
    """The question."""

    interruption: Said
    """What was said over the answer."""

    messages: Sequence[Message]
    """What passed on the line, oldest first."""

    heard: Sound
    """What the loudspeaker played from the command on."""

    marks: Sequence[Mapping[str, Any]] = field(default_factory=list)
    """The daemon's diary; empty: there is none."""


Values = dict[Hop, list[float]]
"""What was measured of each hop."""


def gather(talks: Sequence[Talk]) -> Values:
    """Return every hop of some conversations."""
    values: Values = {hop: [] for hop in Hop}
    for talk in talks:
        for found in (_way_up(talk), _microphone(talk), _answers(talk), _cut(talk)):
            for hop, measured in found.items():
                values[hop] += [value for value in measured if value is not None]
    return values


def targets(ours: Values, bare: Values) -> list[Figure]:
    """Return the figures that have a limit, beside it.

    A limit that says no more than a number is judged in the middle and at the 95th percentile; one that hangs on the
    bare program, by the bare program's figure of the same kind.
    """
    told = [*ours[Hop.TOLD_BEGAN], *ours[Hop.TOLD_SILENT]]
    end = [abs(value) for value in ours[Hop.TOLD_SILENT]]
    return [
        *(
            Figure(f"{hop.value}, {name}", middle(ours[hop]), "ms", FIRST_BYTE_MS)
            for hop in (Hop.ONE_BREATH, Hop.PAUSED)
            for name, middle in _RANKS
        ),
        Figure(f"{Hop.MISSING.value}, most", _most(ours[Hop.MISSING]), "ms", 0.0),
        *_beside_bare(Hop.MICROPHONE, ours, bare, RESOLUTION_MS),
        *_beside_bare(Hop.AUDIBLE, ours, bare, ABOVE_BARE_MS),
        Figure(f"gaps in {len(ours[Hop.GAPS])} replies", _sum(ours[Hop.GAPS]), "", 0.0),
        Figure(f"{Hop.SILENCE.value}, median", _middle(ours[Hop.SILENCE]), "ms", SILENCE_MS),
        Figure(f"{Hop.SILENCE.value}, p95", _p95(ours[Hop.SILENCE]), "ms", SILENCE_P95_MS),
        Figure(f"{Hop.TOLD_BEGAN.value}, farthest", _farthest(ours[Hop.TOLD_BEGAN]), "ms", TOLD_MS),
        Figure(f"{Hop.TOLD_SILENT.value}, median distance", _middle(end), "ms", TOLD_MS),
        Figure("told more than was heard, most of both", _most(told), "ms", float(PERIOD_MS)),
    ]


def _beside_bare(hop: Hop, ours: Values, bare: Values, more_ms: float) -> Iterator[Figure]:
    """Return figures whose limit is the bare program's and a little more; without that there is nothing to show."""
    for name, rank in _RANKS:
        theirs = rank(bare[hop])
        limit = None if theirs is None else round(theirs + more_ms, 1)
        yield Figure(f"{hop.value}, {name}", None if limit is None else rank(ours[hop]), "ms", limit)


# --- one conversation ------------------------------------------------------------------------------------------------


def _way_up(talk: Talk) -> dict[Hop, list[float | None]]:
    """Measure from the wake word to the first byte; nothing where there was no wake word."""
    if talk.word_end_s is None:
        return {}
    wake_s = next((mark["t"] for mark in talk.marks if mark["name"] == "wake"), None)
    open_s = next((mark["t"] for mark in talk.marks if mark["name"] == "link.open"), None)
    first_s = next((each.at_s for each in talk.messages if each.kind == APPEND), None)
    hops: dict[Hop, list[float | None]] = {
        Hop.DETECTED: [_ms(talk.word_end_s, wake_s)],
        # A socket may be open before the word is sure: then nobody waits for it.
        Hop.OPEN: [None if (ms := _ms(wake_s, open_s)) is None else max(ms, 0.0)],
        Hop.FIRST_BYTE: [_ms(wake_s, first_s)],
    }
    if not talk.is_one_breath:
        hops[Hop.PAUSE] = [_ms(talk.word_end_s, first_s)]
    line = _uplink(talk, talk.command.end_s + _LINE_AFTER_S)
    at, alike = place(talk.command.pcm, line.pcm)
    if alike < ALIKE:
        return hops
    arrival_s = line.arrival_s(max(at, 0))
    hops[Hop.MISSING] = [max(-at, 0) * 1000 / line.rate_hz]
    if talk.is_one_breath:
        hops[Hop.ONE_BREATH] = [_ms(talk.word_end_s, arrival_s)]
    else:
        hops[Hop.PAUSED] = [_ms(talk.command.begin_s, arrival_s)]
    return hops


def _microphone(talk: Talk) -> dict[Hop, list[float | None]]:
    """Measure how long what was said over the answer took to the line, moment by moment."""
    said = talk.interruption
    line = _uplink(talk, said.end_s + _LINE_AFTER_S, begin_s=said.begin_s)
    at, alike = place(said.pcm, line.pcm)
    if alike < ALIKE:
        return {}
    moments = np.arange(0.0, said.end_s - said.begin_s, _MOMENT_S)
    arrivals = [line.arrival_s(at + int(moment * line.rate_hz)) for moment in moments]
    return {
        Hop.MICROPHONE: [_ms(said.begin_s + moment, arrival) for moment, arrival in zip(moments, arrivals, strict=True)]
    }


def _answers(talk: Talk) -> dict[Hop, list[float | None]]:
    """Measure how both answers began, and whether they flowed as long as they were meant to."""
    started_s = _started_s(talk)
    delta, audible, gaps = [], [], []
    for said, end_s in ((talk.command, started_s), (talk.interruption, None)):
        first_s = _first_delta_s(talk, said)
        begin_s = None if first_s is None else talk.heard.first_s(first_s)
        delta.append(_ms(said.end_s, first_s))
        audible.append(_ms(first_s, begin_s))
        if begin_s is not None:
            gaps.append(float(len(talk.heard.gaps_ms(begin_s, end_s))))
    return {Hop.DELTA: delta, Hop.AUDIBLE: audible, Hop.GAPS: [*gaps]}


def _cut(talk: Talk) -> dict[Hop, list[float | None]]:
    """Measure how the first answer was interrupted, and what the service was told of it."""
    started_s, first_s = _started_s(talk), _first_delta_s(talk, talk.command)
    begin_s = None if first_s is None else talk.heard.first_s(first_s)
    if started_s is None or begin_s is None:
        return {}
    silent_s = talk.heard.silent_s(started_s, _QUIET_MS)
    told_ms = next(
        (each.fields["audio_end_ms"] for each in talk.messages if each.kind == TRUNCATE and each.at_s >= started_s),
        None,
    )
    return {
        Hop.STARTED: [_ms(talk.interruption.begin_s, started_s)],
        Hop.SILENCE: [_ms(started_s, silent_s)],
        Hop.TOLD_BEGAN: [_above(told_ms, _played_ms(talk.heard, begin_s, started_s))],
        Hop.TOLD_SILENT: [_above(told_ms, _played_ms(talk.heard, begin_s, silent_s))],
    }


def _started_s(talk: Talk) -> float | None:
    begin_s = talk.interruption.begin_s
    return next((each.at_s for each in talk.messages if each.kind == SPEECH_STARTED and each.at_s >= begin_s), None)


def _first_delta_s(talk: Talk, said: Said) -> float | None:
    return next((each.at_s for each in talk.messages if each.kind == DELTA and each.at_s >= said.end_s), None)


def _played_ms(heard: Sound, begin_s: float, end_s: float | None) -> float | None:
    """Return how much of a reply was heard in a span, its gaps left out."""
    return None if end_s is None else (end_s - begin_s) * 1000 - sum(heard.gaps_ms(begin_s, end_s))


def _uplink(talk: Talk, end_s: float, begin_s: float = 0.0) -> Line:
    appends = [each for each in talk.messages if each.kind == APPEND and begin_s <= each.at_s <= end_s]
    pieces = [np.frombuffer(base64.b64decode(each.fields["audio"]), "<i2") for each in appends]
    return Line(WIRE_RATE_HZ, [each.at_s for each in appends], pieces)


def _ms(begin_s: float | None, end_s: float | None) -> float | None:
    return None if begin_s is None or end_s is None else (end_s - begin_s) * 1000


def _above(told_ms: float | None, heard_ms: float | None) -> float | None:
    return None if told_ms is None or heard_ms is None else told_ms - heard_ms


# --- many ------------------------------------------------------------------------------------------------------------


def _middle(values: Sequence[float]) -> float | None:
    return summary(values)["median"] if values else None


def _p95(values: Sequence[float]) -> float | None:
    return round(percentile(values, 95), 1) if values else None


def _most(values: Sequence[float]) -> float | None:
    return round(max(values), 1) if values else None


def _farthest(values: Sequence[float]) -> float | None:
    return _most([abs(value) for value in values])


def _sum(values: Sequence[float]) -> float | None:
    return sum(values) if values else None


_RANKS: tuple[tuple[str, Callable[[Sequence[float]], float | None]], ...] = (("median", _middle), ("p95", _p95))
