"""What a session allows, and what it makes of server events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from speakerd.core import events as core
from speakerd.core.errors import Remedy
from speakerd.core.units import ItemId, Ms, ResponseId
from speakerd.realtime import server_events as server
from speakerd.realtime.session import NOTHING, Outcome, Session, SessionSpec, Transcript

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


def test_a_response_begins_and_ends_once() -> None:
    """Doubled response events surface once; an end without a beginning not at all."""
    session = Session(SessionSpec())
    assert session.receive(done(R1)) == NOTHING
    assert session.receive(server.ResponseCreated(R1)) == Outcome(event=core.ResponseCreated(R1))
    assert session.receive(server.ResponseCreated(R1)) == NOTHING
    assert session.receive(done(R1)) == Outcome(event=core.ResponseDone(R1, "completed"), audio_done=R1)
    assert session.receive(done(R1)) == NOTHING


def test_a_failed_response_carries_its_code_and_its_usage() -> None:
    """Quota trouble stands in response.done, and is passed on."""
    session = talking()
    usage = server.Usage(1, 2, 0, 0, 3, 4)
    outcome = session.receive(server.ResponseDone(R1, "failed", None, "insufficient_quota", "m", usage))
    assert outcome.event == core.ResponseDone(R1, "failed", "insufficient_quota")
    assert outcome.usage == usage


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


def test_unknown_events_are_counted_and_needless_ones_ignored() -> None:
    """What we do not know and what we do not need changes nothing."""
    session = talking()
    assert session.receive(server.Unknown("x")) == NOTHING
    assert session.receive(server.Committed(A)) == NOTHING
    assert session.unknown_events == 1


def test_every_command_has_its_own_event_id() -> None:
    """Errors can be traced to the command that caused them."""
    session = talking()
    ids = [command(session.append(b"\0\0"))["event_id"] for _ in range(3)]
    assert len(set(ids)) == 3
