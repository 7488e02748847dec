"""Messages made ready: what is decoded, and what is refused before anything happens."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from speakerd.embedded.g711 import Decoder, coded
from speakerd.embedded.intake import LARGEST_APPEND_BYTES, Intake, decoded, taken_in
from speakerd.embedded.validate import Refusal
from tests.fakes.embedded import silence, sound

WIRE = {"type": "audio/pcm", "rate": 24_000}
SLICE = 256 * 1024


def sent(kind: str, **fields: Any) -> Intake:
    """Return what becomes of an event."""
    return taken_in(json.dumps({"type": kind, **fields}), WIRE, None)


def test_audio_comes_out_as_it_went_in() -> None:
    """However many pieces it is decoded in, it is whole."""
    for length in (0, 2, 4, SLICE * 3 // 4, SLICE * 3 // 4 + 2, SLICE * 3):
        pcm = bytes(range(256)) * (length // 256) + bytes(length % 256)
        assert decoded(base64.b64encode(pcm).decode(), "audio") == pcm


@pytest.mark.parametrize(
    "encoded",
    ["A", "AAA", "AA=A", "=", "====", "AAA=AAAA", "AA AA", "AAAA\n", "é", "A" * SLICE + "AAA", "AA==" * (SLICE // 2)],
)
def test_what_is_not_base64_is_refused(encoded: str) -> None:
    """Neither blanks nor padding in the middle nor a broken end pass, in the first piece or behind it."""
    with pytest.raises(Refusal, match="invalid base64") as caught:
        decoded(encoded, "p")
    assert (caught.value.code, caught.value.param) == ("invalid_value", "p")


def test_half_samples_are_refused() -> None:
    """Wire audio has two bytes a sample; G.711 has one."""
    with pytest.raises(Refusal, match="whole"):
        decoded("AA==", "audio")
    assert len(decoded("AA==", "audio", Decoder("audio/pcmu"))) == 6


def test_length_is_judged_before_anything_is_decoded() -> None:
    """15 MiB pass; one sample more is too long, whatever it holds."""
    most = base64.b64encode(bytes(LARGEST_APPEND_BYTES)).decode()
    assert len(sent("input_audio_buffer.append", audio=most).event["audio"]) == LARGEST_APPEND_BYTES
    refusal = sent("input_audio_buffer.append", audio="!" * (len(most) + 4)).refusal
    assert refusal is not None
    assert (refusal.code, refusal.param) == ("string_above_max_length", "audio")


def test_items_are_decoded_wherever_they_stand() -> None:
    """An item's audio and that of a response's input are wire audio afterwards; a bad one is named by its place."""
    good, bad = base64.b64encode(sound(20)).decode(), "!"

    def message(audio: str) -> dict[str, Any]:
        text = {"type": "input_text", "text": "x"}
        return {"type": "message", "role": "user", "content": [text, {"type": "input_audio", "audio": audio}]}

    created = sent("conversation.item.create", item=message(good)).event
    assert created["item"]["content"][1]["audio"] == sound(20)
    asked = sent("response.create", response={"input": [{"type": "item_reference", "id": "a"}, message(good)]}).event
    assert asked["response"]["input"][1]["content"][1]["audio"] == sound(20)
    refusal = sent("response.create", response={"input": [message(good), message(bad)]}, event_id="mine")
    assert refusal.refusal is not None
    assert (refusal.refusal.param, refusal.event_id) == ("response.input[1].content[1].audio", "mine")


def test_items_are_in_the_sessions_format() -> None:
    """Items bring the format that the session takes in."""
    telephone = {"type": "audio/pcma"}
    part = {"type": "input_audio", "audio": base64.b64encode(coded(silence(100), telephone)).decode()}
    item = {"type": "message", "role": "user", "content": [part]}
    raw = json.dumps({"type": "conversation.item.create", "item": item})
    assert len(taken_in(raw, telephone, None).event["item"]["content"][0]["audio"]) == len(silence(100))
