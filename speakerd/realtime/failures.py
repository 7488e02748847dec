"""What went wrong with the socket, as a ``LinkError`` with a stable code and a remedy.

The ``openai`` SDK hands the exceptions of ``websockets`` and of the operating system through as they are, none of
them its own; hence ``websockets`` is imported here, late, as it comes with the SDK.
"""

from __future__ import annotations

import email.utils
import socket
import ssl
import time

from speakerd.core.errors import LinkError, Remedy, remedy_for_close, remedy_for_http

_HTTP_ADVICE = {
    400: "the service cannot use this model here: service.model must name a realtime model",
    401: "the service refused the credential: sign in again, or check auth",
    403: "the service knows us but does not let us in: the role Cognitive Services OpenAI User may be missing",
    404: "the service has no such model or address: check service.model and service.endpoint",
    429: "the service is busy or the quota is used up",
}

_KEEPALIVE_LOST = 1011
"""The close code ``websockets`` sends when pings are no longer answered (observed)."""


def kinds() -> tuple[type[Exception], ...]:
    """Return the exceptions a socket of the SDK can raise that ``classify`` understands."""
    from websockets.exceptions import WebSocketException

    return (OSError, EOFError, WebSocketException)


def classify(error: Exception) -> LinkError:
    """Say what a failure of the socket is, and what to do about it."""
    from websockets.exceptions import ConnectionClosed, InvalidStatus

    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        advice = _HTTP_ADVICE.get(status, "the service did not open a session")
        retry_after_s = _retry_after_s(error.response.headers.get("Retry-After"))
        return LinkError(f"link-http-{status}", f"{advice} (HTTP {status})", remedy_for_http(status), retry_after_s)
    if isinstance(error, ConnectionClosed):
        return _closed(error.rcvd.code if error.rcvd else None, error.sent.code if error.sent else None)
    return _by_system(error)


def _closed(received: int | None, sent: int | None) -> LinkError:
    if received is not None:
        # 1000 and 1001 end the SDK's iterator without a word; here every close is one, and says its code.
        return LinkError(
            f"link-closed-{received}", f"the service closed the connection ({received})", remedy_for_close(received)
        )
    if sent == _KEEPALIVE_LOST:
        return LinkError("link-timeout", "the service no longer answers pings", Remedy.RECONNECT)
    return LinkError("link-lost", "the connection broke off", Remedy.RECONNECT)


def _by_system(error: Exception) -> LinkError:
    match error:
        case TimeoutError():
            return LinkError("link-timeout", "the service did not answer in time: check the network", Remedy.RETRY)
        case socket.gaierror():
            message = "the service's name cannot be resolved: check the network and service.endpoint"
            return LinkError("link-dns", message, Remedy.RETRY)
        case ssl.SSLCertVerificationError():
            message = f"the service's certificate is not trusted: check the clock ({error})"
            return LinkError("link-tls", message, Remedy.OPERATOR)
        case ssl.SSLError():
            return LinkError("link-tls", f"no encrypted connection: {error}", Remedy.RETRY)
        case ConnectionRefusedError():
            message = "nothing listens at the service's address: check service.endpoint"
            return LinkError("link-refused", message, Remedy.RETRY)
    return LinkError("link-lost", f"no connection: {error}", Remedy.RETRY)


def _retry_after_s(value: str | None) -> float | None:
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())
