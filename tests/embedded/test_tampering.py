"""What faults make of the events."""

from __future__ import annotations

import json

import pytest

from speakerd.embedded.faults import Faults
from speakerd.embedded.tampering import UNKNOWN_TYPE, Tampering

EVENT = {"type": "response.done", "event_id": "event_1"}


def test_without_faults_an_event_is_its_message() -> None:
    """Nothing is added, lost or changed."""
    assert Tampering(Faults()).messages(EVENT) == [json.dumps(EVENT)]


@pytest.mark.parametrize(
    ("faults", "count"),
    [
        (Faults(duplicate_events=("response.done",)), 2),
        (Faults(missing_events=("response.done",)), 0),
        (Faults(duplicate_events=("error",), missing_events=("session.created",)), 1),
    ],
)
def test_events_are_doubled_and_lost_by_type(faults: Faults, count: int) -> None:
    """Only events of the types named are touched."""
    assert Tampering(faults).messages(EVENT) == [json.dumps(EVENT)] * count


def test_unknown_events_come_in_between() -> None:
    """After every second event one comes that nobody knows; it is well-formed."""
    tampering = Tampering(Faults(unknown_every_events=2))
    sent = [json.loads(message)["type"] for _ in range(4) for message in tampering.messages(EVENT)]
    assert sent == ["response.done", "response.done", UNKNOWN_TYPE] * 2


def test_one_message_breaks_off() -> None:
    """After the event that is named, once, a message comes that is not JSON."""
    tampering = Tampering(Faults(malformed_after_events=2))
    counts = [len(tampering.messages(EVENT)) for _ in range(3)]
    assert counts == [1, 2, 1]
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(Tampering(Faults(malformed_after_events=1)).messages(EVENT)[1])
