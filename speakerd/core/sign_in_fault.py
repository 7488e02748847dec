"""What a failed attempt to sign in means.

A failure comes in as facts (classes, numbers and codes, never a server's text) and goes out as a verdict. The classes
of azure-identity's exceptions say little: the same one is raised for a throttled request, a lost network, a wrong clock
and a revoked sign-in (measured). When the next attempt is made is ``token_life.py``'s business.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from speakerd.core.aadsts import MEANINGS, SCOPE
from speakerd.core.errors import Remedy
from speakerd.core.sign_in import (
    APP_REFUSED,
    BUSY,
    CLOCK,
    CODE_EXPIRED,
    DECLINED,
    FAILED,
    INTERCEPTED,
    MISSING,
    NO_NETWORK,
    NO_PROXY,
    PROXY,
    SIGNED_OUT,
    UNTRUSTED,
    Verdict,
    of_meaning,
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is known of an attempt that failed: no message of a server, nothing secret."""

    error: str
    """Class of the exception; empty where no attempt was made because something is missing."""

    causes: tuple[str, ...] = ()
    """Classes of the exceptions that led to it, the nearest first."""

    missing: str | None = None
    """What was found missing or wrong before any attempt: a key of ``MISSING``."""

    http_status: int | None = None
    """Status of the answer, where there was one."""

    oauth_error: str | None = None
    """The answer's ``error``, such as ``invalid_grant``."""

    aadsts: tuple[int, ...] = ()
    """The answer's error codes, without their AADSTS."""

    tls_verify_code: int | None = None
    """OpenSSL's reason for refusing a certificate."""

    correlation_id: str | None = None
    """What an administrator finds the attempt by in Entra's sign-in log."""

    retry_after_s: float | None = None
    """How long the answer asks us to wait, where it says so (``Retry-After``)."""

    is_page: bool = False
    """Whether the answer was no JSON object, as all of Entra's are."""


_CERTIFICATE_TIMES = {9, 10}
"""OpenSSL: not yet valid, has expired (specified)."""

_CERTIFICATE_ISSUERS = {2, 18, 19, 20, 21}
"""OpenSSL: no issuer, self-signed, self-signed in the chain, no local issuer, first one not verified (specified)."""

_TROUBLE = {"server_error", "temporarily_unavailable"}

_OF_A_WORD = {
    **dict.fromkeys(("invalid_grant", "interaction_required", "login_required", "consent_required"), SIGNED_OUT),
    **dict.fromkeys(("invalid_client", "unauthorized_client"), APP_REFUSED),
    **dict.fromkeys(("invalid_scope", "invalid_resource", "invalid_target"), of_meaning(SCOPE)),
    "authorization_pending": CODE_EXPIRED,
    "expired_token": CODE_EXPIRED,
    "code_expired": CODE_EXPIRED,
    "bad_verification_code": CODE_EXPIRED,
    "authorization_declined": DECLINED,
    "access_denied": DECLINED,
}
"""By OAuth's error (specified; authorization_pending is the last answer when we stop asking)."""


def classify(fault: Fault) -> Verdict:
    """Return what a failed attempt means. Total: what nobody has seen before is ``auth-failed``."""
    return _with_number(_judge(fault), fault)


def classify_login(fault: Fault) -> Verdict:
    """Return the same for a sign-in with a code: nobody tries that again by itself."""
    verdict = _judge(fault)
    message = verdict.message
    if verdict == SIGNED_OUT:
        message = "Microsoft does not accept this sign-in: run speakerd login again"
    elif verdict.code == BUSY.code:
        message = "Microsoft's sign-in answers with an error: run speakerd login again in a minute"
    elif verdict.error.remedy is Remedy.RETRY:
        message = f"{message}; then run speakerd login again"
    return _with_number(replace(verdict, message=message), fault)


def _judge(fault: Fault) -> Verdict:
    if fault.missing is not None:
        return MISSING[fault.missing]
    if fault.tls_verify_code is not None:
        return _of_certificate(fault.tls_verify_code)
    meaning = next((MEANINGS[code] for code in fault.aadsts if code in MEANINGS), None)
    if meaning is not None:
        return of_meaning(meaning)
    return _of_answer(fault) or _of_classes({fault.error, *fault.causes})


def _with_number(verdict: Verdict, fault: Fault) -> Verdict:
    """Name Entra's own number where we have no words for it: Microsoft has."""
    if not fault.aadsts or any(code in MEANINGS for code in fault.aadsts):
        return verdict
    number = fault.aadsts[0]
    about = f"AADSTS{number}, see https://login.microsoftonline.com/error?code={number}"
    return replace(verdict, message=f"{verdict.message} ({about})")


def _of_answer(fault: Fault) -> Verdict | None:
    """Return what the answer's status and error mean, if anything."""
    status = fault.http_status
    busy = status is not None and (status in (408, 429) or status >= 500)  # noqa: PLR2004 - HTTP's own numbers
    if busy or fault.oauth_error in _TROUBLE:
        return BUSY
    if fault.oauth_error is not None:
        return _OF_A_WORD.get(fault.oauth_error)
    if fault.is_page or (status is not None and not fault.causes):
        return INTERCEPTED  # neither a token nor an error: Entra always says one of them
    # Nobody was asked: there is no account. The class alone says nothing, it is raised for every refusal.
    return SIGNED_OUT if fault.error == "AuthenticationRequiredError" else None


def _of_certificate(verify_code: int) -> Verdict:
    if verify_code in _CERTIFICATE_TIMES:
        return CLOCK
    return UNTRUSTED if verify_code in _CERTIFICATE_ISSUERS else INTERCEPTED


_OF_CLASSES = (
    # An answer that does not end is none of Entra's either: memory ends first.
    ({"JSONDecodeError", "MemoryError"}, INTERCEPTED),
    # Of the addresses only a proxy's can still be none: Entra's was looked at before the attempt.
    ({"InvalidProxyURL", "InvalidSchema", "InvalidURL", "LocationParseError"}, NO_PROXY),
    ({"ProxyError"}, PROXY),
    ({"SSLEOFError", "SSLZeroReturnError", "ConnectionResetError"}, NO_NETWORK),
    ({"SSLError"}, INTERCEPTED),
    ({"ServiceRequestError", "ServiceRequestTimeoutError", "ServiceResponseError"}, NO_NETWORK),
    ({"ServiceResponseTimeoutError", "IncompleteReadError", "ConnectionError"}, NO_NETWORK),
    ({"ConnectTimeout", "ReadTimeout", "TimeoutError"}, NO_NETWORK),
    ({"MsalServiceError"}, BUSY),
    ({"PermissionError"}, MISSING["arc-group"]),
)
"""What an attempt without an answer comes down to, by the classes of its exceptions; the first that fits counts."""


def _of_classes(classes: set[str]) -> Verdict:
    return next((verdict for some, verdict in _OF_CLASSES if classes & some), FAILED)
