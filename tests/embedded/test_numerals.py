"""Numbers as people say them."""

from __future__ import annotations

import pytest

from speakerd.embedded.numerals import digits_for_words, spoken_number


@pytest.mark.parametrize(
    ("words", "digits"),
    [
        ("seven", "7"),
        ("seventeen plus forty-two", "17 plus 42"),
        ("one hundred and five", "105"),
        ("two thousand three hundred and one", "2301"),
        ("three million", "3000000"),
        ("five and six", "5 and 6"),
        ("someone often", "someone often"),
        ("a hundred", "a 100"),
    ],
)
def test_words_become_digits(words: str, digits: str) -> None:
    """Number words are written in digits, other words are left alone."""
    assert digits_for_words(words) == digits


@pytest.mark.parametrize(
    ("value", "spoken"),
    [
        (84.0, "84"),
        (2.5, "2.5"),
        (1 / 3, "0.3333"),
        (6.2137, "6.21"),
        (-4.0, "-4"),
        (0.1 + 0.2, "0.3"),
        (1e20, "a number too large to say"),
    ],
)
def test_numbers_are_short_to_say(value: float, spoken: str) -> None:
    """Results are rounded to what an ear can take."""
    assert spoken_number(value) == spoken
