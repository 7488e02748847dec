"""The tap passes everything on and reads along, whatever pieces it comes in."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from speakerd.bench.wire_tap import Frames, WireTap
from speakerd.demo.process import StageError

HEAD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


def frame(payload: bytes, *, opcode: int = 1, final: bool = True, mask: bytes = b"", flags: int = 0) -> bytes:
    """Return one frame as RFC 6455 lays it out."""
    size = len(payload)
    if size < 126:
        length, more = size, b""
    elif size < 65536:
        length, more = 126, size.to_bytes(2, "big")
    else:
        length, more = 127, size.to_bytes(8, "big")
    shown = bytes(each ^ mask[at % 4] for at, each in enumerate(payload)) if mask else payload
    return bytes([(0x80 if final else 0) | flags | opcode, (0x80 if mask else 0) | length]) + more + mask + shown


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
@pytest.mark.parametrize("mask", [b"", b"\x01\x80\xff\x00"])
def test_a_message_of_any_length_is_read(size: int, mask: bytes) -> None:
    """Masked as a client's or plain as a service's, behind the HTTP head."""
    payload = bytes(at % 251 for at in range(size))
    assert Frames().feed(HEAD + frame(payload, mask=mask)) == [payload]


def test_messages_come_whole_out_of_any_pieces() -> None:
    """Byte by byte, each with the byte that completes it."""
    line = HEAD + frame(b"one", mask=b"abcd") + frame(b"x" * 300) + frame(b"three")
    frames = Frames()
    found = [(at, message) for at in range(len(line)) for message in frames.feed(line[at : at + 1])]
    assert [message for _, message in found] == [b"one", b"x" * 300, b"three"]
    assert found[-1][0] == len(line) - 1


def test_a_ping_may_stand_inside_a_message() -> None:
    """A message in parts is one message, and what is no text is left out."""
    parts = frame(b"fir", final=False) + frame(b"?", opcode=9) + frame(b"st", opcode=0) + frame(b"", opcode=8)
    assert Frames().feed(HEAD + parts) == [b"first"]


def test_a_compressed_line_is_refused() -> None:
    """Rather than read as something else."""
    with pytest.raises(StageError, match="compressed") as refused:
        Frames().feed(HEAD + frame(b"?", flags=0x40))
    assert refused.value.code == "bench-tap"


async def test_both_ways_are_passed_on_and_noted() -> None:
    """Unchanged, in order, with the moment each came."""

    async def shout(socket):
        async for message in socket:
            await socket.send(json.dumps({"type": "echo", "heard": json.loads(message)["said"] * 2}))

    async with (
        serve(shout, "127.0.0.1", 0, compression=None) as server,
        WireTap(f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/v1") as tap,
        connect(f"{tap.url}/realtime?model=m", compression=None, proxy=None) as client,
    ):
        assert client.request.path == "/v1/realtime?model=m"
        begun_s = time.monotonic()
        await client.send(json.dumps({"type": "word", "said": "ab" * 40_000}))
        answer = json.loads(await client.recv())
        noted = await tap.wait_for("echo", after_s=begun_s, timeout_s=5.0, check=lambda: None)
        assert answer == noted.fields == {"type": "echo", "heard": "ab" * 80_000}
        assert [(each.kind, each.from_client) for each in tap.messages] == [("word", True), ("echo", False)]
        assert begun_s <= tap.messages[0].at_s <= noted.at_s <= time.monotonic()
        assert tap.since(begun_s, "word") == tap.messages[:1]
        assert tap.since(time.monotonic()) == []


async def test_what_never_comes_is_not_waited_for_for_ever() -> None:
    """Neither is a client that has ended."""
    async with WireTap("ws://127.0.0.1:9/v1") as tap:
        with pytest.raises(StageError, match="in vain for echo"):
            await tap.wait_for("echo", after_s=0.0, timeout_s=0.0, check=lambda: None)

        def ended() -> None:
            raise StageError("stage-ended", "the client ended")

        with pytest.raises(StageError, match="the client ended"):
            await tap.wait_for("echo", after_s=0.0, timeout_s=5.0, check=ended)


async def test_a_service_that_is_not_there_ends_the_line() -> None:
    """The client sees it end, as it would without a tap."""
    async with WireTap("ws://127.0.0.1:9/v1") as tap:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(tap.url.split(":")[2].split("/")[0]))
        assert await reader.read() == b""
        writer.close()


async def test_a_compressed_line_fails_whoever_waits() -> None:
    """At once, with the reason."""

    async def compressed(reader, writer):
        writer.write(HEAD + frame(b"?", flags=0x40))
        await writer.drain()
        await reader.read()
        writer.close()

    async with (
        await asyncio.start_server(compressed, "127.0.0.1", 0) as server,
        WireTap(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1") as tap,
    ):
        _, writer = await asyncio.open_connection("127.0.0.1", int(tap.url.split(":")[2].split("/")[0]))
        with pytest.raises(StageError, match="compressed"):
            await tap.wait_for("echo", after_s=0.0, timeout_s=5.0, check=lambda: None)
        writer.close()
