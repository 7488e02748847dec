"""Function calls, silence, late and failed ends: what a session answers besides plain speech."""

from __future__ import annotations

import json
from typing import Any

import pytest

from speakerd.embedded.asking import prompt_for, subject
from speakerd.embedded.faults import Faults
from speakerd.embedded.orders import Answer, Stop
from speakerd.embedded.parts import Result
from speakerd.embedded.responses import Wish
from tests.fakes.embedded import NOW, Client, kinds, silence, sound

TOOL = {"type": "function", "name": "set_timer", "parameters": {"type": "object", "properties": {}}}
OTHER = {"type": "function", "name": "set_volume"}

CALL = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]


def update(**session: Any) -> dict[str, Any]:
    return {"session": {"type": "realtime", **session}}


def detecting(**fields: Any) -> dict[str, Any]:
    detection = {"type": "server_vad", "silence_duration_ms": 500, **fields}
    return update(audio={"input": {"turn_detection": detection}})


def spoken(client: Client, span_ms: float = 1000) -> list[dict[str, Any]]:
    """Have the response that was ordered last say something whole; return the events."""
    response_id = client.answering()
    client.conversation.begin(response_id)
    client.conversation.say(response_id, "Hello there.")
    client.conversation.play(response_id, silence(span_ms))
    client.conversation.finish(response_id)
    return client.events()


@pytest.fixture
def client() -> Client:
    return Client()


def called(client: Client, **response: Any) -> list[dict[str, Any]]:
    """Ask for a response and have it call a function; return the events."""
    events = client.send("response.create", response=response)
    response_id = client.answering()
    client.conversation.call(response_id, "set_timer", {"seconds": 300})
    client.conversation.finish(response_id)
    return events + client.events()


def test_function_call_has_the_documented_order(client: Client) -> None:
    """A call is an item of its own: empty first, its arguments in pieces, then whole, and no sound."""
    client.write("Set a timer.")
    events = called(client)
    assert kinds(events) == CALL
    assert (events[1]["item"]["status"], events[1]["item"]["arguments"]) == ("in_progress", "")
    done = events[5]
    assert json.loads(done["arguments"]) == {"seconds": 300}
    assert "".join(e["delta"] for e in events if e["type"].endswith("arguments.delta")) == done["arguments"]
    (item,) = events[8]["response"]["output"]
    assert (item["type"], item["status"], item["name"], item["call_id"]) == (
        *("function_call", "completed", "set_timer"),
        done["call_id"],
    )
    assert events[8]["response"]["usage"]["output_token_details"]["audio_tokens"] == 0
    assert events[8]["response"]["usage"]["output_token_details"]["text_tokens"] > 0


def test_output_of_a_call_is_what_the_next_response_answers(client: Client) -> None:
    """After the client's outputs the next response is about them, and about the call's name."""
    client.write("Set a timer.")
    call_id = called(client)[5]["call_id"]
    output = {"type": "function_call_output", "call_id": call_id, "output": "Done."}
    assert kinds(client.send("conversation.item.create", item=output)) == [
        *("conversation.item.added", "conversation.item.done"),
    ]
    client.send("response.create")
    items = next(order.items for order in reversed(client.orders) if isinstance(order, Answer))
    prompt = prompt_for(items, Wish(tools=(TOOL,), tool_choice="required"), "", None, NOW)
    assert (prompt.results, prompt.must_call) == ((Result("set_timer", "Done."),), False)


def test_output_of_no_call_is_refused(client: Client) -> None:
    """An output must belong to a call of the conversation."""
    output = {"type": "function_call_output", "call_id": "call_x", "output": ""}
    (event,) = client.send("conversation.item.create", item=output, event_id="mine")
    error = event["error"]
    assert (error["code"], error["param"], error["event_id"]) == ("invalid_tool_call_output", "item.call_id", "mine")
    assert error["message"] == "No tool call found with call_id 'call_x'."


@pytest.mark.parametrize(
    ("choice", "names", "must_call"),
    [
        ("auto", ["set_timer", "set_volume"], False),
        ("none", [], False),
        ("required", ["set_timer", "set_volume"], True),
        ({"type": "function", "name": "set_volume"}, ["set_volume"], True),
    ],
)
def test_tool_choice_says_what_may_be_called(client: Client, choice: Any, names: list[str], must_call: bool) -> None:
    """None, any, at least one, or a certain one; a response's own choice and tools come before the session's."""
    client.send("session.update", **update(tools=[TOOL]))
    client.write("x")
    client.send("response.create", response={"tools": [TOOL, OTHER], "tool_choice": choice})
    response = client.conversation.running(client.answering())
    assert response is not None
    assert [tool["name"] for tool in response.wish.callable()] == names
    assert response.wish.must_call is must_call


def test_choice_of_an_undeclared_function_is_refused(client: Client) -> None:
    """A function that is chosen has to be declared."""
    choice = {"type": "function", "name": "gone"}
    for kind, fields, param in (
        ("session.update", update(tool_choice=choice), "session.tool_choice"),
        ("response.create", {"response": {"tool_choice": choice, "tools": [TOOL]}}, "response.tool_choice"),
    ):
        (event,) = client.send(kind, **fields)
        assert (event["error"]["code"], event["error"]["param"]) == ("invalid_value", param)


def test_user_is_the_subject_again_once_they_speak(client: Client) -> None:
    """A user who says something after a call's output is answered themselves."""
    client.write("Set a timer.")
    call_id = called(client)[5]["call_id"]
    client.send(
        "conversation.item.create", item={"type": "function_call_output", "call_id": call_id, "output": "Done."}
    )
    client.write("And tell me a joke.")
    item = subject(list(client.conversation.history))
    assert item is not None
    assert item.words == "And tell me a joke."


IDLE = [
    "input_audio_buffer.timeout_triggered",
    "conversation.item.added",
    "conversation.item.done",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
]


def test_silence_after_an_answer_is_a_turn(client: Client) -> None:
    """With idle_timeout_ms a silence as long as that, after the answer was played, is noted, kept and answered."""
    client.send("session.update", **detecting(idle_timeout_ms=5000))
    assert client.append(silence(20_000)) == []  # nothing was answered yet
    client.write("hi")
    client.send("response.create")
    spoken(client, 2000)
    assert client.append(silence(6900)) == []
    events = client.append(silence(200))
    assert kinds(events) == IDLE
    assert events[0]["audio_end_ms"] - events[0]["audio_start_ms"] == 5024
    assert 21_900 <= events[0]["audio_start_ms"] <= 22_000
    assert (events[1]["item"]["role"], events[4]["item"]["role"]) == ("system", "user")
    assert events[0]["item_id"] == events[3]["item_id"] == events[4]["item"]["id"]
    usage = spoken(client)[-2]["response"]["usage"]
    assert usage["input_token_details"]["audio_tokens"] == 50 + 40


def test_speech_ends_the_waiting(client: Client) -> None:
    """A user who speaks in time is not taken for silent; without idle_timeout_ms nobody is."""
    client.send("session.update", **detecting(idle_timeout_ms=5000, create_response=False))
    client.write("hi")
    client.send("response.create")
    spoken(client)
    assert kinds(client.append(silence(3000) + sound(400) + silence(9000)))[0] == "input_audio_buffer.speech_started"
    client.send("response.create")
    spoken(client)
    client.send("session.update", **detecting(idle_timeout_ms=None))
    assert client.append(silence(9000)) == []


def test_settings_change_in_the_middle_of_speech(client: Client) -> None:
    """A longer silence that is asked for while the user speaks holds for this turn."""
    client.send("session.update", **detecting())
    assert kinds(client.append(sound(640))) == ["input_audio_buffer.speech_started"]
    client.send("session.update", **detecting(silence_duration_ms=1500))
    assert client.append(silence(1400)) == []
    assert kinds(client.append(silence(200)))[0] == "input_audio_buffer.speech_stopped"


def test_detection_switched_off_in_the_middle_of_speech(client: Client) -> None:
    """The turn under way becomes a matter of the client, which commits it under the name it was announced with."""
    began = client.append(sound(640))[0]
    client.send("session.update", **update(audio={"input": {"turn_detection": None}}))
    assert client.append(silence(3000)) == []
    committed = client.send("input_audio_buffer.commit")[0]
    assert committed["item_id"] == began["item_id"]


def test_buffer_without_detection_is_bounded(client: Client) -> None:
    """Ten minutes of audio that nobody commits are enough."""
    client.send("session.update", **update(audio={"input": {"turn_detection": None}}))
    for _ in range(2):
        assert client.append(silence(299_000)) == []
    (event,) = client.append(silence(5_000))
    assert event["error"]["code"] == "input_audio_buffer_full"
    assert kinds(client.send("input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]
    assert client.append(silence(5_000)) == []


def test_interrupted_end_can_come_late(client: Client) -> None:
    """With the switch, response.done of an interrupted answer comes right after the next response.created."""
    client.conversation.faults = Faults(late_done=True)
    client.send("session.update", **detecting())
    client.write("talk")
    client.send("response.create")
    response_id = client.answering()
    client.conversation.begin(response_id)
    client.conversation.play(response_id, silence(500))
    client.events()
    events = client.append(sound(640) + silence(1000))
    assert "response.done" not in kinds(events)[: kinds(events).index("response.created")]
    assert kinds(events)[-3:] == ["response.created", "response.done", "rate_limits.updated"]
    assert events[-2]["response"]["id"] == response_id
    assert Stop(response_id) in client.orders


def test_response_can_fail(client: Client) -> None:
    """With the switch a response ends at once as failed, with its reason and no usage; the next one works."""
    client.conversation.faults = Faults(fail_responses=1)
    client.write("talk")
    events = client.send("response.create")
    assert kinds(events) == ["response.created", "response.done", "rate_limits.updated"]
    failed = events[1]["response"]
    assert (failed["status"], failed["output"]) == ("failed", [])
    assert failed["status_details"]["error"]["code"] == "insufficient_quota"
    assert failed["usage"]["total_tokens"] == 0
    assert kinds(client.send("response.create")) == ["response.created"]
    assert spoken(client)[-2]["response"]["status"] == "completed"


def test_transcription_can_fail(client: Client) -> None:
    """With the switch a transcription fails as on Azure without its deployment; the answer still comes."""
    client.conversation.faults = Faults(transcription_fails=True)
    client.send("session.update", **update(audio={"input": {"transcription": {"model": "none"}}}))
    item_id = client.append(sound(400) + silence(900))[0]["item_id"]
    client.conversation.heard(item_id, "Hello.")
    (event,) = client.events()
    assert event["type"] == "conversation.item.input_audio_transcription.failed"
    assert event["error"]["code"] == "DeploymentNotFound"


def test_response_can_have_several_items(client: Client) -> None:
    """Items follow one another with their own index; usage and output hold all of them."""
    client.write("talk")
    client.send("response.create")
    response_id = client.answering()
    for text in ("One.", "Two."):
        client.conversation.begin(response_id)
        client.conversation.say(response_id, text)
        client.conversation.play(response_id, silence(500))
        client.conversation.end_message(response_id)
    client.conversation.call(response_id, "set_timer", {})
    client.conversation.finish(response_id)
    events = client.events()
    assert [e["output_index"] for e in events if e["type"] == "response.output_item.done"] == [0, 1, 2]
    done = events[-2]["response"]
    assert [item["status"] for item in done["output"]] == ["completed"] * 3
    assert done["usage"]["output_token_details"]["audio_tokens"] == 20


def test_cached_tokens_are_those_of_the_same_beginning(client: Client) -> None:
    """What stands before the first change was read before; what comes after it was not."""
    first = {"id": "first", "type": "message", "role": "system", "content": [{"type": "input_text", "text": "x" * 40}]}
    client.send("session.update", **update(instructions="i" * 40))
    client.send("conversation.item.create", item=first)
    client.write("a" * 400)
    cached = []
    for _ in range(2):
        client.send("response.create")
        cached.append(spoken(client)[-2]["response"]["usage"]["input_token_details"]["cached_tokens"])
    client.send("conversation.item.delete", item_id="first")
    client.send("response.create")
    cached.append(spoken(client)[-2]["response"]["usage"]["input_token_details"]["cached_tokens"])
    assert cached == [0, 10 + 10 + 100, 10]


def test_written_answer_stops_at_its_tokens(client: Client) -> None:
    """max_output_tokens cuts words as it cuts sound."""
    client.write("talk")
    client.send("response.create", response={"output_modalities": ["text"], "max_output_tokens": 2})
    response_id = client.answering()
    client.conversation.begin(response_id)
    client.conversation.say(response_id, "12345")
    assert client.conversation.running(response_id) is None
    assert client.events()[-2]["response"]["status_details"]["reason"] == "max_output_tokens"


def test_interrupting_again_leaves_nothing_waiting(client: Client) -> None:
    """A turn that waits for its answer is not answered while the user goes on."""
    client.send("session.update", **detecting(interrupt_response=False))
    client.write("talk")
    client.send("response.create")
    client.append(sound(400) + silence(900))
    client.send("session.update", **detecting(interrupt_response=True))
    events = client.append(sound(400))
    assert "response.done" in kinds(events)
    assert "response.created" not in kinds(events)
