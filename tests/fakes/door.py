"""A port on loopback with a thread for each caller, for fakes that answer HTTP and that can also treat a caller badly.

What is said there is the fakes' business.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

_PATIENCE_S = 5.0
"""How long a thread may take to end (guess)."""

NO_PROXY = dict.fromkeys(("NO_PROXY", "no_proxy"), "localhost,127.0.0.1")
"""What keeps a process from asking a proxy for us; the lower one wins where both are set."""

Serve = Callable[[socket.socket], None]


class Door:
    """Listens on 127.0.0.1, always at the same port.

    Args:
        serve: Serves one connection to its end, in a thread of its own. An OSError of its ends it quietly: callers that
            go away, or that do not like our certificate, are not our business.
        port: Where to listen; 0: any.
        context: TLS; None: without.

    Attributes:
        port: Where it listens.
        closing: Set when it ends for good; whoever waits in ``serve`` waits for it.
        context: TLS for those who connect from now on.
    """

    def __init__(self, serve: Serve, *, port: int = 0, context: ssl.SSLContext | None = None) -> None:
        self.closing = threading.Event()
        self.context = context
        self._serve = serve
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._accepting: threading.Thread | None = None
        self._callers: dict[threading.Thread, socket.socket] = {}
        # It holds the port while nothing listens there, so that nobody else gets it.
        self._place = _bound(port)
        self.port = int(self._place.getsockname()[1])

    def open(self) -> None:
        """Listen."""
        if self._listener is None:
            self._listener = _bound(self.port)
            self._listener.listen(64)
            self._accepting = threading.Thread(target=self._accept, args=(self._listener,), name="fake door")
            self._accepting.start()

    def shut(self) -> None:
        """Stop listening, and break off what is under way: nothing can connect until it is opened again."""
        listener, self._listener = self._listener, None
        if listener is not None and self._accepting is not None:
            listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
            self._accepting.join(_PATIENCE_S)
            listener.close()
        self.hang_up()

    def close(self) -> None:
        """End for good."""
        self.closing.set()
        self.shut()
        with self._lock:
            threads = list(self._callers)
        for thread in threads:
            thread.join(_PATIENCE_S)
        self._place.close()

    def hang_up(self) -> None:
        """End every connection but the one that asks for it."""
        with self._lock:
            callers = [caller for thread, caller in self._callers.items() if thread is not _this()]
        for caller in callers:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(caller, socket.SHUT_RDWR)  # without a farewell of TLS, which could wait

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return  # shut() was called
            thread = threading.Thread(target=self._attend, args=(caller,), name="fake door's caller", daemon=True)
            with self._lock:
                self._callers[thread] = caller
            thread.start()

    def _attend(self, caller: socket.socket) -> None:
        try:
            self._serve(caller)
        except OSError:
            pass  # see Args
        finally:
            with self._lock:
                self._callers.pop(_this()).close()

    def secure(self, caller: socket.socket) -> socket.socket:
        """Do the server's part of a TLS handshake, where there is TLS; called by ``serve``."""
        if self.context is None:
            return caller
        secured = self.context.wrap_socket(caller, server_side=True, do_handshake_on_connect=False)
        with self._lock:  # it has taken the descriptor over
            self._callers[_this()] = secured
        secured.do_handshake()
        return secured


def break_off(caller: socket.socket, how: str) -> None:
    """Treat a caller badly.

    Args:
        caller: Its socket.
        how: ``dead``: say nothing until it goes away; ``reset``: end at once, with a reset; ``endless``: an answer
            without end.

    Raises:
        ConnectionAbortedError: to be passed on to where the socket is closed.
    """
    if how == "dead":
        while caller.recv(4096):
            pass
    elif how == "endless":
        caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while True:
            caller.sendall(b" " * 65_536)
    else:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise ConnectionAbortedError


class QuietHandler(BaseHTTPRequestHandler):
    """One connection's HTTP, without a log: a request's line may hold a code."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def send(self, status: int, body: bytes, headers: dict[str, str], *, half: bool = False) -> None:
        """Send an answer, or half of one."""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if half else body)
        self.wfile.flush()
        if half:
            raise ConnectionAbortedError


def until_told() -> None:
    """Wait for Ctrl-C or the polite signal."""
    with contextlib.suppress(KeyboardInterrupt):
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


_this = threading.current_thread


def _bound(port: int) -> socket.socket:
    place = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    place.bind(("127.0.0.1", port))
    return place
