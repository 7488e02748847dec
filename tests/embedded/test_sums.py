"""Arithmetic in words."""

from __future__ import annotations

import re

import pytest

from speakerd.embedded.sums import SUMS


def worked_out(words: str) -> str | None:
    matches = ((re.search(pattern, words), work) for pattern, work in SUMS)
    return next((answer for match, work in matches if match and (answer := work(match))), None)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("what is 2 plus 3 times 4", "2 plus 3 times 4 is 14."),
        ("10 minus 4 divided by 2 minus 1", "10 minus 4 divided by 2 minus 1 is 7."),
        ("1 plus 2 plus 3 plus 4", "1 plus 2 plus 3 plus 4 is 10."),
        ("3 x -2", "3 times -2 is -6."),
        ("the sum of 2 and 3", "2 plus 3 is 5."),
        ("4 plus 3 over 0", "Nothing can be divided by zero."),
        ("square root of -1", "A negative number has no real square root."),
    ],
)
def test_sums_are_worked_out(words: str, answer: str) -> None:
    """Products and quotients come before sums, whatever the length."""
    assert worked_out(words) == answer


@pytest.mark.parametrize("words", ["15 percent of 80 plus 3", "square root of 16 plus 9", "2 plus 3 squared"])
def test_half_a_sum_is_none(words: str) -> None:
    """A sum that goes beyond what is understood is not answered in part."""
    assert worked_out(words) is None
