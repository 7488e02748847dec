"""Everything we may do, in the imperative.

The controller performs actions in the order they are given. Audio never appears here: actions open and shut the gates
it flows through.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from speakerd.core.notices import Notice
from speakerd.core.units import Frames, ItemId, Ms, ResponseId


class Earcon(enum.Enum):
    """The short sounds of the speaker."""

    WAKE = "wake"
    """I am listening; played when the user pauses behind the wake word."""

    END = "end"
    """I have stopped listening."""

    ERROR = "error"
    """Something did not work; ``speakerd status`` says what."""


@dataclass(frozen=True, slots=True)
class PrepareLink:
    """Begin to connect on a guess: nothing of the user is sent, and nobody is told how it goes."""


@dataclass(frozen=True, slots=True)
class AbandonLink:
    """Drop what was prepared: the guess was wrong."""


@dataclass(frozen=True, slots=True)
class OpenLink:
    """Open a session with the service, prepared or not; ``LinkUp`` or ``LinkLost`` will follow."""


@dataclass(frozen=True, slots=True)
class ReopenLink:
    """Open a session for a question that the lost one has not answered; ``LinkUp`` or ``LinkLost`` will follow.

    What was written down of that question is forgotten: it will be asked again.
    """


@dataclass(frozen=True, slots=True)
class RenewLink:
    """Let a new session take the place of this one; audio goes to the new one from now on.

    ``LinkUp`` or ``LinkLost`` will follow.
    """


@dataclass(frozen=True, slots=True)
class CloseLink:
    """End the session and throw away what was not yet sent."""


@dataclass(frozen=True, slots=True)
class OpenUplink:
    """Let microphone audio through to the session, live."""

    from_frame: Frames | None
    """First wire frame to send, looked up in the pre-roll; None: from now on. A frame is never sent twice."""


@dataclass(frozen=True, slots=True)
class RepeatUplink:
    """Send again what was let through since a frame, to a session in place of a lost one, and go on live."""

    from_frame: Frames
    """First wire frame to send again."""


@dataclass(frozen=True, slots=True)
class SilenceUplink:
    """Stream digital silence instead of the microphone: the service's clock moves on, and nothing is heard."""


@dataclass(frozen=True, slots=True)
class CloseUplink:
    """Let nothing through any more."""


@dataclass(frozen=True, slots=True)
class AcceptAudio:
    """Open the downlink gate for a response."""

    response_id: ResponseId
    """Whose audio may be played."""


@dataclass(frozen=True, slots=True)
class RejectAudio:
    """Shut the downlink gate for a response; late deltas of it are dropped."""

    response_id: ResponseId
    """Whose audio may not be played any more."""


@dataclass(frozen=True, slots=True)
class FlushPlayback:
    """Silence the loudspeaker at once and throw away what was waiting."""


@dataclass(frozen=True, slots=True)
class TruncateItem:
    """Tell the service how much of a reply item was really heard."""

    item_id: ItemId
    """The item."""

    heard_ms: Ms
    """What the user heard of it."""


@dataclass(frozen=True, slots=True)
class ConfigureTurns:
    """Let the service's own detection of speech cut its replies, or not; in this session and in those to come."""

    interrupt: bool
    """Whether it may."""


@dataclass(frozen=True, slots=True)
class CancelResponse:
    """Ask the service to stop a response. Never sent when the service's own detection interrupts."""

    response_id: ResponseId
    """Which one."""


@dataclass(frozen=True, slots=True)
class AnswerCall:
    """Give the service the result of a function it called."""

    call_id: str
    """Which call."""

    output: str
    """The result, as JSON."""


@dataclass(frozen=True, slots=True)
class RequestResponse:
    """Ask the service to speak: it has been given something to speak about."""


@dataclass(frozen=True, slots=True)
class SendText:
    """Give the service a text and ask it to speak, as soon as the session is there."""

    text: str
    """What was written."""

    verbatim: bool
    """True: it is said as it stands; False: it is answered."""


@dataclass(frozen=True, slots=True)
class Say:
    """Play a sentence that says what is wrong."""

    notice: Notice
    """Which one."""

    asked: bool = True
    """Whether the user has just spoken to us; what nobody asked for is not said at night."""


@dataclass(frozen=True, slots=True)
class PlayEarcon:
    """Play a short sound."""

    earcon: Earcon
    """Which one."""


@dataclass(frozen=True, slots=True)
class Announce:
    """Show the state to people: status line, lights."""

    line: str
    """One true sentence."""


Action = (
    PrepareLink
    | AbandonLink
    | OpenLink
    | ReopenLink
    | RenewLink
    | CloseLink
    | OpenUplink
    | RepeatUplink
    | SilenceUplink
    | CloseUplink
    | AcceptAudio
    | RejectAudio
    | FlushPlayback
    | ConfigureTurns
    | TruncateItem
    | CancelResponse
    | AnswerCall
    | RequestResponse
    | SendText
    | Say
    | PlayEarcon
    | Announce
)
"""The closed union that the controller can perform."""
