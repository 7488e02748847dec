"""The conversation: one table, one function; the frozen state it turns over is in ``state``.

Two rules. Everything that decides what the speaker does next is in the table or in one of its cells. Every cell is
written, ``ignore`` included: a row is a phase, a column a kind of event, and what is not in a row is a test failure
rather than a surprise at night.

``step(state, event, now, limits)`` answers an event with the next state and the actions to perform. It knows no clock
(time is ``now``), no timer (the state has one ``deadline``; the controller arms it and posts ``DeadlinePassed``) and no
audio: actions open and shut the gates that audio flows through.

What lives elsewhere: what a cell does (``room_cells``, ``service_cells``, ``sign_in_cells``, ``text_cells``,
``moves``), which sentence
tells of a trouble (``notices``), which audio of which item was heard (``playhead``), what the service may be sent when
(``realtime/session``), how actions are performed (``controller``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from speakerd.core import room_cells as room
from speakerd.core import service_cells as service
from speakerd.core import sign_in_cells as signing
from speakerd.core import text_cells as texts
from speakerd.core.actions import Announce
from speakerd.core.events import (
    AudioStarted,
    BudgetChanged,
    DeadlinePassed,
    DeviceFound,
    DeviceLost,
    EchoMeasured,
    Event,
    FunctionCalled,
    LinkLost,
    LinkUp,
    MicrophoneSilent,
    MuteChanged,
    PauseHeard,
    PlaybackDrained,
    ResponseCreated,
    ResponseDone,
    SessionExpiring,
    SessionReduced,
    SignInChanged,
    SpeechStarted,
    SpeechStopped,
    StopRequested,
    TextGiven,
    WakeWordApproached,
    WakeWordDetected,
)
from speakerd.core.moves import Answer, Handler, ignore, tell_put_off
from speakerd.core.state import Limits, Phase, State, status_line


def step(state: State, event: Event, now: float, limits: Limits) -> Answer:
    """Answer one event.

    Args:
        state: What is known.
        event: What happened.
        now: Seconds on the monotonic clock.
        limits: What the configuration allows.
    """
    after, actions = TRANSITIONS[state.phase][type(event)](state, event, now, limits)
    after, actions = tell_put_off(after, actions, now)
    line = status_line(after, limits)
    if line != status_line(state, limits):
        actions = (*actions, Announce(line))
    return after, actions


# fmt: off
TRANSITIONS: Mapping[Phase, Mapping[type[Event], Handler]] = {
    Phase.IDLE: {
        WakeWordApproached: room.approached_idle,     WakeWordDetected: room.wake_idle,
        PauseHeard: ignore,                           StopRequested: room.stop_idle,
        MuteChanged: room.mute_idle,                  MicrophoneSilent: room.microphone_silent,
        EchoMeasured: room.echo_measured,             LinkUp: ignore,
        LinkLost: room.guess_declined,                SessionReduced: ignore,
        SessionExpiring: ignore,                      SpeechStarted: ignore,
        SpeechStopped: ignore,                        ResponseCreated: ignore,
        FunctionCalled: ignore,                       AudioStarted: ignore,
        ResponseDone: ignore,                         BudgetChanged: service.budget,
        PlaybackDrained: ignore,                      DeviceLost: room.device_lost_idle,
        DeviceFound: room.device_found,               DeadlinePassed: room.late_idle,
        SignInChanged: signing.signed_idle,           TextGiven: texts.text_idle,
    },
    Phase.LISTENING: {
        WakeWordApproached: ignore,                   WakeWordDetected: room.wake_listening,
        PauseHeard: room.pause_listening,             StopRequested: room.stop,
        MuteChanged: room.mute_open,                  MicrophoneSilent: room.microphone_silent,
        EchoMeasured: room.echo_measured,             LinkUp: service.link_up,
        LinkLost: service.link_lost,                  SessionReduced: service.reduced,
        SessionExpiring: service.expiring,            SpeechStarted: service.speech_listening,
        SpeechStopped: service.speech_stopped,        ResponseCreated: service.response_listening,
        FunctionCalled: ignore,                       AudioStarted: ignore,
        ResponseDone: ignore,                         BudgetChanged: service.budget,
        PlaybackDrained: ignore,                      DeviceLost: room.device_lost_open,
        DeviceFound: room.device_found,               DeadlinePassed: room.late_listening,
        SignInChanged: signing.signed,                TextGiven: ignore,
    },
    Phase.THINKING: {
        WakeWordApproached: ignore,                   WakeWordDetected: room.wake_busy,
        PauseHeard: ignore,                           StopRequested: room.stop,
        MuteChanged: room.mute_open,                  MicrophoneSilent: room.microphone_silent,
        EchoMeasured: room.echo_measured,             LinkUp: service.link_up_answering,
        LinkLost: service.link_lost,                  SessionReduced: service.reduced,
        SessionExpiring: service.expiring,            SpeechStarted: service.speech_busy,
        SpeechStopped: ignore,                        ResponseCreated: service.response_open,
        FunctionCalled: service.called,               AudioStarted: service.audio_thinking,
        ResponseDone: service.done_thinking,          BudgetChanged: service.budget,
        PlaybackDrained: ignore,                      DeviceLost: room.device_lost_answering,
        DeviceFound: room.device_found_answering,     DeadlinePassed: service.late_thinking,
        SignInChanged: signing.signed,                TextGiven: ignore,
    },
    Phase.SPEAKING: {
        WakeWordApproached: ignore,                   WakeWordDetected: room.wake_busy,
        PauseHeard: ignore,                           StopRequested: room.stop,
        MuteChanged: room.mute_speaking,              MicrophoneSilent: room.microphone_silent,
        EchoMeasured: room.echo_measured,             LinkUp: service.link_up_answering,
        LinkLost: service.link_lost_speaking,         SessionReduced: service.reduced,
        SessionExpiring: service.expiring,            SpeechStarted: service.speech_busy,
        SpeechStopped: ignore,                        ResponseCreated: service.response_speaking,
        FunctionCalled: service.called,               AudioStarted: service.audio_speaking,
        ResponseDone: service.done_speaking,          BudgetChanged: service.budget,
        PlaybackDrained: service.drained_speaking,    DeviceLost: room.device_lost_answering,
        DeviceFound: room.device_found_answering,     DeadlinePassed: service.late_speaking,
        SignInChanged: signing.signed,                TextGiven: ignore,
    },
    Phase.FOLLOW_UP: {
        WakeWordApproached: ignore,                   WakeWordDetected: room.wake_busy,
        PauseHeard: ignore,                           StopRequested: room.stop,
        MuteChanged: room.mute_open,                  MicrophoneSilent: room.microphone_silent,
        EchoMeasured: room.echo_measured,             LinkUp: service.link_up_follow_up,
        LinkLost: service.link_lost_follow_up,        SessionReduced: service.reduced,
        SessionExpiring: service.expiring_follow_up,  SpeechStarted: service.speech_busy,
        SpeechStopped: ignore,                        ResponseCreated: service.response_open,
        FunctionCalled: ignore,                       AudioStarted: ignore,
        ResponseDone: ignore,                         BudgetChanged: service.budget,
        PlaybackDrained: service.drained_follow_up,   DeviceLost: room.device_lost_open,
        DeviceFound: room.device_found,               DeadlinePassed: room.late_listening,
        SignInChanged: signing.signed,                TextGiven: ignore,
    },
}
"""What every kind of event does in every phase."""
# fmt: on

EVENT_TYPES: tuple[type[Event], ...] = get_args(Event)
"""The columns of the table, in the order of the union."""
