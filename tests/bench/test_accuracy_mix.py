"""A clip in a room: levels are what was asked for, the room never falls digitally silent, nothing is clipped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakerd.bench.accuracy_mix import (
    BLOCK_FRAMES,
    FLOOR_MAX_DBFS,
    FLOOR_MIN_DBFS,
    LOUDEST_DBFS,
    TAIL_S,
    Scene,
    chunks,
    levels,
)
from speakerd.bench.accuracy_noise import Bed, pink
from speakerd.core.pcm import SILENCE_DBFS, rms_dbfs
from speakerd.core.units import WAKE_RATE_HZ
from speakerd.wake.shapes import CHUNK_FRAMES

PINK = Bed("pink", pink(np.random.default_rng(1)))
LEAD = 3 * WAKE_RATE_HZ + 77


def voice(seconds: float, dbfs: float) -> np.ndarray:
    """A steady tone of a level."""
    time_s = np.arange(round(seconds * WAKE_RATE_HZ)) / WAKE_RATE_HZ
    return np.rint(np.sin(2 * np.pi * 300 * time_s) * 32768 * 10 ** (dbfs / 20) * np.sqrt(2)).astype(np.int16)


def heard(pcm: np.ndarray, snr_db: float | None) -> np.ndarray:
    return np.concatenate(list(chunks(pcm, levels(pcm), Scene(PINK, snr_db, LEAD, 5))))


def test_the_phrase_ends_with_its_last_block_that_is_loud() -> None:
    """Down to 30 dB below the loudest one: a breath behind it is no speech, a faint last syllable is."""
    pause = np.zeros(WAKE_RATE_HZ, np.int16)
    clip = np.concatenate([voice(0.6, -20), voice(0.3, -45), voice(0.6, -55), pause])
    found = levels(clip)
    assert found.end_frames == pytest.approx(0.9 * WAKE_RATE_HZ, abs=BLOCK_FRAMES)
    assert found.speech_dbfs == pytest.approx(-20 + 10 * np.log10(0.6 / 0.9), abs=0.2)


@pytest.mark.parametrize(
    ("pause_dbfs", "floor_dbfs"), [(-100.0, FLOOR_MIN_DBFS), (-62.0, -62.0), (-42.0, FLOOR_MAX_DBFS)]
)
def test_the_quiet_room_is_as_quiet_as_the_recording(pause_dbfs: float, floor_dbfs: float) -> None:
    """Within what microphones are."""
    found = levels(np.concatenate([voice(1.0, -15), voice(1.0, pause_dbfs)]))
    assert found.floor_dbfs == pytest.approx(floor_dbfs, abs=0.5)


def test_a_faint_clip_is_not_drowned_in_its_own_room() -> None:
    """The floor keeps 30 dB below the speech, a recording without pauses included."""
    assert levels(voice(1.0, -40)).floor_dbfs == pytest.approx(-70.0, abs=0.1)


@pytest.mark.parametrize("frames", [0, 1, 100, 5000])
def test_silence_has_levels_too(frames: int) -> None:
    """Finite ones."""
    found = levels(np.zeros(frames, np.int16))
    assert (found.speech_dbfs, found.floor_dbfs, found.end_frames) == (SILENCE_DBFS, FLOOR_MIN_DBFS, frames)
    assert len(heard(np.zeros(frames, np.int16), None)) % CHUNK_FRAMES == 0


@pytest.mark.parametrize("snr_db", [20.0, 10.0, 0.0, -5.0])
def test_speech_stands_above_the_noise_as_asked_and_is_not_clipped(snr_db: float) -> None:
    """A loud clip is turned down together with its noise."""
    loud = voice(2.0, -6.0)
    mixed = heard(loud, snr_db)
    noise, both = rms_dbfs(mixed[:LEAD]), rms_dbfs(mixed[LEAD : LEAD + len(loud)])
    speech_dbfs = 10 * np.log10(10 ** (both / 10) - 10 ** (noise / 10))
    assert speech_dbfs - noise == pytest.approx(snr_db, abs=0.7)
    assert both == pytest.approx(LOUDEST_DBFS, abs=0.7)
    assert np.abs(mixed.astype(int)).max() < 32767


def test_without_noise_a_clip_is_left_as_loud_as_it_is() -> None:
    """Only the floor is added, and the room before and behind is that floor."""
    clip = voice(1.0, -20.0)
    mixed = heard(clip, None)
    assert np.abs(mixed[LEAD : LEAD + len(clip)].astype(int) - clip).max() < 32768 * 10 ** (-50 / 20) * 6
    assert rms_dbfs(mixed[:LEAD]) == pytest.approx(-50.0, abs=0.5)
    behind = mixed[LEAD + len(clip) :]
    assert len(behind) >= TAIL_S * WAKE_RATE_HZ
    assert rms_dbfs(behind) == pytest.approx(-50.0, abs=0.7)


@settings(max_examples=30)
@given(st.integers(0, 40_000), st.integers(0, 40_000), st.sampled_from([None, 10.0, 0.0]))
def test_every_clip_becomes_whole_chunks_without_digital_silence(
    frames: int, lead_frames: int, snr_db: float | None
) -> None:
    """With as much room as asked for before it, and enough behind it."""
    clip = (np.random.default_rng(frames).standard_normal(frames) * 3000).astype(np.int16)
    found = levels(clip)
    pieces = list(chunks(clip, found, Scene(PINK, snr_db, lead_frames)))
    assert all(piece.shape == (CHUNK_FRAMES,) and piece.dtype == np.int16 for piece in pieces)
    total = len(pieces) * CHUNK_FRAMES
    assert 0 <= total - lead_frames - frames - TAIL_S * WAKE_RATE_HZ < CHUNK_FRAMES
    if snr_db is None or frames:
        assert all(piece.any() for piece in pieces)


def in_a_room(snr_db: float) -> np.ndarray:
    """A phrase that fades, in the middle of three seconds of a recording's own noise."""
    phrase = np.concatenate([voice(0.6, -20), voice(0.2, -35)]).astype(float)
    noise = PINK.pcm[: 3 * WAKE_RATE_HZ] * 32768 * 10 ** ((-20 - snr_db) / 20)
    recording = noise.astype(float)
    recording[WAKE_RATE_HZ : WAKE_RATE_HZ + len(phrase)] += phrase
    return np.rint(recording).astype(np.int16)


def test_in_a_noisy_recording_the_phrase_still_ends_where_it_ends() -> None:
    """Its noise was taken for speech: latencies were a second too early, and ratios were those of phrase and room."""
    found = levels(in_a_room(25.0))
    assert found.end_frames == pytest.approx(1.8 * WAKE_RATE_HZ, abs=2 * BLOCK_FRAMES)
    assert found.speech_dbfs == pytest.approx(levels(in_a_room(60.0)).speech_dbfs, abs=0.3)


def test_in_a_loud_recording_nobody_can_tell_where_the_phrase_ends() -> None:
    """Nor in one that is speech from its first to its last moment."""
    assert levels(in_a_room(12.0)).end_frames is None
    assert levels(voice(1.0, -20)).end_frames is None


def test_a_phrase_that_was_cut_out_ends_where_it_fades() -> None:
    """It has no moment without speech: what is quietest in it is no noise."""
    fading = [voice(0.6, -20), *(voice(0.03, level) for level in (-26, -32, -38, -44, -47))]
    clip = np.concatenate(fading)
    assert levels(clip).end_frames == len(clip)
