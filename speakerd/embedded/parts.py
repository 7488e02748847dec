"""What a tier is made of: ears, brain and voice, as Protocols, and what passes between them.

The voice activity detector's Protocol stands beside its only user, in ``turns.py``.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from speakerd.embedded.turns import Vad


@dataclass(frozen=True, slots=True)
class Heard:
    """What ears made of a piece of audio."""

    is_speech: bool
    """False: silence or noise, which nobody answers."""

    text: str = ""
    """The words; empty when nothing was intelligible, or when these ears know no words."""

    voiced_ms: int = 0
    """How long somebody spoke, as far as these ears can tell."""


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the client's that is to be called."""

    name: str
    """As the client declared it."""

    arguments: dict[str, Any] = field(default_factory=dict)
    """What goes in."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a function that was called has returned."""

    name: str
    """The function; empty when its call is no longer known."""

    output: str
    """Whatever the client sent, often JSON."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What there is to answer."""

    text: str
    """The user's words, written or heard; may be empty."""

    heard: Heard | None = None
    """Set when the user spoke, None when the user wrote or said nothing."""

    instructions: str | None = None
    """What the client asked of this one response; None when it asked nothing in particular."""

    character: str = ""
    """What the session's instructions say."""

    tools: tuple[dict[str, Any], ...] = ()
    """Functions that may be called, as the client declared them."""

    must_call: bool = False
    """Whether one of them has to be."""

    results: tuple[Result, ...] = ()
    """Set when there is nothing new from the user but these."""

    idle: bool = False
    """Whether it is the user's silence that asks for an answer."""

    now: datetime | None = None
    """Local time."""

    is_first: bool = False
    """Whether the assistant has said nothing yet in what it reads."""


LONGEST_BREATH = 400
"""Characters that are spoken in one piece, about 25 s (guessed): what a piece takes in memory is bounded by it."""


class Ears(Protocol):
    """Recognises speech. Thread: any; heavy."""

    def hear(self, pcm: bytes) -> Heard:
        """Return what is said in a piece of wire audio."""


class Brain(Protocol):
    """Finds an answer. Thread: event loop; quick."""

    def answer(self, prompt: Prompt) -> str | Call | None:
        """Return what to say, a function to call instead, or None to do nothing."""


class Voice(Protocol):
    """Speaks. Thread: any; heavy."""

    def sentences(self, text: str) -> list[str]:
        """Return the text cut into the pieces that are spoken one by one."""

    def speak(self, sentence: str, speed: float) -> bytes:
        """Return one sentence as wire audio.

        Args:
            sentence: A piece that ``sentences`` returned.
            speed: 1.0 is the voice's own; 0.25 to 1.5.
        """


@dataclass(frozen=True, slots=True)
class Tier:
    """One way to be the service."""

    name: str
    """``scripted`` or ``neural``."""

    new_vad: Callable[[], Vad]
    """Makes a detector for one session."""

    ears: Ears
    """Shared by all sessions."""

    brain: Brain
    """Shared by all sessions."""

    voice: Voice
    """Shared by all sessions."""


def in_breaths(sentences: list[str]) -> list[str]:
    """Cut sentences that are longer than anybody's breath, between words where there are any."""
    breaths: list[str] = []
    for sentence in sentences:
        short = len(sentence) <= LONGEST_BREATH
        breaths += [sentence] if short else textwrap.wrap(sentence, LONGEST_BREATH, break_on_hyphens=False)
    return breaths


def in_slices(pcm: bytes, sizes: Iterator[int]) -> Iterator[bytes]:
    """Cut wire audio into pieces of the sizes given, in bytes; the last one is what is left."""
    offset = 0
    while offset < len(pcm):
        size = next(sizes)
        yield pcm[offset : offset + size]
        offset += size
