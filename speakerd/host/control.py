"""The control socket: where it stands, and the daemon's end of it.

One JSON object a line in, one a line out: ``{"command": "status"}`` is answered with
``{"ok": true, "version": 1, ...}`` or ``{"ok": false, "version": 1, "code": ..., "message": ...}``. A request may say
by ``version`` what it expects. What the commands do is the composition root's business; the other end lives in
``client.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import logging
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speakerd.core.errors import Remedy, SpeakerdError
from speakerd.host.peers import Peer, may_ask, peer_of, watched

SOCKET_VARIABLE = "SPEAKERD_SOCKET"
"""Names the socket, over every other rule; for a second speaker on one machine, and for tests."""

SYSTEM_DIRECTORY = Path("/run/speakerd")
"""The unit's RuntimeDirectory (contract)."""

VERSION = 1
"""Of what is said on the socket. Something new in an answer, and a new command, are no new version."""

MAX_LINE_BYTES = 64 * 1024
"""A longer request is none of ours (guess; the longest text to say takes 6 kB)."""

MAX_CONNECTIONS = 16
"""More than people and scripts need at once (guess). With one more, the connection that is idle longest gives way."""

IDLE_TIMEOUT_S = 60.0
"""After this without a request a connection is closed, so that forgotten ones do not use up the places (guess)."""

BACKLOG = 8
"""Connections the kernel keeps waiting (guess)."""

Handler = Callable[[dict[str, Any]], dict[str, Any] | Awaitable[dict[str, Any]]]
"""Takes the request, returns what is put beside ``"ok": true``."""

log = logging.getLogger("speakerd.host.control")


def socket_path(environment: Mapping[str, str]) -> Path:
    """Return where the control socket stands, the same for the daemon and for who talks to it.

    ``SPEAKERD_SOCKET`` if set; the unit's runtime directory; ``/run/speakerd`` if it exists; the user's runtime
    directory; a directory of the user's own in ``/tmp``.
    """
    if named := environment.get(SOCKET_VARIABLE):
        return Path(named)
    if runtime := environment.get("RUNTIME_DIRECTORY"):
        return Path(runtime.split(":")[0]) / "control.sock"
    if SYSTEM_DIRECTORY.is_dir():
        return SYSTEM_DIRECTORY / "control.sock"
    if user := environment.get("XDG_RUNTIME_DIR"):
        return Path(user) / "speakerd/control.sock"
    return Path(f"/tmp/speakerd-{os.getuid()}/control.sock")  # noqa: S108 - check_directory refuses another's directory


def check_directory(path: Path) -> None:
    """Refuse a socket in a directory that a stranger could have made, or may change.

    Raises:
        SpeakerdError: it is such a directory (``control-unsafe``).
        OSError: there is no directory.
    """
    directory = path.parent.absolute()
    made_by_us = directory.lstat().st_uid in {0, os.getuid()}
    if _is_open_to_all(directory) or (not made_by_us and _is_open_to_all(directory.parent, sticky=True)):
        raise SpeakerdError("control-unsafe", f"{directory} is not ours alone, see SPEAKERD_SOCKET", Remedy.OPERATOR)


def _is_open_to_all(directory: Path, *, sticky: bool = False) -> bool:
    """Tell whether everybody may put something there; a sticky directory, where nobody takes it away, if asked."""
    mode = directory.lstat().st_mode
    return bool(mode & stat.S_IWOTH) and (sticky or not mode & stat.S_ISVTX)


@dataclass(slots=True, eq=False)
class _Connection:
    """Somebody who may ask."""

    writer: asyncio.StreamWriter
    """Where answers go."""

    gave_way: bool = False
    """Another has its place."""


class ControlServer:
    """Answers requests on the control socket.

    Args:
        path: Where it is put.
        handlers: What answers each command.
        idle_timeout_s: How long a connection may ask nothing.
        admits: Who may ask.
        forgets: Commands that are not carried out any more when whoever asked is gone.

    Attributes:
        listening: Set once requests are answered.
    """

    def __init__(
        self,
        path: Path,
        handlers: Mapping[str, Handler],
        *,
        idle_timeout_s: float = IDLE_TIMEOUT_S,
        admits: Callable[[Peer], bool] = may_ask,
        forgets: Collection[str] = (),
    ) -> None:
        self.listening = asyncio.Event()
        self._path = path
        self._handlers = handlers
        self._idle_timeout_s = idle_timeout_s
        self._admits = admits
        self._forgets = forgets
        self._connections = 0
        self._idle: dict[_Connection, asyncio.Timeout] = {}  # in the order in which they became idle
        self._closing = False

    async def run(self) -> None:
        """Answer requests.

        Raises:
            SpeakerdError: another daemon listens there (``control-busy``), the directory is not safe
                (``control-unsafe``) or the socket cannot be made (``control-failed``).

        Ends: by cancellation; the socket is removed.
        """
        try:
            listener = self._listen()
        except OSError as error:
            message = f"{self._path}: no control socket: {error.strerror or error}"
            raise SpeakerdError("control-failed", message, Remedy.OPERATOR) from error
        identity = self._path.stat()
        try:
            async with asyncio.TaskGroup() as group:
                server = await asyncio.start_unix_server(
                    lambda reader, writer: self._welcome(group, reader, writer), sock=listener, limit=MAX_LINE_BYTES
                )
                try:
                    self.listening.set()
                    await asyncio.Event().wait()
                finally:
                    self._closing = True
                    server.close()
        finally:
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(identity, self._path.stat()):
                    self._path.unlink()

    def _listen(self) -> socket.socket:
        """Make the socket, with nobody but owner and group let in at any moment."""
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        check_directory(self._path)
        self._clear()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            os.fchmod(listener.fileno(), 0o600)
            listener.bind(str(self._path))
            self._path.chmod(0o660)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
        return listener

    def _clear(self) -> None:
        """Remove what a daemon that died has left; leave alone what is alive or is not a socket."""
        try:
            if not stat.S_ISSOCK(self._path.lstat().st_mode):
                raise SpeakerdError("control-failed", f"{self._path} is there and is no socket", Remedy.OPERATOR)
        except FileNotFoundError:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
            try:
                probe.connect(str(self._path))
            except ConnectionRefusedError:
                self._path.unlink()
                return
            except BlockingIOError:
                pass  # somebody is there, only busy
        raise SpeakerdError("control-busy", f"another speakerd is running and listens at {self._path}", Remedy.OPERATOR)

    def _welcome(self, group: asyncio.TaskGroup, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection, in the place of an idle one when there are too many; all at work: turn it away."""
        if self._closing:  # it was being accepted when the server closed
            writer.transport.abort()
            return
        if not self._is_admitted(writer):
            sentence = "this speaker is not yours: use sudo, or join the group speakerd and log in again"
            _part(writer, _refusal("control-denied", sentence))
            return
        if self._connections >= MAX_CONNECTIONS and not self._make_room():
            _part(writer, _refusal("control-busy", f"{MAX_CONNECTIONS} connections are being answered: ask again"))
            return
        self._connections += 1
        group.create_task(self._serve(reader, _Connection(writer)), name="control connection")

    def _is_admitted(self, writer: asyncio.StreamWriter) -> bool:
        try:
            peer = peer_of(writer.get_extra_info("socket"))
        except OSError as error:
            log.warning("a control connection is refused, nobody knows whose it is: %s", error)
            return False
        admitted = self._admits(peer)
        if not admitted:
            log.warning("a control connection of user %d (process %d) is refused", peer.uid, peer.pid)
        return admitted

    def _make_room(self) -> bool:
        """Give away the place of the connection that is idle longest; False: none is."""
        if not self._idle:
            return False
        oldest = next(iter(self._idle))
        patience = self._idle.pop(oldest)
        self._connections -= 1
        oldest.gave_way = True
        if not patience.expired():  # else it ends this very moment
            patience.reschedule(0.0)  # not at once: a request that has come already is answered first
        return True

    async def _serve(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        """Answer one connection's requests.

        Ends: when the other side goes or is silent for long, when another needs the place, or by cancellation.
        """
        writer, last = connection.writer, False
        try:
            while not (last or connection.gave_way):
                async with self._idling(connection):
                    await writer.drain()
                    line, last = await _read_line(reader)
                if line:
                    writer.write(await self._answer(line, writer))
            writer.close()
        except asyncio.LimitOverrunError:
            _part(writer, _refusal("control-request", f"a request has at most {MAX_LINE_BYTES} bytes"))
        except (ConnectionError, TimeoutError) as error:
            log.debug("a control connection ended: %s", error)
            if connection.gave_way:
                sentence = f"more than {MAX_CONNECTIONS} connections: this one was idle and gave way, ask again"
                _part(writer, _refusal("control-busy", sentence))
            else:
                writer.transport.abort()
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            self._connections -= not connection.gave_way

    @contextlib.asynccontextmanager
    async def _idling(self, connection: _Connection) -> AsyncIterator[None]:
        """Wait for the other side, to read what it was answered or to ask, and for no longer than is allowed."""
        async with asyncio.timeout(self._idle_timeout_s) as patience:
            self._idle[connection] = patience
            try:
                yield
            finally:
                self._idle.pop(connection, None)

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> bytes:
        """Answer one request, whatever it is.

        Raises:
            ConnectionResetError: whoever asked is gone, and what was asked is forgotten.
        """
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return _refusal("control-request", "a request is one line of JSON")
        command = request.get("command") if isinstance(request, dict) else None
        if not isinstance(command, str):
            return _refusal("control-request", 'a request is an object such as {"command": "status"}')
        if request.get("version", VERSION) != VERSION:
            sentence = f"this daemon speaks version {VERSION}: systemctl restart speakerd, if it was upgraded since"
            return _refusal("control-version", sentence)
        handler = self._handlers.get(command)
        if handler is None:
            return _refusal("control-command", f"there is no such command, allowed: {', '.join(self._handlers)}")
        try:
            result = handler(request)
            if not inspect.isawaitable(result):
                answer = result
            elif command in self._forgets:
                answer = await _while_wanted(result, writer)
            else:
                answer = await result
        except SpeakerdError as error:
            return _refusal(error.code, str(error))
        return json.dumps({"ok": True, "version": VERSION, **answer}).encode() + b"\n"


async def _while_wanted(result: Awaitable[dict[str, Any]], writer: asyncio.StreamWriter) -> dict[str, Any]:
    """Wait for an answer as long as somebody waits for it at the other end.

    Raises:
        ConnectionResetError: nobody does.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(None) as patience:
            with watched(writer.get_extra_info("socket"), lambda: patience.reschedule(loop.time())):
                return await result
    except TimeoutError:
        if not patience.expired():
            raise
        raise ConnectionResetError("whoever asked did not wait for the answer") from None


async def _read_line(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    """Read a line, and tell whether it is the last."""
    try:
        return await reader.readuntil(), False
    except asyncio.IncompleteReadError as error:
        return error.partial, True


def _part(writer: asyncio.StreamWriter, last_words: bytes) -> None:
    """Close a connection with a message; one whose other side reads nothing would stay half closed for ever."""
    writer.write(last_words)
    if writer.transport.get_write_buffer_size():
        writer.transport.abort()
    else:
        writer.close()


def _refusal(code: str, message: str) -> bytes:
    return json.dumps({"ok": False, "version": VERSION, "code": code, "message": message}).encode() + b"\n"
