"""What differs between two configurations, key by key, and when each difference can hold in a daemon that runs.

Pure. The keys come from the model; when a key holds is in the table ``WHEN``, which names every key. Reading the file
again is ``reload.py``, handing the values to the parts ``refit.py``.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from speakerd.core.settings import Section, Settings

LONGEST_TEXT = 40
"""So much of a value is shown: a line of the journal is read, instructions may be a page (chosen)."""

NOTHING_CHANGED = "configuration: nothing changed"


class When(enum.Enum):
    """From when a changed key holds."""

    NOW = "now"
    """At once, in the middle of a conversation too."""

    CONVERSATION = "with the next conversation"
    """As soon as nobody is in a conversation; one that is under way goes on as it began."""


_N, _C = When.NOW, When.CONVERSATION

WHEN: Mapping[str, When] = {
    "assistant.voice": _C,
    "assistant.instructions": _C,
    "assistant.language": _C,
    "assistant.speed": _C,
    "service.provider": _C,
    "service.endpoint": _C,
    "service.model": _C,
    "service.transcription": _C,
    "service.session": _C,
    "auth.method": _C,
    "auth.tenant": _C,
    "auth.client": _C,
    "auth.scope": _C,
    "auth.certificate_file": _C,
    "auth.api_key_file": _C,
    "wake.models": _N,
    "wake.threshold": _N,
    "wake.refractory_s": _N,
    "wake.engine": _N,
    "wake.gate": _N,
    "wake.noise_suppression": _N,
    "turn_detection.type": _C,
    "turn_detection.threshold": _C,
    "turn_detection.prefix_padding_ms": _C,
    "turn_detection.silence_duration_ms": _C,
    "turn_detection.eagerness": _C,
    "turn_detection.noise_reduction": _C,
    "conversation.follow_up_s": _N,
    "conversation.max_turns": _N,
    "conversation.barge_in": _C,  # the running session has been told what may cut a reply
    "conversation.memory_minutes": _N,
    "audio.capture.device": _C,
    "audio.capture.channel": _C,
    "audio.playback.device": _C,
    "audio.playback.volume": _N,
    "audio.playback.mixer": _C,
    "audio.echo_cancellation": _C,
    "audio.earcons": _N,
    "budget.daily_usd": _N,
    "budget.prices": _N,
    "log.transcripts": _N,
}
"""When a change of each key holds. There is none that takes a start."""

_NAMES_ONLY = frozenset({"service.session", "budget.prices"})
"""Of these only the names of what changed are shown: nobody knows what a service's own field holds."""


@dataclass(frozen=True, slots=True)
class Change:
    """One key that differs."""

    key: str
    """With dots."""

    old: object
    """Its value before."""

    new: object
    """Its value now."""

    when: When
    """From when it holds."""

    def __str__(self) -> str:
        if self.key in _NAMES_ONLY:
            return f"{self.key} ({', '.join(_names(self.old, self.new))})"
        return f"{self.key} {shown(self.key, self.old)} -> {shown(self.key, self.new)}"


def starts_service(settings: Settings) -> bool:
    """Return whether speakerd starts the service itself, as a process beside it."""
    return settings.service.provider == "embedded" and settings.service.endpoint is None


def changes(old: Settings, new: Settings) -> tuple[Change, ...]:
    """Return what differs, in the order of the model.

    Args:
        old: What was before.
        new: What is now.
    """
    after = dict(keys(new))
    return tuple(Change(key, value, after[key], WHEN[key]) for key, value in keys(old) if value != after[key])


def blend(running: Settings, wanted: Settings, whens: Collection[When]) -> Settings:
    """Return what runs with those keys as they are wanted that may hold by now."""
    tree = running.model_dump()
    for change in changes(running, wanted):
        if change.when in whens:
            *sections, name = change.key.split(".")
            section = tree
            for step in sections:
                section = section[step]
            section[name] = change.new
    return Settings.model_validate(tree)


def keys(settings: Section, above: str = "") -> Iterator[tuple[str, Any]]:
    """Give every key and its value, in the order of the model."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, Section):
            yield from keys(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def describe(found: Collection[Change], *, busy: bool) -> str:
    """Return one line for the journal: how many changes, which, and from when they hold where that is not now.

    Args:
        found: The changes.
        busy: Somebody is in a conversation, which goes on as it began.
    """
    if not found:
        return NOTHING_CHANGED
    late = [change for change in found if busy and change.when is not When.NOW]
    told = [str(change) for change in found if change not in late]
    if late:
        told.append(f"{When.CONVERSATION.value}: {'; '.join(map(str, late))}")
    return f"configuration: {len(found)} change{'s'[: len(found) != 1]}: {'; '.join(told)}"


def shown(key: str, value: object) -> str:
    """Return a value as the file would say it, on one line and not too long."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    text = " ".join(str(value).split())
    if key == "service.endpoint":
        url = urlsplit(text)
        text = f"{url.scheme}://{url.netloc.rpartition('@')[2]}"  # what stands before the host may be a secret
    if len(text) > LONGEST_TEXT:
        text = f"{text[: LONGEST_TEXT - 1]}…"
    return f'"{text}"' if " " in text or not text else text


def _names(old: object, new: object) -> list[str]:
    assert isinstance(old, Mapping)
    assert isinstance(new, Mapping)
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
