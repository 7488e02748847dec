"""What the conversation makes of how it stands with signing in."""

from __future__ import annotations

import pytest

from speakerd.core.actions import Announce, OpenLink, Say
from speakerd.core.events import LinkLost, MuteChanged, SignInChanged, StopRequested, WakeWordApproached
from speakerd.core.notices import Notice
from speakerd.core.sign_in import SignInState
from speakerd.core.state import CANNOT_SIGN, Phase, status_line
from tests.fakes.table import CONNECTED, LIMITS, LISTENING, READY, SPEAKING, STORIES, WAKE, kinds, play

LOST = SignInChanged(SignInState.SIGN_IN_REQUIRED, usable=False)
FINE = SignInChanged(SignInState.OK, usable=True)


@pytest.mark.parametrize(
    ("state", "notice"),
    [
        (SignInState.SIGN_IN_REQUIRED, Notice.SIGNED_OUT),
        (SignInState.MISCONFIGURED, Notice.MISCONFIGURED),
        (SignInState.CLOCK, Notice.CLOCK),
    ],
)
def test_what_a_person_must_do_is_said_once_unasked(state, notice):
    """When it begins; not again with every attempt that fails the same way."""
    told, actions = play(SignInChanged(state, usable=False))
    assert Say(notice, asked=False) in actions
    assert play(SignInChanged(state, usable=False), state=told)[1] == ()


@pytest.mark.parametrize("state", [SignInState.DEGRADED, SignInState.NO_NETWORK, SignInState.STARTING, SignInState.OK])
def test_what_passes_by_itself_is_not_said_unasked(state):
    """Nobody is told of a network that is gone for a minute."""
    assert [action for action in play(SignInChanged(state, usable=False))[1] if isinstance(action, Say)] == []


def test_a_muted_speaker_is_silent():
    """Who has switched it off wants to hear nothing."""
    assert kinds(play(MuteChanged(muted=True), LOST)[1]) == []


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.IDLE])
def test_a_conversation_is_not_disturbed(phase):
    """It runs on the session that it has; the status says afterwards what is wrong."""
    before, _ = play(*STORIES[phase])
    after, actions = play(LOST, state=before)
    assert (after.phase, actions) == (phase, ())
    ended, _ = play(StopRequested(), state=after)
    assert status_line(ended, LIMITS) == "signed out: run speakerd login"


@pytest.mark.parametrize("state", CANNOT_SIGN)
def test_the_status_says_why_there_is_no_conversation(state):
    """One line for each state, while there is no token."""
    without, actions = play(SignInChanged(state, usable=False))
    assert status_line(without, LIMITS) == CANNOT_SIGN[state]
    assert Announce(CANNOT_SIGN[state]) in actions


def test_a_token_that_is_left_is_used():
    """The speaker listens, and says already what is to be done."""
    state, _ = play(SignInChanged(SignInState.SIGN_IN_REQUIRED, usable=True))
    assert status_line(state, LIMITS) == 'listening for "hey jarvis"; the sign-in has ended: run speakerd login'
    assert OpenLink() in play(WAKE, state=state)[1]
    network, _ = play(SignInChanged(SignInState.NO_NETWORK, usable=True))
    assert status_line(network, LIMITS) == 'listening for "hey jarvis"'


def test_a_start_stands_in_nobodys_way():
    """The first token may come before the first wake word."""
    state, actions = play(SignInChanged(SignInState.STARTING, usable=False))
    assert (state.can_sign, actions) == (True, ())


def test_a_wake_word_tries_all_the_same_and_is_told():
    """The sign-in may have been mended a moment ago; where it was not, the answer names it."""
    lost, _ = play(LOST)
    trying, actions = play(WAKE, state=lost)
    assert OpenLink() in actions
    ended, actions = play(LinkLost("auth-signed-out"), state=trying)
    assert Say(Notice.SIGNED_OUT) in actions
    assert ended.sign_in is SignInState.SIGN_IN_REQUIRED


def test_nothing_is_connected_on_a_guess_without_a_token():
    """It could not be signed."""
    lost, _ = play(LOST)
    assert play(WakeWordApproached(0.3), state=lost)[1] == ()


def test_a_sign_in_that_works_makes_good_what_was_said():
    """Neither the trouble nor the sentence counts any more; other troubles stay."""
    ended, _ = play(*LISTENING, LinkLost("auth-signed-out"))
    assert (ended.trouble, ended.said.notice) == ("auth-signed-out", Notice.SIGNED_OUT)
    healed, _ = play(FINE, state=ended)
    assert (healed.trouble, healed.said) == (None, None)
    other, _ = play(*LISTENING, LinkLost("link-dns"), FINE)
    assert (other.trouble, other.said.notice) == ("link-dns", Notice.OFFLINE)
    assert play(FINE)[0] == READY


def test_it_is_known_beyond_a_conversation():
    """The end of a conversation does not forget it."""
    state, _ = play(*CONNECTED, LOST, StopRequested())
    assert not state.can_sign
    spoken, _ = play(*SPEAKING, LOST, StopRequested())
    assert spoken.sign_in is SignInState.SIGN_IN_REQUIRED
