"""A timeline as a picture: one self-contained SVG that reads well on white and on dark pages. Pure.

How marks and captions find their places beside one another is ``layout.py``'s business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from speakerd.core.units import SAMPLE_BYTES, WIRE_RATE_HZ
from speakerd.demo.layout import Label, Note, place_captions, place_labels
from speakerd.demo.timeline import Timeline, Turn

WIDTH, LEFT, RIGHT = 1200, 132, 1172
"""Of the page and of its time axis, in pixels."""

_LANES_TOP = 98
"""Where the lanes begin when no label stands above them."""

_MICROPHONE, _UPLINK, _DOWNLINK, _LOUDSPEAKER, _STATE, _AXIS, _BOTTOM = 38, 126, 188, 254, 334, 370, 404
"""Where things stand below the labels: middle lines of the waveforms, base lines of the bars, tops of the rest."""

_WAVE_HALF, _BAR_HEIGHT, _STATE_HEIGHT = 32, 38, 22
_LEVEL_HEIGHT = 14
_UPLINK_BIN_S = 0.1
"""Live audio goes up in periods of 20 ms; five together stand side by side as one bar."""

_BAR_PX = 1.6
"""One delta, or what a bin leaves of itself."""

_SILENT_PX = 0.25
"""A waveform is not drawn where it would be thinner."""

_INK, _GREY, _FAINT, _PAPER, _EDGE = "#20242c", "#6a7080", "#c9cdd4", "#fcfcfb", "#e3e5e8"
_USER, _USER_LIGHT, _SPEAKER, _SPEAKER_LIGHT = "#35679f", "#86a9d1", "#bf5f38", "#e09f80"
_ECHO = "#eed8cd"
_STATES = {
    "idle": "#eceef0",
    "listening": "#cfe0f2",
    "thinking": "#f1e6c4",
    "speaking": "#f5d5c6",
    "follow-up": "#dcebdf",
}
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True)
class Sound:
    """What there was to hear in the room."""

    begin_s: float
    """The first sample, on the timeline's clock."""

    rate_hz: int
    """Of both."""

    user: NDArray[np.int16]
    """The user's voice."""

    speaker: NDArray[np.int16]
    """The loudspeaker."""

    echo_gain: float = 0.0
    """How loud the microphone hears the loudspeaker, as a factor."""


class _Scale:
    """Seconds to pixels."""

    def __init__(self, begin_s: float, end_s: float) -> None:
        self.begin_s, self.end_s = begin_s, end_s
        self.px_per_s = (RIGHT - LEFT) / max(end_s - begin_s, 1.0)

    def x(self, at_s: float) -> float:
        return LEFT + (min(max(at_s, self.begin_s), self.end_s) - self.begin_s) * self.px_per_s


def draw(timeline: Timeline, marks: Sequence[Mapping[str, Any]], sound: Sound) -> str:
    """Return the picture.

    Args:
        timeline: What happened when.
        marks: The daemon's diary, for the bytes that went up and down.
        sound: The room.
    """
    scale = _Scale(sound.begin_s, sound.begin_s + len(sound.user) / sound.rate_hz)
    loudest = max(int(np.abs(track.astype(np.int32)).max(initial=1)) for track in (sound.user, sound.speaker))
    ups = [mark for mark in marks if mark["name"] == "uplink" and "bytes" in mark]
    downs = [mark for mark in marks if mark["name"] == "downlink"]
    labels = place_labels([label for turn in timeline.turns for label in _turn_labels(turn, scale)], size=10.5)
    top = _LANES_TOP + _LEVEL_HEIGHT * max((level for _, level in labels), default=0)
    lanes = [
        *_axis(scale, timeline.begin_s),
        *_states(timeline, scale),
        *_moments(labels),
        *_waves(sound, loudest),
        _bars(_binned(ups, _UPLINK_BIN_S), scale, _UPLINK, _USER_LIGHT, _UPLINK_BIN_S),
        _bars([(mark["t"], mark["bytes"]) for mark in downs], scale, _DOWNLINK, _SPEAKER_LIGHT, 0.0),
        *_captions(timeline, scale),
        *_lane_names(downs, with_echo=sound.echo_gain > 0),
    ]
    body = "\n".join([_head(timeline), f'<g transform="translate(0 {top})">', *lanes, "</g>"])
    return "\n".join([_open(top + _BOTTOM), body, "</svg>", ""])


# --- lanes -----------------------------------------------------------------------------------------------------------


def _waves(sound: Sound, loudest: int) -> Iterable[str]:
    for middle, track, colour in (
        (_MICROPHONE, sound.speaker * sound.echo_gain, _ECHO),
        (_MICROPHONE, sound.user, _USER),
        (_LOUDSPEAKER, sound.speaker, _SPEAKER),
    ):
        yield f'<path d="M{LEFT} {middle}H{RIGHT}" stroke="{_FAINT}" stroke-width=".7"/>'
        yield _wave(track / loudest * _WAVE_HALF, middle, colour)


def _wave(heights: NDArray[np.floating[Any]], middle: float, colour: str) -> str:
    """Draw a track's envelope over the whole time axis, one column a pixel; silence is left out."""
    columns = RIGHT - LEFT
    edges = np.linspace(0, len(heights), columns + 1).astype(int)[:-1]
    high, low = np.maximum.reduceat(heights, edges).clip(min=0), np.minimum.reduceat(heights, edges).clip(max=0)
    loud = np.flatnonzero(high - low > _SILENT_PX)
    path = ""
    for run in np.split(loud, np.flatnonzero(np.diff(loud) > 1) + 1) if len(loud) else []:
        top = [f"{LEFT + x} {middle - high[x]:.1f}" for x in run]
        bottom = [f"{LEFT + x} {middle - low[x]:.1f}" for x in run[::-1]]
        path += f"M{' '.join(top + bottom)}Z"
    return f'<path d="{path}" fill="{colour}" stroke="{colour}" stroke-width=".6" stroke-linejoin="round"/>'


def _binned(marks: Iterable[Mapping[str, Any]], bin_s: float) -> list[tuple[float, int]]:
    """Return bytes added up over equal spans of time."""
    sizes: dict[int, int] = {}
    for mark in marks:
        sizes[int(mark["t"] / bin_s)] = sizes.get(int(mark["t"] / bin_s), 0) + mark["bytes"]
    return [(index * bin_s, size) for index, size in sorted(sizes.items())]


def _bars(sizes: Sequence[tuple[float, int]], scale: _Scale, base: float, colour: str, bin_s: float) -> str:
    """Draw bytes as bars that stand on a line."""
    shown = [(at_s, size) for at_s, size in sizes if scale.begin_s <= at_s + bin_s and at_s <= scale.end_s]
    highest = max((size for _, size in shown), default=1)
    width = max(_BAR_PX, bin_s * scale.px_per_s - 0.8)
    path = "".join(
        f"M{scale.x(at_s):.1f} {base}v{-max(1.5, size / highest * _BAR_HEIGHT):.1f}h{width:.1f}V{base}z"
        for at_s, size in shown
    )
    line = f'<path d="M{LEFT} {base + 0.5}H{RIGHT}" stroke="{_FAINT}" stroke-width=".7"/>'
    return line + f'<path d="{path}" fill="{colour}"/>'


def _states(timeline: Timeline, scale: _Scale) -> Iterable[str]:
    phases = [("idle", scale.begin_s, timeline.begin_s)]
    phases += [(phase.name, phase.begin_s, phase.end_s) for phase in timeline.phases]
    phases += [("idle", timeline.end_s, scale.end_s)]
    for name, begin_s, end_s in phases:
        x, width = scale.x(begin_s), scale.x(end_s) - scale.x(begin_s)
        fill = _STATES.get(name, _EDGE)
        yield f'<rect x="{x:.1f}" y="{_STATE}" width="{width:.1f}" height="{_STATE_HEIGHT}" fill="{fill}"/>'
        label = Label(x, name)
        if label.width(10.5) + 2 < width:
            yield _text(x + width / 2, _STATE + 15, name, size=10.5, colour=_GREY, anchor="middle")


def _axis(scale: _Scale, zero_s: float) -> Iterable[str]:
    step_s = 1 if scale.px_per_s > 30 else 5  # noqa: PLR2004 - a label has 20 pixels
    yield f'<path d="M{LEFT} {_AXIS + 0.5}H{RIGHT}" stroke="{_FAINT}"/>'
    for second in range(0, int(scale.end_s - zero_s) + 1, step_s):
        x = scale.x(zero_s + second)
        yield f'<path d="M{x:.1f} {_AXIS}v4" stroke="{_FAINT}"/>'
        yield _text(x, _AXIS + 17, f"{second} s" if second == 0 else str(second), size=10.5, anchor="middle")


def _lane_names(downs: Sequence[Mapping[str, Any]], *, with_echo: bool) -> Iterable[str]:
    speed = _speed(downs)
    faster = f"{speed:.0f} times real time" if speed else "bytes received"
    for y, name, note in (
        (_MICROPHONE - 2, "microphone", "user, and echo" if with_echo else "the user"),
        (_UPLINK - 22, "uplink", "bytes sent"),
        (_DOWNLINK - 22, "downlink", faster),
        (_LOUDSPEAKER - 2, "loudspeaker", "in the room"),
        (_STATE + 15, "state", ""),
    ):
        yield _text(24, y, name, size=13, colour=_INK, weight=600)
        yield _text(24, y + 15, note, size=10.5)


# --- what happened when ----------------------------------------------------------------------------------------------


def _moments(labels: Sequence[tuple[Label, int]]) -> Iterable[str]:
    for label, level in labels:
        y = -8 - level * _LEVEL_HEIGHT
        yield (
            f'<path d="M{label.x:.1f} {y - 9}V{_STATE}" stroke="{label.colour}" stroke-width=".8" '
            f'stroke-opacity=".55"{" stroke-dasharray=" + chr(34) + "2 2" + chr(34) if label.dashed else ""}/>'
        )
        yield _text(label.x + 3.5, y, label.text, size=10.5, colour=label.colour)


def _turn_labels(turn: Turn, scale: _Scale) -> Iterable[Label]:
    if turn.wake_s is not None:
        yield Label(scale.x(turn.wake_s), "wake", _USER)
    yield Label(scale.x(turn.spoken.end_s), "end of speech", _USER)
    if turn.delta_s is not None:
        yield Label(scale.x(turn.delta_s), "first delta", _SPEAKER, dashed=True)
    if turn.audible_s is not None:
        wait_s = turn.audible_s - turn.spoken.end_s
        yield Label(scale.x(turn.audible_s), f"audible after {wait_s:.2f} s", _SPEAKER)
    if turn.interruption is not None:
        yield Label(scale.x(turn.interruption.voice_s), "interrupted", _USER)
        yield Label(scale.x(turn.interruption.silent_s), "silent", _SPEAKER)


def _captions(timeline: Timeline, scale: _Scale) -> Iterable[str]:
    user = [Note(scale.x(turn.spoken.begin_s), turn.spoken.words) for turn in timeline.turns]
    speaker = [
        Note(scale.x(turn.audible_s), turn.answered)
        for turn in timeline.turns
        if turn.audible_s is not None and turn.answered
    ]
    for notes, y in ((user, _MICROPHONE + _WAVE_HALF + 13), (speaker, _LOUDSPEAKER + _WAVE_HALF + 13)):
        for x, line, text in place_captions(notes, right=RIGHT, size=12):
            yield _text(x, y + line * 15, text, size=12, colour=_INK, halo=True)


# --- text ------------------------------------------------------------------------------------------------------------


def _head(timeline: Timeline) -> str:
    title = "A conversation, as the room heard it"
    return _text(24, 38, title, size=20, colour=_INK, weight=600) + _text(24, 60, legend(timeline), size=12.5)


def legend(timeline: Timeline) -> str:
    """Return the measured latencies in one line, medians over the turns."""
    turns = timeline.turns
    cuts = [turn.interruption for turn in turns if turn.interruption is not None]
    figures = [
        ("wake word → detected", [_gap(turn.spoken.word_end_s, turn.wake_s) for turn in turns]),
        ("detected → first byte", [_gap(turn.wake_s, turn.first_byte_s) for turn in turns]),
        ("end of speech → first delta", [_gap(turn.spoken.end_s, turn.delta_s) for turn in turns]),
        ("first delta → audible", [_gap(turn.delta_s, turn.audible_s) for turn in turns]),
        ("speech_started → silence", [_gap(cut.detected_s, cut.silent_s) for cut in cuts]),
    ]
    known = [(name, [value for value in values if value is not None]) for name, values in figures]
    texts = [f"{name} {median(values):.0f} ms".replace("-", "\N{MINUS SIGN}") for name, values in known if values]
    return "   ·   ".join(texts)


def _gap(begin_s: float | None, end_s: float | None) -> float | None:
    return None if begin_s is None or end_s is None else (end_s - begin_s) * 1000


def _speed(downs: Sequence[Mapping[str, Any]]) -> float | None:
    """Return how much faster than real time replies arrive, in the middle."""
    replies: dict[str, list[Mapping[str, Any]]] = {}
    for mark in downs:
        replies.setdefault(mark["response_id"], []).append(mark)
    speeds = []
    for deltas in replies.values():
        took_s = deltas[-1]["t"] - deltas[0]["t"]
        audio_s = sum(mark["bytes"] for mark in deltas[1:]) / SAMPLE_BYTES / WIRE_RATE_HZ
        if took_s > 0:
            speeds.append(audio_s / took_s)
    return median(speeds) if speeds else None


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: float,
    colour: str = _GREY,
    weight: int = 400,
    anchor: str = "start",
    halo: bool = False,
) -> str:
    attributes = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}"'
    if weight != 400:  # noqa: PLR2004 - the weight a text has anyway
        attributes += f' font-weight="{weight}"'
    if anchor != "start":
        attributes += f' text-anchor="{anchor}"'
    if halo:
        attributes += f' stroke="{_PAPER}" stroke-width="4" stroke-linejoin="round" paint-order="stroke"'
    return f"<text {attributes}>{escape(text)}</text>"


def _open(height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" font-family="{_FONT}">\n<title>Timeline of a conversation</title>\n'
        f'<rect x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="10" fill="{_PAPER}" stroke="{_EDGE}"/>'
    )
