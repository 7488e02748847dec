"""What a session's life brings beyond a plain turn: calls, seeds, age, refusals, cuts; against the strict server."""

from __future__ import annotations

import asyncio
import logging

import pytest

from speakerd.core.events import (
    FunctionCalled,
    LinkLost,
    LinkUp,
    ResponseCreated,
    ResponseDone,
    SessionExpiring,
    SessionReduced,
    SpeechStarted,
)
from speakerd.core.memory import Said
from speakerd.core.units import Frames, ItemId, Ms, ResponseId
from speakerd.realtime.link import SessionSpec
from speakerd.realtime.usage import TranscriptionUsage, Usage
from tests.fakes.link_listener import Listener, running_link
from tests.fakes.realtime_server import Client, RealtimeServer, Refuse

PERIOD = bytes(range(256)) * 3 + bytes(192)  # 960 bytes, 20 ms
R1, R2, A = ResponseId("resp_1"), ResponseId("resp_2"), ItemId("item_a")
CALL = {"type": "function_call", "status": "completed", "call_id": "call_1", "name": "set_timer", "arguments": "{}"}
TIMER = {"type": "function", "name": "set_timer", "description": "Set it.", "parameters": {"type": "object"}}
BEFORE = (Said("user", "What time is it?"), Said("assistant", "Noon."))


class Clock:
    """The world's clock and its waits: what the link waits for is over when the test says so."""

    def __init__(self, wall_s: float = 0.0) -> None:
        self.wall_s = wall_s
        self.asked_s: list[float] = []
        self.over = asyncio.Event()

    def wall(self) -> float:
        return self.wall_s

    async def sleep(self, delay_s: float) -> None:
        self.asked_s.append(delay_s)
        await self.over.wait()


async def test_a_function_is_called_answered_and_spoken_about() -> None:
    """A call comes out whole, its answer goes in at once, one response is asked for when the calling one is over."""

    async def script(client: Client) -> None:
        session = await client.configure()
        assert (session["tools"], session["tool_choice"]) == ([TIMER], "auto")
        await client.emit("response.created", response={"id": R1})
        await client.emit("response.output_item.done", response_id=R1, output_index=0, item=CALL)
        answer = await client.expect("conversation.item.create")
        assert answer["item"] == {"type": "function_call_output", "call_id": "call_1", "output": '{"ok":true}'}
        await client.emit("conversation.item.done", item=answer["item"])
        await client.emit("response.done", response={"id": R1, "status": "completed", "output": [CALL]})
        await client.expect("response.create")
        await client.emit("response.created", response={"id": R2})
        await client.emit("response.done", response={"id": R2, "status": "completed"})

    listener = Listener()
    async with RealtimeServer(script) as server:
        async with running_link(server.url, listener, spec=SessionSpec(tools=(TIMER,))) as link:
            link.answer_call("call_1", "{}")
            link.ask()
            link.open()
            await listener.until(FunctionCalled(R1, "call_1", "set_timer", "{}"))
            link.answer_call("call_1", '{"ok":true}')
            link.answer_call("call_1", "{}")
            link.ask()
            await listener.until(ResponseDone(R1, "completed", calls=1), ResponseDone(R2, "completed"))
        await server.assert_complete()
    assert listener.marked("call") == [{"response_id": R1, "function": "set_timer"}]


async def test_what_was_said_before_comes_between_the_update_and_the_audio() -> None:
    """A new session is told the last turns first; the audio behind them is whole and in order."""
    heard: list[bytes] = []

    async def script(client: Client) -> None:
        await client.expect("session.update")
        for role, kind, text in (("user", "input_text", "What time is it?"), ("assistant", "output_text", "Noon.")):
            item = {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}
            await client.expect("conversation.item.create", item=item)
        heard.append(await client.expect_audio(50 * len(PERIOD)))
        await client.emit("session.updated", session={})

    speech = b"".join(bytes([number]) * len(PERIOD) for number in range(50))
    listener = Listener()
    async with RealtimeServer(script) as server:
        async with running_link(server.url, listener, seeds=lambda: BEFORE) as link:
            link.append(speech)
            link.open()
            await listener.until(LinkUp())
        await server.assert_complete()
    assert heard == [speech]
    assert listener.marked("link.seeded") == [{"messages": 2}]


async def test_a_second_attempt_is_told_what_was_said_before_again() -> None:
    """The session that came up knows the last turns once, however many did not come up before it."""
    heard: list[bytes] = []

    async def broken(client: Client) -> None:
        await client.expect("session.update")
        for _ in BEFORE:
            await client.expect("conversation.item.create")
        await client.expect_audio(len(PERIOD))
        client.abort()

    async def whole(client: Client) -> None:
        await client.expect("session.update")
        for _ in BEFORE:
            await client.expect("conversation.item.create")
        heard.append(await client.expect_audio(len(PERIOD)))
        await client.emit("session.updated", session={})

    listener = Listener()
    async with RealtimeServer(broken, whole) as server:
        async with running_link(server.url, listener, seeds=lambda: BEFORE) as link:
            link.append(PERIOD)
            link.open()
            await listener.until(LinkUp())
        await server.assert_complete()
    assert heard == [PERIOD]


async def test_a_refused_seed_is_survived() -> None:
    """The service does not take what was said before: the session goes on without, at full configuration."""

    async def script(client: Client) -> None:
        await client.expect("session.update")
        for _ in BEFORE:
            seed = await client.expect("conversation.item.create")
            await client.emit_error("invalid_value", seed["event_id"], "item.content[0].type")
        await client.emit("session.updated", session={})
        await client.expect_audio(len(PERIOD))

    listener = Listener()
    async with RealtimeServer(script) as server:
        async with running_link(server.url, listener, seeds=lambda: BEFORE) as link:
            link.append(PERIOD)
            link.open()
            await listener.until(LinkUp())
            await listener.until_sent(len(PERIOD))
            assert link.status()["degraded"] is False
        await server.assert_complete()
    assert listener.events == [LinkUp()]


@pytest.mark.parametrize(("wall_s", "delay_s"), [(-3591.0, 3480.0), (-991.0, 880.0), (10.0, 1680.0)])
async def test_a_session_is_called_expiring_ahead_of_its_end(wall_s: float, delay_s: float) -> None:
    """The link waits by the session's own ``expires_at`` (9 here), or half an hour where our clock is past it."""

    async def script(client: Client) -> None:
        await client.configure()

    clock, listener = Clock(wall_s), Listener()
    async with RealtimeServer(script) as server:
        async with running_link(server.url, listener, wall=clock.wall, sleep=clock.sleep) as link:
            link.open()
            await listener.until(LinkUp())
            await asyncio.sleep(0)
            assert (clock.asked_s, listener.events) == ([delay_s], [LinkUp()])
            clock.over.set()
            await listener.until(SessionExpiring())
            assert link.status()["state"] == "up"
        await server.assert_complete()
    assert listener.marked("link.expiring") == [{}]


async def test_a_closed_session_does_not_expire() -> None:
    """Nobody is told of the age of a session that is over."""

    async def script(client: Client) -> None:
        await client.configure()

    clock, listener = Clock(), Listener()
    async with (
        RealtimeServer(script) as server,
        running_link(server.url, listener, wall=clock.wall, sleep=clock.sleep) as link,
    ):
        link.open()
        await listener.until(LinkUp())
        await asyncio.sleep(0)
        link.close()
        clock.over.set()
        await server.assert_complete()
    assert listener.events == [LinkUp()]


async def test_a_refused_configuration_is_told_before_the_session_is_up() -> None:
    """The owner can be told that the speaker goes on with the minimum, and why."""

    async def script(client: Client) -> None:
        refused = await client.expect("session.update")
        await client.emit_error("unknown_parameter", refused["event_id"], "session.x")
        await client.expect("session.update")
        await client.emit("session.updated", session={})

    listener = Listener()
    async with RealtimeServer(script) as server:
        async with running_link(server.url, listener) as link:
            link.open()
            await listener.until(LinkUp())
        await server.assert_complete()
    assert listener.events == [SessionReduced("unknown_parameter"), LinkUp()]


async def test_errors_that_are_none_are_not_even_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A lost race is nothing; another refusal is logged once; neither ends the session."""

    async def script(client: Client) -> None:
        await client.configure()
        await client.emit_error("response_cancel_not_active")
        await client.emit_error("conversation_already_has_active_response")
        await client.emit_error("item_truncate_invalid_item_id")
        await client.emit("input_audio_buffer.committed", item_id="u")

    listener = Listener()
    with caplog.at_level(logging.WARNING, "speakerd.link"):
        async with RealtimeServer(script) as server:
            async with running_link(server.url, listener) as link:
                link.open()
                await listener.until(LinkUp())
                await listener.until_true(lambda: listener.committed == ["u"])
                assert link.status()["state"] == "up"
            await server.assert_complete()
    (record,) = caplog.records
    assert "item_truncate_invalid_item_id" in record.getMessage()


@pytest.mark.parametrize("code", ["insufficient_quota", "rate_limit_exceeded"])
async def test_a_quota_that_is_used_up_is_told_by_the_response(code: str) -> None:
    """The reason stands inside response.done; the session goes on."""

    async def script(client: Client) -> None:
        await client.configure()
        await client.emit("response.created", response={"id": R1})
        details = {"type": "failed", "error": {"type": code, "code": code, "message": "no"}}
        await client.emit("response.done", response={"id": R1, "status": "failed", "status_details": details})

    listener = Listener()
    async with RealtimeServer(script) as server:
        async with running_link(server.url, listener) as link:
            link.open()
            await listener.until(ResponseDone(R1, "failed", code))
            assert link.status()["state"] == "up"
        await server.assert_complete()


async def test_what_a_memory_and_a_purse_need_is_told() -> None:
    """The user's item before its words, how far a reply was heard, and what both took."""

    async def script(client: Client) -> None:
        await client.configure()
        await client.emit("input_audio_buffer.committed", item_id="u")
        await client.emit("response.created", response={"id": R1})
        await client.emit_audio(R1, A, 10 * PERIOD)
        await client.expect("conversation.item.truncate", item_id=A, audio_end_ms=120)
        done = {"item_id": "u", "transcript": "hi", "usage": {"type": "duration", "seconds": 1.5}}
        await client.emit("conversation.item.input_audio_transcription.completed", **done)
        usage = {"input_token_details": {"audio_tokens": 3}, "output_token_details": {"audio_tokens": 4}}
        await client.emit("response.done", response={"id": R1, "status": "completed", "usage": usage})

    listener = Listener()
    async with RealtimeServer(script) as server:
        async with running_link(server.url, listener) as link:
            link.open()
            await listener.until_audio(1)
            assert listener.committed == ["u"]
            link.truncate(A, Ms(120))
            link.truncate(A, Ms(150))
            await listener.until(ResponseDone(R1, "completed"))
        await server.assert_complete()
    assert listener.cuts == [(A, 120, 200)]
    assert listener.transcriptions == [TranscriptionUsage(1.5, 0, 0, 0)]
    assert listener.usage == [Usage(0, 3, 0, 0, 0, 4)]


async def test_interruptions_are_switched_live_and_for_the_sessions_to_come() -> None:
    """What is chosen in a session is sent there, and named by the first update of the next one."""

    async def first(client: Client) -> None:
        await client.configure()
        change = await client.expect("session.update")
        assert change["session"]["audio"]["input"]["turn_detection"]["interrupt_response"] is False
        await client.emit("session.updated", session={})
        await client.close(1011)

    async def second(client: Client) -> None:
        session = await client.configure()
        assert session["audio"]["input"]["turn_detection"]["interrupt_response"] is False

    listener = Listener()
    async with RealtimeServer(first, second) as server:
        async with running_link(server.url, listener) as link:
            link.open()
            await listener.until(LinkUp())
            link.configure_turns(interrupt=False)
            await listener.until(LinkLost("link-closed-1011"))
            link.configure_turns(interrupt=False)
            link.open()
            await listener.until(LinkUp(), LinkUp())
        await server.assert_complete()
    assert listener.events == [LinkUp(), LinkLost("link-closed-1011"), LinkUp()]


async def test_a_renewed_session_loses_no_audio() -> None:
    """The old session is closed with 1000 and says no more; what comes meanwhile waits for the new one, behind the
    seeds."""
    heard: list[bytes] = []

    async def old(client: Client) -> None:
        await client.configure()
        await client.expect("conversation.item.create")
        await client.expect("conversation.item.create")
        await client.expect_audio(len(PERIOD))

    async def new(client: Client) -> None:
        await client.emit("session.created", session={"id": "sess_new"})
        await client.expect("session.update")
        for _ in BEFORE:
            await client.expect("conversation.item.create")
        heard.append(await client.expect_audio(3 * len(PERIOD)))
        await client.emit("session.updated", session={"id": "sess_new"})

    listener = Listener()
    async with RealtimeServer(old, new) as server:
        async with running_link(server.url, listener, seeds=lambda: BEFORE) as link:
            link.append(PERIOD)
            link.open()
            await listener.until(LinkUp())
            await listener.until_sent(len(PERIOD))
            link.append(PERIOD)  # has not left us when the old session ends
            link.renew()
            link.append(PERIOD)
            link.renew()  # this one is new
            link.append(PERIOD)
            await listener.until(LinkUp(), LinkUp())
            assert (link.status()["session_id"], link.status()["sessions"]) == ("sess_new", 2)
        await server.assert_complete()
        assert [visit.close_code for visit in server.visits] == [1000, 1000]
    assert heard == [3 * PERIOD]
    assert listener.events == [LinkUp(), LinkUp()]


async def test_a_question_is_asked_again_in_a_new_session() -> None:
    """Where it begins is known by the microphone's frames, also in a session that took over; then it goes out anew.

    What was said of it before is told to nobody; what the lost session was still to be sent does not follow it.
    """
    heard: list[bytes] = []

    async def first(client: Client) -> None:
        await client.configure()
        await client.expect_audio(len(PERIOD))

    async def broken(client: Client) -> None:
        await client.configure()
        heard.append(await client.expect_audio(len(PERIOD)))
        await client.emit("input_audio_buffer.speech_started", item_id=A, audio_start_ms=5)
        await client.expect_audio(len(PERIOD))
        client.abort()

    async def whole(client: Client) -> None:
        await client.configure()
        heard.append(await client.expect_audio(2 * len(PERIOD)))

    withdrawn: list[int] = []
    listener = Listener()
    async with RealtimeServer(first, broken, whole) as server:
        async with running_link(
            server.url, listener, on_asking_again=lambda: withdrawn.append(len(listener.events))
        ) as link:
            link.append(PERIOD, Frames(7000))
            link.open()
            await listener.until(LinkUp())
            await listener.until_sent(len(PERIOD))
            link.append(PERIOD, Frames(7480))
            link.renew()
            await listener.until(LinkUp(), LinkUp(), SpeechStarted(from_frame=Frames(7600)))
            link.append(PERIOD)
            await listener.until(LinkLost("link-lost"))
            link.reopen()
            link.append(2 * PERIOD, Frames(7600))
            await listener.until(LinkUp(), LinkUp(), LinkUp())
            await listener.until_sent(5 * len(PERIOD))
        await server.assert_complete()
    assert heard == [PERIOD, 2 * PERIOD]
    assert withdrawn == [listener.events.index(LinkLost("link-lost")) + 1]


async def test_renewing_a_link_that_is_closed_opens_it() -> None:
    """There is a session afterwards, or a reason why not, whatever was before."""

    async def script(client: Client) -> None:
        await client.configure()

    listener = Listener()
    async with RealtimeServer(script) as server:
        async with running_link(server.url, listener) as link:
            link.renew()
            await listener.until(LinkUp())
        await server.assert_complete()


async def test_a_text_waits_for_the_session_and_outlives_an_attempt() -> None:
    """It reaches the session that came up, once; one that is up gets it at once."""

    async def broken(client: Client) -> None:
        await client.expect("session.update")
        await client.close()

    async def script(client: Client) -> None:
        await client.configure()
        first = await client.expect("response.create")
        assert first["response"]["instructions"].endswith("One.")
        await client.emit("response.created", response={"id": R1})
        await client.emit("response.done", response={"id": R1, "status": "completed"})
        item = await client.expect("conversation.item.create")
        assert item["item"]["content"][0]["text"] == "Two?"
        await client.expect("response.create")
        await client.emit("response.created", response={"id": R2})

    listener = Listener()
    async with RealtimeServer(broken, script) as server:
        async with running_link(server.url, listener) as link:
            link.send_text("Nobody hears this.", verbatim=True)
            link.open()
            link.send_text("One.", verbatim=True)
            await listener.until(LinkUp(), ResponseCreated(R1), ResponseDone(R1, "completed"))
            link.send_text("Two?", verbatim=False)
            await listener.until(LinkUp(), ResponseCreated(R1), ResponseDone(R1, "completed"), ResponseCreated(R2))
        await server.assert_complete()


async def test_an_outage_is_told_once_for_each_cause(caplog: pytest.LogCaptureFixture) -> None:
    """Not with every attempt."""

    async def script(client: Client) -> None:
        await client.configure()

    clock = Clock()
    clock.over.set()
    listener = Listener()
    caplog.set_level(logging.INFO, "speakerd.link")
    async with RealtimeServer(Refuse(503), Refuse(503), Refuse(429), Refuse(429), script) as server:
        async with running_link(server.url, listener, sleep=clock.sleep) as link:
            link.open()
            await listener.until(LinkUp())
        await server.assert_complete()
    told = [message for message in caplog.messages if message.startswith("no session yet")]
    assert [message.split(": ")[1] for message in told] == ["link-http-503", "link-http-429"]
