"""How long the beginning of a reply waits, learned from how its audio arrives.

A service that sends faster than it speaks needs no wait. One that sends just in time over a shaky network does: every
delta that comes later than it was needed is a gap somebody hears. So each reply is measured as if it had been played
from its first delta on: by how much was the latest delta late? The next replies begin that much later.
"""

from __future__ import annotations

from speakerd.core.units import WIRE_RATE_HZ, ResponseId

DELAY_MAX_S = 0.4
"""The longest wait: more is felt as a slow answer, and costs more than the gap it saves (guess)."""

MARGIN_S = 0.07
"""How early a delta must be to be in time: with 50 ms left the reply is faded out, and a card that has begun from its
rest takes a period ahead (follows from the two; measured: with 40 ms replies ran dry again that should not have)."""

PAUSE_S = 1.0
"""A delta later than this is a pause of the speaker (a tool, a thought), no jitter: no wait would bridge it (guess)."""

RECOVERY = 0.8
"""What a reply that came in good time leaves of the wait: a tenth of it after ten such (guess)."""

DELAY_MIN_S = 0.005
"""A shorter wait is none: no timer is that exact (guess)."""


class PlayoutDelay:
    """Measures how late deltas come and says how long to wait for them. Units: seconds on the caller's clock."""

    def __init__(self) -> None:
        self._learned_s = 0.0
        self._worst_s = 0.0
        self._response_id: ResponseId | None = None
        self._needed_at_s = 0.0

    @property
    def delay_s(self) -> float:
        """How long after its first delta a reply begins, unless much more than is needed has come by then."""
        delay_s = max(self._learned_s, self._worst_s)
        return delay_s if delay_s >= DELAY_MIN_S else 0.0

    def arrived(self, response_id: ResponseId, frames: int, now_s: float) -> None:
        """Take note of a delta.

        Args:
            response_id: The response it is of.
            frames: Wire frames in it.
            now_s: When it came.
        """
        late_s = now_s - self._needed_at_s
        if response_id != self._response_id:
            self._learned_s = max(self._worst_s, self._learned_s * RECOVERY)
            self._worst_s = 0.0
            self._response_id = response_id
            self._needed_at_s = now_s
        elif late_s > PAUSE_S:
            self._needed_at_s = now_s
        else:
            self._worst_s = min(DELAY_MAX_S, max(self._worst_s, late_s + MARGIN_S))
        self._needed_at_s += frames / WIRE_RATE_HZ
