"""The answering half of a session: which response runs, what interrupts it, what it costs.

Pure. ``conversation.py`` builds on it; the words and the sound of an answer are brought by whoever owns the session.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from speakerd.embedded.items import History, Item, Tokens, text_tokens
from speakerd.embedded.responses import Event, Response, Wish
from speakerd.embedded.turns import TurnDetector
from speakerd.embedded.validate import Refusal, error_event


@dataclass(frozen=True, slots=True)
class Listen:
    """Order: give this audio to the turn detector, then tell ``turn`` what it decided."""

    pcm: bytes
    """Wire audio."""


@dataclass(frozen=True, slots=True)
class Hear:
    """Order: find out what was said, then tell ``heard``."""

    item_id: str
    """Where it stands."""

    pcm: bytes
    """Wire audio."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Order: think of an answer and speak it through ``begin``, ``say``, ``play`` and ``finish``."""

    response_id: str
    """The response to fill."""

    items: tuple[Item, ...]
    """What it answers to, oldest first."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Order: stop filling a response; it is closed already."""

    response_id: str
    """The response."""


Order = Listen | Hear | Answer | Stop
"""What the owner of a session is to do."""

Output = Event | Order
"""What comes out, in the order in which it must happen."""


class Responding:
    """Items, responses and the way out of a session.

    Args:
        session: The session object as it begins.
        turns: The input buffer and its detector.
        make_id: Makes a fresh name with the prefix it is given.
        azure: Speak Azure's dialect.
        refuse_updates: How many ``session.update`` to refuse, for tests.
    """

    def __init__(
        self,
        session: dict[str, Any],
        turns: TurnDetector,
        make_id: Callable[[str], str],
        *,
        azure: bool = False,
        refuse_updates: int = 0,
    ) -> None:
        self.session = session
        self.turns = turns
        self.make_id = make_id
        self.history = History()
        self.refuse_updates = refuse_updates
        self.has_spoken = False
        self.to_transcribe: set[str] = set()
        self._azure = azure
        self._conversation_id = make_id("conv")
        self._spoken_item_id: str | None = None
        self._running: dict[str, Response] = {}
        self._closed: dict[str, Response] = {}
        self._waiting = False
        self._read_before = Tokens()
        self._outputs: list[Output] = []

    def take(self) -> list[Output]:
        """Return everything that came out since the last call."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def emit(self, event: Event) -> None:
        """Send an event to the client."""
        self._outputs.append({"type": event["type"], "event_id": self.make_id("event"), **event})

    def order(self, order: Order) -> None:
        """Have something done."""
        self._outputs.append(order)

    def refuse(self, refusal: Refusal, event_id: str | None) -> None:
        """Tell the client that an event of its own was not accepted."""
        self.emit(error_event(refusal, event_id))

    def emit_item(self, item: Item) -> None:
        """Tell the client about an item that is there and whole."""
        previous = self.history.previous_of(item.item_id)
        for kind in ("conversation.item.added", "conversation.item.done"):
            self.emit({"type": kind, "previous_item_id": previous, "item": item.shown()})

    def heard(self, item_id: str, transcript: str) -> None:
        """Take in what an item's audio says; the client is told if it asked for it when the audio was committed."""
        item = self.history.get(item_id)
        if item is None:
            return
        item.heard = transcript
        if item_id not in self.to_transcribe:
            return
        self.to_transcribe.discard(item_id)
        item.transcript = transcript
        kind = "conversation.item.input_audio_transcription"
        place = {"item_id": item_id, "content_index": 0}
        if transcript:
            self.emit({"type": f"{kind}.delta", **place, "delta": transcript})
        usage = {"type": "duration", "seconds": round(item.audio_ms / 1000, 3)}
        self.emit({"type": f"{kind}.completed", **place, "transcript": transcript, "usage": usage})

    def running(self, response_id: str) -> Response | None:
        """Return a response that may still be filled, or None when it is over."""
        return self._running.get(response_id)

    def respond(self, params: dict[str, Any], asked: list[Item] | None = None) -> None:
        """Begin a response.

        Args:
            params: The ``response`` of a ``response.create``; empty after a turn.
            asked: What to answer to in place of the conversation.

        Raises:
            Refusal: one is running already in this conversation.
        """
        wish = self._wish(params)
        active = self._active()
        if wish.in_conversation and active is not None:
            sentence = (
                f"Conversation already has an active response in progress: {active.response_id}. "
                "Wait until the response is finished before creating a new one."
            )
            raise Refusal("conversation_already_has_active_response", sentence)
        items = tuple(self.history if asked is None else asked)
        given = sum((item.tokens() for item in items), Tokens(text_tokens(wish.instructions)))
        cached = Tokens(min(given.text, self._read_before.text), min(given.audio, self._read_before.audio))
        if wish.in_conversation:
            self._read_before = given
        response = Response(self.make_id("resp"), wish, given, cached, azure=self._azure)
        self._running[response.response_id] = response
        self.emit({"type": "response.created", "response": response.shown()})
        self.order(Answer(response.response_id, items))

    def respond_when_free(self) -> None:
        """Begin a response to a finished turn, at once or after the one that may not be interrupted."""
        if self._active() is None:
            self.respond({})
        else:
            self._waiting = True

    def begin(self, response_id: str) -> None:
        """Open the message of a response."""
        response = self._running[response_id]
        item = Item(self.make_id("item"), role="assistant", status="in_progress")
        previous = None
        if response.wish.in_conversation:
            self.history.append(item)
            previous = self.history.previous_of(item.item_id)
        self._emit_all(response.begun(item, previous))

    def say(self, response_id: str, delta: str) -> None:
        """Send more of an answer's words."""
        self.emit(self._running[response_id].text_delta(delta))

    def play(self, response_id: str, pcm: bytes) -> None:
        """Send more of an answer's sound; the response may be over afterwards."""
        response = self._running[response_id]
        self.has_spoken = True
        self.emit(response.audio_delta(pcm))
        if response.exhausted():
            self._close(response, "incomplete", "max_output_tokens")
            self.order(Stop(response_id))

    def play_late(self, response_id: str, pcm: bytes) -> None:
        """Send sound of an answer that is over already, as the service sometimes does."""
        self.emit(self._closed[response_id].audio_delta(pcm))

    def finish(self, response_id: str) -> None:
        """Close a response that said all it had to say."""
        self._close(self._running[response_id], "completed", None)

    def cancel(self, response_id: str | None) -> None:
        """Stop a response because the client says so.

        Raises:
            Refusal: nothing is running, or nothing of this name.
        """
        response = self._active() if response_id is None else self._running.get(response_id)
        if response is None:
            raise Refusal("response_cancel_not_active", "Cancellation failed: no active response found")
        self._cancel(response, "client_cancelled")

    def interrupt(self) -> None:
        """Stop the conversation's response because the user speaks; out-of-band ones run on."""
        active = self._active()
        if active is not None:
            self._cancel(active, "turn_detected")

    def _cancel(self, response: Response, reason: str) -> None:
        self._close(response, "cancelled", reason)
        self.order(Stop(response.response_id))

    def _active(self) -> Response | None:
        """Return the response that the conversation waits for."""
        return next((r for r in self._running.values() if r.wish.in_conversation), None)

    def _close(self, response: Response, status: str, reason: str | None) -> None:
        del self._running[response.response_id]
        self._closed = {response.response_id: response}  # only the last one can still have late audio
        item = response.item
        known = item is not None and self.history.get(item.item_id) is not None
        previous = self.history.previous_of(item.item_id) if item is not None and known else None
        self._emit_all(response.ended(status, reason, previous))
        if not self._azure:
            self._emit_rate_limits()
        if self._waiting and self._active() is None:
            self._waiting = False
            self.respond({})

    def _emit_rate_limits(self) -> None:
        """Tell the limits of the account, which are none here; OpenAI sends this after each response."""
        tokens = {"name": "tokens", "limit": 1_000_000, "remaining": 1_000_000, "reset_seconds": 0.0}
        self.emit({"type": "rate_limits.updated", "rate_limits": [tokens]})

    def _emit_all(self, events: list[Event]) -> None:
        for event in events:
            self.emit(event)

    def _wish(self, params: dict[str, Any]) -> Wish:
        """Return what a response is asked to be: its own parameters over the session's."""
        audio = {**self.session["audio"]["output"], **params.get("audio", {}).get("output", {})}
        in_conversation = params.get("conversation", "auto") == "auto"
        return Wish(
            modality=params.get("output_modalities", self.session["output_modalities"])[0],
            in_conversation=in_conversation,
            conversation_id=self._conversation_id if in_conversation else None,
            instructions=params.get("instructions", self.session["instructions"]),
            own_instructions="instructions" in params,
            voice=audio["voice"],
            output_format=audio["format"],
            max_output_tokens=params.get("max_output_tokens", self.session["max_output_tokens"]),
            metadata=params.get("metadata"),
            tools=tuple(params.get("tools", self.session["tools"])),
        )
