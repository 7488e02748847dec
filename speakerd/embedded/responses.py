"""One response: what it is while it runs, and the events that tell a client about it.

Pure. The order and the shapes of the events are the service's; when they are sent is decided in ``conversation.py``.
"""

from __future__ import annotations

import base64
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from speakerd.core.units import SAMPLE_BYTES, WIRE_RATE_HZ
from speakerd.embedded.g711 import encoder_for
from speakerd.embedded.items import ASSISTANT_MS_PER_TOKEN, Item, Tokens, text_tokens

Event = dict[str, Any]
"""A server event; ``event_id`` is added when it leaves."""

_ARGUMENTS_DELTA = 12
"""Characters in a piece of a call's arguments (guessed)."""


_PADDED = frozenset(
    (
        "conversation.item.input_audio_transcription.delta",
        "response.function_call_arguments.delta",
        "response.output_audio_transcript.delta",
        "response.output_text.delta",
    )
)
"""Events whose length would tell what is in them (specified)."""

_PADDED_TO = 16
"""Characters of a short delta and its padding (measured); of a long one a multiple of that (guessed)."""


def padding_of(event: Event) -> int:
    """Return how many characters of ``obfuscation`` an event is sent with."""
    return -len(event["delta"]) % _PADDED_TO if event["type"] in _PADDED else 0


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

    tool_choice: Any = "auto"
    """``none``, ``auto``, ``required``, or the one function that is to be called."""

    def callable(self) -> tuple[dict[str, Any], ...]:
        """Return the functions that may be called."""
        if isinstance(self.tool_choice, dict):
            return tuple(tool for tool in self.tools if tool["name"] == self.tool_choice["name"])
        return () if self.tool_choice == "none" else self.tools

    @property
    def must_call(self) -> bool:
        """Whether a function has to be called."""
        return self.tool_choice == "required" or isinstance(self.tool_choice, dict)


class Response:
    """A response in progress, and its items: one is open at a time.

    Args:
        response_id: Its name.
        wish: What was asked for.
        given: Tokens of everything it has to read.
        cached: How many of those were read before.
        azure: Speak Azure's dialect: content parts are sent twice.

    Attributes:
        items: What it has put out so far.
        is_open: Whether the last of them is a message that is still being said.
        unsent: Audio deltas that are made and wait for their time.
    """

    def __init__(self, response_id: str, wish: Wish, given: Tokens, cached: Tokens, *, azure: bool = False) -> None:
        self.response_id = response_id
        self.wish = wish
        self.items: list[Item] = []
        self.unsent: deque[bytes] = deque()
        self.said = ""
        self.status = "in_progress"
        self.reason: str | None = None
        self.error: dict[str, Any] | None = None
        self.is_open = False
        self._spent = Tokens()
        self._encoder = encoder_for(wish.output_format)
        self._given = given
        self._cached = cached
        self._azure = azure

    @property
    def spoken(self) -> bool:
        """Whether it answers in audio."""
        return self.wish.modality == "audio"

    @property
    def calls(self) -> bool:
        """Whether it has called a function."""
        return any(item.type == "function_call" for item in self.items)

    @property
    def item(self) -> Item | None:
        """The last item, or None before the first."""
        return self.items[-1] if self.items else None

    @property
    def audio_ms(self) -> int:
        """How long it has spoken."""
        return sum(item.audio_ms for item in self.items)

    def spent(self) -> Tokens:
        """Return the output tokens so far."""
        return self._spent + (self._spent_on_item() if self.is_open else Tokens())

    def _spent_on_item(self) -> Tokens:
        item = self.items[-1]
        return Tokens(text_tokens(self.said), -(-item.audio_ms // ASSISTANT_MS_PER_TOKEN))

    def exhausted(self) -> bool:
        """Return whether ``max_output_tokens`` is used up."""
        limit = self.wish.max_output_tokens
        return isinstance(limit, int) and self.spent().total >= limit

    def affords(self, delta: str) -> bool:
        """Return whether ``max_output_tokens`` leaves room for more words."""
        limit = self.wish.max_output_tokens
        more = text_tokens(self.said + delta) - text_tokens(self.said)
        return not isinstance(limit, int) or self.spent().total + more <= limit

    def affordable_bytes(self) -> int | None:
        """Return how much more wire audio ``max_output_tokens`` leaves room for; None: any."""
        limit = self.wish.max_output_tokens
        if not isinstance(limit, int):
            return None
        assert self.item is not None
        others = self.spent().total - self._spent_on_item().audio
        left_ms = (limit - others) * ASSISTANT_MS_PER_TOKEN - self.item.audio_ms
        return max(0, left_ms) * WIRE_RATE_HZ // 1000 * SAMPLE_BYTES

    def shown(self) -> dict[str, Any]:
        """Return the response object as the service sends it."""
        running = self.status == "in_progress"
        details: dict[str, Any] | None = None
        if self.status not in ("in_progress", "completed"):
            details = {"type": self.status, "reason": self.reason}
            if self.error is not None:
                details = {"type": self.status, "error": self.error}
        return {
            "object": "realtime.response",
            "id": self.response_id,
            "status": self.status,
            "status_details": details,
            "output": [] if running else [item.shown() for item in self.items],
            "conversation_id": self.wish.conversation_id,
            "output_modalities": [self.wish.modality],
            "max_output_tokens": self.wish.max_output_tokens,
            "audio": {"output": {"format": self.wish.output_format, "voice": self.wish.voice}},
            "usage": None if running else self._usage(),
            "metadata": self.wish.metadata,
        }

    def begun(self, item: Item, previous_item_id: str | None) -> list[Event]:
        """Open a message and return the events up to the first delta."""
        self.is_open, self.said = True, ""
        return [*self._added(item, previous_item_id), self._part_event("response.content_part.added", "")]

    def called(self, item: Item, previous_item_id: str | None) -> list[Event]:
        """Put out a whole function call and return its events.

        Args:
            item: The call, not complete yet, its arguments still to come.
            previous_item_id: The item before it, if there is one.
        """
        arguments = item.extra["arguments"]
        item.extra["arguments"] = ""
        events = self._added(item, previous_item_id)
        place = {"item_id": item.item_id, "call_id": item.extra["call_id"]}
        for at in range(0, len(arguments), _ARGUMENTS_DELTA):
            delta = arguments[at : at + _ARGUMENTS_DELTA]
            events.append(self._of_output("response.function_call_arguments.delta", **place, delta=delta))
        item.extra["arguments"], item.status = arguments, "completed"
        self._spent += item.tokens()
        named = {"name": item.extra["name"], "arguments": arguments}
        events.append(self._of_output("response.function_call_arguments.done", **place, **named))
        return [*events, *self._done(item, previous_item_id)]

    def _added(self, item: Item, previous_item_id: str | None) -> list[Event]:
        self.items.append(item)
        events: list[Event] = [self._of_output("response.output_item.added", item=item.shown())]
        if self.wish.in_conversation:
            added = {"type": "conversation.item.added", "previous_item_id": previous_item_id, "item": item.shown()}
            events.append(added)
        return events

    def _done(self, item: Item, previous_item_id: str | None) -> list[Event]:
        events: list[Event] = []
        if self.wish.in_conversation:
            done = {"type": "conversation.item.done", "previous_item_id": previous_item_id, "item": item.shown()}
            events.append(done)
        return [*events, self._of_output("response.output_item.done", item=item.shown())]

    def text_delta(self, delta: str) -> Event:
        """Take in more of what is said and return its event."""
        self.said += delta
        kind = "response.output_audio_transcript.delta" if self.spoken else "response.output_text.delta"
        return self._of_content(kind, delta=delta)

    def audio_delta(self, pcm: bytes) -> Event:
        """Take in more audio and return its event; only while a message is there."""
        assert self.item is not None
        if self.status == "in_progress":  # a late delta is heard by nobody and changes nothing
            self.item.audio = (self.item.audio or bytearray()) + pcm
        coded = pcm if self._encoder is None else self._encoder.encode(pcm)
        return self._of_content("response.output_audio.delta", delta=base64.b64encode(coded).decode())

    def late(self, count: int) -> list[Event]:
        """Return the audio deltas that are sent although the response was cut off, at most ``count``."""
        return [self.audio_delta(self.unsent.popleft()) for _ in range(min(count, len(self.unsent)))]

    def end(self, status: str, reason: str | None, error: dict[str, Any] | None = None) -> None:
        """Decide how the response ended; what is told of it comes from ``message_ended`` and ``done``.

        Args:
            status: ``completed``, ``cancelled``, ``failed`` or ``incomplete``.
            reason: Why it is not complete.
            error: Why it failed.
        """
        self.status, self.reason, self.error = status, reason, error

    def done(self) -> Event:
        """Return the event that ends it."""
        return {"type": "response.done", "response": self.shown()}

    def message_ended(self, previous_item_id: str | None) -> list[Event]:
        """Close the open message and return its events; none when no message is open."""
        item = self.item
        if item is None or not self.is_open:
            return []
        self._spent += self._spent_on_item()
        self.is_open = False
        item.status = "completed" if self.status in ("completed", "in_progress") else "incomplete"
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
        return [*events, *self._done(item, previous_item_id)]

    def _of_output(self, kind: str, **fields: Any) -> Event:
        return {"type": kind, "response_id": self.response_id, "output_index": len(self.items) - 1, **fields}

    def _of_content(self, kind: str, **fields: Any) -> Event:
        assert self.item is not None
        return self._of_output(kind, item_id=self.item.item_id, content_index=0, **fields)

    def _part_event(self, kind: str, said: str) -> Event:
        """Return a content part event; ``part.type`` kept its old names when the content types changed theirs."""
        part = {"type": "audio", "transcript": said} if self.spoken else {"type": "text", "text": said}
        return self._of_content(kind, part=part, **({"content": part} if self._azure else {}))

    def _usage(self) -> dict[str, Any]:
        given, cached, spent = self._given, self._cached, self.spent()
        if self.status == "failed":
            given = cached = spent = Tokens()
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
