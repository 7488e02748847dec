"""When a function call is told, answered and spoken about."""

from __future__ import annotations

import itertools
import json

from speakerd.core.units import ResponseId
from speakerd.realtime.calls import Calls
from speakerd.realtime.server_events import FunctionCall

CALL = FunctionCall(ResponseId("resp_1"), "call_1", "set_timer", "{}")


def calls() -> Calls:
    numbers = itertools.count(1)
    return Calls(lambda: f"evt_{next(numbers)}")


def answered() -> Calls:
    """Return calls of which one is answered, as evt_1, which the service has not read yet."""
    some = calls()
    some.called(CALL)
    assert json.loads(some.answer("call_1", "{}") or "")["event_id"] == "evt_1"
    return some


def test_a_call_is_told_and_answered_once() -> None:
    """A second telling, a second answer and an answer to nothing come to nothing."""
    some = answered()
    assert some.called(CALL) is None
    assert some.answer("call_1", "{}") is None
    assert some.answer("call_9", "{}") is None


def test_a_response_that_knows_the_answer_makes_a_request_needless() -> None:
    """The service read the answer and began a response of its own: nothing is asked for any more."""
    some = answered()
    some.ask()
    some.taken("call_1")
    some.response_began()
    assert some.due(busy=False) is None


def test_a_response_that_does_not_know_the_answer_does_not() -> None:
    """A response that began before the answer was read leaves the request standing until it is over."""
    some = answered()
    some.ask()
    some.response_began()
    assert some.due(busy=True) is None
    some.taken("call_1")
    assert some.due(busy=False) is not None


def test_a_request_that_came_too_early_is_repeated_where_the_answer_is_not_known() -> None:
    """Of two racing responses the service's own won: ours is asked for again exactly if its own knows too little."""
    for knows in (True, False):
        some = answered()
        if knows:
            some.taken("call_1")
        some.ask()
        assert some.due(busy=False) is not None
        some.response_began()
        some.refused("evt_2", others_turn=True)
        assert (some.due(busy=False) is None) is knows


def test_a_request_that_is_refused_for_good_is_not_repeated() -> None:
    """Only a lost race is tried again; and then a new request can be made."""
    some = answered()
    some.ask()
    some.due(busy=False)
    some.ask()
    assert some.due(busy=False) is None
    some.refused("evt_2", others_turn=False)
    assert some.due(busy=False) is not None


def test_an_answer_that_is_refused_is_not_waited_for() -> None:
    """The service does not know the call: a response that begins later knows all there is to know."""
    some = answered()
    some.ask()
    some.refused("evt_1", others_turn=False)
    some.refused(None, others_turn=False)
    some.response_began()
    assert some.due(busy=False) is None
