"""The other end of the control socket."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path

import pytest

from speakerd.core.errors import SpeakerdError
from speakerd.host import client
from speakerd.host.control import ControlServer


async def test_what_the_daemon_says_is_returned(tmp_path: Path) -> None:
    """Arguments go out with the command, the answer comes back without its ok."""
    server = ControlServer(tmp_path / "s", {"say": lambda request: {"said": request["text"]}})
    task = asyncio.create_task(server.run())
    await server.listening.wait()
    assert await asyncio.to_thread(client.request, tmp_path / "s", "say", text="tea") == {"said": "tea"}
    with pytest.raises(SpeakerdError, match="there is no such command, allowed: say") as caught:
        await asyncio.to_thread(client.request, tmp_path / "s", "dance")
    assert caught.value.code == "control-command"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_without_a_daemon_the_way_to_start_it_is_said(tmp_path: Path) -> None:
    """Neither a missing socket nor a dead one is anything but a daemon that does not run."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead"))
    for name in ("missing", "dead", "no/directory"):
        with pytest.raises(SpeakerdError, match=r"is not running .* systemctl start speakerd") as caught:
            client.request(tmp_path / name, "status")
        assert caught.value.code == "daemon-unreachable"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"", "the daemon ended before it answered"),
        (b"hello\n", "no sensible answer"),
        (b"[]\n", "no sensible answer"),
        (b"\xff\n", "no sensible answer"),
    ],
)
def test_an_answer_that_is_none_is_said(answer: bytes, told: str, tmp_path: Path) -> None:
    """Whoever answers there is not our daemon, or not any more."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        def reply() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

        thread = threading.Thread(target=reply)
        thread.start()
        with pytest.raises(SpeakerdError, match=told) as caught:
            client.request(tmp_path / "s", "status")
        thread.join()
    assert caught.value.code == "daemon-unreachable"


def test_a_daemon_that_hangs_does_not_hang_us(tmp_path: Path) -> None:
    """After the timeout the journal is pointed at."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        with pytest.raises(SpeakerdError, match="does not answer: journalctl") as caught:
            client.request(tmp_path / "s", "status", timeout_s=0.01)
    assert caught.value.code == "daemon-unreachable"
