"""What proves that the speaker hears: the parts' counts, and the watchdog that looks at them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Protocol

from speakerd.core.pulse import Part
from speakerd.host.watchdog import Watchdog, patience_s


class Moving(Protocol):
    """A part of the daemon that can stand still."""

    @property
    def pulse(self) -> int | None:
        """Something that changes while it moves; None: nothing is asked of it."""


def watchdog_of(
    environment: Mapping[str, str],
    *,
    feed: Callable[[], None],
    is_ready: Callable[[], bool],
    parts: Callable[[], Mapping[Part, Moving]],
    now: Callable[[], float],
) -> Watchdog:
    """Return the watchdog of a speaker; it does nothing where the service manager wants none.

    Args:
        environment: Of the process.
        feed: Tells the service manager that all is well.
        is_ready: Whether everything has come up. Before, only the loop must turn: models load in their own time, and
            how long the start may take is the unit's business.
        parts: What must move from then on; asked each time, since a reload may put another in its place.
        now: The monotonic clock.
    """

    def counts() -> dict[Part, int | None]:
        return {part: moving.pulse for part, moving in parts().items()} if is_ready() else {}

    return Watchdog(patience_s(environment, os.getpid()), feed=feed, counts=counts, now=now)
