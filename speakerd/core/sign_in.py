"""How it stands with our signing in: six states by cause, and every verdict there is, with what to do.

Which of them a failed attempt comes down to is told by ``sign_in_fault.py``; what Entra's own codes mean is in
``aadsts.py``.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from speakerd.core.aadsts import CODE_DECLINED, CODE_OVER, Meaning
from speakerd.core.errors import AuthError, Remedy


class SignInState(enum.Enum):
    """How it stands, by what a person can do about it."""

    STARTING = "starting"
    """No attempt has ended yet."""

    OK = "ok"
    """There is a token, and the last attempt worked."""

    DEGRADED = "degraded"
    """Entra, or the agent on this machine, does not answer as it should; it will by itself."""

    NO_NETWORK = "no_network"
    """Entra cannot be reached."""

    CLOCK = "clock"
    """This machine's clock is wrong, so that no certificate is valid."""

    SIGN_IN_REQUIRED = "sign_in_required"
    """Somebody must sign in."""

    MISCONFIGURED = "misconfigured"
    """Somebody must change something: the configuration, the app registration, this machine."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a fault means."""

    state: SignInState
    """By cause."""

    code: str
    """Stable, kebab-case; the README's troubleshooting table is sorted by it."""

    message: str
    """What is wrong and what to do, for a person."""

    @property
    def error(self) -> AuthError:
        """The verdict as an error; its remedy follows from the state."""
        return AuthError(self.code, self.message, _REMEDIES[self.state])


@dataclass(frozen=True, slots=True)
class SignIn:
    """How it stands, and for whom."""

    verdict: Verdict | None
    """What the last attempt that failed means; None: the last one worked."""

    account: str | None = None
    """Who is signed in, as people know them; None: nobody, or no person."""

    @property
    def state(self) -> SignInState:
        """By cause."""
        return SignInState.OK if self.verdict is None else self.verdict.state


_REMEDIES = {
    SignInState.STARTING: Remedy.RETRY,
    SignInState.OK: Remedy.RETRY,
    SignInState.DEGRADED: Remedy.RETRY,
    SignInState.NO_NETWORK: Remedy.RETRY,
    SignInState.CLOCK: Remedy.RETRY,
    SignInState.SIGN_IN_REQUIRED: Remedy.REAUTHENTICATE,
    SignInState.MISCONFIGURED: Remedy.OPERATOR,
}


def of_meaning(meaning: Meaning) -> Verdict:
    """Return what one of Entra's codes means, as a verdict."""
    return Verdict(SignInState(meaning.state), f"auth-{meaning.code}", meaning.advice)


STARTING = Verdict(SignInState.STARTING, "auth-starting", "signing in has not ended yet: try again in a moment")
SIGNED_OUT = Verdict(SignInState.SIGN_IN_REQUIRED, "auth-signed-out", "nobody is signed in: run speakerd login")
NO_NETWORK = Verdict(
    SignInState.NO_NETWORK, "auth-no-network", "Microsoft's sign-in cannot be reached: check the network"
)
BUSY = Verdict(
    SignInState.DEGRADED, "auth-busy", "Microsoft's sign-in answers with an error; it is tried again by itself"
)
CLOCK = Verdict(
    SignInState.CLOCK, "auth-clock", "this machine's clock is wrong, so no certificate is valid: timedatectl says more"
)
UNTRUSTED = Verdict(
    SignInState.MISCONFIGURED,
    "auth-ca",
    "the certificate of Microsoft's sign-in comes from an authority this machine does not know: where a company looks "
    "into its traffic, name its certificate in REQUESTS_CA_BUNDLE",
)
INTERCEPTED = Verdict(
    SignInState.NO_NETWORK,
    "auth-tls",
    "something else answers in the place of Microsoft's sign-in: does this network want a log-in page to be visited, "
    "or a proxy to be used?",
)
PROXY = Verdict(
    SignInState.NO_NETWORK,
    "auth-proxy",
    "the proxy that HTTPS_PROXY names does not lead to Microsoft's sign-in: check the network, the proxy's address, "
    "and whether it wants a name and a password",
)
NO_PROXY = Verdict(
    SignInState.MISCONFIGURED,
    "auth-proxy-address",
    "what HTTPS_PROXY or ALL_PROXY names is no HTTP proxy: it must be http://HOST:PORT; SOCKS is not understood",
)
CODE_EXPIRED = of_meaning(CODE_OVER)
DECLINED = of_meaning(CODE_DECLINED)
REFUSED = Verdict(
    SignInState.MISCONFIGURED,
    "auth-refused",
    "the service refuses every token that Microsoft gives us: does whoever signs in have the role Cognitive Services "
    "OpenAI User on the resource, is it one of the tenant of auth.tenant, and auth.scope at its default?",
)
FAILED = Verdict(
    SignInState.DEGRADED, "auth-failed", "signing in failed for a reason we do not know: the journal names it"
)


def _misconfigured(code: str, message: str) -> Verdict:
    return Verdict(SignInState.MISCONFIGURED, f"auth-{code}", message)


APP_REFUSED = _misconfigured(
    "app", "Entra does not accept the app of auth.client: is it disabled, or deleted, or its certificate another?"
)

MISSING = {
    "client": _misconfigured(
        "client", "auth.client is not set: register an app of your own, and put its application id there"
    ),
    "client-foreign": _misconfigured(
        "client-foreign",
        "auth.client is an app of Microsoft's own, such as the Azure CLI's: a token stolen from this speaker would "
        "open all of Azure; register an app of your own",
    ),
    "tenant": _misconfigured("tenant", "auth.tenant is not set, or is no tenant: put the directory (tenant) id there"),
    "cloud": _misconfigured(
        "cloud", "AZURE_AUTHORITY_HOST is no address of Microsoft's: it must begin with https://, or be a name alone"
    ),
    "ca-file": _misconfigured(
        "ca",
        "the file that REQUESTS_CA_BUNDLE names is not there, cannot be read by this user, or holds no certificate as "
        "PEM: correct the name, or convert it (openssl x509 -inform der)",
    ),
    "arc-absent": _misconfigured(
        "arc-absent",
        "this machine has no managed identity: it is not connected to Azure Arc (no IDENTITY_ENDPOINT, and no agent "
        "under /opt/azcmagent); connect it with azcmagent, or sign in another way (auth.method)",
    ),
    "arc-environment": _misconfigured(
        "arc-environment",
        "IDENTITY_HEADER is set, so this machine is taken for an Azure App Service: unset it in the service's "
        "environment",
    ),
    "arc-group": _misconfigured(
        "arc-group",
        "the Azure Arc agent lets only the group himds read its tokens: usermod -aG himds speakerd, then systemctl "
        "restart speakerd",
    ),
    "arc-identity": _misconfigured(
        "arc-identity",
        "the Azure Arc agent does not know the identity of auth.client: assign it to this machine, update the agent, "
        "or leave auth.client out",
    ),
    "arc-silent": Verdict(
        SignInState.DEGRADED,
        "auth-arc-silent",
        "the Azure Arc agent on this machine does not answer: systemctl status himdsd says why; it is tried again by "
        "itself",
    ),
    "arc-refused": _misconfigured(
        "arc-refused",
        "the Azure Arc agent gives this machine no token: azcmagent show says whether it is still connected; one that "
        "was off for 45 days and more must be connected again",
    ),
    "app": APP_REFUSED,
    "certificate-absent": _misconfigured(
        "certificate-missing", "the file that auth.certificate_file names is not there: put the certificate there"
    ),
    "certificate-missing": _misconfigured(
        "certificate-missing",
        "there is no certificate: set auth.certificate_file, or LoadCredential=certificate:FILE in the unit",
    ),
    "certificate-unreadable": _misconfigured(
        "certificate-unreadable", "the certificate file cannot be read: it must belong to the service's user, mode 0600"
    ),
    "certificate-exposed": _misconfigured(
        "certificate-exposed", "the certificate file can be read or changed by everybody: chmod 600 it, make a new key"
    ),
    "certificate-malformed": _misconfigured(
        "certificate-malformed",
        "the certificate file must hold, as PEM, the app's own certificate before any other, and its key without "
        "password: openssl pkcs12 -nodes makes such a file of a .pfx",
    ),
    "certificate-key": _misconfigured(
        "certificate-key", "the certificate's key must be RSA, Entra takes no other: make a new one"
    ),
    "certificate-expired": _misconfigured(
        "certificate-expired", "the certificate has run out: make a new one and upload it to the app registration"
    ),
    "certificate-early": Verdict(
        SignInState.CLOCK, "auth-clock", "the certificate is not valid yet: is this machine's clock right? timedatectl"
    ),
    "state": _misconfigured(
        "state",
        "the folder sign-in in the state folder (/var/lib/speakerd) cannot be used by this user: it must belong to the "
        "service's user, mode 0700",
    ),
    "state-full": _misconfigured("state-full", "there is no room on the disk to sign in: free some"),
    "state-busy": Verdict(
        SignInState.DEGRADED,
        "auth-state-busy",
        "another process holds the lock in the folder sign-in and does not let go: fuser -v on the file lock there "
        "names it; is the card at its end?",
    ),
    "az-missing": _misconfigured(
        "az-missing", "the Azure CLI is not installed: install it, or choose another auth.method"
    ),
    "az-signed-out": Verdict(
        SignInState.SIGN_IN_REQUIRED, "auth-az-signed-out", "the Azure CLI is not signed in: run az login"
    ),
    "az-broken": Verdict(
        SignInState.DEGRADED,
        "auth-az-broken",
        "the Azure CLI gives no token, or not within ten seconds: az account get-access-token shows what it does",
    ),
    "default": _misconfigured(
        "default",
        "nothing on this machine signs us in (auth.method default): run az login, set the variables AZURE_..., or "
        "choose another auth.method",
    ),
}
"""What is found before any attempt, or is plain after it without a server's word: by key."""
