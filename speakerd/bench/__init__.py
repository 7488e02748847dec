"""``speakerd bench``: measurements that an owner can repeat, each topic in a module of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

LATENCY, EMBEDDED, CPU, EVENING, ECHO, GUESS = "latency", "embedded", "cpu", "evening", "echo", "guess"
TOPICS = (LATENCY, EMBEDDED, CPU, EVENING, ECHO, GUESS)
"""What can be measured."""

_TURNS = {LATENCY: 5, EMBEDDED: 12, CPU: 3, EVENING: 200, GUESS: 7}
"""How many conversations, questions or turns unless told otherwise."""

_MINUTES = 5.0
"""How long replies are played unless told otherwise."""


def bench(
    topic: str,
    out: Path,
    turns: int | None,
    say: Callable[[str], None],
    *,
    seed: int | None = None,
    minutes: float | None = None,
) -> bool:
    """Measure one topic.

    Args:
        topic: One of ``TOPICS``.
        out: Where figures and logs are written; made if missing.
        turns: Conversations to hold, questions to ask, or turns of an evening; None: the topic's own number.
        say: Told what happens.
        seed: Which evening; None: always the same.
        minutes: How long replies are played against their echo; None: five.

    Returns:
        Whether everything worked and no limit was missed.
    """
    if topic == ECHO:
        from speakerd.bench import echo

        return echo.measure(out, minutes or _MINUTES, say)
    count = turns or _TURNS[topic]
    if topic == EMBEDDED:
        from speakerd.bench import embedded

        return embedded.measure(out, count, say)
    if topic == CPU:
        from speakerd.bench import cpu

        return cpu.measure(out, count, say)
    if topic == EVENING:
        from speakerd.bench import evening

        return evening.measure(out, count, say, seed=evening.SEED if seed is None else seed)
    if topic == GUESS:
        from speakerd.bench import guess

        return guess.measure(out, count, say)
    from speakerd.bench import latency

    return latency.measure(out, count, say)
