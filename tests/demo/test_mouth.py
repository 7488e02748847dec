"""The user's voice begins at once, is as loud as a person in the room, and says when there is none."""

from __future__ import annotations

import numpy as np
import pytest

from speakerd.demo.mouth import SPEECH_RATE_HZ, Mouth, find_mouth, levelled, trimmed
from speakerd.demo.process import StageError
from speakerd.demo.props import merged


def test_silence_around_a_sentence_is_cut() -> None:
    """Samples begin with the first loud one and end with the last."""
    pcm = np.array([0, 1, -500, 0, 400, 2, 0], np.int16)
    assert trimmed(pcm).tolist() == [-500, 0, 400]
    assert len(trimmed(np.zeros(4, np.int16))) == 0


def test_every_sentence_is_equally_loud() -> None:
    """The loudest sample is always the same."""
    assert abs(levelled(np.array([-16, 8], np.int16))).max() == abs(levelled(np.array([30000, 5], np.int16))).max()


def test_sentences_are_synthesised_once() -> None:
    """What was said before is remembered, at the room's rate."""
    asked: list[str] = []

    def synthesise(text: str) -> tuple[np.ndarray, int]:
        asked.append(text)
        return np.full(2400, 1000, np.int16), SPEECH_RATE_HZ // 2

    mouth = Mouth("test", synthesise)
    assert abs(len(mouth.speak("Hello.")) - 4800) < 50
    mouth.speak("Hello.")
    assert asked == ["Hello."]


def test_machine_without_a_voice_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any voice the error names the packages."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(StageError, match=r"speakerd\[local\], or flite, or espeak-ng"):
        find_mouth(neural=False)


def test_nested_configuration_is_laid_over() -> None:
    """Keys given win, keys beside them stay, and neither side is changed."""
    base = {"a": {"x": 1, "y": 2}, "b": 3}
    assert merged(base, {"a": {"y": 5}, "c": 6}) == {"a": {"x": 1, "y": 5}, "b": 3, "c": 6}
    assert base == {"a": {"x": 1, "y": 2}, "b": 3}
