"""The fake authority takes an app's certificate as Entra does: from the real azure-identity, and nothing else."""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from azure.identity import CertificateCredential, ClientAssertionCredential
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.fakes.authority_ca import app_certificate
from tests.fakes.entra import Entra
from tests.fakes.entra_directory import CLIENT, SCOPE, TENANT
from tests.fakes.library import causes, forget_connections, refusal, towards


@pytest.fixture
def entra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Entra]:
    """An authority that the library trusts and reaches."""
    with Entra(tmp_path / "authority") as authority:
        for name, value in authority.environment.items():
            monkeypatch.setenv(name, value)
        yield authority
    forget_connections()


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    """A certificate and its key."""
    return app_certificate(tmp_path / "app.pem")


def token(entra: Entra, pem: Path) -> str:
    """Fetch a token with a certificate."""
    with CertificateCredential(TENANT, CLIENT, certificate_path=str(pem), **towards(entra)) as credential:
        return credential.get_token_info(SCOPE).token


def token_for(entra: Entra, assertion: str) -> str:
    """Fetch a token with an assertion made by ourselves."""
    with ClientAssertionCredential(TENANT, CLIENT, lambda: assertion, **towards(entra)) as credential:
        return credential.get_token_info(SCOPE).token


def sign(entra: Entra, pem: Path, algorithm: str = "PS256", **claims: Any) -> str:
    """Return an assertion, signed outside of the library."""
    certificate = x509.load_pem_x509_certificate(pem.read_bytes())
    thumbprint = base64.urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).decode().rstrip("=")
    audience = f"{entra.url}/{TENANT}/oauth2/v2.0/token"
    content = {"aud": audience, "iss": CLIENT, "sub": CLIENT, "jti": str(uuid.uuid4()), "nbf": int(time.time())}
    content |= {"exp": content["nbf"] + 600} | claims
    key = b"".join(pem.read_bytes().partition(b"-----BEGIN PRIVATE")[1:])
    return jwt.encode(content, key, algorithm, {"x5t#S256": thumbprint})


def test_a_registered_certificate_opens(entra: Entra, pem: Path) -> None:
    """The library's own assertion is verified and taken."""
    entra.directory.certificates.register(pem)
    assert entra.directory.judge(token(entra, pem)) == "ok"
    assert [visit.endpoint for visit in entra.journal.visits()] == ["discovery", "certificate"]


def test_an_unknown_certificate_does_not(entra: Entra, pem: Path) -> None:
    """Before it is uploaded, and after it was deleted."""
    assert "AADSTS700027" in str(refusal(lambda: token(entra, pem)))
    entra.directory.certificates.register(pem)
    entra.directory.certificates.remove_all()
    assert "AADSTS700027" in str(refusal(lambda: token(entra, pem)))
    assert [visit.status for visit in entra.journal.visits("certificate")] == [401, 401]


def test_a_certificate_that_has_run_out_does_not(entra: Entra, tmp_path: Path) -> None:
    """Even though it is registered and its signature is good."""
    old = app_certificate(tmp_path / "old.pem", span_days=(-30, -1))
    entra.directory.certificates.register(old)
    assert "AADSTS1000502" in str(refusal(lambda: token(entra, old)))


def test_a_clock_that_is_wrong_makes_an_assertion_worthless(entra: Entra, pem: Path) -> None:
    """An assertion lives ten minutes."""
    entra.directory.certificates.register(pem)
    entra.directory.advance(7200)
    assert "AADSTS700024" in str(refusal(lambda: token(entra, pem)))


@pytest.mark.parametrize("algorithm", ["PS256", "RS256"])
def test_an_assertion_from_elsewhere_is_taken(algorithm: str, entra: Entra, pem: Path) -> None:
    """As from a key in a TPM, named by SHA-256."""
    entra.directory.certificates.register(pem)
    assert entra.directory.judge(token_for(entra, sign(entra, pem, algorithm))) == "ok"


def _forged(assertion: str) -> str:
    head, _, signature = assertion.rpartition(".")
    return f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda entra, pem: _forged(sign(entra, pem)), 700027),
        (lambda entra, pem: sign(entra, pem, "RS384"), 700027),
        (lambda entra, pem: "nonsense", 700027),
        (lambda entra, pem: sign(entra, pem, aud="https://else.example"), 700023),
        (lambda entra, pem: sign(entra, pem, sub="someone-else"), 700027),
        (lambda entra, pem: sign(entra, pem, exp=int(time.time()) - 3600), 700024),
    ],
)
def test_a_bad_assertion_is_refused(spoil: Callable[[Entra, Path], str], code: int, entra: Entra, pem: Path) -> None:
    """Signature, algorithm, audience, name and time are all looked at."""
    entra.directory.certificates.register(pem)
    assertion = spoil(entra, pem)
    assert f"AADSTS{code}:" in str(refusal(lambda: token_for(entra, assertion)))


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("invalid-client", 401, 7000215),
        ("app-disabled", 401, 7000112),
        ("no-app", 400, 700016),
        ("throttled", 429, None),
    ],
)
def test_a_refusal_is_words_only(name: str, status: int, code: int | None, entra: Entra, pem: Path) -> None:
    """The library gives an app no answer to look into: the code stands in the text."""
    entra.directory.certificates.register(pem)
    entra.fail("certificate", name)
    error = refusal(lambda: token(entra, pem))
    assert error.response is None
    assert not causes(error)
    assert code is None or f"AADSTS{code}:" in str(error)
    assert entra.journal.visits("certificate")[-1].status == status


def test_an_elliptic_key_is_not_what_the_library_takes(entra: Entra, tmp_path: Path) -> None:
    """It says so before it asks anybody."""
    pem = app_certificate(tmp_path / "ec.pem", kind="ec")
    with pytest.raises(ValueError, match="RSA"):
        token(entra, pem)
    assert entra.journal.count() == 0
