"""Cells of the conversation's table: how it stands with signing in.

They are like those of ``room_cells``. Whether a token can be had is not decided here; a conversation that needs one and
has none ends as any other whose link was lost.
"""

from __future__ import annotations

from dataclasses import replace

from speakerd.core.events import SignInChanged
from speakerd.core.moves import Answer, tell
from speakerd.core.notices import ABOUT_SIGN_IN, SIGN_IN_CODES, Notice
from speakerd.core.sign_in import SignInState
from speakerd.core.state import Limits, State

_FOR_PEOPLE = {
    SignInState.SIGN_IN_REQUIRED: Notice.SIGNED_OUT,
    SignInState.MISCONFIGURED: Notice.MISCONFIGURED,
    SignInState.CLOCK: Notice.CLOCK,
}
"""What is said unasked, since only a person can help."""


def signed(state: State, event: SignInChanged, now: float, limits: Limits) -> Answer:
    """Take note; what was wrong with the sign-in before is over when it works again."""
    after = replace(state, sign_in=event.state, can_sign=event.usable or event.state is SignInState.STARTING)
    if event.state is not SignInState.OK:
        return after, ()
    healed = state.trouble is not None and state.trouble.startswith(SIGN_IN_CODES)
    told = state.said is not None and state.said.notice in ABOUT_SIGN_IN
    return replace(after, trouble=None if healed else state.trouble, said=None if told else state.said), ()


def signed_idle(state: State, event: SignInChanged, now: float, limits: Limits) -> Answer:
    """Say at once what somebody must do; whoever asks later is told again."""
    after, actions = signed(state, event, now, limits)
    if event.state is not state.sign_in and event.state in _FOR_PEOPLE and not state.muted:
        return tell(after, _FOR_PEOPLE[event.state], now, asked=False)
    return after, actions
