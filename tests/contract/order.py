"""The order in which the service tells things, as a small grammar.

One stream of events holds several stories: each response, each spoken turn, each item. They interleave, so a story is
first picked out by its ids and then held against a regular expression over the events' types.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

Event = dict[str, Any]

_WORDS = {
    "response.created": "created",
    "response.done": "done",
    "response.output_item.added": "output_item.added",
    "response.output_item.done": "output_item.done",
    "response.content_part.added": "content_part.added",
    "response.content_part.done": "content_part.done",
    "response.output_audio.delta": "audio.delta",
    "response.output_audio.done": "audio.done",
    "response.output_audio_transcript.delta": "transcript.delta",
    "response.output_audio_transcript.done": "transcript.done",
    "response.output_text.delta": "text.delta",
    "response.output_text.done": "text.done",
    "response.function_call_arguments.delta": "arguments.delta",
    "response.function_call_arguments.done": "arguments.done",
    "input_audio_buffer.speech_started": "speech_started",
    "input_audio_buffer.speech_stopped": "speech_stopped",
    "input_audio_buffer.committed": "committed",
    "conversation.item.added": "item.added",
    "conversation.item.done": "item.done",
    "conversation.item.input_audio_transcription.delta": "delta",
    "conversation.item.input_audio_transcription.completed": "completed",
    "conversation.item.input_audio_transcription.failed": "failed",
}
"""The grammar's words."""

_WORD_DELTAS = ("transcript.delta", "text.delta", "arguments.delta")
"""Those that add up to what an item says."""

_MESSAGE = (
    "output_item.added (item.added )?content_part.added "
    "(transcript.delta |audio.delta )*audio.done transcript.done "
    "content_part.done (item.done )?output_item.done "
)
_WRITTEN = (
    "output_item.added (item.added )?content_part.added "
    "(text.delta )*text.done content_part.done (item.done )?output_item.done "
)
_CALL = "output_item.added (item.added )?(arguments.delta )+arguments.done (item.done )?output_item.done "

RESPONSE = re.compile(f"created (({_MESSAGE})|({_WRITTEN})|({_CALL}))*done ")
"""Creation, whole outputs one after the other, and the end, behind which nothing comes."""

TURN = re.compile("speech_started speech_stopped committed item.added item.done ")
"""What the user says, from its onset to the item."""

COMMIT = re.compile("committed item.added item.done ")
"""The same by hand."""

TRANSCRIPTION = re.compile("(delta )*(completed|failed) ")
"""What was said, told at any time after the item is there."""


def check(events: list[Event], *, azure: bool = False) -> None:
    """Hold everything one session said against the grammar.

    Args:
        events: From ``session.created`` on.
        azure: Whether Azure's dialect is spoken: it tells no rate limits.

    Raises:
        AssertionError: something came out of order.
    """
    assert events[0]["type"] == "session.created"
    names = [event["event_id"] for event in events]
    assert len(names) == len(set(names)), "two events have the same name"
    responses = [event["response"]["id"] for event in events if event["type"] == "response.created"]
    for response_id in responses:
        _matches(RESPONSE, _response(events, response_id))
        _check_end(events, response_id)
    _check_none_beside(events, set(responses))
    _check_turns(events)
    done = sum(event["type"] == "response.done" for event in events)
    limits = sum(event["type"] == "rate_limits.updated" for event in events)
    assert limits == 0 if azure else limits in (done, done - 1)  # the last may still be on its way


def _matches(rule: re.Pattern[str], words: Iterable[str]) -> None:
    sentence = "".join(f"{word} " for word in words)
    shown = re.sub(r"(\S+\.delta )+", "….delta ", sentence)
    assert rule.fullmatch(sentence), f"out of order: {shown}"


def _response(events: list[Event], response_id: str) -> Iterator[str]:
    """Yield the words of one response: its own events and those of the items it made."""
    items: set[str] = set()
    for event in events:
        kind = event["type"]
        if event.get("response_id", event.get("response", {}).get("id")) == response_id:
            if kind == "response.output_item.added":
                items.add(event["item"]["id"])
            yield _WORDS[kind]
        elif kind in ("conversation.item.added", "conversation.item.done") and event["item"]["id"] in items:
            yield _WORDS[kind]


def _check_end(events: list[Event], response_id: str) -> None:
    """Hold a response's last word against what was told before it: same items, same words, same state."""
    own = [event for event in events if event.get("response_id") == response_id]
    done = [e["response"] for e in events if e["type"] == "response.done" and e["response"]["id"] == response_id]
    if not done:
        return
    (response,) = done
    told = [event["item"] for event in own if event["type"] == "response.output_item.done"]
    assert response["output"] == told
    assert response["usage"] is not None
    if response["status"] == "completed":
        assert all(item["status"] == "completed" for item in told)
    for item in told:
        words = [e["delta"] for e in own if e.get("item_id") == item["id"] and _WORDS[e["type"]] in _WORD_DELTAS]
        assert _said(item) == "".join(words)


def _said(item: Event) -> str:
    """Return what an item of a response says, or calls with."""
    if item["type"] == "function_call":
        return str(item["arguments"])
    return "".join(part.get("transcript") or part.get("text") or "" for part in item["content"])


def _check_none_beside(events: list[Event], responses: set[str]) -> None:
    """Find events of responses that were never created, and items that are not added and done, once each."""
    assert {event["response_id"] for event in events if "response_id" in event} <= responses
    added: set[str] = set()
    done: set[str] = set()
    for event in events:
        if event["type"] == "conversation.item.added":
            assert event["item"]["id"] not in added, "an item was added twice"
            added.add(event["item"]["id"])
        elif event["type"] == "conversation.item.done":
            assert event["item"]["id"] in added - done, "an item was done twice, or before it was added"
            done.add(event["item"]["id"])
    assert added == done, "an item was never done"


def _check_turns(events: list[Event]) -> None:
    """Hold the story of everything the user said against the grammar, and its transcription's."""
    begins = ("input_audio_buffer.speech_started", "input_audio_buffer.committed")
    for item_id in {event["item_id"] for event in events if event["type"] in begins}:
        story = [e for e in events if e.get("item_id") == item_id or e.get("item", {}).get("id") == item_id]
        words = [(e["type"], _WORDS[e["type"]]) for e in story if e["type"] in _WORDS]
        spoken = [word for kind, word in words if "transcription" not in kind]
        _matches(COMMIT if spoken[0] == "committed" else TURN, spoken)
        written = [word for kind, word in words if "transcription" in kind]
        if written:
            _matches(TRANSCRIPTION, written)
