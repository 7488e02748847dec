"""What several cells of the conversation's table do: nothing, end, fail, fall silent, listen, go on after a reply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from speakerd.core.actions import (
    Action,
    CancelResponse,
    CloseLink,
    CloseUplink,
    Earcon,
    FlushPlayback,
    OpenUplink,
    PlayEarcon,
    RejectAudio,
    RenewLink,
    Say,
    SilenceUplink,
    TruncateItem,
)
from speakerd.core.echo_path import BargeIn
from speakerd.core.events import BY_REQUEST, Device, Event, Heard, WakeWordDetected
from speakerd.core.notices import Notice, Said, may_say, notice_of
from speakerd.core.state import Limits, LinkState, Phase, State
from speakerd.core.units import WIRE_RATE_HZ, Frames, ms_to_frames

Answer = tuple[State, tuple[Action, ...]]
Handler = Callable[[State, Any, float, Limits], Answer]


def end(state: State, *actions: Action) -> Answer:
    """End the conversation: nothing leaves the machine after this."""
    idle = State(
        muted=state.muted,
        silent=state.silent,
        stuck=state.stuck,
        deaf_untold=state.deaf_untold,
        lost=state.lost,
        trouble=state.trouble,
        over_budget=state.over_budget,
        sign_in=state.sign_in,
        can_sign=state.can_sign,
        said=state.said,
        prepare_at=state.prepare_at,
        barge_in=state.barge_in,
    )
    return idle, (CloseUplink(), CloseLink(), *actions)


def tell(state: State, notice: Notice, now: float, *, asked: bool = True) -> Answer:
    """Let the user hear what is wrong: in words, or by a sound when these words were the last ones.

    Whoever asked in writing reads it: nothing is said.
    """
    if state.by_text:
        return state, ()
    saying = Said(notice, now, asked)
    if not may_say(state.said, saying):
        return state, (PlayEarcon(Earcon.ERROR),) if asked else ()
    return replace(state, said=saying), (Say(notice, asked=asked),)


def tell_put_off(state: State, actions: tuple[Action, ...], now: float) -> Answer:
    """Say that nobody can be heard, if an answer was in the way and has ended; else only do what was to be done.

    It takes the place of the sound that ends a conversation. Another sentence goes first, and this one follows with the
    next event.
    """
    answering = state.phase in (Phase.THINKING, Phase.SPEAKING)
    if not state.deaf_untold or answering or any(isinstance(action, Say) for action in actions):
        return state, actions
    after = replace(state, deaf_untold=False)
    if is_deaf(state):  # muted since, or gone: that is told by itself
        return after, actions
    told, saying = tell(after, Notice.DEAF, now, asked=False)
    kept = tuple(action for action in actions if not (saying and isinstance(action, PlayEarcon)))
    return told, (*kept, *saying)


def fail(state: State, notice: Notice, now: float) -> Answer:
    """End the conversation and let the user hear why."""
    told, actions = tell(state, notice, now)
    return end(told, *actions)


def fail_with(state: State, code: str, now: float) -> Answer:
    """End the conversation for a trouble that the service or the way to it has."""
    return fail(replace(state, trouble=code), notice_of(code), now)


def hush(state: State, unheard: tuple[Heard, ...], *, cancel: bool) -> tuple[Action, ...]:
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


def listen(state: State, *, deadline: float, turn: int, user_speaking: bool) -> State:
    """Give the user the word."""
    return replace(
        state,
        phase=Phase.LISTENING,
        by_text=False,
        user_speaking=user_speaking,
        response_id=None,
        response_done=False,
        calls_answered=False,
        broke_off=False,
        overtaken=False,
        asked_from=None,
        asked_again=False,
        cut_off=False,
        leaving=False,
        audible=False,
        turn=turn,
        deadline=deadline,
    )


def first_frame(event: WakeWordDetected, limits: Limits) -> Frames | None:
    """Return where the command can begin; None: now, since nothing before a request was meant for us."""
    if event.model == BY_REQUEST:
        return None
    return Frames(max(0, event.position_frames - ms_to_frames(limits.preroll_ms, WIRE_RATE_HZ)))


def is_deaf(state: State) -> bool:
    """Return whether the user cannot or does not want to be heard."""
    return state.muted or Device.MICROPHONE in state.lost


def barge_in(state: State, limits: Limits) -> BargeIn:
    """Return what may cut a reply now; what was measured before a reload counts no more where that is chosen since."""
    return (state.barge_in if limits.barge_in_measured else None) or limits.barge_in


def hear_over_reply(state: State, limits: Limits) -> tuple[Action, ...]:
    """Return what lets a user in during a reply, or gives the service silence where speech may not cut it."""
    if state.by_text or is_deaf(state) or state.link is not LinkState.UP:
        return ()
    return (OpenUplink(None),) if barge_in(state, limits) is BargeIn.SPEECH else (SilenceUplink(),)


def after_reply(state: State, now: float, limits: Limits) -> Answer:
    """Go on after the loudspeaker has become quiet: say what went wrong, listen on, or end."""
    if state.link is LinkState.DOWN:
        return fail(state, notice_of(state.trouble), now)
    if state.over_budget:
        return fail(state, Notice.OVER_BUDGET, now)
    if state.by_text:
        return end(state)
    told, sounds = tell(state, notice_of(state.trouble), now) if state.broke_off else (state, ())
    if state.leaving or is_deaf(state) or limits.follow_up_s <= 0 or state.turn >= limits.max_turns:
        return end(told, *(sounds or (PlayEarcon(Earcon.END),)))
    after = replace(
        told,
        phase=Phase.FOLLOW_UP,
        audible=False,
        response_id=None,
        calls_answered=False,
        broke_off=False,
        asked_from=None,
        deadline=now + limits.follow_up_s,
    )
    after, renewing = renew(after) if state.expiring else (after, ())
    # Open already, unless the service was to hear silence, or the user was muted or the microphone away for a while.
    return after, (*renewing, OpenUplink(None), *sounds)


def renew(state: State) -> Answer:
    """Let a new session take the old one's place while nobody speaks."""
    return replace(state, link=LinkState.CONNECTING, expiring=False), (RenewLink(),)


def ignore(state: State, event: Event, now: float, limits: Limits) -> Answer:
    """Do nothing: the event is stale or does not matter here."""
    return state, ()
