"""What one server event comes to, for everybody whom it concerns. Pure values; who makes them is ``session.py``."""

from __future__ import annotations

from dataclasses import dataclass

from speakerd.core import events
from speakerd.core.errors import LinkError
from speakerd.core.units import ItemId, ResponseId
from speakerd.realtime.server_events import ServiceError
from speakerd.realtime.usage import TranscriptionUsage, Usage


@dataclass(frozen=True, slots=True)
class Audio:
    """A piece of a reply that still counts."""

    response_id: ResponseId
    """Which response."""

    item_id: ItemId
    """Which item of it."""

    pcm: bytes
    """Wire audio, whole samples."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What somebody said, whole."""

    role: str
    """``user`` or ``assistant``."""

    item_id: ItemId
    """The item."""

    text: str
    """What was said."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one server event comes to. Most have one thing to say, many nothing."""

    event: events.Event | None = None
    """For the core."""

    calls: tuple[events.FunctionCalled, ...] = ()
    """For the core, before the event."""

    audio: Audio | None = None
    """For the loudspeaker."""

    audio_done: ResponseId | None = None
    """A response that will bring no more audio."""

    transcript: Transcript | None = None
    """For whoever writes down what was said."""

    committed: ItemId | None = None
    """An item of the user's whose words may follow."""

    usage: Usage | None = None
    """What a response took."""

    transcription_usage: TranscriptionUsage | None = None
    """What writing down the user took."""

    commands: tuple[str, ...] = ()
    """To be sent to the service."""

    refusal: ServiceError | None = None
    """An error that the session survives, to be logged."""

    lost: LinkError | None = None
    """The session is of no more use."""


NOTHING = Outcome()
"""An event that needs nothing done."""
