"""What the configuration makes of each part."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from speakerd.audio.loudspeaker import Loudspeaker
from speakerd.core.echo_path import BargeIn
from speakerd.core.errors import LinkError
from speakerd.core.notices import Notice
from speakerd.core.settings import Settings
from speakerd.core.state import Limits
from speakerd.host.trace import NoTrace
from speakerd.parts import barge_in_of, endpoint_of, limits_of, service_of, spec_of, voice_of, what_holds


def settings(**sections: dict[str, object]) -> Settings:
    """Return the defaults with some keys changed."""
    return Settings.model_validate(sections)


@pytest.mark.parametrize(
    ("service", "address", "model"),
    [
        (
            {"provider": "azure", "endpoint": "https://kitchen.openai.azure.com", "model": "mine"},
            "wss://kitchen.openai.azure.com/openai/v1",
            "mine",
        ),
        ({"provider": "openai"}, "wss://api.openai.com/v1", "gpt-realtime"),
        ({"provider": "openai", "endpoint": "ws://127.0.0.1:8765/v1"}, "ws://127.0.0.1:8765/v1", "gpt-realtime"),
        ({"provider": "embedded", "endpoint": "ws://127.0.0.1:1/v1"}, "ws://127.0.0.1:1/v1", "gpt-realtime"),
    ],
)
def test_an_endpoint_by_configuration_only(service: dict[str, object], address: str, model: str) -> None:
    """Azure, OpenAI and the embedded service differ here and nowhere else."""
    endpoint = endpoint_of(settings(service=service))
    assert (endpoint.websocket_base_url, endpoint.model) == (address, model)


def test_the_embedded_service_that_we_started_is_where_it_says() -> None:
    """It is used where the configuration names none; without either there is no address."""
    assert endpoint_of(settings(), "ws://127.0.0.1:2/v1").websocket_base_url == "ws://127.0.0.1:2/v1"
    with pytest.raises(LinkError) as missing:
        endpoint_of(settings())
    assert missing.value.code == "endpoint-invalid"


def test_a_session_as_configured() -> None:
    """Voice, character, language and turn detection are the owner's; extra fields are passed on."""
    spec = spec_of(
        settings(
            assistant={"voice": "cedar", "instructions": "Be brief.", "language": "de", "speed": 1.2},
            service={"transcription": "whisper-1", "session": {"max_output_tokens": 100}},
            turn_detection={"threshold": 0.7, "silence_duration_ms": 700, "noise_reduction": "none"},
        )
    )
    assert (spec.voice, spec.instructions, spec.language, spec.speed) == ("cedar", "Be brief.", "de", 1.2)
    assert (spec.transcription_model, spec.extra, spec.noise_reduction) == (
        "whisper-1",
        {"max_output_tokens": 100},
        None,
    )
    assert spec.turn_detection == {
        "type": "server_vad",
        "threshold": 0.7,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 700,
        "create_response": True,
        "interrupt_response": False,
    }


def test_semantic_turn_detection_has_fields_of_its_own() -> None:
    """The service refuses server_vad's."""
    spec = spec_of(settings(turn_detection={"type": "semantic_vad", "eagerness": "low"}))
    assert spec.turn_detection == {
        "type": "semantic_vad",
        "eagerness": "low",
        "create_response": True,
        "interrupt_response": False,
    }
    assert spec.noise_reduction == "far_field"


@pytest.mark.parametrize(
    ("barge_in", "echo_cancellation", "first", "measured"),
    [
        ("auto", "auto", BargeIn.WAKE_WORD, True),
        ("auto", "on", BargeIn.WAKE_WORD, True),
        ("auto", "off", BargeIn.WAKE_WORD, False),
        ("speech", "off", BargeIn.SPEECH, False),
        ("wake_word", "on", BargeIn.WAKE_WORD, False),
        ("off", "on", BargeIn.OFF, False),
    ],
)
def test_speech_cuts_a_reply_only_where_that_is_safe(
    barge_in: str, echo_cancellation: str, first: BargeIn, measured: bool
) -> None:
    """When told so, or when the echo has been measured, later; the service is told the same."""
    chosen = settings(conversation={"barge_in": barge_in}, audio={"echo_cancellation": echo_cancellation})
    assert barge_in_of(chosen) is first
    assert (limits_of(chosen).barge_in, limits_of(chosen).barge_in_measured) == (first, measured)
    detection = spec_of(chosen).turn_detection
    assert detection is not None
    assert detection["interrupt_response"] is (first is BargeIn.SPEECH)


def test_limits_as_configured() -> None:
    """Words are shown by name, also those of the owner's own models; what is not configured is the core's."""
    limits = limits_of(
        settings(wake={"models": ["alexa", "/etc/hey_you.onnx"]}, conversation={"follow_up_s": 3, "max_turns": 2})
    )
    assert limits == Limits(
        words=("alexa", "hey_you"),
        barge_in=BargeIn.WAKE_WORD,
        barge_in_measured=True,
        follow_up_s=3,
        max_turns=2,
    )


async def test_a_service_with_an_address_is_not_started() -> None:
    """Its place is given as it is."""
    before = children()  # other tests share a service of their own
    async with service_of(settings(service={"endpoint": "ws://127.0.0.1:3/v1"})) as endpoint:
        assert endpoint.websocket_base_url == "ws://127.0.0.1:3/v1"
        assert children() == before


def children() -> list[str]:
    """Return the commands of this process's children."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == os.getpid():
                found.append(stat.with_name("cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # it ended meanwhile
    return [command for command in found if "emulate" in command]


async def test_the_owners_own_sentences_come_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The folder beside the configuration is looked into before the one that ships."""
    own = tmp_path / "en" / "muted.wav"
    own.parent.mkdir()
    own.write_bytes(b"no sound")
    speaker = Loudspeaker(
        device="none", open_pcm=lambda _device: None, on_event=print, now=lambda: 0.0, trace=NoTrace(), earcons=True
    )
    voice_of(settings(), speaker, None).say(Notice.MUTED, asked=True)
    assert caplog.text == ""
    voice_of(settings(), speaker, tmp_path).say(Notice.MUTED, asked=True)
    assert str(own) in caplog.text


def test_the_status_says_what_holds_and_no_secret() -> None:
    """What people ask for first."""
    held = what_holds(settings(auth={"method": "api_key", "api_key_file": "/run/secret/key"}))
    assert (held["provider"], held["voice"], held["sign_in"]) == ("embedded", "marin", "api_key")
    assert "secret" not in str(held)
