"""Cells of the conversation's table: what people and sound cards do.

Which cell stands where is in ``conversation``; what several of them share is in ``moves``. A cell is a function of the
state, the event, the time and the limits; it answers with the next state and the actions to perform.
"""

from __future__ import annotations

from dataclasses import replace

from speakerd.core.actions import (
    AbandonLink,
    CloseUplink,
    ConfigureTurns,
    Earcon,
    FlushPlayback,
    OpenLink,
    OpenUplink,
    PlayEarcon,
    PrepareLink,
    SilenceUplink,
)
from speakerd.core.echo_path import BargeIn
from speakerd.core.events import (
    BY_REQUEST,
    DeadlinePassed,
    Device,
    DeviceFound,
    DeviceLost,
    EchoMeasured,
    LinkLost,
    MicrophoneSilent,
    MuteChanged,
    PauseHeard,
    StopRequested,
    WakeWordApproached,
    WakeWordDetected,
)
from speakerd.core.guess import GUESS_DECLINED
from speakerd.core.moves import (
    Answer,
    barge_in,
    end,
    fail,
    fail_with,
    first_frame,
    hear_over_reply,
    hush,
    is_deaf,
    listen,
    tell,
)
from speakerd.core.notices import SERVICE_SILENT, Notice
from speakerd.core.state import Limits, LinkState, Phase, State


def approached_idle(state: State, event: WakeWordApproached, now: float, limits: Limits) -> Answer:
    """Begin to connect on a guess, unless one was wrong a moment ago."""
    useless = state.muted or state.lost or state.over_budget or not state.can_sign
    if useless or state.prepared or now < state.prepare_at:
        return state, ()
    return replace(state, prepared=True, deadline=now + limits.prepare_s), (PrepareLink(),)


def late_idle(state: State, event: DeadlinePassed, now: float, limits: Limits) -> Answer:
    """The guess was wrong."""
    return _drop_guess(state, now, limits)


def _drop_guess(state: State, now: float, limits: Limits) -> Answer:
    if not state.prepared:
        return state, ()
    return replace(state, prepared=False, deadline=None, prepare_at=now + limits.prepare_again_s), (AbandonLink(),)


def guess_declined(state: State, event: LinkLost, now: float, limits: Limits) -> Answer:
    """Forget a guess that the link has not acted on: nothing is to be dropped, and the next one need not wait."""
    if event.code != GUESS_DECLINED or not state.prepared:
        return state, ()
    return replace(state, prepared=False, deadline=None), ()


def wake_idle(state: State, event: WakeWordDetected, now: float, limits: Limits) -> Answer:
    """Begin a conversation, or say why not."""
    if state.muted:  # whoever asks by ``speakerd wake``; nobody is listening to a word
        return tell(state, Notice.MUTED, now)
    if state.lost:
        return tell(state, Notice.NO_MICROPHONE, now) if state.lost == {Device.MICROPHONE} else (state, ())
    if state.over_budget:
        return tell(state, Notice.OVER_BUDGET, now)
    after = replace(
        listen(state, deadline=now + limits.utterance_s, turn=1, user_speaking=False),
        link=LinkState.CONNECTING,
        prepared=False,
        trouble=None,
    )
    # A sentence of ours, or the code of a sign-in, may still be playing.
    return after, (FlushPlayback(), OpenUplink(first_frame(event, limits)), OpenLink())


def wake_listening(state: State, event: WakeWordDetected, now: float, limits: Limits) -> Answer:
    """Give a user who says it again more time."""
    if state.user_speaking or state.link is not LinkState.UP:
        return state, ()
    return replace(state, deadline=now + limits.no_speech_s), ()


def wake_busy(state: State, event: WakeWordDetected, now: float, limits: Limits) -> Answer:
    """Cut what is going on and listen at once; a reply that outlived its link needs a new session."""
    drowned = state.phase is Phase.SPEAKING and barge_in(state, limits) is BargeIn.OFF and event.model != BY_REQUEST
    if is_deaf(state) or drowned:
        return state, ()
    hushed = hush(state, event.unheard, cancel=True)
    if state.link is LinkState.DOWN:
        ended, closing = end(state)
        after, opening = wake_idle(ended, event, now, limits)
        return after, (*hushed, *closing, *opening)
    uplink = OpenUplink(first_frame(event, limits))
    # In a session that is still coming up they are heard later: its end, not theirs, is waited for.
    patience_s = limits.no_speech_s if state.link is LinkState.UP else limits.utterance_s
    after = listen(state, deadline=now + patience_s, turn=state.turn + 1, user_speaking=False)
    return replace(after, overtaken=state.phase is Phase.THINKING), (*hushed, uplink)


def microphone_silent(state: State, event: MicrophoneSilent, now: float, limits: Limits) -> Answer:
    """Say that nobody can be heard, unasked: once a card, behind an answer, and not to an owner who wants it so."""
    after = replace(
        state, silent=event.silent, stuck=event.silent and event.stuck, deaf_untold=event.silent and state.deaf_untold
    )
    begins = event.silent and not (state.silent or event.again)
    if not begins or state.muted:
        return after, ()
    if state.phase in (Phase.THINKING, Phase.SPEAKING):
        return replace(after, deaf_untold=True), ()
    return tell(after, Notice.DEAF, now, asked=False)


def echo_measured(state: State, event: EchoMeasured, now: float, limits: Limits) -> Answer:
    """Let cut a reply what the echo allows, this one included."""
    if not limits.barge_in_measured or event.choice is barge_in(state, limits):
        return state, ()
    after = replace(state, barge_in=event.choice)
    told = ConfigureTurns(event.choice is BargeIn.SPEECH)
    return after, (told, *(hear_over_reply(after, limits) if state.phase is Phase.SPEAKING else ()))


def pause_listening(state: State, event: PauseHeard, now: float, limits: Limits) -> Answer:
    """Say that we listen, only now: over a command said in one breath the sound would do harm."""
    return state, (PlayEarcon(Earcon.WAKE),)


def stop_idle(state: State, event: StopRequested, now: float, limits: Limits) -> Answer:
    """Cut a sentence of ours short."""
    return state, (FlushPlayback(),)


def stop(state: State, event: StopRequested, now: float, limits: Limits) -> Answer:
    """Fall silent and end the conversation."""
    hushed = hush(state, event.unheard, cancel=True) or (FlushPlayback(),)
    after, closing = end(state, PlayEarcon(Earcon.END))
    return after, (*hushed, *closing)


def mute_idle(state: State, event: MuteChanged, now: float, limits: Limits) -> Answer:
    """Hear nothing from now on, or listen again."""
    after = replace(state, muted=event.muted)
    return _drop_guess(after, now, limits) if event.muted else (after, ())


def mute_open(state: State, event: MuteChanged, now: float, limits: Limits) -> Answer:
    """End a conversation in which the user would have the word; there is nothing to hear any more."""
    state = replace(state, muted=event.muted)
    return end(state) if event.muted and not state.by_text else (state, ())


def mute_speaking(state: State, event: MuteChanged, now: float, limits: Limits) -> Answer:
    """Let the reply end, but hear nothing from now on; a user who is heard again may cut it as before."""
    after = replace(state, muted=event.muted)
    if event.muted:
        return after, (CloseUplink(),)
    return after, hear_over_reply(after, limits) if state.muted else ()


def device_found(state: State, event: DeviceFound, now: float, limits: Limits) -> Answer:
    """Use the card again."""
    return replace(state, lost=state.lost - {event.device}), ()


def device_found_answering(state: State, event: DeviceFound, now: float, limits: Limits) -> Answer:
    """A microphone that is back may be spoken into at once."""
    after = replace(state, lost=state.lost - {event.device})
    return after, hear_over_reply(after, limits)


def device_lost_idle(state: State, event: DeviceLost, now: float, limits: Limits) -> Answer:
    """Say so unasked when only the ears are gone: the owner may not look at a light."""
    after = replace(state, lost=state.lost | {event.device})
    was_there = event.device not in state.lost
    if was_there and after.lost == {Device.MICROPHONE}:
        return tell(after, Notice.NO_MICROPHONE, now, asked=False)
    return after, ()


def device_lost_open(state: State, event: DeviceLost, now: float, limits: Limits) -> Answer:
    """Without ears or voice a conversation cannot go on; the service is not to blame, so it is no trouble of its."""
    hushed = hush(state, (), cancel=True)
    lost = replace(state, lost=state.lost | {event.device})
    deaf = event.device is Device.MICROPHONE
    after, closing = fail(lost, Notice.NO_MICROPHONE, now) if deaf else end(lost, PlayEarcon(Earcon.ERROR))
    return after, (*hushed, *closing)


def device_lost_answering(state: State, event: DeviceLost, now: float, limits: Limits) -> Answer:
    """A lost microphone does not spoil the answer that is coming; a lost loudspeaker does."""
    if event.device is Device.LOUDSPEAKER:
        return device_lost_open(state, event, now, limits)
    return replace(state, lost=state.lost | {event.device}), (CloseUplink(),)


def late_listening(state: State, event: DeadlinePassed, now: float, limits: Limits) -> Answer:
    """Stop listening: nothing was said, or there was nobody to hear it, or somebody never stops.

    Of an utterance without end the service is to answer what it has heard: it is given silence, and takes that for the
    end. That is the last turn: whatever talks on would talk into the next one.
    """
    if state.link is LinkState.CONNECTING or state.cut_off:
        return fail_with(state, SERVICE_SILENT, now)
    if state.user_speaking:
        return replace(state, cut_off=True, leaving=True, deadline=now + limits.stall_s), (SilenceUplink(),)
    return end(state, PlayEarcon(Earcon.END))
