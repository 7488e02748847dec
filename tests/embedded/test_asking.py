"""What a response answers to."""

from __future__ import annotations

from speakerd.embedded.asking import prompt_for, subject
from speakerd.embedded.items import Item
from speakerd.embedded.parts import Result
from speakerd.embedded.responses import Wish
from tests.fakes.embedded import NOW

CALL = Item("c", "function_call", extra={"name": "f", "call_id": "1", "arguments": "{}"})


def output(call_id: str, text: str) -> Item:
    return Item(f"o{call_id}", "function_call_output", extra={"call_id": call_id, "output": text})


def test_the_last_of_the_user_is_the_subject() -> None:
    """Assistant, system and call items are not answered."""
    said = Item("u", texts=["hi"])
    items = [said, Item("a", role="assistant", texts=["yes"]), Item("s", role="system", texts=["note"]), CALL]
    assert subject(items) is said
    assert subject([]) is None


def test_outputs_are_answered_together() -> None:
    """All outputs since anybody spoke belong to the answer; one whose call is gone has no name."""
    items = [output("0", "old"), Item("u", texts=["hi"]), CALL, output("1", "one"), output("2", "two")]
    prompt = prompt_for(items, Wish(), "", None, NOW)
    assert prompt.results == (Result("f", "one"), Result("", "two"))


def test_a_prompt_carries_what_was_asked_of_the_response() -> None:
    """Instructions of a response are told apart from those of its session."""
    prompt = prompt_for([Item("u", texts=["hi"])], Wish(instructions="a", own_instructions=True), "b", None, NOW)
    assert (prompt.text, prompt.instructions, prompt.character, prompt.now) == ("hi", "a", "b", NOW)
    assert prompt_for([], Wish(instructions="a"), "b", None, NOW).instructions is None


def test_a_prompt_knows_the_first_answer() -> None:
    """Before the assistant has said anything the answer is its first."""
    said = Item("u", texts=["hi"])
    assert prompt_for([said], Wish(), "", None, NOW).is_first
    assert not prompt_for([said, Item("a", role="assistant", texts=["yes"]), said], Wish(), "", None, NOW).is_first
