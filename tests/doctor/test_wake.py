"""Models by digest, the engine by what it answers, and the word said aloud."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speakerd.core.settings import Wake
from speakerd.doctor.report import Verdict
from speakerd.doctor.wake import best_score, look_at_engine, look_at_models, look_at_said, look_at_spoken
from tests.fakes.detector import FakeDetector
from tests.fakes.models import wake_models


def test_models_that_are_not_there_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEAKERD_MODELS", str(tmp_path))
    (line,) = look_at_models(["hey_jarvis"])
    assert (line.verdict, line.data["code"]) == (Verdict.FAIL, "wake-model-missing")
    assert "fetch-models" in str(line.advice)
    (line,), detector = look_at_engine(Wake())
    assert line.verdict is Verdict.FAIL
    assert detector is None


def test_a_model_that_was_changed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hey_jarvis_v0.1.onnx").write_bytes(b"something else")
    monkeypatch.setenv("SPEAKERD_MODELS", str(tmp_path))
    (line,) = look_at_models(["hey_jarvis"])
    assert line.data["code"] == "wake-model-corrupt"


def test_the_real_ones_pass_and_hear_the_word() -> None:
    """All the way: digests, known answers, a voice that says it."""
    folder = wake_models()
    (line,) = look_at_models(["hey_jarvis"])
    assert line.verdict is Verdict.PASS
    assert str(folder) in line.detail
    (line,), detector = look_at_engine(Wake())
    assert (line.verdict, line.data["engine"]) == (Verdict.PASS, "lean")
    assert detector is not None
    (line,) = look_at_spoken(detector, Wake())
    if "no voice" in line.detail:
        pytest.skip(line.detail)
    assert line.verdict is Verdict.PASS
    assert line.data["scores"]["hey_jarvis"] > 0.9


def test_an_engine_that_serves_in_place_of_another_is_told() -> None:
    """Where onnxruntime ends the process."""
    wake_models()
    (line,), detector = look_at_engine(Wake(engine="openwakeword"), lambda _model, _state: "SIGILL")
    assert (line.verdict, line.data["engine"]) == (Verdict.WARN, "lean")
    assert "onnxruntime" in line.detail
    assert detector is not None


def test_an_owners_own_model_has_no_digest_and_no_spelling(tmp_path: Path) -> None:
    own = wake_models() / "alexa_v0.1.onnx"
    copy = tmp_path / "kitchen.onnx"
    copy.write_bytes(own.read_bytes())
    (line,) = look_at_models([str(copy)])
    assert line.verdict is Verdict.PASS
    assert line.data["own"] == ["kitchen.onnx"]
    (line,) = look_at_spoken(FakeDetector(), Wake(models=[str(copy)]))
    assert "of your own" in line.detail


def test_without_a_voice_the_word_is_not_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (line,) = look_at_spoken(FakeDetector(), Wake(), neural=False)
    assert line.verdict is Verdict.WARN
    assert "no voice is installed" in line.detail


def test_the_best_score_counts() -> None:
    detector = FakeDetector([0.0, 0.2, 0.7, 0.1])
    assert best_score(detector, "hey_jarvis", np.zeros(48_000, np.int16)) == 0.7


@pytest.mark.parametrize(
    ("score", "level", "verdict", "advice"),
    [
        (0.9, 3000, Verdict.PASS, ""),
        (0.2, 3000, Verdict.FAIL, "sensitive"),
        (0.2, 20, Verdict.FAIL, "microphone up"),
    ],
)
def test_what_the_owner_said_is_scored(score: float, level: int, verdict: Verdict, advice: str) -> None:
    """And what to do depends on whether it was loud enough."""
    heard = np.full(16_000, level, np.int16)
    heard[:1280] = int(score * 100)  # what the fake takes for its score
    heard[1280::1280] = 0
    (line,) = look_at_said(FakeDetector(), Wake(), heard)
    assert line.verdict is verdict
    assert line.data["scores"]["hey_jarvis"] == pytest.approx(score)
    assert advice in (line.advice or "")
