"""A stand-in for Microsoft Entra ID: an HTTPS authority on loopback that azure-identity signs in with.

    python -m tests.fakes.entra --help

starts one by hand. What it knows is in ``entra_directory.py``, what it says and how it fails in ``entra_answers.py``,
its doors for people and other processes in ``entra_page.py``.
"""

from __future__ import annotations

import argparse
import signal
import socket
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.authority_ca import Health, PrivateCa
from tests.fakes.door import NO_PROXY, Door, QuietHandler, break_off, until_told
from tests.fakes.entra_answers import FAULTS, TOKEN_ENDPOINTS, Answer, Fault, Plans, good, refuse
from tests.fakes.entra_assertion import RefusedError
from tests.fakes.entra_directory import ACCOUNT, SCOPE, TENANT_ALIASES, Directory
from tests.fakes.entra_journal import Journal, Visit
from tests.fakes.entra_page import command, page

_GRANTS = {
    "urn:ietf:params:oauth:grant-type:device_code": "poll",
    "refresh_token": "refresh",
    "client_credentials": "certificate",
}
_PLAIN = {"grant_type", "client_id", "scope", "claims", "client_info"}
"""What of a request the journal keeps: nothing secret."""

FOR_EVER = float("inf")


class Entra:
    """The authority; a context manager that listens from beginning to end.

    Args:
        folder: Where its certificates go.
        port: Where to listen; 0: any.
        clock: Its time, in seconds since the epoch.
        keep_secrets: Whether the journal keeps whole requests.

    Attributes:
        directory: What it knows: codes, tokens, who may have which.
        journal: What was asked of it.
        url: What AZURE_AUTHORITY_HOST shall be.
        verification_uri: What it tells people to open; None: its own page.
    """

    def __init__(
        self, folder: Path, *, port: int = 0, clock: Callable[[], float] = time.time, keep_secrets: bool = False
    ) -> None:
        self.ca = PrivateCa(folder)
        self.directory: Directory = Directory(clock)
        self.journal = Journal()
        self.verification_uri: str | None = None
        self._plans = Plans()
        self._keep_secrets = keep_secrets
        self._door = Door(self._serve, port=port, context=self.ca.server().context())
        self.url = f"https://localhost:{self._door.port}"
        self.directory.issuer = self.url

    def __enter__(self) -> Self:
        self._door.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._door.close()

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to sign in here."""
        return {
            "AZURE_AUTHORITY_HOST": self.url,
            "REQUESTS_CA_BUNDLE": str(self.ca.trust),
            **NO_PROXY,
        }

    def fail(self, endpoint: str, fault: str | Fault, times: float = FOR_EVER) -> None:
        """Let the next requests to an endpoint meet a fault; further faults queue up behind it.

        Args:
            endpoint: One of ``ENDPOINTS``, or ``token`` for whatever is asked of the token endpoint.
            fault: A name of ``FAULTS``, or one of your own.
            times: How many requests.
        """
        chosen = FAULTS[fault] if isinstance(fault, str) else fault
        for each in TOKEN_ENDPOINTS if endpoint == "token" else (endpoint,):
            self._plans.add(each, chosen, times)

    def heal(self, endpoint: str | None = None) -> None:
        """Let everything go right again, or one endpoint."""
        self._plans.clear(endpoint)

    def wear(self, health: Health) -> None:
        """Show another certificate to those who connect from now on; who is connected is sent away."""
        self._door.context = self.ca.server(health).context()
        self._door.hang_up()

    def down(self) -> None:
        """Stop listening and break off what is under way: connecting is refused."""
        self._door.shut()

    def up(self) -> None:
        """Listen again, at the same address."""
        self._door.open()

    def _serve(self, caller: socket.socket) -> None:
        fault = self._plans.take("connection")
        if fault is not None:
            self.journal.add(Visit("connection", time.monotonic(), "", fault=fault.name))
            self._door.closing.wait(fault.delay_s)
            if fault.breaks is not None:
                break_off(caller, fault.breaks)
        _Handler(self._door.secure(caller), ("", 0), self)  # type: ignore[arg-type] # the fake is the server

    def answer(self, handler: _Handler, form: dict[str, str]) -> None:
        """Answer one request, or let it meet its fault."""
        tenant, endpoint = _where(handler.path, form)
        if endpoint is None:
            handler.say(self._for_people(handler, form))
            return
        correlation_id = handler.headers.get("client-request-id") or str(uuid.uuid4())
        kept = form if self._keep_secrets else {name: form[name] for name in form.keys() & _PLAIN}
        visit = Visit(endpoint, time.monotonic(), correlation_id, kept)
        self.journal.add(visit)
        try:
            said, half = self._meet(handler, visit, tenant, form)
        finally:
            # Before it is said: whoever has the answer may ask again at once, and that is no second flight.
            visit.ended_s = time.monotonic()
        handler.say(said, correlation_id, half=half)

    def _meet(self, handler: _Handler, visit: Visit, tenant: str, form: Mapping[str, str]) -> tuple[Answer, bool]:
        """Return what to say, and whether only half of it."""
        fault = self._plans.take(visit.endpoint)
        said = None
        if fault is not None:
            visit.fault = fault.name
            self._door.closing.wait(fault.delay_s)
            if fault.breaks in ("dead", "reset", "endless"):
                break_off(handler.connection, fault.breaks)
            said = fault.refusal(visit.correlation_id, self.directory.now_s())
        said = said or self._right(visit, tenant, form)
        visit.status, visit.aadsts = said.status, said.code
        return said, fault is not None and fault.breaks == "half"

    def _right(self, visit: Visit, tenant: str, form: Mapping[str, str]) -> Answer:
        """Return the answer that would be right."""
        base = f"{self.url}/{tenant}"
        try:
            self.directory.check_tenant(tenant)
            match visit.endpoint:
                case "discovery":
                    return good(self._discovery(tenant, base))
                case "devicecode":
                    return good(self._device_code(form))
                case "poll":
                    return good(self.directory.poll(form))
                case "refresh":
                    return good(self.directory.refresh(form))
            return good(self.directory.certificate(form, {f"{base}/oauth2/v2.0/token", f"{base}/v2.0", f"{base}/"}))
        except RefusedError as refused:
            return refuse(refused.code, visit.correlation_id, self.directory.now_s())

    def _discovery(self, tenant: str, base: str) -> dict[str, object]:
        issuer = "{tenantid}" if tenant in TENANT_ALIASES else self.directory.tenant
        return {
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "issuer": f"{self.url}/{issuer}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "tenant_region_scope": "EU",
            "cloud_instance_name": "localhost",
        }

    def _device_code(self, form: Mapping[str, str]) -> dict[str, object]:
        code = self.directory.begin_device(form)
        uri = self.verification_uri or f"{self.url}/device"
        return {
            "user_code": code.user_code,
            "device_code": code.device_code,
            "verification_uri": uri,
            "expires_in": int(self.directory.code_life_s),
            "interval": self.directory.interval_s,
            "message": f"Open {uri} in a browser and enter the code {code.user_code}.",
        }

    def _for_people(self, handler: _Handler, form: Mapping[str, str]) -> Answer:
        path = urlsplit(handler.path).path
        return command(self, path, form) if handler.command == "POST" else page(self, path)


class _Handler(QuietHandler):
    """One connection; its server is the authority."""

    server: Entra  # type: ignore[assignment] # it is only passed through

    def do_GET(self) -> None:  # noqa: N802 - the base class calls it so
        self.server.answer(self, {})

    def do_POST(self) -> None:  # noqa: N802 - the same
        size = int(self.headers.get("Content-Length", 0))
        self.server.answer(self, dict(parse_qsl(self.rfile.read(size).decode(), keep_blank_values=True)))

    def say(self, answer: Answer, correlation_id: str | None = None, *, half: bool = False) -> None:
        """Send an answer, or half of one."""
        headers = {"Content-Type": answer.kind, "Cache-Control": "no-store, no-cache", **answer.headers}
        if correlation_id is not None:
            headers |= {"x-ms-request-id": str(uuid.uuid4()), "client-request-id": correlation_id}
        self.send(answer.status, answer.body, headers, half=half)


def _where(path: str, form: Mapping[str, str]) -> tuple[str, str | None]:
    """Return the tenant and the endpoint of a request; None: it is none of Entra's."""
    tenant, _, rest = urlsplit(path).path.lstrip("/").partition("/")
    match rest:
        case "v2.0/.well-known/openid-configuration":
            return tenant, "discovery"
        case "oauth2/v2.0/devicecode":
            return tenant, "devicecode"
        case "oauth2/v2.0/token":
            return tenant, _GRANTS.get(form.get("grant_type", ""), "certificate")
    return tenant, None


def main() -> None:
    """Run an authority until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.entra", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="where to listen (default: any free port)")
    parser.add_argument("--life", type=float, default=3600, metavar="S", help="life of an access token (default 3600)")
    parser.add_argument("--refresh-in", type=float, metavar="S", help="suggest to fetch the next one after this long")
    parser.add_argument("--account", default=ACCOUNT, help="who signs in (default %(default)s)")
    parser.add_argument(
        "--register", type=Path, action="append", default=[], metavar="PEM", help="an app's certificate"
    )
    options = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})  # threads inherit it
    with tempfile.TemporaryDirectory(prefix="fake-entra-") as folder, Entra(Path(folder), port=options.port) as entra:
        directory = entra.directory
        directory.token_life_s, directory.refresh_in_s = options.life, options.refresh_in
        directory.account = options.account
        for pem in options.register:
            directory.certificates.register(pem)
        lines = [f"export {name}={value}" for name, value in entra.environment.items()]
        lines += [f"# auth: {{tenant: {directory.tenant}, client: {directory.client}, scope: {SCOPE}}}"]
        lines += [f"# enter codes and break things: {entra.url}/ (its certificate comes from {entra.ca.trust})"]
        print("\n".join(lines), flush=True)  # noqa: T201 - this is what it was started for
        until_told()


if __name__ == "__main__":
    main()
