"""What of instructions is followed."""

from __future__ import annotations

import pytest

from speakerd.embedded.character import Character, character_in


@pytest.mark.parametrize(
    ("instructions", "character"),
    [
        ("You are Ada, a friendly speaker.", Character("Ada")),
        ("Your name is Jarvis-2. Be kind.", Character("Jarvis-2")),
        ("You are a friendly speaker in a kitchen. Answer in one or two short sentences.", Character()),
        ('Begin every answer with "Well,".', Character(None, "Well,")),
        ("you're Bob. Start all your answers with 'Dear me!'", Character("Bob", "Dear me!")),
        ("", Character()),
    ],
)
def test_a_name_and_opening_words_are_found(instructions: str, character: Character) -> None:
    """A name that is given and words that answers are to begin with are followed; nothing else is."""
    assert character_in(instructions) == character
