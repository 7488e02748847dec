"""The checks themselves: a session that is sound passes, and each way to spoil it is noticed."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from speakerd.embedded.server import EmbeddedService
from speakerd.embedded.tiers import scripted
from tests.contract import order, strict
from tests.contract.guest import Event, visiting


async def session() -> list[Event]:
    """Return everything a session with a spoken and a written turn was told."""
    async with EmbeddedService(scripted(["One. Two."])) as service, visiting(service) as guest:
        update = {"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}
        await guest.send("session.update", session=update)
        await guest.speak()
        await guest.until("response.done")
        await guest.ask("hello")
        await guest.until("rate_limits.updated")
    return guest.events


async def test_whatever_is_missing_or_doubled_is_noticed() -> None:
    """Each event has its place: take it out or say it twice, and the grammar no longer holds."""
    events = await session()
    order.check(events)
    free = {"rate_limits.updated", "session.updated"}  # counted with tolerance, or of no story
    free |= {"conversation.item.input_audio_transcription.completed", "response.output_audio.delta"}
    for place, event in enumerate(events):
        if event["type"] in free:
            continue
        for spoilt in ([*events[:place], *events[place + 1 :]], [*events[:place], event, *events[place:]]):
            with pytest.raises(AssertionError):
                order.check(spoilt)


async def test_whatever_comes_too_early_is_noticed() -> None:
    """A response's events cannot change places, apart from words and sound among themselves."""
    events = await session()
    deltas = {"response.output_audio.delta", "response.output_audio_transcript.delta"}
    own = [place for place, event in enumerate(events) if "response_id" in event]
    for first, second in itertools.pairwise(own):
        swapped = events.copy()
        swapped[first], swapped[second] = swapped[second], swapped[first]
        if {events[first]["type"], events[second]["type"]} <= deltas:
            continue
        if events[first]["response_id"] != events[second]["response_id"]:
            continue
        with pytest.raises(AssertionError):
            order.check(swapped)


def set_at(path: str, value: Any) -> Callable[[Event], None]:
    """Return what puts a value at a path."""

    def spoil(event: Event) -> None:
        *parents, last = path.split(".")
        place: Any = event
        for name in parents:
            place = place[name]
        place[last] = value

    return spoil


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("response.done", set_at("type", "response.cancelled")),
        ("response.done", set_at("type", "output_audio_buffer.started")),
        ("response.done", set_at("surplus", 1)),
        ("response.done", set_at("response.surplus", 1)),
        ("response.done", set_at("response.usage.input_token_details.surplus", 1)),
        ("response.done", set_at("response.status", "finished")),
        ("response.done", set_at("response.usage.total_tokens", "12")),
        ("conversation.item.added", set_at("item.status", "done")),
        ("response.output_audio.delta", set_at("content_index", None)),
        ("input_audio_buffer.speech_started", set_at("audio_start_ms", 1.5)),
        ("session.created", set_at("event_id", "")),
        ("response.content_part.added", set_at("content", {"type": "audio"})),
    ],
)
async def test_whatever_the_types_do_not_say_is_noticed(kind: str, spoil: Callable[[Event], None]) -> None:
    """A type, a field or a value that the SDK does not declare is refused, at any depth."""
    event = copy.deepcopy(next(event for event in await session() if event["type"] == kind))
    strict.check(json.dumps(event))
    spoil(event)
    with pytest.raises((AssertionError, ValidationError)):
        strict.check(json.dumps(event))
