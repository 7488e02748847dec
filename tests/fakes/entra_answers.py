"""What the fake authority says and how it fails: answers in Entra's shape, and faults that a test or a person sets.

No socket, no tokens: those are in ``entra.py`` and ``entra_directory.py``. The shape of a refusal is Entra's (seen in
public reports); the sentences are ours, since nothing may depend on them.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

TOKEN_ENDPOINTS = ("poll", "refresh", "certificate")
"""The token endpoint, by what is asked of it."""

ENDPOINTS = ("connection", "discovery", "devicecode", *TOKEN_ENDPOINTS)
"""Where faults can be set; ``connection`` is the socket itself, before TLS."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    """HTTP status."""

    body: bytes
    """What it says."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers beside the usual ones."""

    kind: str = "application/json; charset=utf-8"
    """Content type."""

    code: int | None = None
    """The AADSTS code, for the journal."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One of Entra's own errors."""

    error: str
    """OAuth's word for it."""

    status: int = 400
    """HTTP status."""

    suberror: str | None = None
    """What a client may look at beside the error."""

    sentence: str = "Refused by the fake authority."
    """What a person reads."""

    claims: str | None = None
    """What must be satisfied first, as JSON in a string."""


_ACRS = '{"access_token":{"capolids":{"essential":true,"values":["00000000-0000-0000-0000-000000000001"]}}}'

REFUSALS = {
    50034: Refusal("invalid_grant", sentence="The account is not in this directory."),
    50057: Refusal("invalid_grant", sentence="The account is disabled."),
    50076: Refusal("invalid_grant", suberror="basic_action", sentence="A second factor is asked for.", claims=_ACRS),
    50078: Refusal("invalid_grant", suberror="basic_action", sentence="The second factor has run out."),
    50079: Refusal("invalid_grant", suberror="basic_action", sentence="A second factor must be set up."),
    50105: Refusal("invalid_grant", sentence="The account is not assigned to the app."),
    50158: Refusal("interaction_required", suberror="basic_action", sentence="An outside check is not satisfied."),
    50173: Refusal("invalid_grant", suberror="bad_token", sentence="The grant was revoked; a fresh one is needed."),
    50196: Refusal("invalid_grant", sentence="The client loops."),
    53000: Refusal("invalid_grant", suberror="message_only", sentence="The device must be compliant."),
    53003: Refusal("invalid_grant", suberror="message_only", sentence="Blocked by Conditional Access.", claims=_ACRS),
    65001: Refusal("invalid_grant", suberror="consent_required", sentence="Nobody consented to what the app asks."),
    65004: Refusal("authorization_declined", sentence="The person declined to consent."),
    70000: Refusal("invalid_grant", suberror="bad_token", sentence="This grant is none of ours."),
    70003: Refusal("unsupported_grant_type", sentence="This grant type is not known."),
    70011: Refusal("invalid_scope", sentence="The scope is not valid."),
    70016: Refusal("authorization_pending", sentence="Nobody has entered the code yet."),
    70018: Refusal("bad_verification_code", sentence="The device code is none of ours."),
    70020: Refusal("expired_token", sentence="The device code has run out."),
    70043: Refusal("invalid_grant", suberror="bad_token", sentence="The sign-in frequency asks for a new sign-in."),
    90002: Refusal("invalid_tenant", sentence="There is no such tenant."),
    90033: Refusal("temporarily_unavailable", status=503, sentence="The service is unavailable for a moment."),
    500011: Refusal("invalid_resource", sentence="The resource is not in this tenant."),
    530036: Refusal("invalid_grant", suberror="bad_token", sentence="Sign-ins that began with a code are blocked."),
    700003: Refusal("invalid_grant", sentence="The device is unknown."),
    700016: Refusal("unauthorized_client", sentence="The app is not in this directory."),
    700023: Refusal("invalid_client", status=401, sentence="The assertion is meant for somebody else."),
    700024: Refusal("invalid_client", status=401, sentence="The assertion is not valid at this time."),
    700027: Refusal("invalid_client", status=401, sentence="The assertion's certificate is not registered."),
    700082: Refusal("invalid_grant", suberror="token_expired", sentence="The refresh token was not used for too long."),
    900144: Refusal("invalid_request", sentence="A parameter is missing."),
    1000502: Refusal("invalid_client", status=401, sentence="The certificate is not valid at this time."),
    7000112: Refusal("unauthorized_client", sentence="The app is disabled."),
    7000215: Refusal("invalid_client", status=401, sentence="The secret is wrong."),
    7000218: Refusal("invalid_client", status=401, sentence="A secret or an assertion is missing: no public client."),
}
"""By AADSTS code. What real Entra answers with (status, error, suberror) is known for those of public reports (50173,
53003, 65001, 70016, 70020, 700016, 700027, 700082, 7000218, 90002) and guessed for the rest."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to a request in place of, or before, the right answer."""

    name: str
    """For the journal and for people."""

    aadsts: int | None = None
    """Entra's own refusal with this code."""

    word: str | None = None
    """OAuth's error where it is another than the code's; alone: a refusal without a code."""

    status: int | None = None
    """HTTP status where it is another than the code's."""

    retry_after: str | None = None
    """The header of that name."""

    body: str | None = None
    """Say this, as HTML, in place of JSON."""

    delay_s: float = 0.0
    """Wait so long before saying anything; alone: then the right answer."""

    breaks: str | None = None
    """How the connection ends in place of an answer: dead (never), reset, endless, half (of the right answer)."""

    def refusal(self, correlation_id: str, now_s: float) -> Answer | None:
        """Return what is said; None: the right answer."""
        headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
        if self.body is not None:
            return Answer(self.status or 500, self.body.encode(), headers, "text/html; charset=utf-8")
        if self.aadsts is not None or self.word is not None:
            said = refuse(self.aadsts, correlation_id, now_s, self.word, self.status)
            return replace(said, headers={**said.headers, **headers})
        if self.status is not None:
            return Answer(self.status, b"", headers, "text/plain")
        return None


_SORRY = "<html><head><title>Sorry</title></head><body><h1>We are having trouble.</h1></body></html>"

FAULTS = {
    fault.name: fault
    for fault in (
        Fault("revoked", 50173),
        Fault("expired", 700082),
        Fault("mfa", 50076),
        Fault("app-disabled", 7000112, "invalid_client", 401),
        Fault("blocked", 53003),
        Fault("consent", 65001),
        Fault("not-public", 7000218),
        Fault("no-app", 700016),
        Fault("no-tenant", 90002),
        Fault("sign-in-frequency", 70043),
        Fault("interaction", 50158),
        Fault("invalid-client", 7000215),
        Fault("pending", 70016),
        Fault("slow-down", word="slow_down"),
        Fault("declined", 65004),
        Fault("denied", word="access_denied"),
        Fault("code-expired", 70020),
        Fault("throttled", word="temporarily_unavailable", status=429),
        Fault("throttled-7", word="temporarily_unavailable", status=429, retry_after="7"),
        Fault("error-html", status=500, body=_SORRY),
        Fault("unavailable", status=503),
        Fault("unavailable-json", 90033),
        Fault("portal", status=200, body="<html><body>Welcome to the hotel. Please log in.</body></html>"),
        Fault("empty", status=200),
        Fault("nothing-said", status=200, body="{}"),
        Fault("forbidden-page", status=403, body="<html><body>Your company does not allow this page.</body></html>"),
        Fault("elsewhere", status=302),
        Fault("server-error", word="server_error"),
        Fault("flow-blocked", 530036),
        Fault("slow", delay_s=3.0),
        Fault("dead", breaks="dead"),
        Fault("reset", breaks="reset"),
        Fault("half", breaks="half"),
    )
}
"""The faults by name, for whoever sets them from outside; a test may make its own."""


class Plans:
    """Which fault meets the next request, per endpoint."""

    def __init__(self, endpoints: Sequence[str] = ENDPOINTS) -> None:
        self._queues: dict[str, deque[tuple[Fault, float]]] = {endpoint: deque() for endpoint in endpoints}

    def add(self, endpoint: str, fault: Fault, times: float) -> None:
        """Let a fault happen, after those that were set before."""
        self._queues[endpoint].append((fault, times))

    def clear(self, endpoint: str | None = None) -> None:
        """Forget the faults of an endpoint, or of all."""
        for each in self._queues if endpoint is None else (endpoint,):
            self._queues[each].clear()

    def take(self, endpoint: str) -> Fault | None:
        """Return the fault that the present request meets, and count it."""
        queue = self._queues[endpoint]
        if not queue:
            return None
        fault, times = queue.popleft()
        if times > 1:
            queue.appendleft((fault, times - 1))
        return fault


def good(content: Mapping[str, object]) -> Answer:
    """Return a JSON answer."""
    return Answer(200, json.dumps(content).encode())


def refuse(
    code: int | None, correlation_id: str, now_s: float, word: str | None = None, status: int | None = None
) -> Answer:
    """Return a refusal in the shape that Entra gives it.

    Args:
        code: The AADSTS code; None: the few answers that have none.
        correlation_id: What the client calls its attempt.
        now_s: The authority's time.
        word: OAuth's error where it is another than the code's.
        status: HTTP status where it is another than the code's.
    """
    known = REFUSALS.get(code or 0, Refusal("invalid_grant"))
    stamp = dt.datetime.fromtimestamp(now_s, dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    trace_id = str(uuid.uuid4())
    subject = known.sentence if code is None else f"AADSTS{code}: {known.sentence}"
    description = f"{subject} Trace ID: {trace_id} Correlation ID: {correlation_id} Timestamp: {stamp}"
    content: dict[str, object] = {
        "error": word or known.error,
        "error_description": description,
        "error_codes": [] if code is None else [code],
        "timestamp": stamp,
        "trace_id": trace_id,
        "correlation_id": correlation_id,
    }
    if code is not None:
        content["error_uri"] = f"https://login.microsoftonline.com/error?code={code}"
    content.update({name: value for name in ("suberror", "claims") if (value := getattr(known, name)) is not None})
    return Answer(status or known.status, json.dumps(content).encode(), code=code)
