"""The stream of embeddings against openWakeWord's own features: begin, chunks, batches, forks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speakerd.wake import feature_stream, models
from speakerd.wake.feature_stream import FeatureStream
from speakerd.wake.onnx_file import BadModelError
from speakerd.wake.shapes import CHUNK_FRAMES
from tests.fakes.models import wake_models
from tests.fakes.stock import Stock

WHOLE_WINDOWS = 41
"""Embeddings in four seconds of noise."""


@pytest.fixture(scope="module")
def features() -> tuple[Path, Path]:
    wake_models()
    return models.features()


def chunks(count: int, seed: int = 1) -> np.ndarray:
    """Noise whose loudness jumps between nothing and full scale."""
    random = np.random.default_rng(seed)
    peaks = random.choice([1, 10, 300, 32768], count)
    return np.array([random.integers(-peak, peak, CHUNK_FRAMES) for peak in peaks]).astype(np.int16)


def test_it_begins_and_goes_on_as_openwakeword_does(features) -> None:
    """All of the history that it begins with, and each embedding behind it."""
    stream = FeatureStream(features, WHOLE_WINDOWS)
    own = Stock({"alexa": models.resolve("alexa")}).model.preprocessor
    assert np.abs(stream.history - own.feature_buffer).max() < 1e-3
    for chunk in chunks(40):
        stream.follow(chunk[None])
        own(chunk)
        assert np.abs(stream.history[-1] - own.get_features(1)[0, 0]).max() < 1e-3
    assert np.abs(stream.history - own.get_features(WHOLE_WINDOWS)[0]).max() < 1e-3


@pytest.mark.parametrize("depth", [1, 16, 50, 120])
def test_it_keeps_what_the_scores_of_what_came_last_look_at(features, depth: int) -> None:
    """One by one ``depth`` embeddings; of several chunks at once, those of the first of them, too."""
    stream, alone = FeatureStream(features, depth), FeatureStream(features, depth)
    assert stream.history.shape == (depth, 96)
    before = []
    for chunk in chunks(5):
        alone.follow(chunk[None])
        before.append(alone.history)
    stream.follow(chunks(5))
    assert stream.history.shape == (depth + 4, 96)
    for number, right in enumerate(before):
        assert np.abs(stream.history[number : number + depth] - right).max() < 1e-4
    stream.follow(chunks(1, seed=2))
    assert stream.history.shape == (depth, 96)


def test_it_begins_anew(features) -> None:
    """Whatever it heard, and with the noise over and over where more is looked at than there is."""
    stream, fresh = FeatureStream(features, 100), FeatureStream(features, 100)
    assert np.array_equal(fresh.history[-WHOLE_WINDOWS:], fresh.history[-2 * WHOLE_WINDOWS : -WHOLE_WINDOWS])
    stream.follow(chunks(30))
    assert feature_stream.wrong_about(stream.history[-1]) is not None
    stream.reset()
    assert feature_stream.wrong_about(stream.history[-1]) is None
    for chunk in chunks(20, seed=3):
        stream.follow(chunk[None])
        fresh.follow(chunk[None])
        assert np.abs(stream.history - fresh.history).max() < 1e-4


def test_a_fork_goes_its_own_way(features) -> None:
    stream, alone = FeatureStream(features, 16), FeatureStream(features, 16)
    for chunk in chunks(20):
        stream.follow(chunk[None])
        alone.follow(chunk[None])
    fork = stream.fork()
    fork.follow(chunks(20, seed=4))
    for chunk in chunks(20, seed=5):
        stream.follow(chunk[None])
        alone.follow(chunk[None])
    assert np.array_equal(stream.history, alone.history)
    assert not np.array_equal(stream.history, fork.history)


@pytest.mark.parametrize(
    "wrong", [np.zeros((0, CHUNK_FRAMES), np.int16), np.zeros((1, 640), np.int16), np.zeros((1, CHUNK_FRAMES), "f4")]
)
def test_audio_of_another_kind_is_refused(features, wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a chunk is int16"):
        FeatureStream(features, 16).follow(wrong)


def test_another_network_is_named(features, tmp_path: Path) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"not a model")
    with pytest.raises(BadModelError, match=r"bad\.onnx"):
        FeatureStream((features[0], bad), 16)
    with pytest.raises(BadModelError, match=r"melspectrogram\.onnx"):
        FeatureStream((features[0], features[0]), 16)
