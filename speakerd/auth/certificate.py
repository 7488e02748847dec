"""The certificate that stands for the device: read, and looked at before Entra sees it.

What the library would say about a wrong one comes late or not at all; what Entra says of one it does not know is in
``core/aadsts.py``.
"""

from __future__ import annotations

import datetime as dt
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from speakerd.auth.checks import MissingError

CREDENTIAL = "certificate"
"""The systemd credential that may hold it (contract)."""

MAX_BYTES = 65_536
"""A key and a chain of certificates have a few thousand (guess)."""


def read_certificate(certificate_file: str | None, environment: Mapping[str, str], now: dt.datetime) -> bytes:
    """Return certificate and key as PEM, fit to sign in with.

    Args:
        certificate_file: ``auth.certificate_file``; None: the systemd credential.
        environment: The environment's variables; systemd sets ``CREDENTIALS_DIRECTORY``.
        now: With a time zone.

    Raises:
        MissingError: it is not there, not private, malformed, of another kind than RSA, or not valid now.
    """
    directory = environment.get("CREDENTIALS_DIRECTORY")
    if certificate_file is None and not directory:
        raise MissingError("certificate-missing")
    path = Path(certificate_file) if certificate_file else Path(str(directory)) / CREDENTIAL
    try:
        pem = _read_private(path)
    except FileNotFoundError as error:
        raise MissingError("certificate-absent" if certificate_file else "certificate-missing") from error
    except OSError as error:
        raise MissingError("certificate-unreadable") from error
    _check(pem, now)
    return pem


def _read_private(path: Path) -> bytes:
    """Read a small file that not everybody can read or change. A pipe cannot make us wait."""
    with open(path, "rb", opener=_without_waiting) as file:
        if os.fstat(file.fileno()).st_mode & (stat.S_IROTH | stat.S_IWOTH):
            raise MissingError("certificate-exposed")
        return file.read(MAX_BYTES + 1)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _check(pem: bytes, now: dt.datetime) -> None:
    """Look at key and dates."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if len(pem) > MAX_BYTES:
        raise MissingError("certificate-malformed")
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: the key has a password
        raise MissingError("certificate-malformed") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise MissingError("certificate-key")
    if key.public_key() != certificate.public_key():
        raise MissingError("certificate-malformed")
    if now < certificate.not_valid_before_utc:
        raise MissingError("certificate-early")
    if now >= certificate.not_valid_after_utc:
        raise MissingError("certificate-expired")
