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
from speakerd.core.memory import Said
from speakerd.core.units import SAMPLE_BYTES, Frames, ItemId, Ms, ResponseId, wire_bytes_to_ms
from speakerd.realtime import server_events as wire_events
from speakerd.realtime import wire
from speakerd.realtime.calls import Calls
from speakerd.realtime.outcome import NOTHING, Audio, Outcome, Transcript
from speakerd.realtime.spec import SessionSpec

SAY_EXACTLY = "Say exactly this: "
"""Stands before a text that is to be said word for word, in the instructions of its response (chosen: a message of the
user's would be answered, one of the assistant's is not spoken)."""

_OTHERS_TURN = "conversation_already_has_active_response"
"""The service's error code for a response that was asked for while another one runs (observed)."""

_EXPIRED = "session_expired"
"""The service's error code before it ends a session that reached its longest age (observed)."""


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
    calls: int = 0
    cut: bool = False
    cancelled: bool = False

    @property
    def late(self) -> bool:
        """Whether audio of it comes too late to be played."""
        return self.done or self.cut or self.cancelled


class Session:
    """What is going on in one session, by id. Feed it server events; ask it for commands.

    Thread: whichever owns it. Ends: with its connection; a new connection is a new session.

    Args:
        spec: How we want it to be.
        frame_at: Knows the microphone's wire frame at a place in the audio that was appended.
    """

    def __init__(self, spec: SessionSpec, frame_at: Callable[[Ms], Frames | None] = lambda _place_ms: None) -> None:
        self._spec = spec
        self._frame_at = frame_at
        self._heard_ms = Ms(0)
        self._numbers = itertools.count(1)
        self._pending_update: str | None = None
        self._minimal_tried = False
        self._turns_changed = False
        self._user_speaks = False
        self._calls = Calls(self._event_id)
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
            wire_events.Committed: self._committed,
            wire_events.ResponseCreated: self._created,
            wire_events.FunctionCall: self._called,
            wire_events.CallOutputTaken: self._output_taken,
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

    def seed(self, said: Said) -> str:
        """Return the command that tells the service what was said in an earlier session."""
        return wire.item_create_text(said.text, self._event_id(), said.role)

    def configure_turns(self, *, interrupt: bool) -> str | None:
        """Return the command that lets speech cut a reply, or not; None where it is so already, or not up yet.

        Before the session is up its configuration is not to be touched: the change follows then.
        """
        spec = self._spec.interrupting(interrupt)
        if spec == self._spec:
            return None
        self._spec = spec
        self._turns_changed = not self.up
        return self._turns_update() if self.up else None

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

    def received_ms(self, item_id: ItemId) -> Ms:
        """Return how much audio of an item has come."""
        item = self._items.get(item_id)
        return Ms(0) if item is None else item.received_ms

    def answer_call(self, call_id: str, output: str) -> str | None:
        """Return the command that answers a function call, or None where nobody asked, or it is answered."""
        return self._calls.answer(call_id, output)

    def ask(self) -> str | None:
        """Return the command that asks for a response; None while one runs or the user speaks.

        It is then sent as soon as it is legal, unless the service begins a response that knows all answers anyway.
        """
        self._calls.ask()
        return self._request()

    def text(self, text: str, *, verbatim: bool) -> tuple[str, ...]:
        """Return the commands that have a text said as it stands, or answered.

        What is said as it stands is no question: it becomes no item, and calls no function.
        """
        if verbatim:
            wish = {"instructions": f"{SAY_EXACTLY}{text}", "tool_choice": "none"}
            return (wire.response_create(self._event_id(), wish),)
        item = wire.item_create_text(text, self._event_id())
        request = self.ask()
        return (item,) if request is None else (item, request)

    def receive(self, event: wire_events.ServerEvent) -> Outcome:
        """Take note of a server event and say what it comes to."""
        handler = self._handlers.get(type(event))
        return NOTHING if handler is None else handler(event)

    def _event_id(self) -> str:
        return f"evt_{next(self._numbers)}"

    def _request(self) -> str | None:
        running = any(not response.done for response in self._responses.values())
        return self._calls.due(busy=running or self._user_speaks)

    def _turns_update(self) -> str:
        return wire.session_update(self._spec.turns(minimal=self.degraded), self._event_id())

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
        return Outcome(event=events.LinkUp(), commands=(self._turns_update(),) if self._turns_changed else ())

    def _error(self, error: wire_events.ServiceError) -> Outcome:
        if error.code == _EXPIRED:
            return Outcome(lost=LinkError("session-expired", "the session reached its longest age", Remedy.RECONNECT))
        if self._refuses_update(error):
            return self._refused(error)
        self._calls.refused(error.event_id, others_turn=error.code == _OTHERS_TURN)
        return NOTHING if error.code in BENIGN_SERVICE_CODES else Outcome(refusal=error)

    def _refuses_update(self, error: wire_events.ServiceError) -> bool:
        if self._pending_update is None:
            return False
        about_session = error.event_id is None and (error.param or "").startswith("session")
        return about_session or error.event_id == self._pending_update

    def _refused(self, error: wire_events.ServiceError) -> Outcome:
        if not self._minimal_tried:
            self._minimal_tried = True
            reduced = events.SessionReduced(error.code or "unknown")
            return Outcome(event=reduced, refusal=error, commands=(self._update(self._spec.minimal()),))
        self._pending_update = None
        reason = f"the service refused even the simplest session: {error.code}: {error.message}"
        return Outcome(refusal=error, lost=LinkError("session-refused", reason, Remedy.OPERATOR))

    def _created(self, event: wire_events.ResponseCreated) -> Outcome:
        if event.response_id in self._responses:
            return NOTHING
        self._responses[event.response_id] = _Response()
        self._calls.response_began()
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

    def _called(self, call: wire_events.FunctionCall) -> Outcome:
        response = self._responses.get(call.response_id)
        if response is None or response.done or response.cancelled:
            return NOTHING  # what was stopped does nothing any more
        called = self._calls.called(call)
        if called is None:
            return NOTHING
        response.calls += 1
        return Outcome(calls=(called,))

    def _output_taken(self, event: wire_events.CallOutputTaken) -> Outcome:
        self._calls.taken(event.call_id)
        return NOTHING

    def _done(self, event: wire_events.ResponseDone) -> Outcome:
        response = self._responses.get(event.response_id)
        if response is None:
            self._responses[event.response_id] = _Response(done=True)
            return Outcome(usage=event.usage)  # nobody knows it, but it costs
        if response.done:
            return NOTHING
        calls = tuple(called for call in event.calls for called in self._called(call).calls)
        response.done = True
        request = self._request()
        code = event.code if event.status == "failed" else None
        return Outcome(
            event=events.ResponseDone(event.response_id, event.status, code, response.calls),
            calls=calls,
            audio_done=event.response_id,
            usage=event.usage,
            commands=() if request is None else (request,),
        )

    def _speech_started(self, event: wire_events.SpeechStarted) -> Outcome:
        self._user_speaks = True
        # The padding before it is in that place; it must not reach into what was said before.
        begins_ms = max(event.audio_start_ms, self._heard_ms)
        # Who listens to the loudspeaker adds what was heard.
        return Outcome(event=events.SpeechStarted(from_frame=self._frame_at(begins_ms)))

    def _speech_stopped(self, event: wire_events.SpeechStopped) -> Outcome:
        self._user_speaks = False
        self._heard_ms = event.audio_end_ms
        return Outcome(event=events.SpeechStopped())

    def _committed(self, event: wire_events.Committed) -> Outcome:
        return Outcome(committed=event.item_id)

    def _reply_transcript(self, event: wire_events.TranscriptDone) -> Outcome:
        return Outcome(transcript=Transcript("assistant", event.item_id, event.transcript))

    def _user_transcript(self, event: wire_events.UserTranscript) -> Outcome:
        said = Transcript("user", event.item_id, event.transcript)
        return Outcome(transcript=said, transcription_usage=event.usage)

    def _unknown(self, _event: wire_events.Unknown) -> Outcome:
        self.unknown_events += 1
        return NOTHING
