"""Everything that can happen, as facts in the past tense.

An event carries what the core needs to decide: the core never asks. ``Event`` at the end is the closed union that the
table in ``conversation.py`` must cover.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from speakerd.core.echo_path import BargeIn, EchoFigures
from speakerd.core.sign_in import SignInState
from speakerd.core.units import Frames, ItemId, Ms, ResponseId


class Device(enum.Enum):
    """The two ends of the sound path."""

    MICROPHONE = "microphone"
    LOUDSPEAKER = "loudspeaker"


BY_REQUEST = "request"
"""The wake word of somebody who asked by ``speakerd wake`` or a button."""


@dataclass(frozen=True, slots=True)
class Heard:
    """How much of one reply item came out of the loudspeaker."""

    item_id: ItemId
    """The item."""

    heard_ms: Ms
    """Milliseconds of it that were audible, rounded down, never more than was received."""


@dataclass(frozen=True, slots=True)
class WakeWordApproached:
    """What is heard may become the wake word: its score rises, but is not there yet."""

    score: float
    """0 to 1, below the threshold."""


@dataclass(frozen=True, slots=True)
class WakeWordDetected:
    """The wake word was heard, or somebody asked for attention with ``speakerd wake``."""

    model: str
    """Which word, or ``BY_REQUEST``."""

    score: float
    """0 to 1."""

    position_frames: Frames
    """Where the detection stands in the microphone's wire frames, counted from its start."""

    unheard: tuple[Heard, ...] = ()
    """Reply items that are playing or waiting, with what was heard of each."""


@dataclass(frozen=True, slots=True)
class TextGiven:
    """Somebody wrote what the assistant is to say, or a question that it is to answer aloud."""

    text: str
    """What was written."""

    verbatim: bool
    """True: it is said as it stands; False: it is answered."""


@dataclass(frozen=True, slots=True)
class PauseHeard:
    """The user has said the wake word and nothing since: they wait for a sign that they are heard."""


@dataclass(frozen=True, slots=True)
class StopRequested:
    """Somebody wants silence now: button, control socket, a spoken stop word."""

    unheard: tuple[Heard, ...] = ()
    """Reply items that are playing or waiting, with what was heard of each."""


@dataclass(frozen=True, slots=True)
class MuteChanged:
    """The microphone was muted or unmuted."""

    muted: bool
    """True: nothing may be heard any more."""


@dataclass(frozen=True, slots=True)
class MicrophoneSilent:
    """The microphone has begun to deliver nothing but zeros, or one other value, or has ended doing so."""

    silent: bool
    """True: it hears nothing."""

    stuck: bool = False
    """What it delivers is not zero: no switch does that."""

    again: bool = False
    """It was so before, and went on by itself: a switch that is used, or a microphone that gates."""


@dataclass(frozen=True, slots=True)
class EchoMeasured:
    """The echo path was measured: after each stretch of playing, and when the choice changes."""

    figures: EchoFigures
    """What is known now."""

    choice: BargeIn
    """What may cut a reply, if that is left to measurement."""


@dataclass(frozen=True, slots=True)
class LinkUp:
    """The session is open and configured: the service has accepted our ``session.update``."""


@dataclass(frozen=True, slots=True)
class LinkLost:
    """The session ended without our asking, or could not be opened."""

    code: str
    """The error's stable code."""

    repeatable_from: Frames | None = None
    """The oldest wire frame that the microphone has let through and can let through again; None: there is none."""


@dataclass(frozen=True, slots=True)
class SessionReduced:
    """The service refused our configuration and goes on with the minimum."""

    code: str
    """The error's stable code."""


@dataclass(frozen=True, slots=True)
class SessionExpiring:
    """The session comes to the end of its life; a new one must take its place."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The service's voice activity detection heard the user begin."""

    unheard: tuple[Heard, ...] = ()
    """Reply items that are playing or waiting, with what was heard of each."""

    from_frame: Frames | None = None
    """Where in the microphone's wire frames the user's words begin, what the service pads them with included; None:
    nobody knows."""


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The service's voice activity detection heard the user end."""


@dataclass(frozen=True, slots=True)
class ResponseCreated:
    """The service began a response."""

    response_id: ResponseId
    """Its name."""


@dataclass(frozen=True, slots=True)
class FunctionCalled:
    """The service asks us to do something."""

    response_id: ResponseId
    """The response that asks."""

    call_id: str
    """Its name, for the answer."""

    name: str
    """Which function."""

    arguments: str
    """Its arguments as JSON, as the model wrote them."""


@dataclass(frozen=True, slots=True)
class AudioStarted:
    """The first audio of an accepted response reached the loudspeaker's backlog."""

    response_id: ResponseId
    """Whose audio it is."""


@dataclass(frozen=True, slots=True)
class ResponseDone:
    """The service finished, cancelled or failed a response."""

    response_id: ResponseId
    """Its name."""

    status: str
    """``completed``, ``cancelled``, ``failed`` or ``incomplete``."""

    code: str | None = None
    """The service's error code when it failed."""

    calls: int = 0
    """How many functions it called; with calls and no audio it was nothing but a step to the next response."""


@dataclass(frozen=True, slots=True)
class BudgetChanged:
    """The money for today is spent, or there is some again."""

    spent: bool
    """True: no session may be opened."""


@dataclass(frozen=True, slots=True)
class SignInChanged:
    """How it stands with signing in has changed."""

    state: SignInState
    """By what a person can do about it."""

    usable: bool
    """There is a token that a handshake can begin with, whatever the last attempt brought."""


@dataclass(frozen=True, slots=True)
class PlaybackDrained:
    """Everything we had to play has come out of the loudspeaker."""


@dataclass(frozen=True, slots=True)
class DeviceLost:
    """A sound card went away; it is being looked for."""

    device: Device
    """Which end."""


@dataclass(frozen=True, slots=True)
class DeviceFound:
    """A sound card is open and moving frames (also said once at the start)."""

    device: Device
    """Which end."""


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The one deadline in the state is over."""


Event = (
    WakeWordApproached
    | WakeWordDetected
    | TextGiven
    | PauseHeard
    | StopRequested
    | MuteChanged
    | MicrophoneSilent
    | EchoMeasured
    | LinkUp
    | LinkLost
    | SessionReduced
    | SessionExpiring
    | SpeechStarted
    | SpeechStopped
    | ResponseCreated
    | FunctionCalled
    | AudioStarted
    | ResponseDone
    | BudgetChanged
    | SignInChanged
    | PlaybackDrained
    | DeviceLost
    | DeviceFound
    | DeadlinePassed
)
"""The closed union: the table in ``conversation.py`` has a cell for each in every phase."""
