"""What is wrong with a configuration, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.core.settings import Settings
from speakerd.core.settings_check import AZURE_CLI_CLIENT, MAX_FINDINGS, dotted, inspect


def complaints(tree: dict[str, Any], *, credentials: Sequence[str] = ()) -> list[str]:
    """Write the findings as ``key: message``."""
    findings = inspect(tree, credentials=credentials)[1]
    return [f"{dotted(finding.path)}: {finding.message}" for finding in findings]


AZURE = {"provider": "azure", "endpoint": "https://kitchen.openai.azure.com"}
THRESHOLD = "a number above 0 and up to 1, or sensitive (0.35), normal (0.5) or strict (0.7)"
APP = {"tenant": "example.onmicrosoft.com", "client": "01234567-89ab-cdef-0123-456789abcdef"}
CERTIFICATE = {"method": "certificate", "certificate_file": "/etc/speakerd/cert.pem", **APP}
KEY = {"method": "api_key", "api_key_file": "/etc/speakerd/key"}


@pytest.mark.parametrize(
    "tree",
    [
        {},
        {"assistant": None},
        {"audio": {"capture": None}},
        {"service": AZURE, "auth": KEY},
        {"service": {"provider": "openai"}, "auth": KEY},
        {"service": AZURE, "auth": CERTIFICATE},
        {"service": AZURE, "auth": {"method": "device_code"} | APP},
        {"service": AZURE, "auth": {"method": "device_code", "client": APP["client"]}},
        {"service": AZURE, "auth": {"method": "managed_identity"}},
        {"service": AZURE, "auth": {"method": "azure_cli", "scope": "https://cognitiveservices.azure.us/.default"}},
        {"service": AZURE, "auth": {"method": "default"}},
        {"service": {"endpoint": "ws://127.0.0.1:8080"}},
        {"service": {"endpoint": "ws://[::1]:8080/v1?model=x"}},
        {"service": {"session": {"audio": {"input": {"noise_reduction": None}}, "tracing": "auto"}}},
        {"service": {"session": {"audio": "odd"}}},
        {"budget": {"daily_usd": None, "prices": {"kitchen": {}, "den": {"audio_in": None, "text_in": 0}}}},
    ],
)
def test_what_is_right_is_not_complained_about(tree: dict[str, Any]) -> None:
    """Empty sections, every provider and extra session fields are fine."""
    assert complaints(tree) == []


def test_everything_wrong_is_said_at_once() -> None:
    """Neither a wrong type nor an unknown key hides the others, nor what does not go together."""
    tree = {
        "assistant": {"speed": 3, "voice": 12},
        "wake": {"models": ["hey_jarvis", 3], "threshold": "loud"},
        "surprise": 1,
        "service": {"provider": "openai"},
    }
    assert complaints(tree) == [
        "assistant.voice: is the number 12, allowed: text, in quotes if it looks like a number",
        "assistant.speed: is the number 3, allowed: a number from 0.25 to 1.5",
        "wake.models[1]: is the number 3, allowed: text, in quotes if it looks like a number",
        f"wake.threshold: is the text 'loud', allowed: {THRESHOLD}",
        f"surprise: is not a key here, allowed: {', '.join(Settings.model_fields)}",
        "auth.method: openai knows no other sign-in than api_key, with the key in auth.api_key_file",
    ]


def test_what_is_wrong_is_not_called_missing_as_well() -> None:
    """One complaint for one mistake."""
    (said,) = complaints({"service": AZURE, "auth": {"method": "api_key", "api_key_file": "relative.key"}})
    assert said.startswith("auth.api_key_file: has a wrong value")


def test_what_is_right_is_kept_beside_what_is_wrong() -> None:
    """A wrong value is replaced by its default, and the rest stands."""
    settings, findings = inspect({"assistant": {"speed": 9, "voice": "cedar"}})
    assert len(findings) == 1
    assert (settings.assistant.speed, settings.assistant.voice) == (1.0, "cedar")


@pytest.mark.parametrize(
    ("tree", "hint"),
    [
        ({"assistent": {}}, "did you mean assistant?"),
        ({"assistant": {"Voice": "x"}}, "did you mean voice?"),
        ({"silence_duration_ms": 1}, "did you mean silence_duration_ms under turn_detection?"),
        ({"assistant.voice": "x"}, "did you mean voice under assistant?"),
        ({"assistant": {"audio": {}}}, "did you mean audio under the top?"),
        ({"wake": {"silence_duration": 1}}, "did you mean turn_detection.silence_duration_ms?"),
        ({"log": {"xyzzy": 1}}, "allowed: transcripts"),
        ({"budget": {"prices": {"kitchen": {"audioin": 1}}}}, "did you mean audio_in?"),
    ],
)
def test_an_unknown_key_gets_a_guess(tree: dict[str, Any], hint: str) -> None:
    """A misspelt or misplaced key is answered with the one that was meant."""
    (complaint,) = complaints(tree)
    assert complaint.endswith(f": is not a key here, {hint}")


@pytest.mark.parametrize(
    ("tree", "complaint"),
    [
        ({"turn_detection": {"type": "Server-VAD"}}, "server_vad or semantic_vad, did you mean server_vad?"),
        ({"audio": {"echo_cancellation": False}}, "is false, allowed: auto, on or off"),
        ({"audio": {"earcons": "maybe"}}, "is the text 'maybe', allowed: true or false"),
        ({"assistant": {"voice": ""}}, "is empty, allowed: text, in quotes if it looks like a number"),
        ({"assistant": {"instructions": ["a"]}}, "is a list, allowed: text, in quotes if it looks like a number"),
        ({"audio": {"playback": {"volume": 101}}}, "is the number 101, allowed: a whole number from 0 to 100 or null"),
        ({"audio": {"playback": 7}}, "is the number 7, allowed: a mapping of keys"),
        ({"wake": {"models": []}}, "is a list, allowed: a list of 1 to 8"),
        ({"turn_detection": {"silence_duration_ms": {}}}, "is a mapping, allowed: a whole number from 0 to 10000"),
        ({"service": {"transcription": 3}}, "allowed: text, in quotes if it looks like a number or null"),
        ({"budget": {"daily_usd": 0}}, "is the number 0, allowed: a number from 0.01 to 10000 or null"),
        (
            {"budget": {"prices": {"a.b": {"audio_in": -1}}}},
            "a.b.audio_in: is the number -1, allowed: a number from 0 to 10000 or null",
        ),
        ({"budget": {"prices": {"kitchen": 3}}}, "prices.kitchen: is the number 3, allowed: a mapping of keys"),
    ],
)
def test_a_wrong_value_is_answered_with_what_is_allowed(tree: dict[str, Any], complaint: str) -> None:
    """Range, words and type stand in the complaint."""
    (said,) = complaints(tree)
    assert said.endswith(complaint)


@pytest.mark.parametrize(
    ("tree", "name"),
    [
        ({"offline": {"fallback": "embedded"}}, "offline"),
        ({"tools": {"timers": True}}, "tools"),
        ({"hardware": None}, "hardware"),
    ],
)
def test_a_planned_key_is_called_planned(tree: dict[str, Any], name: str) -> None:
    """A key of the contract whose capability is still to come is refused with the truth."""
    assert complaints(tree) == [f"{name}: is planned but not in this version, take it out"]


@pytest.mark.parametrize(
    ("tree", "complaint"),
    [
        ({"service": {"provider": "azure"}, "auth": KEY}, "service.endpoint: is empty, azure needs https://NAME"),
        ({"service": AZURE}, "auth.method: azure needs a sign-in, allowed: device_code, managed_identity, certificate"),
        (
            {"service": {"provider": "openai"}, "auth": {"method": "azure_cli"}},
            "auth.method: openai knows no other sign-in than api_key",
        ),
        (
            {"service": AZURE, "auth": {"method": "device_code"}},
            "auth.client: is empty, method device_code needs it",
        ),
        (
            {"service": AZURE, "auth": {"method": "device_code", "client": AZURE_CLI_CLIENT.upper()}},
            "auth.client: is the Azure CLI's own app",
        ),
        (
            {"service": AZURE, "auth": CERTIFICATE | {"certificate_file": None}},
            "auth.certificate_file: is empty, method certificate needs it, or the systemd credential certificate",
        ),
        (
            {"service": AZURE, "auth": CERTIFICATE | {"tenant": None}},
            "auth.tenant: is empty, method certificate needs it",
        ),
        ({"service": AZURE, "auth": {"method": "api_key"}}, "auth.api_key_file: is empty, method api_key needs it"),
        ({"service": {"session": {"model": "x"}}}, "service.session.model: cannot be passed on, set service.model"),
        (
            {"service": {"session": {"audio": {"input": {"format": {}}}}}},
            "service.session.audio.input.format: cannot be passed on, speakerd sets it itself",
        ),
        (
            {"wake": {"models": ["alexa", "/a/computer.onnx", "/b/computer.onnx"]}},
            "wake.models[2]: is called computer, as /a/computer.onnx is: rename one of the files",
        ),
        ({"wake": {"models": ["alexa", "/a/alexa.onnx"]}}, "wake.models[1]: is called alexa, as alexa is: rename"),
    ],
)
def test_what_does_not_go_together_is_said(tree: dict[str, Any], complaint: str) -> None:
    """Rules between keys are checked as well."""
    (said,) = complaints(tree)
    assert said.startswith(complaint)


def test_a_wake_word_may_be_named_twice() -> None:
    """It is listened for once."""
    assert complaints({"wake": {"models": ["/a/computer.onnx", "/a/computer.onnx"]}}) == []


def test_a_certificate_may_come_from_the_service_manager() -> None:
    """With the systemd credential there is no need for a file, and another credential does not help."""
    tree = {"service": AZURE, "auth": CERTIFICATE | {"certificate_file": None}}
    assert complaints(tree, credentials=["certificate"]) == []
    assert len(complaints(tree, credentials=["api-key"])) == 1


@pytest.mark.parametrize("key", ["client", "certificate_file", "scope", "tenant"])
def test_a_pasted_secret_is_not_repeated_for(key: str) -> None:
    """Whoever pastes a client secret where an id belongs does not find it in the journal."""
    (said,) = complaints({"auth": {key: "hunter2~secret"}})
    assert "hunter2" not in said


def test_a_key_may_come_from_the_service_manager() -> None:
    """With the systemd credential there is no need for a file."""
    assert complaints({"service": AZURE, "auth": {"method": "api_key"}}, credentials=["api-key"]) == []


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("", "is not the URL of a service"),
        ("kitchen.openai.azure.com", "is not the URL of a service"),
        ("http://kitchen", "is not the URL of a service"),
        ("https://", "is not the URL of a service"),
        ("https://[::1", "is not the URL of a service"),
        ("wss://host:port", "is not the URL of a service"),
        ("wss://host/#part", "is not the URL of a service"),
        ("wss://ho st", "is not the URL of a service"),
        ("https://me:hunter2@host", "holds a secret"),
        ("https://host?api-key=hunter2", "holds a secret"),
        ("ws://192.168.1.2:8080", "would send sound and sign-in readable"),
        ("ws://localhost.example.org", "would send sound and sign-in readable"),
        ("https://NAME.openai.azure.com", "still says NAME"),
    ],
)
def test_an_endpoint_is_a_url_that_is_safe_to_use(url: str, fault: str) -> None:
    """Only TLS leaves the machine, and a complaint never repeats what may be a secret."""
    (said,) = complaints({"service": {"endpoint": url}})
    assert said.startswith(f"service.endpoint: {fault}")
    assert "hunter2" not in said


def test_a_pasted_key_is_not_repeated() -> None:
    """Somebody who pastes the key itself does not find it in the journal."""
    (said,) = complaints({"auth": {"api_key_file": "sk-hunter2"}})
    assert said == "auth.api_key_file: has a wrong value, allowed: the absolute path of a file"


def test_complaints_are_bounded() -> None:
    """Nonsense is not answered line for line."""
    assert len(complaints({f"key{number}": 1 for number in range(500)})) == MAX_FINDINGS


def test_a_path_stays_on_one_line() -> None:
    """A key's name cannot break the line it is printed on."""
    assert dotted(("a\nb", 0, "c" * 99)) == "a?b[0]." + "c" * 60


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["auto", "api_key"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
sections = st.sampled_from([*Settings.model_fields, "tools", "assistent"])
keys = st.sampled_from(
    ["voice", "endpoint", "provider", "models", "threshold", "method", "session", "capture", "speed"]
)


@given(st.dictionaries(sections, st.dictionaries(keys, json_values, max_size=4) | json_values, max_size=4))
def test_story_any_tree_is_judged(tree: dict[str, Any]) -> None:
    """Whatever the tree holds, the answer is settings that are valid and a list of findings."""
    settings, _ = inspect(tree)
    assert Settings.model_validate(settings.model_dump(mode="python")) == settings
