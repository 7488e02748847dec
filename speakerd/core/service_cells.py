"""Cells of the conversation's table: what the service does, and what comes of it at the loudspeaker.

They are like those of ``room_cells``.
"""

from __future__ import annotations

from dataclasses import replace

from speakerd.core.actions import (
    AcceptAudio,
    AnswerCall,
    CancelResponse,
    CloseUplink,
    Earcon,
    PlayEarcon,
    ReopenLink,
    RepeatUplink,
    RequestResponse,
    SilenceUplink,
)
from speakerd.core.ask_again import first_frame_again
from speakerd.core.echo_path import BargeIn
from speakerd.core.events import (
    AudioStarted,
    BudgetChanged,
    DeadlinePassed,
    FunctionCalled,
    LinkLost,
    LinkUp,
    PlaybackDrained,
    ResponseCreated,
    ResponseDone,
    SessionExpiring,
    SessionReduced,
    SpeechStarted,
    SpeechStopped,
)
from speakerd.core.functions import DONE, END_CONVERSATION, UNKNOWN_FUNCTION, WAIT_FOR_USER
from speakerd.core.moves import (
    Answer,
    after_reply,
    barge_in,
    end,
    fail,
    fail_with,
    hush,
    is_deaf,
    listen,
    renew,
)
from speakerd.core.notices import SERVICE_SILENT, Notice
from speakerd.core.state import SESSION_REDUCED, Limits, LinkState, Phase, State


def link_up(state: State, event: LinkUp, now: float, limits: Limits) -> Answer:
    """Wait for the user, now that they are heard."""
    return replace(state, link=LinkState.UP, said=None, deadline=now + limits.no_speech_s), ()


def link_up_follow_up(state: State, event: LinkUp, now: float, limits: Limits) -> Answer:
    """A new session has taken the old one's place."""
    return replace(state, link=LinkState.UP, said=None, deadline=now + limits.follow_up_s), ()


def link_up_answering(state: State, event: LinkUp, now: float, limits: Limits) -> Answer:
    """Take note: a service that was late to confirm the session has heard the user all the same.

    What was written it gets only now.
    """
    asks = state.by_text and state.phase is Phase.THINKING
    deadline = now + limits.reply_s if asks else state.deadline
    return replace(state, link=LinkState.UP, said=None, deadline=deadline), ()


def link_lost(state: State, event: LinkLost, now: float, limits: Limits) -> Answer:
    """Ask again what was asked, or end the conversation: the answer will not come."""
    hushed = hush(state, (), cancel=False)
    asked_from = first_frame_again(state, event)
    if asked_from is not None:
        # As when the wake word was said: the user has the word, and is heard as soon as there is somebody to hear them.
        after = listen(state, deadline=now + limits.ask_again_s, turn=state.turn, user_speaking=False)
        after = replace(after, link=LinkState.CONNECTING, expiring=False, asked_from=asked_from, asked_again=True)
        return after, (*hushed, ReopenLink(), RepeatUplink(asked_from))
    after, closing = fail_with(state, event.code, now)
    return after, (*hushed, *closing)


def link_lost_speaking(state: State, event: LinkLost, now: float, limits: Limits) -> Answer:
    """Play what was received; the user is told at its end."""
    after = replace(state, link=LinkState.DOWN, response_done=True, trouble=event.code)
    if not state.audible:
        return after_reply(after, now, limits)
    return after, (CloseUplink(),)


def link_lost_follow_up(state: State, event: LinkLost, now: float, limits: Limits) -> Answer:
    """End without a sound, since nobody was waiting; but whoever spoke into a renewal or a silent network is told."""
    if event.code == SERVICE_SILENT:
        return fail_with(state, event.code, now)
    renewing = state.link is LinkState.CONNECTING
    return end(replace(state, trouble=event.code), *((PlayEarcon(Earcon.ERROR),) if renewing else ()))


def reduced(state: State, event: SessionReduced, now: float, limits: Limits) -> Answer:
    """Keep what the owner has to know; the conversation goes on."""
    return replace(state, trouble=SESSION_REDUCED), ()


def expiring(state: State, event: SessionExpiring, now: float, limits: Limits) -> Answer:
    """Remember it for the next quiet moment."""
    return replace(state, expiring=True), ()


def expiring_follow_up(state: State, event: SessionExpiring, now: float, limits: Limits) -> Answer:
    """Change sessions at once: nobody speaks. Without money for another one this is the end."""
    return fail(state, Notice.OVER_BUDGET, now) if state.over_budget else renew(state)


def budget(state: State, event: BudgetChanged, now: float, limits: Limits) -> Answer:
    """Take note; a conversation ends with the reply that is under way."""
    return replace(state, over_budget=event.spent), ()


def speech_listening(state: State, event: SpeechStarted, now: float, limits: Limits) -> Answer:
    """Let the user finish."""
    asked_from = state.asked_from if state.user_speaking else event.from_frame
    return replace(state, user_speaking=True, asked_from=asked_from, deadline=now + limits.utterance_s), ()


def speech_busy(state: State, event: SpeechStarted, now: float, limits: Limits) -> Answer:
    """Barge-in: the service has interrupted itself; we fall silent and say what was heard.

    Where it is not to do that, a user who goes on before the answer is audible has us stop it.
    """
    if state.by_text or (state.phase is Phase.SPEAKING and barge_in(state, limits) is not BargeIn.SPEECH):
        return state, ()
    hushed = hush(state, event.unheard, cancel=barge_in(state, limits) is not BargeIn.SPEECH)
    if is_deaf(state):  # said just before they went unheard: the service will never hear the end of it
        ended, closing = end(state, PlayEarcon(Earcon.END))
        return ended, (*hushed, *closing)
    # A user who goes on before the answer began is still in the same turn, and asks the same question.
    goes_on = state.phase is Phase.THINKING
    turn = state.turn if goes_on else state.turn + 1
    after = listen(state, deadline=now + limits.utterance_s, turn=turn, user_speaking=True)
    asked_from = state.asked_from if goes_on else event.from_frame
    return replace(after, asked_from=asked_from, asked_again=goes_on and state.asked_again), hushed


def speech_stopped(state: State, event: SpeechStopped, now: float, limits: Limits) -> Answer:
    """Wait for the answer; not for the one to what was said before the wake word that cut in, whose end comes late."""
    if state.overtaken and not state.user_speaking:
        return state, ()
    return replace(state, phase=Phase.THINKING, user_speaking=False, deadline=now + limits.reply_s), ()


def response_listening(state: State, event: ResponseCreated, now: float, limits: Limits) -> Answer:
    """Stop what answers something that was said before; else the service would make no answer to what is said now."""
    if state.user_speaking or state.overtaken:
        return replace(state, overtaken=False), (CancelResponse(event.response_id),)
    return response_open(state, event, now, limits)


def response_open(state: State, event: ResponseCreated, now: float, limits: Limits) -> Answer:
    """Accept the answer that is coming."""
    after = replace(
        state,
        phase=Phase.THINKING,
        response_id=event.response_id,
        response_done=False,
        deadline=now + limits.reply_s,
    )
    return after, (AcceptAudio(event.response_id),)


def response_speaking(state: State, event: ResponseCreated, now: float, limits: Limits) -> Answer:
    """A second response in the same turn is played after the first."""
    deadline = None if state.audible else now + limits.stall_s
    after = replace(state, response_id=event.response_id, response_done=False, deadline=deadline)
    return after, (AcceptAudio(event.response_id),)


def called(state: State, event: FunctionCalled, now: float, limits: Limits) -> Answer:
    """Do what a function asks for; the service is asked to go on only where it has something to say about it.

    What has been done once must not be done twice: such a question is not asked again.
    """
    if event.response_id != state.response_id:
        return state, ()
    state = replace(state, asked_from=None)
    if event.name == END_CONVERSATION:
        return replace(state, leaving=True), (AnswerCall(event.call_id, DONE),)
    if event.name == WAIT_FOR_USER:
        return state, (AnswerCall(event.call_id, DONE),)
    return replace(state, calls_answered=True), (AnswerCall(event.call_id, UNKNOWN_FUNCTION),)


def audio_thinking(state: State, event: AudioStarted, now: float, limits: Limits) -> Answer:
    """Begin to speak."""
    if event.response_id != state.response_id:
        return state, ()
    after = replace(state, phase=Phase.SPEAKING, audible=True, deadline=None)
    return after, () if state.by_text or barge_in(state, limits) is BargeIn.SPEECH else (SilenceUplink(),)


def audio_speaking(state: State, event: AudioStarted, now: float, limits: Limits) -> Answer:
    """Go on speaking."""
    return replace(state, audible=True, deadline=None), ()


def done_thinking(state: State, event: ResponseDone, now: float, limits: Limits) -> Answer:
    """A response ended without a sound."""
    if event.response_id != state.response_id or event.status == "cancelled":
        return state, ()
    if event.status == "completed" and state.calls_answered:
        return replace(state, calls_answered=False, deadline=now + limits.reply_s), (RequestResponse(),)
    failed = event.status != "completed"
    trouble = (event.code or "response-failed") if failed else state.trouble
    return after_reply(replace(state, response_done=True, broke_off=failed, trouble=trouble), now, limits)


def done_speaking(state: State, event: ResponseDone, now: float, limits: Limits) -> Answer:
    """Let what was received be heard to its end; one that failed is told of then."""
    if event.response_id != state.response_id:
        return state, ()
    if event.status == "completed" and state.calls_answered:
        deadline = None if state.audible else now + limits.stall_s
        return replace(state, calls_answered=False, deadline=deadline), (RequestResponse(),)
    failed = event.status == "failed"  # one that is incomplete has reached its greatest length
    trouble = (event.code or "response-failed") if failed else state.trouble
    after = replace(state, response_done=True, broke_off=failed, trouble=trouble)
    return (after, ()) if state.audible else after_reply(after, now, limits)


def drained_speaking(state: State, event: PlaybackDrained, now: float, limits: Limits) -> Answer:
    """End the reply, or wait for the rest of it."""
    after = replace(state, audible=False)
    if state.response_done:
        return after_reply(after, now, limits)
    return replace(after, deadline=now + limits.stall_s), ()


def drained_follow_up(state: State, event: PlaybackDrained, now: float, limits: Limits) -> Answer:
    """Count the window from the moment the loudspeaker is quiet."""
    return replace(state, deadline=now + limits.follow_up_s), ()


def late_thinking(state: State, event: DeadlinePassed, now: float, limits: Limits) -> Answer:
    """Give up: no answer came, or there was nobody to ask."""
    unasked = state.by_text and state.link is LinkState.CONNECTING
    return fail_with(state, SERVICE_SILENT if unasked else "reply-timeout", now)


def late_speaking(state: State, event: DeadlinePassed, now: float, limits: Limits) -> Answer:
    """Give up: the rest of the answer did not come."""
    return fail_with(state, "reply-stalled", now)
