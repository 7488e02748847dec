"""How the session we want is written."""

from __future__ import annotations

from typing import Any

import pytest

from speakerd.realtime.spec import SessionSpec

PCM = {"type": "audio/pcm", "rate": 24_000}


def both(spec: SessionSpec) -> list[Any]:
    return [spec.full(), spec.minimal()]


def test_every_update_names_what_it_relies_on() -> None:
    """Both updates name the type, both formats and turn detection with its silence and its answers."""
    for session in both(SessionSpec(turn_detection={"type": "server_vad", "silence_duration_ms": 700})):
        detection = session["audio"]["input"]["turn_detection"]
        assert session["type"] == "realtime"
        assert session["audio"]["input"]["format"] == session["audio"]["output"]["format"] == PCM
        assert detection["silence_duration_ms"] == 700
        assert detection["create_response"] is detection["interrupt_response"] is True


def test_silence_is_named_even_when_nobody_chose_it() -> None:
    """The service's own 200 ms is never relied on."""
    for session in both(SessionSpec()):
        assert session["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 500


def test_the_full_update_says_everything() -> None:
    """Voice, speed, instructions, noise reduction and transcription with its language hint are in the full update."""
    spec = SessionSpec(voice="cedar", instructions="Be brief.", speed=1.1, language="de", transcription_model="w")
    session: Any = spec.full()
    assert session["instructions"] == "Be brief."
    assert session["audio"]["output"] == {"format": PCM, "voice": "cedar", "speed": 1.1}
    assert session["audio"]["input"]["transcription"] == {"model": "w", "language": "de"}
    assert session["audio"]["input"]["noise_reduction"] == {"type": "far_field"}


def test_nothing_wanted_is_said_as_null() -> None:
    """No transcription, no noise reduction and no turn detection are cleared, not left to defaults."""
    spec = SessionSpec(turn_detection=None, noise_reduction=None)
    session: Any = spec.full()
    sound_in = session["audio"]["input"]
    assert (sound_in["transcription"], sound_in["noise_reduction"], sound_in["turn_detection"]) == (None, None, None)
    minimal: Any = spec.minimal()
    assert minimal["audio"]["input"]["turn_detection"] is None
    without_language: Any = SessionSpec(transcription_model="w").full()
    assert without_language["audio"]["input"]["transcription"] == {"model": "w"}


@pytest.mark.parametrize(
    ("kind", "absent"), [("server_vad", {"eagerness"}), ("semantic_vad", {"threshold", "silence_duration_ms"})]
)
def test_turn_detection_names_only_what_its_kind_knows(kind: str, absent: set[str]) -> None:
    """A configuration that names both kinds' settings does not get the update refused."""
    detection = {"type": kind, "threshold": 0.5, "silence_duration_ms": 500, "eagerness": "auto", "later": 1}
    session: Any = SessionSpec(turn_detection=detection).full()
    told = session["audio"]["input"]["turn_detection"]
    assert not absent & set(told)
    assert told["later"] == 1


def test_extra_fields_are_merged_deeply_but_not_over_the_foundations() -> None:
    """Owners can add and change fields anywhere, except the type and formats the audio path stands on."""
    extra = {"type": "transcription", "max_output_tokens": 500, "audio": {"output": {"format": None, "speed": 0.9}}}
    session: Any = SessionSpec(extra=extra).full()
    assert (session["type"], session["max_output_tokens"]) == ("realtime", 500)
    assert session["audio"]["output"] == {"format": PCM, "voice": "marin", "speed": 0.9}


def test_tools_are_declared_where_there_are_some() -> None:
    """Functions are named in the full update only, and the model may choose; without any nothing is said."""
    timer = {"type": "function", "name": "set_timer", "parameters": {"type": "object"}}
    session: Any = SessionSpec(tools=(timer,)).full()
    assert (session["tools"], session["tool_choice"]) == ([timer], "auto")
    assert not {"tools", "tool_choice"} & set(SessionSpec().full())
    assert "tools" not in SessionSpec(tools=(timer,)).minimal()


@pytest.mark.parametrize("minimal", [True, False])
def test_interruptions_can_be_chosen_afterwards(*, minimal: bool) -> None:
    """The change is a whole turn detection, in the minimum as well, and says nothing else."""
    spec = SessionSpec(turn_detection={"type": "server_vad", "silence_duration_ms": 700}).interrupting(False)
    session: Any = spec.turns(minimal=minimal)
    assert set(session) == {"type", "audio"}
    assert (set(session["audio"]), set(session["audio"]["input"])) == ({"input"}, {"turn_detection"})
    detection = session["audio"]["input"]["turn_detection"]
    assert (detection["silence_duration_ms"], detection["interrupt_response"]) == (700, False)
    again: Any = spec.interrupting(True).turns(minimal=minimal)
    assert again["audio"]["input"]["turn_detection"]["interrupt_response"] is True


def test_without_turn_detection_there_is_nothing_to_choose() -> None:
    """Nobody is interrupted where the client says when to answer."""
    spec = SessionSpec(turn_detection=None)
    assert spec.interrupting(False) is spec
