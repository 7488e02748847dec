"""What was said in the last minutes, kept as text, so that a new session can go on where the old one ended.

Pure, and in memory only: nothing is written anywhere. Sending it to a session is ``realtime/connection.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

from speakerd.core.units import ItemId, Ms

MAX_TURNS = 24
"""Most messages handed on, a dozen questions with their answers (guessed)."""

MAX_CHARACTERS = 6_000
"""Most text handed on, about 1500 tokens of the 28,000 that a session holds (guessed)."""

ELLIPSIS = "…"
"""Stands where a text was cut."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message of the conversation."""

    role: str
    """``user`` or ``assistant``."""

    text: str
    """The words; of a reply that was cut short, those that were heard."""


@dataclass(slots=True)
class _Entry:
    role: str
    item_id: ItemId | None
    at_s: float
    text: str = ""


class Memory:
    """The last turns, bounded in time, number and length.

    What the user said is written down late, often after the reply: ``expect`` keeps its place. A reply may be cut
    before its words have come, or after.

    Args:
        minutes: How long something is remembered; 0: nothing is.
    """

    def __init__(self, minutes: float) -> None:
        self._span_s = 60.0 * minutes
        self._entries: list[_Entry] = []
        self._cuts: dict[ItemId, tuple[Ms, Ms]] = {}

    def use(self, minutes: float) -> None:
        """Remember for so long from now on, what was said already included."""
        self._span_s = 60.0 * minutes

    def expect(self, item_id: ItemId, now_s: float) -> None:
        """Keep a place for what the user has just said; the words may follow.

        Args:
            item_id: The user's item.
            now_s: Seconds on the monotonic clock.
        """
        self._entry("user", item_id, now_s)

    def said(self, role: str, text: str, now_s: float, item_id: ItemId | None = None) -> None:
        """Remember a message.

        Args:
            role: ``user`` or ``assistant``.
            text: The whole text.
            now_s: Seconds on the monotonic clock.
            item_id: Its name at the service, by which its place and its cut are found.
        """
        self._entry(role, item_id, now_s).text = _first(text.strip(), MAX_CHARACTERS - len(ELLIPSIS))

    def cut(self, item_id: ItemId, heard_ms: Ms, whole_ms: Ms) -> None:
        """Remember a reply only as far as it was heard; a second cut can only make it shorter.

        Args:
            item_id: The reply's item.
            heard_ms: What was audible of it.
            whole_ms: How long it is, as far as it was received.
        """
        before_ms, _ = self._cuts.get(item_id, (None, None))
        if before_ms is None or heard_ms < before_ms:
            self._cuts[item_id] = heard_ms, whole_ms
        if len(self._cuts) > MAX_TURNS:
            del self._cuts[next(iter(self._cuts))]

    def withdraw(self) -> None:
        """Forget what the user has said since the last reply: it got no answer, and will be said again."""
        while self._entries and self._entries[-1].role == "user":
            self._entries.pop()

    def recent(self, now_s: float) -> tuple[Said, ...]:
        """Return what is still remembered, oldest first, ready to be handed to a new session.

        Args:
            now_s: Seconds on the monotonic clock.
        """
        kept: list[Said] = []
        left = MAX_CHARACTERS
        for entry in reversed(self._entries):
            text = self._heard_text(entry)
            left -= len(text)
            if entry.at_s <= now_s - self._span_s or left < 0:
                break
            if text:
                kept.append(Said(entry.role, text))
        return tuple(reversed(kept))

    def forget(self) -> None:
        """Remember nothing of what was said until now."""
        self._entries.clear()
        self._cuts.clear()

    def _entry(self, role: str, item_id: ItemId | None, now_s: float) -> _Entry:
        """Return the message of this name, at the end when it is new."""
        if item_id is not None:
            known = next((entry for entry in self._entries if entry.item_id == item_id), None)
            if known is not None:
                return known
        entry = _Entry(role, item_id, now_s)
        if self._span_s > 0:
            self._entries.append(entry)
        del self._entries[:-MAX_TURNS]
        return entry

    def _heard_text(self, entry: _Entry) -> str:
        cut = None if entry.item_id is None else self._cuts.get(entry.item_id)
        return entry.text if cut is None else heard_part(entry.text, *cut)


def heard_part(text: str, heard_ms: Ms, whole_ms: Ms) -> str:
    """Return as much of a text as was heard of its sound: in proportion, whole words, with "…" behind.

    Args:
        text: What is said in the whole sound.
        heard_ms: What was audible of it.
        whole_ms: How long it is; where that is nothing, nothing was heard.
    """
    if whole_ms <= 0:
        return ""
    return _first(text, len(text) * max(0, heard_ms) // whole_ms)


def _first(text: str, characters: int) -> str:
    """Return the beginning of a text, cut behind a word; anywhere where the language writes no spaces."""
    if len(text) <= characters:
        return text
    head = text[:characters]
    if " " in text and not text[characters].isspace():
        head = head.rpartition(" ")[0]
    head = head.rstrip()
    return head + ELLIPSIS if head else ""
