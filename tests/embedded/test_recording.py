"""Recordings: what was heard and said, on disk."""

from __future__ import annotations

import base64
import json
import logging
import wave
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from speakerd.core.errors import SpeakerdError
from speakerd.embedded.recording import Recorder, SessionRecording

NOW = datetime(2026, 11, 9, 14, 15, 2)  # noqa: DTZ001 - local time, whichever it is


def hold_a_conversation(recording: SessionRecording) -> None:
    """One spoken turn, one written one with a function call, and one cut off."""
    recording.posted({"type": "session.created", "session": {"id": "sess_1", "model": "m"}})
    recording.listened("item_1", bytes(4800))
    recording.recognised("item_1", "Wie spät ist es?")
    answer(recording, "resp_1", [{"type": "message", "content": [{"transcript": "Half past nine."}]}])
    written = {"id": "item_3", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    recording.posted({"type": "conversation.item.added", "item": written})
    recording.posted({"type": "conversation.item.added", "item": {"id": "item_4", "type": "function_call"}})
    recording.posted(created("resp_2"))
    call = {"type": "function_call", "name": "set_timer", "arguments": "{}"}
    recording.posted({"type": "response.done", "response": {"id": "resp_2", "status": "completed", "output": [call]}})
    recording.posted(created("resp_3"))
    recording.posted(delta("resp_3"))
    recording.listened("item_5", bytes(480))
    recording.closed()


def created(response_id: str, kind: str = "audio/pcm") -> dict[str, Any]:
    response = {"id": response_id, "audio": {"output": {"format": {"type": kind}}}}
    return {"type": "response.created", "response": response}


def delta(response_id: str) -> dict[str, Any]:
    sound = base64.b64encode(bytes(2400)).decode()
    return {"type": "response.output_audio.delta", "response_id": response_id, "delta": sound}


def answer(recording: SessionRecording, response_id: str, output: list[dict[str, Any]]) -> None:
    recording.posted(created(response_id))
    recording.posted(delta(response_id))
    recording.posted(
        {"type": "response.done", "response": {"id": response_id, "status": "completed", "output": output}}
    )
    recording.posted(delta(response_id))  # late


def test_conversation_on_disk(tmp_path: Path) -> None:
    """Every turn has its sound at 24 kHz and its line, in order; only the owner may read them."""
    recorder = Recorder(tmp_path / "kept", lambda: NOW)
    hold_a_conversation(recorder.session("sess_1"))
    recorder.close()
    folder = tmp_path / "kept" / "20261109-141502-sess_1"
    assert {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()} == dict.fromkeys(
        ("transcript.jsonl", "001-heard.wav", "002-said.wav", "003-heard.wav", "004-said.wav"), 0o600
    )
    assert {path.stat().st_mode & 0o777 for path in (folder, folder.parent)} == {0o700}
    with wave.open(str(folder / "001-heard.wav")) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getnframes()) == (24_000, 1, 2400)
    lines = [json.loads(line) for line in (folder / "transcript.jsonl").read_text("utf-8").splitlines()]
    told = [(line["kind"], line.get("file"), line.get("ms"), line.get("text")) for line in lines]
    assert told == [
        ("opened", None, None, None),
        ("heard", "001-heard.wav", 100, "Wie spät ist es?"),
        ("said", "002-said.wav", 50, "Half past nine."),
        ("typed", None, None, "Hi"),
        ("called", None, None, None),
        ("said", None, 0, ""),
        ("heard", "003-heard.wav", 10, None),
        ("said", "004-said.wav", 50, None),
        ("closed", None, None, None),
    ]
    assert lines[7]["status"] == "cut off"
    assert all(datetime.fromisoformat(line["at"]).tzinfo is not None for line in lines)


def test_telephone_audio_is_kept_as_wire_audio(tmp_path: Path) -> None:
    """What was said in G.711 is a WAV file like all others."""
    recorder = Recorder(tmp_path, lambda: NOW)
    recording = recorder.session("sess_1")
    recording.posted(created("resp_1", "audio/pcma"))
    recording.posted(delta("resp_1"))
    recording.closed()
    recorder.close()
    with wave.open(str(next(tmp_path.iterdir()) / "001-said.wav")) as sound:
        assert (sound.getframerate(), sound.getnframes()) == (24_000, 3 * 2400)


def test_failing_disk_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A folder that vanishes costs the recording and one line of the log, nothing else."""
    recorder = Recorder(tmp_path / "kept", lambda: NOW)
    recording = recorder.session("sess_1")
    (tmp_path / "kept").rmdir()
    with caplog.at_level(logging.WARNING, "speakerd.embedded"):
        hold_a_conversation(recording)
        recorder.close()
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("recording has gaps, the sessions go on: [Errno 2]")


def test_folder_that_cannot_be_made_is_an_operators_error(tmp_path: Path) -> None:
    """What can never work is told at the start."""
    (tmp_path / "file").touch()
    with pytest.raises(SpeakerdError, match="cannot record into") as error:
        Recorder(tmp_path / "file" / "kept")
    assert error.value.code == "embedded-record"
