"""The fake gate lets in who shows a good token, and answers the rest as Azure's service does."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from speakerd.embedded.server import EmbeddedService
from speakerd.embedded.tiers import scripted
from tests.fakes.entra import Entra
from tests.fakes.entra_directory import Directory
from tests.fakes.token_gate import TokenGate


@pytest.fixture
def directory() -> Directory:
    """Who makes tokens and knows what they are worth."""
    return Directory(time.time)


@pytest.fixture
async def gate(directory: Directory) -> AsyncIterator[TokenGate]:
    """A gate before the embedded service."""
    async with EmbeddedService(scripted(["One."])) as service, TokenGate(service.url, directory.judge) as gate:
        yield gate


def knock(url: str, token: str | None, header: str = "Authorization", scheme: str = "Bearer") -> connect:
    """Begin a handshake with a token."""
    headers = {} if token is None else {header: f"{scheme} {token}"}
    return connect(f"{url}/realtime?model=m", additional_headers=headers, proxy=None)


async def begins(socket: ClientConnection) -> str:
    """Return the type of the service's first event."""
    return str(json.loads(await socket.recv())["type"])


async def refusal(gate: TokenGate, token: str | None, **options: str) -> tuple[int, Any]:
    """Return what a handshake is refused with."""
    with pytest.raises(InvalidStatus) as caught:
        async with knock(gate.url, token, **options):
            pass
    return caught.value.response.status_code, json.loads(caught.value.response.body or b"null")


async def test_a_good_token_opens_a_session(gate: TokenGate, directory: Directory) -> None:
    """The service behind the gate answers, and both ways are open."""
    async with knock(gate.url, directory.for_machine(), "authorization", "bearer") as socket:
        assert await begins(socket) == "session.created"
        await socket.send(json.dumps({"type": "conversation.item.delete", "item_id": "none"}))
        assert await begins(socket) == "error"
    assert [(each.verdict, each.status) for each in gate.handshakes] == [("ok", 101)]


@pytest.mark.parametrize(
    ("spoil", "verdict"),
    [
        (lambda directory: directory.revoke_access_tokens(), "revoked"),
        (lambda directory: directory.advance(3600), "expired"),
        (lambda directory: directory.take_role(), "no-role"),
    ],
)
async def test_a_token_that_was_good_no_longer_is(
    spoil: Callable[[Directory], None], verdict: str, gate: TokenGate, directory: Directory
) -> None:
    """Revoked, over by the authority's clock, or without the role: all are 401, and the body tells them apart."""
    token = directory.for_machine()
    spoil(directory)
    status, said = await refusal(gate, token)
    assert status == 401
    assert ("error" in said) is (verdict == "no-role")
    assert said.get("statusCode", 401) == 401
    assert (gate.handshakes[-1].verdict, gate.count(401), gate.count(101)) == (verdict, 1, 0)


async def test_a_missing_role_can_be_forbidden(gate: TokenGate, directory: Directory) -> None:
    """By a switch it is 403; with the role back, the same token opens."""
    token = directory.for_machine()
    directory.take_role()
    gate.no_role_status = 403
    assert (await refusal(gate, token))[0] == 403
    directory.take_role(back=True)
    async with knock(gate.url, token) as socket:
        assert await begins(socket) == "session.created"


@pytest.mark.parametrize(
    ("token", "options", "verdict"),
    [
        (None, {}, "missing"),
        ("made-up", {}, "unknown"),
        ("made-up", {"scheme": "Basic"}, "missing"),
        ("made-up", {"header": "api-key"}, "missing"),
    ],
)
async def test_nobody_comes_in_without_a_token(
    token: str | None, options: dict[str, str], verdict: str, gate: TokenGate
) -> None:
    """A key is none."""
    assert (await refusal(gate, token, **options))[0] == 401
    assert gate.handshakes[-1].verdict == verdict


async def test_a_session_outlives_its_token_and_can_be_cut(gate: TokenGate, directory: Directory) -> None:
    """Only the handshake is judged; whoever wants a session to break off says so."""
    async with knock(gate.url, directory.for_machine()) as socket:
        await begins(socket)
        directory.advance(3600)
        await socket.send(json.dumps({"type": "conversation.item.delete", "item_id": "none"}))
        assert await begins(socket) == "error"
        gate.cut()
        with pytest.raises(ConnectionClosed):
            await socket.recv()


async def test_a_caller_that_says_nothing_is_let_go(gate: TokenGate) -> None:
    """It is no handshake, and the service never hears of it."""
    _, writer = await asyncio.open_connection("127.0.0.1", int(gate.url.rsplit(":", 1)[1].partition("/")[0]))
    writer.write(b"GET /v1/realtime HTTP/1.1\r\n")
    writer.close()
    await writer.wait_closed()
    assert gate.handshakes == []


async def test_it_can_be_started_by_hand(tmp_path: Path) -> None:
    """It asks an authority in another process, says how to be reached, and ends when told."""
    with Entra(tmp_path) as entra:
        async with EmbeddedService(scripted(["One."])) as service:
            options = ["--authority", entra.url, "--trust", str(entra.ca.trust), service.url]
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.fakes.token_gate", *options, stdout=asyncio.subprocess.PIPE
            )
            assert process.stdout is not None
            url = (await process.stdout.readline()).decode().partition("endpoint: ")[2].strip(" }\n")
            async with knock(url, entra.directory.for_machine()) as socket:
                assert await begins(socket) == "session.created"
            with pytest.raises(InvalidStatus):
                async with knock(url, "made-up"):
                    pass
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 0
