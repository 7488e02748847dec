"""What a failed socket is called, and what to do about it."""

from __future__ import annotations

import datetime as dt
import email.utils
import socket
import ssl

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidMessage, InvalidStatus
from websockets.frames import Close
from websockets.http11 import Response

from speakerd.core.errors import Remedy
from speakerd.realtime import failures


def refused(status: int, headers: dict[str, str] | None = None) -> InvalidStatus:
    return InvalidStatus(Response(status, "", Headers(headers or {})))


@pytest.mark.parametrize(
    ("error", "code", "remedy"),
    [
        (refused(400), "link-http-400", Remedy.OPERATOR),
        (refused(401), "link-http-401", Remedy.REAUTHENTICATE),
        (refused(404), "link-http-404", Remedy.OPERATOR),
        (refused(503), "link-http-503", Remedy.RETRY),
        (ConnectionClosedOK(Close(1000, ""), None), "link-closed-1000", Remedy.RECONNECT),
        (ConnectionClosedOK(Close(1001, ""), None), "link-closed-1001", Remedy.RECONNECT),
        (ConnectionClosedError(Close(1011, ""), None), "link-closed-1011", Remedy.RECONNECT),
        (ConnectionClosedError(Close(4000, ""), None), "link-closed-4000", Remedy.OPERATOR),
        (ConnectionClosedError(None, Close(1011, "keepalive ping timeout")), "link-timeout", Remedy.RECONNECT),
        (ConnectionClosedError(None, None), "link-lost", Remedy.RECONNECT),
        (InvalidMessage("no HTTP"), "link-lost", Remedy.RETRY),
        (TimeoutError(), "link-timeout", Remedy.RETRY),
        (socket.gaierror(-3, "again"), "link-dns", Remedy.RETRY),
        (ssl.SSLError(1, "x"), "link-tls", Remedy.RETRY),
        (ConnectionRefusedError(), "link-refused", Remedy.RETRY),
        (ConnectionResetError(), "link-lost", Remedy.RETRY),
    ],
)
def test_every_failure_has_a_code_and_a_remedy(error: Exception, code: str, remedy: Remedy) -> None:
    """Each way a socket fails is one stable code with one remedy; its kind is among those we catch."""
    assert isinstance(error, failures.kinds())
    classified = failures.classify(error)
    assert (classified.code, classified.remedy) == (code, remedy)


def test_a_certificate_that_is_not_trusted_needs_a_person() -> None:
    """A wrong clock or a foreign certificate is not helped by trying again."""
    error = ssl.SSLCertVerificationError(1, "x")
    classified = failures.classify(error)
    assert (classified.code, classified.remedy) == ("link-tls", Remedy.OPERATOR)
    assert "clock" in str(classified)


def test_retry_after_is_read_in_both_its_forms() -> None:
    """Seconds, a date, nonsense and nothing are all understood."""
    soon = email.utils.format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30))
    assert failures.classify(refused(429, {"Retry-After": "7"})).retry_after_s == 7.0
    assert 25 < (failures.classify(refused(429, {"Retry-After": soon})).retry_after_s or 0) <= 30
    assert failures.classify(refused(429, {"Retry-After": "later"})).retry_after_s is None
    assert failures.classify(refused(429)).retry_after_s is None
