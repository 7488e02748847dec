"""One session, spoken with over JSON."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from speakerd.embedded.faults import Faults
from speakerd.embedded.g711 import coded
from speakerd.embedded.intake import LARGEST_APPEND_BYTES
from speakerd.embedded.orders import Answer, Hear, Stop
from tests.fakes.embedded import Client, kinds, silence, sound

SERVER_VAD = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500}

VAD_TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
]

INTERRUPTED = [
    "input_audio_buffer.speech_started",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
]


def session_update(**session: Any) -> dict[str, Any]:
    return {"session": {"type": "realtime", **session}}


def detection(**fields: Any) -> dict[str, Any]:
    return session_update(audio={"input": {"turn_detection": {**SERVER_VAD, **fields}}})


def answered(client: Client, seconds: float = 1.0) -> str:
    """Let the response that was just ordered say something, and return its name."""
    response_id = client.answering()
    client.conversation.begin(response_id)
    client.conversation.say(response_id, "Hello there.")
    client.conversation.play(response_id, silence(seconds * 1000))
    return response_id


@pytest.fixture
def client() -> Client:
    return Client()


def error_of(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the error that is the only answer."""
    assert kinds(events) == ["error"]
    error: dict[str, Any] = events[0]["error"]
    return error


def test_session_created_tells_the_whole_configuration(client: Client) -> None:
    """A session begins with everything it will do unless told otherwise."""
    client.conversation.open()
    (created,) = client.events()
    assert created["type"] == "session.created"
    session = created["session"]
    assert set(session) == {
        *("type", "object", "id", "model", "output_modalities", "instructions", "tools", "tool_choice", "audio"),
        *("max_output_tokens", "tracing", "truncation", "prompt", "expires_at", "include"),
    }
    assert session["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 200


def test_update_changes_only_what_it_names(client: Client) -> None:
    """Fields that an update does not name stay as they are."""
    (event,) = client.send("session.update", **detection(silence_duration_ms=700))
    assert event["type"] == "session.updated"
    turn_detection = event["session"]["audio"]["input"]["turn_detection"]
    assert turn_detection["silence_duration_ms"] == 700
    assert turn_detection["interrupt_response"] is True
    assert event["session"]["audio"]["output"]["voice"] == "alloy"


def test_null_switches_detection_off(client: Client) -> None:
    """Without turn detection sound starts no turn."""
    client.send("session.update", **session_update(audio={"input": {"turn_detection": None}}))
    assert client.append(sound(500) + silence(1000)) == []


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({"instructions": "x"}, "missing_required_parameter", "session.type"),
        ({"type": "realtime", "temperature": 0.8}, "unknown_parameter", "session.temperature"),
        (
            {
                "type": "realtime",
                "audio": {"input": {"turn_detection": {"type": "server_vad", "create_responese": True}}},
            },
            "unknown_parameter",
            "session.audio.input.turn_detection.create_responese",
        ),
        (
            {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "bogus"}}}},
            "invalid_value",
            "session.audio.input.turn_detection.type",
        ),
        (
            {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 1.5}}}},
            "decimal_above_max_value",
            "session.audio.input.turn_detection.threshold",
        ),
        ({"type": "realtime", "audio": {"input": {"format": "pcm16"}}}, "invalid_type", "session.audio.input.format"),
        (
            {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}},
            "integer_below_min_value",
            "session.audio.input.format.rate",
        ),
        ({"type": "realtime", "output_modalities": ["audio", "text"]}, "invalid_value", "session.output_modalities"),
        (
            {"type": "realtime", "truncation": {"type": "retention_ratio", "retention_ratio": 2}},
            "decimal_above_max_value",
            "session.truncation.retention_ratio",
        ),
        (
            {
                "type": "realtime",
                "truncation": {"type": "retention_ratio", "retention_ratio": 1, "token_limits": {"x": 1}},
            },
            "unknown_parameter",
            "session.truncation.token_limits.x",
        ),
        ({"type": "realtime", "tracing": "on"}, "invalid_value", "session.tracing"),
        ({"type": "realtime", "include": ["x"]}, "invalid_value", "session.include[0]"),
        ({"type": "realtime", "prompt": {"version": "1"}}, "missing_required_parameter", "session.prompt.id"),
        ({"type": "realtime", "prompt": {"id": "pmpt_1", "version": "2"}}, "invalid_value", "session.prompt.id"),
        ({"type": "transcription"}, "invalid_value", "session.type"),
        (
            {"type": "realtime", "tools": [{"type": "mcp", "server_label": "x"}]},
            "invalid_value",
            "session.tools[0].type",
        ),
        ({"type": "realtime", "reasoning": {"effort": "max"}}, "invalid_value", "session.reasoning.effort"),
        ({"type": "realtime", "max_output_tokens": 5000}, "integer_above_max_value", "session.max_output_tokens"),
        (
            {"type": "realtime", "tools": [{"type": "function", "name": "a b"}]},
            "invalid_value",
            "session.tools[0].name",
        ),
        ({"type": "realtime", "tools": [{"type": "function"}]}, "missing_required_parameter", "session.tools[0].name"),
    ],
)
def test_bad_update_is_refused_whole(client: Client, session: dict[str, Any], code: str, param: str) -> None:
    """One fault in an update refuses all of it, names the parameter and the client's event, and changes nothing."""
    before = client.conversation.session
    error = error_of(client.send("session.update", session={"instructions": "new", **session}, event_id="mine"))
    assert (error["code"], error["param"], error["event_id"]) == (code, param, "mine")
    assert client.conversation.session == before


def test_unknown_event_names_the_known_ones(client: Client) -> None:
    """An event type that does not exist is an invalid value of the parameter type."""
    error = error_of(client.send("session.improve"))
    assert (error["code"], error["param"]) == ("invalid_value", "type")
    assert "'session.update'" in error["message"]


@pytest.mark.parametrize("raw", ["{", "[1]", '"text"', "[" * 100_000])
def test_what_is_no_event_is_refused(client: Client, raw: str) -> None:
    """A message that is not a JSON object gets an error, and the session lives on."""
    client.conversation.receive(raw)
    assert kinds(client.events()) == ["error"]
    assert kinds(client.write("still here")) == ["conversation.item.added", "conversation.item.done"]


@pytest.mark.parametrize("audio", ["###", "AA==", "é"])
def test_bad_audio_is_refused(client: Client, audio: str) -> None:
    """Audio that is not base64 of whole samples is an invalid value."""
    assert error_of(client.send("input_audio_buffer.append", audio=audio))["param"] == "audio"


def test_oversized_append_is_refused(client: Client) -> None:
    """One append carries 15 MiB at most."""
    error = error_of(client.append(bytes(LARGEST_APPEND_BYTES + 2)))
    assert error["code"] == "string_above_max_length"


def test_voice_turn_has_the_documented_order(client: Client) -> None:
    """Speech and the silence after it become an item and a response, at positions in the appended audio."""
    client.send("session.update", **detection())
    events = client.append(silence(960) + sound(640) + silence(1000))
    assert kinds(events) == VAD_TURN
    assert events[0]["audio_start_ms"] == 960 - 300
    assert events[1]["audio_end_ms"] == 960 + 640 + 512
    assert events[0]["item_id"] == events[1]["item_id"] == events[3]["item"]["id"]
    assert events[3]["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    heard, answer = client.orders
    assert isinstance(heard, Hear)
    assert len(heard.pcm) == 2 * 24 * (300 + 640 + 512)
    assert isinstance(answer, Answer)


def test_create_response_false_leaves_the_answer_to_the_client(client: Client) -> None:
    """With create_response off a turn ends at its item."""
    client.send("session.update", **detection(create_response=False))
    assert kinds(client.append(sound(640) + silence(1000))) == VAD_TURN[:-1]


def test_manual_commit_makes_an_item_and_no_response(client: Client) -> None:
    """A commit by hand takes all audio since the last one; the client asks for the response itself."""
    client.send("session.update", **session_update(audio={"input": {"turn_detection": None}}))
    client.append(sound(500))
    events = client.send("input_audio_buffer.commit")
    assert kinds(events) == ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"]
    assert kinds(client.send("response.create")) == ["response.created"]


def test_commit_of_too_little_audio_is_refused(client: Client) -> None:
    """A commit needs 100 ms."""
    client.append(silence(50))
    error = error_of(client.send("input_audio_buffer.commit"))
    assert error["code"] == "input_audio_buffer_commit_empty"
    assert "only has 50.00ms" in error["message"]


def test_clear_empties_the_buffer(client: Client) -> None:
    """After a clear there is nothing to commit."""
    client.append(silence(500))
    assert kinds(client.send("input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]
    assert error_of(client.send("input_audio_buffer.commit"))["code"] == "input_audio_buffer_commit_empty"


def test_speech_interrupts_a_response(client: Client) -> None:
    """A user who speaks cancels the running response, in the documented order; its item is incomplete."""
    client.write("talk")
    client.send("response.create")
    response_id = answered(client)
    client.events()
    events = client.append(sound(320))
    assert kinds(events) == [*INTERRUPTED, "rate_limits.updated"]
    done = events[-2]["response"]
    assert (done["status"], done["status_details"]) == ("cancelled", {"type": "cancelled", "reason": "turn_detected"})
    assert done["output"][0]["status"] == "incomplete"
    assert client.orders[-1] == Stop(response_id)


def test_uninterruptible_response_is_followed_by_the_next(client: Client) -> None:
    """With interrupt_response off a turn waits for the running response, then is answered."""
    client.send("session.update", **detection(interrupt_response=False))
    client.write("talk")
    client.send("response.create")
    response_id = answered(client)
    client.events()
    assert kinds(client.append(sound(320) + silence(1000))) == VAD_TURN[:-1]
    client.conversation.finish(response_id)
    assert kinds(client.events())[-3:] == ["response.done", "rate_limits.updated", "response.created"]


def test_only_one_response_at_a_time(client: Client) -> None:
    """A second response in the conversation is refused; one out of band is not."""
    client.write("one")
    client.send("response.create")
    assert error_of(client.send("response.create"))["code"] == "conversation_already_has_active_response"
    (created,) = client.send("response.create", response={"conversation": "none", "metadata": {"why": "test"}})
    assert created["response"]["conversation_id"] is None
    assert created["response"]["metadata"] == {"why": "test"}


def test_out_of_band_response_leaves_no_item(client: Client) -> None:
    """A response outside of the conversation adds nothing to it."""
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}
    client.send("response.create", response={"conversation": "none", "input": [item]})
    response_id = answered(client)
    client.conversation.finish(response_id)
    assert not any(kind.startswith("conversation.item") for kind in kinds(client.events()))
    assert len(client.conversation.history) == 0


def test_cancel_stops_the_response(client: Client) -> None:
    """The client's cancel ends the response as cancelled by the client."""
    client.write("talk")
    client.send("response.create")
    response_id = client.answering()
    events = client.send("response.cancel", response_id=response_id)
    assert events[0]["response"]["status_details"]["reason"] == "client_cancelled"
    assert events[0]["response"]["output"] == []
    assert client.orders[-1] == Stop(response_id)


def test_a_cancelled_response_is_active_until_its_end_is_told(client: Client) -> None:
    """Who cancels and creates in one breath is refused: the old response has not ended yet; a turn waits for it."""
    client.settles = False
    client.write("talk")
    client.send("response.create")
    response_id = client.answering()
    assert client.send("response.cancel") == []
    assert client.conversation.running(response_id) is None
    assert error_of(client.send("response.create"))["code"] == "conversation_already_has_active_response"
    assert error_of(client.send("response.cancel"))["code"] == "response_cancel_not_active"
    client.conversation.settled(response_id)
    assert client.events()[0]["response"]["status_details"]["reason"] == "client_cancelled"
    client.conversation.settled(response_id)
    assert client.events() == []
    assert kinds(client.send("response.create")) == ["response.created"]


def test_speech_ends_a_cancelled_response_at_once(client: Client) -> None:
    """Speech in the moment between a cancel and its effect ends the response, as cancelled by the client."""
    client.settles = False
    client.write("talk")
    client.send("response.create")
    client.send("response.cancel")
    events = client.append(sound(400))
    assert kinds(events)[:2] == ["input_audio_buffer.speech_started", "response.done"]
    assert events[1]["response"]["status_details"]["reason"] == "client_cancelled"


@pytest.mark.parametrize("fields", [{}, {"response_id": "resp_other"}])
def test_cancel_without_a_response_is_refused(client: Client, fields: dict[str, Any]) -> None:
    """There must be something to cancel."""
    assert error_of(client.send("response.cancel", **fields))["code"] == "response_cancel_not_active"


def test_truncate_forgets_what_was_not_heard(client: Client) -> None:
    """A truncated answer keeps the audio that was heard and loses its transcript."""
    client.write("talk")
    client.send("response.create")
    client.conversation.finish(answered(client))
    item_id = client.events()[-2]["response"]["output"][0]["id"]
    (event,) = client.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=400)
    assert (event["type"], event["audio_end_ms"]) == ("conversation.item.truncated", 400)
    (retrieved,) = client.send("conversation.item.retrieve", item_id=item_id)
    (part,) = retrieved["item"]["content"]
    assert part["transcript"] is None
    assert len(base64.b64decode(part["audio"])) == 400 * 48


def test_truncate_refuses_what_cannot_be(client: Client) -> None:
    """More than there is, no assistant audio, and no such item are refused; nothing heard at all is fine."""
    client.write("talk")
    user_id = next(iter(client.conversation.history)).item_id
    client.send("response.create")
    client.conversation.finish(answered(client))
    item_id = client.events()[-2]["response"]["output"][0]["id"]

    def truncate(item: Any, end_ms: int) -> list[dict[str, Any]]:
        return client.send("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=end_ms)

    too_much = error_of(truncate(item_id, 5000))
    assert too_much["message"] == "Audio content of 1000ms is already shorter than 5000ms"
    assert error_of(truncate(user_id, 0))["code"] == "unsupported_content_type"
    assert error_of(truncate("item_none", 0))["code"] == "item_truncate_invalid_item_id"
    assert kinds(truncate(item_id, 0)) == ["conversation.item.truncated"]


def test_truncate_needs_sound(client: Client) -> None:
    """An answer that is written, and one interrupted before its first sound, cannot be truncated, now or later."""
    client.write("talk")
    for modality, said in (("text", "Hi"), ("audio", "Hi")):
        client.send("response.create", response={"output_modalities": [modality]})
        response_id = client.answering()
        client.conversation.begin(response_id)
        client.conversation.say(response_id, said)
        item_id = next(e["item_id"] for e in client.events() if e["type"] == "response.content_part.added")
        for _ in range(2):  # while it runs, and when it is over
            for end_ms in (0, 100):
                asked = {"item_id": item_id, "content_index": 0, "audio_end_ms": end_ms}
                error = error_of(client.send("conversation.item.truncate", **asked))
                assert error["message"] == "Only model output audio messages can be truncated"
                assert error["code"] == "unsupported_content_type"
            if client.conversation.running(response_id) is not None:
                client.send("response.cancel")


def test_items_come_and_go(client: Client) -> None:
    """Items can be placed, found and deleted; unknown ones are named in the refusal."""
    client.write("second")
    first = {"id": "first", "type": "message", "role": "system", "content": [{"type": "input_text", "text": "a"}]}
    added, _ = client.send("conversation.item.create", item=first, previous_item_id="root")
    assert added["previous_item_id"] is None
    assert next(iter(client.conversation.history)).item_id == "first"
    assert kinds(client.send("conversation.item.delete", item_id="first")) == ["conversation.item.deleted"]
    assert error_of(client.send("conversation.item.delete", item_id="first"))["code"] == "item_delete_invalid_item_id"
    gone = error_of(client.send("conversation.item.retrieve", item_id="first"))
    assert gone["code"] == "item_retrieve_invalid_item_id"


def test_tool_output_needs_its_call(client: Client) -> None:
    """The output of a function call that nobody made is refused."""
    output = {"type": "function_call_output", "call_id": "call_1", "output": "done"}
    assert "call_1" in error_of(client.send("conversation.item.create", item=output))["message"]
    call = {"type": "function_call", "name": "f", "call_id": "call_1", "arguments": "{}"}
    client.send("conversation.item.create", item=call)
    assert kinds(client.send("conversation.item.create", item=output))[0] == "conversation.item.added"


def test_voice_is_fixed_once_heard(client: Client) -> None:
    """After the first audio the voice cannot change, and may be named again as it is."""
    client.write("talk")
    client.send("response.create")
    client.conversation.finish(answered(client))
    client.events()
    update = session_update(audio={"output": {"voice": "marin"}})
    assert error_of(client.send("session.update", **update))["code"] == "cannot_update_voice"
    assert kinds(client.send("session.update", **session_update(audio={"output": {"voice": "alloy"}}))) == [
        "session.updated"
    ]


def test_transcript_comes_when_asked_for(client: Client) -> None:
    """With transcription on, what was heard is told; with nothing intelligible the transcript is empty."""
    transcription = session_update(audio={"input": {"transcription": {"model": "whisper-1"}}})
    (updated,) = client.send("session.update", **transcription)
    assert updated["session"]["audio"]["input"]["transcription"] == {
        "model": "whisper-1",
        "language": None,
        "prompt": None,
    }
    for words, expected in (("Hello.", ["delta", "completed"]), ("", ["completed"])):
        client.append(sound(320) + silence(1000))
        order = next(order for order in reversed(client.orders) if isinstance(order, Hear))
        client.conversation.heard(order.item_id, words)
        events = client.events()
        assert [kind.rsplit(".", 1)[1] for kind in kinds(events)] == expected
        assert events[-1]["transcript"] == words
        assert events[-1]["usage"]["type"] == "duration"
        client.send("response.cancel")


@pytest.mark.parametrize(("model", "kind"), [("gpt-4o-mini-transcribe", "tokens"), ("whisper-1", "duration")])
def test_transcription_is_billed_as_its_model_is(client: Client, model: str, kind: str) -> None:
    """The gpt-4o family counts tokens, the others seconds."""
    client.send("session.update", **session_update(audio={"input": {"transcription": {"model": model}}}))
    client.append(sound(1000) + silence(1000))
    order = next(order for order in client.orders if isinstance(order, Hear))
    client.conversation.heard(order.item_id, "Hello.")
    usage = client.events()[-1]["usage"]
    assert usage["type"] == kind
    if kind == "tokens":
        assert usage["input_token_details"] == {"text_tokens": 0, "audio_tokens": usage["input_tokens"]}
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] == usage["input_tokens"] + 2


def test_a_format_is_shown_whole(client: Client) -> None:
    """PCM without a rate is 24 kHz, and the session says so."""
    pcm = {"format": {"type": "audio/pcm"}}
    (updated,) = client.send("session.update", **session_update(audio={"input": pcm, "output": pcm}))
    for direction in ("input", "output"):
        assert updated["session"]["audio"][direction]["format"] == {"type": "audio/pcm", "rate": 24_000}
    (created,) = client.send("response.create", response={"audio": {"output": pcm}})
    assert created["response"]["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24_000}


def test_an_item_can_be_cut_to_nothing_twice(client: Client) -> None:
    """What was cut to nothing is still model audio; another content part than the first is none."""
    client.write("talk")
    client.send("response.create")
    response_id = answered(client)
    client.conversation.finish(response_id)
    item_id = client.events()[-2]["response"]["output"][0]["id"]
    asked = {"item_id": item_id, "audio_end_ms": 0}
    error = error_of(client.send("conversation.item.truncate", **asked, content_index=1))
    assert (error["code"], error["param"]) == ("invalid_value", "content_index")
    for _ in range(2):
        assert kinds(client.send("conversation.item.truncate", **asked, content_index=0)) == [
            "conversation.item.truncated"
        ]


def test_no_transcript_unless_asked_for(client: Client) -> None:
    """Without transcription what was heard stays inside."""
    client.append(sound(320) + silence(1000))
    item_id = next(order.item_id for order in client.orders if isinstance(order, Hear))
    client.conversation.heard(item_id, "Hello.")
    assert client.events() == []
    (retrieved,) = client.send("conversation.item.retrieve", item_id=item_id)
    assert retrieved["item"]["content"][0]["transcript"] is None


def test_usage_counts_audio_as_documented(client: Client) -> None:
    """A user's second is 10 tokens, an assistant's 20; the history read before is cached."""
    client.send("session.update", **session_update(instructions="", audio={"input": {"turn_detection": None}}))
    for expected_input, expected_cached in ((10, 0), (10 + 20 + 10, 10)):
        client.append(sound(1000))
        client.send("input_audio_buffer.commit")
        client.send("response.create")
        client.conversation.finish(answered(client))
        usage = client.events()[-2]["response"]["usage"]
        assert usage["input_token_details"]["audio_tokens"] == expected_input
        assert usage["input_token_details"]["cached_tokens_details"]["audio_tokens"] == expected_cached
        assert usage["output_token_details"]["audio_tokens"] == 20
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def test_max_output_tokens_cuts_the_answer(client: Client) -> None:
    """An answer that uses up its tokens ends as incomplete."""
    client.write("talk")
    client.send("response.create", response={"max_output_tokens": 10})
    answered(client)
    done = client.events()[-2]["response"]
    assert (done["status"], done["status_details"]["reason"]) == ("incomplete", "max_output_tokens")
    assert done["usage"]["output_tokens"] == 10
    assert isinstance(client.orders[-1], Stop)


def test_an_answer_never_costs_more_than_it_may(client: Client) -> None:
    """With no token left there is neither another word nor sound."""
    client.write("talk")
    client.send("response.create", response={"max_output_tokens": 1})
    response_id = client.answering()
    client.conversation.begin(response_id)
    client.conversation.say(response_id, "Well")
    client.conversation.say(response_id, " then")
    client.conversation.play(response_id, silence(100))
    events = client.events()
    assert kinds(events).count("response.output_audio_transcript.delta") == 1
    assert "response.output_audio.delta" not in kinds(events)
    assert events[-2]["response"]["usage"]["output_tokens"] == 1


def test_text_deltas_are_padded(client: Client) -> None:
    """What streams as text comes with padding that hides its length: both make 16 characters, or a multiple."""
    client.write("talk")
    client.send("response.create")
    response_id = client.answering()
    client.conversation.begin(response_id)
    for delta in ("Hi", "seventeen letters"):
        client.conversation.say(response_id, delta)
        event = client.events()[-1]
        assert event["type"] == "response.output_audio_transcript.delta"
        assert (len(event["delta"]) + len(event["obfuscation"])) % 16 == 0
    client.conversation.play(response_id, silence(100))
    assert "obfuscation" not in client.events()[-1]


def test_text_response_has_text_events(client: Client) -> None:
    """With the text modality an answer is written."""
    client.write("talk")
    client.send("response.create", response={"output_modalities": ["text"]})
    response_id = client.answering()
    client.conversation.begin(response_id)
    client.conversation.say(response_id, "Hi")
    client.conversation.finish(response_id)
    assert kinds(client.events())[2:] == [
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]


def test_azure_sends_parts_twice_and_no_limits() -> None:
    """Azure's dialect repeats a content part under content, and tells no rate limits."""
    client = Client(azure=True)
    client.write("talk")
    client.send("response.create")
    client.conversation.finish(answered(client))
    events = client.events()
    assert events[-1]["type"] == "response.done"
    part = next(event for event in events if event["type"] == "response.content_part.done")
    assert part["content"] == part["part"]


def test_update_can_be_refused_on_purpose() -> None:
    """The fault switch refuses as many updates as it says."""
    client = Client(refuse_updates=1)
    assert kinds(client.send("session.update", **session_update())) == ["error"]
    assert kinds(client.send("session.update", **session_update())) == ["session.updated"]


def test_late_audio_comes_before_the_end_and_changes_nothing(client: Client) -> None:
    """Audio sent after the cut reaches the client before the response is done, and is not part of the item."""
    client.conversation.faults = Faults(late_deltas=2)
    client.write("talk")
    client.send("response.create")
    response_id = answered(client)
    response = client.conversation.running(response_id)
    assert response is not None
    response.unsent.extend([silence(100)] * 3)
    client.events()
    events = client.send("response.cancel")
    assert kinds(events)[:3] == ["response.output_audio.delta"] * 2 + ["response.output_audio.done"]
    assert kinds(events)[-2] == "response.done"
    item = client.conversation.history.get(events[0]["item_id"])
    assert item is not None
    assert item.audio_ms == 1000


def test_tracing_stays_as_it_was_switched_on(client: Client) -> None:
    """Tracing can be switched on once; saying the same again changes nothing, anything else is refused."""
    assert kinds(client.send("session.update", **session_update(tracing="auto"))) == ["session.updated"]
    assert kinds(client.send("session.update", **session_update(tracing="auto"))) == ["session.updated"]
    assert error_of(client.send("session.update", **session_update(tracing=None)))["param"] == "session.tracing"


def test_what_is_accepted_is_shown(client: Client) -> None:
    """Settings without effect here are kept and told, so that a client can rely on them elsewhere."""
    wanted = {
        "include": ["item.input_audio_transcription.logprobs"],
        "truncation": {"type": "retention_ratio", "retention_ratio": 0.5, "token_limits": {"post_instructions": 100}},
        "prompt": None,
        "reasoning": {"effort": "low"},
        "parallel_tool_calls": False,
        "max_output_tokens": 7,
    }
    (event,) = client.send("session.update", **session_update(**wanted))
    assert wanted.items() <= event["session"].items()


def test_log_probabilities_are_left_out(client: Client) -> None:
    """A client that includes them gets transcripts without them, as with a model that has none."""
    include = {"include": ["item.input_audio_transcription.logprobs"]}
    client.send("session.update", **session_update(**include, audio={"input": {"transcription": {"model": "x"}}}))
    item_id = client.append(sound(320) + silence(1000))[0]["item_id"]
    client.conversation.heard(item_id, "Hello.")
    assert ["logprobs" in event for event in client.events()] == [False, False]


def test_stored_prompt_is_refused_for_a_response_too(client: Client) -> None:
    """Nothing is stored here, so a response cannot be made of it."""
    error = error_of(client.send("response.create", response={"prompt": {"id": "pmpt_1"}}))
    assert (error["code"], error["param"]) == ("invalid_value", "response.prompt.id")
    assert kinds(client.send("response.create", response={"prompt": None, "reasoning": {"effort": "low"}})) == [
        "response.created"
    ]


def test_response_can_differ_from_its_session(client: Client) -> None:
    """A response's own modality, limit, voice and metadata hold for it alone."""
    own = {
        "output_modalities": ["text"],
        "max_output_tokens": 99,
        "metadata": {"a": "b"},
        "audio": {"output": {"voice": "marin"}},
        "instructions": "Be brief.",
    }
    (created,) = client.send("response.create", response=own)
    response = created["response"]
    assert (response["output_modalities"], response["max_output_tokens"]) == (["text"], 99)
    assert (response["metadata"], response["audio"]["output"]["voice"]) == ({"a": "b"}, "marin")
    client.send("response.cancel")
    assert client.send("response.create")[0]["response"]["output_modalities"] == ["audio"]


def test_metadata_is_limited(client: Client) -> None:
    """Sixteen pairs are the most a response may carry."""
    metadata = {str(number): "x" for number in range(17)}
    error = error_of(client.send("response.create", response={"metadata": metadata}))
    assert (error["code"], error["param"]) == ("object_above_max_properties", "response.metadata")


def test_item_ids_are_the_clients_choice(client: Client) -> None:
    """An item keeps the id its client chose; one that is taken, too long, or after nothing is refused."""
    assert client.write("a")[0]["item"]["id"].startswith("item_")
    item = {"id": "mine", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}
    assert client.send("conversation.item.create", item=item)[0]["item"]["id"] == "mine"
    for fields, code in (
        ({"item": item}, "item_create_duplicate_item_id"),
        ({"item": {**item, "id": "x" * 33}}, "string_above_max_length"),
        ({"item": {**item, "id": "other"}, "previous_item_id": "gone"}, "item_create_invalid_previous_item_id"),
        ({"item": {"type": "item_reference", "id": "mine"}}, "invalid_value"),
    ):
        assert error_of(client.send("conversation.item.create", **fields))["code"] == code
    gone = {"input": [{"type": "item_reference", "id": "gone"}]}
    assert error_of(client.send("response.create", response=gone))["code"] == "item_reference_invalid_item_id"


def test_retrieved_item_has_its_audio(client: Client) -> None:
    """What the user said can be fetched again."""
    client.send("session.update", **session_update(audio={"input": {"turn_detection": None}}))
    client.append(sound(200))
    item_id = client.send("input_audio_buffer.commit")[0]["item_id"]
    (event,) = client.send("conversation.item.retrieve", item_id=item_id)
    assert base64.b64decode(event["item"]["content"][0]["audio"]) == sound(200)


def test_delay_of_transcription_is_unknown_to_azure() -> None:
    """Azure's dialect has no transcription.delay."""
    update = session_update(audio={"input": {"transcription": {"model": "x", "delay": "low"}}})
    assert error_of(Client(azure=True).send("session.update", **update))["code"] == "unknown_parameter"
    assert kinds(Client().send("session.update", **update)) == ["session.updated"]


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
def test_telephone_formats_are_spoken_both_ways(client: Client, kind: str) -> None:
    """G.711 goes in and comes out at 8 kHz; positions, tokens and lengths are those of the sound."""
    formats = {"input": {"format": {"type": kind}, "turn_detection": SERVER_VAD}, "output": {"format": {"type": kind}}}
    assert kinds(client.send("session.update", **session_update(audio=formats))) == ["session.updated"]
    events = client.append(coded(silence(960) + sound(640) + silence(1000), {"type": kind}))
    assert kinds(events) == VAD_TURN
    assert abs(events[1]["audio_end_ms"] - (960 + 640 + 512)) <= 32
    client.conversation.finish(answered(client))
    deltas = [e["delta"] for e in client.events() if e["type"] == "response.output_audio.delta"]
    assert sum(len(base64.b64decode(delta)) for delta in deltas) == 8000
    for item in client.conversation.history:
        (retrieved,) = client.send("conversation.item.retrieve", item_id=item.item_id)
        (part,) = retrieved["item"]["content"]
        assert abs(len(base64.b64decode(part["audio"])) - item.audio_ms * 8) <= 8
