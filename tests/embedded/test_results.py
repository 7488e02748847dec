"""What functions return, in words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from speakerd.embedded.parts import Result
from speakerd.embedded.results import told


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("It rains.", "It rains."),
        ("", "Done."),
        ({"ok": True}, "Done."),
        (True, "Done."),
        (False, "That did not work."),
        ({"success": False}, "That did not work."),
        ({"error": "no such timer"}, "That did not work: no such timer."),
        ({"message": "Timer set."}, "Timer set."),
        ({"ok": True, "remaining_s": 12, "loud": False}, "I got: remaining s 12, loud no."),
        (["eggs", {"a": 1}], 'I got: eggs, {"a": 1}.'),
        (42, "The answer is 42."),
    ],
)
def test_an_output_becomes_a_sentence(output: Any, words: str) -> None:
    """Whatever a function returns is said as plainly as it can be."""
    source = output if isinstance(output, str) else json.dumps(output)
    assert told((Result("f", source),)) == words


def test_several_outputs_and_long_ones() -> None:
    """Each output gets its sentence; a long one is cut."""
    assert told((Result("a", "One"), Result("b", "Two"))) == "One. Two."
    assert len(told((Result("a", "word " * 500),))) < 450


def test_a_farewell_is_said() -> None:
    """When the conversation was ended, the answer is a goodbye."""
    assert told((Result("end_conversation", '{"ok": true}'),)) == "Goodbye."
