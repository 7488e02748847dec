"""Fades and cuts: what they leave of a step, and what they leave alone."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.core.fades import FADE_FRAMES, NEIGHBOUR_FRAMES, faded, quiet_place, rise

LOUD = np.full(2400, 20_000, np.int16)


def tone(frames: int, phase: float = 0.0) -> npt.NDArray[np.int16]:
    """Return 440 Hz at 48 kHz."""
    wave: npt.NDArray[np.int16] = np.rint(8000 * np.sin(2 * np.pi * 440 * np.arange(frames) / 48_000 + phase)).astype(
        np.int16
    )
    return wave


def test_a_ramp_rises_without_a_corner_and_without_a_jump() -> None:
    """From nearly nothing to nearly all, evenly about the middle."""
    ramp = rise(FADE_FRAMES)
    assert ramp[0] < 0.001
    assert ramp[-1] > 0.999
    assert np.all(np.diff(ramp) > 0)
    assert np.allclose(ramp + ramp[::-1], 1.0, atol=1e-6)


def test_a_whole_sound_begins_and_ends_softly() -> None:
    """The middle is untouched, and no step is larger than the ramp's steepest."""
    sound = faded(LOUD, until_end=len(LOUD))
    assert sound[FADE_FRAMES:-FADE_FRAMES].tolist() == LOUD[FADE_FRAMES:-FADE_FRAMES].tolist()
    around = np.concatenate(([0], sound, [0])).astype(int)
    assert np.abs(np.diff(around)).max() <= 20_000 * np.pi / 2 / FADE_FRAMES + 1


def test_a_part_far_from_both_ends_is_the_same_array() -> None:
    """Nothing is copied, nothing rounded."""
    assert faded(LOUD, since_begin=FADE_FRAMES) is LOUD
    assert faded(LOUD, since_begin=10_000, until_end=len(LOUD) + FADE_FRAMES) is LOUD


def test_a_sound_shorter_than_its_fades_keeps_both() -> None:
    """Fifty frames rise and fall at once."""
    sound = faded(LOUD[:50], until_end=50)
    assert sound[0] < 20
    assert sound[-1] < 20


@given(cuts=st.lists(st.integers(1, 700), max_size=8), length=st.integers(1, 700))
def test_where_a_sound_is_cut_into_parts_makes_no_difference(cuts: list[int], length: int) -> None:
    """The parts, each faded by its place, are the whole, faded at once."""
    sound = np.random.default_rng(length).integers(-20_000, 20_000, length).astype(np.int16)
    places = [0, *sorted({cut for cut in cuts if cut < length}), length]
    parts = [
        faded(sound[start:end], since_begin=start, until_end=length - start)
        for start, end in itertools.pairwise(places)
    ]
    assert np.concatenate(parts).tolist() == faded(sound, until_end=length).tolist()


@pytest.mark.parametrize("phase", [0.0, 0.5, 1.6, 3.0, 4.4, 6.0])
def test_a_tone_is_cut_at_a_zero_crossing(phase: float) -> None:
    """The frame before the cut is no louder than the tone moves in a frame or two."""
    sound = tone(960, phase)
    place = quiet_place(sound, 144)
    assert 0 < place <= 144 + NEIGHBOUR_FRAMES
    assert abs(int(sound[place - 1])) <= 8000 * 2 * np.pi * 440 / 48_000 * 1.5


def test_a_pause_is_taken_at_once() -> None:
    """Whoever waits waits no longer than for the first quiet place."""
    sound = np.concatenate((np.full(40, 9000), np.zeros(30), np.full(200, 9000), np.zeros(200))).astype(np.int16)
    assert quiet_place(sound, 144) == 40 + NEIGHBOUR_FRAMES


def test_without_a_neighbourhood_there_is_nothing_to_choose() -> None:
    """A card that is about to run dry is silenced now."""
    assert quiet_place(tone(2 * NEIGHBOUR_FRAMES, 1.5), 144) == 0
    assert quiet_place(np.zeros(0, np.int16), 144) == 0


def test_the_smallest_sample_has_a_level_too() -> None:
    """-32768 has no positive in 16 bits, and counts as the loudest all the same."""
    sound = np.concatenate((np.full(40, -32_768), np.zeros(40))).astype(np.int16)
    assert quiet_place(sound, 60) == 40 + NEIGHBOUR_FRAMES
