"""What happens in a random evening, as data: who says what when, and what goes wrong. Pure; the seed is all of it.

How a scene is played is ``evening_play.py``'s business.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from speakerd.core.events import Device
from speakerd.demo.room import Fault

SESSION_LIFE_S = 20.0
"""How long a session lasts in place of thirty minutes: the longer conversations outlive one (chosen)."""

BREATHS = ("Hey Jarvis, what time is it?", "Hey Jarvis, tell me a joke.", "Hey Jarvis, is it raining?")
"""Wake word and question in one breath."""

FOLLOW_UPS = ("And what day is it?", "What is seven times eight?", "And tomorrow?")
"""Said without the wake word."""

REPLIES = ("It is about ten past four, I think.", "I do not know that, but I am trying to find out.", "Yes, it is.")
"""What the service hums: one to three seconds each."""

_TROUBLE_SHARE = 0.4
"""How many scenes have a trouble (chosen: in eighty of them each kind comes once or twice)."""

_FACES: tuple[Fault, ...] = ("enodev", "eio", "epipe", "stall")
_CLOSES = (1001, 1006, 1011, 4000)


class Opening(enum.Enum):
    """How a conversation begins."""

    BREATH = "in one breath"
    """The wake word with a question behind it."""

    PAUSE = "after a pause"
    """The question comes a second after the wake word."""

    REQUEST = "speakerd wake"
    """Without the word; the question comes a moment later."""

    TWICE = "twice in a row"
    """The wake word, and at once the wake word with a question."""

    ALONE = "and nothing"
    """The wake word, and nothing behind it."""


class Move(enum.Enum):
    """How a conversation goes on while, or after, a reply is heard."""

    FOLLOW_UP = "follow-up"
    """Another question in the window."""

    BARGE_IN = "barge-in"
    """Another question into the reply."""

    WAKE_WORD = "wake word"
    """The wake word with another question into the reply."""

    STOP = "stop"
    """``speakerd stop`` a moment into the reply."""

    STOP_EARLY = "stop before the answer"
    """Another question in the window, and ``speakerd stop`` as soon as it is said."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What goes wrong in a scene."""

    name: str
    """For the table."""

    faults: Mapping[str, Any] = field(default_factory=dict)
    """Of the service, from before the wake word on (``speakerd.embedded.faults.Faults``)."""

    over_after_s: float | None = None
    """When they are mended, counted from the beginning; None: when the scene is over."""

    card: tuple[Device, Fault] | None = None
    """Which end of the card fails, and how; for ``card_for_s``."""

    at_s: float = 0.0
    """When the card fails or the service is killed, counted from the beginning."""

    card_for_s: float = 1.5
    """How long the card is away."""

    harmless: bool = False
    """Every question is answered all the same: what is slow or away for a moment loses nothing."""

    kills: bool = False
    """The service is killed, and started again at once."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A conversation from rest to rest."""

    number: int
    """Counted from 1."""

    opening: Opening
    """How it begins."""

    words: tuple[str, ...]
    """What is asked, in order: the opening's question, then one for each move that asks."""

    moves: tuple[Move, ...]
    """How it goes on."""

    trouble: Trouble | None
    """What goes wrong."""

    def told(self) -> str:
        """Return one line for people."""
        parts = [self.opening.value, *(move.value for move in self.moves)]
        return ", ".join(parts) + (f" [{self.trouble.name}]" if self.trouble else "")


def scenes(seed: int) -> Iterator[Scene]:
    """Yield the scenes of an evening without end; the same for the same seed. The first has no trouble."""
    rng = random.Random(seed)  # noqa: S311 - an evening that can be played again, no secret
    number = 0
    while True:
        number += 1
        openings = [Opening.BREATH] * 6 + [Opening.PAUSE, Opening.REQUEST, Opening.TWICE, Opening.ALONE]
        opening = rng.choice(openings) if number > 1 else Opening.BREATH
        moves = () if opening is Opening.ALONE else _moves(rng)
        trouble = _trouble(rng) if number > 1 and rng.random() < _TROUBLE_SHARE else None
        yield Scene(number, opening, _words(rng, moves), moves, trouble)


def _moves(rng: random.Random) -> tuple[Move, ...]:
    moves = tuple(
        rng.choice([Move.FOLLOW_UP] * 5 + [Move.BARGE_IN] * 3 + [Move.WAKE_WORD])
        for _ in range(rng.choice([0, 1, 2, 2, 3, 4]))
    )
    last = rng.random()
    return (*moves, Move.STOP) if last < 0.1 else (*moves, Move.STOP_EARLY) if last < 0.2 else moves  # noqa: PLR2004 - shares


def _words(rng: random.Random, moves: tuple[Move, ...]) -> tuple[str, ...]:
    pools = (BREATHS if move is Move.WAKE_WORD else FOLLOW_UPS for move in moves if move is not Move.STOP)
    return (rng.choice(BREATHS), *(rng.choice(pool) for pool in pools))


def _trouble(rng: random.Random) -> Trouble:
    """Return one of the troubles, at a random moment of the conversation."""
    at_s = round(rng.uniform(0.5, 7.0), 2)
    device, face = rng.choice(list(Device)), rng.choice(_FACES)
    code, events = rng.choice(_CLOSES), rng.randint(2, 40)
    status = rng.choice([401, 403, 429, 503])
    return rng.choice(
        [
            Trouble(f"HTTP {status} at connect", {"http_status": status}),
            Trouble("HTTP 503 for a second and a half", {"http_status": 503}, over_after_s=1.5, harmless=True),
            Trouble("slow handshake", {"slow_handshake_s": round(rng.uniform(0.5, 4.0), 2)}, harmless=True),
            Trouble("link dropped", {"drop_after_s": at_s}),
            Trouble("link dropped in a reply", {"drop_at_audio_delta": rng.randint(1, 12)}),
            Trouble(f"link closed with {code}", {"close_after_events": [code, events]}),
            Trouble("session expires", {"session_life_s": at_s}),
            Trouble("configuration refused", {"refuse_updates": rng.randint(1, 3)}),
            Trouble("response fails", {"fail_responses": 1}),
            Trouble("service falls silent", {"stall_after_events": events}),
            Trouble("late ends and deltas", {"late_deltas": 3, "late_done": True}, harmless=True),
            Trouble(f"{device.value} pulled ({face})", card=(device, face), at_s=at_s),
            Trouble(f"{device.value} pulled ({face})", card=(device, face), at_s=at_s, card_for_s=4.0),
            Trouble("service killed", kills=True, at_s=at_s),
        ]
    )
