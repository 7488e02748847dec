"""Stories for the conversation's table: events that lead to each phase, and how to play them."""

from __future__ import annotations

from dataclasses import replace

from speakerd.core.conversation import step
from speakerd.core.echo_path import BargeIn
from speakerd.core.events import (
    AudioStarted,
    Heard,
    LinkUp,
    PlaybackDrained,
    ResponseCreated,
    ResponseDone,
    SpeechStarted,
    SpeechStopped,
    WakeWordDetected,
)
from speakerd.core.state import Limits, Phase, State
from speakerd.core.units import Frames, ItemId, Ms, ResponseId

LIMITS = Limits()
HALF_DUPLEX = replace(LIMITS, barge_in=BargeIn.WAKE_WORD)
READY = State(lost=frozenset())
WAKE = WakeWordDetected("hey_jarvis", 0.9, Frames(48_000))
R1, R2 = ResponseId("resp_1"), ResponseId("resp_2")
HEARD = Heard(ItemId("item_1"), Ms(1200))

LISTENING = (WAKE,)
CONNECTED = (*LISTENING, LinkUp())
THINKING = (*CONNECTED, SpeechStarted(), SpeechStopped())
ANSWERED = (*THINKING, ResponseCreated(R1))
SPEAKING = (*ANSWERED, AudioStarted(R1))
FOLLOW_UP = (*SPEAKING, ResponseDone(R1, "completed"), PlaybackDrained())
STORIES = {
    Phase.IDLE: (),
    Phase.LISTENING: CONNECTED,
    Phase.THINKING: THINKING,
    Phase.SPEAKING: SPEAKING,
    Phase.FOLLOW_UP: FOLLOW_UP,
}


def play(*events, state=READY, limits=LIMITS, now=100.0):
    """Run a story; return the last state and the actions of the last event."""
    actions = ()
    for event in events:
        state, actions = step(state, event, now, limits)
    return state, actions


def kinds(actions):
    """Return what the actions are."""
    return [type(action) for action in actions]
