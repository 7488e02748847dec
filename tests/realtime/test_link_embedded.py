"""The link and the chat against the embedded service: two sides of one protocol, written apart."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest

from speakerd.core.events import (
    FunctionCalled,
    LinkLost,
    LinkUp,
    ResponseCreated,
    ResponseDone,
    SessionExpiring,
    SpeechStarted,
    SpeechStopped,
)
from speakerd.core.memory import Memory
from speakerd.core.units import ItemId, Ms, ResponseId, wire_bytes_to_ms
from speakerd.embedded.faults import Faults
from speakerd.embedded.server import EmbeddedService
from speakerd.embedded.tiers import scripted
from speakerd.realtime.chat import chat
from speakerd.realtime.link import Endpoint, RealtimeLink, SessionSpec
from tests.fakes.link_listener import Listener, Signer, running_link

REPLY = "It is noon, and the sun stands high above the roofs of the whole town."


def speech(span_s: float) -> bytes:
    """Return noise as loud as a voice."""
    noise = np.random.default_rng(1).uniform(-8000, 8000, int(span_s * 24_000))
    return noise.astype("<i2").tobytes()


def silence(span_s: float) -> bytes:
    return bytes(2 * int(span_s * 24_000))


def say(link: RealtimeLink, pcm: bytes) -> None:
    for start in range(0, len(pcm), 960):
        link.append(pcm[start : start + 960])


def response_of(listener: Listener, number: int = 0) -> ResponseId:
    return [event.response_id for event in listener.events if isinstance(event, ResponseCreated)][number]


async def test_one_breath_is_answered_whole() -> None:
    """Audio queued before the socket is open arrives as one utterance; its answer comes as audio and words."""
    listener = Listener()
    spec = SessionSpec(transcription_model="any")
    async with EmbeddedService(scripted([REPLY])) as service, running_link(service.url, listener, spec=spec) as link:
        say(link, speech(1.0) + silence(1.0))
        assert service.connections == 0
        link.open()
        await listener.until_marked("response.done")
    response = response_of(listener)
    assert listener.events[0] == LinkUp()
    for event in (SpeechStarted(), SpeechStopped(), ResponseDone(response, "completed")):
        assert event in listener.events
    assert ("assistant", REPLY) in [(role, text) for role, _, text in listener.said]
    assert listener.audio
    assert listener.audio_done == [response]
    assert listener.marked("speech_started")[0]["audio_start_ms"] == 0


async def test_a_barge_in_cancels_cuts_and_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    """Speech during a reply has the service cancel it; our truncation is accepted, its late audio never surfaces."""
    listener = Listener()
    caplog.set_level(logging.WARNING, "speakerd.link")
    faults = Faults(late_deltas=3)
    async with (
        EmbeddedService(scripted([REPLY * 10, "Yes?"]), pace=1.0, faults=faults) as service,
        running_link(service.url, listener) as link,
    ):
        say(link, speech(0.6) + silence(0.8))
        link.open()
        await listener.until_audio(1)
        first = response_of(listener)
        _, item, pcm = listener.audio[0]
        heard_ms = Ms(wire_bytes_to_ms(len(pcm)) // 2)
        say(link, speech(0.6))
        await listener.until(SpeechStarted(), SpeechStarted())
        link.truncate(ItemId(item), heard_ms)
        taken = len(listener.audio)
        say(link, silence(0.8))
        await listener.until(ResponseDone(first, "cancelled"))
        await listener.until_marked("response.done", times=2)
        assert link.status()["state"] == "up"
        second = response_of(listener, 1)
    assert {response for response, _, _ in listener.audio[taken:]} == {second}
    assert listener.events[-1] == ResponseDone(second, "completed")
    assert listener.marked("truncate") == [{"item_id": item, "heard_ms": heard_ms}]
    assert caplog.records == []


async def test_a_service_that_refuses_once_is_used_with_the_minimum() -> None:
    """A refused update is raced by its error, not waited out."""
    listener = Listener()
    faults = Faults(refuse_updates=1)
    async with (
        EmbeddedService(scripted(["Hi."]), faults=faults) as service,
        running_link(service.url, listener) as link,
    ):
        link.open()
        await listener.until(LinkUp())
        assert link.status()["degraded"] is True


async def test_faults_of_the_service_have_their_codes() -> None:
    """A refusal that passes is survived; a close and a broken connection are told apart."""
    listener = Listener()
    faults = Faults(http_status=503, first_connections=1)
    async with EmbeddedService(scripted(), faults=faults) as service, running_link(service.url, listener) as link:
        link.open()
        await listener.until(LinkUp())
        link.close()
        service.faults = Faults(close_after_events=(1001, 2))
        link.open()
        await listener.until(LinkLost("link-closed-1001"))
        service.faults = Faults(drop_after_s=0.3)
        link.open()
        await listener.until(LinkLost("link-lost"))


async def test_an_invalid_extra_field_falls_back_and_a_valid_one_stays() -> None:
    """What an owner adds under service.session is refused or taken by the service's own word."""
    for extra, degraded in (({"temperature": 0.8}, True), ({"max_output_tokens": 500}, False)):
        listener = Listener()
        spec = SessionSpec(extra=extra)
        async with EmbeddedService(scripted()) as service, running_link(service.url, listener, spec=spec) as link:
            link.open()
            await listener.until(LinkUp())
            assert link.status()["degraded"] is degraded


@pytest.mark.parametrize(
    ("faults", "spoken"),
    [
        (Faults(close_after_events=(1011, 2)), 0),  # idle: session.created and session.updated
        (Faults(close_after_events=(1006, 3)), 1),  # mid-question: speech_started
        (Faults(drop_at_audio_delta=2), 2),  # mid-reply
    ],
)
async def test_a_link_that_is_lost_in_any_phase_is_told_and_the_next_one_is_clean(faults: Faults, spoken: int) -> None:
    """Idle, mid-question, mid-reply: the loss is told once, and nothing of it enters the next session."""
    listener = Listener()
    async with (
        EmbeddedService(scripted([REPLY]), faults=faults) as service,
        running_link(service.url, listener) as link,
    ):
        say(link, [b"", speech(1.0), speech(1.0) + silence(1.0)][spoken])
        link.open()
        await listener.until_told(LinkLost)
        assert (SpeechStarted() in listener.events) is (spoken > 0)
        assert len(listener.audio) == spoken // 2
        losses = [event for event in listener.events if isinstance(event, LinkLost)]
        assert losses == [LinkLost("link-lost" if spoken else "link-closed-1011")]
        service.faults = Faults()
        before = len(listener.marked("speech_started"))
        say(link, silence(0.5) + speech(0.5) + silence(1.0))
        link.open()
        await listener.until_marked("response.done")
        # Had anything of the lost session's audio been sent again, this would have begun earlier.
        assert listener.marked("speech_started")[before]["audio_start_ms"] >= 100


async def test_the_service_calls_a_function_and_speaks_of_its_result() -> None:
    """A declared function is called with its arguments; its result comes to a spoken reply in a second response."""
    listener = Listener()
    timer = {"type": "function", "name": "set_timer", "description": "Set it.", "parameters": {"type": "object"}}
    async with (
        EmbeddedService(scripted(['@set_timer {"minutes": 5}', "Five minutes it is."])) as service,
        running_link(service.url, listener, spec=SessionSpec(tools=(timer,))) as link,
    ):
        say(link, speech(1.0) + silence(1.0))
        link.open()
        await listener.until_told(FunctionCalled)
        (call,) = (event for event in listener.events if isinstance(event, FunctionCalled))
        assert (call.name, json.loads(call.arguments)) == ("set_timer", {"minutes": 5})
        link.answer_call(call.call_id, '{"ok": true}')
        link.ask()
        await listener.until_marked("response.done", times=2)
    assert ResponseDone(call.response_id, "completed", calls=1) in listener.events
    assert {response for response, _, _ in listener.audio} == {response_of(listener, 1)}
    assert [text for role, _, text in listener.said if role == "assistant"] == ["Five minutes it is."]


async def test_speech_during_a_function_needs_no_request_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    """The user goes on before the result is there: the service's own response covers it, and nothing is refused."""
    listener = Listener()
    timer = {"type": "function", "name": "set_timer", "description": "Set it.", "parameters": {"type": "object"}}
    caplog.set_level(logging.WARNING, "speakerd.link")
    async with (
        EmbeddedService(scripted(["@set_timer", "Done, and noon."])) as service,
        running_link(service.url, listener, spec=SessionSpec(tools=(timer,))) as link,
    ):
        say(link, speech(1.0) + silence(1.0))
        link.open()
        await listener.until_marked("response.done")
        (call,) = (event for event in listener.events if isinstance(event, FunctionCalled))
        say(link, speech(0.6))
        await listener.until(SpeechStarted(), SpeechStarted())
        link.answer_call(call.call_id, "{}")
        link.ask()
        say(link, silence(1.0))
        await listener.until_marked("response.done", times=2)
    assert len(listener.marked("response.created")) == 2
    assert caplog.records == []


async def test_an_evening_goes_on_in_a_new_session() -> None:
    """Before its end a session says so; the new one takes the last turns as the service's own rules allow."""
    listener = Listener()
    memory = Memory(minutes=10)
    spec = SessionSpec(transcription_model="any")
    async with (
        EmbeddedService(scripted([REPLY]), life_s=6.0) as service,
        running_link(service.url, listener, spec=spec, seeds=lambda: memory.recent(0.0)) as link,
    ):
        say(link, speech(1.0) + silence(1.0))
        link.open()
        await listener.until_marked("response.done")
        memory.said("user", "What time is it?", 0.0)
        memory.said("assistant", REPLY, 0.0)
        await listener.until_told(SessionExpiring)
        first = link.status()["session_id"]
        link.renew()
        await listener.until(LinkUp(), LinkUp())
        assert link.status()["session_id"] != first
        say(link, speech(1.0) + silence(1.0))
        await listener.until_marked("response.done", times=2)
    assert listener.marked("link.seeded") == [{"messages": 2}]
    assert not [event for event in listener.events if isinstance(event, LinkLost)]
    assert listener.usage[1].text_in > listener.usage[0].text_in  # the seeds were read
    assert [took.seconds > 0.9 for took in listener.transcriptions] == [True, True]


async def test_interruptions_are_switched_in_a_running_session() -> None:
    """With interruptions off the service lets a reply run on under the user's voice."""
    listener = Listener()
    async with (
        EmbeddedService(scripted([REPLY, "Yes?"]), pace=2.0) as service,
        running_link(service.url, listener) as link,
    ):
        say(link, speech(0.6) + silence(0.8))
        link.open()
        await listener.until_audio(1)
        link.configure_turns(interrupt=False)
        say(link, speech(0.6) + silence(0.8))
        await listener.until_marked("response.done")
        assert ResponseDone(response_of(listener), "completed") in listener.events
        assert link.status()["degraded"] is False


async def test_a_quota_that_is_used_up_is_told_by_its_code() -> None:
    """A response that fails for want of money ends with the reason; the next one is answered."""
    listener = Listener()
    async with (
        EmbeddedService(scripted([REPLY]), faults=Faults(fail_responses=1)) as service,
        running_link(service.url, listener) as link,
    ):
        say(link, speech(0.6) + silence(0.8))
        link.open()
        await listener.until_marked("response.done")
        assert ResponseDone(response_of(listener), "failed", "insufficient_quota") in listener.events
        say(link, speech(0.6) + silence(0.8))
        await listener.until_marked("response.done", times=2)
        assert ResponseDone(response_of(listener, 1), "completed") in listener.events


async def test_a_prepared_socket_takes_the_handshake_out_of_the_users_time() -> None:
    """On a network of slow handshakes a prepared session is up without one; nothing was sent on it before."""
    listener = Listener()
    async with (
        EmbeddedService(scripted([REPLY]), faults=Faults(slow_handshake_s=0.3)) as service,
        running_link(service.url, listener) as link,
    ):
        link.prepare()
        await listener.until_marked("link.prepared")
        assert service.bytes_received == 0
        service.faults = Faults(http_status=503)  # a second handshake would fail
        say(link, speech(1.0) + silence(1.0))
        link.open()
        await listener.until_marked("response.done")
        assert service.connections == 1


async def test_the_quick_start_runs() -> None:
    """Typed text is answered with a transcript and audio; the session is configured as the service demands."""
    lines, shown = ["What time is it?", "q"], []

    async def read_line() -> str | None:
        return lines.pop(0)

    async with EmbeddedService(scripted([REPLY])) as service:
        code = await chat(
            endpoint=Endpoint(service.url, "gpt-realtime"),
            credentials=Signer(),
            spec=SessionSpec(),
            play=None,
            strict=True,
            read_line=read_line,
            write=shown.append,
        )
    text = "".join(piece for piece in shown if "bytes of audio" not in piece)
    assert code == 0
    assert "".join(text.split()) == "".join(f"Enter a message: {REPLY} Enter a message: Conversation ended.".split())
    assert any("bytes of audio" in piece for piece in shown)
