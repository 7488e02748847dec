"""Is this server event one the openai SDK knows, field by field?

The SDK's own models are lenient: unknown fields pass, and so do unknown types. Here nothing is coerced, and what the
models do not declare fails unless the real service is known to send it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

from openai.types.realtime import realtime_server_event
from pydantic import BaseModel, TypeAdapter

_UNION = get_args(realtime_server_event.RealtimeServerEvent)[0]
_ADAPTER: TypeAdapter[Any] = TypeAdapter(_UNION)

_NEVER_HERE = {
    "conversation.created",
    "conversation.item.created",
    "input_audio_buffer.dtmf_event_received",
    "output_audio_buffer.started",
    "output_audio_buffer.stopped",
    "output_audio_buffer.cleared",
}
"""In the union, but the service does not send them over a WebSocket: the beta's, the telephone's and WebRTC's."""

KNOWN_TYPES = frozenset(get_args(model.model_fields["type"].annotation)[0] for model in get_args(_UNION)) - _NEVER_HERE
"""Every event type that may come."""

_BEYOND_THE_TYPES: dict[str, set[str]] = {
    # The session's name, kind and end: in every recording of the service, in no type of the SDK.
    "session.created": {"session.id", "session.object", "session.expires_at"},
    "session.updated": {"session.id", "session.object", "session.expires_at"},
    # Padding that hides a delta's length.
    "response.output_audio_transcript.delta": {"obfuscation"},
    "response.output_text.delta": {"obfuscation"},
    "response.function_call_arguments.delta": {"obfuscation"},
    "conversation.item.input_audio_transcription.delta": {"obfuscation"},
}
"""What recordings of the real service hold and the SDK's types do not declare."""

_BEYOND_THE_TYPES_ON_AZURE: dict[str, set[str]] = {
    # Azure says the part twice, under its old name as well.
    "response.content_part.added": {"content"},
    "response.content_part.done": {"content"},
}


def check(raw: str | bytes, *, azure: bool = False) -> dict[str, Any]:
    """Return the event in a message.

    Args:
        raw: The message.
        azure: Whether Azure's dialect is spoken.

    Raises:
        AssertionError: it is of a type the service does not send, or has a field the SDK does not know.
        ValidationError: a field is missing or not what the SDK says.
    """
    event: dict[str, Any] = json.loads(raw)
    kind = event["type"]
    assert kind in KNOWN_TYPES, f"the SDK knows no {kind}, or the service does not send it here"
    assert event["event_id"].startswith("event_"), event
    model = _ADAPTER.validate_json(raw, strict=True)
    assert model.type == kind
    allowed = _BEYOND_THE_TYPES.get(kind, set()) | (_BEYOND_THE_TYPES_ON_AZURE.get(kind, set()) if azure else set())
    undeclared = set(_undeclared(model, "")) - allowed
    assert not undeclared, f"{kind} has fields that the SDK does not declare: {sorted(undeclared)}"
    return event


def _undeclared(value: Any, path: str) -> Iterator[str]:
    """Yield the path of every field, at any depth, that its model does not declare."""
    if isinstance(value, BaseModel):
        yield from (f"{path}{name}" for name in value.model_extra or ())
        for name in type(value).model_fields:
            yield from _undeclared(getattr(value, name), f"{path}{name}.")
    elif isinstance(value, list):
        for element in value:
            yield from _undeclared(element, path)
