"""A connection carries out what its conversation orders, and what its faults say; the socket is a fake."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from speakerd.embedded.connection import Connection
from speakerd.embedded.conversation import Conversation
from speakerd.embedded.faults import Faults
from speakerd.embedded.outbox import BACKLOG_MESSAGES
from speakerd.embedded.session import default_session
from speakerd.embedded.tiers import scripted
from speakerd.embedded.turns import TurnDetector
from tests.fakes.embedded import kinds

TOOL = {
    "type": "function",
    "name": "set_timer",
    "parameters": {"properties": {"seconds": {"type": "integer"}}, "required": ["seconds"]},
}


class FakeSocket:
    """Both ends of a WebSocket in one place."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[str] = asyncio.Queue()
        self.outgoing: asyncio.Queue[str] = asyncio.Queue()
        self.end: str | int | None = None
        self.ended = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()

    async def recv(self) -> str | bytes:
        message = await self.incoming.get()
        self.incoming.task_done()
        return message

    async def send(self, message: str) -> None:
        await self.reads.wait()
        self.outgoing.put_nowait(message)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self.end = code
        self.ended.set()

    def abort(self) -> None:
        self.end = "aborted"
        self.ended.set()

    def stall(self) -> None:
        self.end = "stalled"

    def say(self, kind: str, **fields: Any) -> None:
        """Send an event as the client."""
        self.incoming.put_nowait(json.dumps({"type": kind, **fields}))

    def ask(self, text: str) -> None:
        """Write something and want an answer, as the client."""
        content = [{"type": "input_text", "text": text}]
        self.say("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        self.say("response.create")

    async def until(self, kind: str) -> list[dict[str, Any]]:
        """Return the events up to the first of a type."""
        events: list[dict[str, Any]] = []
        while not events or events[-1]["type"] != kind:
            events.append(json.loads(await self.outgoing.get()))
        return events


@contextlib.asynccontextmanager
async def serving(
    faults: Faults | None = None, script: list[str] | None = None, life_s: float = 60.0
) -> AsyncIterator[FakeSocket]:
    """Serve a fake client with the scripted tier, as fast as can be."""
    numbers = itertools.count(1)
    socket = FakeSocket()
    tier = scripted(script)
    conversation = Conversation(
        default_session("sess_1", "m", 0), TurnDetector(tier.new_vad()), lambda prefix: f"{prefix}_{next(numbers)}"
    )
    with ThreadPoolExecutor(1) as executor:
        connection = Connection(
            socket,
            conversation,
            tier,
            executor,
            pace=1000.0,
            faults=faults or Faults(),
            life_s=life_s,
            farewell_s=0.01,
            received=lambda _size: None,
        )
        task = asyncio.create_task(connection.serve())
        try:
            yield socket
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_function_is_called_and_its_output_spoken() -> None:
    """A declared function is called when its words are said; what it returns is the next answer."""
    async with serving() as socket:
        socket.say("session.update", session={"type": "realtime", "tools": [TOOL]})
        socket.ask("Set a timer for 5 minutes")
        (call,) = (await socket.until("response.done"))[-1]["response"]["output"]
        assert (call["name"], json.loads(call["arguments"])) == ("set_timer", {"seconds": 300})
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "ok"}
        socket.say("conversation.item.create", item=output)
        socket.say("response.create")
        done = (await socket.until("response.done"))[-1]["response"]
        assert done["output"][0]["content"][0]["transcript"] == "set_timer returned: ok"


async def test_sentences_can_be_items() -> None:
    """With the switch each sentence of an answer is an item of its own."""
    async with serving(Faults(several_items=True), ["One. Two. Three."]) as socket:
        socket.ask("x")
        done = (await socket.until("response.done"))[-1]["response"]
    assert [item["content"][0]["transcript"].strip() for item in done["output"]] == ["One.", "Two.", "Three."]


async def test_deltas_can_be_huge() -> None:
    """With the switch a sentence comes as one delta of more than a MiB."""
    async with serving(Faults(huge_delta_bytes=1 << 20), ["Hm."]) as socket:
        socket.ask("x")
        deltas = [e for e in await socket.until("response.done") if e["type"] == "response.output_audio.delta"]
    assert [len(e["delta"]) >= 4 * (1 << 20) // 3 for e in deltas] == [True]


async def test_events_can_be_doubled_lost_and_unknown() -> None:
    """The faults of the stream reach the client."""
    faults = Faults(duplicate_events=("response.created",), missing_events=("response.output_audio.done",))
    async with serving(faults) as socket:
        socket.ask("x")
        seen = kinds(await socket.until("response.done"))
    assert seen.count("response.created") == 2
    assert "response.output_audio.done" not in seen


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 1012, 4000])
async def test_connection_can_be_closed_after_an_event(code: int) -> None:
    """Each close code comes after the event that is named; 1006 is a loss without a frame."""
    async with serving(Faults(close_after_events=(code, 2))) as socket:
        socket.ask("x")
        await socket.until("conversation.item.added")
        await socket.ended.wait()
        assert socket.end == ("aborted" if code == 1006 else code)
        assert socket.outgoing.empty()


async def test_nonsense_does_not_end_the_connection() -> None:
    """After messages that are no events the client is served as before."""
    async with serving() as socket:
        for nonsense in ("", "{", "[]", '{"type": 1}', '{"type": "x"}', '{"type": "session.update", "session": 1}'):
            socket.incoming.put_nowait(nonsense)
        socket.ask("still here")
        seen = await socket.until("response.done")
    assert kinds(seen).count("error") == 6
    assert seen[-1]["response"]["status"] == "completed"


async def test_client_that_does_not_read_is_dropped_once(caplog: pytest.LogCaptureFixture) -> None:
    """When too much waits for a client it is dropped; whatever it still sends is neither told nor kept."""
    async with serving() as socket:
        await socket.until("session.created")
        socket.reads.clear()
        audio = base64.b64encode(bytes(8 * 1024 * 1024)).decode()
        item = {"id": "long", "type": "message", "role": "user", "content": [{"type": "input_audio", "audio": audio}]}
        socket.say("conversation.item.create", item=item)
        for _ in range(9):  # the seventh is too much
            socket.say("conversation.item.retrieve", item_id="long")
        await socket.ended.wait()
        await socket.incoming.join()
    assert socket.end == "aborted"
    assert caplog.messages.count("a client does not read: dropping it") == 1


async def test_short_events_cannot_pile_up_without_end(caplog: pytest.LogCaptureFixture) -> None:
    """A short event takes more memory than its length tells: their number is bounded, too."""
    async with serving(Faults(), []) as socket:
        await socket.until("session.created")
        socket.reads.clear()
        socket.incoming.put_nowait(json.dumps({"type": "response.cancel"}))
        await socket.incoming.join()
        for _ in range(BACKLOG_MESSAGES + 1):
            socket.say("response.cancel")
        await socket.ended.wait()
    assert socket.end == "aborted"
    assert sum("does not read" in message for message in caplog.messages) == 1


async def test_session_of_a_client_that_does_not_read_ends_with_its_life() -> None:
    """A client that cannot be told that its session is over is dropped."""
    async with serving(life_s=0.01) as socket:
        socket.reads.clear()
        await socket.ended.wait()
    assert socket.end == "aborted"


async def test_stalled_session_ends_with_its_life() -> None:
    """A stall lasts as long as the session does."""
    async with serving(Faults(stall_after_events=1), life_s=0.01) as socket:
        await socket.ended.wait()
    assert socket.end == "aborted"
