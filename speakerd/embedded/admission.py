"""Who may come in: what a handshake must look like, and what is answered to one that does not.

Pure: no socket.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from speakerd.embedded.fault_control import problem

KEY_SUBPROTOCOL = "openai-insecure-api-key."
"""Browsers cannot send headers with a WebSocket: they offer the key as a subprotocol with this prefix."""

_ON_PURPOSE = {
    401: ("invalid_api_key", "invalid_request_error", "Incorrect API key provided"),
    403: ("unsupported_country_region_territory", "request_forbidden", "Country, region, or territory not supported"),
    404: ("DeploymentNotFound", "invalid_request_error", "The API deployment for this resource does not exist"),
    429: ("rate_limit_exceeded", "requests", "Rate limit reached"),
    503: ("server_is_overloaded", "service_unavailable_error", "The engine is currently overloaded"),
}
"""Bodies of the handshakes that are refused on purpose: code, type, message. The form is that of the
service's errors. What stands in them is guessed: of 401 the status was seen in answer to a handshake but no body, of
the others (403, 404, 429, 503) neither."""

_OTHER = ("server_error", "server_error", "The server had an error")
"""The same for every other status (guessed)."""

_BUSY_S = 5
"""When a client that found no seat may come again (guessed)."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """An HTTP error in place of a handshake."""

    status: int
    """HTTP status."""

    body: str
    """JSON, as the service words it."""

    headers: dict[str, str] = field(default_factory=dict)
    """Headers beside the usual ones."""


def check_handshake(target: str, header: Callable[[str], str | None], api_key: str | None = None) -> Rejection | None:
    """Return why a handshake is refused; None when it is as it should be.

    Args:
        target: The request's path and query.
        header: Looks up a header.
        api_key: What the client must know; None: it must send some key, any will do.
    """
    path = urlsplit(target)
    query = parse_qs(path.query)
    if not path.path.endswith("/realtime"):
        return _reject(404, "not_found", "The Realtime API is at /v1/realtime and /openai/v1/realtime.")
    if "api-version" in query:
        return _reject(
            401, "unauthorized", "The GA Realtime API takes no api-version; leave it out and use /openai/v1."
        )
    refused = check_key(target, header, api_key)
    if refused is not None:
        return refused
    if not (query.get("model") or query.get("deployment")):
        return _reject(400, "missing_model", "You must provide a model parameter.")
    return None


def check_key(target: str, header: Callable[[str], str | None], api_key: str | None) -> Rejection | None:
    """Return why a request's key is refused; None when it will do."""
    offered = _keys(target, header)
    if not offered:
        any_will_do = "" if api_key is not None else "; any value will do here"
        sentence = f"You didn't provide an API key: send 'Authorization: Bearer …' or 'api-key: …'{any_will_do}."
        return _reject(401, "invalid_api_key", sentence)
    # All of them are compared, so that the time taken tells nothing.
    matching = [api_key is None or hmac.compare_digest(key.encode(), api_key.encode()) for key in offered]
    return None if any(matching) else _reject(401, "invalid_api_key", "Incorrect API key provided.")


def refused_on_purpose(status: int, retry_after_s: int | None) -> Rejection:
    """Return the refusal that a fault asks for."""
    code, kind, message = _ON_PURPOSE.get(status, _OTHER)
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return Rejection(status, problem(code, f"{message} (refused on purpose: fault switch).", kind), headers)


def no_seat(seats: int) -> Rejection:
    """Return the refusal of a client that comes when all seats are taken."""
    sentence = f"All {seats} sessions of this service are taken; come again later."
    return Rejection(503, problem("too_many_sessions", sentence, "server_error"), {"Retry-After": str(_BUSY_S)})


def _reject(status: int, code: str, message: str) -> Rejection:
    return Rejection(status, problem(code, message))


def _keys(target: str, header: Callable[[str], str | None]) -> list[str]:
    """Return every key a request offers."""
    scheme, _, bearer = (header("Authorization") or "").partition(" ")
    offered = [bearer.strip() if scheme.lower() == "bearer" else "", header("api-key") or ""]
    offered += parse_qs(urlsplit(target).query).get("api-key", [])
    protocols = (word.strip() for word in (header("Sec-WebSocket-Protocol") or "").split(","))
    offered += [word.removeprefix(KEY_SUBPROTOCOL) for word in protocols if word.startswith(KEY_SUBPROTOCOL)]
    return [key for key in offered if key]
