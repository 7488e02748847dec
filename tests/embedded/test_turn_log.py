"""The log's line for each turn."""

from __future__ import annotations

import base64
import logging
from typing import Any

import pytest

from speakerd.embedded.session import default_session
from speakerd.embedded.turn_log import TurnLog, words_of

SAID = [{"type": "message", "content": [{"type": "output_audio", "transcript": "Half past nine."}]}]


class Clock:
    """Time that passes when told."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def created(response_id: str, kind: str = "audio/pcm") -> dict[str, Any]:
    response = {"id": response_id, "audio": {"output": {"format": {"type": kind}}}}
    return {"type": "response.created", "response": response}


def delta(ms: int) -> dict[str, Any]:
    sound = base64.b64encode(bytes(ms * 48)).decode()
    return {"type": "response.output_audio.delta", "response_id": "resp_1", "delta": sound}


def spoken_turn(log: TurnLog, clock: Clock) -> None:
    """Hold a turn: 1.5 s heard, first audio 200 ms after the turn's end, 300 ms of it."""
    log.posted({"type": "session.created", "session": default_session("sess_1", "m", 0)})
    log.posted({"type": "input_audio_buffer.speech_stopped"})
    log.posted({"type": "input_audio_buffer.committed", "item_id": "item_1"})
    log.posted(created("resp_1"))
    log.listened("item_1", bytes(1500 * 48))
    log.recognised("item_1", "What time is it?")
    clock.now_s += 0.2
    log.posted(delta(100))
    clock.now_s += 0.1
    log.posted(delta(200))


def test_spoken_turn(caplog: pytest.LogCaptureFixture) -> None:
    """Heard, end of speech to first audio with the silence that ended it, reply and how it ended; no word of it."""
    clock = Clock()
    log = TurnLog("sess_1", clock)
    with caplog.at_level(logging.INFO, "speakerd.embedded"):
        spoken_turn(log, clock)
        log.posted({"type": "response.done", "response": {"id": "resp_1", "status": "cancelled", "output": SAID}})
    figures = "heard 1500 ms, 400 ms from end of speech (200 ms of silence) to first audio, reply 300 ms"
    assert caplog.messages == [f"session sess_1 turn 1: {figures}, cancelled"]


def test_written_turn_and_silent_one(caplog: pytest.LogCaptureFixture) -> None:
    """Turns count on; what was asked in writing is timed from the request, and no answer is said to be none."""
    clock = Clock()
    log = TurnLog("sess_1", clock)
    with caplog.at_level(logging.INFO, "speakerd.embedded"):
        log.posted(created("resp_1"))
        clock.now_s += 0.05
        log.posted({"type": "response.output_text.delta", "response_id": "resp_1", "delta": "Hello"})
        log.posted({"type": "response.done", "response": {"id": "resp_1", "status": "completed", "output": []}})
        log.posted(delta(100))  # late
        log.posted(created("resp_2"))
        log.posted({"type": "response.done", "response": {"id": "resp_2", "status": "failed", "output": []}})
        log.posted({"type": "response.done", "response": {"id": "resp_2", "status": "failed", "output": []}})  # twice
    assert caplog.messages == [
        "session sess_1 turn 1: heard 0 ms, 50 ms from the request to first text, reply 0 ms, completed",
        "session sess_1 turn 2: heard 0 ms, no answer, reply 0 ms, failed",
    ]


def test_turn_cut_off_by_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """A turn that the session did not outlive has its line, too."""
    clock = Clock()
    log = TurnLog("sess_1", clock)
    spoken_turn(log, clock)
    with caplog.at_level(logging.INFO, "speakerd.embedded"):
        log.closed()
    assert caplog.messages[0].endswith("reply 300 ms, cut off")


def test_transcripts_when_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    """Words are logged only by a log that was told to."""
    clock = Clock()
    log = TurnLog("sess_1", clock, transcripts=True)
    with caplog.at_level(logging.INFO, "speakerd.embedded"):
        spoken_turn(log, clock)
        log.posted({"type": "response.done", "response": {"id": "resp_1", "status": "completed", "output": SAID}})
    assert caplog.messages[1] == "session sess_1 turn 1: user: 'What time is it?', answer: 'Half past nine.'"


def test_telephone_audio_is_counted_at_its_own_rate(caplog: pytest.LogCaptureFixture) -> None:
    """A reply in G.711 is as long as it sounds."""
    log = TurnLog("sess_1", Clock())
    log.posted(created("resp_1", "audio/pcmu"))
    log.posted(delta(100))  # of wire audio; six times as long at 8 kHz and a byte
    with caplog.at_level(logging.INFO, "speakerd.embedded"):
        log.closed()
    assert "reply 600 ms" in caplog.messages[0]


def test_words_of_a_call_are_none() -> None:
    """A function call has nothing that was said."""
    assert words_of({"output": [{"type": "function_call", "name": "f", "arguments": "{}"}]}) == ""
