"""Misses over false accepts as a picture: one self-contained SVG that reads well on white and on dark pages. Pure.

A detection error trade-off curve: each point of a line is a threshold. Its axes are those of the textbooks, the share
of misses by the normal distribution's quantiles, false accepts by their logarithm; what is 0 has no place on either and
gets a lane of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from xml.sax.saxutils import escape

from speakerd.bench.accuracy_count import SWEEP, Count, Point

WIDTH, LEFT, RIGHT = 900, 92, 872
"""Of the page and of its plot, in pixels."""

_TOP, _HEIGHT, _LEGEND_TOP, _LEGEND_STEP, _NOTE_STEP, _FOOT = 78, 400, 66, 19, 17, 62
_LANE = 64
"""How wide the lanes of what is 0 are, in pixels."""

_INK, _GREY, _FAINT, _PAPER, _EDGE, _SHADE = "#20242c", "#6a7080", "#dcdfe4", "#fcfcfb", "#e3e5e8", "#f1f2f4"
_COLOURS = ("#35679f", "#bf5f38", "#4d8a57", "#8363ad", "#a98220", "#3d909c")
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

_SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99)
"""Shares of misses that have a line: about as far apart as one can read (chosen)."""

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Line:
    """One curve."""

    name: str
    """How far the speech stands above the noise."""

    points: Sequence[Point]
    """Its thresholds, in any order."""

    threshold: float
    """The configured one, which is marked."""

    counted: Count
    """What that one comes to."""


class _Axis:
    """Values to pixels: 0 in the middle of a lane, the rest by a scale behind it.

    Args:
        scale: Turns a value above 0 into what grows evenly.
        ends: The least and the greatest value that have a place; what lies outside is put at the end.
        pixels: Where the lane begins, and where the axis ends.
    """

    def __init__(self, scale: Callable[[float], float], ends: tuple[float, float], pixels: tuple[float, float]) -> None:
        self._scale = scale
        self.least, self.most = ends
        self._lane, self._end = pixels
        self._low, self._high = scale(self.least), scale(self.most)
        self.begin = self._lane + math.copysign(_LANE, self._end - self._lane)

    def at(self, value: float) -> float:
        if value <= 0:
            return (self._lane + self.begin) / 2
        place = (self._scale(min(max(value, self.least), self.most)) - self._low) / (self._high - self._low)
        return self.begin + place * (self._end - self.begin)


def draw(lines: Sequence[Line], title: str, notes: Sequence[str]) -> str:
    """Return the picture.

    Args:
        lines: One a signal-to-noise ratio, the easiest first.
        title: What was measured.
        notes: With what, line by line.
    """
    legend_top = _LEGEND_TOP + _NOTE_STEP * len(notes)
    top = _TOP + _NOTE_STEP * len(notes) + _LEGEND_STEP * len(lines)
    bottom = top + _HEIGHT
    x = _Axis(math.log10, _decades(lines), (LEFT, RIGHT))
    y = _Axis(_NORMAL.inv_cdf, _shares(lines), (bottom, top))
    body = [
        _text(24, 38, title, size=20, colour=_INK, weight=600),
        *(_text(24, 60 + _NOTE_STEP * number, note, size=12.5) for number, note in enumerate(notes)),
        *_legend(lines, legend_top),
        *_grid(x, y, top, bottom),
    ]
    for line, colour in zip(lines, _cycled(len(lines)), strict=True):
        body += _curve(line, colour, x, y)
    for line, colour in zip(lines, _cycled(len(lines)), strict=True):
        body += _mark(line, colour, x, y)
    return "\n".join([_open(bottom + _FOOT, title), *body, "</svg>", ""])


def _decades(lines: Sequence[Line]) -> tuple[float, float]:
    """Return powers of ten around everything above 0."""
    values = [point.false_per_h for line in lines for point in line.points]
    values += [
        value for line in lines for value in (line.counted.false_per_h, line.counted.false_per_h_at_most) if value
    ]
    seen = [value for value in values if value > 0] or [1.0]
    low, high = math.floor(math.log10(min(seen))), math.ceil(math.log10(max(seen)))
    return 10.0**low, 10.0 ** max(high, low + 1)


def _shares(lines: Sequence[Line]) -> tuple[float, float]:
    """Return shares that have a line around everything that has a place."""
    values = [point.miss_rate for line in lines for point in line.points]
    values += [share for line in lines if line.counted.miss_range for share in line.counted.miss_range]
    seen = [value for value in values if 0 < value < 1] or [0.1]
    least = max((share for share in _SHARES if share <= min(seen)), default=_SHARES[0])
    most = min((share for share in _SHARES if share >= max(seen)), default=_SHARES[-1])
    return (least, most) if least < most else (least / 2, most)


def _cycled(count: int) -> list[str]:
    return [_COLOURS[number % len(_COLOURS)] for number in range(count)]


def _legend(lines: Sequence[Line], top: float) -> Iterable[str]:
    for number, (line, colour) in enumerate(zip(lines, _cycled(len(lines)), strict=True)):
        y = top + _LEGEND_STEP * number
        yield f'<path d="M24 {y - 4}h26" stroke="{colour}" stroke-width="2.4" stroke-linecap="round"/>'
        yield _text(58, y, line.name, size=12.5, colour=_INK, weight=600)
        yield _text(122, y, _told(line), size=12.5)


def _told(line: Line) -> str:
    counted = line.counted
    parts = [f"at {line.threshold:g}:"]
    if counted.miss_rate is not None and counted.miss_range is not None:
        low, high = counted.miss_range
        parts.append(
            f"{counted.misses} of {counted.positives} missed, {100 * counted.miss_rate:.1f} % "
            f"({100 * low:.1f} to {100 * high:.1f});"
        )
    if counted.false_per_h is not None and counted.false_per_h_at_most is not None:
        parts.append(
            f"false accepts: {counted.false} in {counted.hours:.2f} h, {counted.false_per_h:.1f} an hour "
            f"(at most {counted.false_per_h_at_most:.1f})"
        )
    return " ".join(parts)


def _grid(x: _Axis, y: _Axis, top: float, bottom: float) -> Iterable[str]:
    yield f'<rect x="{LEFT}" y="{top}" width="{_LANE}" height="{bottom - top}" fill="{_SHADE}"/>'
    yield f'<rect x="{LEFT}" y="{y.begin}" width="{RIGHT - LEFT}" height="{_LANE}" fill="{_SHADE}"/>'
    for exponent in range(round(math.log10(x.least)), round(math.log10(x.most)) + 1):
        at = x.at(10.0**exponent)
        yield f'<path d="M{at:.1f} {top}V{bottom}" stroke="{_FAINT}"/>'
        yield _text(at, bottom + 18, f"{10.0**exponent:g}", size=11.5, anchor="middle")
    for share in (share for share in _SHARES if y.least <= share <= y.most):
        at = y.at(share)
        yield f'<path d="M{LEFT} {at:.1f}H{RIGHT}" stroke="{_FAINT}"/>'
        yield _text(LEFT - 8, at + 4, f"{100 * share:g} %", size=11.5, anchor="end")
    yield _text(x.at(0), bottom + 18, "none", size=11.5, anchor="middle")
    yield _text(LEFT - 8, y.at(0) + 4, "none", size=11.5, anchor="end")
    yield f'<rect x="{LEFT}" y="{top}" width="{RIGHT - LEFT}" height="{bottom - top}" fill="none" stroke="{_GREY}"/>'
    yield _text((LEFT + RIGHT) / 2, bottom + 42, "false accepts an hour", size=13, colour=_INK, anchor="middle")
    middle = (top + bottom) / 2
    turned = f'transform="rotate(-90 26 {middle:.1f})"'
    yield _text(26, middle, "wake words missed", size=13, colour=_INK, anchor="middle", more=turned)


def _curve(line: Line, colour: str, x: _Axis, y: _Axis) -> Iterable[str]:
    points = sorted(line.points, key=lambda point: point.threshold)
    if points:
        path = " ".join(f"{x.at(point.false_per_h):.1f} {y.at(point.miss_rate):.1f}" for point in points)
        yield f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2.2" stroke-linejoin="round"/>'
    for point in points:
        if point.threshold in SWEEP:
            told = f"{line.name}, threshold {point.threshold:g}"
            yield (
                f'<circle cx="{x.at(point.false_per_h):.1f}" cy="{y.at(point.miss_rate):.1f}" r="3.2" '
                f'fill="{_PAPER}" stroke="{colour}" stroke-width="1.6"><title>{escape(told)}</title></circle>'
            )


def _mark(line: Line, colour: str, x: _Axis, y: _Axis) -> Iterable[str]:
    """Mark the configured threshold, with how far the true rates may lie from the counted ones."""
    counted = line.counted
    rates = counted.miss_rate, counted.miss_range, counted.false_per_h, counted.false_per_h_at_most
    if any(rate is None for rate in rates):
        return
    missed, (low, high), false, most = counted.miss_rate, counted.miss_range, counted.false_per_h, rates[3]  # type: ignore[misc]  # all are there
    at_x, at_y = x.at(false or 0.0), y.at(missed or 0.0)
    yield (
        f'<path d="M{at_x:.1f} {y.at(low):.1f}V{y.at(high):.1f}M{at_x:.1f} {at_y:.1f}H{x.at(most or 0.0):.1f}" '
        f'stroke="{colour}" stroke-width="1.2" stroke-opacity=".75" stroke-dasharray="3 2"/>'
    )
    yield f'<circle cx="{at_x:.1f}" cy="{at_y:.1f}" r="5.5" fill="{colour}" stroke="{_PAPER}" stroke-width="1.5"/>'
    yield _text(at_x + 9, at_y - 8, f"{line.threshold:g}", size=11.5, colour=colour, weight=600, halo=True)


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
    more: str = "",
) -> str:
    attributes = (
        f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" {more}'.strip()
    )
    written = f'<text {attributes} fill="{colour}">{escape(text)}</text>'
    if not halo:
        return written
    # Beneath it and not by paint-order, which not every program that draws SVG knows.
    edge = f'fill="{_PAPER}" stroke="{_PAPER}" stroke-width="3.5" stroke-linejoin="round"'
    return f"<text {attributes} {edge}>{escape(text)}</text>{written}"


def _open(height: float, title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" font-family="{_FONT}">\n<title>{escape(title)}</title>\n'
        f'<rect x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="10" fill="{_PAPER}" stroke="{_EDGE}"/>'
    )
