"""The link and the chat against the embedded service: two sides of one protocol, written apart."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from speakerd.core.events import LinkLost, LinkUp, ResponseCreated, ResponseDone, SpeechStarted, SpeechStopped
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
