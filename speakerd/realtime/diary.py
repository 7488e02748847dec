"""What the diary notes of a session's events."""

from __future__ import annotations

from speakerd.core.events import LinkUp
from speakerd.ports import Trace
from speakerd.realtime import server_events as wire_events
from speakerd.realtime.outcome import Outcome


def note(trace: Trace, event: wire_events.ServerEvent, outcome: Outcome) -> None:
    """Write into the diary what an event came to."""
    for call in outcome.calls:
        trace.mark("call", response_id=call.response_id, function=call.name)
    if outcome.audio is not None:
        audio = outcome.audio
        trace.mark("downlink", response_id=audio.response_id, item_id=audio.item_id, bytes=len(audio.pcm))
    elif outcome.transcript is not None:
        trace.mark("transcript", role=outcome.transcript.role, text=outcome.transcript.text)
    elif isinstance(outcome.event, LinkUp):
        trace.mark("link.up")
    elif outcome.event is not None:
        _note_event(trace, event)


def _note_event(trace: Trace, event: wire_events.ServerEvent) -> None:
    match event:
        case wire_events.SpeechStarted(_, audio_start_ms):
            trace.mark("speech_started", audio_start_ms=audio_start_ms)
        case wire_events.SpeechStopped(_, audio_end_ms):
            trace.mark("speech_stopped", audio_end_ms=audio_end_ms)
        case wire_events.ResponseCreated(response_id):
            trace.mark("response.created", response_id=response_id)
        case wire_events.ResponseDone():
            trace.mark("response.done", response_id=event.response_id, status=event.status)
