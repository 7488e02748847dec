"""A client's message made ready: taken apart, checked, its audio decoded. Pure; heavy when the message is long.

What an accepted event does stands in ``conversation.py``. All of this may be done in a thread beside the session's
loop, so that one client's long message does not hold up the others.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from speakerd.embedded.g711 import Decoder, decoder_for
from speakerd.embedded.message import parse_message
from speakerd.embedded.schema import CLIENT_EVENT
from speakerd.embedded.validate import Refusal

LARGEST_APPEND_BYTES = 15 * 1024 * 1024
"""Audio that one append may carry (specified)."""

_LARGEST_APPEND_CHARACTERS = -(-LARGEST_APPEND_BYTES // 3) * 4
"""The same in base64."""

_SLICE_CHARACTERS = 256 * 1024
"""Base64 decoded at a time: half a millisecond (measured), in which no other thread can run. A multiple of four."""


@dataclass(frozen=True, slots=True)
class Intake:
    """One message of a client."""

    event: dict[str, Any]
    """What it says; wherever there was audio stands wire audio. Empty when it is refused."""

    event_id: str | None = None
    """The name the client gave it, as far as it could be read."""

    refusal: Refusal | None = None
    """Why it is not accepted."""


def taken_in(raw: str | bytes, audio_format: dict[str, Any], decoder: Decoder | None) -> Intake:
    """Return a message ready to be acted upon. Thread: any.

    Args:
        raw: The message.
        audio_format: What audio the session takes in.
        decoder: Of the session's stream of appended audio; None: it is wire audio.
    """
    event_id: str | None = None
    try:
        event = parse_message(raw)
        candidate = event.get("event_id")
        event_id = candidate if isinstance(candidate, str) else None
        CLIENT_EVENT(event, "")
        if event["type"] == "input_audio_buffer.append":
            _check_length(event["audio"])
            event["audio"] = decoded(event["audio"], "audio", decoder)
        for part, path in _spoken_parts(event):
            part["audio"] = decoded(part["audio"], path, decoder_for(audio_format))
    except Refusal as refusal:
        return Intake({}, event_id, refusal)
    return Intake(event, event_id)


def decoded(encoded: str, path: str, decoder: Decoder | None = None) -> bytes:
    """Return the wire audio in a base64 string.

    Args:
        encoded: What the client sent.
        path: Where it stands.
        decoder: What makes wire audio of its format; None: it is wire audio.

    Raises:
        Refusal: it is not base64, or does not hold whole samples.
    """
    try:
        coded = b"".join(_slices(encoded))
    except ValueError:  # binascii.Error is one
        sentence = f"Invalid '{path}': expected base64-encoded audio bytes, but got invalid base64."
        raise Refusal("invalid_value", sentence, path) from None
    if decoder is not None:
        return decoder.decode(coded)
    if len(coded) % 2:
        sentence = f"Invalid '{path}': expected whole 16-bit samples, but got {len(coded)} bytes."
        raise Refusal("invalid_value", sentence, path)
    return coded


def _slices(encoded: str) -> Iterator[bytes]:
    """Decode base64 piece by piece; only the last one may be padded."""
    for at in range(0, len(encoded), _SLICE_CHARACTERS):
        piece = encoded[at : at + _SLICE_CHARACTERS]
        if "=" in piece and at + _SLICE_CHARACTERS < len(encoded):
            raise ValueError("padding in the middle")
        yield binascii.a2b_base64(piece, strict_mode=True)


def _check_length(encoded: str) -> None:
    """Raise ``Refusal`` when an append is too long, without a look at what is in it."""
    if len(encoded) > _LARGEST_APPEND_CHARACTERS:
        sentence = f"Invalid 'audio': at most {LARGEST_APPEND_BYTES} bytes of audio may be appended at once."
        raise Refusal("string_above_max_length", sentence, "audio")


def _spoken_parts(event: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Return the parts with audio of every item in a well-formed event, and where their audio stands."""
    items = [(event["item"], "item")] if "item" in event else []
    items += [(item, f"response.input[{n}]") for n, item in enumerate((event.get("response") or {}).get("input", ()))]
    for item, path in items:
        for index, part in enumerate(item.get("content", ())):
            if part["type"] == "input_audio":
                yield part, f"{path}.content[{index}].audio"
