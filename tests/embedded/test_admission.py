"""Who may come in."""

from __future__ import annotations

import json

import pytest

from speakerd.embedded.admission import check_handshake, no_seat, refused_on_purpose

TARGET = "/v1/realtime?model=m"


@pytest.mark.parametrize(
    ("target", "headers", "message"),
    [
        (TARGET, {"Authorization": "Bearer secret"}, None),
        (TARGET, {"Authorization": "bearer secret"}, None),
        (TARGET, {"api-key": "secret"}, None),
        (TARGET + "&api-key=secret", {}, None),
        (TARGET, {"Sec-WebSocket-Protocol": "realtime, openai-insecure-api-key.secret"}, None),
        (TARGET, {"Authorization": "Bearer other", "api-key": "secret"}, None),
        (TARGET, {"Authorization": "Bearer other"}, "Incorrect API key provided."),
        (TARGET, {"Authorization": "Bearer sécret"}, "Incorrect API key provided."),
        (TARGET, {"Authorization": "Basic secret"}, "You didn't provide an API key"),
        (TARGET, {}, "You didn't provide an API key"),
    ],
)
def test_key_is_checked(target: str, headers: dict[str, str], message: str | None) -> None:
    """Whichever way the key comes it must be the right one; otherwise 401 with the service's body."""
    rejection = check_handshake(target, headers.get, "secret")
    if message is None:
        assert rejection is None
    else:
        assert rejection is not None
        error = json.loads(rejection.body)["error"]
        assert (rejection.status, error["code"]) == (401, "invalid_api_key")
        assert error["message"].startswith(message)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "invalid_api_key"),
        (403, "unsupported_country_region_territory"),
        (404, "DeploymentNotFound"),
        (429, "rate_limit_exceeded"),
        (503, "server_is_overloaded"),
        (500, "server_error"),
    ],
)
def test_refusals_on_purpose(status: int, code: str) -> None:
    """Each status has a code, says that it is on purpose, and when to come again if that is wanted."""
    rejection = refused_on_purpose(status, 7)
    error = json.loads(rejection.body)["error"]
    assert (rejection.status, error["code"], rejection.headers) == (status, code, {"Retry-After": "7"})
    assert "fault switch" in error["message"]
    assert refused_on_purpose(status, None).headers == {}


def test_no_seat_is_503() -> None:
    """A full service says how many it takes and when to come again."""
    rejection = no_seat(64)
    assert (rejection.status, rejection.headers["Retry-After"]) == (503, "5")
    error = json.loads(rejection.body)["error"]
    assert error["code"] == "too_many_sessions"
    assert "64" in error["message"]


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        ("/v1/chat?model=m", 404, "not_found"),
        ("/openai/v1/realtime?model=m&api-version=2025-04-01-preview", 401, "unauthorized"),
        ("/v1/realtime", 400, "missing_model"),
    ],
)
def test_what_is_no_session_says_so(target: str, status: int, code: str) -> None:
    """Another path, the retired dialect's version and a missing model have a code each."""
    rejection = check_handshake(target, {"api-key": "x"}.get)
    assert rejection is not None
    assert (rejection.status, json.loads(rejection.body)["error"]["code"]) == (status, code)
