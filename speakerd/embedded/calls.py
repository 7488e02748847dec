"""Which function of the client's was asked for, and with which arguments: a small table, no understanding. Pure.

A function is called only when the words for it were said and every argument it requires was found; a ``tool_choice``
that forces a call has it called with what there is.
"""

from __future__ import annotations

import re
from typing import Any

from speakerd.embedded.arguments import Missing, filled, forced
from speakerd.embedded.parts import Call

_VERBS = {
    "set": "set start create add make new begin put change adjust schedule",
    "cancel": "cancel stop delete remove clear dismiss",
    "ask": "get list show check query read status find fetch lookup look search tell what what's how which when where",
}
"""What functions and people do: a kind, and the words for it."""

_KIND_OF = {word: kind for kind, words in _VERBS.items() for word in words.split()}

_SYNONYMS = {
    "timer": {"timer", "countdown"},
    "volume": {"volume", "louder", "quieter", "softer"},
    "weather": {"weather", "forecast"},
    "reminder": {"reminder", "remind"},
    "light": {"light", "lamp"},
    "music": {"music", "song"},
}
"""A noun in a function's name, and what people say for it."""

_FILLERS = frozenset(
    (
        "a",
        "an",
        "the",
        "my",
        "me",
        "to",
        "for",
        "of",
        "in",
        "at",
        "by",
        "and",
        "or",
        "all",
        "current",
        "currently",
        "now",
    )
) | {"tool", "function", "do", "turn", "play"}
"""Words in a function's name that nobody has to say."""

_DIRECTIONS = frozenset(("on", "off", "up", "down"))
"""Words in a function's name that must be said to the letter."""

_END_NAME = re.compile(r"(?:end|stop|finish|close|leave).*(?:conversation|session|call|chat)|hang_?up|goodbye")

_END_SAID = re.compile(
    r"\b(?:goodbye|good bye|bye|good night|that's all|that is all|hang up|stop listening|go to sleep|"
    r"(?:end|stop) (?:the |this )?(?:conversation|call|session))\b"
)

_ENOUGH = (
    "stop|stop it|stop that|stop talking|be quiet|shut up|enough|never ?mind|thank you|thanks|that(?: i|')s (?:all|it)"
)
_POLITE = "please|no|ok|okay|alright|great|good|perfect|now|just|very much|so much|a lot|for now|for today"
_HAD_ENOUGH = re.compile(rf"(?:(?:{_POLITE}) )*(?:{_ENOUGH})(?: (?:{_ENOUGH}|{_POLITE}))*")
"""Words that end a conversation when nothing else is said with them."""

_FILLER_SOUNDS = frozenset(("um", "umm", "uh", "uhm", "er", "erm", "ah", "hm", "hmm", "mm", "mmm", "mhm"))
"""What people say to nobody while they think (guessed: as the ears spell it)."""

_WAIT_NAME = ["wait", "for", "user"]


def chosen(
    said: str, original: str, tools: tuple[dict[str, Any], ...], *, must_call: bool = False
) -> Call | str | None:
    """Return the function that was asked for, what is missing to call it, in words, or None when there is none.

    Args:
        said: The user's words, normalised: lower case, numbers in digits.
        original: The same as they were heard.
        tools: Functions as the client declared them.
        must_call: Whether one of them has to be called, fitting or not.
    """
    ranked = sorted(tools, key=lambda tool: _fit(said, tool), reverse=True)  # of equals the first declared
    if not ranked:
        return None
    best = ranked[0]
    if _fit(said, best) > 0:
        arguments = filled(best.get("parameters", {}), said, original)
        if not isinstance(arguments, Missing):
            return Call(best["name"], arguments)
        if not must_call:
            return arguments.question
    return Call(best["name"], forced(best.get("parameters", {}), said, original)) if must_call else None


def is_farewell(name: str) -> bool:
    """Return whether a function of this name ends the conversation."""
    return _END_NAME.search(name.lower()) is not None


def waiting(tools: tuple[dict[str, Any], ...]) -> Call | None:
    """Return the call that waits for the user in silence, or None when no function for that is declared."""
    return next((Call(tool["name"]) for tool in tools if is_waiting(tool["name"])), None)


def is_waiting(name: str) -> bool:
    """Return whether a function of this name waits for the user."""
    return name_words(name) == _WAIT_NAME


def is_filler(said: str) -> bool:
    """Return whether normalised words are none, only sounds between them."""
    return bool(said) and _FILLER_SOUNDS.issuperset(re.findall(r"\w+", said))


def _is_over(said: str) -> bool:
    """Return whether somebody has had enough of the conversation."""
    return bool(_END_SAID.search(said) or _HAD_ENOUGH.fullmatch(" ".join(re.findall(r"[\w']+", said))))


def _fit(said: str, tool: dict[str, Any]) -> int:
    """Return how well a function fits what was said; 0: not at all."""
    if is_farewell(tool["name"]):
        return 10 if _is_over(said) else 0
    name = name_words(tool["name"])
    heard = {_singular(word) for word in said.split()}
    nouns = [
        _singular(word, always=True) for word in name if word not in _KIND_OF and word not in _FILLERS | _DIRECTIONS
    ]
    if not nouns or not all(_SYNONYMS.get(noun, {noun}) & heard for noun in nouns):
        return 0
    if not _DIRECTIONS.intersection(name) <= heard:
        return 0
    wanted = next((_KIND_OF[word] for word in said.split() if word in _KIND_OF), None)
    offered = next((_KIND_OF[word] for word in name if word in _KIND_OF), None)
    if wanted != offered and "cancel" in (wanted, offered) and offered is not None:
        return 0
    if wanted is not None and offered is not None and wanted != offered:
        return 0
    described = {_singular(word) for word in re.findall(r"\w+", str(tool.get("description", "")).lower())}
    return 2 * len(nouns) + 2 * (wanted == offered) + min(1, len(described & heard))


def name_words(name: str) -> list[str]:
    """Return the words in a function's name, whether ``snake_case`` or ``camelCase``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", " ", name).lower().split()


def _singular(word: str, *, always: bool = False) -> str:
    """Return a word without its plural's s; a "times" that is said multiplies, unless ``always``."""
    plural = word.endswith("s") and not word.endswith("ss") and len(word) > len("gas")
    return word[:-1] if plural and (always or word != "times") else word
