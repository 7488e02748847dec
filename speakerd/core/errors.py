"""Errors sorted by what to do about them.

Every error carries a stable code, a message for a person and a remedy. The remedy decides what happens next; nobody
reads message text. What is *not* an error: xruns, starvation, unknown event types, a barge-in, silence, and the
service's benign errors (``BENIGN_SERVICE_CODES``).
"""

from __future__ import annotations

import enum


class Remedy(enum.Enum):
    """What to do about an error."""

    RETRY = "retry"
    """The same call may succeed in a moment."""

    RECONNECT = "reconnect"
    """Open a new session; this one is gone."""

    REAUTHENTICATE = "reauthenticate"
    """Fetch a new token, then try again."""

    OPERATOR = "operator"
    """A person must change something; try again slowly."""

    EXIT = "exit"
    """Nothing helps but another configuration: leave with exit code 78."""


class SpeakerdError(Exception):
    """The root of our errors.

    Attributes:
        code: Stable, kebab-case, one per cause; the README's troubleshooting table is sorted by it.
        remedy: What to do about it.
    """

    def __init__(self, code: str, message: str, remedy: Remedy) -> None:
        super().__init__(message)
        self.code = code
        self.remedy = remedy


class ConfigError(SpeakerdError):
    """The configuration cannot be used; the message lists every problem with its place."""

    def __init__(self, message: str) -> None:
        super().__init__("config-invalid", message, Remedy.EXIT)


class DeviceError(SpeakerdError):
    """A sound card is missing, busy, gone or cannot do what we need."""


class WakeError(SpeakerdError):
    """The wake word engine or one of its models cannot be used."""


class AuthError(SpeakerdError):
    """No credential, or the service refused it."""


class LinkError(SpeakerdError):
    """The connection to the service could not be made or was lost.

    Attributes:
        retry_after_s: What the service asked us to wait, or None.
    """

    def __init__(self, code: str, message: str, remedy: Remedy, retry_after_s: float | None = None) -> None:
        super().__init__(code, message, remedy)
        self.retry_after_s = retry_after_s


class ProtocolError(SpeakerdError):
    """The service sent what its protocol does not allow (code ``protocol-remote``)."""

    def __init__(self, message: str) -> None:
        super().__init__("protocol-remote", message, Remedy.RECONNECT)


BENIGN_SERVICE_CODES = frozenset({"response_cancel_not_active", "conversation_already_has_active_response"})
"""Error codes of the service that say a race was lost, not that anything is wrong (observed)."""

_HTTP_REMEDIES = {
    400: Remedy.OPERATOR,  # not a realtime model behind the deployment
    401: Remedy.REAUTHENTICATE,
    403: Remedy.OPERATOR,  # the role is missing
    404: Remedy.OPERATOR,  # no such deployment
    408: Remedy.RETRY,
    429: Remedy.RETRY,
}


def remedy_for_http(status: int) -> Remedy:
    """Return what to do about a handshake that was answered with an HTTP status other than 101."""
    if status in _HTTP_REMEDIES:
        return _HTTP_REMEDIES[status]
    return Remedy.RETRY if status >= 500 else Remedy.OPERATOR  # noqa: PLR2004 - the HTTP class of server errors


def remedy_for_close(close_code: int | None) -> Remedy:
    """Return what to do about a socket that closed, by its WebSocket close code (None: without a close frame).

    4000 is the service's own refusal of our dialect; every other close, 1000 and 1001 included, ends the session only.
    """
    return Remedy.OPERATOR if close_code == 4000 else Remedy.RECONNECT  # noqa: PLR2004 - the service's own code
