"""Who speaks over a reply is kept whole, the reply goes, and every frame keeps its place."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from speakerd.core.both_voices import BLOCK_FRAMES, BothVoices
from speakerd.core.pcm import rms_dbfs
from speakerd.core.units import WIRE_RATE_HZ

PERIOD = 480
ECHO_DELAY = 700
Int16 = npt.NDArray[np.int16]


def noise(span_s: float, seed: int, level: float) -> Int16:
    """Return somebody, for a canceller."""
    return np.random.default_rng(seed).normal(0, level, int(span_s * WIRE_RATE_HZ) // PERIOD * PERIOD).astype(np.int16)


def echo_of(far: Int16) -> Int16:
    """Return what the microphone hears of it."""
    heard = np.zeros(len(far))
    heard[ECHO_DELAY:] = far[:-ECHO_DELAY] * 0.5
    return heard.astype(np.int16)


def run(both: BothVoices, near: Int16, far: Int16 | None) -> Int16:
    """Feed it period by period."""
    return np.concatenate(
        [
            both.process(near[at : at + PERIOD], None if far is None else far[at : at + PERIOD])
            for at in range(0, len(near), PERIOD)
        ]
    )


def test_the_reply_goes_and_the_user_stays() -> None:
    """Before somebody speaks it is quiet; they are as loud as they were, 6 dB below the echo."""
    far, user = noise(4, 1, 2000.0), noise(4, 2, 500.0)
    user[: 3 * WIRE_RATE_HZ] = 0
    near = echo_of(far) + user
    left = run(BothVoices(), near, far)
    spoken = slice(3 * WIRE_RATE_HZ, len(left))
    quiet = slice(2 * WIRE_RATE_HZ, 3 * WIRE_RATE_HZ)
    assert rms_dbfs(near[quiet]) - rms_dbfs(left[quiet]) > 20
    assert abs(rms_dbfs(left[spoken]) - rms_dbfs(user[spoken])) < 1.0
    assert np.corrcoef(left[spoken], user[spoken])[0, 1] > 0.9


def test_every_frame_keeps_its_place() -> None:
    """At most a block is held back, whether it is at work or not; then what comes in goes out."""
    both = BothVoices()
    near, far = noise(1, 1, 500.0), np.zeros(WIRE_RATE_HZ, np.int16)
    first = run(both, near[:12_000], None)
    assert first.tolist() == near[:12_000].tolist()
    second = run(both, near[12_000:14_400], far[12_000:14_400])
    assert 14_400 - BLOCK_FRAMES < len(first) + len(second) <= 14_400
    third = run(both, near[14_400:], None)
    assert np.concatenate((first, second, third)).tolist() == near.tolist()


def test_an_echo_that_comes_elsewhere_after_a_rest_is_learnt_anew() -> None:
    """The loudspeaker's card may have begun anew."""
    far = noise(2, 1, 2000.0)
    both = BothVoices()
    run(both, echo_of(far), far)
    run(both, np.zeros(WIRE_RATE_HZ, np.int16), None)
    near = np.roll(echo_of(far), 100)
    left = run(both, near, far)
    assert rms_dbfs(near[-WIRE_RATE_HZ:]) - rms_dbfs(left[-WIRE_RATE_HZ:]) > 15
