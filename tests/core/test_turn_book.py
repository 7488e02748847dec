"""Which mark belongs to which turn."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.core.spend import FREE, PRICES, Usage
from speakerd.core.turn_book import GRACE_S, TurnBook
from speakerd.core.turn_record import Counts, TurnRecord

SECOND_BYTES = 48_000


class Evening:
    """A book, a clock moved by hand, and counters."""

    def __init__(self, prices=FREE) -> None:
        self.counts = Counts()
        self.book = TurnBook(prices, lambda: self.counts)
        self.now_s = 100.0
        self.phase = "idle"

    def mark(self, name: str, after_ms: float = 0, **values) -> None:
        self.now_s += after_ms / 1000
        self.book.mark(self.now_s, name, values)

    def goes(self, after: str, on: str, after_ms: float = 0) -> None:
        self.mark("state", after_ms, before=self.phase, after=after, on=on)
        self.phase = after

    def wakes(self) -> None:
        self.mark("wake", model="hey_jarvis", score=0.9)
        self.goes("listening", "WakeWordDetected")

    def connects(self) -> None:
        self.mark("link.connecting")
        self.mark("link.open", 120)
        self.mark("link.up", 30)
        self.mark("uplink", 5, bytes=1920, total_bytes=1920)

    def asks(self) -> None:
        self.mark("speech_started", 200, audio_start_ms=0)
        self.mark("speech_stopped", 2000, audio_end_ms=2000)
        self.goes("thinking", "SpeechStopped")

    def goes_on(self) -> None:
        """The user takes the word again before the answer is audible."""
        self.mark("speech_started", 100, audio_start_ms=3000)
        self.goes("listening", "SpeechStarted")

    def answers(self, response_id: str, seconds: int = 3) -> None:
        self.mark("response.created", 10, response_id=response_id)
        for _ in range(seconds):
            self.mark("downlink", 200, response_id=response_id, item_id="i", bytes=SECOND_BYTES)
        self.goes("speaking", "AudioStarted")
        self.mark("audible", 8, response_id=response_id)

    def accounts(self, response_id: str, usage: Usage, status: str = "completed") -> None:
        self.mark("response.done", 5, response_id=response_id, status=status)
        self.book.note_usage(usage)

    def rings_out(self, after: str = "follow-up") -> None:
        self.mark("drained", 5000)
        self.goes(after, "PlaybackDrained")

    def is_cut(self, on: str, after: str = "listening") -> None:
        self.goes(after, on)
        self.mark("flush", audible=True)
        self.mark("truncate", item_id="i", heard_ms=990)
        self.mark("silent", 7)

    def settles(self) -> tuple[TurnRecord, ...]:
        self.now_s += GRACE_S
        return self.book.settle(self.now_s)


def test_a_conversation_is_a_record_a_turn() -> None:
    """A question by wake word and a follow-up make two records; nobody spoke in the window after: none."""
    evening = Evening(PRICES["gpt-realtime"])
    evening.wakes()
    evening.connects()
    evening.asks()
    evening.answers("r1")
    evening.accounts("r1", Usage(audio_in=30, audio_out=60))
    evening.rings_out()
    (first,) = evening.settles()
    evening.mark("speech_started", 100)
    evening.goes("listening", "SpeechStarted")
    evening.asks()
    evening.answers("r2")
    evening.accounts("r2", Usage(audio_in=50))
    evening.rings_out()
    (second,) = evening.settles()
    evening.goes("idle", "DeadlinePassed", 8000)
    assert evening.book.close(evening.now_s) == ()
    assert (first.conversation, first.turn, first.begun, first.ended) == (1, 1, "wake", "answered")
    assert (first.wake_score, first.open_ms, first.first_byte_ms) == (0.9, 120, 155)
    assert (first.reply_ms, first.audible_ms, first.received_ms, first.heard_ms) == (210, 408, 3000, 3000)
    assert (first.usage, first.unreported) == (Usage(audio_in=30, audio_out=60), Usage())
    assert first.cost_usd > 0
    assert (second.conversation, second.turn, second.begun, second.wake_score) == (1, 2, "speech", None)
    assert second.usage == Usage(audio_in=50)


def test_a_barge_in_waits_for_silence_and_the_account() -> None:
    """What comes after the cut belongs to the turn that was cut, not to the one it began."""
    evening = Evening()
    evening.wakes()
    evening.connects()
    evening.asks()
    evening.answers("r1")
    evening.mark("speech_started", 1000, audio_start_ms=9000)
    evening.is_cut("SpeechStarted")
    evening.accounts("r1", Usage(audio_out=60), "cancelled")
    assert evening.book.settle(evening.now_s) == ()
    assert evening.book.due_s is not None
    (cut,) = evening.settles()
    assert evening.book.due_s is None
    assert (cut.ended, cut.barge_in, cut.silent_ms, cut.told_ms) == ("interrupted", "speech", 7, 990)
    assert (cut.heard_ms, cut.usage, cut.unreported) == (1000, Usage(audio_out=60), Usage())
    (after,) = evening.book.close(evening.now_s)
    assert (after.turn, after.begun, after.ended, after.usage) == (2, "speech", "shut-down", Usage())


def test_a_wake_word_in_a_reply_counts_from_its_detection() -> None:
    """The cut is the wake word's, and the socket was open."""
    evening = Evening()
    evening.wakes()
    evening.connects()
    evening.asks()
    evening.answers("r1")
    evening.mark("wake", 500, score=0.7)
    evening.is_cut("WakeWordDetected")
    evening.mark("uplink", 3, bytes=9, total_bytes=9)
    (cut,) = evening.settles()
    (after,) = evening.book.close(evening.now_s)
    assert (cut.barge_in, cut.silent_ms) == ("wake", 7)
    assert (after.wake_score, after.open_ms, after.first_byte_ms) == (0.7, 0, 10)


def test_a_connection_made_on_a_guess_is_there_at_once() -> None:
    """It was open before the wake word; one that was given up and made anew was not."""
    evening = Evening()
    evening.mark("link.connecting")
    evening.mark("link.open", 100)
    evening.wakes()
    assert evening.book.close(evening.now_s)[0].open_ms == 0
    evening.goes("idle", "StopRequested")
    evening.mark("link.connecting")
    evening.mark("link.open", 100)
    evening.wakes()
    evening.mark("link.connecting", 0)
    evening.mark("link.open", 250)
    assert evening.book.close(evening.now_s)[0].open_ms == 250


def test_a_new_session_in_mid_turn_does_not_change_how_long_the_first_took() -> None:
    """A session that is renewed once audio has gone out was open all the while."""
    evening = Evening()
    evening.wakes()
    evening.connects()
    evening.connects()
    assert evening.book.close(evening.now_s)[0].open_ms == 120


def test_nobody_spoke() -> None:
    """An empty turn is a record as well."""
    evening = Evening()
    evening.wakes()
    evening.connects()
    evening.goes("idle", "DeadlinePassed", 8000)
    (record,) = evening.settles()
    assert (record.ended, record.reply_ms, record.heard_ms, record.usage) == ("nothing-said", None, 0, Usage())


def test_the_link_dies_in_a_reply() -> None:
    """What came is played; the record names the error, and guesses what was not accounted for."""
    evening = Evening(PRICES["gpt-realtime"])
    evening.wakes()
    evening.connects()
    evening.asks()
    evening.answers("r1")
    evening.mark("link.lost", 10, code="link-closed-1006")
    evening.rings_out("idle")
    (record,) = evening.settles()
    assert (record.ended, record.received_ms, record.heard_ms) == ("link-closed-1006", 3000, 3000)
    assert record.unreported == Usage(audio_out=60)
    assert record.cost_usd > 0


def test_no_connection_at_all() -> None:
    """The wake word was answered by nobody."""
    evening = Evening()
    evening.wakes()
    evening.mark("link.connecting")
    evening.mark("link.lost", 10_000, code="link-dns")
    evening.goes("idle", "LinkLost")
    (record,) = evening.settles()
    assert (record.ended, record.open_ms, record.first_byte_ms) == ("link-dns", None, None)


def test_a_user_who_goes_on_is_still_in_one_turn() -> None:
    """Each hesitation is counted in the one record; the next question has the next number."""
    evening = Evening()
    evening.wakes()
    evening.connects()
    evening.asks()
    for _ in range(2):
        evening.goes_on()
        evening.asks()
    evening.answers("r1")
    evening.rings_out()
    evening.mark("speech_started", 100)
    evening.goes("listening", "SpeechStarted")
    evening.asks()
    evening.answers("r2")
    evening.rings_out()
    first, second = evening.settles()
    assert (first.turn, first.begun, first.ended, first.resumed) == (1, "wake", "answered", 2)
    assert (first.open_ms, first.first_byte_ms) == (120, 155)
    assert (second.turn, second.begun, second.resumed) == (2, "speech", 0)


def asked_again(phase: str = "thinking") -> Evening:
    """Return an evening whose link is lost with a question in it, which is asked again."""
    evening = Evening()
    evening.mark("uplink.again", from_frame=0, back_ms=0)
    evening.wakes()
    evening.connects()
    evening.mark("speech_started", 200, audio_start_ms=0)
    if phase == "thinking":
        evening.mark("speech_stopped", 2000, audio_end_ms=2000)
        evening.goes("thinking", "SpeechStopped")
    evening.mark("link.lost", 100, code="link-lost")
    if phase == "thinking":
        evening.goes("listening", "LinkLost")
    evening.mark("uplink.again", from_frame=0, back_ms=2300)
    return evening


@pytest.mark.parametrize("phase", ["listening", "thinking"])
def test_a_question_that_is_asked_again_is_one_turn(phase: str) -> None:
    """It says so, and ends as if nothing had happened; its times are those of the second time."""
    evening = asked_again(phase)
    evening.connects()
    evening.asks()
    evening.answers("r1")
    evening.accounts("r1", Usage(audio_out=60))
    evening.rings_out()
    (record,) = evening.settles()
    assert (record.turn, record.begun, record.ended) == (1, "wake", "answered")
    assert (record.asked_again, record.resumed, record.open_ms, record.reply_ms) == (1, 0, 120, 210)


def test_a_question_that_is_asked_again_in_vain_tells_of_the_link() -> None:
    """Nobody was reached in time: that was the loss, not an utterance too long."""
    evening = asked_again()
    evening.goes("idle", "DeadlinePassed", 6000)
    (record,) = evening.settles()
    assert (record.ended, record.asked_again) == ("link-lost", 1)
    evening.mark("link.up")
    assert evening.settles() == ()


def test_an_answer_that_was_overtaken_is_paid_for_and_not_timed() -> None:
    """Its tokens and its late sound are the turn's; how long the reply took is told of the one that was wanted."""
    evening = Evening()
    evening.wakes()
    evening.connects()
    evening.asks()
    evening.mark("response.created", 10, response_id="r1")
    evening.mark("downlink", 40, response_id="r1", item_id="i", bytes=SECOND_BYTES)
    evening.goes_on()
    evening.mark("downlink", 20, response_id="r1", item_id="i", bytes=SECOND_BYTES)
    evening.asks()
    evening.accounts("r1", Usage(audio_out=20), "failed")
    evening.answers("r2", 3)
    evening.accounts("r2", Usage(audio_out=60))
    evening.rings_out()
    (record,) = evening.settles()
    assert (record.reply_ms, record.audible_ms, record.received_ms) == (215, 408, 5000)
    assert (record.ended, record.usage, record.unreported) == ("answered", Usage(audio_out=80), Usage())


def test_what_is_flushed_when_the_user_goes_on_is_this_turns() -> None:
    """An answer a moment before is told nothing of it."""
    evening = Evening()
    evening.wakes()
    evening.asks()
    evening.answers("r1")
    evening.is_cut("SpeechStarted")
    evening.asks()
    evening.goes_on()
    evening.mark("truncate", item_id="j", heard_ms=5)
    evening.goes("idle", "StopRequested")
    first, second = evening.settles()
    assert (first.told_ms, second.told_ms, second.resumed) == (990, 5, 1)


def test_a_request_without_the_word_has_no_score() -> None:
    """``speakerd wake`` makes no wake mark; an old one is not taken for it."""
    evening = Evening()
    evening.mark("wake", score=0.8)
    evening.goes("listening", "WakeWordDetected", 5000)
    evening.mark("uplink", 20)
    (record,) = evening.book.close(evening.now_s)
    assert (record.begun, record.wake_score, record.first_byte_ms) == ("request", None, 20)


def test_a_reply_that_nobody_asked_for_is_a_turn() -> None:
    """The service may speak on in the window after a reply; its tokens count."""
    evening = Evening()
    evening.mark("response.created", response_id="r9")
    evening.goes("thinking", "ResponseCreated")
    evening.answers("r10", 1)
    evening.accounts("r9", Usage(text_out=5))
    evening.rings_out()
    (record,) = evening.settles()
    assert (record.begun, record.ended, record.usage) == ("response", "answered", Usage(text_out=5))
    evening.goes("thinking", "Something")
    assert evening.book.close(evening.now_s)[0].begun == "other"


def test_two_responses_in_a_turn_add_up() -> None:
    """A second one is played behind the first; the link's failure in the first is not the second's."""
    evening = Evening()
    evening.wakes()
    evening.asks()
    evening.answers("r1", 1)
    evening.accounts("r1", Usage(audio_out=20))
    evening.answers("r2", 2)
    evening.mark("speech_stopped")
    evening.accounts("r2", Usage(audio_out=40), "incomplete")
    evening.rings_out()
    (record,) = evening.settles()
    assert (record.received_ms, record.usage, record.ended) == (3000, Usage(audio_out=60), "response-incomplete")


def test_a_late_account_is_not_lost() -> None:
    """When the turn is written already, its tokens and its transcription are put down to the next."""
    evening = Evening()
    evening.wakes()
    evening.asks()
    evening.answers("r1", 1)
    evening.rings_out()
    evening.mark("response.done", response_id="r1", status="completed")
    assert len(evening.settles()) == 1
    evening.book.note_usage(Usage(audio_out=20))
    evening.accounts("r1", Usage(text_out=1))
    evening.book.note_transcription(0.25)
    evening.wakes()
    evening.accounts("r1", Usage(text_in=3), "failed")
    evening.book.note_transcription(0.5)
    evening.goes("idle", "DeadlinePassed")
    (record,) = evening.settles()
    assert (record.usage, record.cost_usd) == (Usage(audio_out=20, text_out=1, text_in=3), 0.75)
    assert record.ended == "nothing-said"


def test_tokens_without_a_response_go_to_the_turn_that_is_there() -> None:
    """The open one, else the one that ended last."""
    evening = Evening()
    evening.wakes()
    evening.book.note_usage(Usage(text_in=1))
    evening.goes("idle", "StopRequested")
    evening.book.note_usage(Usage(text_in=2))
    assert evening.settles()[0].usage == Usage(text_in=3)


def test_counts_are_those_of_the_turn() -> None:
    """Xruns and starvations since its beginning, near-misses since the record before; a card that came back is 0."""
    evening = Evening()
    evening.counts = Counts(xruns=2, near_misses=4)
    evening.wakes()
    evening.counts = Counts(xruns=3, starvations=2, near_misses=5)
    evening.goes("idle", "StopRequested")
    evening.counts = Counts(xruns=3, starvations=2, near_misses=7)
    evening.wakes()
    evening.counts = Counts(xruns=1, starvations=1, near_misses=7)
    first, second = evening.book.close(evening.now_s)
    assert (first.xruns, first.starvations, first.near_misses) == (1, 2, 5)
    assert (second.xruns, second.starvations, second.near_misses) == (0, 0, 2)


def test_a_flush_of_something_else_cuts_no_reply() -> None:
    """Neither a flush that silenced nothing nor one before the reply was audible makes a barge-in."""
    evening = Evening()
    evening.mark("flush", audible=True)
    evening.mark("silent")
    evening.mark("drained")
    evening.wakes()
    evening.mark("flush", audible=True)
    evening.asks()
    evening.answers("r1")
    evening.mark("flush", audible=False)
    evening.mark("silent")
    evening.goes("listening", "SpeechStarted")
    assert evening.settles()[0].barge_in is None


def test_marks_that_make_no_sense_do_no_harm() -> None:
    """Fields that are missing or of another kind are passed over."""
    evening = Evening()
    for name in ("downlink", "audible", "uplink", "speech_started", "speech_stopped", "link.lost", "truncate", "x"):
        evening.mark(name)
    evening.wakes()
    evening.mark("wake", score="high")
    for name in ("downlink", "truncate", "audible", "audible"):
        evening.mark(name)
    (record,) = evening.book.close(evening.now_s)
    assert (record.received_ms, record.told_ms) == (0, None)


NAMES = st.sampled_from(
    [
        "wake",
        "link.connecting",
        "link.open",
        "link.up",
        "link.lost",
        "uplink",
        "speech_started",
        "speech_stopped",
        "link.up",
        "uplink.again",
        "response.created",
        "response.done",
        "downlink",
        "audible",
        "drained",
        "flush",
        "silent",
        "truncate",
        "cancel",
        "earcon",
        "transcript",
    ]
)
PHASES = st.sampled_from(["idle", "listening", "thinking", "speaking", "follow-up"])
EVENTS = st.sampled_from(
    [
        "WakeWordDetected",
        "SpeechStarted",
        "SpeechStopped",
        "ResponseCreated",
        "AudioStarted",
        "ResponseDone",
        "PlaybackDrained",
        "StopRequested",
        "LinkLost",
        "DeadlinePassed",
        "MuteChanged",
    ]
)
FIELDS = st.fixed_dictionaries(
    {
        "response_id": st.sampled_from(["r1", "r2", "r3"]),
        "bytes": st.integers(0, 99_999),
        "heard_ms": st.integers(-50, 5000),
        "audible": st.booleans(),
        "score": st.floats(0, 1),
        "status": st.sampled_from(["completed", "cancelled", "failed"]),
    }
)
MARKS = st.tuples(NAMES, FIELDS)
STATES = st.tuples(st.just("state"), st.fixed_dictionaries({"after": PHASES, "on": EVENTS}))
STEPS = st.lists(st.tuples(st.floats(0, 3), MARKS | STATES, st.booleans()), max_size=60)


@given(STEPS)
def test_story_every_turn_makes_one_record(steps) -> None:
    """Whatever is marked: each turn makes one record, however often the user goes on in it.

    No figure is negative, and no token is lost.
    """
    evening = Evening(PRICES["gpt-realtime"])
    records: list[TurnRecord] = []
    begun, resumed, open_turn, used, phase = 0, 0, False, 0, "idle"
    for wait_s, (name, values), accounted in steps:
        evening.mark(name, wait_s * 1000, **values)
        if name == "state":
            resting = values["after"] in {"idle", "follow-up"}
            back = (phase, values["after"]) == ("thinking", "listening")
            same = back and values["on"] in {"SpeechStarted", "LinkLost"}
            resumed += back and values["on"] == "SpeechStarted"
            begun += not same and (values["after"] == "listening" or not (resting or open_turn))
            open_turn, phase = not resting, values["after"]
        if accounted:
            evening.book.note_usage(Usage(text_in=1))
            used += 1
        records += evening.book.settle(evening.now_s)
    evening.goes("listening", "WakeWordDetected")
    records += evening.book.close(evening.now_s)
    assert len(records) == begun + 1
    assert sum(record.usage.text_in for record in records) == used
    order = [(record.conversation, record.turn) for record in records]
    assert order == sorted(set(order))
    assert sum(record.resumed for record in records) == resumed
    assert all(turn >= 1 and conversation >= 1 for conversation, turn in order)
    for record in records:
        figures = [getattr(record, one.name) for one in fields(TurnRecord)]
        assert all(figure >= 0 for figure in figures if isinstance(figure, int | float))
        assert record.heard_ms <= record.received_ms
        assert record.ended
