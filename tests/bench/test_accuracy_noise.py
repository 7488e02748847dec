"""Beds of noise have the level 1, their colour, and no seam; recorded ones are levelled alike."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from speakerd.bench.accuracy_noise import BED_S, Bed, brown, kitchen, made, pink, recorded
from speakerd.core.units import WAKE_RATE_HZ
from tests.bench.test_accuracy_files import tone, wav


@pytest.mark.parametrize("make", [pink, brown, kitchen])
def test_a_bed_has_the_level_1_and_no_seam(make: object) -> None:
    """The step from its end to its beginning is one like all others."""
    pcm = make(np.random.default_rng(3))
    assert pcm.dtype == np.float32
    assert len(pcm) == BED_S * WAKE_RATE_HZ
    assert float(np.mean(pcm.astype(float) ** 2)) == pytest.approx(1.0, abs=1e-3)
    assert abs(pcm[0] - pcm[-1]) <= np.abs(np.diff(pcm)).max()


@pytest.mark.parametrize(("make", "fall_db"), [(pink, 3.01), (brown, 6.02)])
def test_noise_has_its_colour(make: object, fall_db: float) -> None:
    """Its power falls by so much an octave."""
    power = np.abs(np.fft.rfft(make(np.random.default_rng(4)))) ** 2
    octaves = [power[round(low * BED_S) : round(2 * low * BED_S)].mean() for low in (100, 200, 400, 800, 1600, 3200)]
    falls = [10 * np.log10(one / other) for one, other in itertools.pairwise(octaves)]
    assert falls == pytest.approx([fall_db] * 5, abs=0.3)


def test_a_kitchen_clatters() -> None:
    """Its loudest moments stand far out, which pink noise's do not."""

    def crest_db(pcm: np.ndarray) -> float:
        blocks = np.sqrt((pcm.reshape(-1, 480) ** 2).mean(axis=1))
        return float(20 * np.log10(np.percentile(blocks, 99.5) / np.median(blocks)))

    assert crest_db(kitchen(np.random.default_rng(1))) > 8.0
    assert crest_db(pink(np.random.default_rng(1))) < 3.0


def test_equal_seeds_make_equal_noise() -> None:
    """Others make other noise, and no two beds are alike."""
    one, again, other = made(7), made(7), made(8)
    assert [bed.name for bed in one] == ["pink", "brown", "kitchen"]
    assert all(np.array_equal(a.pcm, b.pcm) for a, b in zip(one, again, strict=True))
    assert not any(np.array_equal(a.pcm, b.pcm) for a, b in zip(one, other, strict=True))


def test_a_bed_begins_anew_at_its_end() -> None:
    """However long a clip is."""
    bed = Bed("three", np.array([1, 2, 3], np.float32))
    assert bed.take(2, 8).tolist() == [3, 1, 2, 3, 1, 2, 3, 1]
    assert bed.take(3_000_000_001, 2).tolist() == [2, 3]


def test_recorded_noise_is_levelled_and_the_rest_is_named(tmp_path: Path) -> None:
    """Whatever its rate and its level."""
    (tmp_path / "deep").mkdir()
    wav(tmp_path / "deep" / "fan.wav", 0.01 * tone(48_000), 48_000)
    wav(tmp_path / "silent.wav", np.zeros(800), 8_000)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    (tmp_path / "notes.txt").write_text("the fan")
    beds, unread = recorded(tmp_path)
    assert [bed.name for bed in beds] == ["deep/fan.wav"]
    assert float(np.mean(beds[0].pcm.astype(float) ** 2)) == pytest.approx(1.0, abs=1e-3)
    assert {each.name: each.why for each in unread} == {
        "silent.wav": "it is digital silence",
        "broken.wav": "it does not begin as a WAV file does",
        "notes.txt": ".txt is not understood: WAV, FLAC, MP3, M4A, AAC, OGG, OPUS or WEBM",
    }
    with pytest.raises(FileNotFoundError):
        recorded(tmp_path / "nowhere")
