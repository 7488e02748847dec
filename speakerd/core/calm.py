"""Whether what a microphone hears may wait a moment: nobody speaks, and nobody did just now.

Waking up and sending is what a conversation costs, fifty times a second, and most of a conversation is not the user's
speech. What is quiet can be sent in fewer and larger pieces; whoever begins to speak ends the calm with the very first
20 ms. A wrong guess costs a few hundredths of a second, never a frame.
"""

from __future__ import annotations

import math

_OVER_ROOM_DB = 6.0
"""What stands so far out of the room may be somebody. Of pink noise one or two in a thousand stretches of 20 ms do,
with 5 dB seven, with 7 dB none (measured); a voice at arm's length stands 20 dB out of a kitchen (guess)."""

_LEAST_DBFS = -70.0
"""And nothing below this is (guess: 10 dB below the softest speech that the wake word is tested with)."""

_RISE_DB_PER_S = 3.0
"""So fast the room is thought to grow louder while something is loud: a fan that was switched on is no voice after some
seconds (chosen)."""

_FOLLOW_S = 0.5
"""So fast its level is followed otherwise (measured with 1 s: the same)."""

HANG_MS = 300
"""For so much longer than the service waits for the end of an utterance its sound is not held up: that end is counted
in audio, and sound that comes late is an answer that comes late (chosen: a period of slack for each hop)."""


class Calm:
    """Follows the level of a microphone. Thread: one at a time.

    Args:
        hang_ms: How long after the last loud sound it is not yet calm.
    """

    def __init__(self, hang_ms: float) -> None:
        self._hang_ms = hang_ms
        self._room_db: float | None = None
        self._since_loud_ms = 0.0

    @property
    def is_calm(self) -> bool:
        """Whether nobody speaks, nor did a moment ago."""
        return self._since_loud_ms >= self._hang_ms

    def process(self, mean_square: float, length_ms: float) -> bool:
        """Take the next stretch of sound; return whether it is loud.

        Args:
            mean_square: Its power, 1 being full scale.
            length_ms: How long it is; the shorter, the sooner a beginning is noticed: 20 ms.
        """
        level_db = 10 * math.log10(max(mean_square, 1e-12))
        room_db = level_db if self._room_db is None else self._room_db
        loud = level_db >= max(room_db + _OVER_ROOM_DB, _LEAST_DBFS)
        if loud:
            self._room_db = room_db + _RISE_DB_PER_S * length_ms / 1000
        else:
            self._room_db = room_db + (level_db - room_db) * min(1.0, length_ms / 1000 / _FOLLOW_S)
        self._since_loud_ms = 0.0 if loud else self._since_loud_ms + length_ms
        return loud

    def disturb(self) -> None:
        """Take note that something begins for which every frame counts."""
        self._since_loud_ms = 0.0
