"""Whether every part that hearing depends on still moves: what the service manager's watchdog is fed by.

Each part has a count that changes while it does its work. Who counts, and who is told, is elsewhere; here is only how
long a count may stand still. A part of which nothing is asked has none: an engine without audio, a loudspeaker that has
nothing to play.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass


class Part(enum.Enum):
    """What must move; the value begins the sentence that says that it does not."""

    LOOP = "the event loop has not turned"
    """Everything but the threads: it counts by being there to ask."""

    CAPTURE = "capture has delivered nothing"
    """The microphone, from the card to the loop; or the search for one that is lost."""

    WAKE = "the wake word engine has scored nothing"
    """The engine, while audio waits for it. One that sleeps through a quiet room takes its audio all the same."""

    PLAYBACK = "playback has not moved"
    """The loudspeaker, while something is to be heard; or the search for one that is lost."""


LIMITS_S: Mapping[Part, float] = {Part.LOOP: 10.0, Part.CAPTURE: 15.0, Part.WAKE: 15.0, Part.PLAYBACK: 15.0}
"""How long each may stand still (chosen). A small board under load stalls for seconds and catches up: the capture ring
holds 3 s, the wake ring 20. A lost card is looked for every 8 s at most: 5 s of waiting, 1 s until it is found to hang,
1 s until its thread is given up; twice that is no search. The loop, which waits for nothing, gets less."""


@dataclass(frozen=True, slots=True)
class Standstill:
    """A part that has stood still for longer than it may."""

    part: Part
    """Which."""

    still_s: float
    """For how long, at least."""

    def __str__(self) -> str:
        """Return what is wrong, for the journal."""
        return f"{self.part.value} for {self.still_s:.0f} s"


class Pulse:
    """Looks at the parts' counts from time to time. Thread: one at a time.

    Time in which nobody looked is no evidence: a process that was stopped, or had no processor, wakes up with a loop
    that turns before the threads have had their turn. So between two looks no more than the time that was planned is
    held against a part.

    Args:
        look_s: The time that is planned between two looks.
        limits_s: How long each part may stand still.
    """

    def __init__(self, look_s: float, limits_s: Mapping[Part, float] = LIMITS_S) -> None:
        self._look_s = look_s
        self._limits_s = limits_s
        self._looked_at_s: float | None = None
        self._counts: dict[Part, int] = {}
        self._still_s: dict[Part, float] = {}

    def look(self, now_s: float, counts: Mapping[Part, int | None]) -> tuple[Standstill, ...]:
        """Return which parts have stood still for too long.

        Args:
            now_s: The monotonic clock.
            counts: Of each part something that changes while it moves; None, or no entry: nothing is asked of it.
        """
        passed_s = 0.0 if self._looked_at_s is None else min(now_s - self._looked_at_s, self._look_s)
        self._looked_at_s = now_s
        seen = {part: count for part, count in counts.items() if count is not None}
        self._still_s = {
            part: self._still_s[part] + passed_s if self._counts.get(part) == count else 0.0
            for part, count in seen.items()
        }
        self._counts = seen
        return tuple(
            Standstill(part, still_s) for part, still_s in self._still_s.items() if still_s >= self._limits_s[part]
        )
