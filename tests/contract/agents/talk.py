"""A conversation held by ``openai-agents``, told as one JSON object on standard output.

Runs in an environment of its own, where neither speakerd nor its tests are. Arguments: what to do (``text``, ``audio``,
``tool`` or ``interruption``), the URL, and a WAV file (24 kHz, mono, 16 bit) of somebody speaking.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import wave
from typing import Any

from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner, RealtimeSession

PATIENCE_S = 30.0
"""How long a conversation may take."""

SILENCE = bytes(2 * 24_000)
"""A second of it, which ends a turn."""


class Complaints(logging.Handler):
    """Keeps what the library logs as a warning or worse: that is how it tells of an event it cannot validate."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@function_tool
def set_lamp(brightness: int) -> str:
    """Set how bright the lamp is, from 0 to 100."""
    return f"The lamp is at {brightness}."


class Report:
    """What the library made of a conversation."""

    def __init__(self) -> None:
        self.raw: list[dict[str, Any]] = []
        self.events: list[str] = []
        self.errors: list[str] = []
        self.audio_bytes = 0

    async def until_done(self, session: RealtimeSession, *, first_audio: bool = False) -> dict[str, Any]:
        """Listen up to ``response.done`` or the first audio and return that event of the server."""
        async for event in session:
            self.events.append(event.type)
            if event.type == "error":
                self.errors.append(str(event.error))
            elif event.type == "audio":
                self.audio_bytes += len(event.audio.data)
                if first_audio:
                    return {}
            elif event.type == "raw_model_event" and event.data.type == "exception":
                self.errors.append(f"{event.data.context}: {event.data.exception}")
            elif event.type == "raw_model_event" and event.data.type == "raw_server_event":
                self.raw.append(event.data.data)
                if event.data.data["type"] == "response.done":
                    response: dict[str, Any] = event.data.data["response"]
                    return response
        raise EOFError("the session ended early")


async def converse(what: str, url: str, speech: bytes) -> dict[str, Any]:
    """Hold the conversation and return what came of it."""
    complaints = Complaints()
    logging.getLogger("openai.agents").addHandler(complaints)
    agent = RealtimeAgent(name="Guest", instructions="Be brief.", tools=[set_lamp])
    detection = {"type": "server_vad", "silence_duration_ms": 400, "interrupt_response": True, "create_response": True}
    settings = {
        "model_name": "gpt-realtime",
        "voice": "marin",
        "modalities": ["audio"],
        "input_audio_transcription": {"model": "whisper-1"},
        "turn_detection": detection,
    }
    model_config = {"url": url, "api_key": "local", "initial_model_settings": settings}
    report = Report()
    responses = []
    async with await RealtimeRunner(agent).run(model_config=model_config) as session:
        if what == "audio":
            await session.send_audio(speech + SILENCE)
        else:
            await session.send_message("How are you?")
        if what == "interruption":
            await report.until_done(session, first_audio=True)
            await session.send_audio(speech + SILENCE)
            responses.append(await report.until_done(session))
        if what == "tool":
            responses.append(await report.until_done(session))  # the call, which the library answers by itself
        responses.append(await report.until_done(session))
    return {
        "responses": responses,
        "server": [event["type"] for event in report.raw],
        "events": sorted(set(report.events)),
        "errors": report.errors,
        "complaints": complaints.lines,
        "audio_bytes": report.audio_bytes,
        "truncated": [event for event in report.raw if event["type"] == "conversation.item.truncated"],
        "session": [event["session"] for event in report.raw if event["type"] == "session.updated"],
    }


def main(what: str, url: str, wav: str) -> None:
    """Print the report."""
    with wave.open(wav) as stream:
        speech = stream.readframes(stream.getnframes())
    report = asyncio.run(asyncio.wait_for(converse(what, url, speech), PATIENCE_S))
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
