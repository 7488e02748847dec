"""What a failed sign-in means: by cause, never by the class of an exception."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.core.aadsts import MEANINGS
from speakerd.core.sign_in import MISSING, SignInState, Verdict
from speakerd.core.sign_in_fault import Fault, classify, classify_login

AUTH, REQUIRED = "ClientAuthenticationError", "AuthenticationRequiredError"

# What azure-identity raises in each situation was recorded with the library; the rows are those of a real run.
SITUATIONS = {
    "no account in the cache": (Fault(REQUIRED), "sign_in_required", "auth-signed-out"),
    "refresh token revoked": (
        Fault(REQUIRED, http_status=400, oauth_error="invalid_grant", aadsts=(50173,)),
        "sign_in_required",
        "auth-signed-out",
    ),
    "refresh token refused, number unknown": (
        Fault(REQUIRED, http_status=400, oauth_error="invalid_grant", aadsts=(1,)),
        "sign_in_required",
        "auth-signed-out",
    ),
    "second factor wanted now": (
        Fault(REQUIRED, http_status=400, oauth_error="interaction_required", aadsts=(50076,)),
        "sign_in_required",
        "auth-mfa",
    ),
    "consent withdrawn, number unknown": (
        Fault(AUTH, http_status=400, oauth_error="consent_required"),
        "sign_in_required",
        "auth-signed-out",
    ),
    "app disabled": (Fault(REQUIRED, http_status=401, oauth_error="invalid_client"), "misconfigured", "auth-app"),
    "app not allowed this": (
        Fault(AUTH, http_status=400, oauth_error="unauthorized_client"),
        "misconfigured",
        "auth-app",
    ),
    "throttled": (Fault(REQUIRED, http_status=429, oauth_error="temporarily_unavailable"), "degraded", "auth-busy"),
    "Entra answers 503": (Fault(AUTH, ("MsalServiceError",), http_status=503), "degraded", "auth-busy"),
    "Entra answers 408": (Fault(AUTH, http_status=408), "degraded", "auth-busy"),
    "a failure that the library replays": (Fault(AUTH, ("MsalServiceError",)), "degraded", "auth-busy"),
    "connection refused": (
        Fault(AUTH, ("ServiceRequestError", "ConnectionError", "MaxRetryError", "NewConnectionError")),
        "no_network",
        "auth-no-network",
    ),
    "agent not running": (Fault("ServiceRequestError", ("ConnectionError",)), "no_network", "auth-no-network"),
    "no answer in time": (
        Fault(AUTH, ("ServiceResponseTimeoutError", "ReadTimeout")),
        "no_network",
        "auth-no-network",
    ),
    "half an answer": (
        Fault(AUTH, ("IncompleteReadError", "ChunkedEncodingError", "ProtocolError")),
        "no_network",
        "auth-no-network",
    ),
    "clock behind": (Fault(AUTH, ("ServiceRequestError", "SSLError"), tls_verify_code=9), "clock", "auth-clock"),
    "clock ahead": (Fault(AUTH, ("ServiceRequestError", "SSLError"), tls_verify_code=10), "clock", "auth-clock"),
    "unknown authority": (Fault(AUTH, ("ServiceRequestError",), tls_verify_code=20), "misconfigured", "auth-ca"),
    "self-signed": (Fault(AUTH, ("ServiceRequestError",), tls_verify_code=18), "misconfigured", "auth-ca"),
    "another name": (Fault(AUTH, ("ServiceRequestError",), tls_verify_code=62), "no_network", "auth-tls"),
    "no way through the proxy": (
        Fault(AUTH, ("ServiceRequestError", "ProxyError", "ProxyError", "OSError")),
        "no_network",
        "auth-proxy",
    ),
    "a proxy that is none": (
        Fault(AUTH, ("ServiceResponseError", "InvalidURL", "LocationParseError")),
        "misconfigured",
        "auth-proxy-address",
    ),
    "a SOCKS proxy": (Fault(AUTH, ("ServiceResponseError", "InvalidSchema")), "misconfigured", "auth-proxy-address"),
    "no TLS at all": (Fault(AUTH, ("ServiceRequestError", "SSLError")), "no_network", "auth-tls"),
    "cut off in the handshake": (
        Fault(AUTH, ("ServiceRequestError", "SSLError", "SSLEOFError")),
        "no_network",
        "auth-no-network",
    ),
    "not in group himds": (Fault("PermissionError"), "misconfigured", "auth-arc-group"),
    "group himds, by the check": (Fault("", missing="arc-group"), "misconfigured", "auth-arc-group"),
    "device code blocked": (
        Fault(AUTH, http_status=400, oauth_error="access_denied", aadsts=(53003,)),
        "misconfigured",
        "auth-blocked",
    ),
    "login declined": (
        Fault(AUTH, http_status=400, oauth_error="authorization_declined"),
        "sign_in_required",
        "auth-declined",
    ),
    "code over": (Fault(AUTH, http_status=400, oauth_error="expired_token"), "sign_in_required", "auth-code-expired"),
    "code over while we waited": (
        Fault(AUTH, http_status=400, oauth_error="authorization_pending", aadsts=(70016,)),
        "sign_in_required",
        "auth-code-expired",
    ),
    "code over, number unknown": (
        Fault(AUTH, http_status=400, oauth_error="authorization_pending"),
        "sign_in_required",
        "auth-code-expired",
    ),
    "two numbers, the second known": (
        Fault(AUTH, http_status=400, oauth_error="invalid_request", aadsts=(1, 90002)),
        "misconfigured",
        "auth-tenant",
    ),
    "a page in place of an answer": (
        Fault(AUTH, ("ValueError", "JSONDecodeError"), http_status=200),
        "no_network",
        "auth-tls",
    ),
    "a page that refuses": (Fault(AUTH, ("ValueError",), http_status=403, is_page=True), "no_network", "auth-tls"),
    "sent elsewhere": (Fault(AUTH, ("RuntimeError",), http_status=302, is_page=True), "no_network", "auth-tls"),
    "a page of Entra's own trouble": (
        Fault(AUTH, ("ValueError",), http_status=502, is_page=True),
        "degraded",
        "auth-busy",
    ),
    "an answer with neither token nor error": (Fault(REQUIRED, http_status=200), "no_network", "auth-tls"),
    "a refusal without a word": (Fault(REQUIRED, http_status=404), "no_network", "auth-tls"),
    "the same at a login": (Fault(AUTH, http_status=400), "no_network", "auth-tls"),
    "Entra's own trouble as a refusal": (
        Fault(REQUIRED, http_status=400, oauth_error="server_error"),
        "degraded",
        "auth-busy",
    ),
    "Entra's own trouble, named otherwise": (
        Fault(REQUIRED, http_status=400, oauth_error="temporarily_unavailable"),
        "degraded",
        "auth-busy",
    ),
    "a scope that nobody knows": (
        Fault(REQUIRED, http_status=400, oauth_error="invalid_scope"),
        "misconfigured",
        "auth-scope",
    ),
    "a resource that the tenant has not": (
        Fault(REQUIRED, http_status=400, oauth_error="invalid_resource", aadsts=(1,)),
        "misconfigured",
        "auth-scope",
    ),
    "a refresh that was malformed": (
        Fault(REQUIRED, http_status=400, oauth_error="invalid_request", aadsts=(1,)),
        "degraded",
        "auth-failed",
    ),
    "an answer without end": (Fault("MemoryError"), "no_network", "auth-tls"),
    "something new": (Fault("KeyError"), "degraded", "auth-failed"),
    "a refusal that is new": (Fault(AUTH, http_status=400, oauth_error="unheard_of"), "degraded", "auth-failed"),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_situation_is_named_by_its_cause(situation: str) -> None:
    """The same class of exception leads to different states, and different classes to the same."""
    fault, state, code = SITUATIONS[situation]
    verdict = classify(fault)
    assert (verdict.state.value, verdict.code) == (state, code)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(AUTH, http_status=503), "run speakerd login again in a minute"),
        (Fault(AUTH, aadsts=(90033,)), "run speakerd login again in a minute"),
        (Fault(AUTH, ("ServiceRequestError",)), "check the network; then run speakerd login again"),
        (Fault(AUTH, oauth_error="invalid_grant"), "does not accept this sign-in"),
        (Fault(AUTH, aadsts=(53003,)), "Conditional Access"),
    ],
)
def test_a_login_that_failed_is_not_tried_again_by_itself(fault: Fault, words: str) -> None:
    """State and code are those of every attempt; what to do is another thing."""
    verdict = classify_login(fault)
    assert words in verdict.message
    assert "by itself" not in verdict.message
    assert (verdict.state, verdict.code) == (classify(fault).state, classify(fault).code)


@pytest.mark.parametrize("judge", [classify, classify_login])
def test_a_number_we_have_no_words_for_is_named(judge: Callable[[Fault], Verdict]) -> None:
    """With where Microsoft explains it; one we know is not."""
    new = judge(Fault(AUTH, http_status=400, oauth_error="invalid_grant", aadsts=(999999, 1)))
    assert new.message.endswith("(AADSTS999999, see https://login.microsoftonline.com/error?code=999999)")
    assert "AADSTS" not in judge(Fault(AUTH, aadsts=(1, 50173))).message


@pytest.mark.parametrize("key", MISSING)
def test_what_is_missing_is_named_before_anything_else(key: str) -> None:
    """What was found before an attempt needs no attempt."""
    verdict = classify(Fault("ServiceRequestError", missing=key, http_status=503))
    assert verdict == MISSING[key]


FAULTS = st.builds(
    Fault,
    st.sampled_from([AUTH, REQUIRED, "ServiceRequestError", "PermissionError", "SSLError", "", "KeyError"]),
    st.lists(
        st.sampled_from(["ServiceRequestError", "SSLError", "SSLEOFError", "MsalServiceError", "PermissionError"])
    ).map(tuple),
    st.none() | st.sampled_from(sorted(MISSING)),
    st.none() | st.integers(100, 599),
    st.none() | st.sampled_from(["invalid_grant", "invalid_client", "access_denied", "expired_token", "other"]),
    st.lists(st.sampled_from([*MEANINGS, 1, 2])).map(tuple),
    st.none() | st.integers(0, 100),
    st.none() | st.uuids().map(str),
    is_page=st.booleans(),
)


@given(FAULTS)
def test_every_fault_has_a_verdict_with_a_code_and_a_remedy(fault: Fault) -> None:
    """Whatever comes, somebody is told what to do, and nothing of the attempt's own text is in it."""
    verdict = classify(fault)
    assert verdict.state not in (SignInState.OK, SignInState.STARTING)
    assert verdict.code.startswith("auth-")
    assert verdict.message
    assert fault.correlation_id is None or fault.correlation_id not in verdict.message


@given(FAULTS, st.uuids())
def test_the_correlation_id_changes_nothing(fault: Fault, other: object) -> None:
    """It is for the log, not for the judgement."""
    changed = Fault(
        fault.error,
        fault.causes,
        fault.missing,
        fault.http_status,
        fault.oauth_error,
        fault.aadsts,
        fault.tls_verify_code,
        str(other),
        is_page=fault.is_page,
    )
    assert classify(changed) == classify(fault)
