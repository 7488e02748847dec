"""The timeline is laid together from the diary and the room, never from the daemon's word alone."""

from __future__ import annotations

from typing import Any

import pytest

from speakerd.demo.table import format_timeline, format_transcripts
from speakerd.demo.timeline import HOPS, Spoken, Timeline, build


def mark(at_s: float, name: str, **fields: Any) -> dict[str, Any]:
    return {"t": at_s, "name": name, **fields}


DIARY = [
    mark(99.0, "ready", part="wake word"),
    mark(100.9, "wake", model="hey_jarvis", score=0.98, position_frames=48000),
    mark(100.9, "state", before="idle", after="listening", on="WakeWordDetected"),
    mark(100.91, "uplink", from_frame=40800),
    mark(100.91, "link.connecting"),
    mark(100.93, "link.open"),
    mark(100.94, "uplink", bytes=14400, total_bytes=14400),
    mark(100.95, "link.up"),
    mark(100.95, "speech_started", audio_start_ms=0),
    mark(102.1, "speech_stopped", audio_end_ms=1500),
    mark(102.1, "state", before="listening", after="thinking", on="SpeechStopped"),
    mark(102.1, "response.created", response_id="r1"),
    mark(102.2, "transcript", role="user", text=" What time is it? "),
    mark(102.2, "transcript", role="user", text=""),
    mark(102.3, "downlink", response_id="r1", item_id="i1", bytes=4800),
    mark(102.3, "state", before="thinking", after="speaking", on="AudioStarted"),
    mark(102.4, "transcript", role="assistant", text="It is ten."),
    mark(103.41, "drained"),
    mark(103.41, "state", before="speaking", after="follow-up", on="PlaybackDrained"),
    mark(104.2, "speech_started", audio_start_ms=3000),
    mark(105.5, "speech_stopped", audio_end_ms=4500),
    mark(105.5, "response.created", response_id="r2"),
    mark(105.6, "downlink", response_id="r2", item_id="i2", bytes=4800),
    mark(108.2, "speech_started", audio_start_ms=7000),
    mark(108.2, "flush", audible=True),
    mark(108.2, "truncate", item_id="i2", heard_ms=2500),
    mark(108.2, "transcript", role="assistant", text="Once upon a time"),
    mark(108.25, "downlink", response_id="r2", item_id="i2", bytes=4800),
    mark(109.9, "speech_stopped", audio_end_ms=9000),
    mark(109.9, "response.created", response_id="r3"),
    mark(110.0, "downlink", response_id="r3", item_id="i3", bytes=4800),
    mark(110.3, "transcript", role="assistant", text="Paris."),
    mark(111.0, "drained"),
    mark(111.0, "state", before="speaking", after="follow-up", on="PlaybackDrained"),
    mark(114.0, "state", before="follow-up", after="idle", on="DeadlinePassed"),
    mark(114.0, "earcon", earcon="end"),
]
SPOKEN = [
    Spoken("Hey Jarvis, what time is it?", 100.0, 101.6, word_end_s=100.8),
    Spoken("Tell me a story.", 104.0, 105.0),
    Spoken("Wait, what is the capital of France?", 108.0, 109.4),
]
SOUNDS = [(100.95, 101.1), (102.35, 103.0), (103.1, 103.4), (105.7, 108.21), (110.1, 110.9), (114.1, 114.3)]


@pytest.fixture
def timeline() -> Timeline:
    return build(DIARY, SPOKEN, SOUNDS)


def hop(timeline: Timeline, name: str) -> list[float | None]:
    measure = dict(HOPS)[name]
    return [None if (value := measure(turn)) is None else round(value, 1) for turn in timeline.turns]


def test_first_turn_has_its_way_up(timeline: Timeline) -> None:
    """Wake, socket, session and first byte belong to the turn with the wake word; an uplink mark without bytes does not
    count."""
    first, second, _ = timeline.turns
    assert (first.wake_s, first.open_s, first.up_s, first.first_byte_s) == (100.9, 100.93, 100.95, 100.94)
    assert (second.wake_s, second.open_s, second.up_s, second.first_byte_s) == (None, None, None, None)


def test_reply_is_measured_in_the_room(timeline: Timeline) -> None:
    """A reply is audible from its first to its last sample in the room, chimes before and after it left out."""
    first, _, third = timeline.turns
    assert (first.delta_s, first.audible_s, first.silent_s) == (102.3, 102.35, 103.4)
    assert (third.audible_s, third.silent_s) == (110.1, 110.9)


def test_a_loudspeaker_that_starved_is_no_end_of_a_reply() -> None:
    """On a busy machine it has nothing to play for a moment: the reply goes on, and may still be cut."""
    starved = sorted([*DIARY, mark(102.5, "drained"), mark(106.0, "drained")], key=lambda one: one["t"])
    first, second, _ = build(starved, SPOKEN, SOUNDS).turns
    assert first.silent_s == 103.4
    assert second.interruption is not None


def test_hops_are_milliseconds(timeline: Timeline) -> None:
    """The spans that matter are differences of those moments, in milliseconds."""
    assert hop(timeline, "wake word ends -> detected") == [100.0, None, None]
    assert hop(timeline, "detected -> first byte of speech") == [40.0, None, None]
    assert hop(timeline, "wake word ends -> first byte") == [140.0, None, None]
    assert hop(timeline, "end of speech -> first delta") == [700.0, 600.0, 600.0]
    assert hop(timeline, "first delta -> audible") == [50.0, 100.0, 100.0]


def test_interruption_belongs_to_the_reply_that_was_cut(timeline: Timeline) -> None:
    """Only the reply that was playing when the user began again counts as interrupted."""
    assert [turn.interruption is not None for turn in timeline.turns] == [False, True, False]
    cut = timeline.turns[1].interruption
    assert cut is not None
    assert (cut.voice_s, cut.detected_s, cut.flush_s, cut.silent_s) == (108.0, 108.2, 108.2, 108.21)
    assert hop(timeline, "speech_started -> silence")[1] == 10.0
    assert hop(timeline, "truncation: told - really heard")[1] == -10.0


def test_transcripts_go_to_their_turns(timeline: Timeline) -> None:
    """A cut reply's transcript comes after the user began again, and is the cut reply's all the same."""
    assert [turn.answered for turn in timeline.turns] == ["It is ten.", "Once upon a time", "Paris."]
    assert [turn.understood for turn in timeline.turns] == ["What time is it?", None, None]


def test_phases_follow_without_gap(timeline: Timeline) -> None:
    """The states fill the conversation from the first word to the return to idle."""
    assert (timeline.begin_s, timeline.end_s) == (100.0, 114.0)
    assert timeline.phases[0].name == "idle"
    assert timeline.phases[0].begin_s == 100.0
    assert timeline.phases[-1].end_s == 114.0
    assert all(one.end_s == other.begin_s for one, other in zip(timeline.phases, timeline.phases[1:], strict=False))


def test_what_never_came_is_missing() -> None:
    """A conversation that broke off after the wake word still has a timeline."""
    broken = build(DIARY[:9], SPOKEN[:1], [])
    (turn,) = broken.turns
    assert turn.wake_s == 100.9
    assert (turn.delta_s, turn.audible_s, turn.silent_s, turn.interruption) == (None, None, None, None)
    assert "-" in format_timeline(broken)


def test_silent_reply_has_a_delta_only() -> None:
    """A reply that the room never heard is not audible, whatever the diary says."""
    turn = build(DIARY, SPOKEN[:1], []).turns[0]
    assert turn.delta_s is not None
    assert turn.audible_s is None


def test_plain_data_counts_from_the_first_word(timeline: Timeline) -> None:
    """As data, moments are seconds since the first word and the hops stand beside them."""
    data = timeline.as_plain_data()
    assert data["begin_s"] == 0.0
    assert data["turns"][0]["spoken"]["end_s"] == 1.6
    assert data["turns"][1]["interruption"]["heard_ms"] == 2510.0
    assert data["hops_ms"]["first delta -> audible"] == [50.0, 100.0, 100.0]


def test_table_is_aligned(timeline: Timeline) -> None:
    """Every row of the table is as wide as its head."""
    rows = [line for line in format_timeline(timeline).splitlines() if line and not line.startswith("milliseconds")]
    assert len({len(row) for row in rows}) == 1
    assert rows[0].split() == ["seconds", "since", "the", "first", "word", "turn", "1", "turn", "2", "turn", "3"]


def test_transcripts_stand_beside_one_another(timeline: Timeline) -> None:
    """For each turn: what was said, understood, answered, and recognised in the room, where it is known."""
    text = format_transcripts(timeline, ["it is ten", None])
    assert "turn 2 (interrupted)" in text
    assert text.count("room heard") == 1
    assert "service heard     What time is it?" in text
