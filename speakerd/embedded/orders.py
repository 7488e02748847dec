"""What a session asks of whoever owns it: the heavy work, which it cannot do itself. Values only."""

from __future__ import annotations

from dataclasses import dataclass

from speakerd.embedded.items import Item
from speakerd.embedded.responses import Event


@dataclass(frozen=True, slots=True)
class Listen:
    """Order: give this audio to the turn detector, then tell ``turn`` what it decided."""

    pcm: bytes
    """Wire audio."""


@dataclass(frozen=True, slots=True)
class Hear:
    """Order: find out what was said, then tell ``heard``."""

    item_id: str
    """Where it stands."""

    pcm: bytes
    """Wire audio."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Order: think of an answer and speak it through ``begin``, ``say``, ``play`` and ``finish``."""

    response_id: str
    """The response to fill."""

    items: tuple[Item, ...]
    """What it answers to, oldest first."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Order: stop filling a response; it is closed, or will be in a moment."""

    response_id: str
    """The response."""


@dataclass(frozen=True, slots=True)
class Settle:
    """Order: tell ``settled`` after a moment; a response that the client cancelled is active until then."""

    response_id: str
    """The response."""


Order = Listen | Hear | Answer | Stop | Settle
"""What the owner of a session is to do."""

Output = Event | Order
"""What comes out, in the order in which it must happen."""
