"""The other end of the control socket: ask the running daemon."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from speakerd.core.errors import Remedy, SpeakerdError
from speakerd.host.control import VERSION, check_directory

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
    line = json.dumps({"command": command, "version": VERSION, **arguments}).encode() + b"\n"
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
    answer.pop("version", None)
    if not answer.pop("ok", False):
        code, message = answer.get("code", "control-failed"), answer.get("message", "refused without a reason")
        raise SpeakerdError(str(code), str(message), Remedy.OPERATOR)
    return answer


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
