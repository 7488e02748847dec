"""Messages of clients that are JSON, and those that are not."""

from __future__ import annotations

import pytest

from speakerd.embedded.message import parse_message
from speakerd.embedded.validate import Refusal


def test_an_object_is_taken() -> None:
    """Text and bytes are read alike."""
    assert parse_message('{"type": "x", "n": [1, 2.5]}') == parse_message(b'{"n": [1, 2.5], "type": "x"}')


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("", "invalid_json"),
        ("{", "invalid_json"),
        (b"\xff\xfe", "invalid_json"),
        ('{"a": NaN}', "invalid_json"),
        ('{"a": -Infinity}', "invalid_json"),
        ('{"a": 1e999}', "invalid_json"),
        ('{"a": ' + "9" * 5000 + "}", "invalid_json"),
        ("[" * 100_000, "invalid_json"),
        ('{"a": ' + "[" * 500 + "]" * 500 + "}", "invalid_json"),
        ("[1]", "invalid_type"),
        ("null", "invalid_type"),
    ],
)
def test_anything_else_is_refused(raw: str | bytes, code: str) -> None:
    """What is no JSON object, or could not be sent back as one, is refused."""
    with pytest.raises(Refusal) as caught:
        parse_message(raw)
    assert caught.value.code == code
