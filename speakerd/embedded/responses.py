"""One response: what it is while it runs, and the events that tell a client about it.

Pure. The order and the shapes of the events are the service's; when they are sent is decided in ``conversation.py``.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

from speakerd.embedded.items import ASSISTANT_MS_PER_TOKEN, Item, Tokens, text_tokens

Event = dict[str, Any]
"""A server event; ``event_id`` is added when it leaves."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a response was asked to be: the session's settings, overlaid by those of ``response.create``."""

    modality: str = "audio"
    """``audio`` or ``text``."""

    in_conversation: bool = True
    """Whether its item joins the conversation; False: out of band."""

    conversation_id: str | None = None
    """The conversation's name; None out of band."""

    instructions: str = ""
    """What to keep in mind while answering."""

    own_instructions: bool = False
    """Whether the instructions came with this response rather than with the session."""

    voice: Any = "alloy"
    """Which voice."""

    output_format: dict[str, Any] = field(default_factory=dict)
    """Which audio format."""

    max_output_tokens: int | str = "inf"
    """When to stop."""

    metadata: dict[str, Any] | None = None
    """The client's own notes, given back."""

    tools: tuple[dict[str, Any], ...] = ()
    """Functions the client offers."""


class Response:
    """A response in progress, and its one message.

    Args:
        response_id: Its name.
        wish: What was asked for.
        given: Tokens of everything it has to read.
        cached: How many of those were read before.
        azure: Speak Azure's dialect: content parts are sent twice.
    """

    def __init__(self, response_id: str, wish: Wish, given: Tokens, cached: Tokens, *, azure: bool = False) -> None:
        self.response_id = response_id
        self.wish = wish
        self.item: Item | None = None
        self.said = ""
        self.status = "in_progress"
        self.reason: str | None = None
        self._given = given
        self._cached = cached
        self._azure = azure

    @property
    def spoken(self) -> bool:
        """Whether it answers in audio."""
        return self.wish.modality == "audio"

    def spent(self) -> Tokens:
        """Return the output tokens so far."""
        audio_ms = self.item.audio_ms if self.item is not None else 0
        return Tokens(text_tokens(self.said), -(-audio_ms // ASSISTANT_MS_PER_TOKEN))

    def exhausted(self) -> bool:
        """Return whether ``max_output_tokens`` is used up."""
        limit = self.wish.max_output_tokens
        return isinstance(limit, int) and self.spent().total >= limit

    def shown(self) -> dict[str, Any]:
        """Return the response object as the service sends it."""
        running = self.status == "in_progress"
        details = None
        if self.status not in ("in_progress", "completed"):
            details = {"type": self.status, "reason": self.reason}
        return {
            "object": "realtime.response",
            "id": self.response_id,
            "status": self.status,
            "status_details": details,
            "output": [] if self.item is None or running else [self.item.shown()],
            "conversation_id": self.wish.conversation_id,
            "output_modalities": [self.wish.modality],
            "max_output_tokens": self.wish.max_output_tokens,
            "audio": {"output": {"format": self.wish.output_format, "voice": self.wish.voice}},
            "usage": None if running else self._usage(),
            "metadata": self.wish.metadata,
        }

    def begun(self, item: Item, previous_item_id: str | None) -> list[Event]:
        """Attach the message and return the events up to the first delta."""
        self.item = item
        events: list[Event] = [self._of_output("response.output_item.added", item=item.shown())]
        if self.wish.in_conversation:
            added = {"type": "conversation.item.added", "previous_item_id": previous_item_id, "item": item.shown()}
            events.append(added)
        return [*events, self._part_event("response.content_part.added", "")]

    def text_delta(self, delta: str) -> Event:
        """Take in more of what is said and return its event."""
        self.said += delta
        kind = "response.output_audio_transcript.delta" if self.spoken else "response.output_text.delta"
        return self._of_content(kind, delta=delta)

    def audio_delta(self, pcm: bytes) -> Event:
        """Take in more audio and return its event; only while the message is there."""
        assert self.item is not None
        if self.status == "in_progress":  # a late delta is heard by nobody and changes nothing
            self.item.audio = (self.item.audio or bytearray()) + pcm
        return self._of_content("response.output_audio.delta", delta=base64.b64encode(pcm).decode())

    def ended(self, status: str, reason: str | None, previous_item_id: str | None) -> list[Event]:
        """Close the response and return the events that say so, ``response.done`` last.

        Args:
            status: ``completed``, ``cancelled``, ``failed`` or ``incomplete``.
            reason: Why it is not complete.
            previous_item_id: The item before the message, if there is one.
        """
        self.status, self.reason = status, reason
        closing = self._message_ended(previous_item_id) if self.item is not None else []
        return [*closing, {"type": "response.done", "response": self.shown()}]

    def _message_ended(self, previous_item_id: str | None) -> list[Event]:
        item = self.item
        assert item is not None
        item.status = "completed" if self.status == "completed" else "incomplete"
        if self.spoken:
            item.transcript = self.said
            events = [
                self._of_content("response.output_audio.done"),
                self._of_content("response.output_audio_transcript.done", transcript=self.said),
            ]
        else:
            item.texts = [self.said]
            events = [self._of_content("response.output_text.done", text=self.said)]
        events.append(self._part_event("response.content_part.done", self.said))
        if self.wish.in_conversation:
            done = {"type": "conversation.item.done", "previous_item_id": previous_item_id, "item": item.shown()}
            events.append(done)
        return [*events, self._of_output("response.output_item.done", item=item.shown())]

    def _of_output(self, kind: str, **fields: Any) -> Event:
        return {"type": kind, "response_id": self.response_id, "output_index": 0, **fields}

    def _of_content(self, kind: str, **fields: Any) -> Event:
        assert self.item is not None
        return self._of_output(kind, item_id=self.item.item_id, content_index=0, **fields)

    def _part_event(self, kind: str, said: str) -> Event:
        """Return a content part event; ``part.type`` kept its old names when the content types changed theirs."""
        part = {"type": "audio", "transcript": said} if self.spoken else {"type": "text", "text": said}
        return self._of_content(kind, part=part, **({"content": part} if self._azure else {}))

    def _usage(self) -> dict[str, Any]:
        given, cached, spent = self._given, self._cached, self.spent()
        return {
            "total_tokens": given.total + spent.total,
            "input_tokens": given.total,
            "output_tokens": spent.total,
            "input_token_details": {
                "text_tokens": given.text,
                "audio_tokens": given.audio,
                "image_tokens": 0,
                "cached_tokens": cached.total,
                "cached_tokens_details": {"text_tokens": cached.text, "audio_tokens": cached.audio, "image_tokens": 0},
            },
            "output_token_details": {"text_tokens": spent.text, "audio_tokens": spent.audio},
        }
