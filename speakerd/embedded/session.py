"""The session object: its defaults, and what an accepted ``session.update`` changes in it.

Pure. Checking an update stands in ``schema.py``; here it is known to be well formed.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from speakerd.embedded.validate import Refusal

SESSION_LIFE_S = 3600
"""Seconds a session may last (specified by OpenAI; Azure's documentation says half of it)."""

DEFAULT_INSTRUCTIONS = (
    "You are the embedded voice of speakerd. You run on this machine, without a network, and know little: "
    "time and date, arithmetic, units, some capitals. Say plainly what you cannot do."
)
"""What a session's instructions are until the client sets them."""

_SERVER_VAD: dict[str, Any] = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,  # what gpt-realtime really does; its documentation says 500
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}

_SEMANTIC_VAD: dict[str, Any] = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}

_SEMANTIC_SILENCE_MS = {"high": 400, "auto": 800, "medium": 800, "low": 1600}
"""Approximation of ``semantic_vad`` by silence alone: eagerness to milliseconds (guessed; nothing is understood)."""


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """What the turn detector needs to know of ``turn_detection``."""

    threshold: float = 0.5
    """Probability of speech from which on a frame counts as speech."""

    prefix_padding_ms: int = 300
    """Audio before the first speech that belongs to the turn."""

    silence_duration_ms: int = 200
    """Silence that ends the turn."""

    idle_timeout_ms: int | None = None
    """Silence after an answer that is a turn of its own; None: silence is nothing."""


def default_session(session_id: str, model: str, expires_at: int) -> dict[str, Any]:
    """Return the session object of a connection that has sent nothing yet.

    Args:
        session_id: The session's name.
        model: What the client asked for when it connected.
        expires_at: Unix time in seconds.
    """
    wire = {"type": "audio/pcm", "rate": 24_000}
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": model,
        "output_modalities": ["audio"],
        "instructions": DEFAULT_INSTRUCTIONS,
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": expires_at,
        "audio": {
            "input": {
                "format": dict(wire),
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": dict(_SERVER_VAD),
            },
            "output": {"format": dict(wire), "voice": "alloy", "speed": 1.0},
        },
        "include": None,
    }


def updated(session: dict[str, Any], change: dict[str, Any], *, spoken: bool) -> dict[str, Any]:
    """Return the session after an update; only the keys present in it change.

    Args:
        session: The session as it is; not touched.
        change: A well-formed ``session`` of a ``session.update``.
        spoken: Whether the assistant has already been heard, which fixes the voice.

    Raises:
        Refusal: the voice or the tracing can no longer change, or what is asked for does not go together.
    """
    if session["tracing"] is not None and change.get("tracing", session["tracing"]) != session["tracing"]:
        raise Refusal("invalid_value", "Cannot update tracing once it is enabled.", "session.tracing")
    fresh = copy.deepcopy(session)
    for key, value in change.items():
        if key == "audio":
            _update_input(fresh["audio"]["input"], value.get("input", {}))
            _update_output(fresh["audio"]["output"], value.get("output", {}), spoken=spoken)
        elif key not in ("type", "model"):  # the model is chosen when connecting and never changes
            fresh[key] = copy.deepcopy(value)
    check_modalities(fresh["output_modalities"], "session.output_modalities")
    check_tool_choice(fresh["tool_choice"], fresh["tools"], "session.tool_choice")
    return fresh


def check_tool_choice(choice: Any, tools: list[dict[str, Any]], path: str) -> None:
    """Raise ``Refusal`` when a function is chosen that is not declared."""
    if isinstance(choice, dict) and choice["name"] not in [tool["name"] for tool in tools]:
        raise Refusal("invalid_value", f"Tool choice '{choice['name']}' not found in 'tools' parameter.", path)


def check_modalities(modalities: list[str], path: str) -> None:
    """Raise ``Refusal`` unless exactly one of text and audio is asked for."""
    if len(modalities) != 1:
        sentence = f"Invalid modalities: {modalities}. Supported combinations are: ['text'] and ['audio']."
        raise Refusal("invalid_value", sentence, path)


def turn_settings(session: dict[str, Any]) -> TurnSettings | None:
    """Return how turns are detected, or None when the client commits by itself."""
    detection = session["audio"]["input"]["turn_detection"]
    if detection is None:
        return None
    if detection["type"] == "semantic_vad":
        return TurnSettings(silence_duration_ms=_SEMANTIC_SILENCE_MS[detection["eagerness"]])
    return TurnSettings(
        threshold=detection["threshold"],
        prefix_padding_ms=detection["prefix_padding_ms"],
        silence_duration_ms=detection["silence_duration_ms"],
        idle_timeout_ms=detection["idle_timeout_ms"],
    )


def whole_format(audio_format: dict[str, Any]) -> dict[str, Any]:
    """Return an audio format with its rate, where it has one."""
    return {**audio_format, "rate": 24_000} if audio_format["type"] == "audio/pcm" else dict(audio_format)


def _update_input(audio_input: dict[str, Any], change: dict[str, Any]) -> None:
    """Apply an update of ``audio.input`` in place."""
    for key, value in change.items():
        if key == "turn_detection" and value is not None:
            audio_input[key] = _turn_detection(audio_input[key], value)
        elif key == "format":
            audio_input[key] = whole_format(value)
        elif key == "transcription" and value is not None:
            audio_input[key] = {"model": None, "language": None, "prompt": None, **value}
        else:
            audio_input[key] = copy.deepcopy(value)


def _turn_detection(current: dict[str, Any] | None, change: dict[str, Any]) -> dict[str, Any]:
    """Return the turn detection after a change: of the same type the rest is kept, else it starts from its defaults."""
    if current is not None and current["type"] == change["type"]:
        return {**current, **change}
    return {**(_SERVER_VAD if change["type"] == "server_vad" else _SEMANTIC_VAD), **change}


def _update_output(audio_output: dict[str, Any], change: dict[str, Any], *, spoken: bool) -> None:
    """Apply an update of ``audio.output`` in place."""
    if spoken and change.get("voice", audio_output["voice"]) != audio_output["voice"]:
        sentence = "Cannot update a conversation's voice if assistant audio is present."
        raise Refusal("cannot_update_voice", sentence, "session.audio.output.voice")
    audio_output.update(copy.deepcopy(change))
    audio_output["format"] = whole_format(audio_output["format"])
