"""Somebody who talks in real time times what comes back."""

from __future__ import annotations

import json

import pytest

from speakerd.bench.talker import PERIOD_BYTES, Reply, Talker, periods
from speakerd.core.errors import LinkError
from speakerd.core.units import ItemId, ResponseId
from speakerd.realtime.server_events import (
    AudioDelta,
    ResponseCreated,
    ResponseDone,
    ServiceError,
    TranscriptDone,
    Unknown,
)

ITEM, RESPONSE = ItemId("item_1"), ResponseId("resp_1")


class Socket:
    """Answers the first message with what it was given."""

    def __init__(self, *events: dict[str, object]) -> None:
        self.sent: list[dict[str, object]] = []
        self._events = list(events)

    async def recv(self) -> bytes:
        return json.dumps(self._events.pop(0)).encode()

    async def send(self, text: str) -> None:
        self.sent.append(json.loads(text))


def delta(span_ms: int) -> AudioDelta:
    return AudioDelta(RESPONSE, ITEM, bytes(span_ms * 48))


def done(status: str) -> ResponseDone:
    return ResponseDone(RESPONSE, status, None, None, None, None)


def test_a_delta_is_late_by_what_was_missing() -> None:
    """The first delta sets the clock; each next one is due when the sound before it has been played."""
    reply = Reply()
    for event, at_s in ((ResponseCreated(RESPONSE), 9.0), (delta(100), 10.0), (delta(150), 10.125), (delta(50), 10.2)):
        reply.take(event, at_s)
    assert reply.first_s == 10.0
    assert reply.late_s == pytest.approx([0.0, 0.025, -0.05])
    assert not reply.is_over


def test_a_reply_says_what_was_said() -> None:
    """Its words are joined over its items, and it is over when it ends; other events are nothing to it."""
    reply = Reply()
    for text in ("It is", " five."):
        reply.take(TranscriptDone(RESPONSE, ITEM, text), 1.0)
    reply.take(Unknown("rate_limits.updated"), 1.0)
    reply.take(done("completed"), 1.0)
    assert (reply.text, reply.is_over) == ("It is five.", True)


def test_a_reply_that_was_cut_off_gives_way_to_the_next() -> None:
    """Nothing of it counts."""
    reply = Reply()
    for event in (delta(100), TranscriptDone(RESPONSE, ITEM, "It"), done("cancelled")):
        reply.take(event, 1.0)
    assert not reply.is_over
    for event in (ResponseCreated(RESPONSE), delta(100), done("completed")):
        reply.take(event, 3.0)
    assert (reply.first_s, reply.late_s, reply.text, reply.is_over) == (3.0, [0.0], "", True)


def test_an_error_of_the_service_ends_the_measurement() -> None:
    """It is not waited out."""
    with pytest.raises(LinkError, match="server_error: broken") as failure:
        Reply().take(ServiceError("server_error", "broken", None, None), 0.0)
    assert failure.value.code == "service-error"


def test_periods_are_whole() -> None:
    """The last one is filled up with silence; nothing is lost and nothing is added to whole ones."""
    assert [len(each) for each in periods(b"\1" * (PERIOD_BYTES + 2))] == [PERIOD_BYTES, PERIOD_BYTES]
    assert periods(b"\1" * (PERIOD_BYTES + 2))[1] == b"\1\1" + bytes(PERIOD_BYTES - 2)
    assert periods(b"\1" * PERIOD_BYTES) == [b"\1" * PERIOD_BYTES]


async def test_the_turn_ends_after_500_ms_of_silence() -> None:
    """That is what the session asks for, and it is waited for until it is granted."""
    socket = Socket({"type": "session.created", "session": {}}, {"type": "session.updated", "session": {}})
    await Talker(socket).configure()
    (update,) = socket.sent
    detection = update["session"]["audio"]["input"]["turn_detection"]  # type: ignore[index]  # JSON
    assert (detection["type"], detection["silence_duration_ms"]) == ("server_vad", 500)


async def test_a_refused_session_is_not_measured() -> None:
    """What was not granted cannot be measured."""
    error = {"type": "error", "error": {"code": "unknown_parameter", "message": "no"}}
    with pytest.raises(LinkError, match="unknown_parameter"):
        await Talker(Socket(error)).configure()
