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
        ("You are a helpful assistant named Bob who speaks like Shakespeare.", Character("Bob")),
        ("Use exactly one short sentence.", Character(is_brief=True)),
        ("Antworte immer auf Deutsch.", Character(is_foreign=True)),
        ("Always respond in French, please.", Character(is_foreign=True)),
        ("Answer in English.", Character()),
        ("", Character()),
    ],
)
def test_what_can_be_followed_is_found(instructions: str, character: Character) -> None:
    """A name, opening words, one sentence, and a language that cannot be spoken are found; nothing else is."""
    assert character_in(instructions) == character
