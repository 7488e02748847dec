"""What Entra's error codes mean for a speaker, and what to do about each that its owner may meet.

The numbers and what they stand for are Entra's (its reference of error codes; a few are known from reports only). It
may change them: what is not here is judged by OAuth's own error, in ``sign_in_fault.py``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one code comes down to."""

    state: str
    """Value of the ``SignInState`` it leads to."""

    code: str
    """Our own code, without its ``auth-``."""

    advice: str
    """What is wrong and what to do."""


_SIGN_IN, _WRONG, _LATER = "sign_in_required", "misconfigured", "degraded"

_ENDED = Meaning(_SIGN_IN, "signed-out", "the sign-in has ended: run speakerd login")
_CHANGED = Meaning(_SIGN_IN, "signed-out", "the account was changed or its sign-ins were revoked: run speakerd login")
_AGAIN = Meaning(_SIGN_IN, "mfa", "your organisation wants to see the owner again (second factor): run speakerd login")
_BLOCKED = Meaning(
    _WRONG,
    "blocked",
    "your organisation does not let devices like this one sign in with a code (Conditional Access, security defaults): "
    "ask for an exception, or use auth.method certificate or managed_identity",
)
_CONSENT = Meaning(
    _WRONG, "consent", "nobody has agreed to what the app may do: grant admin consent in the app registration"
)
_NO_APP = Meaning(
    _WRONG, "app", "there is no such app in this tenant: compare auth.client and auth.tenant with the portal"
)
_NOT_PUBLIC = Meaning(
    _WRONG, "public-client", "the app does not allow this: set 'Allow public client flows' to yes in its registration"
)
_DISABLED = Meaning(_WRONG, "app", "the app is disabled: enable it in the portal, or register another")
_TENANT = Meaning(_WRONG, "tenant", "there is no such tenant: compare auth.tenant with the portal")
_ONE_TENANT = Meaning(
    _WRONG, "tenant", "the app is for one tenant only: put its directory (tenant) id into auth.tenant"
)
_AUDIENCE = Meaning(
    _WRONG,
    "app",
    "the app is one for personal accounts only: register one for 'Accounts in this organizational directory', and put "
    "its ids into auth.client and auth.tenant",
)
_OTHER_TENANT = Meaning(
    _WRONG, "account", "this account does not belong to the tenant of auth.tenant: sign in with another, or invite it"
)
_NO_ACCOUNT = Meaning(_WRONG, "account", "the account is disabled, locked, deleted or not assigned to the app")
_CERTIFICATE = Meaning(
    _WRONG, "certificate-unknown", "the app does not know this certificate: upload it to the app registration"
)
_REVOKED = Meaning(
    _WRONG, "certificate-unknown", "the certificate was revoked: make a new one and upload it to the app registration"
)
_SWITCHED_OFF = Meaning(
    _WRONG,
    "scope",
    "the tenant has switched off what auth.scope names, or its subscription has lapsed: an administrator can enable it "
    "among the enterprise applications",
)
SCOPE = Meaning(_WRONG, "scope", "auth.scope names something that this tenant does not have: leave it at its default")
CODE_OVER = Meaning(_SIGN_IN, "code-expired", "the code was not entered in time: run speakerd login again")
CODE_DECLINED = Meaning(_SIGN_IN, "declined", "the sign-in was declined: run speakerd login again")
_CLOCK = Meaning("clock", "clock", "this machine's clock is wrong: timedatectl says more")
_FOREIGN = Meaning(_WRONG, "client-foreign", "auth.client is an app of Microsoft's own: register an app of your own")
_PUBLIC = Meaning(
    _WRONG,
    "public-client",
    "the app is a public client, which signs in without certificate: set 'Allow public client flows' to no",
)
_CLOUD = Meaning(
    _WRONG, "cloud", "the tenant belongs to another of Microsoft's clouds: set AZURE_AUTHORITY_HOST for the service"
)
_BUSY = Meaning(_LATER, "busy", "Microsoft's sign-in is busy; it is tried again by itself")

MEANINGS = {
    50173: _CHANGED,
    50132: _CHANGED,
    50055: _CHANGED,
    50144: _CHANGED,
    50135: _CHANGED,
    50133: _CHANGED,
    70008: _ENDED,
    700082: _ENDED,
    700084: _ENDED,
    700081: _ENDED,
    70043: _ENDED,
    50085: _ENDED,
    50089: _ENDED,
    50139: _ENDED,
    70000: _ENDED,
    50078: _AGAIN,
    50076: _AGAIN,
    50079: _AGAIN,
    50074: _AGAIN,
    50072: _AGAIN,
    53004: _AGAIN,
    50158: _AGAIN,
    53000: _BLOCKED,
    53001: _BLOCKED,
    53002: _BLOCKED,
    53003: _BLOCKED,
    53009: _BLOCKED,
    530001: _BLOCKED,
    530002: _BLOCKED,
    530003: _BLOCKED,
    530021: _BLOCKED,
    530032: _BLOCKED,
    530035: _BLOCKED,
    530036: _BLOCKED,
    530084: _BLOCKED,
    50005: _BLOCKED,
    50097: _BLOCKED,
    50129: _BLOCKED,
    50131: _BLOCKED,
    50155: _BLOCKED,
    65001: _CONSENT,
    650056: _CONSENT,
    65002: _FOREIGN,
    65004: CODE_DECLINED,
    90094: _CONSENT,
    90095: _CONSENT,
    700016: _NO_APP,
    700011: _NO_APP,
    70001: _NO_APP,
    7000229: _NO_APP,
    7000218: _NOT_PUBLIC,
    70002: _NOT_PUBLIC,
    700025: _PUBLIC,
    7000112: _DISABLED,
    90002: _TENANT,
    900023: _TENANT,
    50059: _TENANT,
    50128: _TENANT,
    90019: _TENANT,
    90038: _CLOUD,
    50194: _ONE_TENANT,
    90124: _ONE_TENANT,
    90130: _ONE_TENANT,
    9001023: _ONE_TENANT,
    9002331: _AUDIENCE,
    9002332: _AUDIENCE,
    50020: _OTHER_TENANT,
    50034: _OTHER_TENANT,
    51004: _OTHER_TENANT,
    16000: _OTHER_TENANT,
    500200: _OTHER_TENANT,
    500202: _OTHER_TENANT,
    500208: _OTHER_TENANT,
    500212: _OTHER_TENANT,
    500213: _OTHER_TENANT,
    90072: _OTHER_TENANT,
    50053: _NO_ACCOUNT,
    53011: _NO_ACCOUNT,
    50057: _NO_ACCOUNT,
    50105: _NO_ACCOUNT,
    50012: _CERTIFICATE,
    700024: _CLOCK,
    1000502: _CLOCK,
    700027: _CERTIFICATE,
    700030: _CERTIFICATE,
    7000215: _CERTIFICATE,
    7000222: _CERTIFICATE,
    7000214: _REVOKED,
    7000277: _REVOKED,
    50001: SCOPE,
    500011: SCOPE,
    500014: _SWITCHED_OFF,
    28002: SCOPE,
    28003: SCOPE,
    650052: SCOPE,
    650054: SCOPE,
    65005: SCOPE,
    70011: SCOPE,
    650057: SCOPE,
    1002012: SCOPE,
    70016: CODE_OVER,
    70019: CODE_OVER,
    70020: CODE_OVER,
    50196: _BUSY,
    90033: _BUSY,
    50033: _BUSY,
    50087: _BUSY,
    90006: _BUSY,
    90012: _BUSY,
    90024: _BUSY,
    90090: _BUSY,
    90055: _BUSY,
}
"""By code, for those that people with a device meet (specified by Entra's list of errors; the advice is ours)."""
