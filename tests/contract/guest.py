"""A Realtime client of nothing but a WebSocket and JSON: what it is told is checked on the way in."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from speakerd.embedded.server import EmbeddedService
from tests.contract import order, strict
from tests.fakes.embedded import silence, sound

BEARER = {"Authorization": "Bearer local"}

Event = dict[str, Any]


class Guest:
    """One session.

    Attributes:
        events: Everything the service said, in order.
    """

    def __init__(self, socket: ClientConnection, *, azure: bool) -> None:
        self._socket = socket
        self._azure = azure
        self.events: list[Event] = []

    async def send(self, kind: str, **fields: Any) -> None:
        """Send an event."""
        await self._socket.send(json.dumps({"type": kind, **fields}))

    async def recv(self) -> Event:
        """Return the next event, checked strictly."""
        event = strict.check(await self._socket.recv(), azure=self._azure)
        self.events.append(event)
        return event

    async def until(self, kind: str) -> Event:
        """Return the next event of a type."""
        while (event := await self.recv())["type"] != kind:
            pass
        return event

    async def until_told(self, kind: str) -> None:
        """Wait for an event that may have come already: it keeps no order with the others."""
        if not self.of(kind):
            await self.until(kind)

    async def append(self, pcm: bytes) -> None:
        """Append wire audio."""
        await self.send("input_audio_buffer.append", audio=base64.b64encode(pcm).decode())

    async def speak(self, span_ms: float = 640) -> None:
        """Say something, and then nothing for long enough."""
        await self.append(sound(span_ms) + silence(1000))

    async def write(self, text: str, **fields: Any) -> None:
        """Write a message."""
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        await self.send("conversation.item.create", item=item, **fields)

    async def ask(self, text: str, **response: Any) -> Event:
        """Write a message, ask for a response and return it when it is done."""
        await self.write(text)
        await self.send("response.create", **({"response": response} if response else {}))
        done: Event = (await self.until("response.done"))["response"]
        return done

    async def refused(self, kind: str, **fields: Any) -> Event:
        """Send an event that is wrong and return the error, which names it."""
        await self.send(kind, event_id="mine", **fields)
        error: Event = (await self.until("error"))["error"]
        assert error["event_id"] == "mine"
        return error

    def of(self, kind: str) -> list[Event]:
        """Return what came of a type so far."""
        return [event for event in self.events if event["type"] == kind]


@contextlib.asynccontextmanager
async def visiting(
    service: EmbeddedService, *, azure: bool = False, headers: Mapping[str, str] = BEARER
) -> AsyncIterator[Guest]:
    """Open a session as OpenAI's clients do, or Azure's; at the end all it was told is held to the grammar."""
    root = service.url.removesuffix("/v1")
    url = f"{root}/openai/v1/realtime?deployment=mine" if azure else f"{root}/v1/realtime?model=mine"
    options: dict[str, Any] = {"compression": None, "max_size": None, "max_queue": None, "proxy": None}
    async with connect(url, additional_headers=headers, **options) as socket:
        guest = Guest(socket, azure=azure)
        await guest.until("session.created")
        yield guest
    order.check(guest.events, azure=azure)
