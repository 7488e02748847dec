"""openWakeWord's ``Model`` on streaming features, and when it gets its own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from speakerd.core.errors import WakeError
from speakerd.wake import detector, models, streaming
from speakerd.wake.detector import OpenWakeWord
from speakerd.wake.feature_stream import FeatureStream
from speakerd.wake.onnx_file import Tensor, read
from speakerd.wake.shapes import CHUNK_FRAMES, NOISE_SEED
from speakerd.wake.streaming import OwnFeatures, StreamingFeatures
from tests.fakes.models import wake_models
from tests.fakes.stock import Stock, on_its_own_features
from tests.fakes.voices import say

Paths = tuple[Path, Path]


@pytest.fixture(scope="module")
def paths() -> Paths:
    wake_models()
    return models.features()


def spoken() -> np.ndarray:
    """Somebody says the word, then there is noise. Shape: (chunks, 1280)."""
    noise = np.random.default_rng(2).integers(-800, 800, 20_000)
    whole = np.concatenate((say("alexa", 16_000), np.zeros(9_000), noise)).astype(np.int16)
    return whole[: len(whole) // CHUNK_FRAMES * CHUNK_FRAMES].reshape(-1, CHUNK_FRAMES)


def test_several_chunks_at_once_are_the_largest_of_their_scores(paths: Paths) -> None:
    """As ``Model`` itself does, which then asks for embeddings by their place.

    Without digital silence: stock takes what is 80 dB below the loudest of all three chunks for as quiet.
    """
    words = {"alexa": models.resolve("alexa")}
    ours, stock = OpenWakeWord(words, paths)._model, Stock(words)
    audio = spoken() + np.random.default_rng(3).integers(-300, 300, (1, CHUNK_FRAMES)).astype(np.int16)
    heard = 0.0
    for at in range(0, len(audio) - 3, 3):
        piece = audio[at : at + 3].ravel()
        score = float(ours.predict(piece)["alexa_v0.1"])
        assert score == pytest.approx(stock.score(piece)["alexa"], abs=1e-4)
        heard = max(heard, score)
    assert heard > 0.8


@pytest.mark.parametrize("make", [lambda words: OpenWakeWord(words, models.features()), on_its_own_features])
def test_model_can_begin_anew(paths: Paths, make: Callable[[dict[str, Path]], OpenWakeWord]) -> None:
    words = {"alexa": models.resolve("alexa")}
    used, fresh = make(words), make(words)
    used.follow(spoken())
    np.random.seed(NOISE_SEED)  # noqa: NPY002 - openwakeword draws from numpy's global generator
    used._model.reset()
    for chunk in spoken():
        assert used.score(chunk) == pytest.approx(fresh.score(chunk), abs=1e-5)


def test_part_of_a_chunk_is_refused(paths: Paths) -> None:
    """``Model`` would wait for the rest; ours is always given whole ones."""
    with pytest.raises(ValueError, match="reshape"):
        StreamingFeatures(FeatureStream(paths, 16))(np.zeros(640, np.int16))


@pytest.mark.parametrize("own", [False, True])
def test_what_is_followed_and_what_is_forked(paths: Paths, *, own: bool) -> None:
    """Both kinds follow chunks as if given one by one; a fork goes its own way."""

    def make() -> streaming.Features:
        if own:
            return OwnFeatures(detector._load_features(*paths), 16)
        return StreamingFeatures(FeatureStream(paths, 16))

    stream, alone, audio = make(), make(), spoken()
    stream.follow(audio[:20])
    for chunk in audio[:20]:
        assert alone(chunk) == CHUNK_FRAMES
    fork = stream.fork()
    fork.follow(audio[3:9])
    for chunk in audio[20:]:
        stream(chunk)
        alone(chunk)
        assert np.abs(stream.get_features(16) - alone.get_features(16)).max() < 1e-3
    assert np.abs(stream.get_features(16) - fork.get_features(16)).max() > 1
    assert stream.get_features(4).shape == (1, 4, 96)


# --- which are chosen -------------------------------------------------------------------------------------------------


def altered(folder: Path, path: Path, name: str, change: Callable[[Tensor], Tensor]) -> Path:
    """Write a network with other weights of this name."""
    weights = read(path).constants[name]
    data = path.read_bytes()
    assert data.count(weights.tobytes()) == 1
    own = folder / path.name
    own.write_bytes(data.replace(weights.tobytes(), change(weights).astype("f4").tobytes()))
    return own


def another_embedding(folder: Path, embedding: Path) -> Path:
    """Write an embedding model of an owner's own: the published one with its last weights turned round."""
    last = [node for node in read(embedding).nodes if node.op == "Conv"][-1]
    return altered(folder, embedding, last.inputs[1], lambda weights: weights[::-1])


def test_published_networks_are_streamed_and_nothing_else_is_loaded(paths: Paths) -> None:
    def never() -> None:
        raise AssertionError("openWakeWord's features for nothing")

    assert isinstance(streaming.choose(paths, 16, never), StreamingFeatures)


def test_another_network_of_the_same_kind_is_streamed_once_it_was_compared(paths: Paths, tmp_path: Path) -> None:
    own = paths[0], another_embedding(tmp_path, paths[1])
    words = {"alexa": models.resolve("alexa")}
    ours, stock, published = OpenWakeWord(words, own), Stock(words, own), OpenWakeWord(words, paths)
    assert isinstance(ours._model.preprocessor, StreamingFeatures)
    differ = 0.0
    for chunk in spoken():
        score = ours.score(chunk)["alexa"]
        assert score == pytest.approx(stock.score(chunk)["alexa"], abs=1e-3)
        differ = max(differ, abs(score - published.score(chunk)["alexa"]))
    assert differ > 0.5, "it is no other network"


def test_one_that_cannot_be_streamed_gets_its_own_features(
    paths: Paths, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Here one that reads like the published melspectrogram, but is no Fourier transform: only a comparison tells."""
    spoilt = altered(tmp_path, paths[0], "0.stft.conv_real.weight", lambda weights: np.where(weights < 0, 0, weights))
    own, words = (spoilt, paths[1]), {"alexa": models.resolve("alexa")}
    ours, stock = OpenWakeWord(words, own), Stock(words, own)
    assert isinstance(ours._model.preprocessor, OwnFeatures)
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "an embedding is off by" in record.getMessage()
    for chunk in spoken():  # from the first chunk on: the comparison has left nothing behind
        assert ours.score(chunk) == stock.score(chunk)


def test_one_that_is_not_known_gets_its_own_features(
    paths: Paths, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Here with an operation that the stream does not know."""
    odd = tmp_path / "embedding.onnx"
    data = paths[1].read_bytes()
    assert data.count(b"\x09LeakyRelu") > 1
    odd.write_bytes(data.replace(b"\x09LeakyRelu", b"\x09LeakyRelx"))
    asked = []
    with pytest.raises(WakeError, match=r"embedding\.onnx"):  # nor does onnxruntime
        streaming.choose((paths[0], odd), 16, lambda: asked.append(1) or detector._load_features(paths[0], odd))
    assert asked

    made = streaming.choose((paths[0], odd), 16, lambda: detector._load_features(*paths))
    assert isinstance(made, OwnFeatures)
    assert "LeakyRelx" in caplog.text
    assert "cannot be streamed" in caplog.text


def test_a_machine_that_calculates_wrongly_gets_its_own_features(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    process = FeatureStream.follow

    def wrong(stream: FeatureStream, chunks: np.ndarray) -> None:
        process(stream, chunks)
        stream._history = stream._history + np.float32(0.02)

    monkeypatch.setattr(FeatureStream, "follow", wrong)
    monkeypatch.setattr(streaming.feature_stream, "_NOISE_EMBEDDING", (0.0,) * 8)
    assert isinstance(streaming.choose(paths, 16, lambda: detector._load_features(*paths)), OwnFeatures)
    assert "after 1 chunks" in caplog.text


def test_what_is_no_number_is_a_difference(paths: Paths) -> None:
    one, other = (StreamingFeatures(FeatureStream(paths, 1)) for _ in range(2))
    assert streaming.difference(one, other) is None
    one.get_features = lambda *_: np.full((1, 1, 96), np.nan)  # type: ignore[method-assign]
    one.fork = lambda: one  # type: ignore[method-assign]
    assert "nan" in str(streaming.difference(one, other))
