"""What is believed of a worker."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.auth.answers import MAX_TOKEN_CHARS, DeviceCode, Granted, Kept, parse
from speakerd.auth.request import fault_fields
from speakerd.core.sign_in_fault import Fault

CODE = {"event": "code", "user_code": "ABCD1234", "verification_uri": "https://example.com/device", "expires_in_s": 900}
TOKEN = {"event": "token", "token": "eyJ.secret", "expires_in_s": 3599.5, "refresh_in_s": None, "account": None}
FAULT = Fault(
    "ClientAuthenticationError",
    ("MsalServiceError",),
    http_status=429,
    oauth_error="temporarily_unavailable",
    aadsts=(50196,),
    correlation_id="b0c1-77",
    retry_after_s=17.0,
)
ANSWERS = (DeviceCode, Granted, Kept, Fault)


def said(event: Any) -> bytes:
    return json.dumps(event).encode()


def test_a_code_is_what_a_person_needs() -> None:
    """Code, address and remaining life are taken as they are."""
    assert parse(said(CODE)) == DeviceCode("ABCD1234", "https://example.com/device", 900.0)


def test_a_token_comes_with_its_life() -> None:
    """What the issuer does not say is None."""
    assert parse(said(TOKEN)) == Granted("eyJ.secret", 3599.5, None, None)
    full = {**TOKEN, "refresh_in_s": 1800, "account": "Ann Ü. <ann@example.com>"}
    assert parse(said(full)) == Granted("eyJ.secret", 3599.5, 1800.0, "Ann Ü. <ann@example.com>")


def test_a_token_is_not_in_the_repr() -> None:
    """What may land in a log does not hold it."""
    assert "secret" not in repr(parse(said(TOKEN))).replace("secret=", "")


def test_a_life_that_is_over_is_none() -> None:
    """Less than nothing cannot remain."""
    answer = parse(said({**TOKEN, "expires_in_s": -5}))
    assert isinstance(answer, Granted)
    assert answer.expires_in_s == 0.0


def test_a_worker_tells_whether_it_could_keep_the_sign_in() -> None:
    """A reason is a word; without one it is unknown."""
    assert parse(b'{"event": "saved"}') == Kept(None)
    assert parse(b'{"event": "not_saved", "reason": "ENOSPC"}') == Kept("ENOSPC")
    assert parse(b'{"event": "not_saved"}') == Kept("unknown")


@pytest.mark.parametrize("fault", [FAULT, Fault("PermissionError"), Fault("", missing="client")])
def test_a_fault_comes_as_it_was_sent(fault: Fault) -> None:
    """All that the core sorts faults by survives the way."""
    assert parse(said({"event": "fault", **fault_fields(fault)})) == fault


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Signed in!",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"[" * 100_000,
        said({"event": "hello"}),
        said({**TOKEN, "token": None}),
        said({**TOKEN, "token": ""}),
        said({**TOKEN, "token": "two words"}),
        said({**TOKEN, "token": "a\r\nX-Injected: 1"}),
        said({**TOKEN, "token": "tokén"}),
        said({**TOKEN, "token": "a" * (MAX_TOKEN_CHARS + 1)}),
        said({**TOKEN, "expires_in_s": "3600"}),
        said({**TOKEN, "expires_in_s": True}),
        said({**TOKEN, "expires_in_s": None}),
        said({**TOKEN, "expires_in_s": float("nan")}),
        said({**TOKEN, "expires_in_s": float("inf")}),
        said({**TOKEN, "expires_in_s": 1e12}),
        said({**TOKEN, "refresh_in_s": "soon"}),
        said({**TOKEN, "account": "a\x1b[2J"}),
        said({**TOKEN, "account": "a" * 321}),
        said({**TOKEN, "account": 7}),
        said({**CODE, "user_code": "run this: rm"}),
        said({**CODE, "verification_uri": "http://example.com"}),
        said({**CODE, "verification_uri": None}),
        said({"event": "not_saved", "reason": "a whole sentence"}),
        said({"event": "fault", "missing": "no-such-key"}),
        said({"event": "fault", "error": "what the server said"}),
        said({"event": "fault", "causes": "ValueError"}),
        said({"event": "fault", "causes": [1]}),
        said({"event": "fault", "aadsts": ["50076"]}),
        said({"event": "fault", "aadsts": {}}),
        said({"event": "fault", "http_status": 429.5}),
        said({"event": "fault", "http_status": True}),
    ],
)
def test_what_was_not_agreed_on_is_refused(line: bytes) -> None:
    """Nothing of it gets further, and the error does not quote it."""
    with pytest.raises(ValueError, match=r"^[a-z_A-Z ]+$") as caught:
        parse(line)
    assert "Injected" not in str(caught.value)
    assert caught.value.__cause__ is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
FIELDS = ["token", "expires_in_s", "refresh_in_s", "account", "user_code", "verification_uri", "reason", "error"]
FIELDS += ["causes", "missing", "http_status", "aadsts", "tls_verify_code", "retry_after_s"]


@given(
    st.sampled_from(["code", "token", "saved", "not_saved", "fault", "?"]),
    st.dictionaries(st.sampled_from(FIELDS), JSON),
    st.sampled_from([CODE, TOKEN, {"event": "fault", **fault_fields(FAULT)}]),
)
def test_any_object_is_an_answer_or_refused(event: str, changes: dict[str, Any], base: dict[str, Any]) -> None:
    """Nothing but ValueError comes of it, whatever a worker sends."""
    with suppress(ValueError):
        assert isinstance(parse(said({**base, **changes, "event": event})), ANSWERS)


@given(st.binary())
def test_any_bytes_are_an_answer_or_refused(line: bytes) -> None:
    """The same, for what is not even JSON."""
    with suppress(ValueError):
        assert isinstance(parse(line), ANSWERS)
