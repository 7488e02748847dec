"""The Realtime protocol's words: JSON text into typed events, commands into JSON text.

Pure. What an event means in a conversation is no matter of this module: that is ``session.py``. Preview names of
events map to the same types as today's. What we do not use decodes to ``Unknown`` with its type; unknown fields are
ignored, so Azure's duplicate ``content`` beside ``part`` and whatever comes next year do no harm.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any

from speakerd.core.errors import ProtocolError
from speakerd.core.units import ItemId, Ms, ResponseId
from speakerd.realtime.server_events import (
    AudioDelta,
    AudioDone,
    CallOutputTaken,
    Committed,
    FunctionCall,
    RateLimits,
    ResponseCreated,
    ResponseDone,
    ServerEvent,
    ServiceError,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    TextDone,
    TranscriptDelta,
    TranscriptDone,
    Truncated,
    Unknown,
    UserTranscript,
    UserTranscriptFailed,
)
from speakerd.realtime.usage import TranscriptionUsage, Usage

Json = dict[str, Any]
"""An object of the wire. Any: JSON is the one place where types end."""

_BEYOND_USE = 2**53
"""From here on JSON's numbers are not whole ones (specified); times and counts stay far below."""


def decode(data: str | bytes) -> ServerEvent:
    """Read one event of the service.

    Raises:
        ProtocolError: it is not JSON, not an object with a type, or an event we use lacks what it must have.
    """
    try:
        event = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"the service sent something that is not JSON: {type(error).__name__}") from error
    if not isinstance(event, dict):
        raise ProtocolError(f"the service sent a JSON {type(event).__name__} where an event belongs")
    kind = _text(event, "type")
    reader = _READERS.get(kind)
    return Unknown(kind) if reader is None else reader(event)


def append(pcm: bytes, event_id: str) -> str:
    """Write ``input_audio_buffer.append`` for wire audio; preformatted, since it is sent up to fifty times a second."""
    audio = binascii.b2a_base64(pcm, newline=False).decode("ascii")
    return f'{{"type":"input_audio_buffer.append","event_id":"{event_id}","audio":"{audio}"}}'


def session_update(session: Mapping[str, object], event_id: str) -> str:
    """Write ``session.update``."""
    return _command("session.update", event_id, session=session)


def item_create_text(text: str, event_id: str, role: str = "user") -> str:
    """Write ``conversation.item.create`` for a typed message, or for an earlier reply."""
    kind = "output_text" if role == "assistant" else "input_text"
    item = {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}
    return _command("conversation.item.create", event_id, item=item)


def item_create_output(call_id: str, output: str, event_id: str) -> str:
    """Write ``conversation.item.create`` for the result of a function call."""
    item = {"type": "function_call_output", "call_id": call_id, "output": output}
    return _command("conversation.item.create", event_id, item=item)


def response_create(event_id: str, wish: Mapping[str, object] | None = None) -> str:
    """Write ``response.create``, with what is to be different in this response."""
    return _command("response.create", event_id, **({} if wish is None else {"response": wish}))


def truncate(item_id: ItemId, audio_end_ms: Ms, event_id: str) -> str:
    """Write ``conversation.item.truncate``; a reply's sound is always its first content."""
    return _command(
        "conversation.item.truncate", event_id, item_id=item_id, content_index=0, audio_end_ms=int(audio_end_ms)
    )


def cancel(response_id: ResponseId, event_id: str) -> str:
    """Write ``response.cancel``, always with the response's name: without it, it could hit the next one."""
    return _command("response.cancel", event_id, response_id=response_id)


def _command(kind: str, event_id: str, **fields: object) -> str:
    return json.dumps({"type": kind, "event_id": event_id, **fields}, separators=(",", ":"))


# Reading single fields. Every helper raises ProtocolError and nothing else.


def _wrong(field: str, wanted: str, value: object) -> ProtocolError:
    return ProtocolError(f"the service sent {field!r} as {type(value).__name__}, not as {wanted}")


def _object(parent: Json, field: str) -> Json:
    value = parent.get(field)
    if not isinstance(value, dict):
        raise _wrong(field, "an object", value)
    return value


def _optional_object(parent: Json, field: str) -> Json:
    return {} if parent.get(field) is None else _object(parent, field)


def _objects(parent: Json, field: str) -> list[Json]:
    value = parent.get(field)
    if not isinstance(value, list) or not all(isinstance(element, dict) for element in value):
        raise _wrong(field, "a list of objects", value)
    return value


def _text(parent: Json, field: str) -> str:
    value = parent.get(field)
    if not isinstance(value, str):
        raise _wrong(field, "text", value)
    # JSON can name half a surrogate pair; such text could not be printed or logged.
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def _optional_text(parent: Json, field: str) -> str | None:
    return None if parent.get(field) is None else _text(parent, field)


def _number(parent: Json, field: str) -> float:
    value = parent.get(field)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong(field, "a number", value)
    if not -_BEYOND_USE < value < _BEYOND_USE:  # NaN too is not between
        raise ProtocolError(f"the service sent {field!r} as a number beyond use")
    return value


def _whole(parent: Json, field: str) -> int:
    return int(_number(parent, field))


def _count(parent: Json, field: str) -> int:
    return 0 if parent.get(field) is None else _whole(parent, field)


def _item(event: Json) -> ItemId:
    return ItemId(_text(event, "item_id"))


def _response(event: Json) -> ResponseId:
    return ResponseId(_text(event, "response_id"))


def _audio(event: Json) -> bytes:
    try:
        return binascii.a2b_base64(_text(event, "delta"), strict_mode=True)
    except ValueError as error:  # binascii.Error, and text beyond ASCII
        raise ProtocolError("the service sent audio that is not base64") from error


# Reading whole events.


def _session_fields(event: Json) -> tuple[str | None, int | None]:
    session = _object(event, "session")
    expires_at = None if session.get("expires_at") is None else _whole(session, "expires_at")
    return _optional_text(session, "id"), expires_at


def _service_error(event: Json) -> ServiceError:
    error = _object(event, "error")
    return ServiceError(
        code=_optional_text(error, "code"),
        message=_optional_text(error, "message") or "",
        param=_optional_text(error, "param"),
        event_id=_optional_text(error, "event_id"),
    )


def _output_item_done(event: Json) -> ServerEvent:
    """Read a function call from the only event that says whether it is whole.

    ``response.function_call_arguments.done`` comes a moment earlier, but also for a call that was broken off.
    """
    return _call(_object(event, "item"), _response(event)) or Unknown("response.output_item.done")


def _call(item: Json, response_id: ResponseId) -> FunctionCall | None:
    if item.get("type") != "function_call" or item.get("status", "completed") != "completed":
        return None
    return FunctionCall(response_id, _text(item, "call_id"), _text(item, "name"), _text(item, "arguments"))


def _item_done(event: Json) -> ServerEvent:
    item = _object(event, "item")
    if item.get("type") != "function_call_output":
        return Unknown("conversation.item.done")
    return CallOutputTaken(_text(item, "call_id"))


def _response_done(event: Json) -> ResponseDone:
    response = _object(event, "response")
    response_id = ResponseId(_text(response, "id"))
    items = _objects(response, "output") if response.get("output") is not None else []
    calls = (_call(item, response_id) for item in items)
    details = _optional_object(response, "status_details")
    error = _optional_object(details, "error")
    return ResponseDone(
        response_id=response_id,
        status=_text(response, "status"),
        reason=_optional_text(details, "reason"),
        code=_optional_text(error, "code") or _optional_text(error, "type"),
        message=_optional_text(error, "message"),
        usage=None if response.get("usage") is None else _usage(_object(response, "usage")),
        calls=tuple(call for call in calls if call is not None),
    )


def _usage(usage: Json) -> Usage:
    read, written = _optional_object(usage, "input_token_details"), _optional_object(usage, "output_token_details")
    cached = _optional_object(read, "cached_tokens_details")
    return Usage(
        text_in=_count(read, "text_tokens"),
        audio_in=_count(read, "audio_tokens"),
        cached_text_in=_count(cached, "text_tokens"),
        cached_audio_in=_count(cached, "audio_tokens"),
        text_out=_count(written, "text_tokens"),
        audio_out=_count(written, "audio_tokens"),
    )


def _user_transcript(event: Json) -> UserTranscript:
    usage = event.get("usage")
    return UserTranscript(
        _item(event),
        _text(event, "transcript"),
        None if usage is None else _transcription_usage(_object(event, "usage")),
    )


def _transcription_usage(usage: Json) -> TranscriptionUsage:
    read = _optional_object(usage, "input_token_details")
    return TranscriptionUsage(
        seconds=0.0 if usage.get("seconds") is None else _number(usage, "seconds"),
        text_in=_count(read, "text_tokens"),
        audio_in=_count(read, "audio_tokens"),
        text_out=_count(usage, "output_tokens"),
    )


def _rate_limits(event: Json) -> RateLimits:
    return RateLimits({_text(limit, "name"): _number(limit, "remaining") for limit in _objects(event, "rate_limits")})


_READERS: dict[str, Callable[[Json], ServerEvent]] = {
    "session.created": lambda event: SessionCreated(*_session_fields(event)),
    "session.updated": lambda event: SessionUpdated(*_session_fields(event)),
    "error": _service_error,
    "input_audio_buffer.speech_started": lambda event: SpeechStarted(_item(event), Ms(_whole(event, "audio_start_ms"))),
    "input_audio_buffer.speech_stopped": lambda event: SpeechStopped(_item(event), Ms(_whole(event, "audio_end_ms"))),
    "input_audio_buffer.committed": lambda event: Committed(_item(event)),
    "response.created": lambda event: ResponseCreated(ResponseId(_text(_object(event, "response"), "id"))),
    "response.output_item.done": _output_item_done,
    "conversation.item.done": _item_done,
    "response.done": _response_done,
    "response.output_audio.delta": lambda event: AudioDelta(_response(event), _item(event), _audio(event)),
    "response.output_audio.done": lambda event: AudioDone(_response(event), _item(event)),
    "response.output_audio_transcript.delta": lambda event: TranscriptDelta(
        _response(event), _item(event), _text(event, "delta")
    ),
    "response.output_audio_transcript.done": lambda event: TranscriptDone(
        _response(event), _item(event), _text(event, "transcript")
    ),
    "response.output_text.delta": lambda event: TextDelta(_response(event), _item(event), _text(event, "delta")),
    "response.output_text.done": lambda event: TextDone(_response(event), _item(event), _text(event, "text")),
    "conversation.item.input_audio_transcription.completed": _user_transcript,
    "conversation.item.input_audio_transcription.failed": lambda event: UserTranscriptFailed(
        _item(event), _optional_text(_optional_object(event, "error"), "code")
    ),
    "conversation.item.truncated": lambda event: Truncated(_item(event), Ms(_whole(event, "audio_end_ms"))),
    "rate_limits.updated": _rate_limits,
}
"""How each event we use is read, by its name today."""

_PREVIEW_NAMES = {
    "response.audio.": "response.output_audio.",
    "response.audio_transcript.": "response.output_audio_transcript.",
    "response.text.": "response.output_text.",
}
"""The names of the retired preview service, for servers that still speak it."""

_READERS |= {
    preview + suffix: _READERS[today + suffix]
    for preview, today in _PREVIEW_NAMES.items()
    for suffix in ("delta", "done")
}
