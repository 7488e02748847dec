"""Nothing leaves the room before the wake word: connections and bytes are counted at the service's own address.

What a service that is known to be slow may see of a guess is in ``test_guess.py``.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

TALK = (
    "What time is it?",
    "Hey Jasper, what is the weather like?",
    "Hey Travis, are you coming to dinner?",
    "Could you please turn down the radio in the kitchen?",
    "Stop. Cancel. Never mind.",
)


class Counter:
    """A listener that answers nothing and counts everything."""

    def __init__(self) -> None:
        self.connections = 0
        self.received = b""

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._count, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_error):
        self._server.close()
        await self._server.wait_closed()

    async def _count(self, reader, writer):
        self.connections += 1
        while data := await reader.read(65_536):
            self.received += data
        writer.close()


async def test_not_a_byte_before_the_wake_word(play, voice):
    """While people talk nothing is connected or sent, and no network socket is open; then bytes come."""
    async with Counter() as service, stage_for(service, play) as stage:
        await _talk(stage, voice)
        assert (service.connections, service.received) == (0, b"")
        assert stage.marks("wake") == []
        stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("link.connecting")
        while not service.received:
            await stage.until(stage.room.now_s() + 0.02)
        assert service.received.startswith(b"GET /v1/realtime?model=")
        assert network_sockets(stage.daemon.pid)
        await stage.tell("stop")


async def test_not_a_byte_while_muted(play, voice):
    """Muted, not even the wake word opens a connection; unmuted, it does."""
    async with Counter() as service, stage_for(service, play) as stage:
        assert (await stage.tell("mute"))["line"] == "muted"
        _, said = stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.until(said + 1.0)
        assert (service.connections, service.received) == (0, b"")
        assert network_sockets(stage.daemon.pid) == []
        await stage.tell("unmute")
        stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("link.connecting")
        while not service.received:
            await stage.until(stage.room.now_s() + 0.02)


def stage_for(service, play):
    """Return a stage whose daemon knows this service, and no other is there."""
    return play(config={"service": {"endpoint": service.url}}, start_service=False)


async def _talk(stage, voice):
    """Say what people say, with short pauses, and look at the daemon's sockets all the while."""
    at_s = stage.room.now_s() + 0.2
    for sentence in TALK:
        _, end_s = stage.say(voice(sentence), at_s=at_s)
        at_s = end_s + 0.4
    while stage.room.now_s() < at_s:
        assert network_sockets(stage.daemon.pid) == []
        await stage.until(stage.room.now_s() + 0.1)
    assert (await stage.status())["wake"]["chunks"] > 80  # it did listen


def network_sockets(pid: int) -> list[str]:
    """Return the network sockets a process has, of any kind, as the kernel lists them."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:
            continue  # closed meanwhile
        if target.startswith("socket:["):
            inodes.add(target.removeprefix("socket:[").removesuffix("]"))
    found = []
    for kind in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6"):
        table = Path(f"/proc/{pid}/net/{kind}")
        lines = table.read_text().splitlines()[1:] if table.exists() else []
        found += [f"{kind} {line}" for line in lines if line.split()[9] in inodes]
    return found
