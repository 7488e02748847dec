"""The uplink opens behind the wake word, and loses nothing by waiting."""

from __future__ import annotations

import numpy as np
import pytest

from speakerd.core.units import Frames
from speakerd.wake.tail import TailCut

PERIOD = 320
"""20 ms of wake audio."""


class Gate:
    """An uplink that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def open(self, from_frame: Frames | None) -> None:
        self.told.append(from_frame)

    def repeat(self, from_frame: Frames) -> None:
        self.told.append(("repeat", from_frame))

    def repeatable_from(self) -> Frames:
        return Frames(7)

    def silence(self) -> None:
        self.told.append("silence")

    def close(self) -> None:
        self.told.append("close")


class Bench:
    """A tail cut that hears loud and quiet periods."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.pauses = 0
        self.waits = 0
        self.cut = TailCut(self.gate, self._on_pause, self._attend)
        self._noise = np.random.default_rng(3)

    def _on_pause(self) -> None:
        self.pauses += 1

    def _attend(self) -> None:
        self.waits += 1

    def hear(self, dbfs: float, periods: int) -> None:
        for _ in range(periods):
            self.cut.feed(self._noise.normal(0, 32768 * 10 ** (dbfs / 20), PERIOD).astype("<i2").tobytes())


@pytest.fixture
def bench() -> Bench:
    """Return a bench that has heard a second of a quiet room and 600 ms of a word."""
    made = Bench()
    made.hear(-60, 50)
    made.hear(-20, 30)
    return made


WORD_END = Frames(80 * 480)
LEAD = 300 * 24


def test_waits_for_the_pause_and_opens_there(bench: Bench) -> None:
    """The word's last 60 ms come after the detection; they are left out, to the frame."""
    bench.cut.open(Frames(WORD_END - LEAD))
    bench.hear(-20, 3)
    assert bench.gate.told == []
    bench.hear(-60, 10)
    assert bench.gate.told == [WORD_END + 3 * 480]


def test_opens_half_a_second_before_the_detection_when_the_user_goes_on(bench: Bench) -> None:
    """In one breath nothing is cut, however late the word was detected, and the wait is 120 ms."""
    bench.cut.open(Frames(WORD_END - LEAD))
    bench.hear(-20, 5)
    assert bench.gate.told == []
    bench.hear(-20, 1)
    assert bench.gate.told == [WORD_END - 500 * 24]


def test_never_begins_before_the_microphone_did() -> None:
    """A word right behind the start has nothing before it."""
    bench = Bench()
    bench.hear(-20, 20)
    bench.cut.open(Frames(100 * 24))
    bench.hear(-20, 6)
    assert bench.gate.told == [0]


def test_asks_for_every_period_while_it_waits(bench: Bench) -> None:
    """Once for each wake word that is waited for; what opens at once needs none."""
    bench.cut.open(Frames(WORD_END - LEAD))
    assert bench.waits == 1
    bench.hear(-20, 6)
    bench.cut.open(Frames(WORD_END))
    bench.cut.close()
    bench.cut.open(None)
    assert bench.waits == 1


def test_what_comes_while_it_asks_is_not_forgotten(bench: Bench) -> None:
    """Periods that were held back may be fed at once, and may decide."""
    gate = bench.gate
    cut = TailCut(gate, lambda: None, lambda: cut.feed(np.full(6 * PERIOD, 3000, "<i2").tobytes()))
    cut.feed(np.full(30 * PERIOD, 3000, "<i2").tobytes())
    cut.open(Frames(30 * 480 - LEAD))
    assert gate.told == [30 * 480 - 500 * 24]


def test_opens_at_once_when_the_pause_is_heard_already(bench: Bench) -> None:
    """A late detection waits for nothing."""
    bench.hear(-60, 10)
    bench.cut.open(Frames(WORD_END + 10 * 480 - LEAD))
    assert bench.gate.told == [WORD_END]


def test_opens_at_once_from_now(bench: Bench) -> None:
    """Without a wake word there is no tail."""
    bench.cut.open(None)
    assert bench.gate.told == [None]


def test_a_gate_that_is_live_is_not_made_to_wait(bench: Bench) -> None:
    """It goes on as it is."""
    bench.cut.open(None)
    bench.cut.open(Frames(WORD_END))
    assert bench.gate.told == [None, WORD_END]


def test_what_is_sent_again_needs_no_wait(bench: Bench) -> None:
    """The word's end was found before it was sent for the first time."""
    bench.cut.open(None)
    bench.cut.repeat(Frames(480))
    assert (bench.gate.told, bench.cut.repeatable_from()) == ([None, ("repeat", 480)], 7)


def test_closing_forgets_what_was_waiting(bench: Bench) -> None:
    """A conversation that was stopped at once sends nothing, however the word ends."""
    bench.cut.open(Frames(WORD_END - LEAD))
    bench.cut.close()
    bench.hear(-60, 50)
    assert bench.gate.told == ["close"]


def test_silence_opens_what_was_waiting_first(bench: Bench) -> None:
    """What was said before is not lost; after it, a wake word is waited for again."""
    bench.cut.open(Frames(WORD_END - LEAD))
    bench.cut.silence()
    assert bench.gate.told == [WORD_END - LEAD, "silence"]
    bench.hear(-20, 15)
    bench.cut.open(Frames(WORD_END + 15 * 480 - LEAD))
    assert bench.gate.told[2:] == []
    bench.hear(-60, 10)
    assert bench.gate.told[2:] == [WORD_END + 15 * 480]


def test_a_detection_told_much_too_late_is_not_compared(bench: Bench) -> None:
    """The audio around the word is gone: everything there is goes out."""
    bench.hear(-20, 300)
    bench.cut.open(Frames(WORD_END - LEAD))
    assert bench.gate.told == [WORD_END - LEAD]


def test_a_lasting_pause_is_told_once(bench: Bench) -> None:
    """400 ms of quiet behind the word: the user waits for a sign, and gets one."""
    bench.cut.open(Frames(WORD_END - LEAD))
    bench.hear(-60, 19)
    assert bench.pauses == 0
    bench.hear(-60, 1)
    assert bench.pauses == 1
    bench.hear(-60, 100)
    assert bench.pauses == 1


def test_a_command_after_a_comma_gets_no_sign(bench: Bench) -> None:
    """The gate opens in the short pause; a chime would lie over what follows."""
    bench.cut.open(Frames(WORD_END - LEAD))
    bench.hear(-60, 12)
    bench.hear(-20, 30)
    bench.hear(-60, 60)
    assert bench.pauses == 0
    assert bench.gate.told == [WORD_END]


def test_a_wake_word_into_a_live_gate_gets_its_sign(bench: Bench) -> None:
    """The gate need not wait, the user does."""
    bench.cut.open(None)
    bench.cut.open(Frames(WORD_END - LEAD))
    bench.hear(-60, 20)
    assert bench.pauses == 1
    assert bench.gate.told == [None, WORD_END - LEAD]


@pytest.mark.parametrize("end", ["close", "silence"])
def test_a_gate_that_was_shut_gives_no_sign(bench: Bench, end: str) -> None:
    """A conversation that is over has nothing to chime about."""
    bench.cut.open(Frames(WORD_END - LEAD))
    bench.hear(-60, 10)
    getattr(bench.cut, end)()
    bench.hear(-60, 60)
    assert bench.pauses == 0


@pytest.fixture
def told(bench: Bench) -> Bench:
    """Return the same bench with a cut that is told where the word ended."""
    bench.cut = TailCut(bench.gate, bench._on_pause, bench._attend, is_told=True)
    bench.hear(-60, 50)
    bench.hear(-20, 30)
    return bench


TOLD_AT = Frames(80 * 480)
"""Where the told bench was when its word was detected; a new cut counts from its own start."""


def test_waits_to_be_told_and_begins_before_the_told_end(told: Bench) -> None:
    """What an earlier answer would have taken for the word is known to be the command: it is sent."""
    told.hear(-20, 20)
    told.hear(-60, 15)  # "hey jarvis, stop": a pause, where the detection comes late
    detected = Frames(TOLD_AT + 30 * 480)
    told.cut.open(Frames(detected - LEAD))
    assert told.gate.told == []
    told.cut.word_ended(TOLD_AT)
    assert told.gate.told == [TOLD_AT - 270 * 24]
    told.hear(-60, 60)
    assert told.pauses == 0


def test_a_pause_at_the_told_end_gets_its_sign(told: Bench) -> None:
    """The pause counts from its own beginning, not from where the uplink begins in it."""
    told.cut.open(Frames(TOLD_AT - LEAD))
    told.cut.word_ended(Frames(TOLD_AT + 80 * 24))
    told.hear(-60, 19)
    assert told.gate.told == [TOLD_AT + 40 * 24]
    assert told.pauses == 0
    told.hear(-60, 1)
    assert told.pauses == 1


def test_an_engine_that_cannot_tell_is_not_waited_for(told: Bench) -> None:
    """Then it is as if nobody told."""
    told.cut.open(Frames(TOLD_AT - LEAD))
    told.hear(-20, 6)
    assert told.gate.told == []
    told.cut.word_ended(None)
    assert told.gate.told == [TOLD_AT - 500 * 24]


def test_an_end_that_is_never_told_is_waited_for_half_a_second(told: Bench) -> None:
    """A board that is too slow, or an engine that is stuck, keeps nobody from being heard."""
    told.cut.open(Frames(TOLD_AT - LEAD))
    told.hear(-20, 25)
    assert told.gate.told == []
    told.hear(-20, 1)
    assert told.gate.told == [TOLD_AT - 500 * 24]


def test_an_end_told_for_a_word_that_opened_nothing_is_forgotten(told: Bench) -> None:
    """The next word waits for its own."""
    told.cut.word_ended(Frames(TOLD_AT - 480))
    assert told.gate.told == []
    told.cut.open(Frames(TOLD_AT - LEAD))
    told.hear(-60, 10)
    assert told.gate.told == []
