"""One session's rules: what may be sent, what a server event means, which audio still counts.

Pure: no socket, no clock. All state is by response and item, because after an interruption events of the old response
arrive late, even after the next one has begun. The socket is ``link.py``; what the speaker does about an event is the
core's business.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from speakerd.core import events
from speakerd.core.errors import BENIGN_SERVICE_CODES, LinkError, Remedy
from speakerd.core.units import SAMPLE_BYTES, ItemId, Ms, ResponseId, wire_bytes_to_ms
from speakerd.realtime import server_events as wire_events
from speakerd.realtime import wire
from speakerd.realtime.spec import SessionSpec

__all__ = ["NOTHING", "Audio", "Outcome", "Session", "SessionSpec", "Transcript"]

_EXPIRED = "session_expired"
"""The service's error code before it ends a session that reached its longest age (observed)."""


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

    audio: Audio | None = None
    """For the loudspeaker."""

    audio_done: ResponseId | None = None
    """A response that will bring no more audio."""

    transcript: Transcript | None = None
    """For whoever writes down what was said."""

    usage: wire_events.Usage | None = None
    """What a response took."""

    commands: tuple[str, ...] = ()
    """To be sent to the service."""

    refusal: wire_events.ServiceError | None = None
    """An error that the session survives, to be logged."""

    lost: LinkError | None = None
    """The session is of no more use."""


@dataclass(slots=True)
class _Item:
    response_id: ResponseId
    received_bytes: int = 0
    half_sample: bytes = b""
    cut_at_ms: Ms | None = None

    @property
    def received_ms(self) -> Ms:
        return wire_bytes_to_ms(self.received_bytes)


@dataclass(slots=True)
class _Response:
    done: bool = False
    cut: bool = False
    cancelled: bool = False

    @property
    def late(self) -> bool:
        """Whether audio of it comes too late to be played."""
        return self.done or self.cut or self.cancelled


NOTHING = Outcome()
"""An event that needs nothing done."""


class Session:
    """What is going on in one session, by id. Feed it server events; ask it for commands.

    Thread: whichever owns it. Ends: with its connection; a new connection is a new session.
    """

    def __init__(self, spec: SessionSpec) -> None:
        self._spec = spec
        self._numbers = itertools.count(1)
        self._pending_update: str | None = None
        self._minimal_tried = False
        self._responses: dict[ResponseId, _Response] = {}
        self._items: dict[ItemId, _Item] = {}
        self.up = False
        self.expires_at: int | None = None
        self.session_id: str | None = None
        self.late_deltas = 0
        self.unknown_events = 0
        # The types on both sides of a row agree, which a dict cannot say; hence Any.
        self._handlers: dict[type, Callable[[Any], Outcome]] = {
            wire_events.AudioDelta: self._audio,
            wire_events.SessionCreated: self._session,
            wire_events.SessionUpdated: self._session,
            wire_events.ServiceError: self._error,
            wire_events.SpeechStarted: self._speech_started,
            wire_events.SpeechStopped: self._speech_stopped,
            wire_events.ResponseCreated: self._created,
            wire_events.ResponseDone: self._done,
            wire_events.TranscriptDone: self._reply_transcript,
            wire_events.UserTranscript: self._user_transcript,
            wire_events.Unknown: self._unknown,
        }

    @property
    def degraded(self) -> bool:
        """Whether the service refused what we wanted and runs on the minimum."""
        return self._minimal_tried

    def begin(self) -> str:
        """Return the first ``session.update``, with everything we want."""
        return self._update(self._spec.full())

    def append(self, pcm: bytes) -> str:
        """Return the command that appends wire audio."""
        return wire.append(pcm, self._event_id())

    def truncate(self, item_id: ItemId, heard_ms: Ms) -> str | None:
        """Return the command that cuts a reply where the user stopped hearing it; None where there is nothing to cut.

        Audio of its response is late from here on.
        """
        item = self._items.get(item_id)
        if item is None or item.received_bytes == 0:
            return None  # the service refuses to truncate what has no audio
        response = self._responses[item.response_id]
        response.cut = True
        heard_ms = Ms(max(0, min(heard_ms, item.received_ms)))
        wholly_heard = response.done and heard_ms == item.received_ms
        if wholly_heard or (item.cut_at_ms is not None and heard_ms >= item.cut_at_ms):
            return None
        item.cut_at_ms = heard_ms
        return wire.truncate(item_id, heard_ms, self._event_id())

    def cancel(self, response_id: ResponseId) -> str | None:
        """Return the command that stops a response, or None when it is not running. Its audio is late from here on."""
        response = self._responses.get(response_id)
        if response is None or response.done or response.cancelled:
            return None
        response.cancelled = True
        return wire.cancel(response_id, self._event_id())

    def receive(self, event: wire_events.ServerEvent) -> Outcome:
        """Take note of a server event and say what it comes to."""
        handler = self._handlers.get(type(event))
        return NOTHING if handler is None else handler(event)

    def _event_id(self) -> str:
        return f"evt_{next(self._numbers)}"

    def _update(self, session: dict[str, object]) -> str:
        self._pending_update = self._event_id()
        return wire.session_update(session, self._pending_update)

    def _session(self, event: wire_events.SessionCreated | wire_events.SessionUpdated) -> Outcome:
        self.session_id = event.session_id or self.session_id
        self.expires_at = event.expires_at or self.expires_at
        # An answer to nothing we asked changes nothing: the session is up once.
        if isinstance(event, wire_events.SessionCreated) or self._pending_update is None:
            return NOTHING
        self._pending_update = None
        self.up = True
        return Outcome(event=events.LinkUp())

    def _error(self, error: wire_events.ServiceError) -> Outcome:
        if error.code == _EXPIRED:
            return Outcome(lost=LinkError("session-expired", "the session reached its longest age", Remedy.RECONNECT))
        if self._refuses_update(error):
            return self._refused(error)
        return NOTHING if error.code in BENIGN_SERVICE_CODES else Outcome(refusal=error)

    def _refuses_update(self, error: wire_events.ServiceError) -> bool:
        if self._pending_update is None:
            return False
        about_session = error.event_id is None and (error.param or "").startswith("session")
        return about_session or error.event_id == self._pending_update

    def _refused(self, error: wire_events.ServiceError) -> Outcome:
        if not self._minimal_tried:
            self._minimal_tried = True
            return Outcome(refusal=error, commands=(self._update(self._spec.minimal()),))
        self._pending_update = None
        reason = f"the service refused even the simplest session: {error.code}: {error.message}"
        return Outcome(refusal=error, lost=LinkError("session-refused", reason, Remedy.OPERATOR))

    def _created(self, event: wire_events.ResponseCreated) -> Outcome:
        if event.response_id in self._responses:
            return NOTHING
        self._responses[event.response_id] = _Response()
        return Outcome(event=events.ResponseCreated(event.response_id))

    def _audio(self, event: wire_events.AudioDelta) -> Outcome:
        response = self._responses.get(event.response_id)
        if response is None or response.late:
            self.late_deltas += 1
            return NOTHING
        item = self._items.setdefault(event.item_id, _Item(event.response_id))
        pcm = item.half_sample + event.pcm
        whole = len(pcm) - len(pcm) % SAMPLE_BYTES
        item.half_sample, pcm = pcm[whole:], pcm[:whole]
        item.received_bytes += whole
        return Outcome(audio=Audio(event.response_id, event.item_id, pcm)) if pcm else NOTHING

    def _done(self, event: wire_events.ResponseDone) -> Outcome:
        response = self._responses.get(event.response_id)
        if response is None or response.done:
            return NOTHING
        response.done = True
        code = event.code if event.status == "failed" else None
        return Outcome(
            event=events.ResponseDone(event.response_id, event.status, code),
            audio_done=event.response_id,
            usage=event.usage,
        )

    def _speech_started(self, _event: wire_events.SpeechStarted) -> Outcome:
        # Who listens to the loudspeaker adds what was heard.
        return Outcome(event=events.SpeechStarted())

    def _speech_stopped(self, _event: wire_events.SpeechStopped) -> Outcome:
        return Outcome(event=events.SpeechStopped())

    def _reply_transcript(self, event: wire_events.TranscriptDone) -> Outcome:
        return Outcome(transcript=Transcript("assistant", event.item_id, event.transcript))

    def _user_transcript(self, event: wire_events.UserTranscript) -> Outcome:
        return Outcome(transcript=Transcript("user", event.item_id, event.transcript))

    def _unknown(self, _event: wire_events.Unknown) -> Outcome:
        self.unknown_events += 1
        return NOTHING
