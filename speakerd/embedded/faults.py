"""What can be made to go wrong on purpose, so that a client's reaction can be tested."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FAULTS_VARIABLE = "SPEAKERD_EMULATE_FAULTS"
"""Environment variable with faults as a JSON object of the fields below."""


@dataclass(slots=True)
class Faults:
    """Switches, read anew for every connection. All off by default."""

    first_connections: int | None = None
    """Only this many connections suffer, counted from the service's start; None: all of them."""

    slow_handshake_s: float = 0.0
    """Wait so long before the handshake is answered."""

    http_status: int | None = None
    """Answer the handshake with this status instead of 101."""

    retry_after_s: int | None = None
    """With ``http_status``: a Retry-After header."""

    close_after_events: tuple[int, int] | None = None
    """``(code, n)``: close with this code after the n-th server event; 1006 is a loss without a close frame."""

    drop_after_s: float | None = None
    """Abort the connection without a close frame so long after it was opened."""

    drop_at_audio_delta: int | None = None
    """Abort without a close frame in place of the k-th audio delta of the connection, counted from 1."""

    session_life_s: float | None = None
    """Let a session last so long instead of an hour; its ``expires_at`` says so."""

    refuse_updates: int = 0
    """Refuse so many ``session.update`` of a connection."""

    stall_after_events: int | None = None
    """After so many server events say nothing more, read nothing, answer no ping; the connection stays open."""

    late_deltas: int = 0
    """Of an answer that is cut off, send so many audio deltas all the same, before its ``response.done``."""

    late_done: bool = False
    """Tell the end of an interrupted answer only after the next ``response.created``."""

    several_items: bool = False
    """Make each sentence of an answer an item of its own."""

    huge_delta_bytes: int = 0
    """Send each sentence as one audio delta of at least so many bytes, silence behind it."""

    fail_responses: int = 0
    """Let so many responses of a connection fail."""

    failure_code: str = "insufficient_quota"
    """What is said to be the reason."""

    transcription_fails: bool = False
    """Let every transcription fail as it does when its deployment does not exist."""

    duplicate_events: tuple[str, ...] = ()
    """Types of server events that are sent twice."""

    missing_events: tuple[str, ...] = ()
    """Types of server events that are never sent."""

    unknown_every_events: int | None = None
    """After every so many server events send one of a type that nobody knows."""

    malformed_after_events: int | None = None
    """After so many server events send a message that is not JSON."""


def parse_faults(source: str) -> Faults:
    """Return the faults in a JSON object.

    Raises:
        ValueError: it is no such object, or names a fault that does not exist.
    """
    values: Any = json.loads(source)
    if not isinstance(values, Mapping):
        raise ValueError("this is not a JSON object")  # noqa: TRY004 - the text is wrong, not its type
    names = {field.name for field in dataclasses.fields(Faults)}
    unknown = sorted(set(values) - names)
    if unknown:
        raise ValueError(f"there is no such fault: {', '.join(unknown)}; known: {', '.join(sorted(names))}")
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    if values.get("close_after_events") is not None:
        pair = values["close_after_events"]
        if not isinstance(pair, tuple) or not list(map(type, pair)) == [int, int]:
            raise ValueError("close_after_events: [code, events] is meant")
    return Faults(**values)
