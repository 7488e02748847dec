"""Arguments for a function, found in what was said, by the names and types its schema gives them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_UNITS_S = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}

_DURATION = re.compile(r"\b(\d+(?:\.\d+)?|an?|half an?)(?: and a half)?[ -](second|minute|hour|day)s?( and a half)?\b")

_ACTIONS = {
    "set": ("set", "start", "create", "add"),
    "cancel": ("cancel", "stop", "delete", "remove"),
    "list": ("list", "how", "which", "what"),
    "up": ("up", "louder", "increase", "raise"),
    "down": ("down", "quieter", "softer", "decrease", "lower"),
    "on": ("on",),
    "off": ("off",),
    "mute": ("mute", "silent"),
}
"""A meaning, and the words for it, in schemas as in speech."""

_QUESTIONS = {"seconds": "For how long?", "minutes": "For how long?", "duration": "For how long?"}

_PLACE = re.compile(r"\b(?:in|for|at|of|near) ((?:[A-Z][\w'-]*)(?: [A-Z][\w'-]*)*)")

_LABELS = (
    re.compile(r"\b(?:called|named|labell?ed) ([\w ]+?)(?: for\b| in\b|$)"),
    re.compile(r"\b([a-z]+) (?:timer|alarm|reminder)\b"),
)

_NO_LABEL = frozenset(
    ("a", "an", "the", "my", "another", "new", "second", "minute", "hour", "this", "that", "any", "one")
)

_WHOLE = frozenset(("query", "text", "message", "question", "input", "prompt", "request", "content", "phrase"))
"""Parameters that take everything the user said."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A required argument that was not said."""

    question: str
    """How to ask for it."""


def filled(parameters: dict[str, Any], said: str, original: str) -> dict[str, Any] | Missing:
    """Return the arguments that were said, or the first required one that was not.

    Args:
        parameters: The function's JSON schema; whatever else it is, it is read leniently.
        said: The user's words, normalised.
        original: The same as they were heard.
    """
    arguments: dict[str, Any] = {}
    for name, schema in _properties(parameters).items():
        value = _found(name, schema, said, original)
        if value is not None:
            arguments[name] = value
    required = parameters.get("required")
    for name in required if isinstance(required, list) else ():
        if isinstance(name, str) and name not in arguments:
            words = name.replace("_", " ")
            key = next((key for key in _QUESTIONS if key in name), "")
            return Missing(_QUESTIONS.get(key, f"I need to know the {words} for that."))
    return arguments


def forced(parameters: dict[str, Any], said: str, original: str) -> dict[str, Any]:
    """Return arguments for a call that has to be made: those that were said, and empty ones of the right type."""
    empty = {"string": original, "integer": 0, "number": 0, "boolean": False, "array": [], "object": {}}
    schemas = _properties(parameters)
    required = parameters.get("required")
    arguments: dict[str, Any] = {}
    for name, schema in schemas.items():
        value = _found(name, schema, said, original)
        if value is None and isinstance(required, list) and name in required:
            options = schema.get("enum")
            value = (
                options[0] if isinstance(options, list) and options else empty.get(str(schema.get("type")), original)
            )
        if value is not None:
            arguments[name] = value
    return arguments


def seconds_in(said: str) -> float | None:
    """Return how long a span was named, in seconds, or None: ``1 hour and 30 minutes``, ``half an hour``."""
    total = None
    end = 0
    for match in _DURATION.finditer(said):
        if total is not None and said[end : match.start()].strip() not in ("", "and"):
            break  # the span of something else
        end = match.end()
        amount, unit, half = match.groups()
        count = 0.5 if amount.startswith("half") else 1.0 if amount in ("a", "an") else float(amount)
        count += 0.5 if half or f"{amount} and a half {unit}" in said else 0.0
        total = (total or 0.0) + count * _UNITS_S[unit]
    return total


def _properties(parameters: dict[str, Any]) -> dict[str, dict[str, Any]]:
    properties = parameters.get("properties")
    if not isinstance(properties, dict):
        return {}
    return {name: schema for name, schema in properties.items() if isinstance(schema, dict)}


def _found(name: str, schema: dict[str, Any], said: str, original: str) -> Any:
    """Return the value of one argument, or None when it was not said."""
    kind = schema.get("type")
    options = schema.get("enum")
    if isinstance(options, list):
        return next((option for option in options if _means(str(option).lower(), said)), None)
    if kind == "boolean":
        return True if re.search(r"\bon\b", said) else False if re.search(r"\boff\b", said) else None
    if kind in ("integer", "number"):
        return _number(name.lower(), f"{name} {schema.get('description', '')}".lower(), said, whole=kind == "integer")
    return _text(name.lower(), said, original) if kind == "string" else None


def _means(option: str, said: str) -> bool:
    """Return whether one of a schema's choices was said."""
    words = set(said.split())
    if option in words or option in said:
        return True
    return any(option in meant and words.intersection(meant) for meant in _ACTIONS.values())


def _number(name: str, described: str, said: str, *, whole: bool) -> float | int | None:
    """Return a number for an argument: a span in its unit where it is a span, else the first number said."""
    span_s = seconds_in(said)
    unit = next((unit for unit in _UNITS_S if unit in described), None)
    if unit is not None or "duration" in name:
        if span_s is None:
            return None
        factor = 1000 if re.search(r"milli|_ms$|^ms$", name) else 1
        value = span_s * factor / (_UNITS_S[unit] if unit and factor == 1 else 1)
        return round(value) if whole or value == int(value) else value
    number = re.search(r"-?\d+(?:\.\d+)?", said)
    if number is None:
        return None
    value = float(number[0])
    return int(value) if whole or value == int(value) else value


def _text(name: str, said: str, original: str) -> str | None:
    """Return a string for an argument, by its name alone."""
    if name in _WHOLE:
        return original.strip()
    if any(word in name for word in ("city", "location", "place", "country", "town")):
        place = _PLACE.search(original)
        return place[1] if place else None
    if name.endswith(("id", "number")):
        number = re.search(r"\b\d+\b", said)
        return number[0] if number else None
    if any(word in name for word in ("duration", "length", "time")):
        span = _DURATION.search(said)
        return span[0] if span else None
    if any(word in name for word in ("label", "name", "title")):
        labels = (match[1] for match in (pattern.search(said) for pattern in _LABELS) if match)
        return next((label for label in labels if label not in _NO_LABEL), None)
    return None
