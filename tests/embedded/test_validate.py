"""The checks that client events are made of."""

from __future__ import annotations

from typing import Any

import pytest

from speakerd.embedded.validate import (
    Check,
    Refusal,
    absent_here,
    array,
    boolean,
    error_event,
    function_name,
    integer,
    mapping,
    nullable,
    number,
    one_of,
    pairs,
    shape,
    short_text,
    tagged,
    text,
    when,
)


def refusal(check: Check, value: Any) -> Refusal:
    """Return why a check refuses a value at path p."""
    with pytest.raises(Refusal) as caught:
        check(value, "p")
    return caught.value


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (text, "a"),
        (boolean, False),
        (integer(1, 3), 3),
        (number(0.0, 1.0), 1),
        (one_of("a", "b"), "b"),
        (nullable(text), None),
        (nullable(text), "a"),
        (array(text), ["a", "b"]),
        (mapping, {"any": "thing"}),
        (shape({"a": text, "b": text}, "a"), {"a": "x"}),
        (tagged({"k": shape({"type": text})}), {"type": "k"}),
        (when(str, text, integer(0, 1)), 1),
        (short_text(2), "ab"),
        (function_name, "get_time-2"),
        (pairs(1, 2, 2), {"ab": "cd"}),
    ],
)
def test_good_values_pass(check: Check, value: Any) -> None:
    """What is allowed raises nothing."""
    check(value, "p")


@pytest.mark.parametrize(
    ("check", "value", "code", "param"),
    [
        (text, None, "invalid_type", "p"),
        (boolean, 1, "invalid_type", "p"),
        (integer(1, 3), True, "invalid_type", "p"),
        (integer(1, 3), 1.0, "invalid_type", "p"),
        (integer(1, 3), 0, "integer_below_min_value", "p"),
        (integer(1, 3), 4, "integer_above_max_value", "p"),
        (number(0.0, 1.0), "1", "invalid_type", "p"),
        (number(0.0, 1.0), -0.1, "decimal_below_min_value", "p"),
        (number(0.0, 1.0), float("nan"), "decimal_above_max_value", "p"),
        (one_of("a"), "b", "invalid_value", "p"),
        (array(text), {"0": "a"}, "invalid_type", "p"),
        (array(text), ["a", []], "invalid_type", "p[1]"),
        (mapping, [], "invalid_type", "p"),
        (shape({"a": text}, "a"), {}, "missing_required_parameter", "p.a"),
        (shape({"a": text}), {"b": "x"}, "unknown_parameter", "p.b"),
        (tagged({"k": mapping}), {}, "missing_required_parameter", "p.type"),
        (tagged({"k": mapping}), {"type": "z"}, "invalid_value", "p.type"),
        (short_text(2), "abc", "string_above_max_length", "p"),
        (function_name, "get time", "invalid_value", "p"),
        (function_name, "", "invalid_value", "p"),
        (pairs(1, 2, 2), {"a": "b", "c": "d"}, "object_above_max_properties", "p"),
        (pairs(1, 2, 2), {"abc": "d"}, "string_above_max_length", "p"),
        (pairs(1, 2, 2), {"a": 1}, "invalid_type", "p.a"),
        (absent_here(shape({"id": text}, "id")), {"id": "x"}, "invalid_value", "p.id"),
        (absent_here(shape({"id": text}, "id")), {}, "missing_required_parameter", "p.id"),
    ],
)
def test_bad_values_are_refused_by_code_and_place(check: Check, value: Any, code: str, param: str) -> None:
    """A refusal carries the service's code and the path of what is wrong."""
    caught = refusal(check, value)
    assert (caught.code, caught.param) == (code, param)


def test_messages_read_as_the_services_do() -> None:
    """The wording is the one that was recorded."""
    assert str(refusal(shape({}), {"x": 1})) == "Unknown parameter: 'p.x'."
    assert str(refusal(shape({"a": text}, "a"), {})) == "Missing required parameter: 'p.a'."
    assert str(refusal(one_of("a", "b"), "c")) == "Invalid value: 'c'. Supported values are: 'a', 'b'."
    assert str(refusal(mapping, "x")) == "Invalid type for 'p': expected an object, but got a string instead."


def test_error_event_echoes_the_clients_event() -> None:
    """An error names the client's own event."""
    error = error_event(Refusal("code", "message", "p"), "mine")["error"]
    assert error == {
        "type": "invalid_request_error",
        "code": "code",
        "message": "message",
        "param": "p",
        "event_id": "mine",
    }
