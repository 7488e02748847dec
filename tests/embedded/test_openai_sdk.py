"""The contract, driven by the real openai SDK: what works here works with the service."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any, get_args

import pytest
from openai import AsyncOpenAI
from openai.types.realtime import realtime_server_event
from pydantic import TypeAdapter

from speakerd.core.errors import SpeakerdError
from speakerd.embedded.parts import Tier
from speakerd.embedded.server import EmbeddedService
from speakerd.embedded.tiers import neural, scripted
from tests.fakes.embedded import silence, sound

SERVER_EVENTS: TypeAdapter[Any] = TypeAdapter(get_args(realtime_server_event.RealtimeServerEvent)[0])

SESSION: dict[str, Any] = {
    "type": "realtime",
    "output_modalities": ["audio"],
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "transcription": {"model": "whisper-1"},
            "turn_detection": {"type": "server_vad", "prefix_padding_ms": 320, "silence_duration_ms": 500},
        },
        "output": {"voice": "alloy", "format": {"type": "audio/pcm", "rate": 24000}},
    },
}


@contextlib.asynccontextmanager
async def connected(service: EmbeddedService) -> AsyncIterator[Any]:
    """Connect the way the quick start does."""
    url = service.url.replace("/v1", "/openai/v1")
    async with (
        AsyncOpenAI(websocket_base_url=url, api_key="local") as client,
        client.realtime.connect(model="gpt-realtime") as connection,
    ):
        yield connection


@pytest.fixture
async def service() -> AsyncIterator[EmbeddedService]:
    async with EmbeddedService(scripted()) as it:
        yield it


@pytest.fixture(scope="module")
def tier() -> Tier:
    try:
        return neural()
    except SpeakerdError as error:
        pytest.skip(str(error))


async def until(connection: Any, kind: str) -> list[Any]:
    """Return the events up to the first of a type, each checked strictly against the SDK's own models."""
    seen = []
    while not seen or seen[-1].type != kind:
        raw = await connection.recv_bytes()
        event = json.loads(raw)
        model = SERVER_EVENTS.validate_python(event)
        assert model.type == event["type"]
        seen.append(connection.parse_event(raw))
    return seen


async def append(connection: Any, pcm: bytes) -> None:
    await connection.input_audio_buffer.append(audio=base64.b64encode(pcm).decode())


def sound_of(events: list[Any]) -> bytes:
    """Return the audio in events."""
    return b"".join(base64.b64decode(e.delta) for e in events if e.type == "response.output_audio.delta")


async def test_written_turn(service: EmbeddedService) -> None:
    """The quick start's conversation: type a message, get words and sound."""
    async with connected(service) as connection:
        await connection.session.update(session=SESSION)
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
        await connection.conversation.item.create(item=item)
        await connection.response.create()
        seen = await until(connection, "response.done")
    assert seen[-1].response.status == "completed"
    assert seen[-1].response.output[0].content[0].transcript == "You wrote: hi"
    assert len(sound_of(seen)) > 24000


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({"instructions": "Be kind."}, "missing_required_parameter", "session.type"),
        (
            {
                "type": "realtime",
                "audio": {"input": {"turn_detection": {"type": "server_vad", "create_responese": True}}},
            },
            "unknown_parameter",
            "session.audio.input.turn_detection.create_responese",
        ),
    ],
)
async def test_quick_start_mistakes_are_refused(
    service: EmbeddedService, session: dict[str, Any], code: str, param: str
) -> None:
    """An update without its type, or with a misspelt key, gets the service's own error and no session.updated."""
    async with connected(service) as connection:
        await connection.session.update(session=session)
        seen = await until(connection, "error")
        assert [event.type for event in seen] == ["session.created", "error"]
        assert (seen[-1].error.code, seen[-1].error.param) == (code, param)


async def test_spoken_turn_in_a_burst(service: EmbeddedService) -> None:
    """Audio that comes faster than real time is a turn like any other."""
    async with connected(service) as connection:
        await connection.session.update(session=SESSION)
        await append(connection, silence(960) + sound(640) + silence(1000))
        seen = await until(connection, "response.done")
    started = next(e for e in seen if e.type == "input_audio_buffer.speech_started")
    stopped = next(e for e in seen if e.type == "input_audio_buffer.speech_stopped")
    assert (started.audio_start_ms, stopped.audio_end_ms) == (640, 2112)
    assert seen[-1].response.output[0].content[0].transcript == "You said something for 640 milliseconds."


async def test_barge_in() -> None:
    """Speech during an answer cancels it; the answer is truncated to what was heard, and the next one comes."""
    async with (
        EmbeddedService(scripted(["A very long answer. " * 40, "Yes?"])) as service,
        connected(service) as connection,
    ):
        await connection.session.update(session=SESSION)
        await append(connection, sound(640) + silence(1000))
        seen = await until(connection, "response.output_audio.delta")
        await append(connection, sound(320))
        seen += await until(connection, "response.done")
        done = seen[-1].response
        assert (done.status, done.status_details.reason) == ("cancelled", "turn_detected")
        heard_ms = len(sound_of(seen)) // 48 // 2
        item_id = done.output[0].id
        await connection.conversation.item.truncate(item_id=item_id, content_index=0, audio_end_ms=heard_ms)
        truncated = (await until(connection, "conversation.item.truncated"))[-1]
        assert truncated.audio_end_ms == heard_ms
        await append(connection, silence(1000))
        answer = (await until(connection, "response.done"))[-1].response
        assert (answer.status, answer.output[0].content[0].transcript) == ("completed", "Yes?")
        assert answer.id != done.id


async def test_neural_turn(tier: Tier) -> None:
    """A spoken question is written down rightly, and the answer that is spoken is the right one."""
    question = await asyncio.to_thread(tier.voice.speak, "What is the capital of France?", 1.0)
    async with EmbeddedService(tier) as service, connected(service) as connection:
        await connection.session.update(session=SESSION)
        await append(connection, silence(500) + question + silence(1000))
        seen = await until(connection, "response.done")
    (written,) = [e for e in seen if e.type == "conversation.item.input_audio_transcription.completed"]
    assert written.transcript == "What is the capital of France?"
    assert "".join(e.delta for e in seen if e.type == "response.output_audio_transcript.delta") == (
        "The capital of France is Paris."
    )
    heard = await asyncio.to_thread(tier.ears.hear, sound_of(seen))
    assert heard.text == "The capital of France is Paris."


async def test_neural_noise_is_not_answered(tier: Tier) -> None:
    """Noise that is committed as a turn gets an empty transcript and a response that says nothing."""
    async with EmbeddedService(tier) as service, connected(service) as connection:
        manual = {"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}}
        await connection.session.update(session={"type": "realtime", "audio": manual})
        await append(connection, sound(1500, amplitude=800))
        await connection.input_audio_buffer.commit()
        await connection.response.create()
        seen = await until(connection, "response.done")
    assert seen[-1].response.output == []
    assert [e.transcript for e in seen if e.type.endswith("transcription.completed")] == [""]


async def test_neural_barge_in(tier: Tier) -> None:
    """A long story is interrupted by a question, which gets its answer."""
    story, question = [await asyncio.to_thread(tier.voice.speak, q, 1.0) for q in ("Tell me a long story.", "Stop.")]
    async with EmbeddedService(tier) as service, connected(service) as connection:
        await connection.session.update(session=SESSION)
        await append(connection, silence(300) + story + silence(1000))
        await until(connection, "response.output_audio.delta")
        await append(connection, question + silence(1000))
        first = (await until(connection, "response.done"))[-1].response
        assert first.status_details.reason == "turn_detected"
        second = (await until(connection, "response.done"))[-1].response
        assert second.output[0].content[0].transcript == "Okay."
