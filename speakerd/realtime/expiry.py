"""How long a session lasts, and when to say that it ends. Pure: what time it is, the caller says."""

from __future__ import annotations

AZURE_LIFE_S = 30 * 60.0
"""Azure's documented longest session; its ``expires_at`` has been seen to name an hour all the same."""

OPENAI_LIFE_S = 60 * 60.0
"""OpenAI's longest session (specified)."""

ASSUMED_LIFE_S = AZURE_LIFE_S
"""Life of a session that does not say when it ends: the shorter of the two known."""

MARGIN_S = 120.0
"""How long before the end it is told: room for an utterance and a reply, so that a pause is found (guessed)."""

_LARGEST_SHARE = 0.25
"""The margin is never more than this of the life, so that short-lived sessions are of use, too (guessed)."""


def notice_delay_s(expires_at: int | None, wall_s: float, longest_s: float) -> float:
    """Return how many seconds from now a session is to be called expiring.

    Args:
        expires_at: When the service says that it ends, in seconds since 1970.
        wall_s: The machine's own idea of that clock, which may be wrong: a Pi has no battery for it.
        longest_s: How long a session lasts at most at this service.
    """
    told_s = ASSUMED_LIFE_S if expires_at is None else expires_at - wall_s
    life_s = min(told_s if told_s > 0 else ASSUMED_LIFE_S, longest_s)
    return life_s - min(MARGIN_S, _LARGEST_SHARE * life_s)
