"""Every event the service can send, held strictly against the SDK's types, and their order against a grammar."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from speakerd.core.errors import SpeakerdError
from speakerd.embedded.faults import Faults
from speakerd.embedded.parts import Tier
from speakerd.embedded.server import EmbeddedService
from speakerd.embedded.tiers import neural, scripted
from tests.contract.guest import Guest, visiting
from tests.fakes.embedded import silence, sound

LONG = "A very long answer. " * 40

TURNS = {"type": "server_vad", "prefix_padding_ms": 320, "silence_duration_ms": 500}
SESSION: dict[str, Any] = {
    "type": "realtime",
    "audio": {"input": {"transcription": {"model": "whisper-1"}, "turn_detection": TURNS}},
}
MANUAL: dict[str, Any] = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}

TIMER = {
    "type": "function",
    "name": "set_timer",
    "description": "Set a timer.",
    "parameters": {
        "type": "object",
        "properties": {"seconds": {"type": "integer", "description": "How long."}, "label": {"type": "string"}},
        "required": ["seconds"],
    },
}


@pytest.fixture(params=[False, True], ids=["openai", "azure"])
async def guest(request: pytest.FixtureRequest) -> AsyncIterator[Guest]:
    async with EmbeddedService(scripted()) as service, visiting(service, azure=request.param) as it:
        await it.send("session.update", session=SESSION)
        await it.until("session.updated")
        yield it


@pytest.fixture(scope="module")
def tier() -> Tier:
    try:
        return neural()
    except SpeakerdError as error:
        pytest.skip(str(error))


async def test_written_turn(guest: Guest) -> None:
    """A message is answered in sound, and when asked for in text."""
    assert (await guest.ask("hello"))["status"] == "completed"
    done = await guest.ask("hello", output_modalities=["text"], metadata={"mine": "yes"})
    assert done["output"][0]["content"] == [{"type": "output_text", "text": "You wrote: hello"}]
    assert done["metadata"] == {"mine": "yes"}


async def test_spoken_turn(guest: Guest) -> None:
    """Speech is noticed, committed, transcribed and answered; the answer comes right behind the item."""
    await guest.append(silence(960))
    await guest.speak()
    await guest.until("response.done")
    kinds = [event["type"] for event in guest.events]
    first = kinds.index("input_audio_buffer.speech_started")
    assert kinds[first : first + 6] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    (started,), (stopped,) = guest.of(kinds[first]), guest.of(kinds[first + 1])
    assert ((started["audio_start_ms"] + 320) % 32, stopped["audio_end_ms"] % 32) == (0, 0)
    await guest.until_told("conversation.item.input_audio_transcription.completed")


async def test_turn_by_hand(guest: Guest) -> None:
    """Without turn detection the client commits, clears and asks; nothing comes by itself."""
    await guest.send("session.update", session=MANUAL)
    await guest.append(sound(500))
    await guest.send("input_audio_buffer.clear")
    await guest.until("input_audio_buffer.cleared")
    assert (await guest.refused("input_audio_buffer.commit"))["code"] == "input_audio_buffer_commit_empty"
    await guest.append(sound(500))
    await guest.send("input_audio_buffer.commit")
    await guest.until("conversation.item.done")
    assert not guest.of("response.created")
    await guest.send("response.create")
    await guest.until("response.done")


@pytest.mark.parametrize("azure", [False, True], ids=["openai", "azure"])
async def test_interrupted_turn_and_truncation(azure: bool) -> None:
    """Speech cancels an answer; its truncation has four cases; the next answer comes as if nothing had been."""
    async with EmbeddedService(scripted([LONG, "Yes?"])) as service, visiting(service, azure=azure) as guest:
        await guest.send("session.update", session=SESSION)
        await guest.speak()
        user_id = (await guest.until("input_audio_buffer.committed"))["item_id"]
        await guest.until("response.output_audio.delta")
        await guest.append(sound(320))
        cancelled = (await guest.until("response.done"))["response"]
        assert (cancelled["status"], cancelled["status_details"]["reason"]) == ("cancelled", "turn_detected")
        kinds = [event["type"] for event in guest.events]
        assert kinds.index("response.done") > len(kinds) - kinds[::-1].index("input_audio_buffer.speech_started") - 1
        truncate = {"content_index": 0, "item_id": cancelled["output"][0]["id"]}
        too_far = await guest.refused("conversation.item.truncate", **truncate, audio_end_ms=10_000_000)
        assert "is already shorter than 10000000ms" in too_far["message"]
        for audio_end_ms in (80, 0):
            await guest.send("conversation.item.truncate", **truncate, audio_end_ms=audio_end_ms)
            assert (await guest.until("conversation.item.truncated"))["audio_end_ms"] == audio_end_ms
        not_ours = await guest.refused("conversation.item.truncate", **{**truncate, "item_id": user_id}, audio_end_ms=0)
        assert not_ours["code"] == "unsupported_content_type"
        await guest.refused("conversation.item.truncate", **{**truncate, "item_id": "item_nobody"}, audio_end_ms=0)
        await guest.send("conversation.item.retrieve", item_id=truncate["item_id"])
        (part,) = (await guest.until("conversation.item.retrieved"))["item"]["content"]
        assert not part.get("transcript")
        await guest.append(silence(1000))
        assert (await guest.until("response.done"))["response"]["status"] == "completed"


async def test_truncation_needs_sound(guest: Guest) -> None:
    """A written answer is no audio that could be truncated; the session goes on."""
    done = await guest.ask("hello", output_modalities=["text"])
    written = {"item_id": done["output"][0]["id"], "content_index": 0, "audio_end_ms": 0}
    error = await guest.refused("conversation.item.truncate", **written)
    assert error["code"] == "unsupported_content_type"
    assert error["message"] == "Only model output audio messages can be truncated"
    assert (await guest.ask("hello"))["status"] == "completed"


async def test_cancelled_by_the_client() -> None:
    """A client may stop an answer, once; meanwhile it may not ask for another one in the same conversation."""
    async with EmbeddedService(scripted([LONG])) as service, visiting(service) as guest:
        await guest.write("hello")
        await guest.send("response.create")
        response_id = (await guest.until("response.created"))["response"]["id"]
        await guest.until("response.output_audio.delta")
        busy = await guest.refused("response.create")
        assert busy["code"] == "conversation_already_has_active_response"
        await guest.send("response.cancel", response_id=response_id)
        done = (await guest.until("response.done"))["response"]
        assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
        assert (await guest.refused("response.cancel"))["code"] == "response_cancel_not_active"


async def test_answer_that_runs_out_of_tokens(guest: Guest) -> None:
    """An answer cut short by ``max_output_tokens`` ends in order, incomplete."""
    done = await guest.ask("a long story", max_output_tokens=20)
    assert done["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}


async def test_out_of_band(guest: Guest) -> None:
    """A response beside the conversation leaves no item in it, and may run while another one does."""
    given = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "aside"}]}]
    await guest.write("hello")
    await guest.send("response.create")
    await guest.send("response.create", response={"conversation": "none", "input": given})
    await guest.until("response.done")
    await guest.until("response.done")
    beside, inside = sorted(
        (e["response"] for e in guest.of("response.done")), key=lambda r: bool(r["conversation_id"])
    )
    assert beside["conversation_id"] is None
    added = {event["item"]["id"] for event in guest.of("conversation.item.added")}
    assert inside["output"][0]["id"] in added
    assert beside["output"][0]["id"] not in added


async def test_items(guest: Guest) -> None:
    """Items of every kind are created, placed, retrieved and deleted."""
    await guest.write("second")
    await guest.until("conversation.item.done")
    await guest.write("first", previous_item_id="root")
    first = await guest.until("conversation.item.done")
    assert first["previous_item_id"] is None
    call = {"type": "function_call", "call_id": "call_1", "name": "set_timer", "arguments": "{}"}
    for item in (
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "rule"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "said"}]},
        call,
        {"type": "function_call_output", "call_id": "call_1", "output": "done"},
    ):
        await guest.send("conversation.item.create", item=item)
        assert (await guest.until("conversation.item.done"))["item"]["type"] == item["type"]
    item_id = first["item"]["id"]
    await guest.send("conversation.item.retrieve", item_id=item_id)
    assert (await guest.until("conversation.item.retrieved"))["item"]["id"] == item_id
    await guest.send("conversation.item.delete", item_id=item_id)
    await guest.until("conversation.item.deleted")
    gone = await guest.refused("conversation.item.retrieve", item_id=item_id)
    assert gone["code"] == "item_retrieve_invalid_item_id"


@pytest.mark.parametrize(
    ("kind", "fields", "code", "param"),
    [
        ("session.update", {"session": {"instructions": "x"}}, "missing_required_parameter", "session.type"),
        ("session.update", {"session": {"type": "realtime", "x": 1}}, "unknown_parameter", "session.x"),
        ("session.update", {}, "missing_required_parameter", "session"),
        ("no.such.event", {}, "invalid_value", "type"),
        ("input_audio_buffer.append", {"audio": "not base64!"}, None, "audio"),
        ("conversation.item.delete", {"item_id": "item_x"}, "item_delete_invalid_item_id", None),
        ("response.create", {"response": {"output_modalities": ["text", "audio"]}}, "invalid_value", None),
    ],
)
async def test_errors(guest: Guest, kind: str, fields: dict[str, Any], code: str | None, param: str | None) -> None:
    """A refused event is an error of the SDK's shape that names the event, the code and the place; life goes on."""
    error = await guest.refused(kind, **fields)
    assert error["type"] == "invalid_request_error"
    assert code is None or error["code"] == code
    assert param is None or error["param"] == param
    assert (await guest.ask("still there?"))["status"] == "completed"


async def test_end_of_a_session() -> None:
    """At its age's end a session says so and is closed with 1001."""
    async with EmbeddedService(scripted(), life_s=0.2) as service, visiting(service) as guest:
        error = (await guest.until("error"))["error"]
        assert error["code"] == "session_expired"
        with pytest.raises(ConnectionClosed) as closed:
            await guest.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001


async def test_words_are_told_in_a_neural_session(tier: Tier) -> None:
    """A spoken question has a transcript, delta by delta, and its answer keeps to the same order."""
    question = await asyncio.to_thread(tier.voice.speak, "What is the capital of France?", 1.0)
    async with EmbeddedService(tier) as service, visiting(service) as guest:
        await guest.send("session.update", session=SESSION)
        await guest.append(silence(500) + question + silence(1000))
        await guest.until("response.done")
        await guest.until_told("conversation.item.input_audio_transcription.completed")
    written = [e["delta"] for e in guest.of("conversation.item.input_audio_transcription.delta")]
    assert "".join(written) == "What is the capital of France?"


async def test_function_call() -> None:
    """A call comes as an item with its arguments in deltas; its output is answered when the client asks."""
    script = ['@set_timer {"seconds": 300, "label": "tea"}', "The timer is set."]
    async with EmbeddedService(scripted(script)) as service, visiting(service) as guest:
        await guest.send("session.update", session={"type": "realtime", "tools": [TIMER]})
        done = await guest.ask("five minutes for the tea, please")
        (call,) = done["output"]
        assert (call["type"], call["name"]) == ("function_call", "set_timer")
        assert json.loads(call["arguments"]) == {"seconds": 300, "label": "tea"}
        (told,) = guest.of("response.function_call_arguments.done")
        assert (told["call_id"], told["name"], told["arguments"]) == (call["call_id"], call["name"], call["arguments"])
        unknown = {"type": "function_call_output", "call_id": "call_nobody", "output": "{}"}
        assert "call_nobody" in (await guest.refused("conversation.item.create", item=unknown))["message"]
        await guest.send("conversation.item.create", item={**unknown, "call_id": call["call_id"]})
        await guest.until("conversation.item.done")
        await guest.send("response.create")
        answer = (await guest.until("response.done"))["response"]
        assert answer["output"][0]["content"][0]["transcript"] == "The timer is set."


async def test_nobody_says_anything() -> None:
    """With an idle timeout, silence after an answer is told, committed and answered."""
    idle = {"type": "server_vad", "idle_timeout_ms": 5000}
    async with EmbeddedService(scripted()) as service, visiting(service) as guest:
        await guest.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": idle}}})
        await guest.ask("hello")
        await guest.append(silence(8000))  # the answer plays for one second of them
        timeout = await guest.until("input_audio_buffer.timeout_triggered")
        assert timeout["audio_end_ms"] - timeout["audio_start_ms"] >= 5000
        await guest.until("response.done")


@pytest.mark.parametrize(
    "faults",
    [
        Faults(fail_responses=1),
        Faults(transcription_fails=True),
        Faults(several_items=True),
        Faults(late_done=True),
    ],
    ids=["failed response", "failed transcription", "several items", "late end"],
)
async def test_what_goes_wrong_on_purpose_goes_wrong_as_the_service_would(faults: Faults) -> None:
    """Faults that the protocol itself knows are told in its own events, in order."""
    async with EmbeddedService(scripted(["One. Two. Three."]), faults=faults) as service, visiting(service) as guest:
        await guest.send("session.update", session=SESSION)
        await guest.speak()
        await guest.until("response.created")
        await guest.speak()
        done = [(await guest.until("response.done"))["response"] for _ in range(2)]
        if faults.transcription_fails:
            await guest.until_told("conversation.item.input_audio_transcription.failed")
    if faults.fail_responses:
        (failed,) = [response for response in done if response["status"] == "failed"]
        assert failed["status_details"]["error"]["code"] == "insufficient_quota"
        assert failed["usage"]["total_tokens"] == 0
    if faults.several_items:
        assert max(len(response["output"]) for response in done) > 1


async def test_late_sound() -> None:
    """Sound of an interrupted answer still comes after its interruption was told, but not behind its end."""
    faults = Faults(late_deltas=2)
    async with EmbeddedService(scripted([LONG, "Yes?"]), faults=faults) as service, visiting(service) as guest:
        await guest.write("hello")
        await guest.send("response.create")
        await guest.until("response.output_audio.delta")
        await guest.speak()
        cancelled = (await guest.until("response.done"))["response"]
        await guest.until("response.done")
    kinds = [event["type"] for event in guest.events]
    behind = guest.events[kinds.index("input_audio_buffer.speech_started") :]
    late = [e["type"] for e in behind if e.get("response_id") == cancelled["id"]]
    assert late[:3] == ["response.output_audio.delta", "response.output_audio.delta", "response.output_audio.done"]
