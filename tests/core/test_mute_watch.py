"""A microphone that hears nothing but zeros: noticed after five seconds, and when it ends."""

from __future__ import annotations

import numpy as np

from speakerd.core.events import MicrophoneSilent
from speakerd.core.mute_watch import SILENT_AFTER_S, MuteWatch

RATE_HZ = 1000
ZEROS = np.zeros(RATE_HZ // 2, np.int16)
LAST_BIT = np.eye(1, RATE_HZ // 2, dtype=np.int16)[0]


def test_zeros_are_a_silence_after_five_seconds_and_said_once() -> None:
    """Half a second short of it nothing is said, then once, however long it lasts."""
    watch = MuteWatch(RATE_HZ)
    told = [watch.process(ZEROS) for _ in range(20)]
    assert told.index(MicrophoneSilent(silent=True)) == 2 * SILENT_AFTER_S - 1
    assert len([change for change in told if change]) == 1
    assert watch.silent_s == 10


def test_one_bit_ends_it() -> None:
    """The quietest sound there is, is a sound."""
    watch = MuteWatch(RATE_HZ)
    for _ in range(12):
        watch.process(ZEROS)
    assert watch.process(LAST_BIT) == MicrophoneSilent(silent=False)
    assert (watch.silent, watch.silent_s) == (False, 0)


def test_a_quiet_room_is_not_silent() -> None:
    """Zeros with a bit now and then are a microphone that hears."""
    watch = MuteWatch(RATE_HZ)
    assert [watch.process(block) for block in [ZEROS, ZEROS, LAST_BIT] * 10] == [None] * 30


def test_a_card_that_goes_ends_it_too() -> None:
    """Counted is what one card delivers."""
    watch = MuteWatch(RATE_HZ)
    assert watch.restart() is None
    for _ in range(12):
        watch.process(ZEROS)
    assert watch.restart() == MicrophoneSilent(silent=False)
    assert watch.silent_s == 0
