"""A configuration that is wrong: every problem at once with its place, and an exit code that forbids a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.command import speakerd

BAD = """\
assistant:
  voise: marin
  speed: 9
service:
  provider: azur
wake:
  threshold: 0.5
  threshold: loud
"""

PLACES = ["2:3: assistant.voise", "3:10: assistant.speed", "5:13: service.provider", "8:3: wake.threshold"]


@pytest.mark.parametrize("command", [("run", "-c"), ("check-config",)])
async def test_every_problem_is_told_with_its_place(tmp_path: Path, command):
    """``run`` and ``check-config`` say the same, and both end with 78."""
    file = tmp_path / "speakerd.yaml"
    file.write_text(BAD)
    ended = await speakerd(*command, str(file), cwd=tmp_path)
    assert ended.code == 78
    said = ended.out + ended.err
    for place in PLACES:
        assert f"{file}:{place}" in said, said
    assert "did you mean" in said
    assert "Traceback" not in said


async def test_a_wake_model_that_is_not_there_is_a_configuration_error(tmp_path: Path):
    """Restarting would not bring it: exit code 78 and its path."""
    file = tmp_path / "speakerd.yaml"
    file.write_text("wake: {models: [/nowhere/hey_you.onnx]}\nservice: {endpoint: 'ws://127.0.0.1:9'}\n")
    ended = await speakerd("run", "-c", str(file), cwd=tmp_path)
    assert ended.code == 78
    assert "/nowhere/hey_you.onnx" in ended.err
    assert "Traceback" not in ended.err


async def test_an_empty_file_is_a_good_configuration(tmp_path: Path):
    """Every key has a default."""
    file = tmp_path / "speakerd.yaml"
    file.write_text("")
    ended = await speakerd("check-config", str(file), cwd=tmp_path)
    assert (ended.code, ended.out) == (0, f"{file}: good\n")
