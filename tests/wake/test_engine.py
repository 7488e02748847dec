"""Which engine is taken, and that a wrong one is noticed before it hears anything."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from speakerd.core.errors import WakeError
from speakerd.wake import engine, models
from speakerd.wake.detector import OpenWakeWord
from speakerd.wake.lean import Lean
from tests.fakes.models import wake_models
from tests.fakes.onnx_writer import graph, node, write


@pytest.fixture(scope="module")
def features() -> tuple[Path, Path]:
    wake_models()
    return models.features()


def test_the_lean_one_is_taken_for_every_word_that_ships(features) -> None:
    words = {word: models.resolve(word) for word in models.WORDS}
    made = engine.make(words, features)
    assert isinstance(made, Lean)
    assert engine.wrong_about(made, words) is None


def test_openwakeword_is_taken_when_asked_for(features) -> None:
    assert isinstance(engine.make({"alexa": models.resolve("alexa")}, features, "openwakeword"), OpenWakeWord)


def softened(folder: Path) -> Path:
    """Write a classifier that only openWakeWord can compute."""
    nodes = [
        node("Flatten", ["x"], "f"),
        node("Gemm", ["f", "w"], "g"),
        node("Softplus", ["g"], "p"),
        node("Sigmoid", ["p"], "y"),
    ]
    weights = {"w": np.full((1536, 1), 0.001, "f4")}
    return write(folder / "soft.onnx", graph(nodes, weights, {"x": [1, 16, 96]}, {"y": [1, 1]}))


def test_a_word_that_needs_more_brings_openwakeword(features, tmp_path, caplog) -> None:
    own = softened(tmp_path)
    assert isinstance(engine.make({"soft": own}, features), OpenWakeWord)
    assert "Softplus" in caplog.text
    with pytest.raises(WakeError, match="Softplus") as caught:
        engine.make({"soft": own}, features, "lean")
    assert caught.value.code == "wake-engine"


def test_scores_that_are_wrong_are_noticed(features, monkeypatch, caplog) -> None:
    """As of a processor that calculates wrongly."""
    words = {"alexa": models.resolve("alexa")}
    right = Lean.score_of
    monkeypatch.setattr(Lean, "score_of", lambda lean, word, embeddings: right(lean, word, embeddings) + 0.002)
    assert isinstance(engine.make(words, features), OpenWakeWord)
    assert "openWakeWord says" in caplog.text


def test_a_word_of_the_owners_may_have_a_published_files_name(features, tmp_path, caplog) -> None:
    """Trained anew it scores what it scores: the file tells which it is, not its name."""
    own = tmp_path / models.WORDS["hey_jarvis"].file
    shutil.copy(models.resolve("alexa"), own)
    assert isinstance(engine.make({"hey_jarvis": own}, features), Lean)
    assert caplog.text == ""


@pytest.mark.parametrize("chosen", ["auto", "lean", "openwakeword"])
def test_a_file_that_vanishes_is_named(features, tmp_path, chosen) -> None:
    """Between the moment it was found and the moment it is loaded."""
    with pytest.raises(WakeError, match=r"gone\.onnx") as caught:
        engine.make({"gone": tmp_path / "gone.onnx"}, features, chosen)
    assert caught.value.code in ("wake-model-missing", "wake-model-corrupt")


def test_features_that_are_wrong_are_noticed(features) -> None:
    words = {"alexa": models.resolve("alexa")}
    lean = Lean(words, features)
    lean.follow(np.zeros((1, 1280), np.int16))
    found = engine.wrong_about(lean, words)
    assert found is not None
    assert "features are wrong" in found


def dies(model: Path, state: Path | None) -> str:
    """Stand in for a machine that onnxruntime ends processes on."""
    return "loading it ends the process with SIGILL"


def test_the_lean_one_serves_where_onnxruntime_ends_the_process(features, caplog) -> None:
    words = {"alexa": models.resolve("alexa")}
    assert isinstance(engine.make(words, features, "openwakeword", trouble=dies), Lean)
    assert "SIGILL" in caplog.text


@pytest.mark.parametrize("asked", ["auto", "openwakeword"])
def test_where_neither_can_it_is_said_and_nothing_is_loaded(features, tmp_path, asked) -> None:
    with pytest.raises(WakeError, match=r"SIGILL.*Softplus") as caught:
        engine.make({"soft": softened(tmp_path)}, features, asked, trouble=dies)
    assert caught.value.code == "wake-engine"


def test_nobody_is_asked_while_the_lean_one_serves(features) -> None:
    def never(model: Path, state: Path | None) -> str:
        raise AssertionError("a child for nothing")

    assert isinstance(engine.make({"alexa": models.resolve("alexa")}, features, trouble=never), Lean)


def test_what_was_found_is_kept_where_it_is_said(features, tmp_path) -> None:
    engine.make({"alexa": models.resolve("alexa")}, features, "openwakeword", state=tmp_path)
    assert (tmp_path / "onnxruntime.json").exists()
