"""What a function returned, in words. Pure."""

from __future__ import annotations

import json
from typing import Any

from speakerd.embedded.calls import is_farewell
from speakerd.embedded.parts import Result

_SPEAKABLE = ("message", "speech", "say", "text", "answer", "summary", "result", "output")
"""Where functions put what they want said, the first first."""

_VERDICTS = ("ok", "success", "status", "done")

_LONGEST = 400
"""Characters of an output that are read out; the rest nobody wants to hear (guessed)."""


def told(results: tuple[Result, ...]) -> str:
    """Return what functions returned, one sentence or more for each."""
    return " ".join(_told(result) for result in results)


def _told(result: Result) -> str:
    try:
        value = json.loads(result.output)
    except (ValueError, RecursionError):
        value = result.output.strip()
    if is_farewell(result.name) and not (isinstance(value, dict) and value.get("error")):
        return "Goodbye."
    words = _words(value)
    if len(words) > _LONGEST:
        words = words[:_LONGEST].rsplit(" ", 1)[0] + " and so on"
    return words if words.endswith((".", "!", "?")) else f"{words}."


def _words(value: Any) -> str:
    """Return a function's output as a sentence."""
    if isinstance(value, dict):
        return _of_object(value)
    if value in (None, True, "", [], "ok", "OK", "done"):
        return "Done"
    if value is False:
        return "That did not work"
    if isinstance(value, list):
        return "I got: " + ", ".join(_plain(element) for element in value)
    return f"The answer is {value}" if isinstance(value, int | float) else str(value)


def _of_object(value: dict[str, Any]) -> str:
    error = value.get("error")
    if error or value.get("ok") is False or value.get("success") is False:
        return f"That did not work: {_plain(error)}" if error else "That did not work"
    for key in _SPEAKABLE:
        if isinstance(value.get(key), str) and value[key].strip():
            return str(value[key]).strip()
    facts = {key: fact for key, fact in value.items() if key not in _VERDICTS and fact is not None}
    if not facts:
        return "Done"
    return "I got: " + ", ".join(f"{key.replace('_', ' ')} {_plain(fact)}" for key, fact in facts.items())


def _plain(value: Any) -> str:
    """Return a value inside an output as it can be said."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
