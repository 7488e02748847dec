"""The link over a real socket, against a strict scripted server."""

from __future__ import annotations

import asyncio
import logging

import pytest

from speakerd.core.errors import AuthError, Remedy
from speakerd.core.events import LinkLost, LinkUp, ResponseCreated, ResponseDone, SpeechStarted, SpeechStopped
from speakerd.core.units import ItemId, Ms, ResponseId
from speakerd.realtime.link import Endpoint, SessionSpec
from tests.fakes.link_listener import Listener, Signer, running_link
from tests.fakes.realtime_server import Client, RealtimeServer, Refuse, Script

PERIOD = bytes(range(256)) * 3 + bytes(192)  # 960 bytes, 20 ms
R, A = ResponseId("resp_1"), ItemId("item_a")


async def configure_only(client: Client) -> None:
    await client.configure()


def hearing(size_bytes: int, heard: list[bytes]) -> Script:
    async def script(client: Client) -> None:
        await client.configure()
        heard.append(await client.expect_audio(size_bytes))

    return script


async def test_nothing_is_sent_before_open() -> None:
    """A warm, running link with waiting audio makes no connection until it is asked to, and keeps the audio."""
    heard: list[bytes] = []
    listener = Listener()
    async with RealtimeServer(hearing(len(PERIOD), heard)) as server:
        async with running_link(server.url, listener) as link:
            link.append(PERIOD)
            await asyncio.sleep(0)
            assert server.visits == []
            assert link.status()["state"] == "closed"
            link.open()
            await listener.until(LinkUp())
            await listener.until_sent(len(PERIOD))
        await server.assert_complete()
    assert heard == [PERIOD]


async def test_a_session_is_asked_for_as_specified() -> None:
    """The handshake names the model and carries the credential only; the update comes first on the open socket."""
    sessions: list[dict[str, object]] = []

    async def script(client: Client) -> None:
        sessions.append(await client.configure())

    listener = Listener()
    async with RealtimeServer(script) as server:
        async with running_link(server.url, listener, spec=SessionSpec(voice="cedar")) as link:
            link.open()
            link.open()
            await listener.until(LinkUp())
            assert link.status()["session_id"] == "sess_fake"
        await server.assert_complete()
        (visit,) = server.visits
    assert visit.path == "/openai/v1/realtime?model=gpt-realtime"
    assert visit.headers["Authorization"] == "Bearer token-1"
    assert "OpenAI-Beta" not in visit.headers
    assert sessions == [SessionSpec(voice="cedar").full()]
    assert visit.close_code == 1000
    assert [name for name, _ in listener.marks] == ["link.connecting", "link.open", "link.up"]


async def test_a_key_in_its_own_header_stands_alone() -> None:
    """Beside an api-key header there is no empty Authorization."""
    listener = Listener()
    async with RealtimeServer(configure_only) as server:
        async with running_link(server.url, listener, signer=Signer({"api-key": "k"})) as link:
            link.open()
            await listener.until(LinkUp())
        await server.assert_complete()
        assert server.visits[0].headers["api-key"] == "k"
        assert "Authorization" not in server.visits[0].headers


async def test_waiting_audio_follows_the_update_as_a_burst() -> None:
    """Audio from before the session is up goes out right behind the update, in order, in pieces of 200 ms at most."""
    clients: list[Client] = []
    heard: list[bytes] = []

    async def script(client: Client) -> None:
        clients.append(client)
        await client.expect("session.update")  # the audio does not wait for our answer
        heard.append(await client.expect_audio(50 * len(PERIOD)))
        await client.emit("session.updated", session={})

    speech = b"".join(bytes([number]) * len(PERIOD) for number in range(50))
    listener = Listener()
    async with RealtimeServer(script) as server:
        async with running_link(server.url, listener) as link:
            link.open()
            for start in range(0, len(speech), len(PERIOD)):
                link.append(speech[start : start + len(PERIOD)])
            await listener.until(LinkUp())
        await server.assert_complete()
    assert heard == [speech]
    assert clients[0].appends == [9600, 9600, 9600, 9600, 9600]
    assert listener.marked("uplink")[-1]["total_bytes"] == len(speech)


async def test_a_session_that_never_came_up_loses_no_word() -> None:
    """Audio sent to a session that broke off before it was up is sent again to the next, from its beginning."""
    heard: list[bytes] = []

    async def broken(client: Client) -> None:
        await client.expect("session.update")
        await client.expect_audio(len(PERIOD))
        client.abort()

    listener = Listener()
    async with RealtimeServer(broken, hearing(2 * len(PERIOD), heard)) as server:
        async with running_link(server.url, listener) as link:
            link.open()
            link.append(PERIOD)
            await listener.until_marked("link.open", times=2)
            link.append(PERIOD)
            await listener.until(LinkUp())
            await listener.until_sent(3 * len(PERIOD))
        await server.assert_complete()
    assert heard == [2 * PERIOD]


async def test_a_turn_reaches_the_core_and_the_loudspeaker() -> None:
    """Speech, response, audio, transcripts and the end of a turn come out in order, and into the diary."""

    async def script(client: Client) -> None:
        await client.configure()
        await client.emit("input_audio_buffer.speech_started", item_id="u", audio_start_ms=100)
        await client.emit("input_audio_buffer.speech_stopped", item_id="u", audio_end_ms=900)
        await client.emit("response.created", response={"id": R})
        await client.emit_audio(R, A, PERIOD)
        await client.emit("conversation.item.input_audio_transcription.completed", item_id="u", transcript="hi")
        await client.emit(
            "response.output_audio_transcript.done", response_id=R, item_id=A, output_index=0, transcript="Hello."
        )
        usage = {"output_token_details": {"audio_tokens": 4}}
        await client.emit("response.done", response={"id": R, "status": "completed", "usage": usage})

    listener = Listener()
    async with RealtimeServer(script) as server:
        async with running_link(server.url, listener) as link:
            link.open()
            await listener.until(ResponseDone(R, "completed"))
            assert link.status()["audio_tokens_out"] == 4
        await server.assert_complete()
    expected = [LinkUp(), SpeechStarted(), SpeechStopped(), ResponseCreated(R), ResponseDone(R, "completed")]
    assert listener.events == expected
    assert listener.audio == [(R, A, PERIOD)]
    assert listener.audio_done == [R]
    assert listener.said == [("user", "u", "hi"), ("assistant", A, "Hello.")]
    assert listener.marked("downlink") == [{"response_id": R, "item_id": A, "bytes": 960}]
    assert listener.marked("speech_started") == [{"audio_start_ms": 100}]
    assert listener.marked("speech_stopped") == [{"audio_end_ms": 900}]
    assert listener.marked("response.done") == [{"response_id": R, "status": "completed"}]


async def test_an_interruption_is_told_with_what_was_heard() -> None:
    """Truncation and cancellation name their item and response; late audio of it never surfaces."""

    async def script(client: Client) -> None:
        await client.configure()
        await client.emit("response.created", response={"id": R})
        await client.emit_audio(R, A, 10 * PERIOD)
        await client.expect("conversation.item.truncate", item_id=A, audio_end_ms=120, content_index=0)
        await client.expect("response.cancel", response_id=R)
        await client.emit_audio(R, A, PERIOD)
        await client.emit("response.done", response={"id": R, "status": "cancelled"})

    listener = Listener()
    async with RealtimeServer(script) as server:
        async with running_link(server.url, listener) as link:
            link.truncate(A, Ms(1))
            link.cancel(R)
            link.open()
            await listener.until_audio(1)
            link.truncate(A, Ms(120))
            link.cancel(R)
            await listener.until(ResponseDone(R, "cancelled"))
            assert link.status()["late_deltas"] == 1
        await server.assert_complete()
    assert len(listener.audio) == 1
    assert listener.marked("truncate") == [{"item_id": A, "heard_ms": 120}]
    assert listener.marked("cancel") == [{"response_id": R}]


async def test_nothing_follows_close() -> None:
    """After close() nothing more is sent, nothing of the old session surfaces, and the socket closes with 1000."""
    closed = asyncio.Event()

    async def script(client: Client) -> None:
        await client.configure()
        await client.expect_audio(len(PERIOD))
        await closed.wait()
        await client.emit("response.created", response={"id": R})

    listener = Listener()
    async with RealtimeServer(script) as server:
        async with running_link(server.url, listener) as link:
            link.open()
            await listener.until(LinkUp())
            link.append(PERIOD)
            await listener.until_sent(len(PERIOD))
            link.append(PERIOD)
            link.close()
            link.close()
            closed.set()
            await server.assert_complete()
        assert server.visits[0].close_code == 1000
    assert listener.events == [LinkUp()]


async def test_a_listener_may_close_the_link_under_it() -> None:
    """Closing from within an event leaves nothing behind, and the next session starts clean."""

    async def first(client: Client) -> None:
        await client.configure()
        await client.emit("input_audio_buffer.speech_started", item_id="u", audio_start_ms=0)
        await client.emit("response.created", response={"id": R})

    listener = Listener()
    async with RealtimeServer(first, configure_only) as server:
        async with running_link(server.url, listener) as link:
            hear = listener.on_event

            def close_at_speech(event: object) -> None:
                hear(event)  # type: ignore[arg-type] # whatever the link says
                if event == SpeechStarted():
                    link.close()
                    link.open()

            object.__setattr__(link._listeners, "on_event", close_at_speech)
            link.open()
            await listener.until(SpeechStarted())
            await listener.until(LinkUp(), LinkUp())
        await server.assert_complete()
    assert listener.events == [LinkUp(), SpeechStarted(), LinkUp()]


@pytest.mark.parametrize("code", [1000, 1001, 1011, 4000])
async def test_every_close_of_the_service_is_noticed(code: int) -> None:
    """A session that was up and is closed is lost with the close code, the silent 1000 and 1001 included."""

    async def script(client: Client) -> None:
        await client.configure()
        await client.close(code)

    listener = Listener()
    async with RealtimeServer(script) as server:
        async with running_link(server.url, listener) as link:
            link.open()
            await listener.until(LinkLost(f"link-closed-{code}"))
            assert link.status()["state"] == "closed"
        await server.assert_complete()
    assert listener.events == [LinkUp(), LinkLost(f"link-closed-{code}")]
    assert listener.marked("link.lost") == [{"code": f"link-closed-{code}"}]


async def test_a_broken_connection_and_broken_words_are_lost_links() -> None:
    """A socket without a close frame and a peer that does not speak the protocol each end the session with a code."""

    async def abort(client: Client) -> None:
        await client.configure()
        client.abort()

    async def babble(client: Client) -> None:
        await client.configure()
        await client.emit_raw("{")

    listener = Listener()
    async with RealtimeServer(abort, babble) as server:
        async with running_link(server.url, listener) as link:
            link.open()
            await listener.until(LinkLost("link-lost"))
            link.append(PERIOD)
            link.close()
            link.open()
            await listener.until(LinkLost("protocol-remote"))
        await server.assert_complete()


async def test_handshakes_are_repeated_where_that_helps() -> None:
    """A busy service is asked again; a refused credential once more with a fresh one."""
    signer, listener = Signer(), Listener()
    plans = (Refuse(429, {"Retry-After": "0"}), Refuse(401), configure_only)
    async with RealtimeServer(*plans) as server:
        async with running_link(server.url, listener, signer=signer) as link:
            link.open()
            await listener.until(LinkUp())
        await server.assert_complete()
        assert [visit.headers["Authorization"] for visit in server.visits] == [f"Bearer token-{n}" for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("plans", "code"),
    [
        ((Refuse(401), Refuse(401)), "link-http-401"),
        ((Refuse(404),), "link-http-404"),
        ((Refuse(429, {"Retry-After": "60"}),), "link-http-429"),
    ],
)
async def test_handshakes_are_not_repeated_where_that_is_of_no_use(
    plans: tuple[Refuse, ...], code: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A final refusal is told with its code at once, and logged once with what to do."""
    listener = Listener()
    with caplog.at_level(logging.WARNING, "speakerd.link"):
        async with RealtimeServer(*plans) as server:
            async with running_link(server.url, listener) as link:
                link.open()
                await listener.until(LinkLost(code))
            await server.assert_complete()
    assert listener.events == [LinkLost(code)]
    (record,) = caplog.records
    assert code in record.getMessage()
    assert "token" not in record.getMessage()


@pytest.mark.parametrize(("plans", "refused"), [((Refuse(401), Refuse(401)), 2), ((Refuse(404),), 0)])
async def test_the_credential_hears_that_it_was_refused(plans: tuple[Refuse, ...], refused: int) -> None:
    """So that the next handshake is signed with another; not when the service has something else against us."""
    listener, signer = Listener(), Signer()
    async with RealtimeServer(*plans) as server, running_link(server.url, listener, signer=signer) as link:
        link.open()
        await listener.until(LinkLost(f"link-http-{plans[0].status}"))
    assert (signer.refused, signer.taken) == (refused, 0)


async def test_a_credential_that_knows_better_is_believed(caplog: pytest.LogCaptureFixture) -> None:
    """Where all of its tokens are refused, to sign in again is no advice."""
    listener, signer = Listener(), Signer()
    signer.in_vain = AuthError("auth-refused", "the role is missing", Remedy.OPERATOR)
    async with RealtimeServer(Refuse(401)) as server, running_link(server.url, listener, signer=signer) as link:
        link.open()
        await listener.until(LinkLost("auth-refused"))
    assert "sign in again" not in caplog.text


async def test_the_credential_hears_that_it_was_taken() -> None:
    """Once for each handshake that came through."""
    listener, signer = Listener(), Signer()
    async with RealtimeServer(Refuse(401), configure_only) as server:
        async with running_link(server.url, listener, signer=signer) as link:
            link.open()
            await listener.until(LinkUp())
        await server.assert_complete()
    assert (signer.refused, signer.taken) == (1, 1)


async def test_a_credential_that_may_come_is_not_waited_for() -> None:
    """Who keeps it tries on by itself; the user is told at once how it stands."""
    listener = Listener()
    signer = Signer(AuthError("auth-no-network", "no network", Remedy.RETRY))
    async with RealtimeServer() as server, running_link(server.url, listener, signer=signer) as link:
        link.open()
        await listener.until(LinkLost("auth-no-network"))
    assert signer.asked == 1


async def test_without_a_credential_there_is_no_handshake() -> None:
    """What the credentials say is wrong is what the link says."""
    listener = Listener()
    signer = Signer(AuthError("auth-none", "no key", Remedy.OPERATOR))
    async with RealtimeServer() as server, running_link(server.url, listener, signer=signer) as link:
        link.open()
        await listener.until(LinkLost("auth-none"))
        assert server.visits == []


async def test_a_refused_update_is_survived_once() -> None:
    """A full update that is refused is followed by the minimum; when that is refused too the session is lost."""

    async def forgiving(client: Client) -> None:
        refused = await client.expect("session.update")
        await client.emit_error("unknown_parameter", refused["event_id"], "session.x")
        minimal = await client.expect("session.update")
        assert "voice" not in minimal["session"]["audio"]["output"]
        await client.emit("session.updated", session={})

    async def strict(client: Client) -> None:
        for _ in range(2):
            refused = await client.expect("session.update")
            await client.emit_error("unknown_parameter", refused["event_id"])

    listener = Listener()
    async with RealtimeServer(forgiving, strict) as server:
        async with running_link(server.url, listener) as link:
            link.open()
            await listener.until(LinkUp())
            assert link.status()["degraded"] is True
            link.close()
            link.open()
            await listener.until(LinkLost("session-refused"))
        await server.assert_complete()


async def test_an_expired_session_says_so() -> None:
    """The service's word comes before its close, and is the code."""

    async def script(client: Client) -> None:
        await client.configure()
        await client.emit_error("session_expired")

    listener = Listener()
    async with RealtimeServer(script) as server, running_link(server.url, listener) as link:
        link.open()
        await listener.until(LinkLost("session-expired"))


async def test_opened_before_run_it_connects_when_run() -> None:
    """The order of open() and run() does not matter, and closing during the attempt leaves no connection."""
    listener = Listener()
    async with RealtimeServer(configure_only) as server:
        async with running_link(server.url, listener) as link:
            link.open()  # run() has not had its first turn yet
            await listener.until(LinkUp())
            link.close()
            link.open()
            link.close()
        await server.assert_complete()
        assert len(server.visits) == 1


async def test_two_minutes_behind_is_a_lost_link() -> None:
    """A link that cannot get rid of its audio says so instead of dropping any."""
    listener = Listener()

    async def deaf(client: Client) -> None:
        await client.expect("session.update")

    async with RealtimeServer(deaf) as server, running_link(server.url, listener) as link:
        link.append(bytes(60 * 48_000))
        link.open()
        await listener.until_marked("link.open")
        link.append(bytes(121 * 48_000))
        await listener.until(LinkLost("link-lost"))
        link.append(bytes(121 * 48_000))
        link.append(PERIOD)
        link.open()
        await listener.until(LinkLost("link-lost"), LinkLost("link-lost"))
    assert len(server.visits) == 1


async def test_another_place_is_used_by_the_next_session_only() -> None:
    """The one that runs stays where it is; the next goes elsewhere, signed by somebody else, configured otherwise."""
    listener, other = Listener(), Signer()
    async with RealtimeServer(configure_only) as old, RealtimeServer(configure_only) as new:
        async with running_link(old.url, listener) as link:
            link.open()
            await listener.until(LinkUp())
            link.use(SessionSpec(voice="cedar"), endpoint=Endpoint(new.url, "kitchen"), credentials=other)
            assert link.status()["state"] == "up"
            link.close()
            listener.events.clear()
            link.open()
            await listener.until(LinkUp())
            link.close()
        await old.assert_complete()
        await new.assert_complete()
        assert other.asked == 1
        assert "model=kitchen" in new.visits[0].path


async def test_what_was_prepared_for_another_place_is_dropped() -> None:
    """Nothing of the user may go where nobody wants to go any more."""
    listener = Listener()
    async with RealtimeServer() as old, running_link(old.url, listener) as link:
        link.prepare()
        assert link.status()["prepared"]
        link.use(SessionSpec())
        assert link.status()["prepared"]
        link.use(SessionSpec(), endpoint=Endpoint("ws://127.0.0.1:9/v1", "x"))
        assert not link.status()["prepared"]
