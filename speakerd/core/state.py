"""What is known of the conversation: its phase, its limits, its one frozen state.

How one state follows from another is in ``conversation``.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from speakerd.core.echo_path import BargeIn
from speakerd.core.events import Device
from speakerd.core.notices import Said
from speakerd.core.sign_in import SignInState
from speakerd.core.units import Frames, ResponseId

SESSION_REDUCED = "session-reduced"
"""The trouble of a session that works with the minimum, because the service refused our configuration."""


class Phase(enum.Enum):
    """Where the conversation stands."""

    IDLE = "idle"
    """Nothing leaves the machine; the wake word is awaited."""

    LISTENING = "listening"
    """The user has the word; audio goes to the service as soon as it can be reached."""

    THINKING = "thinking"
    """The user has ended; the service's answer is awaited."""

    SPEAKING = "speaking"
    """A reply is being played."""

    FOLLOW_UP = "follow-up"
    """The reply is over; for a while the user may go on without the wake word."""


class LinkState(enum.Enum):
    """What we know of the session with the service."""

    DOWN = "down"
    CONNECTING = "connecting"
    UP = "up"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the configuration allows; the only thing ``step`` knows about it."""

    words: tuple[str, ...] = ("hey_jarvis",)
    """Wake words, for the status line."""

    barge_in: BargeIn = BargeIn.SPEECH
    """What may cut a reply. Unless it is speech, the service hears silence meanwhile."""

    barge_in_measured: bool = False
    """That is only what to begin with; what is measured of the echo decides."""

    follow_up_s: float = 8.0
    """How long to listen on after a reply; 0: never."""

    max_turns: int = 20
    """Turns per wake word."""

    preroll_ms: int = 300
    """How far before the detection the word's end is looked for, and the uplink may start. A detection comes up to
    0.57 s after that end (measured); in one breath ``word_tail`` reaches 0.2 s further back than this."""

    prepare_s: float = 1.0
    """How long a connection that was begun on a guess waits for the wake word: a score that rises is there after 80 ms,
    after 0.56 s at the latest of 307 cases (measured); the rest is for a busy machine."""

    prepare_again_s: float = 30.0
    """How long no guess is acted on after a wrong one: a television must not knock at the service all evening (chosen).
    In read speech it holds back none of 3.7 guesses an hour, in talk made of names like the wake word 14 of 39
    (measured)."""

    no_speech_s: float = 8.0
    """How long to wait for the user to begin (guess, as long as the follow-up window)."""

    utterance_s: float = 30.0
    """How long one utterance may be; longer is a television, or somebody else who goes on talking (guess; commands of
    22 s were tried)."""

    reply_s: float = 15.0
    """How long to wait for the first audio of a reply (guess: services answer within two seconds)."""

    ask_again_s: float = 6.0
    """How long a session may take to come up in which a question is asked again: behind a network whose silence is
    noticed after eight seconds, no longer in all than a reply is waited for (chosen)."""

    stall_s: float = 10.0
    """How long a reply that ran dry may take to go on (guess)."""

    is_outdated: bool = False
    """The configuration was changed since and is wrong: this is what the one before allows."""


@dataclass(frozen=True, slots=True)
class State:
    """All that is known. Written by ``step`` only; owned by the controller."""

    phase: Phase = Phase.IDLE
    """Where the conversation stands."""

    link: LinkState = LinkState.DOWN
    """The session with the service."""

    muted: bool = False
    """The owner does not want to be heard."""

    silent: bool = False
    """The microphone is there and delivers nothing but zeros, or another single value."""

    stuck: bool = False
    """It is another value."""

    deaf_untold: bool = False
    """It became so during an answer, and is told when that has ended."""

    lost: frozenset[Device] = field(default_factory=lambda: frozenset(Device))
    """Sound cards that are not there; both until they were opened."""

    user_speaking: bool = False
    """Between the service's speech_started and speech_stopped."""

    response_id: ResponseId | None = None
    """The response whose audio is accepted."""

    response_done: bool = False
    """The service has nothing more to say in that response."""

    audible: bool = False
    """Audio of the response is playing or waiting."""

    calls_answered: bool = False
    """The response has called functions, and the service is to go on with what they gave."""

    broke_off: bool = False
    """The response failed, and the user has not been told yet."""

    overtaken: bool = False
    """The user has taken the word again before the answer began: what begins now answers nothing they still want."""

    asked_from: Frames | None = None
    """Where in the microphone's wire frames the question begins that is under way; None: there is none, or it must not
    be asked again."""

    asked_again: bool = False
    """The session was lost in this question once, and it is asked a second time."""

    cut_off: bool = False
    """The utterance was too long: the service hears silence in its place, so that it answers what it has."""

    leaving: bool = False
    """The user, says the service, wants the conversation to end with this reply."""

    expiring: bool = False
    """The session comes to the end of its life."""

    prepared: bool = False
    """A connection is being made on a guess, while idle."""

    prepare_at: float = 0.0
    """Before this no guess is acted on, in seconds on the monotonic clock."""

    over_budget: bool = False
    """The money for today is spent."""

    sign_in: SignInState = SignInState.OK
    """How it stands with signing in."""

    can_sign: bool = True
    """There is something to sign a handshake with, or it may come in a moment."""

    said: Said | None = None
    """The last sentence that told what is wrong, until the service is reached."""

    barge_in: BargeIn | None = None
    """What may cut a reply, as measured; None: not yet, or not left to measurement."""

    by_text: bool = False
    """What is spoken was asked for in writing: the microphone is shut, and a failure is told to whoever wrote."""

    turn: int = 0
    """Which turn since the wake word, from 1; 0 while idle."""

    deadline: float | None = None
    """When ``DeadlinePassed`` is due, in seconds on the monotonic clock."""

    trouble: str | None = None
    """The stable code of the last error of the service, until the next conversation."""


CANNOT_SIGN = {
    SignInState.DEGRADED: "not signed in yet, trying again: speakerd status says what is wrong",
    SignInState.NO_NETWORK: "offline: Microsoft's sign-in cannot be reached, trying again",
    SignInState.CLOCK: "not signed in yet: this machine's clock is wrong",
    SignInState.SIGN_IN_REQUIRED: "signed out: run speakerd login",
    SignInState.MISCONFIGURED: "cannot sign in: speakerd status says what is missing",
}
"""What stands in the way of a conversation while there is no token."""

_WILL_NOT_SIGN = {
    SignInState.SIGN_IN_REQUIRED: "the sign-in has ended: run speakerd login",
    SignInState.MISCONFIGURED: CANNOT_SIGN[SignInState.MISCONFIGURED],
}
"""What a person must do while the rest of a token's life is used, or the service refuses every token that comes."""

_ZEROS = "deaf: the microphone delivers only zeros; check its switch, cable or mixer"
_STUCK = "deaf: the microphone is stuck at one value; plug it in anew, or check its cable"
OUTDATED = "the new configuration is wrong, the old one holds: speakerd check-config"
"""What a person must do before what they have changed can hold."""


def status_line(state: State, limits: Limits) -> str:
    """Return one true sentence about the state, for ``systemctl status``."""
    if state.phase is not Phase.IDLE:
        deaf = {
            ", muted": state.muted,
            ", no microphone: retrying": Device.MICROPHONE in state.lost,
            f", {_STUCK if state.stuck else _ZEROS}": state.silent,
        }
        in_conversation = f"in conversation, turn {state.turn}{next((why for why, holds in deaf.items() if holds), '')}"
        return "speaking by request, the microphone is shut" if state.by_text else in_conversation
    obstacles = {
        "no microphone: retrying": Device.MICROPHONE in state.lost,
        "no loudspeaker: retrying": Device.LOUDSPEAKER in state.lost,
        "muted": state.muted,
        _STUCK if state.stuck else _ZEROS: state.silent,
        "today's budget is spent: no conversation before tomorrow": state.over_budget,
    }
    if not state.can_sign and state.sign_in in CANNOT_SIGN:
        obstacles[CANNOT_SIGN[state.sign_in]] = True
    line = next((line for line, stands_in_the_way in obstacles.items() if stands_in_the_way), None)
    if line is not None:
        return line
    words = " or ".join(f'"{word.replace("_", " ")}"' for word in limits.words)
    aside = _aside(state, limits)
    return f"listening for {words}" if aside is None else f"listening for {words}; {aside}"


def _aside(state: State, limits: Limits) -> str | None:
    """Return what is wrong although it listens; None: nothing."""
    if state.sign_in in _WILL_NOT_SIGN:
        return _WILL_NOT_SIGN[state.sign_in]
    if limits.is_outdated:
        return OUTDATED
    if state.trouble == SESSION_REDUCED:
        return "the service refuses a part of the configuration: the journal says which"
    return None if state.trouble is None else f"the service failed last time: {state.trouble}"
