"""The line a turn."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

import pytest

from speakerd.core.spend import FREE, PRICES, Usage
from speakerd.core.turn_book import GRACE_S
from speakerd.core.turn_record import Counts, TurnRecord
from speakerd.host import turn_log
from speakerd.host.logs import mask
from speakerd.host.turn_log import TurnLog, format_record


class FakeTimer:
    """One call that is due some time."""

    def __init__(self, at_s: float, call: Callable[[], None]) -> None:
        self.at_s, self.call, self.cancelled = at_s, call, False

    def cancel(self) -> None:
        self.cancelled = True


class FakeTrace:
    """A diary in a list."""

    def __init__(self) -> None:
        self.marks: list[tuple[str, dict[str, object]]] = []

    def mark(self, name: str, **fields: object) -> None:
        self.marks.append((name, fields))


class Evening:
    """A turn log with everything around it, and a clock moved by hand."""

    def __init__(self) -> None:
        self.now_s = 50.0
        self.diary = FakeTrace()
        self.timers: list[FakeTimer] = []
        self.records: list[TurnRecord] = []
        self.log = TurnLog(
            trace=self.diary,
            prices=PRICES["gpt-realtime"],
            counts=Counts,
            now=lambda: self.now_s,
            call_at=self._call_at,
            on_turn=self.records.append,
        )

    def _call_at(self, at_s: float, call: Callable[[], None]) -> FakeTimer:
        self.timers.append(FakeTimer(at_s, call))
        return self.timers[-1]

    def wait(self) -> None:
        """Let the clock run on to the timer that was armed last."""
        self.now_s = self.timers[-1].at_s
        self.timers[-1].call()

    def goes(self, after: str, on: str) -> None:
        self.log.mark("state", before="?", after=after, on=on)

    def turn(self) -> None:
        self.log.mark("wake", model="hey_jarvis", score=0.914, position_frames=1)
        self.goes("listening", "WakeWordDetected")
        self.log.mark("transcript", role="user", text="my secret")
        self.goes("idle", "DeadlinePassed")


@pytest.fixture(autouse=True)
def _heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "speakerd.turn")


def test_every_mark_reaches_the_diary() -> None:
    """The turn log stands before it and changes nothing."""
    evening = Evening()
    evening.log.mark("downlink", response_id="r", bytes=3)
    evening.log.mark("earcon", earcon="wake")
    assert evening.diary.marks == [("downlink", {"response_id": "r", "bytes": 3}), ("earcon", {"earcon": "wake"})]


def test_a_turn_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """A second after its end, at info, with no word of what was said; the listener hears of it then."""
    evening = Evening()
    evening.turn()
    assert caplog.messages == []
    assert [timer.at_s for timer in evening.timers] == [50.0 + GRACE_S]
    evening.wait()
    (line,) = caplog.messages
    assert line.startswith("turn 1: conversation=1 begun=wake ended=nothing-said resumed=0 asked_again=0 score=0.91 ")
    assert "secret" not in line
    assert [record.ended for record in evening.records] == ["nothing-said"]
    assert len(evening.timers) == 1


def test_turns_in_quick_succession_have_a_line_each(caplog: pytest.LogCaptureFixture) -> None:
    """One timer at a time is armed, and again for the next one."""
    evening = Evening()
    evening.turn()
    evening.now_s += 0.5
    evening.turn()
    evening.wait()
    evening.wait()
    assert len(evening.timers) == 2
    assert [line.split()[2] for line in caplog.messages] == ["conversation=1", "conversation=2"]


def test_what_is_open_at_the_end_is_written(caplog: pytest.LogCaptureFixture) -> None:
    """A daemon that is stopped in mid-turn accounts for it, and for the one that has just ended."""
    evening = Evening()
    evening.turn()
    evening.goes("listening", "SpeechStarted")
    evening.log.close()
    assert evening.timers[0].cancelled
    assert [record.ended for record in evening.records] == ["nothing-said", "shut-down"]
    evening.log.close()
    assert len(caplog.messages) == 2


def test_tokens_and_prices_make_the_estimate(caplog: pytest.LogCaptureFixture) -> None:
    """They are put down to the turn, by the prices that hold when the line is written."""
    evening = Evening()
    evening.turn()
    evening.log.note_usage(Usage(audio_in=1000, cached_audio_in=0, audio_out=1000))
    evening.log.note_transcription(0.5)
    evening.wait()
    assert "audio_in=1000 " in caplog.text
    assert caplog.messages[0].endswith(" unreported_out=0 usd=0.5960")
    evening.log.use(FREE)
    evening.turn()
    evening.log.note_usage(Usage(audio_in=1000))
    evening.wait()
    assert caplog.messages[1].endswith(" usd=0.0000")


def test_the_keys_are_those_of_the_table() -> None:
    """Documented, each once, in this order; and the journal masks none of them."""
    evening = Evening()
    evening.turn()
    evening.log.note_usage(Usage(*[1234567] * 6))
    evening.wait()
    line = format_record(evening.records[0])
    keys = [pair.split("=")[0] for pair in line.split(" ")]
    documented = re.findall(r"^(\w+) {2,}\S", turn_log.__doc__ or "", re.MULTILINE)
    assert keys == [key for key in documented if key != "key"]
    assert mask(line) == line
