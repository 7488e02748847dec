"""``speakerd demo`` holds a whole conversation, keeps what was heard, and says so when it did not work."""

from __future__ import annotations

import importlib.util
import json
import wave
from pathlib import Path

import pytest

from speakerd.demo.mouth import find_mouth
from speakerd.demo.process import StageError
from speakerd.demo.show import show

neural = pytest.mark.skipif(importlib.util.find_spec("hibari") is None, reason="speakerd[local] is not installed")


@pytest.fixture(autouse=True)
def voice() -> None:
    try:
        find_mouth()
    except StageError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("tier", ["scripted", pytest.param("neural", marks=neural)])
def test_demo_holds_a_conversation(tmp_path: Path, tier: str) -> None:
    """Asked in one breath, asked again, interrupted: every file is there and the timeline is complete."""
    lines: list[str] = []
    assert show(tmp_path, tier, lines.append), "\n".join(lines)
    assert lines[-1].startswith("the conversation worked")
    data = json.loads((tmp_path / "timeline.json").read_text())
    assert [turn["interruption"] is not None for turn in data["turns"]] == [False, False, True, False]
    assert all(turn["audible_s"] is not None for turn in data["turns"])
    told_wrong = data["hops_ms"]["truncation: told - really heard"][2]
    assert -60 < told_wrong < 60
    with wave.open(str(tmp_path / "room.wav")) as stream:
        assert (stream.getframerate(), stream.getnchannels(), stream.getsampwidth()) == (48000, 1, 2)
        assert stream.getnframes() > 10 * 48000
    assert (tmp_path / "timeline.svg").stat().st_size > 10_000
    assert "Hey Jarvis" in (tmp_path / "transcript.txt").read_text()
    if tier == "neural":
        assert "Paris" in data["room_heard"][3]


def test_demo_that_cannot_begin_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a compiler there is no virtual card: the verdict is no, with what to install."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    lines: list[str] = []
    assert not show(tmp_path / "out", "scripted", lines.append)
    assert any("did not work" in line and "install" in line for line in lines)
