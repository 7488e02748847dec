"""What the service can tell us, as types: one frozen dataclass for each event we use, named as the protocol names it.

Pure values. How they are read from the wire is ``wire.py``; what they mean in a conversation is ``session.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from speakerd.core.units import ItemId, Ms, ResponseId
from speakerd.realtime.usage import TranscriptionUsage, Usage


@dataclass(frozen=True, slots=True)
class SessionCreated:
    """The service opened a session, with its defaults."""

    session_id: str | None
    """Its name at the service."""

    expires_at: int | None
    """When the service will end it, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class SessionUpdated:
    """The service accepted a ``session.update``."""

    session_id: str | None
    """Its name at the service."""

    expires_at: int | None
    """When the service will end it, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class ServiceError:
    """The service refused something; the session normally lives on."""

    code: str | None
    """The service's stable word for the cause; None when it has none."""

    message: str
    """For people."""

    param: str | None
    """Path of the field that was refused."""

    event_id: str | None
    """The command of ours that it answers."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Server voice activity detection heard the user begin."""

    item_id: ItemId
    """The user's item to be."""

    audio_start_ms: Ms
    """Where, in appended audio."""


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """Server voice activity detection heard the user end."""

    item_id: ItemId
    """The user's item."""

    audio_end_ms: Ms
    """Where it decided so, in appended audio, the trailing silence included."""


@dataclass(frozen=True, slots=True)
class Committed:
    """The user's audio became an item."""

    item_id: ItemId
    """The item."""


@dataclass(frozen=True, slots=True)
class ResponseCreated:
    """A response began."""

    response_id: ResponseId
    """Its name."""


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A response asks for a function, whole: one that broke off is none."""

    response_id: ResponseId
    """Which response."""

    call_id: str
    """The call's name, for its answer."""

    name: str
    """Which function."""

    arguments: str
    """JSON, as the model wrote it."""


@dataclass(frozen=True, slots=True)
class CallOutputTaken:
    """The result of a function call became an item: responses from here on know it."""

    call_id: str
    """Which call."""


@dataclass(frozen=True, slots=True)
class ResponseDone:
    """A response ended."""

    response_id: ResponseId
    """Its name."""

    status: str
    """``completed``, ``cancelled``, ``failed`` or ``incomplete``."""

    reason: str | None
    """Why it was cancelled or is incomplete, such as ``turn_detected``."""

    code: str | None
    """The error's code when it failed."""

    message: str | None
    """The error's text when it failed."""

    usage: Usage | None
    """What it took, where the service says so."""

    calls: tuple[FunctionCall, ...] = ()
    """The functions it asked for."""


@dataclass(frozen=True, slots=True)
class AudioDelta:
    """A piece of a reply's sound."""

    response_id: ResponseId
    """Which response."""

    item_id: ItemId
    """Which item of it."""

    pcm: bytes
    """Decoded wire audio, 24 kHz mono S16LE."""


@dataclass(frozen=True, slots=True)
class AudioDone:
    """An item's sound is complete, or was interrupted."""

    response_id: ResponseId
    """Which response."""

    item_id: ItemId
    """Which item of it."""


@dataclass(frozen=True, slots=True)
class TranscriptDelta:
    """A piece of what a reply says."""

    response_id: ResponseId
    """Which response."""

    item_id: ItemId
    """Which item of it."""

    delta: str
    """The piece."""


@dataclass(frozen=True, slots=True)
class TranscriptDone:
    """All that a reply's item says."""

    response_id: ResponseId
    """Which response."""

    item_id: ItemId
    """Which item of it."""

    transcript: str
    """The whole text."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of a reply in writing."""

    response_id: ResponseId
    """Which response."""

    item_id: ItemId
    """Which item of it."""

    delta: str
    """The piece."""


@dataclass(frozen=True, slots=True)
class TextDone:
    """All of a reply's item in writing."""

    response_id: ResponseId
    """Which response."""

    item_id: ItemId
    """Which item of it."""

    text: str
    """The whole text."""


@dataclass(frozen=True, slots=True)
class UserTranscript:
    """What the user said, written down; may come after the reply."""

    item_id: ItemId
    """The user's item."""

    transcript: str
    """The whole text."""

    usage: TranscriptionUsage | None = None
    """What writing it down took, where the service says so."""


@dataclass(frozen=True, slots=True)
class UserTranscriptFailed:
    """What the user said could not be written down; the reply still comes."""

    item_id: ItemId
    """The user's item."""

    code: str | None
    """Why; on Azure ``DeploymentNotFound`` when the transcription model is not a deployment."""


@dataclass(frozen=True, slots=True)
class Truncated:
    """The service cut a reply's item where we said."""

    item_id: ItemId
    """The item."""

    audio_end_ms: Ms
    """What is left of it."""


@dataclass(frozen=True, slots=True)
class RateLimits:
    """How much of each limit is left (OpenAI; Azure does not say)."""

    remaining: Mapping[str, float]
    """Left, by the limit's name."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """An event we have no use for."""

    type: str
    """Its name on the wire."""


ServerEvent = (
    SessionCreated
    | SessionUpdated
    | ServiceError
    | SpeechStarted
    | SpeechStopped
    | Committed
    | ResponseCreated
    | FunctionCall
    | CallOutputTaken
    | ResponseDone
    | AudioDelta
    | AudioDone
    | TranscriptDelta
    | TranscriptDone
    | TextDelta
    | TextDone
    | UserTranscript
    | UserTranscriptFailed
    | Truncated
    | RateLimits
    | Unknown
)
"""Everything ``decode`` returns."""
