"""Which questions are asked again by themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from speakerd.core.ask_again import PASSING, first_frame_again
from speakerd.core.events import Device, LinkLost
from speakerd.core.state import LinkState, Phase, State
from speakerd.core.units import Frames

ASKED = State(phase=Phase.LISTENING, link=LinkState.UP, lost=frozenset(), asked_from=Frames(48_000), turn=1)
LOST = LinkLost("link-lost", Frames(48_000))


@pytest.mark.parametrize("code", sorted(PASSING))
def test_a_session_that_was_lost_in_passing_is_replaced(code):
    """The network went, or the service goes away, fails, restarts or is busy: the question goes to the next one."""
    assert first_frame_again(ASKED, LinkLost(code, Frames(0))) == 48_000


@pytest.mark.parametrize(
    "code", ["link-closed-1000", "link-closed-1008", "link-closed-4000", "link-http-401", "auth-signed-out"]
)
def test_a_refusal_is_told(code):
    """Whoever is not wanted does not knock again."""
    assert first_frame_again(ASKED, LinkLost(code, Frames(0))) is None


@pytest.mark.parametrize("code", ["session-expired", "session-refused", "protocol-remote", "link-tls", "link-dns"])
def test_what_a_new_session_does_not_mend_is_told(code):
    """A session that ended by rule, a service that speaks another language, a way that is not there."""
    assert first_frame_again(ASKED, LinkLost(code, Frames(0))) is None


def test_a_question_is_whole_or_told():
    """The first frame that is held must not lie behind the question's first one."""
    assert first_frame_again(ASKED, LOST) == 48_000
    assert first_frame_again(ASKED, replace(LOST, repeatable_from=Frames(48_001))) is None
    assert first_frame_again(ASKED, replace(LOST, repeatable_from=None)) is None
    assert first_frame_again(replace(ASKED, asked_from=None), LOST) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"asked_again": True},
        {"link": LinkState.CONNECTING},
        {"over_budget": True},
        {"cut_off": True},
        {"muted": True},
        {"lost": frozenset({Device.MICROPHONE})},
    ],
)
def test_what_stands_in_the_way_of_asking_again(changes):
    """Once only; never without money, without ears, or of somebody who never stops."""
    assert first_frame_again(replace(ASKED, **changes), LOST) is None
