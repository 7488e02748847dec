"""How an app proves to the fake authority who it is: a JWT, signed with a certificate that was registered before.

What it gets for that is in ``entra_directory.py``.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.fakes.entra_jwt import from_base64, to_base64

_SKEW_S = 300
"""By how much a client's clock may be wrong (guessed)."""

_LONGEST_ASSERTION_S = 86_400
"""How long an assertion may live (guessed)."""


class RefusedError(Exception):
    """The directory says no.

    Args:
        code: The AADSTS code.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"AADSTS{code}")
        self.code = code


class Certificates:
    """The certificates of one app registration."""

    def __init__(self) -> None:
        self._known: dict[str, x509.Certificate] = {}

    def register(self, pem: Path | bytes) -> None:
        """Upload a certificate; a key beside it in the file is not looked at."""
        certificate = x509.load_pem_x509_certificate(pem.read_bytes() if isinstance(pem, Path) else pem)
        for algorithm in (hashes.SHA1(), hashes.SHA256()):
            self._known[to_base64(certificate.fingerprint(algorithm))] = certificate

    def remove_all(self) -> None:
        """Delete them from the registration."""
        self._known.clear()

    def check(self, assertion: str, client: str, audiences: Collection[str], now_s: float) -> None:
        """Check an assertion: its certificate, signature, audience, whom it names, and its time.

        Raises:
            RefusedError: it will not do.
        """
        certificate, claims = self._read(assertion)
        if claims.get("aud") not in audiences:
            raise RefusedError(700023)
        if {claims.get("iss"), claims.get("sub")} != {client} or not claims.get("jti"):
            raise RefusedError(700027)
        begins, ends = claims.get("nbf", claims.get("iat", 0)), claims.get("exp", 0)
        if not begins - _SKEW_S <= now_s < ends + _SKEW_S or ends - begins > _LONGEST_ASSERTION_S:
            raise RefusedError(700024)
        if not certificate.not_valid_before_utc.timestamp() <= now_s < certificate.not_valid_after_utc.timestamp():
            raise RefusedError(1000502)

    def _read(self, assertion: str) -> tuple[x509.Certificate, dict[str, Any]]:
        """Return the certificate that an assertion is really signed with, and what it claims."""
        signed, _, signature = assertion.rpartition(".")
        try:
            header, claims = (json.loads(from_base64(part)) for part in signed.split("."))
            thumbprint = header.get("x5t#S256") or header["x5t"]
            certificate = self._known[thumbprint.rstrip("=")]
            _verify(certificate, header["alg"], signed.encode(), from_base64(signature))
        except (ValueError, KeyError, InvalidSignature) as error:
            raise RefusedError(700027) from error
        return certificate, claims


def _verify(certificate: x509.Certificate, algorithm: str, signed: bytes, signature: bytes) -> None:
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise InvalidSignature
    if algorithm == "RS256":
        key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    elif algorithm == "PS256":
        salt = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        key.verify(signature, signed, salt, hashes.SHA256())
    else:
        raise InvalidSignature
