"""What the wire's words decode to, and how ours are written."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from speakerd.core.errors import ProtocolError
from speakerd.core.units import ItemId, Ms, ResponseId
from speakerd.realtime import server_events as events
from speakerd.realtime import wire
from speakerd.realtime.usage import TranscriptionUsage, Usage

PCM = b"\x01\x00\x02\x00"
DELTA = base64.b64encode(PCM).decode()
USAGE = {
    "total_tokens": 200,
    "input_token_details": {
        "text_tokens": 43,
        "audio_tokens": 96,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 64},
    },
    "output_token_details": {"text_tokens": 18, "audio_tokens": 43},
}


def decoded(kind: str, **fields: Any) -> events.ServerEvent:
    return wire.decode(json.dumps({"type": kind, "event_id": "event_1", **fields}))


def of_response(**fields: Any) -> dict[str, Any]:
    return {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0, **fields}


CALL = {
    "id": "i",
    "type": "function_call",
    "status": "completed",
    "name": "set_timer",
    "call_id": "call_1",
    "arguments": "{ }",
}
OUTPUT = {"id": "o", "type": "function_call_output", "call_id": "call_1", "output": "{}"}
MESSAGE = {"id": "m", "type": "message", "status": "completed", "role": "assistant", "content": []}

R, I = ResponseId("r"), ItemId("i")  # noqa: E741 - the protocol's two names


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        ("session.created", {"session": {"id": "s", "expires_at": 7}}, events.SessionCreated("s", 7)),
        ("session.updated", {"session": {}}, events.SessionUpdated(None, None)),
        (
            "error",
            {"error": {"type": "t", "code": "c", "message": "m", "param": "p", "event_id": "e"}},
            events.ServiceError("c", "m", "p", "e"),
        ),
        ("error", {"error": {}}, events.ServiceError(None, "", None, None)),
        (
            "input_audio_buffer.speech_started",
            {"item_id": "i", "audio_start_ms": 1460},
            events.SpeechStarted(I, Ms(1460)),
        ),
        (
            "input_audio_buffer.speech_stopped",
            {"item_id": "i", "audio_end_ms": 42.9},
            events.SpeechStopped(I, Ms(42)),
        ),
        ("input_audio_buffer.committed", {"item_id": "i"}, events.Committed(I)),
        ("response.created", {"response": {"id": "r"}}, events.ResponseCreated(R)),
        ("response.output_audio.delta", of_response(delta=DELTA), events.AudioDelta(R, I, PCM)),
        ("response.audio.delta", of_response(delta=DELTA), events.AudioDelta(R, I, PCM)),
        ("response.output_audio.done", of_response(), events.AudioDone(R, I)),
        ("response.audio.done", of_response(), events.AudioDone(R, I)),
        ("response.output_audio_transcript.delta", of_response(delta="Hé"), events.TranscriptDelta(R, I, "Hé")),
        ("response.audio_transcript.delta", of_response(delta="H"), events.TranscriptDelta(R, I, "H")),
        ("response.output_audio_transcript.done", of_response(transcript="Hi"), events.TranscriptDone(R, I, "Hi")),
        ("response.output_text.delta", of_response(delta="H"), events.TextDelta(R, I, "H")),
        ("response.text.done", of_response(text="Hi"), events.TextDone(R, I, "Hi")),
        ("response.output_text.done", of_response(text="Hi"), events.TextDone(R, I, "Hi")),
        (
            "conversation.item.input_audio_transcription.completed",
            {"item_id": "i", "transcript": "what time is it"},
            events.UserTranscript(I, "what time is it"),
        ),
        (
            "conversation.item.input_audio_transcription.completed",
            {"item_id": "i", "transcript": "hi", "usage": {"type": "duration", "seconds": 1.5}},
            events.UserTranscript(I, "hi", TranscriptionUsage(1.5, 0, 0, 0)),
        ),
        (
            "conversation.item.input_audio_transcription.completed",
            {
                "item_id": "i",
                "transcript": "hi",
                "usage": {
                    "type": "tokens",
                    "input_token_details": {"text_tokens": 1, "audio_tokens": 2},
                    "output_tokens": 3,
                },
            },
            events.UserTranscript(I, "hi", TranscriptionUsage(0.0, 1, 2, 3)),
        ),
        ("response.output_item.done", of_response(item=CALL), events.FunctionCall(R, "call_1", "set_timer", "{ }")),
        (
            "response.output_item.done",
            of_response(item={**CALL, "status": "incomplete"}),
            events.Unknown("response.output_item.done"),
        ),
        ("response.output_item.done", of_response(item=MESSAGE), events.Unknown("response.output_item.done")),
        ("conversation.item.done", {"item": OUTPUT}, events.CallOutputTaken("call_1")),
        ("conversation.item.done", {"item": MESSAGE}, events.Unknown("conversation.item.done")),
        (
            "conversation.item.input_audio_transcription.failed",
            {"item_id": "i", "error": {"code": "DeploymentNotFound"}},
            events.UserTranscriptFailed(I, "DeploymentNotFound"),
        ),
        ("conversation.item.input_audio_transcription.failed", {"item_id": "i"}, events.UserTranscriptFailed(I, None)),
        ("conversation.item.truncated", {"item_id": "i", "audio_end_ms": 5}, events.Truncated(I, Ms(5))),
        (
            "rate_limits.updated",
            {"rate_limits": [{"name": "tokens", "remaining": 9}]},
            events.RateLimits({"tokens": 9}),
        ),
        (
            "response.content_part.added",
            of_response(part={}, content={}),
            events.Unknown("response.content_part.added"),
        ),
        ("no.such.event", {"anything": 1}, events.Unknown("no.such.event")),
    ],
)
def test_each_event_we_use_is_typed(kind: str, fields: dict[str, Any], expected: events.ServerEvent) -> None:
    """Each event decodes to its type, preview names to the same, all others to Unknown."""
    assert decoded(kind, **fields) == expected


def test_a_completed_response_tells_its_usage() -> None:
    """Usage is read by kind, cached tokens apart."""
    done = decoded("response.done", response={"id": "r", "status": "completed", "status_details": None, "usage": USAGE})
    assert done == events.ResponseDone(R, "completed", None, None, None, Usage(43, 96, 0, 64, 18, 43))


def test_usage_without_details_counts_nothing() -> None:
    """A usage object that names no details is all zeros."""
    done = decoded("response.done", response={"id": "r", "status": "completed", "usage": {}})
    assert isinstance(done, events.ResponseDone)
    assert done.usage == Usage(0, 0, 0, 0, 0, 0)


def test_a_failed_response_tells_its_code() -> None:
    """The code of a failure stands inside response.done; where only a type is given, that is the code."""
    for error, code in (
        ({"type": "t", "code": "insufficient_quota", "message": "m"}, "insufficient_quota"),
        ({"type": "t"}, "t"),
    ):
        done = decoded("response.done", response={"id": "r", "status": "failed", "status_details": {"error": error}})
        assert isinstance(done, events.ResponseDone)
        assert (done.status, done.code, done.usage) == ("failed", code, None)


def test_a_completed_response_repeats_its_calls() -> None:
    """Whole calls are read from the end of a response, too; messages and calls that broke off are not."""
    output = [MESSAGE, CALL, {**CALL, "call_id": "call_2", "status": "incomplete"}]
    done = decoded("response.done", response={"id": "r", "status": "completed", "output": output})
    assert isinstance(done, events.ResponseDone)
    assert done.calls == (events.FunctionCall(R, "call_1", "set_timer", "{ }"),)


def test_half_a_surrogate_pair_becomes_printable() -> None:
    """Text that could not be encoded again is mended at the door."""
    assert wire.decode('{"type":"a\\ud800"}') == events.Unknown("a?")


@pytest.mark.parametrize(
    "data",
    [
        "",
        "{",
        b"\xff\xfe\xfd",
        "[]",
        "null",
        "{}",
        '{"type":1}',
        "[" * 100_000,
        '{"type":"session.created"}',
        '{"type":"session.created","session":{"expires_at":"soon"}}',
        '{"type":"session.created","session":{"expires_at":NaN}}',
        '{"type":"session.created","session":{"expires_at":true}}',
        '{"type":"session.created","session":{"expires_at":1' + "0" * 400 + "}}",
        '{"type":"response.output_audio.delta","response_id":"r","item_id":"i","delta":"!"}',
        '{"type":"response.output_audio.delta","response_id":"r","item_id":"i","delta":"é"}',
        '{"type":"response.output_audio.delta","response_id":"r","item_id":"i"}',
        '{"type":"response.done","response":{"id":"r","status":"failed","status_details":[]}}',
        '{"type":"response.done","response":{"id":"r","status":"completed","output":{}}}',
        '{"type":"response.output_item.done","response_id":"r","item":{"type":"function_call"}}',
        '{"type":"conversation.item.done"}',
        '{"type":"rate_limits.updated","rate_limits":3}',
        '{"type":"rate_limits.updated","rate_limits":[3]}',
    ],
)
def test_what_the_protocol_does_not_allow_is_a_protocol_error(data: str | bytes) -> None:
    """Bad JSON, wrong shapes and bad base64 are one kind of error."""
    with pytest.raises(ProtocolError):
        wire.decode(data)


def only_protocol_errors(data: str | bytes) -> None:
    with contextlib.suppress(ProtocolError):
        wire.decode(data)


@given(st.one_of(st.binary(), st.text()))
@example(b"\xef\xbb\xbf{}")
@example("9" * 5000)
@example('{"type":"session.created","session":{"expires_at":1e999}}')
def test_no_bytes_raise_anything_else(data: str | bytes) -> None:
    """The story of a broken peer: whatever bytes come, decoding returns an event or raises ProtocolError."""
    only_protocol_errors(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        "response_id",
        "item_id",
        "delta",
        "response",
        "session",
        "error",
        "audio_start_ms",
        "audio_end_ms",
        "rate_limits",
        "item",
        "usage",
    ]
)


@given(st.sampled_from(sorted(wire._READERS)), st.dictionaries(FIELDS, JSON))
def test_no_shape_raises_anything_else(kind: str, fields: dict[str, Any]) -> None:
    """The story of a confused peer: known names with any fields decode or raise ProtocolError."""
    only_protocol_errors(json.dumps({**fields, "type": kind}))


@given(st.binary())
def test_appended_audio_survives_the_wire(pcm: bytes) -> None:
    """The preformatted append is valid JSON and holds the audio."""
    command = json.loads(wire.append(pcm, "evt_1"))
    assert command.pop("audio") == base64.b64encode(pcm).decode()
    assert command == {"type": "input_audio_buffer.append", "event_id": "evt_1"}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            wire.session_update({"type": "realtime"}, "e"),
            {"type": "session.update", "event_id": "e", "session": {"type": "realtime"}},
        ),
        (
            wire.item_create_text('say "é"', "e"),
            {
                "type": "conversation.item.create",
                "event_id": "e",
                "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": 'say "é"'}]},
            },
        ),
        (
            wire.item_create_text("hi", "e", role="assistant"),
            {
                "type": "conversation.item.create",
                "event_id": "e",
                "item": {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]},
            },
        ),
        (
            wire.item_create_output("call_1", '{"ok":true}', "e"),
            {
                "type": "conversation.item.create",
                "event_id": "e",
                "item": {"type": "function_call_output", "call_id": "call_1", "output": '{"ok":true}'},
            },
        ),
        (wire.response_create("e"), {"type": "response.create", "event_id": "e"}),
        (
            wire.response_create("e", {"tool_choice": "none"}),
            {"type": "response.create", "event_id": "e", "response": {"tool_choice": "none"}},
        ),
        (
            wire.truncate(I, Ms(480), "e"),
            {
                "type": "conversation.item.truncate",
                "event_id": "e",
                "item_id": "i",
                "content_index": 0,
                "audio_end_ms": 480,
            },
        ),
        (wire.cancel(R, "e"), {"type": "response.cancel", "event_id": "e", "response_id": "r"}),
    ],
)
def test_commands_are_written_as_the_protocol_names_them(command: str, expected: dict[str, Any]) -> None:
    """Every command carries its type, our event id and its fields."""
    assert json.loads(command) == expected
