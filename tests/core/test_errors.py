"""Every error knows its remedy."""

from __future__ import annotations

import pytest

from speakerd.core.errors import (
    BENIGN_SERVICE_CODES,
    ConfigError,
    LinkError,
    ProtocolError,
    Remedy,
    remedy_for_close,
    remedy_for_http,
)


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (400, Remedy.OPERATOR),
        (401, Remedy.REAUTHENTICATE),
        (403, Remedy.OPERATOR),
        (404, Remedy.OPERATOR),
        (408, Remedy.RETRY),
        (418, Remedy.OPERATOR),
        (429, Remedy.RETRY),
        (500, Remedy.RETRY),
        (503, Remedy.RETRY),
    ],
)
def test_http(status, remedy):
    """A refused handshake has a remedy by its status."""
    assert remedy_for_http(status) is remedy


@pytest.mark.parametrize(
    ("code", "remedy"),
    [(None, Remedy.RECONNECT), (1000, Remedy.RECONNECT), (1001, Remedy.RECONNECT), (4000, Remedy.OPERATOR)],
)
def test_close(code, remedy):
    """A closed socket means a new session, except when our dialect was refused."""
    assert remedy_for_close(code) is remedy


def test_errors_carry_code_and_remedy():
    """What decides is the remedy, never the text."""
    assert (ConfigError("x").code, ConfigError("x").remedy) == ("config-invalid", Remedy.EXIT)
    assert ProtocolError("x").remedy is Remedy.RECONNECT
    error = LinkError("link-http-429", "busy", Remedy.RETRY, retry_after_s=3.0)
    assert (str(error), error.retry_after_s) == ("busy", 3.0)
    assert "response_cancel_not_active" in BENIGN_SERVICE_CODES
