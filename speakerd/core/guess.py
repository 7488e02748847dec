"""Whether to connect on a guess, before a wake word is sure: only where that saves somebody a wait.

When a guess is due and how often is in ``room_cells``; what a rising score is, in ``wake_gate``.
"""

from __future__ import annotations

GUESS_DECLINED = "guess-declined"
"""The code by which the link says that it does not connect on a guess."""

WORTH_FROM_S = 0.15
"""From this handshake on a guess is worth a connection. A quicker one is over before the uplink knows where the wake
word ends, 120 to 160 ms after the detection: with 80 ms a guess saved nothing, with 150 ms 36 ms, from 300 ms on the
80 ms that the score rises before the detection (measured)."""


def worth_guessing(handshake_s: float | None) -> bool:
    """Return whether to connect on a guess.

    Args:
        handshake_s: How long the last handshake with the service took; None: there was none yet. Then nothing is
            guessed either: before the first wake word nothing leaves the machine.
    """
    return handshake_s is not None and handshake_s >= WORTH_FROM_S
