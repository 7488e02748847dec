"""Where words go in a picture so that none lies over another. Pure; the picture itself is ``picture.py``'s business."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_EM = 0.58
"""Width of a character in its size: wider than most interface fonts are on average, so that estimates err to the safe
side (measured on DejaVu Sans, one of the widest)."""

_GAP = 12
"""Pixels between two captions."""

_CAPTION_LINES = 2


@dataclass(frozen=True, slots=True)
class Label:
    """The name of a moment, at a hairline."""

    x: float
    """The hairline, in pixels."""

    text: str
    """The name."""

    colour: str = "#000"
    """Of the hairline and its name."""

    dashed: bool = False
    """How the hairline is drawn."""

    def width(self, size: float) -> float:
        """Return about how wide the text is at a font size, in pixels."""
        return len(self.text) * size * _EM


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence under a waveform."""

    x: float
    """Where it begins, in pixels."""

    text: str
    """The sentence."""


def place_labels(labels: Sequence[Label], size: float) -> list[tuple[Label, int]]:
    """Return labels with the level each stands on, 0 the lowest.

    A label whose text reaches over later hairlines stands above their labels, so no line crosses a word.
    """
    placed: list[tuple[Label, int]] = []
    for label in sorted(labels, key=lambda each: -each.x):
        reach = label.x + label.width(size) + 8
        placed.append((label, max((level + 1 for other, level in placed if other.x < reach), default=0)))
    return placed[::-1]


def place_captions(notes: Sequence[Note], right: float, size: float) -> list[tuple[float, int, str]]:
    """Return lines of text as x, line number and words; a sentence that has no room is cut, with an ellipsis.

    Args:
        notes: The sentences, from left to right.
        right: Where the page ends, in pixels.
        size: Of the font.
    """
    lines = []
    for index, note in enumerate(notes):
        limit = notes[index + 1].x - _GAP if index + 1 < len(notes) else right
        characters = max(4, int((limit - note.x) / (size * _EM)))
        lines += [(note.x, number, text) for number, text in enumerate(wrapped(note.text, characters, _CAPTION_LINES))]
    return lines


def wrapped(text: str, characters: int, lines: int) -> list[str]:
    """Return a text in so many lines of so many characters at most; what does not fit becomes an ellipsis."""
    rows: list[str] = []
    words = text.split()
    while words and len(rows) < lines:
        row = words.pop(0)
        while words and len(row) + 1 + len(words[0]) <= characters:
            row += " " + words.pop(0)
        rows.append(row)
    if words:
        row = rows[-1]
        while len(row) + 1 > characters and " " in row:
            row = row.rsplit(" ", 1)[0]
        rows[-1] = row.rstrip(".,;: ") + "…"
    return rows
