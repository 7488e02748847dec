"""What synthesised people say: everything that ships can be said, and no sentence has a wake word in it."""

from __future__ import annotations

import random
import re

from speakerd.bench.accuracy_words import ENDINGS, NEAR, SPOKEN, sentences
from speakerd.wake import models


def test_every_word_that_ships_is_said_and_has_near_words() -> None:
    """None of which is the word itself."""
    assert set(SPOKEN) == set(NEAR) == set(models.WORDS)
    for word, near in NEAR.items():
        assert len(set(near)) == len(near) >= 10
        assert not any(re.search(rf"\b{SPOKEN[word]}\b", text, re.IGNORECASE) for text in near)
    assert {len(ending) == 1 for ending in ENDINGS} == {True, False}


def test_sentences_are_whole_and_never_call_the_speaker() -> None:
    """No place is left open, each begins and ends as a sentence."""
    text = sentences(random.Random(1), 400)
    assert "{" not in text
    said = re.findall(r"[A-Z][^.?]*[.?]", text)
    assert len(said) >= 400
    assert all(spoken.lower() not in text.lower() for spoken in SPOKEN.values())
    assert len(set(said)) > 350


def test_equal_seeds_say_the_same() -> None:
    """And others something else."""
    assert sentences(random.Random(5), 9) == sentences(random.Random(5), 9) != sentences(random.Random(6), 9)
