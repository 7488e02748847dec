"""A client's message as JSON, taken apart without trusting it. Pure."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from speakerd.embedded.validate import Refusal

_DEEPEST = 64
"""Levels of objects and arrays in a message; schemas of functions are some ten deep (guessed)."""


def parse_message(raw: str | bytes) -> dict[str, Any]:
    """Return the object in a message.

    Raises:
        Refusal: it is no JSON object, holds what JSON has no word for, or is nested beyond reason.
    """
    try:
        event = json.loads(raw, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        raise Refusal("invalid_json", "The message is not valid JSON.") from None
    if not isinstance(event, dict):
        raise Refusal("invalid_type", "Invalid type for the event: expected an object.")
    if _depth(event) > _DEEPEST:
        raise Refusal("invalid_json", f"The message is nested more than {_DEEPEST} levels deep.")
    return event


def _no_number(name: str) -> NoReturn:
    """Refuse what Python's reader takes and JSON does not know."""
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    """Return a number, unless it is too large to be one."""
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits} is out of range")
    return value


def _depth(value: Any) -> int:
    """Return how deep a value is nested; counted in a loop, since what is nested too deep cannot be walked down."""
    depth, level = 0, [value]
    while level and depth <= _DEEPEST:
        depth += 1
        inner = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        level = [each for values in inner for each in values]
    return depth
