"""``openai-agents`` in an environment of its own: it validates every event and acts on what it reads."""

from __future__ import annotations

import json
import subprocess
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.emulator import Emulator, emulating
from tests.contract.environments import HERE, agents_python
from tests.fakes.command import environment
from tests.fakes.voices import say

pytestmark = pytest.mark.timeout(300)  # the first run installs

SHORT = "I am well."
LONG = "This is an answer that takes its time. " * 20


@pytest.fixture(scope="module")
def python() -> Path:
    return agents_python()


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return somebody asking for the time, as a file."""
    path = tmp_path_factory.mktemp("speech") / "question.wav"
    with wave.open(str(path), "wb") as stream:
        stream.setparams((1, 2, 24_000, 0, "NONE", ""))
        stream.writeframes(say("What time is it?", 24_000).tobytes())
    return path


@pytest.fixture
def emulator(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    with emulating(script=request.param) as it:
        yield it


def talk(python: Path, what: str, emulator: Emulator, speech: Path) -> dict[str, Any]:
    """Hold a conversation and return its report; the library must have had nothing to complain about."""
    ran = subprocess.run(
        (str(python), str(HERE / "agents" / "talk.py"), what, emulator.url, str(speech)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment(OPENAI_AGENTS_DISABLE_TRACING="1"),
    )
    assert ran.returncode == 0, ran.stderr
    report: dict[str, Any] = json.loads(ran.stdout)
    assert (report["errors"], report["complaints"]) == ([], [])
    assert "error" not in report["server"]
    return report


def said(response: dict[str, Any]) -> str:
    """Return the transcript of a response."""
    transcript: str = response["output"][0]["content"][0]["transcript"]
    return transcript


@pytest.mark.parametrize("emulator", [[SHORT]], indirect=True)
def test_text_turn(python: Path, emulator: Emulator, speech: Path) -> None:
    """A written message is answered in speech, with the settings and the tool that the agent declared."""
    report = talk(python, "text", emulator, speech)
    (response,) = report["responses"]
    assert (response["status"], said(response)) == ("completed", SHORT)
    assert report["audio_bytes"] > 4800
    assert {"history_added", "history_updated", "audio", "audio_end", "agent_start"} <= set(report["events"])
    assert report["session"][-1]["audio"]["output"]["voice"] == "marin"
    assert [tool["name"] for tool in report["session"][-1]["tools"]] == ["set_lamp"]


@pytest.mark.parametrize("emulator", [[SHORT]], indirect=True)
def test_audio_turn(python: Path, emulator: Emulator, speech: Path) -> None:
    """Speech is a turn: heard, committed, transcribed and answered."""
    report = talk(python, "audio", emulator, speech)
    (response,) = report["responses"]
    assert (response["status"], said(response)) == ("completed", SHORT)
    started = report["server"].index("input_audio_buffer.speech_started")
    assert report["server"][started:][1:3] == ["input_audio_buffer.speech_stopped", "input_audio_buffer.committed"]


@pytest.mark.parametrize("emulator", [['@set_lamp {"brightness": 40}', SHORT]], indirect=True)
def test_tool(python: Path, emulator: Emulator, speech: Path) -> None:
    """A function call is carried out by the library, which sends the output back and gets it answered."""
    report = talk(python, "tool", emulator, speech)
    called, answer = report["responses"]
    assert json.loads(called["output"][0]["arguments"]) == {"brightness": 40}
    assert {"tool_start", "tool_end"} <= set(report["events"])
    assert (answer["status"], said(answer)) == ("completed", SHORT)


@pytest.mark.parametrize("emulator", [[LONG, SHORT]], indirect=True)
def test_interruption(python: Path, emulator: Emulator, speech: Path) -> None:
    """Speech during an answer cancels it; the library truncates to what it played, and gets the next answer."""
    report = talk(python, "interruption", emulator, speech)
    cancelled, answer = report["responses"]
    assert cancelled["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert (answer["status"], said(answer)) == ("completed", SHORT)
    assert "audio_interrupted" in report["events"]
    (truncated,) = report["truncated"]
    assert truncated["item_id"] == cancelled["output"][0]["id"]
    assert 0 <= truncated["audio_end_ms"] < 5000
