"""Each hop is a difference of two moments that were witnessed, and each limit can be missed by itself."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from speakerd.bench.figures import Verdict, holds
from speakerd.bench.hops import Hop, Said, Talk, Values, gather, targets
from speakerd.bench.sound import Sound
from speakerd.bench.wire_tap import Message

WIRE_HZ, ROOM_HZ = 24_000, 48_000


def speech(length_s: float, seed: int) -> np.ndarray:
    """Return something that is like nothing else."""
    return (np.random.default_rng(seed).standard_normal(round(length_s * WIRE_HZ)) * 3000).astype(np.int16)


COMMAND = Said(100.8, 101.8, speech(1.0, 1))
INTERRUPTION = Said(105.0, 106.0, speech(1.0, 2))
WORD_END_S = 100.8
REPLY_S, SILENT_S = 102.5, 105.22
"""When the first answer begins and ends in the room."""


def appends(begin_s: float, pcm: np.ndarray, *, late_s: float) -> list[Message]:
    """Return audio in periods of 20 ms, each so long after its last sample was spoken."""
    size = WIRE_HZ // 50
    return [
        message(
            begin_s + (at + size) / WIRE_HZ + late_s,
            "input_audio_buffer.append",
            from_client=True,
            audio=base64.b64encode(pcm[at : at + size].tobytes()).decode(),
        )
        for at in range(0, len(pcm), size)
    ]


def message(at_s: float, kind: str, *, from_client: bool = False, **fields: Any) -> Message:
    return Message(at_s, from_client, {"type": kind, **fields})


def heard(*, gap: bool = False) -> Sound:
    pcm = np.zeros(round(10 * ROOM_HZ), np.int16)
    for begin_s, end_s in ((REPLY_S, SILENT_S), (107.0, 109.0)):
        pcm[round((begin_s - 100.8) * ROOM_HZ) : round((end_s - 100.8) * ROOM_HZ)] = 500
    if gap:
        pcm[round((104.0 - 100.8) * ROOM_HZ) : round((104.03 - 100.8) * ROOM_HZ)] = 0
    return Sound(100.8, ROOM_HZ, pcm)


def talk(*, lost_s: float = 0.0, told_ms: int | None = 2690, gap: bool = False, **differs: Any) -> Talk:
    """Return a conversation in one breath: detected 60 ms before the word's end, sent from 40 ms after it."""
    command = np.concatenate([np.zeros(480, np.int16), COMMAND.pcm, np.zeros(4800, np.int16)])
    first = appends(COMMAND.begin_s - 0.02, command[round(lost_s * WIRE_HZ) :], late_s=lost_s + 0.04)
    second = appends(INTERRUPTION.begin_s, np.concatenate([INTERRUPTION.pcm, np.zeros(4800, np.int16)]), late_s=0.003)
    messages = [
        *first,
        message(102.3, "response.output_audio.delta", item_id="a", delta=""),
        *second,
        message(105.2, "input_audio_buffer.speech_started"),
        *([] if told_ms is None else [message(105.201, "conversation.item.truncate", audio_end_ms=told_ms)]),
        message(106.6, "response.output_audio.delta", item_id="b", delta=""),
    ]
    marks = [{"t": 100.74, "name": "wake"}, {"t": 100.75, "name": "link.open"}]
    given: dict[str, Any] = {
        "word_end_s": WORD_END_S,
        "is_one_breath": True,
        "command": COMMAND,
        "interruption": INTERRUPTION,
        "messages": sorted(messages, key=lambda each: each.at_s),
        "heard": heard(gap=gap),
        "marks": marks,
    }
    return Talk(**{**given, **differs})


def only(values: Values, hop: Hop) -> list[float]:
    return [round(value, 1) for value in values[hop]]


def test_the_way_up_begins_with_the_end_of_the_word() -> None:
    """The command's first sample is looked for on the line, behind whatever was sent before it."""
    values = gather([talk()])
    assert only(values, Hop.DETECTED) == [-60.0]
    assert only(values, Hop.OPEN) == [10.0]
    assert only(values, Hop.FIRST_BYTE) == [100.0]
    assert only(values, Hop.ONE_BREATH) == [60.0]
    assert only(values, Hop.MISSING) == [0.0]
    assert values[Hop.PAUSED] == values[Hop.PAUSE] == []


def test_a_command_that_lost_its_beginning_is_noticed() -> None:
    """By as much as is missing: here 30 ms of it, for 20 ms of silence go first."""
    assert only(gather([talk(lost_s=0.05)]), Hop.MISSING) == [30.0]


def test_behind_a_pause_the_first_byte_of_the_command_counts() -> None:
    """From when it is said; what goes before it is the pause."""
    values = gather([talk(is_one_breath=False)])
    assert only(values, Hop.PAUSED) == [60.0]
    assert only(values, Hop.PAUSE) == [40.0]
    assert (values[Hop.ONE_BREATH], only(values, Hop.MISSING)) == ([], [0.0])


def test_a_socket_that_was_open_before_kept_nobody_waiting() -> None:
    """The hop is nothing then, not less."""
    marks = [{"t": 100.7, "name": "link.open"}, {"t": 100.74, "name": "wake"}]
    assert only(gather([talk(marks=marks)]), Hop.OPEN) == [0.0]


def test_without_a_wake_word_there_is_no_way_up() -> None:
    """The bare program's session is open all the time; everything else is measured as for the daemon."""
    values = gather([talk(word_end_s=None, marks=[])])
    ours = gather([talk()])
    up = (Hop.DETECTED, Hop.ONE_BREATH, Hop.PAUSED, Hop.PAUSE, Hop.MISSING, Hop.OPEN, Hop.FIRST_BYTE)
    assert all(values[hop] == [] for hop in up)
    assert all(values[hop] == ours[hop] != [] for hop in Hop if hop not in up)


def test_the_microphone_is_looked_at_in_every_phase() -> None:
    """A sample waits for the end of its period and then for the line: 3 to 23 ms, 13 in the middle."""
    measured = gather([talk()])[Hop.MICROPHONE]
    assert len(measured) == 28
    assert min(measured) == pytest.approx(3.0, abs=1.5)
    assert max(measured) == pytest.approx(23.0, abs=1.5)
    assert float(np.median(measured)) == pytest.approx(13.0, abs=1.0)


def test_another_voice_on_the_line_is_no_measurement() -> None:
    """What was said must be found there."""
    silent = [each for each in talk().messages if each.kind != "input_audio_buffer.append"]
    values = gather([talk(messages=[*appends(100.9, speech(6.0, 9), late_s=0.0), *silent])])
    assert (values[Hop.MICROPHONE], values[Hop.ONE_BREATH], values[Hop.MISSING]) == ([], [], [])


def test_answers_are_heard_in_the_room() -> None:
    """Both, from the first delta that came after the question."""
    values = gather([talk()])
    assert only(values, Hop.DELTA) == [500.0, 600.0]
    assert only(values, Hop.AUDIBLE) == [200.0, 400.0]
    assert only(values, Hop.GAPS) == [0.0, 0.0]


def test_an_interruption_is_measured_on_the_line_and_in_the_room() -> None:
    """The service was told 2690 ms; 2700 had been heard when it noticed and 2720 when the room was silent."""
    values = gather([talk()])
    assert only(values, Hop.STARTED) == [200.0]
    assert only(values, Hop.SILENCE) == [20.0]
    assert only(values, Hop.TOLD_BEGAN) == [-10.0]
    assert only(values, Hop.TOLD_SILENT) == [-30.0]


def test_a_gap_was_not_heard() -> None:
    """It is counted, and what was told is compared with the sound alone."""
    values = gather([talk(gap=True)])
    assert only(values, Hop.GAPS) == [1.0, 0.0]
    assert only(values, Hop.TOLD_BEGAN) == [20.0]


def test_a_client_that_tells_nothing_has_no_figure() -> None:
    """Not a good one."""
    values = gather([talk(told_ms=None)])
    assert (values[Hop.TOLD_BEGAN], values[Hop.TOLD_SILENT]) == ([], [])
    assert only(values, Hop.SILENCE) == [20.0]


GOOD: Values = {hop: [0.0] for hop in Hop} | {
    Hop.ONE_BREATH: [50.0],
    Hop.PAUSED: [50.0],
    Hop.MICROPHONE: [13.0],
    Hop.AUDIBLE: [25.0],
    Hop.SILENCE: [10.0, 20.0, 30.0],
    Hop.TOLD_BEGAN: [-20.0, 20.0],
    Hop.TOLD_SILENT: [-90.0, -20.0, 20.0],
}
BARE: Values = {hop: [] for hop in Hop} | {Hop.MICROPHONE: [13.0, 13.0, 22.0], Hop.AUDIBLE: [5.0, 5.0, 7.0]}


def test_figures_at_their_limits_hold() -> None:
    """All of them have one."""
    rows = targets(GOOD, BARE)
    assert holds(rows)
    assert all(row.verdict is Verdict.PASS for row in rows)


@pytest.mark.parametrize(
    ("hop", "values", "part"),
    [
        (Hop.ONE_BREATH, [50.0, 50.0, 50.1], "in one breath, p95"),
        (Hop.PAUSED, [50.0, 50.0, 50.1], "behind a pause -> its first byte, p95"),
        (Hop.MISSING, [0.0, 0.1], "never came"),
        (Hop.MICROPHONE, [13.6, 13.6, 22.5], "holds it, median"),
        (Hop.MICROPHONE, [13.5, 13.5, 22.6], "holds it, p95"),
        (Hop.AUDIBLE, [25.1, 25.1, 27.0], "audible, median"),
        (Hop.AUDIBLE, [25.0, 25.0, 27.1], "audible, p95"),
        (Hop.GAPS, [0.0, 1.0], "gaps"),
        (Hop.SILENCE, [10.0, 20.1, 30.0], "room, median"),
        (Hop.SILENCE, [10.0, 20.0, 30.1], "room, p95"),
        (Hop.TOLD_BEGAN, [-20.1], "speech_started came, farthest"),
        (Hop.TOLD_SILENT, [-20.1, -20.1, 0.0], "in the end, median"),
        (Hop.TOLD_SILENT, [0.0, 0.0, 20.1], "more than was heard"),
    ],
)
def test_each_limit_can_be_missed(hop: Hop, values: list[float], part: str) -> None:
    """By itself."""
    (failed,) = [row.name for row in targets({**GOOD, hop: values}, BARE) if row.verdict is Verdict.FAIL]
    assert part in failed


@pytest.mark.parametrize("hop", [Hop.MICROPHONE, Hop.AUDIBLE])
def test_without_the_bare_program_nothing_is_shown_beside_it(hop: Hop) -> None:
    """A limit that nobody measured holds for nobody."""
    rows = targets(GOOD, {**BARE, hop: []})
    absent = [row.name for row in rows if row.verdict is Verdict.NOT_SHOWN]
    assert absent == [f"{hop.value}, median", f"{hop.value}, p95"]


def test_what_did_not_come_about_passes_nothing() -> None:
    """No row of a run without a measurement holds."""
    empty: Values = {hop: [] for hop in Hop}
    assert {row.verdict for row in targets(empty, BARE)} == {Verdict.NOT_SHOWN}
    assert {row.verdict for row in targets(empty, empty)} == {Verdict.NOT_SHOWN}
