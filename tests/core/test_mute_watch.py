"""A microphone that delivers zeros, or one value: noticed after ten seconds, and when it ends; no quiet room is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakerd.core.events import MicrophoneSilent
from speakerd.core.mute_watch import LONGER, SILENT_AFTER_MAX_S, SILENT_AFTER_S, MuteWatch

RATE_HZ = 1000
HALF = RATE_HZ // 2
"""Half a second, in frames."""

SILENT, HEARD = MicrophoneSilent(silent=True), MicrophoneSilent(silent=False)
AGAIN = MicrophoneSilent(silent=True, again=True)
STUCK = MicrophoneSilent(silent=True, stuck=True)


def block(*channels: int, sample_bytes: int = 2) -> bytes:
    """Return half a second in which each channel stands at a value."""
    return np.tile(np.array(channels, f"<i{sample_bytes}"), (HALF, 1)).tobytes()


def bit(frames: int = HALF) -> bytes:
    """Return half a second of zeros with a single bit in it."""
    return np.eye(1, frames, dtype="<i2").tobytes()


def told(watch: MuteWatch, blocks: list[bytes], channel: int | None = 0) -> list[MicrophoneSilent | None]:
    return [watch.process(data, channel) for data in blocks]


def test_zeros_are_a_silence_after_ten_seconds_and_said_once() -> None:
    """Half a second short of it nothing is said, then once, however long it lasts."""
    watch = MuteWatch(RATE_HZ, 1, 2)
    changes = told(watch, [bit(), *[block(0)] * 40])
    assert changes.index(SILENT) == 2 * SILENT_AFTER_S
    assert len([change for change in changes if change]) == 1
    assert (watch.silent_s, watch.verdict) == (20, "zeros")


@pytest.mark.parametrize("value", [-1, 1, 32_767, -32_768])
def test_a_value_that_never_changes_is_a_stuck_microphone(value: int) -> None:
    """Minus one is one, too: a converter with a little offset at rest."""
    watch = MuteWatch(RATE_HZ, 1, 2)
    assert STUCK in told(watch, [block(value)] * 22)
    assert watch.verdict == "one value"


def test_one_bit_ends_it() -> None:
    """The quietest sound there is, is a sound."""
    watch = MuteWatch(RATE_HZ, 1, 2)
    told(watch, [block(0)] * 22)
    assert watch.process(bit(), 0) == HEARD
    assert (watch.verdict, watch.silent_s, watch.stuck) == (None, 0, False)


def test_another_value_than_before_ends_it() -> None:
    """Where a block stands still at one value and the next at another, something moved between them."""
    watch = MuteWatch(RATE_HZ, 1, 2)
    told(watch, [block(4)] * 22)
    assert watch.process(block(5), 0) == HEARD


def test_a_quiet_room_is_not_silent() -> None:
    """Zeros with a bit now and then are a microphone that hears."""
    watch = MuteWatch(RATE_HZ, 1, 2)
    assert told(watch, [block(0), block(0), bit()] * 20) == [None] * 60


def test_the_channel_that_is_heard_counts() -> None:
    """Another one that moves makes nobody hear; while none is chosen, one that moves is enough."""
    moves = np.arange(HALF, dtype="<i2")
    both = np.column_stack((np.full(HALF, 3, "<i2"), moves)).tobytes()
    assert STUCK in told(MuteWatch(RATE_HZ, 2, 2), [both] * 22, channel=0)
    assert told(MuteWatch(RATE_HZ, 2, 2), [both] * 22, channel=1) == [None] * 22
    assert told(MuteWatch(RATE_HZ, 2, 2), [both] * 22, channel=None) == [None] * 22
    assert STUCK in told(MuteWatch(RATE_HZ, 2, 2), [block(3, 0)] * 22, channel=None)


def test_a_channel_that_is_chosen_meanwhile_begins_anew() -> None:
    """What stood still before was something else."""
    watch = MuteWatch(RATE_HZ, 2, 2)
    told(watch, [block(0, 0)] * 10, channel=None)
    assert told(watch, [block(0, 0)] * 12, channel=1) == [None] * 12


def test_all_bits_of_the_card_count() -> None:
    """A microphone of 24 bits whose noise lies below the sixteenth hears."""
    moves = np.arange(HALF, dtype="<i4") << 8
    assert told(MuteWatch(RATE_HZ, 1, 4), [moves.tobytes()] * 30) == [None] * 30
    assert STUCK in told(MuteWatch(RATE_HZ, 1, 4), [block(1 << 20, sample_bytes=4)] * 22)


def test_a_microphone_that_gates_is_given_time() -> None:
    """Called deaf once, it went on by itself: then forty seconds, then more, but never more than ten minutes.

    And that it was so before is told each time.
    """
    watch = MuteWatch(RATE_HZ, 1, 2)
    waits_s = []
    for said in (SILENT, AGAIN, AGAIN, AGAIN, AGAIN):
        watch.process(bit(), 0)
        changes = told(watch, [block(0)] * int(2.2 * SILENT_AFTER_MAX_S))
        waits_s.append((changes.index(said) + 1) / 2)
    assert waits_s[:3] == pytest.approx([SILENT_AFTER_S, LONGER * SILENT_AFTER_S, LONGER**2 * SILENT_AFTER_S], abs=1)
    assert waits_s[-1] == pytest.approx(SILENT_AFTER_MAX_S, abs=1)


def test_a_card_that_goes_ends_it_too() -> None:
    """Counted is what one card delivers; the next one has no past."""
    watch = MuteWatch(RATE_HZ, 1, 2)
    assert watch.restart() is None
    told(watch, [bit(), *[block(0)] * 22, bit(), *[block(0)] * 82])
    assert watch.restart() == HEARD
    assert (watch.silent_s, watch.stuck) == (0, False)
    assert SILENT in told(watch, [block(0)] * 22)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), noise_lsb=st.sampled_from([0.125, 0.25, 0.7, 3.0]), offset=st.integers(-300, 300)
)
def test_a_story_of_a_quiet_room(seed: int, noise_lsb: float, offset: int) -> None:
    """Noise, rounded to 16 bits, is never taken for a stuck converter: an eighth of a bit will do."""
    sound = np.random.default_rng(seed)
    watch = MuteWatch(48_000, 1, 2)
    for _ in range(60):
        noise = noise_lsb * sound.standard_normal(24_000) + offset
        assert watch.process(np.rint(noise).astype("<i2").tobytes(), 0) is None
