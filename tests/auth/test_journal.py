"""What the journal says."""

from __future__ import annotations

import logging

import pytest

from speakerd.auth.journal import write_down
from speakerd.core.sign_in import NO_NETWORK, SIGNED_OUT
from speakerd.core.sign_in_fault import Fault


def test_that_all_is_well_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    """It is worth a line."""
    caplog.set_level(logging.INFO, "speakerd.auth")
    write_down(None, None)
    assert caplog.record_tuples == [("speakerd.auth", logging.INFO, "sign-in: ok")]


def test_a_verdict_without_an_attempt_stands_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Somebody signed out."""
    write_down(SIGNED_OUT, None)
    assert caplog.messages == ["sign-in: sign_in_required, auth-signed-out"]


def test_what_is_known_of_an_attempt_is_written_down(caplog: pytest.LogCaptureFixture) -> None:
    """What is not known is left out."""
    write_down(NO_NETWORK, Fault("ClientAuthenticationError", ("ServiceRequestError", "NewError")))
    write_down(SIGNED_OUT, Fault("X", aadsts=(50076, 50079), http_status=400, correlation_id="c-1"))
    assert caplog.messages == [
        "sign-in: no_network, auth-no-network, error ClientAuthenticationError, cause ServiceRequestError NewError",
        "sign-in: sign_in_required, auth-signed-out, error X, http 400, AADSTS 50076 50079, correlation c-1",
    ]
