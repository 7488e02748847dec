"""What is missing before any attempt to sign in, found in milliseconds and without the network.

Without these checks the library asks addresses that are not there for thirteen seconds (measured), or signs in with an
app that is not ours. The certificate's own checks are in ``certificate.py``; the meanings of the keys in
``core/sign_in.py``.
"""

from __future__ import annotations

import os
import re
import shutil
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from speakerd.auth.request import Request

FOREIGN_CLIENTS = frozenset(
    {
        "04b07795-8ddb-461a-bbee-02f9e1bf7b46",  # Azure CLI, the library's default
        "1950a258-227b-4e31-a9cf-717495945fc2",  # Azure PowerShell
        "872cd9fa-d31f-45e0-9eab-6e460a02d1f1",  # Visual Studio
        "aebc6443-996d-45c2-90f0-388ff96faa56",  # Visual Studio Code
    }
)
"""Microsoft's own apps that everybody can sign in with (specified)."""

_TENANT = re.compile(r"[A-Za-z0-9.-]+")
"""An id or a domain (specified)."""

_AUTHORITY = re.compile(r"(https://([\w.-]+|\[[\da-f:]+\])(:\d{1,5})?|[\w.-]+)/?", re.ASCII | re.IGNORECASE)
"""An address, or a host's name alone: what the library takes (observed)."""

ARC_ENVIRONMENT = {
    "IDENTITY_ENDPOINT": "http://localhost:40342/metadata/identity/oauth2/token",
    "IMDS_ENDPOINT": "http://localhost:40342",
}
"""Where the Azure Arc agent listens (specified); services inherit it from the service manager."""


class MissingError(Exception):
    """An attempt cannot work.

    Attributes:
        key: Why, as a key of ``MISSING``.
    """

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


@dataclass(frozen=True, slots=True)
class ArcAgent:
    """Where the Azure Arc agent's files lie."""

    program: Path = Path("/opt/azcmagent/bin/himds")
    """The part of it that gives tokens (specified)."""

    tokens: Path = Path("/var/opt/azcmagent/tokens")
    """Where it puts the keys that prove who asks; for the group himds only (specified)."""


def find_missing(request: Request, environment: Mapping[str, str], agent: ArcAgent | None = None) -> str | None:
    """Return what stands in the way of an attempt: a key of ``MISSING``, or None.

    Args:
        request: What is wanted.
        environment: The environment's variables.
        agent: Where the Azure Arc agent's files lie; None: at its usual places.
    """
    if request.method == "managed_identity":
        return _arc(environment, agent or ArcAgent())
    if request.method in ("device_code", "certificate"):
        return _app(request) or _environment(environment)
    if request.method == "azure_cli":
        return None if shutil.which("az", path=environment.get("PATH", os.defpath)) else "az-missing"
    return None


def has_arc(environment: Mapping[str, str], agent: ArcAgent | None = None) -> bool:
    """Return whether this machine is connected to Azure Arc."""
    return all(environment.get(name) for name in ARC_ENVIRONMENT) or (agent or ArcAgent()).program.exists()


def _app(request: Request) -> str | None:
    if not request.client:
        return "client"
    if request.client.strip().lower() in FOREIGN_CLIENTS:
        return "client-foreign"
    if request.tenant is None and request.method == "device_code":
        return None  # whoever signs in brings theirs
    return None if _TENANT.fullmatch(request.tenant or "") else "tenant"


def _environment(environment: Mapping[str, str]) -> str | None:
    """Look at what the owner's environment says of the way to Entra; the library's own words for it say nothing."""
    host = environment.get("AZURE_AUTHORITY_HOST", "").strip()
    if host and not _AUTHORITY.fullmatch(host):
        return "cloud"
    bundle = environment.get("REQUESTS_CA_BUNDLE") or environment.get("CURL_CA_BUNDLE")
    return None if not bundle or _holds_certificates(Path(bundle)) else "ca-file"


def _holds_certificates(path: Path) -> bool:
    """Return whether a file, or folder, of authorities can be used."""
    try:
        if path.is_dir():
            return os.access(path, os.R_OK | os.X_OK, effective_ids=True)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except OSError:  # an SSLError is one
        return False
    return True


def _arc(environment: Mapping[str, str], agent: ArcAgent) -> str | None:
    if environment.get("IDENTITY_HEADER"):
        return "arc-environment"
    if not has_arc(environment, agent):
        return "arc-absent"
    return None if _may_enter(agent.tokens) else "arc-group"


def _may_enter(folder: Path) -> bool:
    """Return whether keys in a folder can be opened by name; a folder that is not there yet is no obstacle."""
    try:
        folder.stat()
    except FileNotFoundError:
        return True
    except PermissionError:
        return False
    return os.access(folder, os.X_OK, effective_ids=True)
