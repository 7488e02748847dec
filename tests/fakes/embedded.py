"""What tests of the embedded service share: sound that counts as speech, and a conversation without a server."""

from __future__ import annotations

import base64
import itertools
import json
from datetime import UTC, datetime
from typing import Any

import numpy as np

from speakerd.embedded.conversation import Conversation
from speakerd.embedded.orders import Answer, Hear, Listen, Order, Settle, Stop
from speakerd.embedded.session import default_session
from speakerd.embedded.turns import TurnDetector
from speakerd.embedded.vad import EnergyVad

_RATE_HZ = 24_000

NOW = datetime(2026, 11, 22, 14, 5, tzinfo=UTC)
"""An afternoon."""


def silence(span_ms: float) -> bytes:
    """Return wire audio of digital silence."""
    return bytes(2 * int(span_ms * _RATE_HZ / 1000))


def sound(span_ms: float, amplitude: float = 4000.0) -> bytes:
    """Return wire audio that the energy detector takes for speech."""
    rng = np.random.default_rng(7)
    return (rng.standard_normal(int(span_ms * _RATE_HZ / 1000)) * amplitude).astype("<i2").tobytes()


class Client:
    """Speaks with a conversation as a client does, and does what it orders the way a server would.

    Attributes:
        settles: Whether a cancelled response ends at once.
    """

    def __init__(self, **options: Any) -> None:
        numbers = itertools.count(1)
        session = default_session("sess_1", "gpt-realtime", 1_800_000_000)
        self.conversation = Conversation(
            session, TurnDetector(EnergyVad()), lambda prefix: f"{prefix}_{next(numbers)}", **options
        )
        self.orders: list[Order] = []
        self.settles = True

    def send(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """Send an event and return what the service says to it."""
        self.conversation.receive(json.dumps({"type": kind, **fields}))
        return self.events()

    def append(self, pcm: bytes) -> list[dict[str, Any]]:
        """Append wire audio."""
        return self.send("input_audio_buffer.append", audio=base64.b64encode(pcm).decode())

    def write(self, text: str, **fields: Any) -> list[dict[str, Any]]:
        """Create a user's text item."""
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        return self.send("conversation.item.create", item=item, **fields)

    def events(self) -> list[dict[str, Any]]:
        """Return what the service said, listening to appended audio on the way; other orders are kept."""
        events: list[dict[str, Any]] = []
        while outputs := self.conversation.take():
            for output in outputs:
                if isinstance(output, Listen):
                    for event in self.conversation.turns.feed(output.pcm):
                        self.conversation.turn(event)
                elif isinstance(output, Settle) and self.settles:
                    self.conversation.settled(output.response_id)
                elif isinstance(output, Hear | Answer | Stop | Settle):
                    self.orders.append(output)
                else:
                    events.append(output)
        return events

    def answering(self) -> str:
        """Return the name of the response that was ordered last."""
        return [order.response_id for order in self.orders if isinstance(order, Answer)][-1]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    """Return the types of events."""
    return [event["type"] for event in events]
