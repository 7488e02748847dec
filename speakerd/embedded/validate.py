"""How the service checks what a client sends: small checks that compose, and the refusal they raise.

Only the mechanism lives here; which fields exist stands in ``schema.py``. The first fault found is the one reported,
with the service's code and the path of the parameter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any, str], None]
"""Accepts a value and the path it stands at; raises ``Refusal`` when the value is not allowed."""

Fields = Mapping[str, Check]
"""The keys an object may have."""


_FUNCTION_NAME = "[a-zA-Z0-9_-]+"


class Refusal(Exception):  # noqa: N818 - the service's word for it; it is an answer, not a failure of ours
    """A client event that the service does not accept.

    Attributes:
        code: The service's error code, or None where it gives none.
        param: Path of the parameter at fault, or None.
    """

    def __init__(self, code: str | None, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


def error_event(refusal: Refusal, event_id: str | None) -> dict[str, Any]:
    """Return the ``error`` event for a refusal.

    Args:
        refusal: What was wrong.
        event_id: The name the client gave its event, if it gave one.
    """
    error = {
        "type": "invalid_request_error",
        "code": refusal.code,
        "message": str(refusal),
        "param": refusal.param,
        "event_id": event_id,
    }
    return {"type": "error", "error": error}


def join(path: str, key: str) -> str:
    """Return the path of ``key`` inside ``path``; the event itself is the empty path."""
    return f"{path}.{key}" if path else key


def _kind(value: Any) -> str:
    """Return the service's words for a JSON value's type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int):
        return "an integer"
    if isinstance(value, float):
        return "a decimal"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"


def _wrong_type(expected: str, value: Any, path: str) -> Refusal:
    got = "null" if value is None else f"{_kind(value)} instead"
    return Refusal("invalid_type", f"Invalid type for '{path}': expected {expected}, but got {got}.", path)


def _unsupported(value: Any, allowed: tuple[Any, ...], path: str) -> Refusal:
    names = ", ".join(f"'{each}'" for each in allowed)
    return Refusal("invalid_value", f"Invalid value: '{value}'. Supported values are: {names}.", path)


def text(value: Any, path: str) -> None:
    """Accept a string."""
    if not isinstance(value, str):
        raise _wrong_type("a string", value, path)


def short_text(longest: int) -> Check:
    """Return a check for strings of at most ``longest`` characters."""

    def check(value: Any, path: str) -> None:
        text(value, path)
        if len(value) > longest:
            sentence = (
                f"Invalid '{path}': string too long. Expected a string with maximum length {longest}, "
                f"but got a string with length {len(value)} instead."
            )
            raise Refusal("string_above_max_length", sentence, path)

    return check


def function_name(value: Any, path: str) -> None:
    """Accept the name of a function: letters, digits, underscores and dashes."""
    short_text(64)(value, path)
    if not re.fullmatch(_FUNCTION_NAME, value):
        sentence = (
            f"Invalid '{path}': string does not match pattern. Expected a string that matches the pattern "
            f"'^{_FUNCTION_NAME}$'."
        )
        raise Refusal("invalid_value", sentence, path)


def pairs(most: int, longest_key: int, longest_value: int) -> Check:
    """Return a check for objects of at most ``most`` short strings, as metadata is."""
    short_key, short_value = short_text(longest_key), short_text(longest_value)

    def check(value: Any, path: str) -> None:
        mapping(value, path)
        if len(value) > most:
            sentence = (
                f"Invalid '{path}': too many properties. Expected an object with at most {most} properties, "
                f"but got an object with {len(value)} properties instead."
            )
            raise Refusal("object_above_max_properties", sentence, path)
        for key, element in value.items():
            short_key(key, path)
            short_value(element, join(path, key))

    return check


def absent_here(inner: Check) -> Check:
    """Return a check that refuses objects which pass ``inner``: they name what an account stores, and there is none.

    The service's own code for a name that it does not find is not known; this one is guessed.
    """

    def check(value: Any, path: str) -> None:
        inner(value, path)
        where = join(path, "id")
        raise Refusal("invalid_value", f"Invalid value: '{value['id']}'. Nothing of this id is stored here.", where)

    return check


def boolean(value: Any, path: str) -> None:
    """Accept true or false."""
    if not isinstance(value, bool):
        raise _wrong_type("a boolean", value, path)


def anything(_value: Any, _path: str) -> None:
    """Accept every value."""


def mapping(value: Any, path: str) -> None:
    """Accept an object with any keys."""
    if not isinstance(value, dict):
        raise _wrong_type("an object", value, path)


def integer(low: int, high: int) -> Check:
    """Return a check for whole numbers from ``low`` to ``high``."""

    def check(value: Any, path: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong_type("an integer", value, path)
        _within(value, low, high, path, "integer")

    return check


def number(low: float, high: float) -> Check:
    """Return a check for numbers from ``low`` to ``high``."""

    def check(value: Any, path: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong_type("a decimal", value, path)
        _within(value, low, high, path, "decimal")

    return check


def _within(value: float, low: float, high: float, path: str, kind: str) -> None:
    """Raise the service's refusal of a number outside its range."""
    if value < low:
        sentence = f"Invalid '{path}': {kind} below minimum value. Expected a value >= {low}, but got {value} instead."
        raise Refusal(f"{kind}_below_min_value", sentence, path)
    if not value <= high:  # also true for NaN, which JSON does not know but Python's reader does
        sentence = f"Invalid '{path}': {kind} above maximum value. Expected a value <= {high}, but got {value} instead."
        raise Refusal(f"{kind}_above_max_value", sentence, path)


def one_of(*allowed: str) -> Check:
    """Return a check for one of some strings."""

    def check(value: Any, path: str) -> None:
        text(value, path)
        if value not in allowed:
            raise _unsupported(value, allowed, path)

    return check


def nullable(inner: Check) -> Check:
    """Return a check that also accepts null."""

    def check(value: Any, path: str) -> None:
        if value is not None:
            inner(value, path)

    return check


def array(inner: Check) -> Check:
    """Return a check for lists whose every element passes ``inner``."""

    def check(value: Any, path: str) -> None:
        if not isinstance(value, list):
            raise _wrong_type("an array", value, path)
        for index, element in enumerate(value):
            inner(element, f"{path}[{index}]")

    return check


def shape(fields: Fields, *required: str) -> Check:
    """Return a check for objects: no other keys than ``fields``, and all of ``required``."""

    def check(value: Any, path: str) -> None:
        mapping(value, path)
        for key in required:
            if key not in value:
                where = join(path, key)
                raise Refusal("missing_required_parameter", f"Missing required parameter: '{where}'.", where)
        for key, element in value.items():
            where = join(path, key)
            if key not in fields:
                raise Refusal("unknown_parameter", f"Unknown parameter: '{where}'.", where)
            fields[key](element, where)

    return check


def tagged(kinds: Mapping[str, Check], tag: str = "type") -> Check:
    """Return a check that chooses among ``kinds`` by the string under ``tag``."""

    def check(value: Any, path: str) -> None:
        mapping(value, path)
        where = join(path, tag)
        if tag not in value:
            raise Refusal("missing_required_parameter", f"Missing required parameter: '{where}'.", where)
        one_of(*kinds)(value[tag], where)
        kinds[value[tag]](value, path)

    return check


def when(test: type, then: Check, otherwise: Check) -> Check:
    """Return a check that is ``then`` for values of a Python type and ``otherwise`` for all others."""

    def check(value: Any, path: str) -> None:
        (then if isinstance(value, test) else otherwise)(value, path)

    return check
