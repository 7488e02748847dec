"""Whether the microphone hears the loudspeaker, told from the sound of both."""

from __future__ import annotations

import numpy as np
import pytest

from speakerd.core.echo_probe import EchoProbe
from speakerd.core.units import WIRE_RATE_HZ

BLOCK = 480


def babble(seconds: float, seed: int, level: float = 3000.0):
    """Return something as broad and as uneven as speech."""
    rng = np.random.default_rng(seed)
    frames = int(seconds * WIRE_RATE_HZ)
    syllables = np.repeat(rng.uniform(0.05, 1, frames // 4800 + 1), 4800)[:frames]
    low = np.convolve(rng.normal(0, 1, frames), np.hanning(9) / 3, "same")
    return np.clip(low * syllables * level, -32768, 32767).astype(np.int16)


def echo_of(far, *, gain_db: float, delay_ms: float, reverberation_s: float):
    """Return what a room makes of it."""
    frames = int(0.3 * WIRE_RATE_HZ)
    response = np.random.default_rng(9).normal(0, 1, frames)
    response *= 10 ** (-3 * np.arange(frames) / WIRE_RATE_HZ / reverberation_s)
    response /= np.sqrt((response**2).sum())
    delay = int(abs(delay_ms) * WIRE_RATE_HZ / 1000)
    size = 1 << (len(far) + frames).bit_length()
    heard = np.fft.irfft(np.fft.rfft(far.astype(float), size) * np.fft.rfft(response, size), size)[: len(far)]
    heard *= 10 ** (gain_db / 20)
    moved = np.zeros(len(far))
    if delay_ms >= 0:
        moved[delay:] = heard[: len(far) - delay]
    else:
        moved[: len(far) - delay] = heard[delay:]
    return moved


def mixed(*parts):
    """Return several sounds at once, in a room that is never quite silent."""
    noise = np.random.default_rng(8).normal(0, 18, len(parts[0]))
    return np.clip(np.rint(sum(parts, noise)), -32768, 32767).astype(np.int16)


def rest(probe: EchoProbe, seconds: float = 1.0) -> None:
    """Let nothing play in a room that is never quite silent."""
    for at in range(int(seconds * 50)):
        probe.rest(np.rint(np.random.default_rng(at).normal(0, 18, BLOCK)).astype(np.int16))


def feed(probe: EchoProbe, near, far):
    """Give it both ends block by block; return what it said after each."""
    said = []
    for at in range(0, len(near), BLOCK):
        probe.process(near[at : at + BLOCK], far[at : at + BLOCK])
        said.append(probe.hears_echo)
    return said


def test_believes_in_an_echo_until_two_seconds_of_a_reply_had_none() -> None:
    """Silence at the microphone is no proof at once, but soon."""
    far = babble(4, seed=1)
    said = feed(EchoProbe(), np.zeros_like(far), far)
    assert 2.2 < said.index(False) * BLOCK / WIRE_RATE_HZ < 2.5
    assert not any(said[said.index(False) :])


@pytest.mark.parametrize("seed", range(2, 8))
def test_somebody_who_talks_meanwhile_is_no_echo(seed) -> None:
    """Two who talk at once are not alike, however loud they are."""
    far = babble(10, seed=1)
    said = feed(EchoProbe(), mixed(babble(10, seed)), far)
    assert said.index(False) * BLOCK / WIRE_RATE_HZ < 4
    assert not any(said[300:])


@pytest.mark.parametrize("gain_db", [0, -12, -30])
@pytest.mark.parametrize("reverberation_s", [0.06, 0.4])
@pytest.mark.parametrize("delay_ms", [-50, 20, 120])
def test_an_echo_is_recognised(gain_db, reverberation_s, delay_ms) -> None:
    """Loud or faint, dry or reverberant, early or late: it is never taken for none."""
    far = babble(6, seed=1)
    near = mixed(echo_of(far, gain_db=gain_db, delay_ms=delay_ms, reverberation_s=reverberation_s))
    assert all(feed(EchoProbe(), near, far))


def test_an_echo_is_recognised_under_a_louder_voice() -> None:
    """The user over the reply does not hide it."""
    far = babble(8, seed=1)
    near = mixed(echo_of(far, gain_db=-12, delay_ms=30, reverberation_s=0.2), babble(8, seed=2, level=2000))
    assert all(feed(EchoProbe(), near, far))


def test_an_echo_that_comes_is_noticed_within_a_second_and_a_half() -> None:
    """Headphones that are pulled out."""
    probe, far = EchoProbe(), babble(6, seed=1)
    near = echo_of(far, gain_db=-12, delay_ms=30, reverberation_s=0.06)
    near[: 4 * WIRE_RATE_HZ] = 0
    said = feed(probe, mixed(near), far)
    assert not said[4 * WIRE_RATE_HZ // BLOCK - 1]
    assert all(said[int(5.5 * WIRE_RATE_HZ) // BLOCK :])


def test_a_far_end_that_nobody_can_hear_tells_nothing() -> None:
    """As long as it plays almost nothing, the belief stays."""
    far = babble(6, seed=1, level=20)
    assert all(feed(EchoProbe(), np.zeros_like(far), far))


def test_what_is_known_outlives_a_new_beginning() -> None:
    """After a hole the windows are counted anew, but headphones stay headphones."""
    probe, far = EchoProbe(), babble(4, seed=1)
    feed(probe, np.zeros_like(far), far)
    probe.restart()
    assert not probe.hears_echo


@pytest.mark.parametrize("delay_ms", [20, 120])
def test_tells_how_late_the_echo_comes(delay_ms) -> None:
    """To a millisecond; nothing before it knows, and nothing where there is no echo."""
    probe, far = EchoProbe(), babble(6, seed=1)
    assert probe.lag_ms is None
    feed(probe, mixed(echo_of(far, gain_db=-12, delay_ms=delay_ms, reverberation_s=0.06)), far)
    assert probe.lag_ms == pytest.approx(delay_ms, abs=8)  # a reflection may be stronger than the direct sound
    probe.restart()
    assert probe.lag_ms is None


def test_tells_what_leaks_from_somebody() -> None:
    """A second sound is ours if it has the echo's own delay; without a known delay nothing is."""
    probe, far = EchoProbe(), babble(6, seed=1)
    echo = mixed(echo_of(far, gain_db=-12, delay_ms=60, reverberation_s=0.06))
    user = mixed(babble(6, seed=2))
    last, before = slice(-WIRE_RATE_HZ, None), slice(-int(1.3 * WIRE_RATE_HZ), None)
    assert not probe.sounds_like_far(echo[last], far[before])
    feed(probe, echo, far)
    assert probe.sounds_like_far(echo[last] // 8, far[before])
    assert not probe.sounds_like_far(user[last], far[before])


def test_an_echo_that_would_have_been_heard_is_disbelieved_within_half_a_second() -> None:
    """The microphone hears the room as it was before the reply: headphones."""
    probe, far = EchoProbe(), babble(2, seed=1)
    rest(probe)
    said = feed(probe, mixed(np.zeros(len(far))), far)
    assert said.index(False) * BLOCK / WIRE_RATE_HZ < 0.5
    assert not any(said[said.index(False) :])


@pytest.mark.parametrize("delay_ms", [20, 120])
@pytest.mark.parametrize("gain_db", [0, -20])
def test_an_echo_in_a_room_whose_noise_is_known_is_recognised_from_the_first_on(gain_db, delay_ms) -> None:
    """The haste makes nobody deaf to it."""
    probe, far = EchoProbe(), babble(6, seed=1)
    rest(probe)
    assert all(feed(probe, mixed(echo_of(far, gain_db=gain_db, delay_ms=delay_ms, reverberation_s=0.2)), far))


@pytest.mark.parametrize("delay_ms", [20, 200])
def test_a_wrong_disbelief_is_taken_back_within_seven_tenths_of_a_second(delay_ms) -> None:
    """The headphones were pulled out while the daemon was off, or the loudspeaker is a slow one."""
    probe, far = EchoProbe(hears_echo=False), babble(3, seed=1)
    rest(probe)
    said = feed(probe, mixed(echo_of(far, gain_db=-6, delay_ms=delay_ms, reverberation_s=0.06)), far)
    assert said.index(True) * BLOCK / WIRE_RATE_HZ < 0.7
    assert all(said[said.index(True) :])


@pytest.mark.parametrize("seed", range(2, 8))
def test_somebody_who_talks_over_a_reply_brings_no_echo(seed) -> None:
    """What was found before outlives a voice that begins with the reply."""
    probe = EchoProbe(hears_echo=False)
    rest(probe)
    assert not any(feed(probe, mixed(babble(3, seed, level=2000)), babble(3, seed=1)))


def test_an_echo_that_was_found_before_takes_longer_to_be_disbelieved() -> None:
    """Two seconds of a reply, as if the levels told nothing."""
    probe, far = EchoProbe(hears_echo=True), babble(4, seed=1)
    rest(probe)
    said = feed(probe, mixed(np.zeros(len(far))), far)
    assert 2.2 < said.index(False) * BLOCK / WIRE_RATE_HZ < 2.5


def test_a_reply_that_has_fallen_silent_brings_no_echo() -> None:
    """Nothing is looked for in what is said after it."""
    probe = EchoProbe(hears_echo=False)
    rest(probe)
    assert not any(feed(probe, mixed(babble(2, seed=2)), np.zeros(2 * WIRE_RATE_HZ, np.int16)))


@pytest.mark.parametrize("ppm", [-800.0, 400.0])
def test_the_echo_is_followed_where_the_clocks_drift_apart(ppm) -> None:
    """How fast is told, and what was heard before is looked for where it would be by now."""
    probe, far = EchoProbe(), babble(12, seed=1)
    assert probe.drift_ppm is None
    at = np.arange(len(far))
    near = np.interp(at * (1 - ppm * 1e-6), at, echo_of(far, gain_db=-12, delay_ms=60, reverberation_s=0.06))
    at_first = 2 * WIRE_RATE_HZ
    feed(probe, mixed(near)[:at_first], far[:at_first])
    before_ms = probe.lag_ms
    assert all(feed(probe, mixed(near)[at_first:], far[at_first:]))
    assert probe.drift_ppm == pytest.approx(ppm, abs=50)
    assert probe.lag_ms is not None
    assert before_ms is not None
    assert probe.lag_ms - before_ms == pytest.approx(10 * ppm / 1000, abs=0.5)
