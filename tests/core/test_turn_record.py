"""One turn: its end in words, and the record it makes."""

from __future__ import annotations

import pytest

from speakerd.core.spend import FREE, PRICES, Usage
from speakerd.core.turn_record import Counts, Reply, Turn

PRICED = PRICES["gpt-realtime"]


def turn(**known) -> Turn:
    """Return a turn begun by the wake word at 10 s."""
    return Turn(**{"conversation": 2, "number": 3, "begun": "wake", "begun_s": 10.0, "counts": Counts(), **known})


def test_a_turn_that_went_well_has_every_span() -> None:
    """Each hop is the time between its two moments, in whole milliseconds."""
    record = turn(
        wake_score=0.91,
        link_open_s=10.142,
        first_uplink_s=10.1501,
        stopped_s=12.0,
        delta_s=12.4,
        audible_s=12.409,
        quiet_s=14.6,
        ended="answered",
        replies={"r": Reply(2 * 48_000, accounted=True)},
        usage=Usage(audio_in=20, audio_out=40),
    ).record(PRICED)
    assert (record.conversation, record.turn, record.begun, record.ended) == (2, 3, "wake", "answered")
    assert (record.open_ms, record.first_byte_ms, record.reply_ms, record.audible_ms) == (142, 150, 400, 9)
    assert (record.received_ms, record.heard_ms) == (2000, 2000)
    assert (record.barge_in, record.silent_ms, record.told_ms) == (None, None, None)
    assert record.unreported == Usage()
    assert record.cost_usd == pytest.approx((20 * 32 + 40 * 64) / 1e6)


def test_a_cut_reply_says_by_what_and_how_soon() -> None:
    """What was heard is the time until the cut, and never more than came."""
    known = {"audible_s": 12.0, "cut": True, "cut_s": 12.99, "quiet_s": 13.0, "silent_s": 13.003, "told_ms": 995}
    for event, word in (("SpeechStarted", "speech"), ("WakeWordDetected", "wake"), ("StopRequested", "stop")):
        record = turn(**known, ended_on=event, replies={"r": Reply(5 * 48_000)}).record(FREE)
        assert (record.barge_in, record.silent_ms, record.heard_ms, record.told_ms) == (word, 13, 1000, 995)
    assert turn(**known, ended_on="LinkLost").record(FREE).barge_in is None
    assert turn(**known, ended_on="SpeechStarted", replies={"r": Reply(4800)}).record(FREE).heard_ms == 100


def test_a_reply_that_nobody_silenced_was_heard_to_the_end_of_its_turn() -> None:
    """Neither the card's end nor a lost link leaves a mark of quiet."""
    record = turn(audible_s=0.0, ended_s=1.5, replies={"r": Reply(48_000 * 5)}).record(FREE)
    assert record.heard_ms == 1500
    assert turn(audible_s=0.0, quiet_s=0.0, ended_s=1.5, replies={"r": Reply(4800)}).record(FREE).heard_ms == 0


def test_what_is_ready_before_the_wake_word_takes_no_time() -> None:
    """A connection made on a rising score is 0 ms away, never less."""
    assert turn(link_open_s=9.8).record(FREE).open_ms == 0


@pytest.mark.parametrize("begun", ["speech", "response", "other"])
def test_without_a_wake_word_nothing_is_counted_from_it(begun: str) -> None:
    """A follow-up has no way from the wake word to the socket."""
    record = turn(begun=begun, link_open_s=11.0, first_uplink_s=12.0).record(FREE)
    assert (record.open_ms, record.first_byte_ms) == (None, None)


def test_a_reply_without_an_account_is_guessed() -> None:
    """What was received is what was spoken at least; an accounted one is not counted twice."""
    replies = {"lost": Reply(48_000), "told": Reply(96_000, accounted=True)}
    record = turn(replies=replies, usage=Usage(audio_out=40), transcription_usd=0.001).record(PRICED)
    assert record.unreported == Usage(audio_out=20)
    assert record.cost_usd == pytest.approx(60 * 64 / 1e6 + 0.001)


@pytest.mark.parametrize(
    ("event", "phase", "known", "word"),
    [
        ("StopRequested", "speaking", {}, "stopped"),
        ("MuteChanged", "listening", {}, "muted"),
        ("DeviceLost", "thinking", {}, "device-lost"),
        ("BudgetChanged", "listening", {}, "over-budget"),
        ("WakeWordDetected", "speaking", {}, "interrupted"),
        ("SpeechStarted", "speaking", {}, "interrupted"),
        ("SpeechStarted", "thinking", {}, "unheard"),
        ("LinkLost", "listening", {"trouble": "link-dns"}, "link-dns"),
        ("LinkLost", "listening", {}, "link-lost"),
        ("DeadlinePassed", "listening", {}, "nothing-said"),
        ("DeadlinePassed", "listening", {"spoke": True}, "utterance-too-long"),
        ("DeadlinePassed", "listening", {"spoke": True, "trouble": "link-lost"}, "link-lost"),
        ("DeadlinePassed", "thinking", {}, "reply-timeout"),
        ("DeadlinePassed", "speaking", {}, "reply-stalled"),
        ("PlaybackDrained", "speaking", {"delta_s": 1.0}, "answered"),
        ("PlaybackDrained", "speaking", {"delta_s": 1.0, "trouble": "link-closed-1006"}, "link-closed-1006"),
        ("PlaybackDrained", "speaking", {"delta_s": 1.0, "status": "incomplete"}, "response-incomplete"),
        ("ResponseDone", "thinking", {"status": "failed"}, "response-failed"),
        ("ResponseDone", "thinking", {}, "silently"),
        ("SomethingNew", "thinking", {}, "other"),
    ],
)
def test_every_end_has_its_word(event: str, phase: str, known: dict, word: str) -> None:
    """The event that ended the turn, the phase it came in, and what was known name it."""
    assert turn(**known).how_it_ends(phase, event) == word


def test_who_goes_on_makes_the_turn_wait_anew() -> None:
    """What has come of a reply is overtaken, its sound is counted and its times are not."""
    one = turn(stopped_s=12.0, delta_s=12.4, replies={"r": Reply(48_000, accounted=True)})
    one.resume()
    one.resume()
    assert one.replies == {"r": Reply(48_000, accounted=True, overtaken=True)}
    record = one.record(FREE)
    assert (record.resumed, record.asked_again, record.reply_ms, record.received_ms) == (2, 0, None, 1000)


def test_what_is_asked_again_waits_anew() -> None:
    """No reply of the lost session counts any more; that the user did not go on is told apart."""
    one = turn(stopped_s=12.0, replies={"r": Reply(0)})
    one.ask_again()
    assert one.replies == {"r": Reply(0, overtaken=True)}
    record = one.record(FREE)
    assert (record.asked_again, record.resumed, record.reply_ms) == (1, 0, None)


def test_a_response_stays_the_turns_own() -> None:
    """Asked for twice, it is the same one."""
    one = turn()
    one.reply("r").received_bytes += 10
    assert one.reply("r") == Reply(10)
