"""What a sign-in worker is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.auth.request import METHODS, Request, fault_fields
from speakerd.core.sign_in_fault import Fault

TEXTS = st.none() | st.text(max_size=20)
REQUESTS = st.builds(
    Request,
    method=st.sampled_from(METHODS),
    scope=st.text(),
    state=st.just(Path("/var/lib/speakerd")),
    do=st.sampled_from(["fetch", "login"]),
    tenant=TEXTS,
    client=TEXTS,
    certificate_file=TEXTS,
    force=st.booleans(),
)


@given(REQUESTS)
def test_a_request_travels_as_one_line(request_: Request) -> None:
    """Whatever it holds."""
    line = request_.to_json()
    assert "\n" not in line
    assert Request.from_json(line) == request_


GOOD = {"method": "device_code", "scope": "s", "state": "/var/lib/speakerd"}


def test_what_is_not_said_is_not_wanted() -> None:
    """A plain fetch, without force."""
    asked = Request.from_json(json.dumps(GOOD))
    assert (asked.do, asked.force, asked.tenant) == ("fetch", False, None)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "{}",
        *(json.dumps({key: value for key, value in GOOD.items() if key != left_out}) for left_out in GOOD),
        json.dumps(GOOD | {"method": "api_key"}),
        json.dumps(GOOD | {"do": "logout"}),
        json.dumps(GOOD | {"tenant": 5}),
        json.dumps(GOOD | {"password": "x"}),
    ],
)
def test_what_is_no_request_is_refused(line: str) -> None:
    """A worker does nothing that it does not understand wholly."""
    with pytest.raises(ValueError):  # noqa: PT011 - json's own errors are of this class
        Request.from_json(line)


def test_a_fault_says_only_what_is_known() -> None:
    """What stays unknown is not sent."""
    fields = fault_fields(Fault("KeyError", ("OSError",), http_status=503, aadsts=(1, 2)))
    assert json.loads(json.dumps(fields)) == {
        "error": "KeyError",
        "causes": ["OSError"],
        "http_status": 503,
        "aadsts": [1, 2],
    }
