"""What the fake authority knows: the app, the person, device codes, tokens, and who may have which.

No HTTP and no TLS: that is ``entra.py``. Time is the authority's own clock, which a test may set forward.
"""

from __future__ import annotations

import json
import secrets
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.fakes.entra_assertion import Certificates, RefusedError
from tests.fakes.entra_jwt import access_token, id_token, opaque, to_base64

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
ACCOUNT = "owner@kitchen.example"
RESOURCE = "https://cognitiveservices.azure.com"
SCOPE = f"{RESOURCE}/.default"

TENANT_ALIASES = {"organizations", "common"}
"""What stands for 'the tenant of whoever signs in'."""

DEVICE_CODE_LIFE_S = 900
"""How long a device code lives (documented by Entra)."""

REFRESH_LIFE_S = 90 * 86_400
"""How long a refresh token lives without being used (documented by Entra)."""

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_CODE_LETTERS = 9
_OPENID_SCOPES = {"openid", "profile", "offline_access", "email"}


@dataclass
class DeviceCode:
    """A sign-in that somebody has begun."""

    device_code: str = field(repr=False)
    """What the device polls with."""

    user_code: str
    """What the person types."""

    scope: str
    """What is asked for."""

    expires_at_s: float
    """When it ends."""

    state: str = "pending"
    """pending, approved, declined or redeemed."""


@dataclass
class _Access:
    expires_at_s: float
    revoked: bool = False
    role: bool = True


@dataclass
class _Refresh:
    scope: str
    issued_at_s: float
    ended: int | None = None  # the AADSTS code it is refused with


class Directory:
    """One tenant with one app and one person.

    Args:
        clock: The time, in seconds since the epoch.

    Attributes:
        issuer: Base URL of the authority, without tenant.
        resources: What tokens can be had for.
        token_life_s: Life of access tokens to come.
        refresh_in_s: When the answer suggests to fetch the next; None: it suggests nothing.
        interval_s: How often a device may poll.
        code_life_s: Life of device codes to come.
        certificates: What was uploaded to the app registration.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.issuer = ""
        self.tenant, self.client, self.account = TENANT, CLIENT, ACCOUNT
        self.resources = {RESOURCE}
        self.token_life_s: float = 3600
        self.refresh_in_s: float | None = None
        self.interval_s = 1
        self.code_life_s: float = DEVICE_CODE_LIFE_S
        self.person_id = str(uuid.uuid4())
        self._clock, self._offset_s = clock, 0.0
        self._lock = threading.RLock()
        self._has_role = True
        self.certificates = Certificates()
        self._codes: dict[str, DeviceCode] = {}
        self._access: dict[str, _Access] = {}
        self._refresh: dict[str, _Refresh] = {}
        self.user_code_letters = _LETTERS

    # --- what a test or a person does ---

    def now_s(self) -> float:
        """Return the authority's time."""
        return self._clock() + self._offset_s

    def advance(self, span_s: float) -> None:
        """Set the authority's clock forward."""
        self._offset_s += span_s

    def approve(self, user_code: str | None = None) -> bool:
        """Enter a code and agree; without one: the latest. False: there is no such sign-in any more."""
        return self._settle(user_code, "approved")

    def decline(self, user_code: str | None = None) -> bool:
        """Enter a code and say no."""
        return self._settle(user_code, "declined")

    def open_codes(self) -> list[DeviceCode]:
        """Return the sign-ins that wait for a person, the oldest first."""
        with self._lock:
            return [code for code in self._codes.values() if code.state == "pending" and self._lives(code)]

    def end_sign_ins(self, code: int = 50173) -> None:
        """Refuse all refresh tokens so far with a code; a new sign-in works again."""
        with self._lock:
            for token in self._refresh.values():
                token.ended = token.ended or code

    def revoke_access_tokens(self) -> None:
        """Let the service refuse every access token so far."""
        with self._lock:
            for token in self._access.values():
                token.revoked = True

    def take_role(self, *, back: bool = False) -> None:
        """Take the role away from (or give it back to) whoever holds a token, or gets one."""
        with self._lock:
            self._has_role = back
            for token in self._access.values():
                token.role = back

    def secrets(self) -> list[str]:
        """Return everything that may not be found in a log: tokens and device codes."""
        with self._lock:
            return [*self._access, *self._refresh, *self._codes]

    def judge(self, token: str) -> str:
        """Return what the service thinks of an access token: ok, unknown, expired, revoked or no-role."""
        with self._lock:
            known = self._access.get(token)
            if known is None:
                return "unknown"
            if known.revoked:
                return "revoked"
            if known.expires_at_s <= self.now_s():
                return "expired"
            return "ok" if known.role else "no-role"

    # --- what the endpoints do ---

    def check_tenant(self, tenant: str) -> None:
        """Refuse a tenant that is not ours."""
        if tenant not in TENANT_ALIASES | {self.tenant}:
            raise RefusedError(90002)

    def begin_device(self, form: Mapping[str, str]) -> DeviceCode:
        """Begin a sign-in by device code."""
        self._check_client(form)
        scope = self._check_scope(form)
        user_code = "".join(secrets.choice(self.user_code_letters) for _ in range(_CODE_LETTERS))
        code = DeviceCode(opaque(160), user_code, scope, self.now_s() + self.code_life_s)
        with self._lock:
            self._codes[code.device_code] = code
        return code

    def poll(self, form: Mapping[str, str]) -> dict[str, object]:
        """Answer a device that asks whether its code was entered."""
        self._check_client(form)
        with self._lock:
            code = self._codes.get(form.get("device_code", ""))
            if code is None:
                raise RefusedError(70018)
            if code.state == "redeemed":
                raise RefusedError(70000)
            if code.state == "declined":
                raise RefusedError(65004)
            if not self._lives(code):
                raise RefusedError(70020)
            if code.state == "pending":
                raise RefusedError(70016)
            code.state = "redeemed"
            return self._tokens_for_person(code.scope)

    def refresh(self, form: Mapping[str, str]) -> dict[str, object]:
        """Give new tokens for a refresh token; the old one stays good, as Entra's do."""
        self._check_client(form)
        with self._lock:
            known = self._refresh.get(form.get("refresh_token", ""))
            if known is None:
                raise RefusedError(70000)
            if known.ended is not None:
                raise RefusedError(known.ended)
            if known.issued_at_s + REFRESH_LIFE_S <= self.now_s():
                raise RefusedError(700082)
            return self._tokens_for_person(self._check_scope(form) if form.get("scope") else known.scope)

    def certificate(self, form: Mapping[str, str], audiences: set[str]) -> dict[str, object]:
        """Give a token to an app that proves who it is with its certificate."""
        self._check_client(form)
        scope = self._check_scope(form)
        if not scope.endswith("/.default"):
            raise RefusedError(70011)
        if "client_assertion" not in form:
            raise RefusedError(7000218)
        self.certificates.check(form["client_assertion"], self.client, audiences, self.now_s())
        return self._access_token({"sub": self.client, "idtyp": "app"})

    def for_machine(self) -> str:
        """Return a token for a machine with an identity of its own."""
        return str(self._access_token({"sub": self.person_id, "idtyp": "app"})["access_token"])

    def _settle(self, user_code: str | None, state: str) -> bool:
        with self._lock:
            waiting = self.open_codes()
            wanted = [code for code in waiting if user_code is None or code.user_code == user_code.strip().upper()]
            if wanted:
                wanted[-1].state = state
            return bool(wanted)

    def _lives(self, code: DeviceCode) -> bool:
        return self.now_s() < code.expires_at_s

    def _check_client(self, form: Mapping[str, str]) -> None:
        if not form.get("client_id"):
            raise RefusedError(900144)
        if form["client_id"] != self.client:
            raise RefusedError(700016)

    def _check_scope(self, form: Mapping[str, str]) -> str:
        """Return the one scope of a resource that is asked for."""
        wanted = [scope for scope in form.get("scope", "").split() if scope not in _OPENID_SCOPES]
        if len(wanted) != 1:
            raise RefusedError(70011)
        if wanted[0].rpartition("/")[0] not in self.resources:
            raise RefusedError(500011)
        return wanted[0]

    def _tokens_for_person(self, scope: str) -> dict[str, object]:
        answer = self._access_token({"sub": self.person_id, "upn": self.account, "idtyp": "user"})
        refresh_token = f"1.{opaque(1200)}"
        self._refresh[refresh_token] = _Refresh(scope, self.now_s())
        client_info = {"uid": self.person_id, "utid": self.tenant}
        return {
            **answer,
            "scope": f"{scope.rpartition('/')[0]}/user_impersonation {scope}",
            "refresh_token": refresh_token,
            "id_token": self._id_token(),
            "client_info": to_base64(json.dumps(client_info).encode()),
        }

    def _access_token(self, claims: Mapping[str, object]) -> dict[str, object]:
        """Return a fresh access token as an answer has it."""
        now_s, life_s = self.now_s(), self.token_life_s
        about = {"iss": f"{self.issuer}/{self.tenant}/", "appid": self.client, "tid": self.tenant}
        token = access_token(now_s, life_s, {"aud": RESOURCE, **about, **claims})
        with self._lock:
            self._access[token] = _Access(now_s + life_s, role=self._has_role)
        answer = {"token_type": "Bearer", "expires_in": int(life_s), "ext_expires_in": int(life_s)}
        if self.refresh_in_s is not None:
            answer["refresh_in"] = int(self.refresh_in_s)
        return {**answer, "access_token": token}

    def _id_token(self) -> str:
        about = {
            "aud": self.client,
            "iss": f"{self.issuer}/{self.tenant}/v2.0",
            "name": "The owner",
            "oid": self.person_id,
            "preferred_username": self.account,
            "tid": self.tenant,
        }
        return id_token(self.now_s(), about)
