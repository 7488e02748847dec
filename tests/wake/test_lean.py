"""The lean engine against openwakeword itself: the same scores, from the first chunk on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speakerd.core.errors import WakeError
from speakerd.core.wake_gate import WakeTrigger
from speakerd.wake import models
from speakerd.wake.detector import Detector
from speakerd.wake.gated import GatedDetector
from speakerd.wake.lean import Lean
from speakerd.wake.lean_classifier import UnknownOperationError
from speakerd.wake.shapes import CHUNK_FRAMES, memory_chunks
from tests.fakes.models import wake_models
from tests.fakes.onnx_writer import graph, node, write
from tests.fakes.stock import on_its_own_features
from tests.fakes.voices import say

MEMORY_CHUNKS = memory_chunks(16)

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def words() -> dict[str, Path]:
    wake_models()
    return {word: models.resolve(word) for word in models.WORDS}


def mixed() -> np.ndarray:
    """Words, other speech, noise, digital silence and full scale, in chunks."""
    random = np.random.default_rng(5)
    parts = []
    for voice in ("hibari", "flite", "espeak"):
        for text in ("hey jarvis", "alexa, what time is it", "hey jarvis stop", "Tell me a joke."):
            level = random.choice([0, 10, 300])
            parts += [say(text, RATE_HZ, voice), random.standard_normal(int(random.integers(500, 16_000))) * level]
    parts.append(random.integers(-32768, 32768, 20_000))
    whole = np.clip(np.concatenate(parts), -32768, 32767).astype(np.int16)
    return whole[: len(whole) // CHUNK_FRAMES * CHUNK_FRAMES].reshape(-1, CHUNK_FRAMES)


def test_scores_are_openwakewords(words: dict[str, Path]) -> None:
    """Of every word on every chunk, and so the detections are the same; the start is within a thousandth, too."""
    lean, stock = Lean(words, models.features()), on_its_own_features(words)
    triggers = WakeTrigger(0.5, 2.0), WakeTrigger(0.5, 2.0)
    detections = 0
    for chunk in mixed():
        ours, theirs = lean.score(chunk), stock.score(chunk)
        assert ours == pytest.approx(theirs, abs=1e-3)
        found = [
            each.process(scores, 0.08, playing=False) for each, scores in zip(triggers, (ours, theirs), strict=True)
        ]
        assert (found[0] is None) == (found[1] is None)
        detections += found[0] is not None
    assert detections >= 6


def check_following(one_by_one: Detector, at_once: Detector, before: int) -> None:
    """Check that of two engines that have heard the same the one that follows at once goes on as the other."""
    chunks = mixed()[: before + 60]
    for chunk in chunks[:before]:
        assert one_by_one.score(chunk) == at_once.score(chunk)
    for chunk in chunks[before:-20]:
        one_by_one.score(chunk)
    at_once.follow(chunks[before:-20])
    for chunk in chunks[-20:]:
        assert at_once.score(chunk) == pytest.approx(one_by_one.score(chunk), abs=1e-5)


@pytest.mark.parametrize("before", [0, 1, 3, 40])
def test_what_is_followed_at_once_makes_the_same_scores(words: dict[str, Path], before: int) -> None:
    """At the very start as well as later on."""
    one_by_one, at_once = Lean(words, models.features()), Lean(words, models.features())
    check_following(one_by_one, at_once, before)


def test_nothing_is_left_of_what_lies_further_back(words: dict[str, Path]) -> None:
    """Two streams with another past agree after as many chunks as the memory is long."""
    one, other = Lean(words, models.features()), Lean(words, models.features())
    chunks = mixed()
    one.follow(chunks[:50])
    other.follow(chunks[100:120])
    one.follow(chunks[-MEMORY_CHUNKS - 20 : -20])
    other.follow(chunks[-MEMORY_CHUNKS - 20 : -20])
    for chunk in chunks[-20:]:
        assert one.score(chunk) == pytest.approx(other.score(chunk), abs=1e-5)


def test_it_tells_where_the_word_ended_as_openwakeword_does(words: dict[str, Path]) -> None:
    """And its own scores go on as if never asked."""
    said = np.pad(say("hey jarvis", RATE_HZ), (2 * RATE_HZ, RATE_HZ))
    lean, stock = Lean(words, models.features()), on_its_own_features(words)
    for at in range(0, len(said) - CHUNK_FRAMES, CHUNK_FRAMES):
        chunk = said[at : at + CHUNK_FRAMES]
        score = lean.score(chunk)["hey_jarvis"]
        assert score == pytest.approx(stock.score(chunk)["hey_jarvis"], abs=1e-3)
        if score >= 0.5:
            told, right = lean.ended_before("hey_jarvis"), stock.ended_before("hey_jarvis")
            assert told is not None
            assert told == pytest.approx(right, abs=160)
    assert lean.ended_before("alexa") is None


def test_a_twin_goes_its_own_way(words: dict[str, Path]) -> None:
    chunks = mixed()[:60]
    stream, alone = Lean(words, models.features()), Lean(words, models.features())
    for chunk in chunks[:30]:
        assert stream.score(chunk) == alone.score(chunk)
    twin = stream.twin()
    assert twin.score(chunks[30]) == stream.twin().score(chunks[30])
    twin.follow(chunks[:20])
    for chunk in chunks[30:]:
        assert stream.score(chunk) == alone.score(chunk)


@pytest.mark.parametrize(
    "chunk", [np.zeros(1279, np.int16), np.zeros(CHUNK_FRAMES, np.float32), np.zeros((2, CHUNK_FRAMES), np.int16)]
)
def test_a_chunk_of_another_shape_is_refused(words: dict[str, Path], chunk: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a chunk is int16"):
        Lean(words, models.features()).score(chunk)


def test_files_that_are_no_models_are_named(words: dict[str, Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"not a model")
    with pytest.raises(WakeError, match=r"bad\.onnx") as caught:
        Lean({"bad": bad}, models.features())
    assert caught.value.code == "wake-model-corrupt"
    with pytest.raises(WakeError, match="not a wake word model"):
        Lean({"alexa": words["alexa"]}, (bad, bad))


def own(path: Path, embeddings: int) -> Path:
    """Write a classifier that looks at so many embeddings."""
    nodes = [node("Flatten", ["x"], "f"), node("Gemm", ["f", "w"], "g"), node("Sigmoid", ["g"], "y")]
    weights = {"w": (np.random.default_rng(3).standard_normal((embeddings * 96, 1)) / 400).astype("f4")}
    shapes = {"x": [1, embeddings, 96]}, {"y": [1, 1]}
    return write(path / f"own{embeddings}.onnx", graph(nodes, weights, *shapes), opset=13)


def test_an_own_model_may_look_further_back(words: dict[str, Path], tmp_path: Path) -> None:
    """It has the same scores as with openwakeword, beside a shorter one; and the gate keeps as much as it needs."""
    both = {"own": own(tmp_path, 34), "alexa": words["alexa"]}
    lean, stock = Lean(both, models.features()), on_its_own_features(both)
    assert lean.memory_chunks == stock.memory_chunks == 44
    gated, chunks = GatedDetector(Lean(both, models.features())), mixed()[:150]
    quiet = np.random.default_rng(6).integers(-3, 4, (200, CHUNK_FRAMES)).astype(np.int16)
    for chunk in [*chunks, *quiet, *chunks]:
        right = lean.score(chunk)
        assert right == pytest.approx(stock.score(chunk), abs=1e-3)
        found = gated.score(chunk)
        if gated.open:
            assert found == pytest.approx(right, abs=1e-5)
    assert gated.scored < gated.taken


def test_an_own_model_may_look_further_back_than_there_was_anything(tmp_path: Path) -> None:
    lean = Lean({"own": own(tmp_path, 120)}, models.features())
    for chunk in mixed()[:130]:
        assert 0 <= lean.score(chunk)["own"] <= 1


def test_a_model_that_needs_more_is_named(tmp_path: Path) -> None:
    wake_models()
    needy = write(tmp_path / "own.onnx", graph([node("LSTM", ["x"], "y")], {}, {"x": [1, 16, 96]}, {"y": [1, 1]}))
    with pytest.raises(UnknownOperationError, match=r"own\.onnx is computed with LSTM"):
        Lean({"own": needy}, models.features())
