"""What a sign-in worker says, one line an event, and what of it is believed.

A worker that is broken, or is somebody else, must not do more harm than to fail: what is not exactly as agreed is
nonsense. How a worker is started and ended is in ``process.py``; what it does is in ``worker.py``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from speakerd.core.sign_in import MISSING
from speakerd.core.sign_in_fault import Fault

MAX_TOKEN_CHARS = 16_384
"""No longer token is believed; a handshake's headers end there or sooner (guess; Entra's have 1500 to 4000)."""

_LONGEST_S = 10 * 365 * 86_400.0
"""No token and no code lives longer (guess; 24 hours are the longest documented)."""

_WORD = re.compile(r"[\w.-]{1,80}", re.ASCII)
"""Class of an exception, error of an answer, id: nothing that could be a text, or a token."""

_TOKEN = re.compile(rf"[\x21-\x7e]{{1,{MAX_TOKEN_CHARS}}}")
"""What may stand in a header."""

_TEXT = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,320}")
"""What may be shown: no control characters. The longest e-mail address has 320 (specified)."""

_SECURE = "https://"


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What a person needs to sign this device in."""

    user_code: str
    """What they enter."""

    verification_uri: str
    """Where they enter it."""

    expires_in_s: float
    """How long it is accepted, from now."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A token came; times are counted from now."""

    secret: str = field(repr=False)
    """The token."""

    expires_in_s: float
    """How long it is good for."""

    refresh_in_s: float | None
    """When the next one is to be fetched; None: the issuer says nothing."""

    account: str | None
    """Who is signed in; None: no person."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Whether what was learnt will survive a restart."""

    failure: str | None
    """Why it will not; None: it will."""


Answer = DeviceCode | Granted | Kept | Fault
"""All that a worker says."""


def parse(line: bytes) -> Answer:
    """Return what a line says.

    Raises:
        ValueError: it says nothing that was agreed on; nothing of it is in the message.
    """
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    if not isinstance(event, dict):
        raise ValueError("not an object")  # noqa: TRY004 - one error for all that was not agreed on
    match event.get("event"):
        case "code":
            return _code(event)
        case "token":
            return _granted(event)
        case "saved":
            return Kept(None)
        case "not_saved":
            return Kept(_maybe_text(event, "reason", _WORD) or "unknown")
        case "fault":
            return _fault(event)
        case _:
            raise ValueError("an unknown event")


def _code(event: Mapping[str, Any]) -> DeviceCode:
    uri = _text(event, "verification_uri", _TEXT)
    if not uri.startswith(_SECURE):
        raise ValueError("verification_uri is not secure")
    return DeviceCode(_text(event, "user_code", _WORD), uri, _seconds(event, "expires_in_s"))


def _granted(event: Mapping[str, Any]) -> Granted:
    return Granted(
        _text(event, "token", _TOKEN),
        _seconds(event, "expires_in_s"),
        _maybe_seconds(event, "refresh_in_s"),
        _maybe_text(event, "account", _TEXT),
    )


def _fault(event: Mapping[str, Any]) -> Fault:
    missing = _maybe_text(event, "missing", _WORD)
    if missing is not None and missing not in MISSING:
        raise ValueError("missing is unknown")
    return Fault(
        error=_maybe_text(event, "error", _WORD) or "",
        causes=tuple(_of_pattern(one, "causes", _WORD) for one in _list(event, "causes")),
        missing=missing,
        http_status=_maybe_whole(event, "http_status"),
        oauth_error=_maybe_text(event, "oauth_error", _WORD),
        aadsts=tuple(_whole(one, "aadsts") for one in _list(event, "aadsts")),
        tls_verify_code=_maybe_whole(event, "tls_verify_code"),
        correlation_id=_maybe_text(event, "correlation_id", _WORD),
        retry_after_s=_maybe_seconds(event, "retry_after_s"),
        is_page=event.get("is_page") is True,
    )


def _list(event: Mapping[str, Any], name: str) -> list[Any]:
    value = event.get(name, [])
    if not isinstance(value, list):
        raise ValueError(f"{name} is no list")  # noqa: TRY004 - the same
    return value


def _text(event: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    return _of_pattern(event.get(name), name, pattern)


def _of_pattern(value: object, name: str, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"{name} is not as agreed")
    return value


def _maybe_text(event: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str | None:
    return None if event.get(name) in (None, "") else _text(event, name, pattern)


def _seconds(event: Mapping[str, Any], name: str) -> float:
    value = event.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.fabs(value) <= _LONGEST_S:
        raise ValueError(f"{name} is no span of time")
    return max(0.0, float(value))


def _maybe_seconds(event: Mapping[str, Any], name: str) -> float | None:
    return None if event.get(name) is None else _seconds(event, name)


def _whole(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} is no number")  # noqa: TRY004 - the same
    return value


def _maybe_whole(event: Mapping[str, Any], name: str) -> int | None:
    return None if event.get(name) is None else _whole(event[name], name)
