"""The daemon's end of the control socket."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import socket
import stat
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakerd.core.errors import Remedy, SpeakerdError
from speakerd.host.control import MAX_CONNECTIONS, MAX_LINE_BYTES, ControlServer, check_directory, socket_path
from speakerd.host.peers import Peer


async def later(request: dict[str, Any]) -> dict[str, Any]:
    """Answer after a turn of the loop."""
    await asyncio.Event().wait() if request.get("never") else None
    return {"line": "later"}


def refuse(_request: dict[str, Any]) -> dict[str, Any]:
    """Refuse with a code."""
    raise SpeakerdError("muted", "the microphone is muted", Remedy.OPERATOR)


HANDLERS = {"status": lambda request: {"line": "idle", "asked": request}, "wake": later, "say": refuse}


@contextlib.asynccontextmanager
async def serving(path: Path, *, handlers: Any = HANDLERS, **options: Any) -> AsyncIterator[Path]:
    """Run a server for the length of a block."""
    server = ControlServer(path, handlers, **options)
    task = asyncio.create_task(server.run())
    async with asyncio.timeout(10):
        await asyncio.wait({asyncio.ensure_future(server.listening.wait()), task}, return_when="FIRST_COMPLETED")
        if task.done():
            await task
        yield path
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def exchange(path: Path, *lines: bytes) -> list[dict[str, Any]]:
    """Send lines on one connection, then its end, and read every answer."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"".join(lines))
    writer.write_eof()
    answers = [json.loads(line) async for line in reader]
    writer.close()
    return answers


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> dict[str, Any]:
    """Ask on a connection that stays."""
    writer.write(b'{"command": "status"}\n')
    answer: dict[str, Any] = json.loads(await reader.readline())
    return answer


async def test_a_request_is_answered_on_one_line(tmp_path: Path) -> None:
    """A handler gets the whole request, and what it returns stands beside ok."""
    async with serving(tmp_path / "s") as path:
        (answer,) = await exchange(path, b'{"command": "status", "verbose": 1}\n')
    assert answer == {"ok": True, "version": 1, "line": "idle", "asked": {"command": "status", "verbose": 1}}


async def test_a_connection_asks_as_often_as_it_likes(tmp_path: Path) -> None:
    """Handlers may wait, answers keep the order, and the last line needs no end."""
    async with serving(tmp_path / "s") as path:
        answers = await exchange(path, b'{"command": "wake"}\n', b'{"command": "status"}')
    assert [answer["line"] for answer in answers] == ["later", "idle"]


async def test_a_refusal_carries_its_code(tmp_path: Path) -> None:
    """An error of ours is an answer, not the end of the connection."""
    async with serving(tmp_path / "s") as path:
        refused, good = await exchange(path, b'{"command": "say"}\n', b'{"command": "status"}\n')
    assert refused == {"ok": False, "version": 1, "code": "muted", "message": "the microphone is muted"}
    assert good["ok"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"hello", "control-request"),
        (b"", "control-request"),
        (b"\xff\xfe", "control-request"),
        (b"[" * 60_000, "control-request"),
        (b"9" * 5000, "control-request"),
        (b"[1]", "control-request"),
        (b'{"command": ["status"]}', "control-request"),
        (b'{"command": "dance"}', "control-command"),
    ],
)
async def test_nonsense_is_answered_and_survived(line: bytes, code: str, tmp_path: Path) -> None:
    """Whatever a line holds, the next one on the same connection is answered."""
    async with serving(tmp_path / "s") as path:
        refused, good = await exchange(path, line + b"\n", b'{"command": "status"}\n')
    assert (refused["ok"], refused["code"]) == (False, code)
    assert good["ok"]


async def test_a_line_without_end_is_cut_off(tmp_path: Path) -> None:
    """Nobody makes us keep more than a line's worth, and others are served on."""
    async with serving(tmp_path / "s") as path:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"x" * (MAX_LINE_BYTES + 10))
        assert json.loads(await reader.readline())["code"] == "control-request"
        assert await reader.read() == b""
        writer.close()
        assert (await exchange(path, b'{"command": "status"}\n'))[0]["ok"]


async def fill(path: Path, request: bytes) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Take every place, each with a request."""
    open_ones = [await asyncio.open_unix_connection(path) for _ in range(MAX_CONNECTIONS)]
    for _, writer in open_ones:
        writer.write(request)
    return open_ones


async def test_the_connection_that_is_idle_longest_gives_way(tmp_path: Path) -> None:
    """Whoever holds every place and asks nothing keeps nobody out; one that has asked since is not the oldest."""
    async with serving(tmp_path / "s") as path:
        open_ones = await fill(path, b"")
        await ask(*open_ones[0])
        for place in (1, 2):
            (answer,) = await exchange(path, b'{"command": "status"}\n')
            assert answer["ok"]
            told, rest = (await open_ones[place][0].read()).split(b"\n", 1)
            assert json.loads(told)["code"] == "control-busy"
            assert "gave way" in json.loads(told)["message"]
            assert rest == b""
            open_ones[place][1].close()
            open_ones[place] = await asyncio.open_unix_connection(path)
        for reader, writer in (open_ones[0], open_ones[3], *open_ones[1:3]):
            assert (await ask(reader, writer))["ok"]
        for _, writer in open_ones:
            writer.close()


async def test_half_a_request_is_idle(tmp_path: Path) -> None:
    """A line that is begun and not ended holds no place: anybody can send a byte."""
    async with serving(tmp_path / "s") as path:
        open_ones = await fill(path, b'{"comm')
        assert (await exchange(path, b'{"command": "status"}\n'))[0]["ok"]
        for _, writer in open_ones:
            writer.close()


async def test_connections_that_are_being_answered_keep_their_places(tmp_path: Path) -> None:
    """With every place at work one connection too many is told so; a place that becomes free is given away again."""
    async with serving(tmp_path / "s") as path:
        open_ones = await fill(path, b'{"command": "status"}\n{"command": "wake", "never": true}\n')
        for reader, _ in open_ones:
            await reader.readline()
        reader, writer = await asyncio.open_unix_connection(path)
        assert json.loads(await reader.readline())["code"] == "control-busy"
        writer.close()
        assert not any(reader.at_eof() for reader, _ in open_ones)
        for _, writer in open_ones:
            writer.close()


async def test_an_answer_nobody_reads_holds_no_place(tmp_path: Path) -> None:
    """Whoever asks and does not read its answers gives way as an idle one does."""
    async with serving(tmp_path / "s") as path:
        many = b'{"command": "status", "x": "' + b"x" * 60_000 + b'"}\n'
        open_ones = await fill(path, many * 40)
        assert (await exchange(path, b'{"command": "status"}\n'))[0]["ok"]
        for _, writer in open_ones:
            writer.transport.abort()


async def test_several_at_once_come_in_past_idle_ones(tmp_path: Path) -> None:
    """Each takes another's place: who has just come and whose request is on its way does not give way."""
    async with serving(tmp_path / "s") as path:
        idle = await fill(path, b"")
        answers = await asyncio.gather(*(exchange(path, b'{"command": "status"}\n') for _ in range(5)))
        assert all(answer["ok"] for (answer,) in answers)
        for _, writer in idle:
            writer.close()


async def test_a_silent_connection_is_closed(tmp_path: Path) -> None:
    """A forgotten connection does not use up a place for ever."""
    async with serving(tmp_path / "s", idle_timeout_s=0.01) as path:
        reader, writer = await asyncio.open_unix_connection(path)
        assert await reader.read() == b""
        writer.close()


async def test_someone_who_leaves_early_is_no_trouble(tmp_path: Path) -> None:
    """A connection that goes before its answer does not disturb the next."""
    async with serving(tmp_path / "s") as path:
        for _ in range(3):
            _, writer = await asyncio.open_unix_connection(path)
            writer.write(b'{"command": "status"}\n' * 100)
            writer.transport.abort()
        assert (await exchange(path, b'{"command": "status"}\n'))[0]["ok"]


async def test_what_nobody_waits_for_any_more_is_forgotten(tmp_path: Path) -> None:
    """Of the commands for which that is wanted: the request ends with its connection."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def say(_request: dict[str, Any]) -> dict[str, Any]:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return {}

    async with serving(tmp_path / "s", handlers={**HANDLERS, "say": say}, forgets={"say"}) as path:
        for _ in range(2 * MAX_CONNECTIONS):
            _, writer = await asyncio.open_unix_connection(path)
            writer.write(b'{"command": "say"}\n')
            await begun.wait()
            assert not ended.is_set()
            writer.transport.abort()
            await ended.wait()
            begun.clear()
            ended.clear()
        assert (await exchange(path, b'{"command": "status"}\n'))[0]["ok"]


async def test_whoever_has_asked_all_still_waits_for_the_answer(tmp_path: Path) -> None:
    """``nc -N`` ends its own half of the connection behind the request, and reads on."""
    begun, answer = asyncio.Event(), asyncio.Event()

    async def say(_request: dict[str, Any]) -> dict[str, Any]:
        begun.set()
        await answer.wait()
        return {"line": "heard"}

    async with serving(tmp_path / "s", handlers={"say": say}, forgets={"say"}) as path:
        asking = asyncio.create_task(exchange(path, b'{"command": "say"}\n'))
        await begun.wait()
        for _ in range(100):  # turns of the loop in which it could be taken for gone
            await asyncio.sleep(0)
        answer.set()
        assert [one["line"] for one in await asking] == ["heard"]


async def test_other_commands_are_carried_out_for_nobody(tmp_path: Path) -> None:
    """A sign-out whose terminal is shut is not left half done."""
    begun, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def logout(_request: dict[str, Any]) -> dict[str, Any]:
        begun.set()
        await may_end.wait()
        ended.set()
        return {}

    async with serving(tmp_path / "s", handlers={"logout": logout, "status": HANDLERS["status"]}) as path:
        _, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"command": "logout"}\n')
        await begun.wait()
        writer.transport.abort()
        assert (await exchange(path, b'{"command": "status"}\n'))[0]["ok"]
        may_end.set()
        await ended.wait()


async def test_only_owner_and_group_get_in_and_nothing_is_left(tmp_path: Path) -> None:
    """The socket has mode 0660, and is gone when the daemon is, connections or not."""
    async with serving(tmp_path / "new/s") as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"command": "status"}\n{"command": "wake", "never": true}\n')
        await reader.readline()
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    assert not path.exists()


async def test_a_dead_daemons_socket_is_replaced(tmp_path: Path) -> None:
    """A crash does not keep the next start from listening."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
    async with serving(tmp_path / "s") as path:
        assert (await exchange(path, b'{"command": "status"}\n'))[0]["ok"]


async def test_a_running_daemon_is_left_alone(tmp_path: Path) -> None:
    """The second daemon ends with the reason, and the first goes on listening."""
    async with serving(tmp_path / "s") as path:
        with pytest.raises(SpeakerdError, match="another speakerd is running") as caught:
            await ControlServer(path, HANDLERS).run()
        assert caught.value.code == "control-busy"
        assert (await exchange(path, b'{"command": "status"}\n'))[0]["ok"]


async def test_a_successors_socket_is_not_removed(tmp_path: Path) -> None:
    """At the end only what we made is removed."""
    async with serving(tmp_path / "s") as path:
        path.unlink()
        path.write_text("somebody else's")
    assert path.read_text() == "somebody else's"


async def test_a_file_in_the_way_is_not_removed(tmp_path: Path) -> None:
    """What is no socket is none of ours."""
    (tmp_path / "s").write_text("mine")
    with pytest.raises(SpeakerdError, match="is there and is no socket"):
        await ControlServer(tmp_path / "s", HANDLERS).run()


@pytest.mark.parametrize("name", ["missing/deep/s", "s" * 200])
async def test_a_place_that_cannot_be_used_is_an_error_with_a_code(name: str, tmp_path: Path) -> None:
    """A missing directory or a path too long for a socket is said."""
    with pytest.raises(SpeakerdError) as caught:
        await ControlServer(tmp_path / name, HANDLERS).run()
    assert caught.value.code == "control-failed"


def test_a_directory_that_everybody_may_change_is_refused(tmp_path: Path) -> None:
    """A stranger could have put the socket there."""
    tmp_path.chmod(0o777)
    with pytest.raises(SpeakerdError, match="is not ours alone"):
        check_directory(tmp_path / "s")
    tmp_path.chmod(0o1777)
    check_directory(tmp_path / "s")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory to somebody else")
def test_a_strangers_directory_in_a_shared_place_is_refused(tmp_path: Path) -> None:
    """In /tmp anybody can be first; in /run only root makes directories."""
    (tmp_path / "speakerd").mkdir()
    os.chown(tmp_path / "speakerd", 12345, -1)
    check_directory(tmp_path / "speakerd/s")
    tmp_path.chmod(0o1777)
    with pytest.raises(SpeakerdError, match="is not ours alone"):
        check_directory(tmp_path / "speakerd/s")


def test_the_sockets_place_follows_the_environment() -> None:
    """The variable, systemd's directory, the user's own: the first that there is."""
    everything = {"SPEAKERD_SOCKET": "/a/s", "RUNTIME_DIRECTORY": "/run/x:/run/y", "XDG_RUNTIME_DIR": "/run/user/7"}
    assert socket_path(everything) == Path("/a/s")
    assert socket_path({**everything, "SPEAKERD_SOCKET": ""}) == Path("/run/x/control.sock")
    if Path("/run/speakerd").exists():
        pytest.skip("/run/speakerd exists here and comes first")
    assert socket_path({"XDG_RUNTIME_DIR": "/run/user/7"}) == Path("/run/user/7/speakerd/control.sock")
    assert socket_path({}) == Path(f"/tmp/speakerd-{os.getuid()}/control.sock")


@pytest.mark.parametrize("version", [0, 2, "1", None, [1]])
async def test_a_request_of_another_version_is_refused_with_what_to_do(version: object, tmp_path: Path) -> None:
    """Rather than misunderstood; one of ours, or that says nothing, is answered."""
    lines = [json.dumps({"command": "wake", "version": asked}).encode() + b"\n" for asked in (version, 1)]
    async with serving(tmp_path / "s") as path:
        refused, good = await exchange(path, *lines)
    assert refused["code"] == "control-version"
    assert "systemctl restart speakerd" in refused["message"]
    assert good == {"ok": True, "version": 1, "line": "later"}


async def test_a_stranger_is_told_the_way_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the socket's mode says; the journal names who it was, and others are answered on."""
    refused_pids: list[int] = []

    def admits(peer: Peer) -> bool:
        refused_pids.append(peer.pid)
        return len(refused_pids) > 1

    async with serving(tmp_path / "s", admits=admits) as path:
        reader, writer = await asyncio.open_unix_connection(path)
        refused = json.loads(await reader.readline())
        assert await reader.read() == b""
        writer.close()
        assert (await exchange(path, b'{"command": "status"}\n'))[0]["ok"]
    assert refused["code"] == "control-denied"
    assert "join the group speakerd" in refused["message"]
    assert f"(process {os.getpid()}) is refused" in caplog.text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
KEYS = st.sampled_from(["command", "version", "text", "never"]) | st.text(max_size=8)
REQUESTS = st.dictionaries(KEYS, st.sampled_from(["status", "say", 1]) | JSON, max_size=4)
LINES = st.binary(max_size=300) | REQUESTS.filter(lambda request: request.get("command") != "wake").map(
    lambda request: json.dumps(request).encode() + b"\n"
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(LINES, max_size=4), max_size=6))
def test_nothing_that_is_sent_kills_it_or_stays(tmp_path_factory: pytest.TempPathFactory, sent: Any) -> None:
    """Random bytes and requests on several connections, some left without a word: it answers on, and forgets them."""

    async def story() -> None:
        async with serving(tmp_path_factory.mktemp("fuzz") / "s") as path:
            before = asyncio.all_tasks()
            for lines in sent:
                reader, writer = await asyncio.open_unix_connection(path)
                writer.write(b"".join(lines))
                if len(lines) % 2:
                    writer.write_eof()
                    async for line in reader:
                        assert json.loads(line)["version"] == 1
                writer.transport.abort()
            assert (await exchange(path, b'{"command": "status"}\n'))[0]["ok"]
            left = asyncio.all_tasks() - before  # the server's ends of what was left
            assert not left or not (await asyncio.wait(left, timeout=5)).pending

    asyncio.run(story())


async def test_nonsense_leaves_no_memory_behind(tmp_path: Path) -> None:
    """What a thousand bad requests held is given back."""
    async with serving(tmp_path / "s") as path:
        await exchange(path, *[b'{"command": "dance"}\n'] * 100)
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            for _ in range(10):
                await exchange(path, *[b"x" * 1000 + b"\n", b'{"command": "dance"}\n'] * 50)
            gc.collect()
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert after - before < 100_000  # what came in has ten times as much
