"""A guess is made only where it saves a wait."""

from __future__ import annotations

import pytest

from speakerd.core.guess import WORTH_FROM_S, worth_guessing


@pytest.mark.parametrize(
    ("handshake_s", "worth"),
    [(None, False), (0.0, False), (0.08, False), (WORTH_FROM_S - 0.001, False), (WORTH_FROM_S, True), (8.0, True)],
)
def test_only_a_slow_service_is_worth_a_guess(handshake_s: float | None, worth: bool) -> None:
    """A quick one is reached in time anyway; of one that was never reached nothing is known, so nothing is begun."""
    assert worth_guessing(handshake_s) is worth
