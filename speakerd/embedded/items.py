"""Conversation items and their order.

Pure. An item knows the audio behind it, how the service shows it, and what it costs as input.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from speakerd.core.units import SAMPLE_BYTES, WIRE_RATE_HZ, Ms, wire_bytes_to_ms
from speakerd.embedded.validate import Refusal

USER_MS_PER_TOKEN = 100
"""Milliseconds of the user's audio in one token (specified)."""

ASSISTANT_MS_PER_TOKEN = 50
"""Milliseconds of the assistant's audio in one token (specified)."""

KEPT_AUDIO_BYTES = 20 * 60 * WIRE_RATE_HZ * SAMPLE_BYTES
"""Audio that a conversation keeps: twenty minutes, 58 MB (guessed: twice the longest item)."""

_CHARACTERS_PER_TOKEN = 4
"""English text, about (guessed; the service's tokenizer is not here)."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """A count of tokens by kind."""

    text: int = 0
    """Written ones."""

    audio: int = 0
    """Spoken ones."""

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.text + other.text, self.audio + other.audio)

    @property
    def total(self) -> int:
        """Both kinds together."""
        return self.text + self.audio


def text_tokens(written: str) -> int:
    """Return how many tokens a text is counted as."""
    return -(-len(written) // _CHARACTERS_PER_TOKEN)


def transcription_usage(model: str, item: Item, transcript: str) -> dict[str, Any]:
    """Return what a transcription cost: the gpt-4o family counts tokens, all others seconds (specified)."""
    if not model.startswith("gpt-4o"):
        return {"type": "duration", "seconds": round(item.audio_ms / 1000, 3)}
    heard, written = item.audio_ms // USER_MS_PER_TOKEN, text_tokens(transcript)
    return {
        "type": "tokens",
        "total_tokens": heard + written,
        "input_tokens": heard,
        "output_tokens": written,
        "input_token_details": {"text_tokens": 0, "audio_tokens": heard},
    }


@dataclass(slots=True)
class Item:
    """One message, function call or function call output."""

    item_id: str
    """Its name."""

    type: str = "message"
    """``message``, ``function_call`` or ``function_call_output``."""

    status: str = "completed"
    """``in_progress``, ``completed`` or ``incomplete``."""

    role: str = "user"
    """Of a message: ``user``, ``assistant`` or ``system``."""

    texts: list[str] = field(default_factory=list)
    """What was written, one for each text part."""

    audio: bytearray | None = None
    """Wire audio of a spoken part, or None when there is none."""

    transcript: str | None = None
    """What the audio says, as the client is shown it."""

    heard: str | None = None
    """What our own ears made of the audio, whether or not the client asked for a transcript."""

    extra: dict[str, Any] = field(default_factory=dict)
    """Fields of the other types: name, call_id, arguments, output."""

    idle: bool = False
    """Whether the audio is a silence that the session did not let pass."""

    faded_bytes: int = 0
    """Audio that is no longer kept; it counts in the item's length."""

    has_left: bool = False
    """Whether it left the model's context to make room; it stays an item of the conversation."""

    @property
    def audio_ms(self) -> Ms:
        """Length of the audio, rounded down."""
        return wire_bytes_to_ms(self.faded_bytes + len(self.audio or b""))

    def fade(self) -> None:
        """Let go of the audio; length and words stay."""
        self.faded_bytes += len(self.audio or b"")
        self.audio = bytearray()

    def cut(self, end_bytes: int) -> None:
        """Be no longer than this, and without a transcript."""
        assert self.audio is not None
        del self.audio[max(0, end_bytes - self.faded_bytes) :]
        self.faded_bytes = min(self.faded_bytes, end_bytes)
        self.transcript = None

    @property
    def words(self) -> str:
        """Everything the item says, written or heard."""
        return " ".join([*self.texts, self.heard or self.transcript or ""]).strip()

    def tokens(self) -> Tokens:
        """Return what the item costs as input."""
        written = "".join(self.texts) + "".join(str(value) for value in self.extra.values())
        if self.audio is None:
            return Tokens(text_tokens(written + (self.transcript or "")))
        if self.role == "assistant":
            return Tokens(text_tokens(written + (self.transcript or "")), -(-self.audio_ms // ASSISTANT_MS_PER_TOKEN))
        return Tokens(text_tokens(written), self.audio_ms // USER_MS_PER_TOKEN)

    def shown(self, *, audio: Callable[[bytes], bytes] | None = None) -> dict[str, Any]:
        """Return the item as the service sends it.

        Args:
            audio: Include the audio itself, as ``conversation.item.retrieve`` does, in the format this makes of it.
        """
        head = {"id": self.item_id, "type": self.type, "status": self.status}
        if self.type != "message":
            return {**head, **self.extra}
        return {**head, "role": self.role, "content": self._content(audio)}

    def _content(self, audio: Callable[[bytes], bytes] | None) -> list[dict[str, Any]]:
        said = self.role == "assistant"
        parts: list[dict[str, Any]] = [{"type": "output_text" if said else "input_text", "text": t} for t in self.texts]
        if self.audio is not None:
            part: dict[str, Any] = {"type": "output_audio" if said else "input_audio", "transcript": self.transcript}
            if audio is not None:
                part["audio"] = base64.b64encode(audio(bytes(self.audio))).decode()
            parts.append(part)
        return parts


def parse_item(shown: dict[str, Any], item_id: str) -> Item:
    """Return the item that a client described.

    Args:
        shown: A well-formed object, its audio decoded.
        item_id: The item's name.
    """
    if shown["type"] != "message":
        extra: dict[str, Any] = {key: shown[key] for key in ("name", "call_id", "arguments", "output") if key in shown}
        return Item(item_id, shown["type"], extra=extra)
    item = Item(item_id, role=shown["role"])
    for part in shown["content"]:
        if part["type"] == "input_audio":
            item.audio = (item.audio or bytearray()) + part["audio"]
            item.transcript = part.get("transcript")
        else:
            item.texts.append(part["text"])
    return item


class History:
    """The items of a conversation, in order.

    Args:
        kept_bytes: How much audio is kept; what came first fades first.
    """

    def __init__(self, kept_bytes: int = KEPT_AUDIO_BYTES) -> None:
        self._items: dict[str, Item] = {}
        self._most_bytes = kept_bytes
        self._kept_bytes: dict[str, int] = {}  # by item, in the order in which their audio came
        self._total_bytes = 0

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def get(self, item_id: str) -> Item | None:
        """Return an item by its name, or None."""
        return self._items.get(item_id)

    def previous_of(self, item_id: str) -> str | None:
        """Return the name of the item before one, or None for the first."""
        backwards = reversed(self._items)  # nearly always the last one is meant
        for name in backwards:
            if name == item_id:
                return next(backwards, None)
        return None

    def append(self, item: Item) -> None:
        """Add an item at the end."""
        self._items[item.item_id] = item
        self.keep_audio(item)

    def keep_audio(self, item: Item) -> None:
        """Count the audio of an item that is whole, and let the oldest fade when there is too much."""
        if not item.audio or item.item_id in self._kept_bytes or item.item_id not in self._items:
            return
        self._kept_bytes[item.item_id] = len(item.audio)
        self._total_bytes += len(item.audio)
        while self._total_bytes > self._most_bytes and len(self._kept_bytes) > 1:
            oldest = next(iter(self._kept_bytes))
            self._total_bytes -= self._kept_bytes.pop(oldest)
            self._items[oldest].fade()

    def insert(self, item: Item, after: str | None) -> None:
        """Add an item after another one; ``root`` means at the front, None at the end.

        Raises:
            Refusal: the other item or the new one's own name is not as it should be.
        """
        if item.item_id in self._items:
            sentence = f"Error adding item: the item with id '{item.item_id}' already exists."
            raise Refusal("item_create_duplicate_item_id", sentence, "item.id")
        if after not in (None, "root") and after not in self._items:
            sentence = f"Error adding item: the previous item with id '{after}' does not exist."
            raise Refusal("item_create_invalid_previous_item_id", sentence, "previous_item_id")
        if after is None:
            self.append(item)
            return
        names = list(self._items)
        place = 0 if after == "root" else names.index(after) + 1
        entries = list(self._items.items())
        self._items = dict([*entries[:place], (item.item_id, item), *entries[place:]])
        self.keep_audio(item)

    def remove(self, item_id: str) -> None:
        """Forget an item."""
        del self._items[item_id]
        self._total_bytes -= self._kept_bytes.pop(item_id, 0)

    def call(self, call_id: str) -> Item | None:
        """Return the function call of this name, or None when there is none to be answered."""
        return next((i for i in self if i.type == "function_call" and i.extra.get("call_id") == call_id), None)
