"""Which function is called for which words, and with what."""

from __future__ import annotations

from typing import Any

import pytest

from speakerd.embedded.brain import normalised
from speakerd.embedded.calls import chosen, is_farewell, is_filler, waiting
from speakerd.embedded.parts import Call


def function(tool: str, *required: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    return {"type": "function", "name": tool, "description": "Does it.", "parameters": parameters}


WHOLE, NUMBER, STRING = {"type": "integer"}, {"type": "number"}, {"type": "string"}
TIMER = function("set_timer", "seconds", seconds=WHOLE, label=STRING)
CANCEL = function("cancel_timer", label=STRING)
TIMERS = function("list_timers")
VOLUME = function("set_volume", "percent", percent=WHOLE)
END = function("end_conversation")
WEATHER = function("get_weather", "city", city=STRING)
TOOLS = (TIMER, CANCEL, TIMERS, VOLUME, END, WEATHER)


def choose(text: str, *tools: dict[str, Any], must_call: bool = False) -> Call | str | None:
    return chosen(normalised(text), text, tools, must_call=must_call)


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("Set a timer for five minutes.", "set_timer", {"seconds": 300}),
        ("Hey Jarvis, set a pasta timer for an hour and a half.", "set_timer", {"seconds": 5400, "label": "pasta"}),
        ("Start a timer of 1 hour and 30 seconds called eggs", "set_timer", {"seconds": 3630, "label": "eggs"}),
        ("Timer, 10 seconds!", "set_timer", {"seconds": 10}),
        ("Cancel the timer.", "cancel_timer", {}),
        ("Stop the pasta timer.", "cancel_timer", {"label": "pasta"}),
        ("How much time is left on the timer?", "list_timers", {}),
        ("Set the volume to thirty percent.", "set_volume", {"percent": 30}),
        ("Goodbye.", "end_conversation", {}),
        ("That's all, thanks.", "end_conversation", {}),
        ("Thanks, that's all.", "end_conversation", {}),
        ("Stop.", "end_conversation", {}),
        ("Okay, stop it please!", "end_conversation", {}),
        ("Thank you very much.", "end_conversation", {}),
        ("No, thank you.", "end_conversation", {}),
        ("Never mind.", "end_conversation", {}),
        ("Nevermind, thanks", "end_conversation", {}),
        ("What's the weather in New York?", "get_weather", {"city": "New York"}),
    ],
)
def test_the_function_that_was_asked_for_is_called(text: str, name: str, arguments: dict[str, Any]) -> None:
    """Words for a function's noun and verb choose it; its arguments are found in what was said."""
    assert choose(text, *TOOLS) == Call(name, arguments)


@pytest.mark.parametrize(
    "text",
    [
        *("What is twelve times seven?", "Tell me a joke.", "Play music.", ""),
        *("Thank you, and tell me a joke.", "Never mind the joke.", "Stop the music.", "Please."),
    ],
)
def test_what_was_not_asked_for_is_not_called(text: str) -> None:
    """Words that name no function call none."""
    assert choose(text, *TOOLS, function("get_times", of=STRING)) is None


@pytest.mark.parametrize(
    ("text", "question"),
    [("Set a timer.", "For how long?"), ("Turn the volume up.", "I need to know the percent for that.")],
)
def test_a_missing_argument_is_asked_for(text: str, question: str) -> None:
    """A function is not called with an invented argument; the user is asked."""
    assert choose(text, *TOOLS) == question


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"minutes": NUMBER}, "a timer for 90 seconds", 1.5),
        ({"duration_ms": WHOLE}, "a timer for 2 seconds", 2000),
        ({"duration": STRING}, "a timer for 2 minutes", "2 minutes"),
        ({"duration": {"type": "integer", "description": "In minutes."}}, "a timer for half an hour", 30),
        ({"action": {"type": "string", "enum": ["set", "cancel"]}}, "delete the timer", "cancel"),
        ({"direction": {"enum": ["up", "down"]}}, "a louder timer", "up"),
        ({"enabled": {"type": "boolean"}}, "switch the timer off", False),
        ({"query": STRING}, "Which timer?", "Which timer?"),
        ({"timer_id": STRING}, "timer number 7", "7"),
        ({"count": NUMBER}, "timer number 2.5", 2.5),
        ({"anything": {"type": "array"}}, "timer", None),
    ],
)
def test_arguments_follow_the_schema(schema: dict[str, Any], text: str, value: Any) -> None:
    """Names, types, units and choices of the schema say what to look for."""
    (name,) = schema
    call = choose(text, function("timer", **schema))
    assert isinstance(call, Call)
    assert call.arguments.get(name) == value


def test_direction_in_a_name_must_be_said() -> None:
    """Of two functions that differ in one word, that word decides."""
    tools = (function("turnOnLight"), function("turnOffLight"))
    assert choose("Turn the lights off.", *tools) == Call("turnOffLight", {})
    assert choose("Turn on the lamp please", *tools) == Call("turnOnLight", {})


def test_a_forced_call_is_made_with_what_there_is() -> None:
    """When a call has to be made, what was not said is empty, or the first choice."""
    tool = function(
        "book", "when", "seats", "class", seats=WHOLE, when=STRING, **{"class": {"enum": ["first", "second"]}}
    )
    call = choose("Anything.", tool, must_call=True)
    assert call == Call("book", {"seats": 0, "when": "Anything.", "class": "first"})
    assert choose("Set a timer.", TIMER, must_call=True) == Call("set_timer", {"seconds": 0})


@pytest.mark.parametrize("parameters", [{}, {"properties": []}, {"properties": {"a": 1}}, {"required": "a"}])
def test_odd_schemas_are_read_leniently(parameters: dict[str, Any]) -> None:
    """A schema that is not one means: no arguments."""
    tool = {"type": "function", "name": "get_timer", "parameters": parameters}
    assert choose("Show the timer", tool) == choose("Show the timer", tool, must_call=True) == Call("get_timer", {})


def test_no_functions_no_call() -> None:
    """Without functions there is nothing to call, forced or not."""
    assert choose("Set a timer for 5 minutes", must_call=True) is None


def test_farewells_are_known_by_name() -> None:
    """A function that ends the conversation is recognised."""
    assert all(map(is_farewell, ("end_conversation", "endSession", "hang_up")))
    assert not is_farewell("stop_timer")


def test_waiting_is_a_function_of_that_name() -> None:
    """Of all functions only the one that says so lets a brain wait for its user."""
    assert waiting((TIMER, function("wait_for_user"))) == Call("wait_for_user", {})
    assert waiting((TIMER, function("waitForUser"))) == Call("waitForUser", {})
    assert waiting((TIMER, function("wait_for_bus"))) is None
    assert choose("Wait for the user.", function("wait_for_bus")) is None


@pytest.mark.parametrize(("text", "filler"), [("Um.", True), ("Uh, hmm...", True), ("Um, stop", False), ("", False)])
def test_fillers_are_no_words(text: str, filler: bool) -> None:
    """Sounds that people make while they think are known; silence is none of them."""
    assert is_filler(normalised(text)) is filler


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Set a timer for ten minutes and a timer for 3 minutes", 600),
        ("Set a timer for one hour and thirty minutes", 5400),
        ("Set a timer for 1 hour, 2 minutes and 3 seconds", 3723),
    ],
)
def test_one_timer_has_one_span(words: str, seconds: int) -> None:
    """Spans that follow one another make one; another timer's is not added to it."""
    assert choose(words, TIMER) == Call("set_timer", {"seconds": seconds})
