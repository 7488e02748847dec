"""What the controller may ask of the outside, as Protocols. Every method returns at once; the loop is never blocked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from speakerd.core.actions import Earcon
from speakerd.core.errors import SpeakerdError
from speakerd.core.events import Heard
from speakerd.core.notices import Notice
from speakerd.core.units import Frames, ItemId, Ms, ResponseId


class Uplink(Protocol):
    """The gate between the microphone and the session. Thread: event loop."""

    def open(self, from_frame: Frames | None) -> None:
        """Let audio through live, starting at a wire frame in the pre-roll (None: from now); never a frame twice."""

    def repeat(self, from_frame: Frames) -> None:
        """Send again what was let through since a wire frame: the session that got it is gone."""

    def repeatable_from(self) -> Frames:
        """Return the oldest wire frame that was let through and can be let through again."""

    def silence(self) -> None:
        """Stream digital silence in place of the microphone."""

    def close(self) -> None:
        """Let nothing through."""


class Loudspeaker(Protocol):
    """The gate between the session and the loudspeaker. Thread: event loop."""

    def accept(self, response_id: ResponseId) -> None:
        """Let audio of this response through."""

    def reject(self, response_id: ResponseId) -> None:
        """Drop audio of this response from now on."""

    def flush(self) -> None:
        """Silence at once; what was waiting is gone."""

    def play_earcon(self, earcon: Earcon) -> None:
        """Play a short sound, before anything that is waiting."""

    def unheard(self) -> tuple[Heard, ...]:
        """Return the reply items not yet wholly heard, in playing order, with what was heard of each."""


class Voice(Protocol):
    """The sentences that say what is wrong. Thread: event loop."""

    def say(self, notice: Notice, *, asked: bool) -> None:
        """Play a sentence; what nobody asked for is not said at night."""


class Link(Protocol):
    """The session with the service. Thread: event loop."""

    def prepare(self) -> None:
        """Begin to connect on a guess, as far as an open socket; nothing is sent on it.

        ``LinkLost`` follows only where the guess is declined.
        """

    def abandon(self) -> None:
        """Drop what was prepared."""

    def open(self) -> None:
        """Start a session, on a prepared socket if there is one; the answer comes as ``LinkUp`` or ``LinkLost``."""

    def reopen(self) -> None:
        """Start a session for a question that was not answered in the one that is lost, and that is asked again."""

    def renew(self) -> None:
        """End this session and start another; audio appended from now on goes to the new one."""

    def close(self) -> None:
        """End the session, or the attempt; nothing more is sent and no event of it follows."""

    def append(self, pcm: bytes, first_frame: Frames | None) -> None:
        """Queue wire audio for the service, in order; kept while the link is still coming up.

        It begins with this frame of the microphone's; None: it is silence.
        """

    def truncate(self, item_id: ItemId, heard_ms: Ms) -> None:
        """Tell the service how much of an item was heard."""

    def cancel(self, response_id: ResponseId) -> None:
        """Ask the service to stop a response."""

    def configure_turns(self, *, interrupt: bool) -> None:
        """Let the service's detection of speech cut its replies, or not, in this session and those to come."""

    def answer_call(self, call_id: str, output: str) -> None:
        """Give the service the result of a function call, as JSON."""

    def ask(self) -> None:
        """Ask the service for a response."""

    def send_text(self, text: str, *, verbatim: bool) -> None:
        """Have the service say a text as it stands, or answer it, as soon as the session is up."""


class Indicator(Protocol):
    """Where people look: the status line, later lights. Thread: event loop."""

    def show(self, line: str) -> None:
        """Show one true sentence."""


class Credentials(Protocol):
    """Who we are to the service."""

    async def headers(self) -> Mapping[str, str]:
        """Return the HTTP headers that sign a handshake.

        Raises:
            AuthError: there is no usable credential.
        """

    def rejected(self) -> SpeakerdError | None:
        """Take note that the service has refused what ``headers`` gave last.

        Returns:
            Why it is of no use to ask for another; None: it may be.
        """

    def accepted(self) -> None:
        """Take note that the service has taken what ``headers`` gave last."""


class Clock(Protocol):
    """Time, as an argument."""

    def now(self) -> float:
        """Return seconds on the monotonic clock."""


class Trace(Protocol):
    """A diary of one conversation for the demo, the bench and the curious. Thread: event loop."""

    def mark(self, name: str, **fields: object) -> None:
        """Note that something happened now."""
