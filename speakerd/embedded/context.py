"""What of a conversation a response reads: how much fits into the model's context, and what was read before. Pure.

The embedded brain looks at the last turn only. The limit is kept all the same, since what it does to a client's
conversation, its usage and its cached tokens is the service's behaviour, not the brain's.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from speakerd.embedded.items import Item, Tokens, text_tokens
from speakerd.embedded.responses import Wish

INPUT_TOKENS = 28_672
"""The most a response reads: 32,768 less 4,096 for its output (specified for gpt-realtime)."""

TOO_LONG = "context_length_exceeded"
"""Code of a response that fails because it would have to read more (guessed: the service's word in its other APIs; that
it is the response that fails, not the event that asked for it, is guessed, too)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a response reads."""

    items: tuple[Item, ...]
    """Oldest first."""

    given: Tokens
    """What it costs, instructions and tools included."""

    cached: Tokens
    """How much of that was read before: the same beginning."""

    fits: bool = True
    """Whether it may be read."""


class Context:
    """Reads a conversation, response after response."""

    def __init__(self) -> None:
        self._read_before: list[tuple[str, Tokens]] = []

    def read(self, wish: Wish, history: Sequence[Item], asked: Sequence[Item] | None, truncation: Any) -> Reading:
        """Return what a response reads; items that find no room leave the context for good.

        Nothing is told of items that leave, and they can still be retrieved (guessed: the service's documentation says
        that they are not included in the model's context, and no more).

        Args:
            wish: What the response was asked to be.
            history: The conversation.
            asked: What it is to read in place of the conversation; nothing of that leaves anything.
            truncation: The session's setting.
        """
        known = wish.instructions + (json.dumps(wish.tools) if wish.tools else "")
        items = [item for item in history if not item.has_left] if asked is None else list(asked)
        limit = INPUT_TOKENS - text_tokens(known)
        kept, fits = _fitting(items, limit, truncation)
        if asked is None and wish.in_conversation and fits:
            for item in items[: len(items) - len(kept)]:
                item.has_left = True
        parts = [(known, Tokens(text_tokens(known))), *((item.item_id, item.tokens()) for item in kept)]
        same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(parts, self._read_before, strict=False))
        cached = sum((part[1] for part, _ in same), Tokens())
        if wish.in_conversation and fits:
            self._read_before = parts
        return Reading(tuple(kept), sum((tokens for _, tokens in parts), Tokens()), cached, fits)


def _fitting(items: list[Item], limit: int, truncation: Any) -> tuple[list[Item], bool]:
    """Return the newest items that fit, and whether what has to be read fits at all; the last item has to be."""
    ratio = 1.0
    if isinstance(truncation, dict):
        ratio = truncation["retention_ratio"]
        post_instructions = (truncation.get("token_limits") or {}).get("post_instructions")
        limit = limit if post_instructions is None else min(limit, post_instructions)
    costs = [item.tokens().total for item in items]
    total, first = sum(costs), 0
    if total <= limit:
        return items, True
    if truncation == "disabled":
        return items, False
    while first < len(items) - 1 and total > limit * ratio:
        total -= costs[first]
        first += 1
    return items[first:], total <= limit
