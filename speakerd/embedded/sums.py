"""Arithmetic in words: what is asked in numbers and operators, and the answer as a sentence. Pure.

A sum is answered whole or not at all: where more numbers stand around it than were understood, nothing is said.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from speakerd.embedded.numerals import NUMBER, spoken_number

_OPERATORS = {
    "plus": "plus",
    "and": "plus",
    "minus": "minus",
    "times": "times",
    "x": "times",
    "multiplied by": "times",
    "divided by": "divided by",
    "over": "divided by",
}
"""What people say between numbers, and what it is called in the answer."""

_OPERATOR = r"(plus|minus|times|x|multiplied by|divided by|over)"

_MORE = re.compile(r"\d|\b(?:squared?|cubed?|power|root|factorial|percent|half|third|quarter)\b")
"""What says that a sum goes on beyond the words that were matched."""


def _is_whole(match: re.Match[str]) -> bool:
    """Return whether nothing of the sum stands outside a match."""
    return not _MORE.search(match.string[: match.start()] + " " + match.string[match.end() :])


def _chain(match: re.Match[str]) -> str | None:
    """Return the value of numbers with operators between them, products and quotients first."""
    if not _is_whole(match):
        return None
    numbers = [float(number) for number in re.findall(NUMBER, match[0])]
    names = [_OPERATORS[word] for word in re.findall(rf"{_OPERATOR[:-1]}|and)", match[0])]
    asked = spoken_number(numbers[0])
    terms = [numbers[0]]
    for name, number in zip(names, numbers[1:], strict=True):
        asked += f" {name} {spoken_number(number)}"
        if name == "times":
            terms[-1] *= number
        elif name == "divided by":
            if number == 0:
                return "Nothing can be divided by zero."
            terms[-1] /= number
        else:
            terms.append(number if name == "plus" else -number)
    return f"{asked} is {spoken_number(sum(terms))}."


def _percent(match: re.Match[str]) -> str | None:
    part, whole = float(match[1]), float(match[2])
    if not _is_whole(match):
        return None
    return f"{spoken_number(part)} percent of {spoken_number(whole)} is {spoken_number(part * whole / 100)}."


def _root(match: re.Match[str]) -> str | None:
    value = float(match[1])
    if not _is_whole(match):
        return None
    if value < 0:
        return "A negative number has no real square root."
    return f"The square root of {spoken_number(value)} is {spoken_number(value**0.5)}."


SUMS: tuple[tuple[str, Callable[[re.Match[str]], str | None]], ...] = (
    (rf"{NUMBER} percent of {NUMBER}", _percent),
    (rf"square root of {NUMBER}", _root),
    (rf"(?:{NUMBER} ?{_OPERATOR} ?)+{NUMBER}", _chain),
    (rf"(?:sum of|add) {NUMBER} and {NUMBER}", _chain),
)
"""Patterns for normalised words, and what works them out; None where it goes beyond this."""
