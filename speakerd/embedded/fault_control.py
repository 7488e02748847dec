"""Changing the faults while the service runs: by a file that is read again when it changes, and by ``/faults``.

What the faults are stands in ``faults.py``; when they strike, in ``server.py`` and ``connection.py``. A change
holds for connections that come after it.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from speakerd.core.errors import Remedy, SpeakerdError
from speakerd.embedded.faults import Faults, parse_faults

_log = logging.getLogger("speakerd.embedded")

FAULTS_PATH = "/faults"
"""Where the faults are read and written over HTTP."""

_CLIENT_ERROR, _BEYOND = 400, 600
"""The statuses that a handshake can be refused with (specified)."""


_FIRST_CLOSE, _BEYOND_CLOSE = 1000, 5000
"""The codes that a WebSocket can be closed with (specified by RFC 6455)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    """HTTP status."""

    body: str
    """JSON."""


class FaultFile:
    """A file with faults, looked at for every connection.

    Args:
        path: JSON as ``parse_faults`` takes it; a file that is not there means no faults.

    Raises:
        SpeakerdError: what stands in it cannot be used (code ``embedded-faults``); only at the start, later it is told
            in the log, and the faults stay as they were.

    Attributes:
        first: What stood in it at the start; None: there was no file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        try:
            self.first = self._read()
        except (OSError, ValueError) as error:
            raise SpeakerdError("embedded-faults", f"{path}: {error}", Remedy.EXIT) from error

    def changed(self) -> Faults | None:
        """Return the faults when the file has changed since it was last looked at and can be used, else None."""
        try:
            faults = self._read()
        except (OSError, ValueError) as error:
            _log.warning("the faults stay as they are: %s: %s", self._path, error)
            return None
        if faults is not None:
            _log.info("faults from %s: %s", self._path, shown(faults))
        return faults

    def _read(self) -> Faults | None:
        before = self._seen
        try:
            facts = self._path.stat()
        except FileNotFoundError:
            self._seen = None
            return Faults() if before is not None else None
        self._seen = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
        return None if self._seen == before else checked(self._path.read_text(encoding="utf-8"))


def checked(source: str) -> Faults:
    """Return the faults in a JSON object.

    Raises:
        ValueError: it is none, names a fault that does not exist, or has a value of the wrong kind.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        parse_faults(source)  # names what it does not know
        faults = TypeAdapter(Faults).validate_json(source, strict=True)
    except ValidationError as error:
        problems = (f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors())
        raise ValueError("; ".join(problems)) from error
    except TypeError as error:
        raise ValueError(str(error)) from error
    for name, value in dataclasses.asdict(faults).items():
        if isinstance(value, int | float) and value < 0:
            raise ValueError(f"{name}: {value} is less than nothing")
    if faults.close_after_events is not None and not _FIRST_CLOSE <= faults.close_after_events[0] < _BEYOND_CLOSE:
        sentence = f"{faults.close_after_events[0]} is no close code; [code, events] is meant"
        raise ValueError(f"close_after_events: {sentence}")
    if faults.http_status is not None and not _CLIENT_ERROR <= faults.http_status < _BEYOND:
        raise ValueError(f"http_status: {faults.http_status} is no status of a refusal: 400 to 599")
    return faults


def shown(faults: Faults) -> str:
    """Return what is switched on, as JSON."""
    off = dataclasses.asdict(Faults())
    return json.dumps({name: value for name, value in dataclasses.asdict(faults).items() if value != off[name]})


def control(method: str, body: bytes, faults: Faults, put: Callable[[Faults], None]) -> Answer:
    """Answer a request to ``/faults``: GET tells all of them, PUT replaces them, DELETE switches them off.

    Args:
        method: HTTP method.
        body: What came with it.
        faults: The present ones.
        put: Told the new ones.
    """
    if method == "PUT":
        try:
            faults = checked(body.decode())
        except ValueError as error:  # UnicodeDecodeError is one
            return Answer(400, problem("invalid_faults", str(error)))
        put(faults)
    elif method == "DELETE":
        faults = Faults()
        put(faults)
    elif method != "GET":
        return Answer(405, problem("method_not_allowed", f"{FAULTS_PATH} knows GET, PUT and DELETE."))
    return Answer(200, json.dumps(dataclasses.asdict(faults)))


def problem(code: str, message: str, kind: str = "invalid_request_error") -> str:
    """Return an error body as the service words it."""
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}})
