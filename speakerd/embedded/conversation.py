"""One session as the service sees it: client events in, server events and orders out.

Pure: no socket, clock, thread or chance. Whoever owns it carries out the orders (listen, hear, answer, stop) and tells
it what came of them. Answers that run are in ``responding.py``; here is what a client can ask for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from speakerd.core.units import SAMPLE_BYTES, WIRE_RATE_HZ, wire_bytes_to_ms
from speakerd.embedded.g711 import Decoder, coded, decoder_for
from speakerd.embedded.intake import Intake, taken_in
from speakerd.embedded.items import Item, parse_item
from speakerd.embedded.orders import Hear, Listen
from speakerd.embedded.responding import Responding
from speakerd.embedded.session import check_modalities, check_tool_choice, turn_settings, updated
from speakerd.embedded.turns import LONGEST_BYTES, SilenceNoticed, SpeechBegan, TurnEvent
from speakerd.embedded.validate import Refusal

LEAST_COMMIT_MS = 100
"""Audio that a commit by hand needs (specified)."""

_LONGEST_MS = wire_bytes_to_ms(LONGEST_BYTES)

_STILL_SILENT = (
    "The user has said nothing since the last answer. The silence follows as their audio; decide whether to speak."
)
"""What the conversation is told before a silence; the service has words of its own for it."""


class Conversation(Responding):
    """A session: its configuration, items, input buffer and responses."""

    _decoder: Decoder | None = None
    """Of the input's audio format; None: wire audio, which it begins with."""

    @property
    def _input_format(self) -> dict[str, Any]:
        audio_format: dict[str, Any] = self.session["audio"]["input"]["format"]
        return audio_format

    def open(self) -> None:
        """Greet the client: ``session.created``."""
        self.emit({"type": "session.created", "session": self.session})

    def receive(self, raw: str | bytes) -> None:
        """Take in one message of the client; a refusal becomes an ``error`` event and changes nothing."""
        self.accept(self.prepare(raw))

    def prepare(self, raw: str | bytes) -> Intake:
        """Take a message apart, nothing more: ``accept`` has to follow before the next. Thread: any; may be heavy."""
        return taken_in(raw, self._input_format, self._decoder)

    def accept(self, intake: Intake) -> None:
        """Do what a message asks for."""
        try:
            if intake.refusal is not None:
                raise intake.refusal
            self._dispatch(intake.event)
        except Refusal as refusal:
            self.refuse(refusal, intake.event_id)

    def turn(self, event: TurnEvent) -> None:
        """Take in what the turn detector decided."""
        if isinstance(event, SpeechBegan):
            self._speech_began(event.audio_start_ms)
        elif isinstance(event, SilenceNoticed):
            self._silence_noticed(event)
        else:
            self._speech_ended(event.audio_end_ms, event.pcm)

    def _dispatch(self, event: dict[str, Any]) -> None:
        """Do what an accepted event asks for; the schema knows no type that is not named here."""
        handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "session.update": self._update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear,
            "conversation.item.create": self._create_item,
            "conversation.item.delete": self._delete,
            "conversation.item.retrieve": self._retrieve,
            "conversation.item.truncate": self._truncate,
            "response.create": self._ask,
            "response.cancel": self._cancel_asked,
        }
        handlers[event["type"]](event)

    def _update(self, event: dict[str, Any]) -> None:
        """Change the session as a whole or not at all."""
        if self.refuse_updates > 0:
            self.refuse_updates -= 1
            raise Refusal("invalid_value", "This update is refused on purpose (fault switch).", "session")
        before = self._input_format
        transcription = event["session"].get("audio", {}).get("input", {}).get("transcription") or {}
        if self._azure and "delay" in transcription:
            where = "session.audio.input.transcription.delay"
            raise Refusal("unknown_parameter", f"Unknown parameter: '{where}'.", where)
        self.session = updated(self.session, event["session"], spoken=self.has_spoken)
        self.turns.configure(turn_settings(self.session))
        if self._input_format != before:
            self._decoder = decoder_for(self._input_format)
        self.emit({"type": "session.updated", "session": self.session})

    def _append(self, event: dict[str, Any]) -> None:
        pcm: bytes = event["audio"]
        if not self.detection() and self.turns.buffered_ms + wire_bytes_to_ms(len(pcm)) > _LONGEST_MS:
            sentence = f"Error appending to input audio buffer: it holds at most {_LONGEST_MS}ms of audio."
            raise Refusal("input_audio_buffer_full", sentence, "audio")
        self.order(Listen(pcm))

    def _commit(self, _event: dict[str, Any]) -> None:
        buffered_ms = self.turns.buffered_ms
        if buffered_ms < LEAST_COMMIT_MS:
            sentence = (
                f"Error committing input audio buffer: buffer too small. Expected at least {LEAST_COMMIT_MS}ms of "
                f"audio, but buffer only has {buffered_ms:.2f}ms of audio."
            )
            raise Refusal("input_audio_buffer_commit_empty", sentence)
        self._add_spoken(self._spoken_item_id or self.make_id("item"), self.turns.commit())

    def _clear(self, _event: dict[str, Any]) -> None:
        self.turns.clear()
        self._spoken_item_id = None
        self.emit({"type": "input_audio_buffer.cleared"})

    def _delete(self, event: dict[str, Any]) -> None:
        self.history.remove(self._item(event["item_id"], "delet").item_id)
        self.emit({"type": "conversation.item.deleted", "item_id": event["item_id"]})

    def _retrieve(self, event: dict[str, Any]) -> None:
        item = self._item(event["item_id"], "retriev")
        spoken_in = self.session["audio"]["output"]["format"] if item.role == "assistant" else self._input_format
        self.emit(
            {"type": "conversation.item.retrieved", "item": item.shown(audio=partial(coded, audio_format=spoken_in))}
        )

    def _create_item(self, event: dict[str, Any]) -> None:
        shown = event["item"]
        if shown["type"] == "item_reference":
            raise Refusal("invalid_value", "An item reference can only be the input of a response.", "item.type")
        if shown["type"] == "function_call_output" and self.history.call(shown["call_id"]) is None:
            sentence = f"No tool call found with call_id '{shown['call_id']}'."
            raise Refusal("invalid_tool_call_output", sentence, "item.call_id")
        item = parse_item(shown, shown.get("id") or self.make_id("item"))
        if item.type == "function_call":
            item.extra.setdefault("call_id", self.make_id("call"))
        self.history.insert(item, event.get("previous_item_id"))
        self.emit_item(item)
        if item.audio and item.role == "user":
            self.order(Hear(item.item_id, bytes(item.audio)))

    def _item(self, item_id: str, doing: str) -> Item:
        """Return an item, or refuse in the words of the operation."""
        item = self.history.get(item_id)
        if item is None:
            sentence = f"Error {doing}ing item: the item with id '{item_id}' does not exist."
            raise Refusal(f"item_{doing}e_invalid_item_id", sentence)
        return item

    def _truncate(self, event: dict[str, Any]) -> None:
        """Forget what the user did not hear of an answer, and its transcript with it."""
        audio_end_ms: int = event["audio_end_ms"]
        item = self._item(event["item_id"], "truncat")
        if item.role != "assistant" or item.audio is None:
            raise Refusal("unsupported_content_type", "Only model output audio messages can be truncated")
        if event["content_index"] != 0:
            sentence = f"Invalid value: {event['content_index']}. The item has one content part, of index 0."
            raise Refusal("invalid_value", sentence, "content_index")
        if audio_end_ms > item.audio_ms:
            sentence = f"Audio content of {item.audio_ms}ms is already shorter than {audio_end_ms}ms"
            raise Refusal("invalid_value", sentence)
        item.cut(audio_end_ms * WIRE_RATE_HZ // 1000 * SAMPLE_BYTES)
        truncated = {"item_id": item.item_id, "content_index": 0, "audio_end_ms": audio_end_ms}
        self.emit({"type": "conversation.item.truncated", **truncated})

    def _ask(self, event: dict[str, Any]) -> None:
        """Begin the response that the client asks for."""
        params = event.get("response") or {}
        if "output_modalities" in params:
            check_modalities(params["output_modalities"], "response.output_modalities")
        if "tool_choice" in params:
            check_tool_choice(params["tool_choice"], params.get("tools", self.session["tools"]), "response.tool_choice")
        asked: list[Item] | None = None
        if "input" in params:
            asked = [self._input_item(shown) for shown in params["input"]]
        self.respond(params, asked)

    def _cancel_asked(self, event: dict[str, Any]) -> None:
        self.cancel(event.get("response_id"))

    def _input_item(self, shown: dict[str, Any]) -> Item:
        """Return an item of ``response.input``: one of the conversation, or one that is only for this response."""
        if shown["type"] == "item_reference":
            return self._item(shown["id"], "referenc")
        return parse_item(shown, shown.get("id") or self.make_id("item"))

    def _speech_began(self, audio_start_ms: int) -> None:
        self._spoken_item_id = self.make_id("item")
        began = {"audio_start_ms": audio_start_ms, "item_id": self._spoken_item_id}
        self.emit({"type": "input_audio_buffer.speech_started", **began})
        if self.detection().get("interrupt_response", True):
            self.interrupt()

    def _speech_ended(self, audio_end_ms: int, pcm: bytes) -> None:
        item_id = self._spoken_item_id or self.make_id("item")
        stopped = {"audio_end_ms": audio_end_ms, "item_id": item_id}
        self.emit({"type": "input_audio_buffer.speech_stopped", **stopped})
        self._add_spoken(item_id, pcm)
        if self.detection().get("create_response", True):
            self.respond_when_free()

    def _silence_noticed(self, silence: SilenceNoticed) -> None:
        """Make a turn of the user's silence, as ``idle_timeout_ms`` asks for."""
        if self.is_responding:
            return
        item_id = self.make_id("item")
        span = {"audio_start_ms": silence.audio_start_ms, "audio_end_ms": silence.audio_end_ms}
        self.emit({"type": "input_audio_buffer.timeout_triggered", **span, "item_id": item_id})
        note = Item(self.make_id("item"), role="system", texts=[_STILL_SILENT])
        self.history.append(note)
        self.emit_item(note)
        self._add_spoken(item_id, silence.pcm, idle=True)
        if self.detection().get("create_response", True):
            self.respond_when_free()

    def _add_spoken(self, item_id: str, pcm: bytes, *, idle: bool = False) -> None:
        """Make an item of committed audio and have it heard."""
        self._spoken_item_id = None
        item = Item(item_id, audio=bytearray(pcm), idle=idle)
        self.history.append(item)
        previous = self.history.previous_of(item_id)
        self.emit({"type": "input_audio_buffer.committed", "item_id": item_id, "previous_item_id": previous})
        self.emit_item(item)
        transcription = self.session["audio"]["input"]["transcription"]
        if transcription is not None:
            self.to_transcribe[item_id] = transcription["model"] or ""
        self.order(Hear(item_id, pcm))
