"""The other end of the control socket: ask the running daemon, and print what it says."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from speakerd.core.errors import Remedy, SpeakerdError
from speakerd.host.control import check_directory

TIMEOUT_S = 5.0
"""A daemon that has not answered by then hangs (guess; it answers within a millisecond)."""

SPOKEN_TIMEOUT_S = 240.0
"""The same for what is to be heard first: a minute of waiting, half a minute until the service is reached, and the
longest text (follows; with as much again)."""

MAX_ANSWER_BYTES = 1024 * 1024
"""No answer is longer (guess; the longest has 2 kB)."""

_ENDED = "the daemon ended before it answered: see systemctl status speakerd, and ask again when it runs"


def request(path: Path, command: str, *, timeout_s: float = TIMEOUT_S, **arguments: object) -> dict[str, Any]:
    """Ask the daemon for something and return its answer.

    Args:
        path: The control socket.
        command: What is asked for.
        timeout_s: How long to wait, in seconds.
        arguments: What goes with it.

    Raises:
        SpeakerdError: the daemon cannot be reached (``daemon-unreachable``), or its own refusal with its code.
    """
    line = json.dumps({"command": command, **arguments}).encode() + b"\n"
    try:
        answer = json.loads(_exchange(path, line, timeout_s))
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise _unreachable(f"the daemon is not running (no answer at {path}): systemctl start speakerd") from error
    except PermissionError as error:
        raise _unreachable(f"{path} is not for you: use sudo, or join the group speakerd") from error
    except TimeoutError as error:
        raise _unreachable(f"the daemon does not answer: journalctl -u speakerd, {path}") from error
    except ConnectionError as error:
        raise _unreachable(_ENDED) from error
    except (OSError, ValueError) as error:
        raise _unreachable(f"the daemon gave no sensible answer at {path}") from error
    if not isinstance(answer, dict):
        raise _unreachable(f"the daemon gave no sensible answer at {path}")
    if not answer.pop("ok", False):
        code, message = answer.get("code", "control-failed"), answer.get("message", "refused without a reason")
        raise SpeakerdError(str(code), str(message), Remedy.OPERATOR)
    return answer


def format_status(answer: Mapping[str, Any]) -> str:
    """Write a status for people: the one true line first, what is known below it."""
    rest = {key: value for key, value in answer.items() if key != "line"}
    rows = list(_rows(rest))
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join([str(answer.get("line", "")), *(f"  {name:{width}}  {value}" for name, value in rows)])


def _rows(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        name = f"{above}{key.replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield from _rows(value, f"{name} ")
        elif isinstance(value, list):
            yield name, ", ".join(str(item) for item in value)
        elif isinstance(value, bool):
            yield name, "yes" if value else "no"
        else:
            yield name, "-" if value is None else str(value)


def _exchange(path: Path, line: bytes, timeout_s: float) -> bytes:
    """Send a line and return the one that comes back."""
    check_directory(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        connection.connect(str(path))
        connection.sendall(line)
        with connection.makefile("rb") as file:
            said = file.readline(MAX_ANSWER_BYTES)
    if not said:
        raise ConnectionResetError
    return said


def _unreachable(message: str) -> SpeakerdError:
    return SpeakerdError("daemon-unreachable", message, Remedy.OPERATOR)
