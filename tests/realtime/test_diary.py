"""What the diary notes of a session."""

from __future__ import annotations

from typing import Any

import pytest

from speakerd.core import events
from speakerd.core.units import ItemId, Ms, ResponseId
from speakerd.realtime import server_events as wire_events
from speakerd.realtime.diary import note
from speakerd.realtime.outcome import Audio, Outcome, Transcript

RESPONSE, ITEM = ResponseId("r"), ItemId("i")


class Diary:
    """A diary that is read."""

    def __init__(self) -> None:
        self.marks: list[tuple[str, dict[str, Any]]] = []

    def mark(self, event: str, **details: Any) -> None:
        self.marks.append((event, details))


@pytest.mark.parametrize(
    ("event", "outcome", "marks"),
    [
        (
            wire_events.SpeechStarted(ITEM, Ms(120)),
            Outcome(event=events.SpeechStarted()),
            [("speech_started", {"audio_start_ms": 120})],
        ),
        (
            wire_events.SpeechStopped(ITEM, Ms(900)),
            Outcome(event=events.SpeechStopped()),
            [("speech_stopped", {"audio_end_ms": 900})],
        ),
        (
            wire_events.ResponseCreated(RESPONSE),
            Outcome(
                event=events.ResponseCreated(RESPONSE),
                calls=(events.FunctionCalled(RESPONSE, "c", "end_conversation", "{}"),),
            ),
            [
                ("call", {"response_id": "r", "function": "end_conversation"}),
                ("response.created", {"response_id": "r"}),
            ],
        ),
        (
            wire_events.ResponseCreated(RESPONSE),
            Outcome(audio=Audio(RESPONSE, ITEM, bytes(4))),
            [("downlink", {"response_id": "r", "item_id": "i", "bytes": 4})],
        ),
        (
            wire_events.ResponseCreated(RESPONSE),
            Outcome(transcript=Transcript("user", ITEM, "Hello.")),
            [("transcript", {"role": "user", "text": "Hello."})],
        ),
        (wire_events.ResponseCreated(RESPONSE), Outcome(event=events.LinkUp()), [("link.up", {})]),
        (wire_events.SpeechStarted(ITEM, Ms(0)), Outcome(), []),
    ],
)
def test_what_it_came_to_is_noted(
    event: wire_events.ServerEvent, outcome: Outcome, marks: list[tuple[str, dict[str, Any]]]
) -> None:
    """An event of which nothing came is none."""
    diary = Diary()
    note(diary, event, outcome)
    assert diary.marks == marks
