"""The Realtime service: who may come in, how many, with which faults, and one connection for each client.

What is said over a connection stands in ``connection.py``; sockets and HTTP stand in ``door.py``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import string
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from speakerd.core.errors import Remedy, SpeakerdError
from speakerd.embedded.admission import Rejection, check_handshake, check_key, no_seat, refused_on_purpose
from speakerd.embedded.connection import Connection
from speakerd.embedded.conversation import Conversation
from speakerd.embedded.door import Client, Door, Header, Listening, listen
from speakerd.embedded.fault_control import Answer, FaultFile, control, problem
from speakerd.embedded.faults import Faults
from speakerd.embedded.options import Options, is_loopback
from speakerd.embedded.parts import Tier
from speakerd.embedded.recording import Recorder
from speakerd.embedded.session import SESSION_LIFE_S, default_session
from speakerd.embedded.turn_log import TurnLog
from speakerd.embedded.turns import TurnDetector
from speakerd.embedded.validate import Refusal, error_event
from speakerd.embedded.witness import Witness, Witnesses

_log = logging.getLogger("speakerd.embedded")

BURST_PACE = 8.0
"""Seconds of answer sent a second, about as the service does (guessed from recordings)."""

_WORKERS = 4
"""Threads for detectors, ears and voice; a recognition must not hold up another session's turn detection (guessed)."""

_DOORS_A_SEAT = 4
"""Connections at a time, for each seat; most of them are at their handshake (guessed)."""

_ALPHABET = string.ascii_letters + string.digits


def make_id(prefix: str) -> str:
    """Return a fresh name as the service makes them: ``call_`` and 16 characters, all others and 21."""
    length = 16 if prefix == "call" else 21
    return f"{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(length))


class EmbeddedService:
    """The Realtime service on this machine: ``async with EmbeddedService(tier) as service: service.url``.

    Args:
        tier: Ears, brain and voice, or what loads them, in a thread; clients wait meanwhile.
        host: The loopback, unless there is a key to check.
        port: 0: any free one.
        pace: Seconds of answer sent for each second that passes; 1.0 is real time.
        faults: What goes wrong on purpose, where no file says it; may be changed while it runs.
        life_s: How long a session may last.
        options: What else is wanted.

    Attributes:
        connections: How many clients have been let in so far.
        bytes_received: How much they have sent, in bytes of message.

    Raises:
        SpeakerdError: the address is not on the loopback and there is no key, or it is taken; the folder for recordings
            or the file of faults cannot be used.
    """

    def __init__(
        self,
        tier: Tier | Callable[[], Tier],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        pace: float = BURST_PACE,
        faults: Faults | None = None,
        life_s: float = SESSION_LIFE_S,
        options: Options | None = None,
    ) -> None:
        self._options = options or Options()
        if self._options.api_key is None and not is_loopback(host):
            sentence = f"without a key (--api-key-file) the service listens on the loopback only, not on {host}"
            raise SpeakerdError("embedded-not-loopback", sentence, Remedy.EXIT)
        self._handshakes = 0
        self._fault_file = FaultFile(self._options.fault_file) if self._options.fault_file is not None else None
        in_file = self._fault_file.first if self._fault_file is not None else None
        self._faults = in_file or faults or Faults()
        self.connections = 0
        self.bytes_received = 0
        self._tier = tier
        self._address = (host, port)
        self._pace = pace
        self._life_s = life_s
        self._doors: dict[Door, Faults | None] = {}
        self._is_full = False
        self._executor = ThreadPoolExecutor(_WORKERS, thread_name_prefix="embedded")
        self._recorder: Recorder | None = None
        self._loading: asyncio.Task[Tier] | None = None
        self._server: Listening | None = None

    @property
    def faults(self) -> Faults:
        """What goes wrong on purpose, for connections from now on; setting it counts ``first_connections`` anew."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults = faults
        self._handshakes = 0

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None
        port: int = next(iter(self._server.sockets)).getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Base URL for a Realtime client: ``/realtime?model=…`` comes after it."""
        host = f"[{self._address[0]}]" if ":" in self._address[0] else self._address[0]
        scheme = "ws" if self._options.tls is None else "wss"
        return f"{scheme}://{host}:{self.port}/v1"

    async def tier(self) -> Tier:
        """Return the tier, once it is loaded."""
        assert self._loading is not None
        return await asyncio.shield(self._loading)

    async def _load(self) -> Tier:
        if isinstance(self._tier, Tier):
            return self._tier
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._tier)

    async def __aenter__(self) -> Self:
        if self._options.record is not None:
            self._recorder = Recorder(self._options.record)
        self._loading = asyncio.create_task(self._load(), name="embedded-load")
        try:
            self._server = await listen(self, self._serve, self._address, self._options.tls, self._options.patience_s)
        except (OSError, OverflowError) as error:
            self._loading.cancel()
            self._close_files()
            host, port = self._address
            reason = "a port is a number from 0 to 65535" if isinstance(error, OverflowError) else error
            sentence = f"cannot listen on {host}:{port}: {reason}; --port chooses another, 0 any free one"
            raise SpeakerdError("embedded-port", sentence, Remedy.EXIT) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        assert self._loading is not None
        self._loading.cancel()
        self._server.close()  # clients are told 1001, going away
        await self._server.wait_closed()
        self._close_files()

    def _close_files(self) -> None:
        """End the threads; what is recorded is written first."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        if self._recorder is not None:
            self._recorder.close()

    def arrived(self, door: Door) -> bool:
        """Count somebody who comes; False: there are too many already."""
        self._doors[door] = None
        return len(self._doors) <= self._options.seats * _DOORS_A_SEAT

    def left(self, door: Door) -> None:
        """Count somebody who goes."""
        self._doors.pop(door, None)

    async def admit(self, door: Door, target: str, header: Header) -> Rejection | None:
        """Answer a handshake with an HTTP error, or let it through."""
        faults = self._faults_now()
        await asyncio.sleep(faults.slow_handshake_s)
        if faults.http_status is not None:
            return refused_on_purpose(faults.http_status, faults.retry_after_s)
        rejection = check_handshake(target, header, self._options.api_key)
        if rejection is not None:
            return rejection
        if sum(seated is not None for seated in self._doors.values()) >= self._options.seats:
            if not self._is_full:  # told once, however many come
                _log.warning("all %d sessions are taken: refusing clients", self._options.seats)
            self._is_full = True
            return no_seat(self._options.seats)
        self._is_full = False
        if door in self._doors:  # it may have left while it waited
            self._doors[door] = faults
        await self.tier()
        return None

    def control(self, method: str, header: Header, body: bytes, *, is_local: bool) -> Answer:
        """Answer a request to ``/faults``."""
        if not self._options.fault_control:
            return Answer(404, problem("not_found", "Faults are changed here only after 'emulate --faults-control'."))
        if not is_local or header("Origin") is not None:  # a web page in a browser of this machine is not its operator
            return Answer(403, problem("forbidden", "Faults are changed from this machine only, and by no web page."))
        refused = check_key("", header, self._options.api_key) if self._options.api_key is not None else None
        if refused is not None:
            return Answer(refused.status, refused.body)
        return control(method, body, self.faults, self._put_faults)

    def _put_faults(self, faults: Faults) -> None:
        self.faults = faults
        _log.info("faults changed over HTTP")

    def _faults_now(self) -> Faults:
        """Return the faults for the connection that comes now."""
        changed = self._fault_file.changed() if self._fault_file is not None else None
        if changed is not None:
            self.faults = changed
        self._handshakes += 1
        first = self._faults.first_connections
        return self._faults if first is None or self._handshakes <= first else Faults()

    async def _serve(self, door: Door) -> None:
        """Serve one client."""
        self.connections += 1
        if door.has_beta_header:
            await _refuse_beta(Client(door))
            return
        faults = self._doors.get(door) or Faults()
        tier = await self.tier()
        path = urlsplit(door.target)
        query = parse_qs(path.query)
        model = (query.get("model") or query["deployment"])[0]
        life_s = self._life_s if faults.session_life_s is None else faults.session_life_s
        session = default_session(make_id("sess"), model, int(time.time() + life_s))
        conversation = Conversation(
            session,
            TurnDetector(tier.new_vad()),
            make_id,
            azure=path.path.startswith("/openai/"),
            refuse_updates=faults.refuse_updates,
        )
        connection = Connection(
            Client(door),
            conversation,
            tier,
            self._executor,
            pace=self._pace,
            faults=faults,
            life_s=life_s,
            received=self._count,
            witness=self._witness(session),
        )
        _log.info("session %s opened", session["id"])
        await connection.serve()
        _log.info("session %s closed", session["id"])

    def _witness(self, session: dict[str, Any]) -> Witness:
        """Return who looks on while a session runs."""
        session_id = session["id"]
        log = TurnLog(session_id, time.monotonic, transcripts=self._options.transcripts)
        return Witnesses([log, self._recorder.session(session_id)] if self._recorder is not None else [log])

    def _count(self, size_bytes: int) -> None:
        self.bytes_received += size_bytes


async def _refuse_beta(client: Client) -> None:
    """Refuse the retired dialect the way the service does: an error event, then close 4000."""
    sentence = "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API."
    error = error_event(Refusal("beta_api_shape_disabled", sentence), None)
    await client.send(json.dumps({"event_id": make_id("event"), **error}))
    await client.close(4000, "invalid_request_error.beta_api_shape_disabled")
