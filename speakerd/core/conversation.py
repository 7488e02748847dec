"""The conversation: one table, one function; the frozen state it turns over is in ``state``.

Two rules. Everything that decides what the speaker does next lives in this file. Every cell of ``TRANSITIONS`` is
written, ``ignore`` included: a row is a phase, a column a kind of event, and what is not in a row is a test failure
rather than a surprise at night.

``step(state, event, now, limits)`` answers an event with the next state and the actions to perform. It knows no clock
(time is ``now``), no timer (the state has one ``deadline``; the controller arms it and posts ``DeadlinePassed``) and no
audio: actions open and shut the gates that audio flows through.

What lives elsewhere: which audio of which item was heard (``playhead``), what the service may be sent when
(``realtime/session``), how actions are performed (``controller``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, get_args

from speakerd.core.actions import (
    AcceptAudio,
    Action,
    Announce,
    CancelResponse,
    CloseLink,
    CloseUplink,
    Earcon,
    FlushPlayback,
    OpenLink,
    OpenUplink,
    PlayEarcon,
    RejectAudio,
    SilenceUplink,
    TruncateItem,
)
from speakerd.core.events import (
    AudioStarted,
    DeadlinePassed,
    Device,
    DeviceFound,
    DeviceLost,
    Event,
    Heard,
    LinkLost,
    LinkUp,
    MuteChanged,
    PauseHeard,
    PlaybackDrained,
    ResponseCreated,
    ResponseDone,
    SpeechStarted,
    SpeechStopped,
    StopRequested,
    WakeWordDetected,
)
from speakerd.core.state import Limits, LinkState, Phase, State, status_line
from speakerd.core.units import WIRE_RATE_HZ, Frames, ms_to_frames

Answer = tuple[State, tuple[Action, ...]]
Handler = Callable[[State, Any, float, Limits], Answer]


def step(state: State, event: Event, now: float, limits: Limits) -> Answer:
    """Answer one event.

    Args:
        state: What is known.
        event: What happened.
        now: Seconds on the monotonic clock.
        limits: What the configuration allows.
    """
    after, actions = TRANSITIONS[state.phase][type(event)](state, event, now, limits)
    line = status_line(after, limits)
    if line != status_line(state, limits):
        actions = (*actions, Announce(line))
    return after, actions


# --- what several cells do -------------------------------------------------------------------------------------------


def _end(state: State, *actions: Action) -> Answer:
    """End the conversation: nothing leaves the machine after this."""
    idle = State(muted=state.muted, lost=state.lost, trouble=state.trouble)
    return idle, (CloseUplink(), CloseLink(), *actions)


def _fail(state: State, code: str | None) -> Answer:
    """End the conversation and let the user hear that it did not work."""
    return _end(replace(state, trouble=code or state.trouble), PlayEarcon(Earcon.ERROR))


def _hush(state: State, unheard: tuple[Heard, ...], *, cancel: bool) -> tuple[Action, ...]:
    """Return what silences the current reply: flush first, then tell the service.

    Args:
        state: Before the reply is cut.
        unheard: What is playing or waiting.
        cancel: Ask the service to stop; False when its own voice activity detection has done so already, because our
            cancel would then hit the next response.
    """
    if state.response_id is None and not unheard:
        return ()
    actions: list[Action] = [FlushPlayback()]
    if state.response_id is not None:
        actions.append(RejectAudio(state.response_id))
        if cancel and not state.response_done:
            actions.append(CancelResponse(state.response_id))
    actions.extend(TruncateItem(item.item_id, item.heard_ms) for item in unheard)
    return tuple(actions)


def _listen(state: State, *, deadline: float, turn: int, user_speaking: bool) -> State:
    """Give the user the word."""
    return replace(
        state,
        phase=Phase.LISTENING,
        user_speaking=user_speaking,
        response_id=None,
        response_done=False,
        audible=False,
        turn=turn,
        deadline=deadline,
    )


def _from_frame(event: WakeWordDetected, limits: Limits) -> Frames:
    """Return where the command can begin."""
    return Frames(max(0, event.position_frames - ms_to_frames(limits.preroll_ms, WIRE_RATE_HZ)))


def _hear_over_reply(state: State, limits: Limits) -> tuple[Action, ...]:
    """Return what lets a user in again during a reply, where speech may cut it."""
    deaf = state.muted or Device.MICROPHONE in state.lost
    return (OpenUplink(None),) if limits.barge_in_by_speech and not deaf and state.link is LinkState.UP else ()


def _after_reply(state: State, now: float, limits: Limits) -> Answer:
    """Go on after the loudspeaker has become quiet: listen on, or end."""
    if state.link is LinkState.DOWN:
        return _fail(state, None)
    deaf = state.muted or Device.MICROPHONE in state.lost
    if deaf or limits.follow_up_s <= 0 or state.turn >= limits.max_turns:
        return _end(state, PlayEarcon(Earcon.END))
    after = replace(state, phase=Phase.FOLLOW_UP, audible=False, response_id=None, deadline=now + limits.follow_up_s)
    # Open already, unless the service was to hear silence, or the user was muted or the microphone away for a while.
    return after, (OpenUplink(None),)


# --- cells -----------------------------------------------------------------------------------------------------------


def ignore(state: State, event: Event, now: float, limits: Limits) -> Answer:
    """Do nothing: the event is stale or does not matter here."""
    return state, ()


def _wake_idle(state: State, event: WakeWordDetected, now: float, limits: Limits) -> Answer:
    if state.muted or state.lost:
        return state, ()
    after = replace(
        _listen(state, deadline=now + limits.utterance_s, turn=1, user_speaking=False), link=LinkState.CONNECTING
    )
    return after, (OpenUplink(_from_frame(event, limits)), OpenLink())


def _wake_listening(state: State, event: WakeWordDetected, now: float, limits: Limits) -> Answer:
    if state.user_speaking or state.link is not LinkState.UP:
        return state, ()
    return replace(state, deadline=now + limits.no_speech_s), ()


def _wake_busy(state: State, event: WakeWordDetected, now: float, limits: Limits) -> Answer:
    """Cut what is going on and listen at once; a reply that outlived its link needs a new session."""
    if state.muted:
        return state, ()
    hush = _hush(state, event.unheard, cancel=True)
    if state.link is LinkState.DOWN:
        after, opening = _wake_idle(state, event, now, limits)
        return after, (*hush, CloseLink(), *opening)
    uplink = OpenUplink(_from_frame(event, limits))
    after = _listen(state, deadline=now + limits.no_speech_s, turn=state.turn + 1, user_speaking=False)
    return after, (*hush, uplink)


def _pause_listening(state: State, event: PauseHeard, now: float, limits: Limits) -> Answer:
    """Say that we listen, only now: over a command said in one breath the sound would do harm."""
    return state, (PlayEarcon(Earcon.WAKE),)


def _stop(state: State, event: StopRequested, now: float, limits: Limits) -> Answer:
    hush = _hush(state, event.unheard, cancel=True)
    after, closing = _end(state, PlayEarcon(Earcon.END))
    return after, (*hush, *closing)


def _mute_idle(state: State, event: MuteChanged, now: float, limits: Limits) -> Answer:
    return replace(state, muted=event.muted), ()


def _mute_open(state: State, event: MuteChanged, now: float, limits: Limits) -> Answer:
    """End a conversation in which the user would have the word; there is nothing to hear any more."""
    state = replace(state, muted=event.muted)
    return _end(state) if event.muted else (state, ())


def _mute_speaking(state: State, event: MuteChanged, now: float, limits: Limits) -> Answer:
    """Let the reply end, but hear nothing from now on; a user who is heard again may cut it as before."""
    after = replace(state, muted=event.muted)
    if event.muted:
        return after, (CloseUplink(),)
    return after, _hear_over_reply(after, limits) if state.muted else ()


def _link_up(state: State, event: LinkUp, now: float, limits: Limits) -> Answer:
    return replace(state, link=LinkState.UP, trouble=None, deadline=now + limits.no_speech_s), ()


def _link_lost(state: State, event: LinkLost, now: float, limits: Limits) -> Answer:
    hush = _hush(state, (), cancel=False)
    after, closing = _fail(state, event.code)
    return after, (*hush, *closing)


def _link_lost_speaking(state: State, event: LinkLost, now: float, limits: Limits) -> Answer:
    """Play what was received; the user is told at its end."""
    after = replace(state, link=LinkState.DOWN, response_done=True, trouble=event.code)
    if not state.audible:
        return _after_reply(after, now, limits)
    return after, (CloseUplink(),)


def _link_lost_follow_up(state: State, event: LinkLost, now: float, limits: Limits) -> Answer:
    """End without a sound: nobody was waiting for anything."""
    return _end(replace(state, trouble=event.code))


def _speech_listening(state: State, event: SpeechStarted, now: float, limits: Limits) -> Answer:
    return replace(state, user_speaking=True, deadline=now + limits.utterance_s), ()


def _speech_busy(state: State, event: SpeechStarted, now: float, limits: Limits) -> Answer:
    """Barge-in: the service has interrupted itself; we fall silent and say what was heard."""
    if state.phase is Phase.SPEAKING and not limits.barge_in_by_speech:
        return state, ()
    hush = _hush(state, event.unheard, cancel=False)
    # A user who goes on before the answer began is still in the same turn.
    turn = state.turn if state.phase is Phase.THINKING else state.turn + 1
    return _listen(state, deadline=now + limits.utterance_s, turn=turn, user_speaking=True), hush


def _speech_stopped(state: State, event: SpeechStopped, now: float, limits: Limits) -> Answer:
    return replace(state, phase=Phase.THINKING, user_speaking=False, deadline=now + limits.reply_s), ()


def _response_listening(state: State, event: ResponseCreated, now: float, limits: Limits) -> Answer:
    """Keep the gate shut while the user speaks: this response answers what was said before."""
    if state.user_speaking:
        return state, ()
    return _response_open(state, event, now, limits)


def _response_open(state: State, event: ResponseCreated, now: float, limits: Limits) -> Answer:
    after = replace(
        state,
        phase=Phase.THINKING,
        response_id=event.response_id,
        response_done=False,
        deadline=now + limits.reply_s,
    )
    return after, (AcceptAudio(event.response_id),)


def _response_speaking(state: State, event: ResponseCreated, now: float, limits: Limits) -> Answer:
    """A second response in the same turn is played after the first."""
    deadline = None if state.audible else now + limits.stall_s
    after = replace(state, response_id=event.response_id, response_done=False, deadline=deadline)
    return after, (AcceptAudio(event.response_id),)


def _audio_thinking(state: State, event: AudioStarted, now: float, limits: Limits) -> Answer:
    if event.response_id != state.response_id:
        return state, ()
    after = replace(state, phase=Phase.SPEAKING, audible=True, deadline=None)
    return after, () if limits.barge_in_by_speech else (SilenceUplink(),)


def _audio_speaking(state: State, event: AudioStarted, now: float, limits: Limits) -> Answer:
    return replace(state, audible=True, deadline=None), ()


def _done_thinking(state: State, event: ResponseDone, now: float, limits: Limits) -> Answer:
    """A response ended without a sound."""
    if event.response_id != state.response_id or event.status == "cancelled":
        return state, ()
    after, actions = _after_reply(replace(state, response_done=True), now, limits)
    if event.status == "completed":
        return after, actions
    quiet = tuple(action for action in actions if not isinstance(action, PlayEarcon))
    return replace(after, trouble=event.code or "response-failed"), (*quiet, PlayEarcon(Earcon.ERROR))


def _done_speaking(state: State, event: ResponseDone, now: float, limits: Limits) -> Answer:
    if event.response_id != state.response_id:
        return state, ()
    after = replace(state, response_done=True)
    return (after, ()) if state.audible else _after_reply(after, now, limits)


def _drained_speaking(state: State, event: PlaybackDrained, now: float, limits: Limits) -> Answer:
    after = replace(state, audible=False)
    if state.response_done:
        return _after_reply(after, now, limits)
    return replace(after, deadline=now + limits.stall_s), ()


def _drained_follow_up(state: State, event: PlaybackDrained, now: float, limits: Limits) -> Answer:
    """Count the window from the moment the loudspeaker is quiet."""
    return replace(state, deadline=now + limits.follow_up_s), ()


def _device_found(state: State, event: DeviceFound, now: float, limits: Limits) -> Answer:
    return replace(state, lost=state.lost - {event.device}), ()


def _device_found_answering(state: State, event: DeviceFound, now: float, limits: Limits) -> Answer:
    """A microphone that is back may be spoken into at once."""
    after = replace(state, lost=state.lost - {event.device})
    return after, _hear_over_reply(after, limits)


def _device_lost_idle(state: State, event: DeviceLost, now: float, limits: Limits) -> Answer:
    return replace(state, lost=state.lost | {event.device}), ()


def _device_lost_open(state: State, event: DeviceLost, now: float, limits: Limits) -> Answer:
    """Without ears or voice a conversation cannot go on; the service is not to blame, so it is no trouble of its."""
    hush = _hush(state, (), cancel=True)
    after, closing = _fail(replace(state, lost=state.lost | {event.device}), None)
    return after, (*hush, *closing)


def _device_lost_answering(state: State, event: DeviceLost, now: float, limits: Limits) -> Answer:
    """A lost microphone does not spoil the answer that is coming; a lost loudspeaker does."""
    if event.device is Device.LOUDSPEAKER:
        return _device_lost_open(state, event, now, limits)
    return replace(state, lost=state.lost | {event.device}), (CloseUplink(),)


def _late_listening(state: State, event: DeadlinePassed, now: float, limits: Limits) -> Answer:
    return _end(state, PlayEarcon(Earcon.END))


def _late_thinking(state: State, event: DeadlinePassed, now: float, limits: Limits) -> Answer:
    return _fail(state, "reply-timeout")


def _late_speaking(state: State, event: DeadlinePassed, now: float, limits: Limits) -> Answer:
    return _fail(state, "reply-stalled")


# fmt: off
TRANSITIONS: Mapping[Phase, Mapping[type[Event], Handler]] = {
    Phase.IDLE: {
        WakeWordDetected: _wake_idle,      PauseHeard: ignore,
        StopRequested: ignore,             MuteChanged: _mute_idle,
        LinkUp: ignore,                    LinkLost: ignore,               SpeechStarted: ignore,
        SpeechStopped: ignore,             ResponseCreated: ignore,        AudioStarted: ignore,
        ResponseDone: ignore,              PlaybackDrained: ignore,        DeviceLost: _device_lost_idle,
        DeviceFound: _device_found,        DeadlinePassed: ignore,
    },
    Phase.LISTENING: {
        WakeWordDetected: _wake_listening, PauseHeard: _pause_listening,
        StopRequested: _stop,              MuteChanged: _mute_open,
        LinkUp: _link_up,                  LinkLost: _link_lost,           SpeechStarted: _speech_listening,
        SpeechStopped: _speech_stopped,    ResponseCreated: _response_listening, AudioStarted: ignore,
        ResponseDone: ignore,              PlaybackDrained: ignore,        DeviceLost: _device_lost_open,
        DeviceFound: _device_found,        DeadlinePassed: _late_listening,
    },
    Phase.THINKING: {
        WakeWordDetected: _wake_busy,      PauseHeard: ignore,
        StopRequested: _stop,              MuteChanged: _mute_open,
        LinkUp: ignore,                    LinkLost: _link_lost,           SpeechStarted: _speech_busy,
        SpeechStopped: ignore,             ResponseCreated: _response_open, AudioStarted: _audio_thinking,
        ResponseDone: _done_thinking,      PlaybackDrained: ignore,        DeviceLost: _device_lost_answering,
        DeviceFound: _device_found_answering, DeadlinePassed: _late_thinking,
    },
    Phase.SPEAKING: {
        WakeWordDetected: _wake_busy,      PauseHeard: ignore,
        StopRequested: _stop,              MuteChanged: _mute_speaking,
        LinkUp: ignore,                    LinkLost: _link_lost_speaking,  SpeechStarted: _speech_busy,
        SpeechStopped: ignore,             ResponseCreated: _response_speaking, AudioStarted: _audio_speaking,
        ResponseDone: _done_speaking,      PlaybackDrained: _drained_speaking, DeviceLost: _device_lost_answering,
        DeviceFound: _device_found_answering, DeadlinePassed: _late_speaking,
    },
    Phase.FOLLOW_UP: {
        WakeWordDetected: _wake_busy,      PauseHeard: ignore,
        StopRequested: _stop,              MuteChanged: _mute_open,
        LinkUp: ignore,                    LinkLost: _link_lost_follow_up, SpeechStarted: _speech_busy,
        SpeechStopped: ignore,             ResponseCreated: _response_open, AudioStarted: ignore,
        ResponseDone: ignore,              PlaybackDrained: _drained_follow_up, DeviceLost: _device_lost_open,
        DeviceFound: _device_found,        DeadlinePassed: _late_listening,
    },
}
"""What every kind of event does in every phase."""
# fmt: on

EVENT_TYPES: tuple[type[Event], ...] = get_args(Event)
"""The columns of the table, in the order of the union."""
