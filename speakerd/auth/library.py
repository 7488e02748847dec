"""azure-identity, and only here: builds the credential of each method, uses it once, and turns failures into facts.

A credential is used for one attempt, since the library answers from memory for a minute after a failure (observed). It
runs in a process of its own (``worker.py``). What is missing before an attempt is found in ``checks.py``; what a fault
means is decided in ``core/sign_in_fault.py``.
"""

from __future__ import annotations

import datetime as dt
import errno
import json
import re
import ssl
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from speakerd.auth.checks import has_arc
from speakerd.auth.request import Request
from speakerd.core.sign_in import FAILED, INTERCEPTED, SignInState, Verdict
from speakerd.core.sign_in_fault import Fault, classify

if TYPE_CHECKING:
    from azure.core.credentials import SupportsTokenInfo
    from azure.identity import DeviceCodeCredential

CACHE_NAME = "speakerd"
"""Of the library's cache files below HOME."""

_TIMES = {"connection_timeout": 5, "read_timeout": 10, "retry_total": 0}
"""Seconds, and how often a request is tried again. The library's own are 300, 300 and 3: an attempt without network
hangs for minutes (measured). Whoever wants a token tries again later by itself."""

_LOGIN_RETRIES = 3
"""While a person types, a network that is gone for a moment must not end it (guess)."""

_LOGIN_PAUSE_S = 10
"""So long it waits before each of them at most, whatever an answer asks for: the library would sleep for a day."""

_WORD = re.compile(r"[\w.-]{1,80}", re.ASCII)
"""What may be an error's name or an id: no sentence, and nothing as long as a token."""

_AADSTS = re.compile(r"AADSTS(\d{5,8})")
"""Entra's error numbers, where az passes on its answer."""

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

_NAME_CHARS = 320
"""The longest e-mail address (specified)."""

_LONGEST_WAIT_S = 86_400.0
"""No Retry-After is believed beyond a day (guess); the keeper has a limit of its own."""

_MOST_CAUSES = 16
"""A chain of exceptions is no longer (the longest seen has 7)."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A token, its times counted from now."""

    secret: str = field(repr=False)
    """The token."""

    expires_in_s: float
    """How long it is good for."""

    refresh_in_s: float | None
    """When the next one is to be fetched; None: the issuer says nothing."""

    account: str | None
    """Who is signed in, as people know them; None: no person."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the last answer said in numbers and names; an exception often does not carry it."""

    status: int | None = None
    oauth_error: str | None = None
    aadsts: tuple[int, ...] = ()
    correlation_id: str | None = None
    retry_after_s: float | None = None
    is_page: bool = False

    @classmethod
    def of(cls, answer: Any) -> _Seen:
        """Read an HTTP answer."""
        try:
            content = json.loads(answer.text())
        except ValueError:
            content = None
        said = content if isinstance(content, dict) else {}
        codes = said.get("error_codes")
        return cls(
            int(answer.status_code),
            _word(said.get("error")),
            tuple(code for code in codes if type(code) is int) if isinstance(codes, list) else (),
            _word(said.get("correlation_id")),
            _wait_s(str(answer.headers.get("Retry-After", "")), str(answer.headers.get("Date", ""))),
            is_page=not isinstance(content, dict),
        )


class Attempt:
    """One attempt to sign in; not to be used again after a failure.

    Args:
        request: What is wanted.
        environment: The environment's variables.
        record: Who was signed in with a code before; None: nobody.
        certificate: Certificate and key as PEM, for that method.
    """

    def __init__(
        self,
        request: Request,
        environment: Mapping[str, str],
        *,
        record: Mapping[str, Any] | None = None,
        certificate: bytes | None = None,
    ) -> None:
        self._request, self._environment = request, environment
        self._record, self._certificate = record, certificate
        self._is_login = False
        self._seen = _Seen()

    def fetch(self) -> Grant:
        """Return a token without asking any person.

        Raises:
            Exception: of many classes; ``fault`` says what it means.
        """
        with self._credential() as credential:
            found = credential.get_token_info(self._request.scope)
        now = time.time()
        refresh_in_s = None if found.refresh_on is None else found.refresh_on - now
        return Grant(found.token, found.expires_on - now, refresh_in_s, _name((self._record or {}).get("username")))

    def login(self, on_code: Callable[[str, str, float], None]) -> dict[str, Any]:
        """Let a person sign in with a code; return the record of who it was. ``fetch`` has a token then.

        Args:
            on_code: Told the code, where to enter it, and for how many seconds it is accepted.

        Raises:
            Exception: of many classes; ``fault`` says what it means.
        """

        def prompt(verification_uri: str, user_code: str, expires_on: dt.datetime) -> None:
            on_code(user_code, verification_uri, (expires_on - dt.datetime.now(dt.UTC)).total_seconds())

        self._is_login = True
        # A credential that knows an account would return it without asking anybody.
        with self._device_code(None, prompt_callback=prompt, retry_total=_LOGIN_RETRIES) as credential:
            self._record = json.loads(credential.authenticate(scopes=[self._request.scope]).serialize())
        return dict(self._record or {})

    def fault(self, error: Exception) -> Fault:
        """Return what is known of a failure, without its text."""
        chain = list(_chain(error))
        refused = next((one for one in chain if isinstance(one, ssl.SSLCertVerificationError)), None)
        az = next((one for one in chain if isinstance(one, subprocess.CalledProcessError)), None)
        seen = self._seen
        known = Fault(
            error=type(error).__name__,
            causes=tuple(type(one).__name__ for one in chain[1:]),
            http_status=seen.status,
            oauth_error=seen.oauth_error,
            aadsts=seen.aadsts or _numbers(az),
            tls_verify_code=None if refused is None else refused.verify_code,
            correlation_id=seen.correlation_id,
            retry_after_s=seen.retry_after_s,
            is_page=seen.is_page,
        )
        missing = self._missing(chain, known)
        return replace(known, missing=missing)

    def _missing(self, chain: list[BaseException], known: Fault) -> str | None:
        """Return what an attempt has shown to be missing, as a key of ``MISSING``."""
        if any(isinstance(one, OSError) and one.errno in _NO_ROOM for one in chain):
            return "state-full"
        verdict, method = classify(known), self._request.method
        wants_person = verdict.state is SignInState.SIGN_IN_REQUIRED
        if method == "managed_identity":
            return self._missing_of_agent(known, verdict)
        if method == "azure_cli":
            refused = known.error == "CredentialUnavailableError" and "CalledProcessError" in known.causes
            return "az-signed-out" if refused or wants_person else "az-broken" if verdict.code == FAILED.code else None
        if method == "default":
            nothing = verdict.code == FAILED.code or (verdict.code == INTERCEPTED.code and not known.causes)
            return "default" if wants_person or nothing else None
        if method == "certificate":
            return "app" if wants_person else None
        return "state" if any(isinstance(one, PermissionError) for one in chain) else None

    def _missing_of_agent(self, known: Fault, verdict: Verdict) -> str | None:
        """Return the same where Azure Arc's agent was asked: what Entra tells it is about the machine, not about us."""
        if verdict.state is SignInState.NO_NETWORK and known.http_status is None:
            return "arc-silent"
        if verdict.code in ("auth-busy", "auth-arc-group"):
            return None
        # An older agent gives the machine's own identity in place of the one that was asked for.
        another = known.http_status == 200 and "ManagedIdentityError" in known.causes  # noqa: PLR2004 - HTTP's OK
        if self._request.client and (another or known.http_status in (400, 403, 404)):
            return "arc-identity"
        return "arc-refused"

    def _credential(self) -> SupportsTokenInfo:
        request = self._request
        match request.method:
            case "managed_identity":
                return self._managed_identity()
            case "device_code":
                return self._device_code(self._record)
            case "certificate":
                from azure.identity import CertificateCredential

                assert request.tenant is not None
                assert request.client is not None
                return CertificateCredential(
                    request.tenant, request.client, certificate_data=self._certificate, **self._options()
                )
            case "azure_cli":
                from azure.identity import AzureCliCredential

                return AzureCliCredential(tenant_id=request.tenant or "")
        return self._default()

    def _managed_identity(self) -> SupportsTokenInfo:
        from azure.identity import ManagedIdentityCredential

        return ManagedIdentityCredential(client_id=self._request.client or None, **self._options())

    def _default(self) -> SupportsTokenInfo:
        from azure.identity import DefaultAzureCredential

        return DefaultAzureCredential(
            # Where there is no agent the library would ask an address that nobody has.
            exclude_managed_identity_credential=not has_arc(self._environment),
            managed_identity_client_id=self._request.client or None,
            **self._options(),
        )

    def _device_code(self, record: Mapping[str, Any] | None, **more: Any) -> DeviceCodeCredential:
        from azure.identity import AuthenticationRecord, DeviceCodeCredential, TokenCachePersistenceOptions

        sys.modules.setdefault("gi", None)  # type: ignore[arg-type]  # no keyring: the cache is the file we keep
        known = None
        if record is not None:
            # The record has lost scheme and port of the authority.
            known = AuthenticationRecord.deserialize(json.dumps({**record, "authority": self._authority()}))
        assert self._request.client is not None
        return DeviceCodeCredential(
            self._request.client,
            tenant_id=self._request.tenant,
            authentication_record=known,
            disable_automatic_authentication=True,
            cache_persistence_options=TokenCachePersistenceOptions(name=CACHE_NAME, allow_unencrypted_storage=True),
            **self._options() | more,
        )

    def _authority(self) -> str:
        from azure.identity import AzureAuthorityHosts

        named = self._environment.get("AZURE_AUTHORITY_HOST") or AzureAuthorityHosts.AZURE_PUBLIC_CLOUD
        return named if "://" in named else f"https://{named}"

    def _options(self) -> dict[str, Any]:
        """Return what holds for every credential."""
        from azure.identity import AzureAuthorityHosts

        hosts = {getattr(AzureAuthorityHosts, name) for name in dir(AzureAuthorityHosts) if name.isupper()}
        host = self._authority().partition("://")[2].strip("/").lower()
        return {
            **_TIMES,
            "raw_request_hook": self._asking,
            "raw_response_hook": self._answered,
            # Of an authority of one's own Microsoft knows nothing.
            "disable_instance_discovery": host not in hosts,
        }

    def _asking(self, request: Any) -> None:
        """Forget the answer before, and see a request before it is sent."""
        self._seen = _Seen()
        if self._request.force and self._request.method == "managed_identity":
            asked = request.http_request
            # The agent keeps tokens too; it heeds this from its version 1.66 on (its documentation).
            asked.url += ("&" if "?" in asked.url else "?") + "bypass_cache=true"

    def _answered(self, response: Any) -> None:
        """See an answer before the library does. What discovery found says nothing of what fails later.

        It is asked for by GET, tokens by POST; only the agent's are asked for by GET.
        """
        seen = _Seen.of(response.http_response)
        if self._is_login and (seen.retry_after_s or 0) > _LOGIN_PAUSE_S:
            response.http_response.headers["Retry-After"] = str(_LOGIN_PAUSE_S)
        found = seen.status == 200 and not seen.is_page and response.http_request.method == "GET"  # noqa: PLR2004 - HTTP's OK
        self._seen = _Seen() if found and self._request.method != "managed_identity" else seen


def _wait_s(said: str, date: str) -> float | None:
    """Read a Retry-After: seconds, or a moment on the server's clock; None: it is neither."""
    if said.isdecimal():
        return min(float(said), _LONGEST_WAIT_S)
    try:
        span = parsedate_to_datetime(said) - parsedate_to_datetime(date)
    except (ValueError, TypeError):  # no date, or one of the two without a time zone
        return None
    return min(max(0.0, span.total_seconds()), _LONGEST_WAIT_S)


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None


def _name(value: object) -> str | None:
    """Return what may be shown as somebody's name."""
    plain = isinstance(value, str) and value.isprintable() and 0 < len(value) <= _NAME_CHARS
    return str(value) if plain else None


def _numbers(az: subprocess.CalledProcessError | None) -> tuple[int, ...]:
    said = "" if az is None else str(az.stderr or "")
    return tuple(dict.fromkeys(int(number) for number in _AADSTS.findall(said)))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that led to it, the nearest first. Each library ties them in its own way."""
    waiting, seen = deque([error]), set[int]()
    while waiting and len(seen) < _MOST_CAUSES:
        one = waiting.popleft()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        before = (one.__cause__, None if one.__suppress_context__ else one.__context__)
        inner = (getattr(one, "inner_exception", None), getattr(one, "reason", None), *one.args)
        waiting.extend(each for each in (*before, *inner) if isinstance(each, BaseException))
