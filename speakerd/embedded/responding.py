"""The answering half of a session: which response runs, what interrupts it, what it costs.

Pure. ``conversation.py`` builds on it; the words and the sound of an answer are brought by whoever owns the session.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from speakerd.embedded.context import TOO_LONG, Context
from speakerd.embedded.faults import Faults
from speakerd.embedded.items import History, Item, transcription_usage
from speakerd.embedded.orders import Answer, Order, Output, Settle, Stop
from speakerd.embedded.responses import Event, Response, Wish, padding_of
from speakerd.embedded.session import whole_format
from speakerd.embedded.turns import TurnDetector
from speakerd.embedded.validate import Refusal, error_event


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
        self.faults = Faults()
        self._failed = 0
        self.has_spoken = False
        self.to_transcribe: dict[str, str] = {}
        self._azure = azure
        self._conversation_id = make_id("conv")
        self._spoken_item_id: str | None = None
        self._running: dict[str, Response] = {}
        self._ending: set[str] = set()
        self._waiting = False
        self._withheld: list[Event] = []
        self._context = Context()
        self._outputs: list[Output] = []

    def take(self) -> list[Output]:
        """Return everything that came out since the last call."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def emit(self, event: Event) -> None:
        """Send an event to the client."""
        event_id = self.make_id("event")
        padding = {"obfuscation": event_id.rjust(pad, "_")[-pad:]} if (pad := padding_of(event)) else {}
        self._outputs.append({"type": event["type"], "event_id": event_id, **event, **padding})

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
        model = self.to_transcribe.pop(item_id, None)
        if model is None:
            return
        kind = "conversation.item.input_audio_transcription"
        place = {"item_id": item_id, "content_index": 0}
        if self.faults.transcription_fails:
            sentence = f"Input transcription failed for item '{item_id}'."
            error = {"type": "server_error", "code": "DeploymentNotFound", "message": sentence, "param": None}
            self.emit({"type": f"{kind}.failed", **place, "error": error})
            return
        item.transcript = transcript
        if transcript:
            self.emit({"type": f"{kind}.delta", **place, "delta": transcript})
        usage = transcription_usage(model, item, transcript)
        self.emit({"type": f"{kind}.completed", **place, "transcript": transcript, "usage": usage})

    def running(self, response_id: str) -> Response | None:
        """Return a response that may still be filled, or None when it is over."""
        return None if response_id in self._ending else self._running.get(response_id)

    @property
    def is_responding(self) -> bool:
        """Whether a response of the conversation is running."""
        return self._active() is not None

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
        reading = self._context.read(wish, tuple(self.history), asked, self.session["truncation"])
        response = Response(self.make_id("resp"), wish, reading.given, reading.cached, azure=self._azure)
        self._running[response.response_id] = response
        self.emit({"type": "response.created", "response": response.shown()})
        if wish.in_conversation:
            self.turns.await_nothing()
            withheld, self._withheld = self._withheld, []
            self._emit_all(withheld)
        if not reading.fits:
            sentence = f"The conversation of {reading.given.total} tokens is longer than a response may read."
            self.fail(response.response_id, TOO_LONG, sentence, "invalid_request_error")
        elif self._failed < self.faults.fail_responses:
            self._failed += 1
            self.fail(response.response_id, self.faults.failure_code, "This response fails on purpose (fault switch).")
        else:
            self.order(Answer(response.response_id, reading.items))

    def respond_when_free(self) -> None:
        """Begin a response to a finished turn, at once or after the one that may not be interrupted."""
        if self._active() is None:
            self.respond({})
        else:
            self._waiting = True

    def begin(self, response_id: str) -> None:
        """Open a message of a response."""
        response = self._running[response_id]
        item = Item(self.make_id("item"), role="assistant", status="in_progress")
        self._emit_all(response.begun(item, self._join(response, item)))

    def end_message(self, response_id: str) -> None:
        """Close the open message of a response; another may follow."""
        response = self._running[response_id]
        self._emit_all(response.message_ended(self._before(response.item)))

    def call(self, response_id: str, name: str, arguments: dict[str, Any]) -> None:
        """Put a whole function call into a response."""
        response = self._running[response_id]
        call = {"name": name, "call_id": self.make_id("call"), "arguments": json.dumps(arguments)}
        item = Item(self.make_id("item"), "function_call", status="in_progress", extra=call)
        self._emit_all(response.called(item, self._join(response, item)))

    def _join(self, response: Response, item: Item) -> str | None:
        """Add an item to the conversation if its response belongs there, and return the one before it."""
        if not response.wish.in_conversation:
            return None
        self.history.append(item)
        return self._before(item)

    def _before(self, item: Item | None) -> str | None:
        """Return the name of the item before one, or None for the first or one that is not there."""
        known = item is not None and self.history.get(item.item_id) is not None
        return self.history.previous_of(item.item_id) if item is not None and known else None

    def say(self, response_id: str, delta: str) -> None:
        """Send more of an answer's words; the response may be over afterwards."""
        response = self._running[response_id]
        if response.affords(delta):
            self.emit(response.text_delta(delta))
            if response.spoken or not response.exhausted():
                return
        elif response.spoken:
            return  # the sound that follows is cut as well, and the response with it
        self._exhaust(response)

    def play(self, response_id: str, pcm: bytes) -> None:
        """Send more of an answer's sound; the response may be over afterwards."""
        response = self._running[response_id]
        affordable = pcm[: response.affordable_bytes()]
        if affordable:
            self.has_spoken = True
            self.emit(response.audio_delta(affordable))
        if len(affordable) < len(pcm) or response.exhausted():
            self._exhaust(response)

    def _exhaust(self, response: Response) -> None:
        """End a response that has used up its tokens."""
        self._close(response, "incomplete", "max_output_tokens")
        self.order(Stop(response.response_id))

    def finish(self, response_id: str) -> None:
        """Close a response that said all it had to say."""
        self._close(self._running[response_id], "completed", None)

    def fail(self, response_id: str, code: str, message: str, kind: str | None = None) -> None:
        """Close a response that came to nothing; the kind of its error is its code unless told otherwise."""
        error = {"type": kind or code, "code": code, "message": message}
        self._close(self._running[response_id], "failed", None, error)

    def cancel(self, response_id: str | None) -> None:
        """Stop a response because the client says so; it ends when ``settled`` is told.

        Raises:
            Refusal: nothing is running, or nothing of this name.
        """
        response = self._active() if response_id is None else self._running.get(response_id)
        if response is None or response.response_id in self._ending:
            raise Refusal("response_cancel_not_active", "Cancellation failed: no active response found")
        self._ending.add(response.response_id)
        self.order(Stop(response.response_id))
        self.order(Settle(response.response_id))

    def settled(self, response_id: str) -> None:
        """End a response that the client cancelled a moment ago, unless it has ended meanwhile."""
        response = self._running.get(response_id)
        if response is not None:
            self._close(response, "cancelled", "client_cancelled")

    def interrupt(self) -> None:
        """Stop the conversation's response because the user speaks; out-of-band ones run on."""
        self._waiting = False  # the user goes on; what was said before is answered together with it
        active = self._active()
        if active is not None:
            reason = "client_cancelled" if active.response_id in self._ending else "turn_detected"
            self._close(active, "cancelled", reason)
            self.order(Stop(active.response_id))

    def _active(self) -> Response | None:
        """Return the response that the conversation waits for."""
        return next((r for r in self._running.values() if r.wish.in_conversation), None)

    def _close(self, response: Response, status: str, reason: str | None, error: dict[str, Any] | None = None) -> None:
        """End a response, tell it, and begin the one that waited for it."""
        del self._running[response.response_id]
        self._ending.discard(response.response_id)
        response.end(status, reason, error)
        if status == "cancelled":
            self._emit_all(response.late(self.faults.late_deltas))
        self._emit_all(response.message_ended(self._before(response.item)))
        if response.wish.in_conversation:
            for item in response.items:
                self.history.keep_audio(item)
        last = [response.done(), *([] if self._azure else [_rate_limits()])]
        if self.faults.late_done and reason == "turn_detected" and self.detection().get("create_response", True):
            self._withheld += last
        else:
            self._emit_all(last)
        if status == "completed" and response.wish.in_conversation and not response.calls:
            self.turns.await_speech(response.audio_ms)
        if self._waiting and self._active() is None:
            self._waiting = False
            self.respond({})

    def detection(self) -> dict[str, Any]:
        """Return how the session detects turns; empty when it does not."""
        detection: dict[str, Any] | None = self.session["audio"]["input"]["turn_detection"]
        return detection or {}

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
            output_format=whole_format(audio["format"]),
            max_output_tokens=params.get("max_output_tokens", self.session["max_output_tokens"]),
            metadata=params.get("metadata"),
            tools=tuple(params.get("tools", self.session["tools"])),
            tool_choice=params.get("tool_choice", self.session["tool_choice"]),
        )


def _rate_limits() -> Event:
    """Return the limits of the account, which are none here; OpenAI tells them after each response."""
    tokens = {"name": "tokens", "limit": 1_000_000, "remaining": 1_000_000, "reset_seconds": 0.0}
    return {"type": "rate_limits.updated", "rate_limits": [tokens]}
