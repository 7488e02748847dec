"""Type messages, read and hear the answers: the vendor's Python quick start in our words, with both its mistakes.

The same calls in the same order. It differs in three ways: a token from the environment stands in for Entra ID, error
events are told on standard error, and arguments put the mistakes right: ``type`` says what kind of session it is,
``create_response`` spells the key as the service does.
"""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from typing import Any

from openai import AsyncOpenAI


def configuration(corrections: list[str]) -> dict[str, Any]:
    """Return the session that is asked for."""
    pcm = {"type": "audio/pcm", "rate": 24000}
    create_response = "create_response" if "create_response" in corrections else "create_responese"
    detection = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 200}
    session: dict[str, Any] = {
        "instructions": "Be brief and kind.",
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "transcription": {"model": "whisper-1"},
                "format": pcm,
                "turn_detection": {**detection, create_response: True},
            },
            "output": {"voice": "alloy", "format": pcm},
        },
    }
    if "type" in corrections:
        session["type"] = "realtime"
    return session


def tell(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def answered(connection: Any) -> None:
    """Read until the response is done."""
    async for event in connection:
        match event.type:
            case "response.output_audio.delta":
                tell(f"audio {len(base64.b64decode(event.delta))}")
            case "response.output_audio_transcript.delta" | "response.output_text.delta":
                tell(f"text {event.delta}")
            case "error":
                sys.stderr.write(f"error {event.error.code} {event.error.param}\n")
            case "response.done":
                return


async def main(corrections: list[str]) -> None:
    """Hold the conversation."""
    address = os.environ["AZURE_OPENAI_ENDPOINT"].replace("https://", "wss://").rstrip("/") + "/openai/v1"
    client = AsyncOpenAI(websocket_base_url=address, api_key=os.environ["FAKE_TOKEN"])
    async with client.realtime.connect(model=os.environ["AZURE_OPENAI_DEPLOYMENT_NAME"]) as connection:
        await connection.session.update(session=configuration(corrections))
        while (message := sys.stdin.readline().strip()) != "q":
            content = [{"type": "input_text", "text": message}]
            await connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
            await connection.response.create()
            await answered(connection)
    tell("ended")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
