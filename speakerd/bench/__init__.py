"""``speakerd bench``: measurements that an owner can repeat, each topic in a module of its own."""

from __future__ import annotations

import contextlib
import errno
import importlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from speakerd.core.errors import Remedy, SpeakerdError

if TYPE_CHECKING:
    from speakerd.bench.accuracy_find import Wishes

LATENCY, EMBEDDED, CPU, EVENING, ECHO, GUESS = "latency", "embedded", "cpu", "evening", "echo", "guess"
PEERS, WAKE, IDLE, ACCURACY = "peers", "wake", "idle", "accuracy"
TOPICS = (LATENCY, EMBEDDED, CPU, EVENING, ECHO, GUESS, PEERS, WAKE, IDLE, ACCURACY)
"""What can be measured."""

_TURNS = {LATENCY: 5, EMBEDDED: 12, CPU: 3, EVENING: 200, GUESS: 7, PEERS: 6, WAKE: 5, IDLE: 3}
"""How many conversations, questions, turns or rounds unless told otherwise."""

_MINUTES = {ECHO: 5.0, WAKE: 3.0}
"""How long replies are played, or scores compared, unless told otherwise."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says when no more fits."""


def bench(
    topic: str,
    out: Path,
    turns: int | None,
    say: Callable[[str], None],
    *,
    seed: int | None = None,
    minutes: float | None = None,
    wishes: Wishes | None = None,
) -> bool:
    """Measure one topic.

    Args:
        topic: One of ``TOPICS``.
        out: Where figures and logs are written; made if missing.
        turns: Conversations to hold, questions to ask, turns of an evening, or rounds; None: the topic's own number.
        say: Told what happens.
        seed: Which evening, or whose room's echo; None: always the same.
        minutes: How long replies are played against their echo, or scores are compared; None: five, or three.
        wishes: What accuracy is measured of; needed for it alone.

    Returns:
        Whether everything worked and no limit was missed.

    Raises:
        SpeakerdError: ``bench-folder``: it cannot be written into, or the disk is full.
    """
    with _written_into(out):
        return _measure(topic, out, turns, say, seed=seed, minutes=minutes, wishes=wishes)


@contextlib.contextmanager
def _written_into(out: Path) -> Iterator[None]:
    """Try whether a folder can be written into, and tell in a sentence when it cannot any more."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        message = f"cannot write into {out}: {error.strerror}. --out DIR names another folder"
        raise SpeakerdError("bench-folder", message, Remedy.OPERATOR) from error
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        message = f"cannot write into {out} or {tempfile.gettempdir()}: {error.strerror}"
        raise SpeakerdError("bench-folder", message, Remedy.OPERATOR) from error


def _measure(
    topic: str,
    out: Path,
    turns: int | None,
    say: Callable[[str], None],
    *,
    seed: int | None,
    minutes: float | None,
    wishes: Wishes | None,
) -> bool:
    if topic == ACCURACY:
        from speakerd.bench import accuracy

        assert wishes is not None
        return accuracy.measure(out, wishes, say)
    if topic == ECHO:
        from speakerd.bench import echo

        return echo.measure(out, minutes or _MINUTES[ECHO], say, seed=echo.SEED if seed is None else seed)
    count = turns or _TURNS[topic]
    if topic == EVENING:
        from speakerd.bench import evening

        return evening.measure(out, count, say, seed=evening.SEED if seed is None else seed)
    if topic == WAKE:
        from speakerd.bench import wake

        return wake.measure(out, count, say, minutes=minutes or _MINUTES[WAKE])
    # The others are called alike, and each is a module of its topic's name.
    worked: bool = importlib.import_module(f"speakerd.bench.{topic}").measure(out, count, say)
    return worked
