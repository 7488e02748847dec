"""What a session allows, and what it makes of server events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.core import events as core
from speakerd.core.errors import Remedy
from speakerd.core.memory import Said
from speakerd.core.units import Frames, ItemId, Ms, ResponseId
from speakerd.realtime import server_events as server
from speakerd.realtime.outcome import NOTHING, Outcome, Transcript
from speakerd.realtime.session import Session
from speakerd.realtime.spec import SessionSpec
from speakerd.realtime.usage import TranscriptionUsage, Usage

R1, R2 = ResponseId("resp_1"), ResponseId("resp_2")
A, B = ItemId("item_a"), ItemId("item_b")
HALF_SECOND = bytes(24_000)


def command(text: str | None) -> dict[str, Any]:
    assert text is not None
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def refusal(event_id: str | None, code: str = "invalid_value", param: str | None = None) -> server.ServiceError:
    return server.ServiceError(code, "no", param, event_id)


def done(response_id: ResponseId, status: str = "completed", code: str | None = None) -> server.ResponseDone:
    return server.ResponseDone(response_id, status, None, code, None, None)


def talking(*, audio: bytes = HALF_SECOND) -> Session:
    """Return a session in which response 1 has brought some audio of item A."""
    session = Session(SessionSpec())
    session.begin()
    session.receive(server.SessionUpdated("sess", 99))
    session.receive(server.ResponseCreated(R1))
    session.receive(server.AudioDelta(R1, A, audio))
    return session


def test_the_first_update_comes_up_as_link_up_once() -> None:
    """The session is up at the first session.updated that answers us, and only then."""
    session = Session(SessionSpec())
    assert session.receive(server.SessionCreated("sess", 99)) == NOTHING
    assert session.receive(server.SessionUpdated(None, None)) == NOTHING
    update = command(session.begin())
    assert (update["type"], update["session"]["type"]) == ("session.update", "realtime")
    assert session.receive(server.SessionUpdated(None, None)) == Outcome(event=core.LinkUp())
    assert session.receive(server.SessionUpdated(None, None)) == NOTHING
    assert (session.up, session.session_id, session.expires_at, session.degraded) == (True, "sess", 99, False)


@pytest.mark.parametrize("by_id", [True, False])
def test_a_refused_update_is_tried_again_with_the_minimum(*, by_id: bool) -> None:
    """A refusal, known by its event id or by its path, is answered with the minimum, and that can succeed."""
    session = Session(SessionSpec(voice="nobody"))
    first = command(session.begin())
    error = refusal(first["event_id"]) if by_id else refusal(None, param="session.audio.output.voice")
    outcome = session.receive(error)
    assert (outcome.refusal, outcome.lost, session.degraded) == (error, None, True)
    assert outcome.event == core.SessionReduced("invalid_value")
    (second,) = outcome.commands
    assert command(second)["event_id"] != first["event_id"]
    assert "voice" not in second
    assert session.receive(server.SessionUpdated(None, None)).event == core.LinkUp()


def test_a_second_refusal_needs_the_operator() -> None:
    """When even the minimum is refused, the session is lost and a person must look."""
    session = Session(SessionSpec())
    (second,) = session.receive(refusal(command(session.begin())["event_id"])).commands
    lost = session.receive(refusal(command(second)["event_id"])).lost
    assert lost is not None
    assert (lost.code, lost.remedy) == ("session-refused", Remedy.OPERATOR)


def test_other_errors_are_survived() -> None:
    """An error about something else is told, a lost race is not even that; the update stays pending."""
    session = Session(SessionSpec())
    session.begin()
    other = refusal("evt_77")
    assert session.receive(other) == Outcome(refusal=other)
    nameless = refusal(None)
    assert session.receive(nameless) == Outcome(refusal=nameless)
    assert session.receive(refusal(None, code="response_cancel_not_active")) == NOTHING
    assert session.receive(server.SessionUpdated(None, None)).event == core.LinkUp()
    assert session.receive(other) == Outcome(refusal=other)


def test_an_expired_session_is_lost() -> None:
    """The service's word that the session is too old ends it with a reconnect."""
    lost = talking().receive(refusal(None, code="session_expired")).lost
    assert lost is not None
    assert (lost.code, lost.remedy) == ("session-expired", Remedy.RECONNECT)


def test_speech_is_told_to_the_core() -> None:
    """Both ends of the user's speech become core events."""
    session = talking()
    assert session.receive(server.SpeechStarted(A, Ms(10))) == Outcome(event=core.SpeechStarted())
    assert session.receive(server.SpeechStopped(A, Ms(20))) == Outcome(event=core.SpeechStopped())


def test_where_speech_begins_is_known_by_the_microphones_frames() -> None:
    """The service's place includes its padding, which must not reach into what was said before."""
    session = Session(SessionSpec(), lambda place_ms: Frames(1_000_000 + place_ms))
    for begins_ms, frame in ((700, 1_000_700), (1500, 1_002_000), (2600, 1_002_600)):
        said = session.receive(server.SpeechStarted(A, Ms(begins_ms)))
        assert said == Outcome(event=core.SpeechStarted(from_frame=Frames(frame)))
        session.receive(server.SpeechStopped(A, Ms(2000)))


def test_a_response_begins_and_ends_once() -> None:
    """Doubled response events surface once; an end without a beginning not at all."""
    session = Session(SessionSpec())
    assert session.receive(done(R2)) == NOTHING
    assert session.receive(server.ResponseCreated(R2)) == NOTHING
    assert session.receive(server.ResponseCreated(R1)) == Outcome(event=core.ResponseCreated(R1))
    assert session.receive(server.ResponseCreated(R1)) == NOTHING
    assert session.receive(done(R1)) == Outcome(event=core.ResponseDone(R1, "completed"), audio_done=R1)
    assert session.receive(done(R1)) == NOTHING


def test_a_failed_response_carries_its_code_and_its_usage() -> None:
    """Quota trouble stands in response.done, and is passed on."""
    session = talking()
    usage = Usage(1, 2, 0, 0, 3, 4)
    outcome = session.receive(server.ResponseDone(R1, "failed", None, "insufficient_quota", "m", usage))
    assert outcome.event == core.ResponseDone(R1, "failed", "insufficient_quota")
    assert outcome.usage == usage


def test_what_nobody_asked_for_still_costs() -> None:
    """The usage of a response whose beginning was never told is counted, once."""
    usage = Usage(1, 2, 0, 0, 3, 4)
    session = Session(SessionSpec())
    ended = server.ResponseDone(R1, "completed", None, None, None, usage)
    assert session.receive(ended) == Outcome(usage=usage)
    assert session.receive(ended) == NOTHING


def test_late_audio_of_an_ended_response_is_dropped() -> None:
    """The story of a cancelled response that speaks on: its deltas never surface, the next one's do."""
    session = talking()
    session.receive(server.ResponseCreated(R2))
    session.receive(done(R1, "cancelled"))
    assert session.receive(server.AudioDelta(R1, A, HALF_SECOND)) == NOTHING
    assert session.receive(server.AudioDelta(ResponseId("never"), A, HALF_SECOND)) == NOTHING
    audio = session.receive(server.AudioDelta(R2, B, HALF_SECOND)).audio
    assert audio is not None
    assert (audio.response_id, audio.item_id, session.late_deltas) == (R2, B, 2)


def test_samples_split_between_deltas_are_put_together() -> None:
    """Audio comes out in whole samples, however it was cut."""
    session = talking(audio=b"\1")
    audio = session.receive(server.AudioDelta(R1, A, b"\2\3")).audio
    assert audio is not None
    assert audio.pcm == b"\1\2"


def test_truncation_is_clamped_to_what_was_received() -> None:
    """We never claim to have heard more of an item than came, nor less than nothing; and audio after it is late."""
    assert command(talking().truncate(A, Ms(9_000)))["audio_end_ms"] == 500
    assert command(talking().truncate(A, Ms(-5)))["audio_end_ms"] == 0
    session = talking()
    assert command(session.truncate(A, Ms(120)))["item_id"] == A
    assert session.receive(server.AudioDelta(R1, A, HALF_SECOND)) == NOTHING


def test_only_what_has_audio_and_was_not_wholly_heard_is_truncated() -> None:
    """Unknown, silent and wholly heard items are left alone; a cut is only ever made shorter."""
    session = talking(audio=b"\1")
    assert session.truncate(B, Ms(1)) is None
    assert session.truncate(A, Ms(1)) is None
    session = talking()
    session.receive(done(R1))
    assert session.truncate(A, Ms(500)) is None
    assert session.truncate(A, Ms(300)) is not None
    assert session.truncate(A, Ms(300)) is None
    assert session.truncate(A, Ms(200)) is not None


def test_only_a_running_response_is_cancelled_and_only_once() -> None:
    """A cancel names its response; what is unknown, over or cancelled gets none; a cut one does."""
    session = talking()
    assert session.cancel(R2) is None
    session.truncate(A, Ms(100))
    assert command(session.cancel(R1))["response_id"] == R1
    assert session.cancel(R1) is None
    session.receive(done(R1, "cancelled"))
    assert session.cancel(R1) is None


def test_transcripts_name_their_speaker() -> None:
    """What was said surfaces whole, by item."""
    session = talking()
    said = session.receive(server.TranscriptDone(R1, A, "Noon.")).transcript
    asked = session.receive(server.UserTranscript(B, "what time is it")).transcript
    assert said == Transcript("assistant", A, "Noon.")
    assert asked == Transcript("user", B, "what time is it")


def test_the_users_item_is_told_before_its_words_and_with_their_cost() -> None:
    """An item is known when it is committed; writing it down may have its own price."""
    session = talking()
    took = TranscriptionUsage(1.5, 0, 0, 0)
    assert session.receive(server.Committed(B)) == Outcome(committed=B)
    assert session.receive(server.UserTranscript(B, "hi", took)).transcription_usage == took


def test_unknown_events_are_counted_and_needless_ones_ignored() -> None:
    """What we do not know and what we do not need changes nothing."""
    session = talking()
    assert session.receive(server.Unknown("x")) == NOTHING
    assert session.receive(server.Truncated(A, Ms(5))) == NOTHING
    assert session.unknown_events == 1


def test_every_command_has_its_own_event_id() -> None:
    """Errors can be traced to the command that caused them."""
    session = talking()
    ids = [command(session.append(b"\0\0"))["event_id"] for _ in range(3)]
    assert len(set(ids)) == 3


def call(call_id: str = "call_1", response_id: ResponseId = R1) -> server.FunctionCall:
    return server.FunctionCall(response_id, call_id, "set_timer", "{}")


def called(call_id: str = "call_1", response_id: ResponseId = R1) -> core.FunctionCalled:
    return core.FunctionCalled(response_id, call_id, "set_timer", "{}")


def test_a_function_call_is_told_once_and_counted_at_the_end() -> None:
    """A call surfaces when it is whole; the end of its response repeats it, and tells how many there were."""
    session = talking()
    assert session.receive(call()) == Outcome(calls=(called(),))
    assert session.receive(call()) == NOTHING
    ended = server.ResponseDone(R1, "completed", None, None, None, None, (call(), call("call_2")))
    outcome = session.receive(ended)
    assert outcome.calls == (called("call_2"),)
    assert outcome.event == core.ResponseDone(R1, "completed", None, 2)


def test_calls_of_what_was_stopped_are_not_made() -> None:
    """A response that is unknown, over or cancelled by us calls nothing any more."""
    session = talking()
    assert session.receive(call(response_id=R2)) == NOTHING
    session.cancel(R1)
    assert session.receive(call()) == NOTHING
    session.receive(done(R1, "cancelled"))
    assert session.receive(call()) == NOTHING


def test_a_call_is_answered_once_and_then_spoken_about() -> None:
    """The answer goes at once, the request for a response when the calling one is over."""
    session = talking()
    session.receive(call())
    answer = command(session.answer_call("call_1", '{"ok":true}'))
    assert answer["item"] == {"type": "function_call_output", "call_id": "call_1", "output": '{"ok":true}'}
    assert session.answer_call("call_1", "{}") is None
    assert session.answer_call("call_9", "{}") is None
    assert session.ask() is None
    assert session.receive(server.CallOutputTaken("call_1")) == NOTHING
    (request,) = session.receive(done(R1)).commands
    assert command(request)["type"] == "response.create"
    assert session.ask() is None


def test_a_response_is_asked_for_when_nobody_speaks() -> None:
    """While the user speaks no response is asked for; the service's own, which knows all answers, makes it needless."""
    session = talking()
    session.receive(done(R1))
    session.receive(server.SpeechStarted(B, Ms(0)))
    assert session.ask() is None
    session.receive(server.SpeechStopped(B, Ms(9)))
    session.receive(server.ResponseCreated(R2))
    assert session.receive(done(R2)).commands == ()
    assert command(session.ask())["type"] == "response.create"


def test_a_request_that_lost_a_race_is_no_error() -> None:
    """The service began a response itself a moment before: nothing is told, and nothing asked twice."""
    session = talking()
    session.receive(done(R1))
    request = command(session.ask())
    session.receive(server.ResponseCreated(R2))
    assert session.receive(refusal(request["event_id"], "conversation_already_has_active_response")) == NOTHING
    assert session.receive(done(R2)).commands == ()


def test_interruptions_can_be_switched_in_a_running_session() -> None:
    """The change names the whole turn detection; what is so already needs none; a refusal of it is survived."""
    session = talking()
    update = command(session.configure_turns(interrupt=False))
    assert update["session"] == {
        "type": "realtime",
        "audio": {
            "input": {
                "turn_detection": {
                    "type": "server_vad",
                    "silence_duration_ms": 500,
                    "create_response": True,
                    "interrupt_response": False,
                }
            }
        },
    }
    assert session.configure_turns(interrupt=False) is None
    assert session.receive(server.SessionUpdated(None, None)) == NOTHING
    error = refusal(update["event_id"], param="session.audio")
    assert session.receive(error) == Outcome(refusal=error)


def test_a_switch_before_the_session_is_up_follows_it() -> None:
    """The first update stands alone, so that its refusal is understood; what changed meanwhile comes behind it."""
    session = Session(SessionSpec())
    first = command(session.begin())
    assert session.configure_turns(interrupt=False) is None
    (minimal,) = session.receive(refusal(first["event_id"])).commands
    assert command(minimal)["session"]["audio"]["input"]["turn_detection"]["interrupt_response"] is False
    outcome = session.receive(server.SessionUpdated(None, None))
    (change,) = outcome.commands
    assert outcome.event == core.LinkUp()
    assert command(change)["session"]["audio"]["input"]["turn_detection"]["interrupt_response"] is False


def test_what_was_said_before_is_told_by_its_speaker() -> None:
    """Seeds are text messages of the user and of the assistant, each with its own event id."""
    session = talking()
    seeds = [command(session.seed(Said(role, "Hm."))) for role in ("user", "assistant")]
    assert [seed["item"]["role"] for seed in seeds] == ["user", "assistant"]
    assert [seed["item"]["content"][0]["type"] for seed in seeds] == ["input_text", "output_text"]
    error = refusal(seeds[0]["event_id"])
    assert session.receive(error) == Outcome(refusal=error)


def test_how_much_of_an_item_came_is_known() -> None:
    """For whoever remembers a reply only as far as it was heard."""
    session = talking()
    assert (session.received_ms(A), session.received_ms(B)) == (500, 0)


EVENTS = st.one_of(
    st.builds(server.ResponseCreated, st.sampled_from([R1, R2])),
    st.builds(done, st.sampled_from([R1, R2]), st.sampled_from(["completed", "cancelled", "failed"])),
    st.builds(server.AudioDelta, st.sampled_from([R1, R2]), st.sampled_from([A, B]), st.binary(max_size=9)),
    st.builds(call, st.sampled_from(["call_1", "call_2"]), st.sampled_from([R1, R2])),
    st.builds(server.CallOutputTaken, st.sampled_from(["call_1", "call_2"])),
    st.sampled_from(
        [server.SpeechStarted(B, Ms(0)), server.SpeechStopped(B, Ms(1)), server.SessionUpdated(None, None)]
    ),
    st.sampled_from(["ask", "answer", "cancel", "truncate"]),
)


@given(st.lists(EVENTS, max_size=40))
def test_whatever_comes_no_rule_is_broken(story: list[Any]) -> None:
    """The story of a confused service: no audio of an ended response, no call told or answered twice, no request
    while a response runs."""
    session = talking()
    begun, over, told, answered = {R1}, set[ResponseId](), [], []
    for happening in story:
        sent: list[str | None] = []
        match happening:
            case "ask":
                sent = [session.ask()]
            case "answer":
                sent = [session.answer_call(call_id, "{}") for call_id in ("call_1", "call_2")]
                answered += [command(text)["item"]["call_id"] for text in sent if text is not None]
            case "cancel":
                session.cancel(R1)
            case "truncate":
                session.truncate(A, Ms(1))
            case _:
                outcome = session.receive(happening)
                if isinstance(happening, server.ResponseCreated) and happening.response_id not in over:
                    begun.add(happening.response_id)
                if isinstance(happening, server.ResponseDone):
                    over.add(happening.response_id)
                assert outcome.audio is None or outcome.audio.response_id in begun - over
                told += [one.call_id for one in outcome.calls]
                sent = list(outcome.commands)
        asks = [text for text in sent if text is not None and command(text)["type"] == "response.create"]
        assert not asks or begun <= over
    assert len(told) == len(set(told))
    assert len(answered) == len(set(answered))
    assert set(answered) <= set(told)


def test_a_text_is_said_as_it_stands() -> None:
    """It is no item of the conversation: its response is told what to say, and calls nothing."""
    session = Session(SessionSpec())
    (asked,) = session.text("Dinner is ready.", verbatim=True)
    wish = {"instructions": "Say exactly this: Dinner is ready.", "tool_choice": "none"}
    assert command(asked) == {"type": "response.create", "event_id": "evt_1", "response": wish}


def test_a_written_question_is_an_item_and_is_answered_when_it_may_be() -> None:
    """At once; while a response runs, behind it."""
    item, asked = map(command, Session(SessionSpec()).text("What time is it?", verbatim=False))
    assert item["item"]["content"] == [{"type": "input_text", "text": "What time is it?"}]
    assert (item["item"]["role"], asked["type"]) == ("user", "response.create")
    busy = talking()
    (item,) = map(command, busy.text("What time is it?", verbatim=False))
    assert item["type"] == "conversation.item.create"
    (asked,) = map(command, busy.receive(done(R1)).commands)
    assert asked["type"] == "response.create"
