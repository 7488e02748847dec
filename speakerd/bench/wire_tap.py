"""A tap on the line between a client and a service: passes every byte on as it came and notes each message and when.

It reads the WebSocket's frames on the side, so nothing is encoded anew and both clients of a comparison pay the same
fraction of a millisecond. What is made of the messages is ``hops.py``'s business.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

from speakerd.demo.process import StageError

APPEND, DELTA = "input_audio_buffer.append", "response.output_audio.delta"
"""The messages that carry sound: the microphone's and the service's (specified by the protocol)."""

SPEECH_STARTED, TRUNCATE = "input_audio_buffer.speech_started", "conversation.item.truncate"
"""The service heard somebody; the client says how much of an item was heard (specified by the protocol)."""

_HEAD_END = b"\r\n\r\n"
_FINAL, _COMPRESSED, _OPCODE, _MASKED, _LENGTH = 0x80, 0x40, 0x0F, 0x80, 0x7F
_CONTINUATION, _TEXT = 0, 1
_LENGTH_BYTES = {126: 2, 127: 8}
_MASK_BYTES = 4
"""RFC 6455, section 5.2."""

_CHUNK_BYTES = 65_536
_POLL_S = 0.005
"""How often waiting looks for a message: the times are those of the messages, not of the looking (chosen)."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message as the tap saw it."""

    at_s: float
    """When its last byte came to the tap, on the monotonic clock."""

    from_client: bool
    """Which way it went."""

    fields: dict[str, Any]
    """What it said."""

    @property
    def kind(self) -> str:
        """Its type."""
        return str(self.fields["type"])


class Frames:
    """Cuts one direction of a WebSocket connection, the HTTP head included, into its text messages.

    Raises:
        StageError: the line is compressed (code ``bench-tap``), from ``feed``.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._message = bytearray()
        self._in_head = True

    def feed(self, data: bytes) -> list[bytes]:
        """Take in the next bytes and return the messages that they complete."""
        self._rest += data
        if self._in_head:
            end = self._rest.find(_HEAD_END)
            if end < 0:
                return []
            del self._rest[: end + len(_HEAD_END)]
            self._in_head = False
        messages = []
        while (frame := self._next_frame()) is not None:
            first, payload = frame
            if first & _OPCODE not in (_CONTINUATION, _TEXT):
                continue  # ping, pong and close may stand between two parts of a message
            self._message += payload
            if first & _FINAL:
                messages.append(bytes(self._message))
                self._message.clear()
        return messages

    def _next_frame(self) -> tuple[int, bytes] | None:
        """Take one whole frame off the rest and return its first byte and its payload in clear."""
        rest = self._rest
        if len(rest) < 2:  # noqa: PLR2004 - flags and length (RFC 6455)
            return None
        first, second = rest[0], rest[1]
        if first & _COMPRESSED:
            raise StageError("bench-tap", "the line is compressed: nothing can be measured on it")
        length, at = second & _LENGTH, 2
        if (size := _LENGTH_BYTES.get(length, 0)) != 0:
            length = int.from_bytes(rest[at : at + size], "big") if len(rest) >= at + size else len(rest)
            at += size
        mask_at = at
        at += _MASK_BYTES if second & _MASKED else 0
        if len(rest) < at + length:
            return None
        payload = bytes(rest[at : at + length])
        if second & _MASKED:
            payload = _unmasked(payload, bytes(rest[mask_at:at]))
        del rest[: at + length]
        return first, payload


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    whole = (mask * (len(payload) // _MASK_BYTES + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")).to_bytes(len(payload), "big")


class WireTap:
    """Listens on loopback and passes connections on to a service on loopback. Async context manager.

    Thread: event loop.

    Args:
        upstream: Base URL of the service.

    Ends: with the context; lines that are open then are cut.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream)
        self._lines: set[asyncio.Task[None]] = set()
        self._failure: StageError | None = None
        self.messages: list[Message] = []
        """Everything that passed so far, oldest first."""
        self.url = ""
        """Base URL for a client, from ``__aenter__`` on."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = urlunsplit(self._upstream._replace(netloc=f"127.0.0.1:{port}"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for line in self._lines:
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)

    def since(self, after_s: float, kind: str | None = None) -> list[Message]:
        """Return what passed after a moment: everything, or the messages of one type."""
        recent = itertools.takewhile(lambda each: each.at_s >= after_s, reversed(self.messages))
        return [each for each in recent if kind in (None, each.kind)][::-1]

    async def wait_for(self, kind: str, *, after_s: float, timeout_s: float, check: Callable[[], None]) -> Message:
        """Return the first message of a type after a moment; wait for it.

        Args:
            kind: The type.
            after_s: The moment.
            timeout_s: How long to wait.
            check: Called while waiting; may raise, for one because the client has ended.

        Raises:
            StageError: it never came (code ``stage-missed``), or the line cannot be read (``bench-tap``).
        """
        end_s = time.monotonic() + timeout_s
        while not (found := self.since(after_s, kind)):
            if self._failure is not None:
                raise self._failure
            check()
            if time.monotonic() > end_s:
                raise StageError("stage-missed", f"waited {timeout_s:g} s in vain for {kind} on the line")
            await asyncio.sleep(_POLL_S)
        return found[0]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.create_task(self._pass(reader, writer), name="bench-tap line")
        self._lines.add(line)
        line.add_done_callback(self._lines.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on, both ways, until either side ends it."""
        far_writer: asyncio.StreamWriter | None = None
        try:
            host, port = self._upstream.hostname, self._upstream.port
            far_reader, far_writer = await asyncio.open_connection(host, port)
            ways = [
                asyncio.create_task(self._carry(reader, far_writer, from_client=True), name="bench-tap up"),
                asyncio.create_task(self._carry(far_reader, writer, from_client=False), name="bench-tap down"),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except StageError as error:
            self._failure = error
        except OSError:
            pass  # the service is not there: the client sees a line that ends, as it would without us
        finally:
            for each in (writer, far_writer):
                if each is not None:
                    each.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_client: bool) -> None:
        frames = Frames()
        with contextlib.suppress(ConnectionError):  # a side that broke off has ended, too
            while data := await reader.read(_CHUNK_BYTES):
                at_s = time.monotonic()
                writer.write(data)
                await writer.drain()
                try:
                    messages = frames.feed(data)
                except StageError as error:
                    self._failure = error
                    return
                self.messages += [Message(at_s, from_client, json.loads(each)) for each in messages]
