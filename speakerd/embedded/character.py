"""What of a session's instructions is followed without understanding them: a name, opening words, brevity. Pure.

A language that it cannot speak is noticed, so that it can say so. Everything else in them is accepted and has no
effect; the brain has no style that could be bent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"\b(?:[Yy]ou are|[Yy]ou're|[Yy]our name is|[Cc]all yourself)(?: called| named)? ([A-Z][\w-]+)")

_CALLED = re.compile(r"\b[Yy]ou(?: are|'re) [^.\n]{0,60}?\b(?:named|called) ([A-Z][\w-]+)")

_ONE_SENTENCE = re.compile(
    r"\b(?:in|with|than|most|use|just|only|exactly|a) (?:just |only |exactly )?(?:one|1|a single|single) "
    r"(?:\w+ )?sentence\b",
    re.IGNORECASE,
)

LANGUAGES = (
    *("arabic", "chinese", "czech", "danish", "dutch", "finnish", "french", "german", "greek", "hindi", "italian"),
    *("japanese", "korean", "norwegian", "polish", "portuguese", "russian", "spanish", "swedish", "turkish"),
)
"""Languages that are known by name only."""

_FOREIGN = re.compile(
    rf"\b(?:speak|talk|answer|reply|respond|converse)\b[^.\n]{{0,30}}\b(?:{'|'.join(LANGUAGES)})\b"
    r"|\bauf deutsch\b|\ben (?:français|español)\b|\bin italiano\b",
    re.IGNORECASE,
)

_OPENING = re.compile(
    r"\b(?:begin|start) (?:all |every |each )?(?:of )?(?:your )?(?:answer|reply|replie|response|sentence)s? "
    r"with [\"'“‘]([^\"'”’\n]{1,80})[\"'”’]",  # noqa: RUF001 - the quotation marks that typesetters use
    re.IGNORECASE,
)

_NO_NAME = frozenset(("A", "An", "The", "In", "On", "At", "Not", "I", "To", "Always", "Never", "Now"))


@dataclass(frozen=True, slots=True)
class Character:
    """Who the brain is to be."""

    name: str | None = None
    """What it calls itself, and may be called."""

    opening: str = ""
    """Words that every answer begins with."""

    is_brief: bool = False
    """Whether an answer is to be one sentence."""

    is_foreign: bool = False
    """Whether it is to speak a language that it cannot."""


def character_in(instructions: str) -> Character:
    """Return what can be followed of some instructions, such as ``You are Ada. Begin every answer with "Well,".``."""
    names = (*_NAME.findall(instructions), *_CALLED.findall(instructions))
    opening = _OPENING.search(instructions)
    return Character(
        name=next((found for found in names if found not in _NO_NAME), None),
        opening=opening[1].strip() if opening else "",
        is_brief=_ONE_SENTENCE.search(instructions) is not None,
        is_foreign=_FOREIGN.search(instructions) is not None,
    )
