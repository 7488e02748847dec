"""How loud an echo can be at most, by the levels of both ends."""

from __future__ import annotations

import numpy as np
import pytest

from speakerd.core.echo_levels import STEP_FRAMES
from speakerd.core.echo_limit import EchoLimit

FAR_LEVEL = 1640  # -26 dBFS


def sound(level: float, steps: int, seed: int = 1):
    """Return noise of a level."""
    return np.rint(np.random.default_rng(seed).normal(0, level, steps * STEP_FRAMES)).astype(np.int16)


def rested(noise: float = 18.0) -> EchoLimit:
    """Return a limit that knows the room's noise: -65 dBFS."""
    limit = EchoLimit()
    limit.rest(sound(noise, 60, seed=2))
    return limit


def tell(limit: EchoLimit, near, far) -> int | None:
    """Give it both ends by uneven blocks; return after how many milliseconds it allowed no echo."""
    for at in range(0, len(near), 441):
        limit.process(near[at : at + 441], far[at : at + 441])
        if not limit.allows():
            return (at + 441) // 24
    return None


def test_a_microphone_that_hears_only_the_room_hears_no_echo() -> None:
    """After three tenths of a second of a loud reply: a sound has so much time to arrive."""
    assert tell(rested(), sound(18, 50), sound(FAR_LEVEL, 50, seed=3)) == pytest.approx(280, abs=60)


@pytest.mark.parametrize("gain_db", [0, -12, -24])
@pytest.mark.parametrize("late_steps", [0, 2, 7])
def test_an_echo_is_never_ruled_out(gain_db, late_steps) -> None:
    """Early or late, loud or faint."""
    far = sound(FAR_LEVEL, 100, seed=3)
    late = late_steps * STEP_FRAMES + 100
    echo = np.concatenate((np.zeros(late), far[: len(far) - late])) * 10 ** (gain_db / 20)
    assert tell(rested(), (sound(18, 100) + echo).astype(np.int16), far) is None


def test_a_gap_in_what_somebody_says_is_enough() -> None:
    """Whoever talks hides an echo only while he does: 80 ms between two words rule it out, as long after them."""
    near, far = sound(1000, 50), sound(FAR_LEVEL, 50, seed=3)
    gap = slice(30 * STEP_FRAMES, 34 * STEP_FRAMES)
    near[gap] = sound(18, 4)
    assert tell(rested(), near, far) == pytest.approx(760, abs=30)
    near[gap] = sound(1000, 4)
    assert tell(rested(), near, far) is None


def test_in_a_loud_room_a_louder_echo_is_inaudible() -> None:
    """What is hidden by the room's noise needs no canceller: here -45 dBFS."""
    near, far = sound(184, 50), sound(FAR_LEVEL, 50, seed=3)
    assert tell(rested(noise=184), near, far) is not None
    assert tell(rested(), near, far) is None


def test_however_loud_the_room_is_a_loud_echo_is_allowed() -> None:
    """A vacuum cleaner is no reason to call the loudspeaker inaudible."""
    assert tell(rested(noise=1000), sound(1000, 50), sound(FAR_LEVEL, 50, seed=3)) is None


def test_without_a_room_a_reply_or_a_microphone_nothing_is_ruled_out() -> None:
    """Noise must be known, the far end loud, and a microphone that hears nothing at all is switched off."""
    near, far = sound(18, 50), sound(FAR_LEVEL, 50, seed=3)
    assert tell(EchoLimit(), near, far) is None
    assert tell(rested(), near, np.zeros_like(far)) is None
    assert tell(rested(), np.zeros_like(near), far) is None
    assert rested().allows()


def test_begins_anew_with_the_noise_it_knows() -> None:
    """After a hole the levels are collected again."""
    limit = rested()
    near, far = sound(18, 50), sound(FAR_LEVEL, 50, seed=3)
    assert tell(limit, near, far) is not None
    limit.restart()
    assert limit.allows()
    assert tell(limit, near, far) is not None


def test_looks_at_as_many_of_the_last_levels_as_asked() -> None:
    """An echo that has come is not ruled out by what was before it."""
    far = sound(FAR_LEVEL, 60, seed=3)
    near = np.where(np.arange(len(far)) < 30 * STEP_FRAMES, sound(18, 60), far // 4).astype(np.int16)
    limit = rested()
    limit.process(near, far)
    assert not limit.allows()
    assert limit.allows(20)
