"""The server on a real socket: the handshake, the pace, the counters and the faults."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from speakerd.core.errors import SpeakerdError
from speakerd.embedded.admission import check_handshake
from speakerd.embedded.faults import Faults
from speakerd.embedded.options import Options
from speakerd.embedded.parts import Prompt
from speakerd.embedded.server import EmbeddedService, make_id
from speakerd.embedded.tiers import scripted

AUTH = {"Authorization": "Bearer local"}


@pytest.fixture
async def service() -> AsyncIterator[EmbeddedService]:
    async with EmbeddedService(scripted(["A reply that takes a few seconds to hum. And it has two sentences."])) as it:
        yield it


def session(service: EmbeddedService, **options: Any) -> connect:
    return connect(f"{service.url}/realtime?model=m", additional_headers=AUTH, compression=None, **options)


async def events(socket: ClientConnection, until: str) -> list[dict[str, Any]]:
    """Return the events up to the first of a type."""
    seen = []
    while not seen or seen[-1]["type"] != until:
        seen.append(json.loads(await socket.recv()))
    return seen


async def ask(socket: ClientConnection) -> None:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
    await socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
    await socket.send(json.dumps({"type": "response.create"}))


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("/v1/realtime?model=m", AUTH, None),
        ("/openai/v1/realtime?deployment=m", {"api-key": "k"}, None),
        ("/v1/realtime?model=m&api-key=k", {}, None),
        ("/v1/realtime?model=m", {}, 401),
        ("/v1/realtime?model=m", {"Authorization": "Bearer "}, 401),
        ("/openai/realtime?api-version=2025-04-01-preview&deployment=m", {"api-key": "k"}, 401),
        ("/v1/chat", AUTH, 404),
        ("/v1/realtime", AUTH, 400),
    ],
)
def test_handshake_is_checked(target: str, headers: dict[str, str], status: int | None) -> None:
    """Path, authorisation, model and the absence of an api-version decide who comes in."""
    rejection = check_handshake(target, headers.get)
    assert (rejection.status if rejection else None) == status


async def test_handshake_without_authorisation_is_401(service: EmbeddedService) -> None:
    """The refusal is an HTTP status with the service's kind of body, and counts as no connection."""
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{service.url}/realtime?model=m")
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body or b"")["error"]["code"] == "invalid_api_key"
    assert service.connections == 0


async def test_beta_header_is_refused_as_the_service_does(service: EmbeddedService) -> None:
    """The retired dialect gets an error event and close 4000."""
    headers = {**AUTH, "OpenAI-Beta": "realtime=v1"}
    async with connect(f"{service.url}/realtime?model=m", additional_headers=headers) as socket:
        (error,) = await events(socket, "error")
        assert error["error"]["code"] == "beta_api_shape_disabled"
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 4000


async def test_another_beta_is_none_of_ours(service: EmbeddedService) -> None:
    """Only the Realtime beta's header is refused."""
    headers = {**AUTH, "OpenAI-Beta": "assistants=v2"}
    async with connect(f"{service.url}/realtime?model=m", additional_headers=headers) as socket:
        await events(socket, "session.created")


async def test_written_turn_streams_words_ahead_of_sound(service: EmbeddedService) -> None:
    """A reply comes as deltas of 100 to 600 ms, the transcript never behind, and adds up to the whole."""
    async with session(service) as socket:
        await ask(socket)
        seen = await events(socket, "response.done")
    sizes = [len(base64.b64decode(e["delta"])) // 48 for e in seen if e["type"] == "response.output_audio.delta"]
    assert all(size <= 600 for size in sizes)
    assert sizes[0] == 100
    words = [e["delta"] for e in seen if e["type"] == "response.output_audio_transcript.delta"]
    assert "".join(words) == "A reply that takes a few seconds to hum. And it has two sentences."
    first_sound = next(n for n, e in enumerate(seen) if e["type"] == "response.output_audio.delta")
    assert seen[first_sound - 1]["type"] == "response.output_audio_transcript.delta"
    assert [e["type"] for e in seen][:3] == ["session.created", "conversation.item.added", "conversation.item.done"]


async def test_written_answer(service: EmbeddedService) -> None:
    """With the text modality the answer is written word by word."""
    async with session(service) as socket:
        await socket.send(json.dumps({"type": "response.create", "response": {"output_modalities": ["text"]}}))
        seen = await events(socket, "response.done")
    words = [e["delta"] for e in seen if e["type"] == "response.output_text.delta"]
    assert "".join(words) == "A reply that takes a few seconds to hum. And it has two sentences."


async def test_answer_stops_when_its_tokens_are_used_up(service: EmbeddedService) -> None:
    """After max_output_tokens nothing more comes, and the next response can begin."""
    async with session(service) as socket:
        await socket.send(json.dumps({"type": "response.create", "response": {"max_output_tokens": 20}}))
        seen = await events(socket, "rate_limits.updated")
        assert seen[-2]["response"]["status"] == "incomplete"
        await socket.send('{"type":"response.create"}')
        assert [e["type"] for e in await events(socket, "response.created")] == ["response.created"]


async def test_audio_given_to_one_response_is_heard(service: EmbeddedService) -> None:
    """A response can answer to audio that is no part of the conversation."""
    part = {"type": "input_audio", "audio": base64.b64encode(bytes(48_000)).decode()}
    given = [{"type": "message", "role": "user", "content": [part]}]
    async with session(service) as socket:
        await socket.send(json.dumps({"type": "response.create", "response": {"conversation": "none", "input": given}}))
        seen = await events(socket, "response.done")
    assert seen[-1]["response"]["output"] == []  # it was silent


async def test_failing_answer_ends_the_connection_only() -> None:
    """What goes wrong inside drops that client; the service serves on."""

    class Broken:
        def answer(self, prompt: Prompt) -> str | None:
            raise RuntimeError("broken on purpose")

    tier = dataclasses.replace(scripted(), brain=Broken())
    async with EmbeddedService(tier) as service:
        async with session(service) as socket:
            await ask(socket)
            with pytest.raises(ConnectionClosed):
                await events(socket, "response.done")
        async with session(service) as socket:
            await events(socket, "session.created")


async def test_counters_tell_what_arrived(service: EmbeddedService) -> None:
    """Connections and received bytes are counted, so that a test can prove silence."""
    assert (service.connections, service.bytes_received) == (0, 0)
    async with session(service) as socket:
        await events(socket, "session.created")
        assert (service.connections, service.bytes_received) == (1, 0)
        await socket.send('{"type":"input_audio_buffer.clear"}')
        await events(socket, "input_audio_buffer.cleared")
        assert service.bytes_received == 35


@pytest.mark.parametrize("status", [401, 429, 503])
async def test_fault_http_status(service: EmbeddedService, status: int) -> None:
    """A handshake can be refused on purpose, for the first connections only."""
    service.faults = Faults(http_status=status, retry_after_s=7, first_connections=1)
    with pytest.raises(InvalidStatus) as refused:
        await session(service)
    assert refused.value.response.status_code == status
    assert refused.value.response.headers["Retry-After"] == "7"
    async with session(service) as socket:
        await events(socket, "session.created")


async def test_fault_link_lost_in_the_middle_of_an_answer(service: EmbeddedService) -> None:
    """The connection can vanish without a close frame in place of an audio delta."""
    service.faults = Faults(drop_at_audio_delta=3)
    async with session(service) as socket:
        await ask(socket)
        for _ in range(2):
            await events(socket, "response.output_audio.delta")
        with pytest.raises(ConnectionClosed) as lost:
            await events(socket, "response.output_audio.delta")
        assert lost.value.rcvd is None


async def test_fault_drop_after_a_while(service: EmbeddedService) -> None:
    """The connection can vanish after a time."""
    service.faults = Faults(drop_after_s=0.01)
    async with session(service) as socket:
        with pytest.raises(ConnectionClosed) as lost:
            await events(socket, "response.done")
        assert lost.value.rcvd is None


async def test_fault_close_after_events(service: EmbeddedService) -> None:
    """The service can close with a code after the n-th event."""
    service.faults = Faults(close_after_events=(1011, 1))
    async with session(service) as socket:
        await events(socket, "session.created")
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1011


async def test_fault_stall(service: EmbeddedService) -> None:
    """A stalled service keeps the connection and says nothing, not even pong."""
    service.faults = Faults(stall_after_events=1)
    async with session(service, close_timeout=0.1) as socket:
        await events(socket, "session.created")
        pong = await socket.ping()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pong, 0.1)


async def test_fault_late_deltas_after_an_interruption(service: EmbeddedService) -> None:
    """Audio of a cancelled response can still arrive after the cancel, and before its end."""
    service.faults = Faults(late_deltas=2)
    async with session(service) as socket:
        await ask(socket)
        await events(socket, "response.output_audio.delta")
        await socket.send('{"type":"response.cancel"}')
        seen = await events(socket, "rate_limits.updated")
        done = seen[-2]["response"]
        assert done["status"] == "cancelled"
        end = next(n for n, e in enumerate(seen) if e["type"] == "response.output_audio.done")
        assert [e["type"] for e in seen[end - 2 : end]] == ["response.output_audio.delta"] * 2
        sizes = [len(base64.b64decode(e["delta"])) for e in seen[:end] if e["type"] == "response.output_audio.delta"]
        assert done["usage"]["output_token_details"]["audio_tokens"] * 50 * 48 <= sum(sizes)


async def test_session_ends_when_its_time_is_over() -> None:
    """An old session gets an error and close 1001."""
    async with EmbeddedService(scripted(), life_s=0.05) as service, session(service) as socket:
        seen = await events(socket, "error")
        assert seen[-1]["error"]["code"] == "session_expired"
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1001


async def test_fault_short_session_life(service: EmbeddedService) -> None:
    """A session can be given a short life on purpose: it names its end, and ends then as an old one does."""
    service.faults = Faults(session_life_s=1.0, first_connections=1)
    async with session(service) as socket:
        created = (await events(socket, "session.created"))[-1]["session"]
        assert created["expires_at"] <= time.time() + 1.0
        assert (await events(socket, "error"))[-1]["error"]["code"] == "session_expired"
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1001
    async with session(service) as socket:
        created = (await events(socket, "session.created"))[-1]["session"]
        assert created["expires_at"] > time.time() + 3000


async def test_clients_wait_for_the_tier() -> None:
    """A client that comes while the tier is loading is let in when it is there."""
    async with EmbeddedService(scripted) as service, session(service) as socket:
        await events(socket, "session.created")


async def test_real_time_pace_is_real_time() -> None:
    """At pace 1 a second of sound takes a second."""
    async with EmbeddedService(scripted(["Hum a little."]), pace=1.0) as service, session(service) as socket:
        await ask(socket)
        await events(socket, "response.output_audio.delta")
        started = asyncio.get_running_loop().time()
        seen = await events(socket, "response.output_audio.done")
        took_s = asyncio.get_running_loop().time() - started
    sound_s = sum(len(base64.b64decode(e["delta"])) for e in seen if "audio.delta" in e["type"]) / 48000
    last_s = len(base64.b64decode(next(e for e in reversed(seen) if "audio.delta" in e["type"])["delta"])) / 48000
    assert took_s >= sound_s - last_s - 0.01


async def test_only_the_loopback_is_served() -> None:
    """Another address is refused before anything is opened."""
    with pytest.raises(SpeakerdError, match="loopback"):
        EmbeddedService(scripted(), host="0.0.0.0")


async def test_taken_port_is_an_operators_error(service: EmbeddedService) -> None:
    """Two services cannot share a port."""
    with pytest.raises(SpeakerdError, match="cannot listen"):
        async with EmbeddedService(scripted(), port=service.port):
            pass


def test_ids_have_the_services_lengths() -> None:
    """Names are a prefix and 21 characters, those of calls 16."""
    assert len(make_id("item").removeprefix("item_")) == 21
    assert len(make_id("call").removeprefix("call_")) == 16


async def http(service: EmbeddedService, method: str, path: str, body: str = "", **headers: str) -> tuple[int, Any]:
    """Send a plain HTTP request and return status and JSON body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *([f"Content-Length: {len(body)}"] if body else [])]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    request = ("\r\n".join(lines) + "\r\n\r\n" + body).encode()
    writer.write(request[:20])  # it may come in pieces
    await writer.drain()
    await asyncio.sleep(0)
    writer.write(request[20:])
    head, _, answer = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return int(head.split(b" ")[1]), json.loads(answer)


async def test_faults_change_over_http() -> None:
    """What is PUT at /faults strikes the connections that come after it, until it is DELETEd."""
    async with EmbeddedService(scripted(), options=Options(fault_control=True)) as service:
        status, now = await http(service, "PUT", "/faults", '{"http_status": 403, "first_connections": 1}')
        assert (status, now["http_status"]) == (200, 403)
        assert (await http(service, "GET", "/faults"))[1] == now
        with pytest.raises(InvalidStatus) as refused:
            await session(service)
        assert refused.value.response.status_code == 403
        async with session(service) as socket:
            await events(socket, "session.created")
        assert (await http(service, "PUT", "/faults", '{"bogus": 1}'))[0] == 400
        assert (await http(service, "DELETE", "/faults"))[1]["http_status"] is None
        assert service.faults == Faults()
        assert (await http(service, "POST", "/faults"))[0] == 405
        status, elsewhere = await http(service, "PUT", "/elsewhere")
        assert (status, elsewhere["error"]["code"]) == (405, "method_not_allowed")
        status, long = await http(service, "PUT", "/faults", Content_Length="100000")
        assert (status, long["error"]["code"]) == (413, "request_too_large")
        status, refused_page = await http(service, "PUT", "/faults", Origin="http://example.net")
        assert (status, refused_page["error"]["code"]) == (403, "forbidden")


async def test_faults_do_not_change_over_http_unless_allowed(service: EmbeddedService) -> None:
    """Without the switch nobody reads or changes them; with a key nobody who does not know it."""
    for method in ("GET", "PUT"):
        assert (await http(service, method, "/faults"))[0] == 404
    options = Options(fault_control=True, api_key="secret")
    async with EmbeddedService(scripted(), options=options) as careful:
        assert (await http(careful, "PUT", "/faults", "{}"))[0] == 401
        assert (await http(careful, "PUT", "/faults", "{}", api_key="secret"))[0] == 200


async def test_faults_come_from_a_file(tmp_path: Path) -> None:
    """A file is looked at for every connection."""
    path = tmp_path / "faults.json"
    async with EmbeddedService(scripted(), options=Options(fault_file=path)) as service:
        path.write_text('{"http_status": 503}')
        with pytest.raises(InvalidStatus):
            await session(service)
        path.unlink()
        async with session(service) as socket:
            await events(socket, "session.created")


async def test_faults_in_the_file_at_the_start_hold_from_the_start(tmp_path: Path) -> None:
    """What stands in the file goes before the faults that were given; without a file these hold."""
    path = tmp_path / "faults.json"
    path.write_text('{"http_status": 503}')
    given, options = Faults(slow_handshake_s=0.001), Options(fault_file=path)
    for faults in (None, Faults(), given):
        async with EmbeddedService(scripted(), faults=faults, options=options) as service:
            with pytest.raises(InvalidStatus) as refused:
                await session(service)
            assert refused.value.response.status_code == 503
    path.unlink()
    assert EmbeddedService(scripted(), faults=given, options=options).faults == given


async def test_key_opens_other_addresses_and_is_asked_for() -> None:
    """With a key any address is served, and only who knows the key comes in."""
    async with EmbeddedService(scripted(), host="0.0.0.0", options=Options(api_key="secret")) as service:
        url = f"ws://127.0.0.1:{service.port}/v1/realtime?model=m"
        with pytest.raises(InvalidStatus) as refused:
            await connect(url, additional_headers=AUTH)
        assert refused.value.response.status_code == 401
        async with connect(url, additional_headers={"api-key": "secret"}) as socket:
            await events(socket, "session.created")


async def test_browsers_send_the_key_as_a_subprotocol() -> None:
    """The subprotocol is chosen, the key beside it is checked."""
    async with EmbeddedService(scripted(), options=Options(api_key="secret")) as service:
        offered = [Subprotocol("realtime"), Subprotocol("openai-insecure-api-key.secret")]
        async with connect(f"{service.url}/realtime?model=m", subprotocols=offered) as socket:
            assert socket.subprotocol == "realtime"
            await events(socket, "session.created")


async def test_seats_are_limited_and_given_again() -> None:
    """Who finds no seat is told so with 503 and may come again."""
    async with EmbeddedService(scripted(), options=Options(seats=1)) as service:
        async with session(service) as socket:
            await events(socket, "session.created")
            with pytest.raises(InvalidStatus) as refused:
                await session(service)
            assert refused.value.response.status_code == 503
            assert refused.value.response.headers["Retry-After"] == "5"
        async with session(service) as socket:
            await events(socket, "session.created")


async def test_conversations_are_recorded_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A turn leaves its sound, its words and its line in the log."""
    options = Options(record=tmp_path / "kept", transcripts=True)
    with caplog.at_level("INFO", "speakerd.embedded"):
        async with EmbeddedService(scripted(["Hum."]), options=options) as service, session(service) as socket:
            await ask(socket)
            await events(socket, "response.done")
    folder = next((tmp_path / "kept").iterdir())
    kinds = [json.loads(line)["kind"] for line in (folder / "transcript.jsonl").read_text().splitlines()]
    assert kinds == ["opened", "typed", "said", "closed"]
    assert (folder / "001-said.wav").stat().st_size > 1000
    assert any("turn 1: heard 0 ms" in line and line.endswith("completed") for line in caplog.messages)
    assert any(line.endswith("user: '', answer: 'Hum.'") for line in caplog.messages)


async def test_end_of_the_service_is_told(service: EmbeddedService) -> None:
    """Clients that are there when it ends get close 1001, going away."""
    async with EmbeddedService(scripted()) as ending:
        socket = await session(ending)
        await events(socket, "session.created")
    await socket.wait_closed()
    assert socket.close_code == 1001
