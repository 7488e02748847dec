"""Nothing private survives, wherever it stands; what a reader needs does."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.doctor.redact import Redactor, is_secret_name, without_instructions, without_transcripts

GUID = "01234567-89ab-cdef-0123-456789abcdef"
TOKEN = "eyJ0eXAiOiJKV1QifQ.eyJvaWQiOiJhYmNkIn0.c2lnbmF0dXJl_-x"

PRIVATE = {
    "a token": (f"token {TOKEN} was refused", TOKEN),
    "a bearer": ("Authorization: Bearer abc.def", "abc.def"),
    "a key of OpenAI's": ("with sk-proj-abcDEF123456", "sk-proj-abcDEF123456"),
    "a key": ("key=3f7a9c0d1e2b4a5968778695a4b3c2d1", "3f7a9c0d1e2b4a5968778695a4b3c2d1"),
    "a long key": ("sent Ab3dEf6hIj9lMn2pQr5tUv8xYz1BcD4F here", "Ab3dEf6hIj9lMn2pQr5tUv8xYz1BcD4F"),
    "a key in PEM": ("-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----", "MIIabc"),
    "half a key in PEM": ("-----BEGIN PRIVATE KEY-----\nMIIabc", "MIIabc"),
    "an address": ("signed in as anna.meier@example.org today", "anna.meier"),
    "a guest": ("anna_example.org#EXT#@contoso.onmicrosoft.com", "anna_example"),
    "an id": (f"app {GUID}", GUID),
    "an id without dashes": (GUID.replace("-", ""), GUID.replace("-", "")),
    "a resource": ("wss://kitchen-east.openai.azure.com/openai/v1", "kitchen-east"),
    "another resource": ("https://Kitchen.cognitiveservices.azure.com", "Kitchen"),
    "a tenant": ("login.microsoftonline.com/contoso.onmicrosoft.com", "contoso"),
    "a home": ("/home/anna/models/x.onnx", "anna"),
    "a user in a URL": ("http://anna:pass@proxy:3128", "anna:pass"),
    "a variable": ("AZURE_OPENAI_API_KEY=hunter2", "hunter2"),
    "a unit's variable": ('Environment="API_SECRET=hunter2"', "hunter2"),
}


@pytest.mark.parametrize(("text", "secret"), PRIVATE.values(), ids=PRIVATE)
def test_what_looks_private_is_taken_out(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in Redactor({}).text(text)


def test_what_a_reader_needs_stays() -> None:
    text = (
        "link-http-403: the service (HTTP 403) plughw:CARD=Device,DEV=0 48000 Hz /var/lib/speakerd gpt-realtime v1.2.3"
    )
    assert Redactor({}).text(text) == text
    digest = "94a13cfe60075b132f6a472e7e462e8123ee70861bc3fb58434a73712ee0d2cb"
    assert digest not in Redactor({}).text(digest), "a digest looks like a key, and is no loss"


def test_the_same_word_is_the_same_mark() -> None:
    redactor = Redactor({"private": ["raspi-anna"]})
    first, second = redactor.text("raspi-anna RASPI-ANNA"), redactor.text(f"{GUID} raspi-anna {GUID}")
    assert first == "<private 1> <private 1>"
    assert second == "<id 2> <private 1> <id 2>"


def test_a_short_name_is_no_part_of_a_word() -> None:
    """And two letters are no name at all."""
    redactor = Redactor({"private": ["max", "pi"]})
    assert redactor.text("max_turns of max on a pi") == "max_turns of <private 1> on a pi"


def test_a_long_word_is_found_inside_others() -> None:
    assert "kitchen-hub" not in Redactor({"resource": ["kitchen-hub"]}).text("xkitchen-hubx KITCHEN-HUB.lan").lower()


def test_secrets_go_by_their_names() -> None:
    found = Redactor({}).data({"api_key": "a", "nested": [{"password": "b"}], "token_valid_for_s": 3, "count": 1})
    assert found == {
        "api_key": "<secret 1>",
        "nested": [{"password": "<secret 2>"}],
        "token_valid_for_s": 3,
        "count": 1,
    }
    assert not is_secret_name("certificate_file")


WORDS = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=8, max_size=20)


@given(secret=WORDS, around=st.lists(st.text(max_size=20), min_size=2, max_size=4), depth=st.integers(0, 3))
def test_a_known_secret_is_nowhere(secret: str, around: list[str], depth: int) -> None:
    """Whatever stands around it, however deep it lies, as a value or as a name."""
    value: object = secret.join(around)
    for level in range(depth):
        value = {f"x{secret}{level}": [value, 1, None, True]}
    text = json.dumps(Redactor({"secret": [secret]}).data(value), ensure_ascii=False)
    # A mark may happen to hold what was looked for: "<secret 1>".
    assert secret.casefold() not in text.replace("<secret", "").casefold()


def test_what_the_owner_wrote_is_only_counted() -> None:
    shown = without_instructions(
        {
            "assistant": {"instructions": "You know that Anna hides the key.", "voice": "marin"},
            "service": {"session": {"include": ["Anna"]}},
            "tools": {"mcp": [{"url": "http://anna"}]},
            "log": 1,
        }
    )
    assert "nna" not in str(shown)
    assert shown["assistant"] == {"instructions": "<33 characters>", "voice": "marin"}
    assert shown["service"]["session"] == "<1 fields: include>"
    assert shown["tools"]["mcp"] == "<1 servers>"
    assert without_instructions({"assistant": {"voice": "x"}}) == {"assistant": {"voice": "x"}}


def test_what_was_said_is_left_out_of_the_journal() -> None:
    journal = "t speakerd[1]: listening\nt speakerd[1]: user: my\n      secret\nt speakerd[1]: done\n      so\n"
    kept = "t speakerd[1]: listening\nt speakerd[1]: done\n      so\n"
    assert without_transcripts(journal) == f"{kept}<2 lines with what was said are left out>\n"
    assert without_transcripts("a\n") == "a\n"
