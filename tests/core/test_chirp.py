"""Chirps played into rooms whose delay, loss, noise and clocks are known, and what is found of them."""

from __future__ import annotations

import numpy as np
import pytest

from speakerd.core.chirp import CHIRP_S, COUNT, SPACING_S, ZeroTime, chirp, chirps, find, removed_db
from speakerd.core.pcm import rms_dbfs

RATE = 48_000
BEGUN_S = 0.6
"""When the first one is played, from the first frame heard."""

SILENCE = np.zeros(int((BEGUN_S + COUNT * SPACING_S + 0.5) * RATE), np.int16)


def room(
    *,
    rate_hz: int = RATE,
    delay_ms: float = 30.0,
    gain_db: float = -12.0,
    noise_dbfs: float = -70.0,
    ppm: float = 0.0,
    ring_s: float = 0.0,
    sign: int = 1,
) -> np.ndarray:
    """Return what a microphone hears of the chirps, sampled from the sound itself, so that a delay may be any."""
    frames = int((BEGUN_S + COUNT * SPACING_S + 0.5) * rate_hz)
    # What the microphone calls a second is a little less than one where its clock is fast.
    time = np.arange(frames) / rate_hz / (1 + ppm * 1e-6)
    fine = chirps(8 * rate_hz).astype(float)
    at = (time - BEGUN_S - delay_ms / 1000) * 8 * rate_hz
    heard = np.interp(at, np.arange(len(fine)), fine, left=0, right=0) * sign * 10 ** (gain_db / 20)
    rng = np.random.default_rng(3)
    if ring_s:
        size = int(ring_s * rate_hz)
        response = rng.standard_normal(size) * 10 ** (-3 * np.arange(size) / size)
        response[0] = 4 * np.abs(response).max()
        heard = np.convolve(heard, response / np.sqrt(response @ response))[:frames]
    heard = heard + rng.standard_normal(frames) * 32768 * 10 ** (noise_dbfs / 20)
    return np.clip(np.rint(heard), -32768, 32767).astype(np.int16)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("delay_ms", [0.0, 12.34, 30.0, 400.0])
def test_the_delay_is_found_to_a_fraction_of_a_frame(rate_hz: int, delay_ms: float) -> None:
    found = find(room(rate_hz=rate_hz, delay_ms=delay_ms), rate_hz, BEGUN_S)
    assert found is not None
    assert found.heard == COUNT
    assert found.delay_ms == pytest.approx(delay_ms, abs=0.011)


@pytest.mark.parametrize("gain_db", [-40.0, -12.0, 0.0, 6.0])
def test_the_level_is_the_chirps_own(gain_db: float) -> None:
    found = find(room(gain_db=gain_db, noise_dbfs=-90), RATE, BEGUN_S)
    assert found is not None
    played = chirps(RATE)[: int(CHIRP_S * RATE)]
    assert found.level_dbfs == pytest.approx(rms_dbfs(played) + gain_db, abs=0.3)
    assert found.peak_dbfs == pytest.approx(found.level_dbfs + 3.2, abs=0.9)
    assert found.clipped == 0


@pytest.mark.parametrize("ppm", [-800.0, -50.0, 0.0, 50.0, 800.0])
def test_the_drift_is_found(ppm: float) -> None:
    """To a few millionths."""
    found = find(room(ppm=ppm), RATE, BEGUN_S)
    assert found is not None
    assert found.drift_ppm == pytest.approx(ppm, abs=3)


def test_a_room_that_rings_changes_nothing() -> None:
    found = find(room(ring_s=0.3, noise_dbfs=-60), RATE, BEGUN_S)
    assert found is not None
    assert found.delay_ms == pytest.approx(30, abs=0.2)
    assert found.drift_ppm == pytest.approx(0, abs=10)


def test_it_is_found_below_the_noise() -> None:
    """Ten decibels louder than the chirp."""
    found = find(room(gain_db=-30, noise_dbfs=-38), RATE, BEGUN_S)
    assert found is not None
    assert found.delay_ms == pytest.approx(30, abs=0.3)


def test_a_reversed_loudspeaker_is_heard_as_well() -> None:
    found = find(room(sign=-1), RATE, BEGUN_S)
    assert found is not None
    assert found.delay_ms == pytest.approx(30, abs=0.05)


def test_a_sound_that_is_turned_by_a_quarter_is_found_where_it_is() -> None:
    """A loudspeaker's crossover does that; what the filter gives then has its highest wave beside the middle."""
    spectrum = np.fft.fft(room(noise_dbfs=-90).astype(float))
    spectrum[len(spectrum) // 2 :] = 0
    turned = np.fft.ifft(spectrum * -2j).real.astype(np.int16)
    found = find(turned, RATE, BEGUN_S)
    assert found is not None
    assert found.delay_ms == pytest.approx(30, abs=0.05)


def test_a_steady_tone_is_no_chirp() -> None:
    """It is the same in every second, so that all agree on where it is: nothing stands out of it."""
    time = np.arange(len(SILENCE)) / RATE
    for tone_hz in (1000, 3000):
        assert find((3000 * np.sin(2 * np.pi * tone_hz * time)).astype(np.int16), RATE, BEGUN_S) is None


def test_what_is_too_loud_is_clipped() -> None:
    found = find(room(gain_db=25), RATE, BEGUN_S)
    assert found is not None
    assert found.peak_dbfs == 0.0
    assert found.clipped > 10_000


def test_noise_alone_is_no_chirp() -> None:
    for seed in range(20):
        noise = (np.random.default_rng(seed).standard_normal(len(SILENCE)) * 300).astype(np.int16)
        assert find(noise, RATE, BEGUN_S) is None


def test_digital_silence_is_no_chirp() -> None:
    assert find(SILENCE, RATE, BEGUN_S) is None


def test_what_was_not_recorded_is_not_found() -> None:
    """The microphone began too late, or ended too early, for most of them."""
    heard = room()
    assert find(heard, RATE, -3.5) is None
    assert find(heard[: int(2.5 * RATE)], RATE, BEGUN_S) is None


def test_most_of_them_are_enough() -> None:
    """Somebody coughed into two of the five."""
    heard = room()
    for number in (1, 3):
        begin = int((BEGUN_S + number * SPACING_S) * RATE)
        heard[begin : begin + RATE // 2] = np.random.default_rng(number).integers(-32768, 32767, RATE // 2)
    found = find(heard, RATE, BEGUN_S)
    assert found is not None
    assert found.heard == 3
    assert found.delay_ms == pytest.approx(30, abs=0.05)


def test_delays_that_do_not_agree_are_chance() -> None:
    """A chirp of somebody else's, at times of its own."""
    heard = SILENCE.copy()
    one = (chirp(RATE) * 3000).astype(np.int16)
    for number, delay_s in enumerate((0.05, 0.2, 0.35, 0.5, 0.65)):
        begin = int((BEGUN_S + number * SPACING_S + delay_s) * RATE)
        heard[begin : begin + len(one)] += one
    assert find(heard, RATE, BEGUN_S) is None


def test_a_chirp_at_the_edge_of_the_search_is_taken_as_it_is() -> None:
    """There is no third point to put a parabola through."""
    found = find(room(delay_ms=-20.0, noise_dbfs=-90), RATE, BEGUN_S)
    assert found is not None
    assert found.delay_ms == pytest.approx(-20, abs=0.05)


def test_what_was_taken_out_is_told_where_there_was_something() -> None:
    loud = (np.random.default_rng(1).standard_normal(RATE) * 3000).astype(np.int16)
    quiet = (loud / 10).astype(np.int16)
    assert removed_db(loud, quiet, -70) == pytest.approx(20, abs=0.1)
    assert removed_db(quiet, quiet, rms_dbfs(quiet)) is None


def test_the_first_frames_moment_is_the_earliest_that_was_read() -> None:
    """A position that lags makes it look late."""
    clock = ZeroTime(1000)
    assert clock.zero_s == float("inf")
    clock.note(0, 1.0)
    assert clock.zero_s == float("inf")
    for frames, at_s in ((90, 10.1), (200, 10.2), (280, 10.3)):
        clock.note(frames, at_s)
    assert clock.zero_s == pytest.approx(10.0)
