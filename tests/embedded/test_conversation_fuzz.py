"""Whatever a client sends, a session answers in the service's shapes and stays usable."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, get_args

from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.realtime import realtime_server_event
from pydantic import TypeAdapter

from speakerd.embedded.conversation import Conversation
from speakerd.embedded.faults import Faults
from speakerd.embedded.orders import Answer, Hear
from speakerd.embedded.responses import Response
from tests.fakes.embedded import Client, kinds, silence, sound

SERVER_EVENTS: TypeAdapter[Any] = TypeAdapter(get_args(realtime_server_event.RealtimeServerEvent)[0])

AUDIO = {"LOUD": sound(320), "QUIET": silence(640), "LONG": silence(5120)}
"""Stand-ins for audio, put into a message when it is sent, so that a failing story can be read."""

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["a", "b", "root", "", "x" * 40])
CALLS = st.sampled_from(["c", "d"])
TEXT_PART = {"type": "input_text", "text": "what time is it"}
ITEMS = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("message"), "role": st.sampled_from(["user", "system"]), "content": st.just([TEXT_PART])},
        optional={"id": NAMES},
    ),
    st.just({"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": "LOUD"}]}),
    st.just({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Yes."}]}),
    st.fixed_dictionaries(
        {"type": st.just("function_call"), "name": st.just("f"), "arguments": st.just("{}")},
        optional={"call_id": CALLS},
    ),
    st.fixed_dictionaries({"type": st.just("function_call_output"), "call_id": CALLS, "output": st.text(max_size=4)}),
    st.fixed_dictionaries({"type": st.just("item_reference"), "id": NAMES}),
)
DETECTION = st.none() | st.fixed_dictionaries(
    {"type": st.just("server_vad")},
    optional={
        "idle_timeout_ms": st.sampled_from([None, 5000]),
        "create_response": st.booleans(),
        "interrupt_response": st.booleans(),
        "silence_duration_ms": st.integers(0, 900),
    },
)
FORMATS = st.sampled_from([{"type": "audio/pcm"}, {"type": "audio/pcmu"}, {"type": "audio/pcma"}])
SESSIONS = st.fixed_dictionaries(
    {"type": st.just("realtime")},
    optional={
        "output_modalities": st.sampled_from([["text"], ["audio"]]),
        "tools": st.sampled_from([[], [{"type": "function", "name": "f", "parameters": {}}]]),
        "tool_choice": st.sampled_from(["auto", "none", "required", {"type": "function", "name": "f"}]),
        "audio": st.fixed_dictionaries(
            {
                "input": st.fixed_dictionaries(
                    {"turn_detection": DETECTION}, optional={"transcription": st.just({}), "format": FORMATS}
                ),
                "output": st.fixed_dictionaries({}, optional={"format": FORMATS}),
            }
        ),
        "max_output_tokens": st.integers(1, 30),
        "tracing": st.sampled_from([None, "auto", {"group_id": "g"}]),
    },
)
EVENTS = st.one_of(
    st.fixed_dictionaries({"type": st.just("session.update"), "session": SESSIONS}),
    st.fixed_dictionaries({"type": st.just("input_audio_buffer.append"), "audio": st.sampled_from([*AUDIO, "AAA"])}),
    st.sampled_from(
        [
            {"type": kind}
            for kind in ("input_audio_buffer.commit", "input_audio_buffer.clear", "response.create", "response.cancel")
        ]
    ),
    st.fixed_dictionaries(
        {"type": st.just("conversation.item.create"), "item": ITEMS}, optional={"previous_item_id": NAMES}
    ),
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["conversation.item.delete", "conversation.item.retrieve"]),
            "item_id": NAMES | st.integers(1, 60).map("item_{}".format),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("conversation.item.truncate"),
            "item_id": st.integers(1, 60).map("item_{}".format),
            "content_index": st.just(0),
            "audio_end_ms": st.integers(0, 400),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("response.create"),
            "response": st.fixed_dictionaries(
                {},
                optional={
                    "conversation": st.sampled_from(["auto", "none"]),
                    "input": st.lists(ITEMS, max_size=2),
                    "metadata": st.sampled_from([None, {"a": "b"}]),
                    "instructions": st.text(max_size=5),
                },
            ),
        }
    ),
)
PATHS = st.lists(st.integers(0, 5), max_size=4)


def mangled(event: dict[str, Any], path: list[int], value: Any) -> Any:
    """Return an event with one of its values replaced, found by a path of positions."""
    copy = json.loads(json.dumps(event))
    place = copy
    for step in path[:-1]:
        keys = list(place) if isinstance(place, dict) else range(len(place)) if isinstance(place, list) else []
        if not keys or not isinstance(place[keys[step % len(keys)]], dict | list):
            break
        place = place[keys[step % len(keys)]]
    if isinstance(place, dict) and place:
        place[list(place)[(path or [0])[-1] % len(place)]] = value
    return copy


RAW = st.one_of(
    EVENTS.map(json.dumps),
    st.builds(mangled, EVENTS, PATHS, ANY_JSON).map(json.dumps),
    st.builds(lambda event, end: json.dumps(event)[:end], EVENTS, st.integers(0, 60)),
    ANY_JSON.map(json.dumps),
    st.text(max_size=12),
    st.binary(max_size=12),
)
DEEDS = st.sampled_from(["begin", "say", "play", "end", "call", "finish", "hear", "nothing"])


def with_audio(raw: str | bytes) -> str | bytes:
    """Return a message with its audio in place."""
    if isinstance(raw, str):
        for name, pcm in AUDIO.items():
            raw = raw.replace(f'"{name}"', f'"{base64.b64encode(pcm).decode()}"')
    return raw


def act(client: Client, deed: str) -> None:
    """Do a part of what was ordered, the way a connection does it: on a response that still runs."""
    for order in client.orders:
        if isinstance(order, Hear) and deed == "hear":
            client.conversation.heard(order.item_id, "Hello.")
        response = client.conversation.running(order.response_id) if isinstance(order, Answer) else None
        if response is not None:
            fill(client.conversation, response, deed)


def fill(conversation: Conversation, response: Response, deed: str) -> None:
    """Take the next step of an answer; a message has to be open for what is said in it, and closed for a call."""
    name = response.response_id
    if deed in ("say", "play", "end") and not response.is_open:
        conversation.begin(name)
    elif deed in ("begin", "call") and response.is_open:
        conversation.end_message(name)
    steps: dict[str, Callable[[], None]] = {
        "begin": lambda: conversation.begin(name),
        "say": lambda: conversation.say(name, "word "),
        "end": lambda: conversation.end_message(name),
        "call": lambda: conversation.call(name, "f", {"a": 1}),
        "finish": lambda: conversation.finish(name),
    }
    if response.spoken:
        steps["play"] = lambda: conversation.play(name, silence(200))
    steps.get(deed, lambda: None)()


@settings(max_examples=250, deadline=None)
@given(
    story=st.lists(st.tuples(RAW, DEEDS), max_size=25),
    azure=st.booleans(),
    late=st.booleans(),
)
def test_no_client_can_break_a_session(story: list[tuple[str | bytes, str]], azure: bool, late: bool) -> None:
    """Events valid, mangled or no events at all: only well-formed answers, and the next turn is served."""
    client = Client(azure=azure)
    client.conversation.faults = Faults(late_deltas=1, late_done=late)
    for raw, deed in story:
        client.conversation.receive(with_audio(raw))
        act(client, deed)
        for event in client.events():
            SERVER_EVENTS.validate_python(json.loads(json.dumps(event, allow_nan=False)))
    client.send("response.cancel")
    client.write("still here")
    (created,) = client.send("response.create", response={"conversation": "none", "tool_choice": "none"})
    assert created["response"]["status"] == "in_progress"
    client.conversation.finish(client.answering())
    assert kinds(client.events())[0] == "response.done"
