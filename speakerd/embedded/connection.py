"""One client's connection: its conversation, the threads that do the heavy work, and the way back to the client.

The conversation decides; this carries out. Everything here runs on the event loop except the tier's ears, voice and
detector, which work in an executor.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from datetime import datetime
from functools import partial
from typing import Any

from speakerd.core.units import SAMPLE_BYTES, WIRE_RATE_HZ
from speakerd.embedded.asking import prompt_for, subject
from speakerd.embedded.conversation import Conversation
from speakerd.embedded.faults import Faults
from speakerd.embedded.items import Item
from speakerd.embedded.orders import Answer, Hear, Listen, Settle, Stop
from speakerd.embedded.outbox import Outbox, Socket
from speakerd.embedded.parts import Call, Heard, Tier
from speakerd.embedded.reply import Reply
from speakerd.embedded.responses import Wish
from speakerd.embedded.validate import Refusal
from speakerd.embedded.witness import Witness, Witnesses

_log = logging.getLogger("speakerd.embedded")

_LISTEN_BYTES = WIRE_RATE_HZ * SAMPLE_BYTES
"""The most audio the detector takes at once: a second, so that a turn inside a long append is told soon."""

_LONG_MESSAGE_BYTES = 256 * 1024
"""Longer ones are taken apart in a thread; a thread costs more than a shorter one (guessed)."""

_FAREWELL_S = 10.0
"""How long a client may take to be told that its session is over (guessed)."""

_SETTLE_S = 0.05
"""How long a cancelled response goes on being the active one (guessed: the service needs a moment, too)."""


class Connection:
    """Serves one client until it leaves.

    Args:
        socket: The client; its methods raise ``EOFError`` once it is gone.
        conversation: The session, not yet opened.
        tier: Ears, brain and voice.
        executor: Where heavy work is done.
        pace: Seconds of answer sent for each second that passes.
        faults: What goes wrong on purpose.
        life_s: How long the session may last.
        farewell_s: How long its end may take to reach the client before the connection is dropped.
        received: Told the size of every message that comes in.
        witness: Looks on; told when the connection is over, too.
    """

    def __init__(
        self,
        socket: Socket,
        conversation: Conversation,
        tier: Tier,
        executor: Executor,
        *,
        pace: float,
        faults: Faults,
        life_s: float,
        farewell_s: float = _FAREWELL_S,
        received: Callable[[int], None],
        witness: Witness | None = None,
    ) -> None:
        self._socket = socket
        self._conversation = conversation
        self._tier = tier
        self._executor = executor
        self._pace = pace
        self._faults = conversation.faults = faults
        self._life_s = life_s
        self._farewell_s = farewell_s
        self._received = received
        self._witness: Witness = witness or Witnesses(())
        self._outbox = Outbox(socket, faults)
        self._recognising = asyncio.Lock()
        self._heard: dict[str, asyncio.Task[Heard]] = {}
        self._replies: dict[str, asyncio.Task[None]] = {}

    async def serve(self) -> None:
        """Speak with the client.

        Ends:
            When the client leaves, a fault or the session's age ends it, or by cancellation.
        """
        tasks: set[asyncio.Task[None]] = {
            asyncio.create_task(self._read(), name="embedded-read"),
            asyncio.create_task(self._outbox.run(), name="embedded-write"),
            asyncio.create_task(self._expire(), name="embedded-expire"),
        }
        if self._faults.drop_after_s is not None:
            tasks.add(asyncio.create_task(self._drop(self._faults.drop_after_s), name="embedded-drop"))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except EOFError:
            _log.debug("client left")
        finally:
            work: list[asyncio.Task[Any]] = [
                *tasks,
                *self._heard.values(),
                *self._replies.values(),
            ]
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            self._witness.closed()

    async def _read(self) -> None:
        """Take in the client's messages, one after the other."""
        self._conversation.open()
        self._flush()
        while True:
            raw = await self._socket.recv()
            self._received(len(raw))
            if len(raw) > _LONG_MESSAGE_BYTES:
                loop = asyncio.get_running_loop()
                intake = await loop.run_in_executor(self._executor, self._conversation.prepare, raw)
                self._conversation.accept(intake)
            else:
                self._conversation.receive(raw)
            for listen in self._flush():
                await self._listen(listen.pcm)

    async def _expire(self) -> None:
        """End the session when its time is over, the way the service does."""
        await asyncio.sleep(self._life_s)
        sentence = f"Your session hit the maximum duration of {round(self._life_s / 60)} minutes."
        self._conversation.refuse(Refusal("session_expired", sentence), None)
        self._flush()
        self._outbox.part(1001, sentence)
        await asyncio.sleep(
            self._farewell_s
        )  # the writer ends the connection, unless it waits for a client that is gone
        self._socket.abort()

    async def _drop(self, delay_s: float) -> None:
        """Fault: lose the connection after a while."""
        await asyncio.sleep(delay_s)
        self._socket.abort()

    def _flush(self) -> list[Listen]:
        """Send what the conversation says, start what it orders; return what the detector has yet to hear."""
        listens: list[Listen] = []
        while outputs := self._conversation.take():
            for output in outputs:
                match output:
                    case Listen():
                        listens.append(output)
                    case Hear(item_id, pcm):
                        self._heard[item_id] = asyncio.create_task(self._hear(item_id, pcm), name="embedded-hear")
                    case Answer():
                        self._answer(output)
                    case Stop(response_id):
                        self._stop(response_id)
                    case Settle(response_id):
                        self._track(response_id, self._settle(response_id))
                    case event:
                        self._post(event)
        return listens

    def _post(self, event: dict[str, Any]) -> None:
        """Queue an event for the client."""
        if self._outbox.is_dropped:
            return
        self._witness.posted(event)
        self._outbox.post(event)

    async def _listen(self, pcm: bytes) -> None:
        """Let the turn detector hear appended audio."""
        loop = asyncio.get_running_loop()
        for at in range(0, len(pcm), _LISTEN_BYTES):
            feed = partial(self._conversation.turns.feed, pcm[at : at + _LISTEN_BYTES])
            for event in await loop.run_in_executor(self._executor, feed):
                self._conversation.turn(event)
            self._flush()

    async def _hear(self, item_id: str, pcm: bytes) -> Heard:
        """Recognise what an item says and tell the conversation."""
        self._witness.listened(item_id, pcm)
        heard = await self._recognise(pcm)
        self._witness.recognised(item_id, heard.text)
        self._conversation.heard(item_id, heard.text)
        self._flush()
        return heard

    async def _recognise(self, pcm: bytes) -> Heard:
        """Return what is said in wire audio; one piece at a time, so that a client cannot take all the threads."""
        async with self._recognising:
            return await asyncio.get_running_loop().run_in_executor(self._executor, self._tier.ears.hear, pcm)

    def _answer(self, order: Answer) -> None:
        """Start filling a response."""
        reply = Reply(
            self._conversation,
            order.response_id,
            voice=self._tier.voice,
            executor=self._executor,
            pace=self._pace,
            flush=self._flush,
        )
        self._track(order.response_id, reply.run(partial(self._think, order)))

    async def _settle(self, response_id: str) -> None:
        """Let a moment pass before a response that the client cancelled is over."""
        await asyncio.sleep(_SETTLE_S)
        self._conversation.settled(response_id)
        self._flush()

    def _track(self, response_id: str, work: Coroutine[Any, Any, None]) -> None:
        """Start what a response needs done; there is one such thing at a time."""
        task = self._replies[response_id] = asyncio.create_task(work, name="embedded-reply")
        task.add_done_callback(partial(self._forget, response_id))

    def _forget(self, response_id: str, task: asyncio.Task[None]) -> None:
        """Let go of a reply that has ended; an error in it ends the connection."""
        if self._replies.get(response_id) is task:
            del self._replies[response_id]
        if not task.cancelled() and task.exception() is not None:
            _log.error("an answer failed", exc_info=task.exception())
            self._socket.abort()

    def _stop(self, response_id: str) -> None:
        """Stop filling a response."""
        task = self._replies.pop(response_id, None)
        if task is not None:
            task.cancel()

    async def _think(self, order: Answer) -> str | Call | None:
        """Return what to say, or which function to call."""
        item = subject(order.items)
        heard = await self._heard_of(item) if item is not None else None
        response = self._conversation.running(order.response_id)
        wish = response.wish if response is not None else Wish()
        instructions = str(self._conversation.session["instructions"])
        return self._tier.brain.answer(prompt_for(order.items, wish, instructions, heard, datetime.now().astimezone()))

    async def _heard_of(self, item: Item) -> Heard | None:
        """Return what was heard of an item, or None when it is not spoken."""
        if item.item_id in self._heard:
            return await asyncio.shield(self._heard[item.item_id])
        if not item.audio:
            return None
        heard = await self._recognise(bytes(item.audio))
        item.heard = heard.text
        return heard
