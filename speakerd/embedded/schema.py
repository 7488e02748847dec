"""Which fields a client may send, as the GA Realtime API names them.

Tables only; how a table is applied stands in ``validate.py``. What a client would miss here is
refused by name: MCP tools, images, transcription sessions, stored prompts. What is accepted and changes nothing:

- ``include`` of log probabilities: the events leave them out, as the service's do with a model that has none;
- ``reasoning``: nothing here reasons, so no effort is more or less;
- ``parallel_tool_calls``: a response here never calls more than one function, which either value allows;
- ``tracing`` and ``noise_reduction``: there is nowhere to send a trace to, and sound is taken as it comes;
- all of ``transcription`` but whether there is one, and which of the voices: there is one pair of ears and one voice.

Source: the GA session object, its client events and the refusals recorded from OpenAI and Azure.
"""

from __future__ import annotations

from speakerd.embedded.validate import (
    Check,
    absent_here,
    anything,
    array,
    boolean,
    function_name,
    integer,
    mapping,
    nullable,
    number,
    one_of,
    pairs,
    shape,
    short_text,
    tagged,
    text,
    when,
)

VOICES = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")
"""The service's voices (specified). Here all of them sound alike: one voice comes in the package."""

EAGERNESS = ("low", "medium", "high", "auto")
"""How soon ``semantic_vad`` takes the turn (specified)."""

_G711 = shape({"type": text}, "type")
_FORMAT = tagged(
    {
        "audio/pcm": shape({"type": text, "rate": integer(24_000, 24_000)}, "type"),
        "audio/pcmu": _G711,
        "audio/pcma": _G711,
    }
)
_MAX_TOKENS = when(str, one_of("inf"), integer(1, 4096))
_MODALITIES = array(one_of("text", "audio"))
_VOICE = when(str, one_of(*VOICES), shape({"id": text}, "id"))
_TOOL = tagged(
    {
        "function": shape(
            {"type": text, "name": function_name, "description": text, "parameters": mapping}, "type", "name"
        ),
    }
)
_TOOL_CHOICE = when(
    str,
    one_of("none", "auto", "required"),
    tagged({"function": shape({"type": text, "name": text}, "type", "name")}),
)
_PROMPT = nullable(absent_here(shape({"id": text, "version": nullable(text), "variables": nullable(mapping)}, "id")))
_LIMITS = nullable(shape({"post_instructions": nullable(integer(1, 1_000_000))}))
_METADATA = nullable(pairs(16, 64, 512))
_REASONING = nullable(shape({"effort": nullable(one_of("minimal", "low", "medium", "high", "xhigh"))}))

_TURN_DETECTION = nullable(
    tagged(
        {
            "server_vad": shape(
                {
                    "type": text,
                    "threshold": number(0.0, 1.0),
                    "prefix_padding_ms": integer(0, 10_000),
                    "silence_duration_ms": integer(0, 10_000),
                    "create_response": boolean,
                    "interrupt_response": boolean,
                    "idle_timeout_ms": nullable(integer(5_000, 30_000)),
                },
                "type",
            ),
            "semantic_vad": shape(
                {
                    "type": text,
                    "eagerness": one_of(*EAGERNESS),
                    "create_response": boolean,
                    "interrupt_response": boolean,
                },
                "type",
            ),
        }
    )
)

_TRANSCRIPTION = nullable(
    shape(
        {
            "model": text,
            "language": nullable(text),
            "prompt": nullable(text),
            "languages": nullable(array(text)),
            "keywords": nullable(array(text)),
            "delay": nullable(one_of("minimal", "low", "medium", "high", "xhigh")),
        },
    )
)

_AUDIO_INPUT = shape(
    {
        "format": _FORMAT,
        "noise_reduction": nullable(
            shape({"type": one_of("near_field", "far_field"), "strength": number(0.0, 1.0)}, "type")
        ),
        "transcription": _TRANSCRIPTION,
        "turn_detection": _TURN_DETECTION,
    }
)
_AUDIO_OUTPUT = shape({"format": _FORMAT, "voice": _VOICE, "speed": number(0.25, 1.5)})

_SESSION = shape(
    {
        "type": one_of("realtime"),
        "model": text,
        "instructions": text,
        "output_modalities": _MODALITIES,
        "audio": shape({"input": _AUDIO_INPUT, "output": _AUDIO_OUTPUT}),
        "tools": array(_TOOL),
        "tool_choice": _TOOL_CHOICE,
        "parallel_tool_calls": boolean,
        "max_output_tokens": _MAX_TOKENS,
        "truncation": when(
            str,
            one_of("auto", "disabled"),
            tagged(
                {
                    "retention_ratio": shape(
                        {"type": text, "retention_ratio": number(0.0, 1.0), "token_limits": _LIMITS},
                        "type",
                        "retention_ratio",
                    )
                }
            ),
        ),
        "tracing": nullable(
            when(str, one_of("auto"), shape({"workflow_name": text, "group_id": text, "metadata": anything}))
        ),
        "include": nullable(array(one_of("item.input_audio_transcription.logprobs"))),
        "prompt": _PROMPT,
        "reasoning": _REASONING,
    },
    "type",
)

_ITEM_ID = short_text(32)

_INPUT_CONTENT = tagged(
    {
        "input_text": shape({"type": text, "text": text}, "type", "text"),
        "input_audio": shape({"type": text, "audio": text, "transcript": nullable(text)}, "type", "audio"),
    }
)
_TEXT_CONTENT = tagged({"input_text": shape({"type": text, "text": text}, "type", "text")})
_OUTPUT_CONTENT = tagged({"output_text": shape({"type": text, "text": text}, "type", "text")})


def _message(content: Check) -> Check:
    return shape(
        {
            "id": _ITEM_ID,
            "object": one_of("realtime.item"),
            "type": text,
            "status": one_of("completed", "incomplete", "in_progress"),
            "role": text,
            "content": array(content),
        },
        "type",
        "role",
        "content",
    )


_ITEM_EXTRAS: dict[str, Check] = {
    "id": _ITEM_ID,
    "object": one_of("realtime.item"),
    "type": text,
    "status": one_of("completed", "incomplete", "in_progress"),
}

ITEM = tagged(
    {
        "message": tagged(
            {
                "user": _message(_INPUT_CONTENT),
                "system": _message(_TEXT_CONTENT),
                "assistant": _message(_OUTPUT_CONTENT),
            },
            tag="role",
        ),
        "function_call": shape(
            {**_ITEM_EXTRAS, "name": text, "call_id": text, "arguments": text}, "type", "name", "arguments"
        ),
        "function_call_output": shape({**_ITEM_EXTRAS, "call_id": text, "output": text}, "type", "call_id", "output"),
        "item_reference": shape({"type": text, "id": text}, "type", "id"),
    }
)
"""A conversation item as a client may send it."""

_RESPONSE = shape(
    {
        "audio": shape({"output": shape({"format": _FORMAT, "voice": _VOICE})}),
        "conversation": one_of("auto", "none"),
        "input": array(ITEM),
        "instructions": text,
        "max_output_tokens": _MAX_TOKENS,
        "metadata": _METADATA,
        "output_modalities": _MODALITIES,
        "parallel_tool_calls": boolean,
        "prompt": _PROMPT,
        "reasoning": _REASONING,
        "tool_choice": _TOOL_CHOICE,
        "tools": array(_TOOL),
    }
)


def _event(*required: str, **fields: Check) -> Check:
    return shape({"type": text, "event_id": text, **fields}, *required)


_LONGEST_MS = 24 * 3600 * 1000
_INDEX = integer(0, 1_000_000)

CLIENT_EVENT = tagged(
    {
        "session.update": _event("session", session=_SESSION),
        "input_audio_buffer.append": _event("audio", audio=text),
        "input_audio_buffer.commit": _event(),
        "input_audio_buffer.clear": _event(),
        "conversation.item.create": _event("item", item=ITEM, previous_item_id=nullable(text)),
        "conversation.item.delete": _event("item_id", item_id=text),
        "conversation.item.retrieve": _event("item_id", item_id=text),
        "conversation.item.truncate": _event(
            "item_id",
            "content_index",
            "audio_end_ms",
            item_id=text,
            content_index=_INDEX,
            audio_end_ms=integer(0, _LONGEST_MS),
        ),
        "response.create": _event(response=nullable(_RESPONSE)),
        "response.cancel": _event(response_id=text),
    }
)
"""Every event a client may send."""
