"""The state says of itself what is true, in one line."""

from __future__ import annotations

import pytest

from speakerd.core.events import Device
from speakerd.core.sign_in import SignInState
from speakerd.core.state import OUTDATED, SESSION_REDUCED, Limits, Phase, State, status_line

LIMITS = Limits(words=("hey_jarvis", "alexa"))
NOTHING_LOST = frozenset()


def test_before_the_cards_were_opened():
    """A new state has neither card."""
    assert State().lost == frozenset(Device)


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (State(lost=NOTHING_LOST), 'listening for "hey jarvis" or "alexa"'),
        (State(phase=Phase.SPEAKING, turn=3, lost=NOTHING_LOST), "in conversation, turn 3"),
        (State(phase=Phase.SPEAKING, turn=3, lost=NOTHING_LOST, muted=True), "in conversation, turn 3, muted"),
        (State(phase=Phase.SPEAKING, turn=3), "in conversation, turn 3, no microphone: retrying"),
        (
            State(phase=Phase.LISTENING, turn=1, lost=NOTHING_LOST, silent=True),
            "in conversation, turn 1, deaf: the microphone delivers only zeros; check its switch, cable or mixer",
        ),
        (
            State(phase=Phase.SPEAKING, turn=1, lost=NOTHING_LOST, muted=True, by_text=True),
            "speaking by request, the microphone is shut",
        ),
        (State(lost=NOTHING_LOST, muted=True), "muted"),
        (
            State(lost=NOTHING_LOST, silent=True),
            "deaf: the microphone delivers only zeros; check its switch, cable or mixer",
        ),
        (
            State(lost=NOTHING_LOST, silent=True, stuck=True),
            "deaf: the microphone is stuck at one value; plug it in anew, or check its cable",
        ),
        (
            State(lost=NOTHING_LOST, sign_in=SignInState.SIGN_IN_REQUIRED, can_sign=False),
            "signed out: run speakerd login",
        ),
        (
            State(lost=NOTHING_LOST, sign_in=SignInState.SIGN_IN_REQUIRED),
            'listening for "hey jarvis" or "alexa"; the sign-in has ended: run speakerd login',
        ),
        (
            State(lost=NOTHING_LOST, sign_in=SignInState.MISCONFIGURED, trouble="auth-refused"),
            'listening for "hey jarvis" or "alexa"; cannot sign in: speakerd status says what is missing',
        ),
        (State(lost=NOTHING_LOST, over_budget=True), "today's budget is spent: no conversation before tomorrow"),
        (
            State(lost=NOTHING_LOST, trouble=SESSION_REDUCED),
            (
                'listening for "hey jarvis" or "alexa"; '
                "the service refuses a part of the configuration: the journal says which"
            ),
        ),
        (State(lost=frozenset({Device.MICROPHONE})), "no microphone: retrying"),
        (State(lost=frozenset({Device.LOUDSPEAKER})), "no loudspeaker: retrying"),
        (
            State(lost=NOTHING_LOST, trouble="link-dns"),
            'listening for "hey jarvis" or "alexa"; the service failed last time: link-dns',
        ),
    ],
)
def test_status_line(state, line):
    """Each state has its sentence."""
    assert status_line(state, LIMITS) == line


@pytest.mark.parametrize(
    ("state", "aside"),
    [
        (State(lost=NOTHING_LOST), OUTDATED),
        (State(lost=NOTHING_LOST, trouble="link-dns"), OUTDATED),
        (State(lost=NOTHING_LOST, sign_in=SignInState.SIGN_IN_REQUIRED), "the sign-in has ended: run speakerd login"),
    ],
)
def test_a_configuration_that_is_wrong_is_told_while_it_listens(state, aside):
    """Whoever has just changed it looks there; what keeps them from talking to it at all comes first."""
    outdated = Limits(words=LIMITS.words, is_outdated=True)
    assert status_line(state, outdated) == f'listening for "hey jarvis" or "alexa"; {aside}'
    assert status_line(State(lost=NOTHING_LOST, muted=True), outdated) == "muted"
