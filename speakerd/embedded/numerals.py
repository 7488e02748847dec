"""Numbers as people say them: words to digits, and results to something that can be spoken. Pure."""

from __future__ import annotations

import re

NUMBER = r"(-?\d+(?:\.\d+)?)"
"""A number in digits, as a group of a pattern."""

_VALUES = {
    "zero": 0,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "eleven": 11,
    "twelve": 12,
    "thirteen": 13,
    "fourteen": 14,
    "fifteen": 15,
    "sixteen": 16,
    "seventeen": 17,
    "eighteen": 18,
    "nineteen": 19,
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}

_WORD = "|".join(sorted([*_VALUES, *_SCALES], key=len, reverse=True))  # "seventeen" before "seven"
_BETWEEN = r"(?:[ -]|" + "|".join(f"(?<={scale}) and " for scale in _SCALES) + ")"
_RUN = re.compile(rf"\b(?:{_WORD})(?:{_BETWEEN}(?:{_WORD}))*\b")

_LARGEST_SPOKEN = 1e15
"""Above this a float's digits are no longer the true ones."""


def digits_for_words(text: str) -> str:
    """Return a text with its number words written in digits: ``twenty-one`` becomes ``21``.

    Args:
        text: Lower case.
    """
    return _RUN.sub(lambda run: str(_value(re.findall(_WORD, run[0]))), text)


def _value(words: list[str]) -> int:
    """Return the number that a run of number words makes."""
    total = current = 0
    for word in words:
        if word == "hundred":
            current = max(1, current) * _SCALES[word]
        elif word in _SCALES:
            total += max(1, current) * _SCALES[word]
            current = 0
        else:
            current += _VALUES[word]
    return total + current


def spoken_number(value: float) -> str:
    """Return a number as it should be said: whole where it is whole, else rounded to a few digits."""
    if abs(value) >= _LARGEST_SPOKEN:
        return "a number too large to say"
    nearest = round(value)
    if abs(value - nearest) < 1e-9:  # noqa: PLR2004 - what floats leave of a whole result
        return str(nearest)
    places = 2 if abs(value) >= 1 else 4
    return f"{value:.{places}f}".rstrip("0").rstrip(".")
