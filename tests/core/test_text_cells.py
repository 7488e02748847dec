"""What somebody wrote is spoken, and nobody is listened to meanwhile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from speakerd.core.actions import CloseLink, CloseUplink, FlushPlayback, OpenLink, OpenUplink, PlayEarcon, Say, SendText
from speakerd.core.conversation import TRANSITIONS
from speakerd.core.echo_path import BargeIn
from speakerd.core.events import (
    AudioStarted,
    BudgetChanged,
    DeadlinePassed,
    Device,
    DeviceFound,
    DeviceLost,
    LinkLost,
    LinkUp,
    MuteChanged,
    PlaybackDrained,
    ResponseCreated,
    ResponseDone,
    SpeechStarted,
    TextGiven,
)
from speakerd.core.moves import ignore
from speakerd.core.notices import SERVICE_SILENT
from speakerd.core.state import LinkState, Phase, status_line
from tests.fakes.table import HALF_DUPLEX, LIMITS, R1, READY, WAKE, kinds, play

TEXT = TextGiven("Dinner is ready.", verbatim=True)
BEGUN = (TEXT, LinkUp(), ResponseCreated(R1))
SPOKEN = (*BEGUN, AudioStarted(R1))


def test_a_text_opens_a_session_and_no_microphone():
    """A sentence of ours that may be playing gives way."""
    state, actions = play(TEXT)
    assert kinds(actions)[:3] == [FlushPlayback, OpenLink, SendText]
    assert SendText("Dinner is ready.", verbatim=True) in actions
    assert (state.phase, state.link, state.by_text, state.turn) == (Phase.THINKING, LinkState.CONNECTING, True, 1)
    assert status_line(state, LIMITS) == "speaking by request, the microphone is shut"


@pytest.mark.parametrize("hindrance", [DeviceLost(Device.LOUDSPEAKER), BudgetChanged(spent=True)])
def test_without_a_loudspeaker_or_money_nothing_is_begun(hindrance):
    """Whoever wrote is told by the desk."""
    before, _ = play(hindrance)
    assert play(TEXT, state=before) == (before, ())


@pytest.mark.parametrize("hindrance", [DeviceLost(Device.MICROPHONE), MuteChanged(muted=True)])
def test_a_deaf_speaker_speaks(hindrance):
    """It need not hear; and being muted or losing the microphone on the way ends nothing."""
    assert play(hindrance, TEXT)[0].phase is Phase.THINKING
    assert play(*BEGUN, hindrance)[0].phase is Phase.THINKING
    assert play(*SPOKEN, hindrance)[0].phase is Phase.SPEAKING


@pytest.mark.parametrize("limits", [LIMITS, HALF_DUPLEX])
def test_the_microphone_stays_shut(limits):
    """Not even silence is sent, and a microphone that comes back, or is unmuted, changes nothing."""
    for events in (BEGUN, SPOKEN):
        for event in (AudioStarted(R1), DeviceFound(Device.MICROPHONE), MuteChanged(muted=False)):
            assert play(*events, event, limits=limits)[1] in ((), play(*events, limits=limits)[1])
    assert OpenUplink not in kinds(play(*SPOKEN, MuteChanged(muted=True), MuteChanged(muted=False))[1])


def test_it_ends_when_it_was_heard_without_a_window_or_a_sound():
    """Nobody was listened to, so nothing says when that ends."""
    state, actions = play(*SPOKEN, ResponseDone(R1, "completed"), PlaybackDrained())
    assert state == READY
    assert kinds(actions)[:2] == [CloseUplink, CloseLink]
    assert not {PlayEarcon, Say} & set(kinds(actions))


def test_the_wake_word_gives_the_user_the_word():
    """As in any reply; from then on it is a conversation like any other."""
    state, actions = play(*SPOKEN, WAKE)
    assert (state.phase, state.by_text, state.turn) == (Phase.LISTENING, False, 2)
    assert OpenUplink in kinds(actions)


def test_speech_does_not_cut_it():
    """Nobody is heard; what the service makes up is passed over."""
    before, _ = play(*SPOKEN)
    assert before.barge_in is None
    assert LIMITS.barge_in is BargeIn.SPEECH
    assert play(SpeechStarted(), state=before) == (before, ())


@pytest.mark.parametrize(
    ("events", "trouble"),
    [
        ((TEXT, LinkLost("link-refused")), "link-refused"),
        ((TEXT, DeadlinePassed()), SERVICE_SILENT),
        ((*BEGUN, DeadlinePassed()), "reply-timeout"),
        ((*BEGUN, ResponseDone(R1, "failed", "server_error")), "server_error"),
    ],
)
def test_a_failure_is_written_to_whoever_wrote(events, trouble):
    """The room hears nothing of it."""
    state, actions = play(*events)
    assert (state.phase, state.trouble, state.said) == (Phase.IDLE, trouble, None)
    assert not {PlayEarcon, Say} & set(kinds(actions))


def test_the_wait_for_an_answer_begins_when_the_service_is_reached():
    """Reaching it may take long on its own; an answer that is under way is not waited for anew."""
    begun, _ = play(TEXT)
    assert begun.deadline == 100.0 + LIMITS.utterance_s
    up, _ = play(LinkUp(), state=begun, now=120.0)
    assert up.deadline == 120.0 + LIMITS.reply_s
    speaking, _ = play(*SPOKEN)
    assert play(LinkUp(), state=replace(speaking, link=LinkState.CONNECTING))[0].deadline is None


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.IDLE])
def test_a_conversation_is_not_broken_into(phase):
    """The text waits at the desk."""
    assert TRANSITIONS[phase][TextGiven] is ignore
