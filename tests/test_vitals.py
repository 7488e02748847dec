"""What the watchdog asks of whom, and from when on."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pytest

from speakerd.core.pulse import LIMITS_S, Part
from speakerd.host.watchdog import LOOK_S
from speakerd.vitals import watchdog_of


@dataclass
class Still:
    """A part that never moves."""

    pulse: int | None = 3


def test_before_it_is_ready_only_the_loop_must_turn(caplog: pytest.LogCaptureFixture) -> None:
    """A model that loads for a minute is no hang; afterwards a part that stands still is."""
    ready, fed, now_s = [False], [0], [0.0]
    environment = {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}
    watchdog = watchdog_of(
        environment,
        feed=lambda: fed.append(1),
        is_ready=lambda: ready[0],
        parts=lambda: {Part.CAPTURE: Still(), Part.PLAYBACK: Still(None)},
        now=lambda: now_s[0],
    )

    def looks(count: int) -> int:
        before = len(fed)
        for _ in range(count):
            watchdog.look()
            now_s[0] += LOOK_S
        return len(fed) - before

    assert looks(20) == 20
    ready[0] = True
    assert looks(20) == LIMITS_S[Part.CAPTURE] / LOOK_S
    assert caplog.messages == ["the watchdog is not fed: capture has delivered nothing for 15 s"]
