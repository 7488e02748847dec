"""What differs between two configurations, and from when it holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from speakerd.core.changes import (
    LONGEST_TEXT,
    NOTHING_CHANGED,
    WHEN,
    When,
    blend,
    changes,
    describe,
    keys,
    shown,
    starts_service,
)
from speakerd.core.settings import Settings

OTHER: dict[str, Any] = {
    "assistant.voice": "cedar",
    "assistant.instructions": "You are a pirate.\nBe brief.\n",
    "assistant.language": "de",
    "assistant.speed": 1.25,
    "service.provider": "openai",
    "service.endpoint": "wss://example.org/v1",
    "service.model": "gpt-realtime-mini",
    "service.transcription": "whisper-1",
    "service.session": {"max_output_tokens": 500},
    "auth.method": "api_key",
    "auth.tenant": "example.onmicrosoft.com",
    "auth.client": "01234567-89ab-cdef-0123-456789abcdef",
    "auth.scope": "https://ai.azure.com/.default",
    "auth.certificate_file": "/etc/speakerd/certificate.pem",
    "auth.api_key_file": "/etc/speakerd/key",
    "wake.models": ("alexa", "hey_mycroft"),
    "wake.threshold": "strict",
    "wake.refractory_s": 3.0,
    "wake.engine": "openwakeword",
    "wake.gate": False,
    "wake.noise_suppression": True,
    "turn_detection.type": "semantic_vad",
    "turn_detection.threshold": 0.6,
    "turn_detection.prefix_padding_ms": 200,
    "turn_detection.silence_duration_ms": 700,
    "turn_detection.eagerness": "high",
    "turn_detection.noise_reduction": "none",
    "conversation.follow_up_s": 3.0,
    "conversation.max_turns": 5,
    "conversation.barge_in": "wake_word",
    "conversation.memory_minutes": 1.0,
    "audio.capture.device": "hw:1",
    "audio.capture.channel": 1,
    "audio.playback.device": "hw:2",
    "audio.playback.volume": 40,
    "audio.playback.mixer": "none",
    "audio.echo_cancellation": "off",
    "audio.earcons": False,
    "budget.daily_usd": 2.5,
    "budget.prices": {"gpt-realtime": {"audio_in": 1.0}},
    "log.transcripts": True,
}
"""Another value than the default for every key."""


def leaves(model: type[BaseModel], at: str = "") -> Iterator[str]:
    """Walk every key of the model that holds a value."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from leaves(field.annotation, f"{at}{name}.")
        else:
            yield f"{at}{name}"


def settings(**dotted: object) -> Settings:
    """Return settings of keys with double underscores for dots."""
    return with_keys({key.replace("__", "."): value for key, value in dotted.items()})


def with_keys(values: dict[str, Any]) -> Settings:
    """Return settings in which these keys have these values."""
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *sections, name = key.split(".")
        section = tree
        for step in sections:
            section = section.setdefault(step, {})
        section[name] = value
    return Settings.model_validate(tree)


CLOUD = with_keys({"service.provider": "azure", "service.endpoint": "https://kitchen.openai.azure.com"})


def test_every_key_has_its_when() -> None:
    """A key of the model that the table forgets would be a reload that does nothing; one too many is a typing error."""
    assert list(WHEN) == list(leaves(Settings))
    assert list(WHEN) == list(OTHER), "the table of this test, too"
    assert [key for key, _ in keys(Settings())] == list(WHEN)


@pytest.mark.parametrize("key", OTHER)
def test_each_key_is_found_and_blended_when_it_holds(key: str) -> None:
    """One changed key is one change, with both values, and it reaches what runs with its own moment only."""
    old, new = Settings(), with_keys({key: OTHER[key]})
    (change,) = changes(old, new)
    assert (change.key, change.old, change.new) == (key, dict(keys(old))[key], dict(keys(new))[key])
    assert change.old != change.new
    assert blend(old, new, set(When)) == new
    assert blend(old, new, {change.when}) == new
    assert blend(old, new, set(When) - {change.when}) == old


def test_nothing_changed() -> None:
    """The same twice is no change, and blends to itself."""
    assert changes(CLOUD, CLOUD) == ()
    assert blend(CLOUD, CLOUD, set(When)) == CLOUD
    assert describe((), busy=True) == NOTHING_CHANGED


@given(st.lists(st.sampled_from(list(OTHER))), st.lists(st.sampled_from(list(OTHER))))
def test_step_by_step_comes_to_the_same(first: list[str], second: list[str]) -> None:
    """What may hold now, then what waited: in the end all that is wanted holds."""
    old, new = (with_keys({key: OTHER[key] for key in keys_}) for keys_ in (first, second))
    running = blend(old, new, {When.NOW})
    assert {change.when for change in changes(old, running)} <= {When.NOW}
    assert {change.when for change in changes(running, new)} <= {When.CONVERSATION}
    assert blend(running, new, {When.CONVERSATION}) == new


@pytest.mark.parametrize(("service", "starts"), [({}, True), ({"endpoint": "ws://127.0.0.1:1"}, False)])
def test_who_starts_the_service(service: dict[str, str], starts: bool) -> None:
    """The embedded one without an address is ours to start; whoever has an address runs already."""
    assert starts_service(Settings.model_validate({"service": service})) is starts
    assert not starts_service(CLOUD)


def test_the_line_says_what_waits() -> None:
    """In a conversation what holds at once comes first; where nobody is in one, all of it holds."""
    new = settings(assistant__voice="cedar", budget__daily_usd=2, wake__models=["alexa"], log__transcripts=True)
    found = changes(Settings(), new)
    voice, rest = "assistant.voice marin -> cedar", "budget.daily_usd null -> 2.0; log.transcripts false -> true"
    words = "wake.models [hey_jarvis] -> [alexa]"
    waits = f"configuration: 4 changes: {words}; {rest}; with the next conversation: {voice}"
    assert describe(found, busy=True) == waits
    assert describe(found, busy=False) == f"configuration: 4 changes: {voice}; {words}; {rest}"
    assert describe(found[:1], busy=False) == f"configuration: 1 change: {voice}"
    assert describe(found[:1], busy=True) == f"configuration: 1 change: with the next conversation: {voice}"


def test_values_are_shown_on_one_short_line() -> None:
    """Instructions are a page sometimes; a name with a space, or none at all, is put in quotes."""
    assert shown("assistant.instructions", "You are\n  a pirate.\n") == '"You are a pirate."'
    long = shown("assistant.instructions", "word " * 100)
    assert (len(long), long[-2:]) == (LONGEST_TEXT + 2, '…"')
    assert shown("assistant.instructions", "") == '""'
    assert shown("wake.threshold", "strict") == "strict"


def test_what_may_be_secret_is_not_shown() -> None:
    """Of fields of the service's own only the names, of an address only the host."""
    old = settings(service__session={"a": 1, "b": "hush", "c": {"d": 1}})
    new = settings(service__session={"a": 1, "b": "quiet", "e": 2})
    (change,) = changes(old, new)
    assert str(change) == "service.session (b, c, e)"
    assert shown("service.endpoint", "wss://me:hush@example.org/v1?key=hush") == "wss://example.org"
    assert shown("service.endpoint", None) == "null"
    prices = {"a": {"audio_in": 1.0}, "b": {}}
    (change,) = changes(settings(budget__prices=prices), settings(budget__prices=prices | {"a": {"audio_in": 2.0}}))
    assert str(change) == "budget.prices (a)"
