"""A speaker made of ``openai-agents`` and ``sounddevice``, to be measured. Runs where those two are, without speakerd.

It is our program on their public interface, and works as their command line demo does: the microphone is read in
pieces of 40 ms, looked for every 10 ms; a callback plays 40 ms at a time and tells the SDK's playback tracker what it
handed over; what waits is thrown away when the SDK says that the user speaks. Their demo closes the microphone while
it plays; this one leaves it open, or nobody could interrupt it. Argument: the service's URL, query included.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import Any

import numpy as np
import sounddevice  # type: ignore[import-not-found]  # installed in the peer's own environment
from agents.realtime import (  # type: ignore[import-not-found]  # the same
    RealtimeAgent,
    RealtimePlaybackTracker,
    RealtimeRunner,
    RealtimeSession,
)

RATE_HZ = 24_000
PIECE_FRAMES = RATE_HZ * 40 // 1000
"""What is read and played at once: 40 ms, as in the demo of the SDK."""

LOOK_S = 0.01
"""How often the microphone is asked whether a piece is there, as in the demo of the SDK."""

MICROPHONE = {"blocksize": PIECE_FRAMES // 2, "latency": 0.1}
"""Periods of 20 ms, five of them. Left to itself PortAudio asks a card for a buffer of 35 ms, in which there are never
the 40 ms that the demo waits for."""

CARD = {"samplerate": RATE_HZ, "channels": 1, "dtype": "int16"}


class Player:
    """Plays what the session says, in PortAudio's callback."""

    def __init__(self) -> None:
        self.tracker = RealtimePlaybackTracker()
        self._waiting: deque[tuple[str, int, Any]] = deque()

    def add(self, item_id: str, content_index: int, pcm: bytes) -> None:
        """Play something behind what is there already."""
        self._waiting.append((item_id, content_index, np.frombuffer(pcm, np.int16)))

    def flush(self) -> None:
        """Throw away what was not handed over yet."""
        self._waiting.clear()

    def fill(self, out: Any, frames: int, _time: Any, _status: Any) -> None:
        """Hand over the next frames, silence where there are none."""
        out.fill(0)
        at = 0
        while at < frames:
            try:
                item_id, content_index, pcm = self._waiting.popleft()
            except IndexError:
                return
            part, rest = pcm[: frames - at], pcm[frames - at :]
            if len(rest):
                self._waiting.appendleft((item_id, content_index, rest))
            out[at : at + len(part), 0] = part
            at += len(part)
            self.tracker.on_play_bytes(item_id, content_index, part.tobytes())


async def listen(session: RealtimeSession, microphone: Any) -> None:
    """Send what the microphone hears."""
    while True:
        if microphone.read_available < PIECE_FRAMES:
            await asyncio.sleep(LOOK_S)
            continue
        heard, _ = microphone.read(PIECE_FRAMES)
        await session.send_audio(heard.tobytes())


async def converse(url: str) -> None:
    """Listen and speak until the process is ended."""
    player = Player()
    detection = {"type": "server_vad", "silence_duration_ms": 500, "interrupt_response": True, "create_response": True}
    config = {
        "url": url,
        "api_key": "local",
        "playback_tracker": player.tracker,
        "initial_model_settings": {"model_name": "gpt-realtime", "turn_detection": detection},
    }
    agent = RealtimeAgent(name="Speaker", instructions="Be brief.")
    with sounddevice.OutputStream(**CARD, blocksize=PIECE_FRAMES, callback=player.fill):
        async with await RealtimeRunner(agent).run(model_config=config) as session:
            with sounddevice.InputStream(**CARD, **MICROPHONE) as microphone:
                listening = asyncio.create_task(listen(session, microphone))
                async for event in session:
                    if event.type == "audio":
                        player.add(event.item_id, event.content_index, event.audio.data)
                    elif event.type == "audio_interrupted":
                        player.flush()
                    elif event.type == "error":
                        print(f"error: {event.error}", flush=True)  # noqa: T201 - for the log
                    if listening.done():
                        listening.result()


if __name__ == "__main__":
    asyncio.run(converse(sys.argv[1]))
