"""One line in the log for each turn: how much was heard, how soon the answer began, how long it was, how it ended."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from speakerd.core.units import SAMPLE_BYTES, WIRE_RATE_HZ
from speakerd.embedded.g711 import RATE_HZ as G711_RATE_HZ
from speakerd.embedded.session import turn_settings

_log = logging.getLogger("speakerd.embedded")

_BYTES_PER_MS = WIRE_RATE_HZ * SAMPLE_BYTES // 1000


@dataclass(slots=True)
class _Turn:
    """A response on its way."""

    number: int
    """Counted from 1 in its session."""

    since_s: float
    """When the user's speech ended, or when the client asked."""

    spoken: bool
    """Whether the turn detector ended the user's turn."""

    item_ids: list[str] = field(default_factory=list)
    """The user's items since the response before."""

    first_s: float | None = None
    """When the first audio left, or the first text of a written answer."""

    reply_bytes: int = 0
    """Audio sent."""

    bytes_per_ms: int = _BYTES_PER_MS
    """Of that audio."""


class TurnLog:
    """Writes a line for each turn of one session.

    Args:
        session_id: Named in each line.
        clock: Seconds, monotonic.
        transcripts: Add what was said; otherwise no word of it is logged.
    """

    def __init__(self, session_id: str, clock: Callable[[], float], *, transcripts: bool = False) -> None:
        self._session_id = session_id
        self._clock = clock
        self._transcripts = transcripts
        self._count = 0
        self._silence_ms = 0
        self._stopped_at: float | None = None
        self._pending: list[str] = []
        self._heard_ms: dict[str, int] = {}
        self._texts: dict[str, str] = {}
        self._turns: dict[str, _Turn] = {}

    def posted(self, event: dict[str, Any]) -> None:
        """Follow the session's events."""
        match event["type"]:
            case "session.created" | "session.updated":
                settings = turn_settings(event["session"])
                self._silence_ms = settings.silence_duration_ms if settings is not None else 0
            case "input_audio_buffer.speech_stopped":
                self._stopped_at = self._clock()
            case "input_audio_buffer.committed":
                self._pending.append(event["item_id"])
            case "response.created":
                self._begin(event["response"])
            case "response.output_audio.delta" | "response.output_text.delta":
                self._progress(event)
            case "response.done":
                self._end(event["response"])

    def listened(self, item_id: str, pcm: bytes) -> None:
        """Note how much was heard."""
        self._heard_ms[item_id] = len(pcm) // _BYTES_PER_MS

    def recognised(self, item_id: str, text: str) -> None:
        """Note what was understood, if it may be logged."""
        if self._transcripts:
            self._texts[item_id] = text

    def closed(self) -> None:
        """Say which turns were cut off by the end of the session."""
        for turn in self._turns.values():
            _log.info("session %s turn %d: %s, cut off", self._session_id, turn.number, self._figures(turn))

    def _begin(self, response: dict[str, Any]) -> None:
        self._count += 1
        spoken = self._stopped_at is not None
        # Silence is heard before it ends a turn: speech ended that much earlier, as long as audio comes in real time.
        ended_at = self._stopped_at - self._silence_ms / 1000 if self._stopped_at is not None else self._clock()
        is_wire = response["audio"]["output"]["format"]["type"] == "audio/pcm"
        bytes_per_ms = _BYTES_PER_MS if is_wire else G711_RATE_HZ // 1000
        turn = _Turn(self._count, ended_at, spoken, self._pending, bytes_per_ms=bytes_per_ms)
        self._turns[response["id"]] = turn
        self._pending, self._stopped_at = [], None

    def _progress(self, event: dict[str, Any]) -> None:
        turn = self._turns.get(event["response_id"])
        if turn is None:  # a late delta
            return
        if turn.first_s is None:
            turn.first_s = self._clock()
        if event["type"] == "response.output_audio.delta":
            delta: str = event["delta"]
            turn.reply_bytes += len(delta) * 3 // 4 - delta.count("=", -2)

    def _end(self, response: dict[str, Any]) -> None:
        turn = self._turns.pop(response["id"], None)
        if turn is None:
            return
        line = "session %s turn %d: %s, %s"
        _log.info(line, self._session_id, turn.number, self._figures(turn), response["status"])
        if self._transcripts:
            heard = " ".join(filter(None, (self._texts.pop(item_id, "") for item_id in turn.item_ids)))
            line = "session %s turn %d: user: %r, answer: %r"
            _log.info(line, self._session_id, turn.number, heard, words_of(response))
        for item_id in turn.item_ids:
            self._heard_ms.pop(item_id, None)

    def _figures(self, turn: _Turn) -> str:
        heard_ms = sum(self._heard_ms.get(item_id, 0) for item_id in turn.item_ids)
        reply_ms = turn.reply_bytes // turn.bytes_per_ms
        if turn.first_s is None:
            first = "no answer"
        else:
            since = f"end of speech ({self._silence_ms} ms of silence)" if turn.spoken else "the request"
            what = "audio" if turn.reply_bytes else "text"
            first = f"{round((turn.first_s - turn.since_s) * 1000)} ms from {since} to first {what}"
        return f"heard {heard_ms} ms, {first}, reply {reply_ms} ms"


def words_of(response: dict[str, Any]) -> str:
    """Return what a finished response said or wrote; empty when nothing."""
    parts = (part for item in response["output"] for part in item.get("content") or ())
    return " ".join(filter(None, (part.get("transcript") or part.get("text") for part in parts)))
