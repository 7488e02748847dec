"""What of a session's instructions can be followed without understanding them: a name, and opening words. Pure.

Everything else in them is accepted and has no effect; the brain has no style that could be bent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"\b(?:[Yy]ou are|[Yy]ou're|[Yy]our name is|[Cc]all yourself)(?: called| named)? ([A-Z][\w-]+)")

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


def character_in(instructions: str) -> Character:
    """Return what can be followed of some instructions, such as ``You are Ada. Begin every answer with "Well,".``."""
    name = next((found for found in _NAME.findall(instructions) if found not in _NO_NAME), None)
    opening = _OPENING.search(instructions)
    return Character(name, opening[1].strip() if opening else "")
