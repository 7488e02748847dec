"""The delay of an echo, to the sample."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from speakerd.core.actions import Earcon
from speakerd.core.earcons import earcon_pcm
from speakerd.core.echo_lag import AHEAD_FRAMES, REACH_FRAMES, SOUND_FRAMES, find_lag
from speakerd.core.units import WIRE_RATE_HZ, ms_to_frames

Int16 = npt.NDArray[np.int16]
FRAMES = SOUND_FRAMES + REACH_FRAMES


def sound(seed: int, level: float = 3000.0) -> Int16:
    """Return noise: every stretch of it is different."""
    return (np.random.default_rng(seed).standard_normal(FRAMES) * level).astype(np.int16)


def later(source: Int16, frames: int) -> Int16:
    """Return a sound so much later, 6 dB down."""
    return (np.roll(source, frames) * 0.5).astype(np.int16)


@pytest.mark.parametrize("lag", [-AHEAD_FRAMES + 1, -7, 0, 1, 1300, REACH_FRAMES - 1])
def test_an_echo_is_found_to_the_sample(lag: int) -> None:
    """However late it is, and where the count is a little ahead of it."""
    far = sound(1)
    assert find_lag(later(far, lag) + sound(2, 100.0), far) == lag


def test_another_sound_is_no_echo() -> None:
    """What has nothing to do with what is played tells no delay."""
    assert find_lag(sound(3), sound(4)) is None


def test_of_two_delays_as_likely_none_is_told() -> None:
    """A wrong place would be worse than none."""
    far = sound(5)
    assert find_lag(later(far, 500) + later(far, 900), far) is None


def test_silence_tells_nothing() -> None:
    """Neither end says anything."""
    silence = np.zeros(FRAMES, np.int16)
    assert find_lag(silence, silence) is None


@pytest.mark.parametrize("chime", Earcon)
@pytest.mark.parametrize("begin_ms", [20, 60, 110])
def test_a_look_that_begins_in_a_chime_tells_no_wrong_delay(chime: Earcon, begin_ms: int) -> None:
    """A tone that is cut off has its edge in both ends at the same place, which is not how late the echo is."""
    lag = 780
    far = np.concatenate((earcon_pcm(chime), np.zeros(2 * WIRE_RATE_HZ, np.int16)))
    near = np.concatenate((np.zeros(lag), far * 0.7))[: len(far)]
    near += np.random.default_rng(6).standard_normal(len(near)) * 18
    begin = ms_to_frames(begin_ms, WIRE_RATE_HZ)
    span = slice(begin, begin + WIRE_RATE_HZ)
    assert find_lag(near[span].astype(np.int16), far[span]) in {None, lag - 1, lag, lag + 1}


def test_nothing_at_all_tells_nothing() -> None:
    """No frame of either."""
    assert find_lag(np.zeros(0, np.int16), np.zeros(0, np.int16)) is None
