"""A private certificate authority: certificates for a server in every state of health, and an app's own certificate.

Everything is made on the spot and written into a folder. What speaks TLS with them is elsewhere.
"""

from __future__ import annotations

import datetime as dt
import enum
import functools
import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LOCAL = ("localhost", "127.0.0.1", "::1")
"""What a machine is called on itself."""

_DAY = dt.timedelta(days=1)

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Health(enum.Enum):
    """What is the matter with a server's certificate."""

    VALID = "valid"
    """Nothing."""

    EARLY = "early"
    """It begins tomorrow: what a machine sees whose clock is behind."""

    EXPIRED = "expired"
    """It ended yesterday: what a machine sees whose clock is ahead."""

    OTHER_ISSUER = "other-issuer"
    """Signed by an authority nobody knows: a company that looks into its traffic."""

    OTHER_HOST = "other-host"
    """For another name: a hotel's log-in page."""


_SPANS = {Health.EARLY: (1, 30), Health.EXPIRED: (-30, -1)}
"""First and last day from today, where it is not from yesterday for a month."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, each in a PEM file."""

    certificate: Path
    """The certificate alone."""

    key: Path
    """Its key, without password, mode 0600."""

    def context(self) -> ssl.SSLContext:
        """Return the server's side of TLS with it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        return context


class PrivateCa:
    """An authority whose word counts for whoever trusts its file.

    Args:
        folder: Where its files go; it is made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._issuer = _Issuer("speakerd tests, authority")
        self._pairs: dict[Health, Pair] = {}
        self.trust = folder / "authority.pem"
        """What REQUESTS_CA_BUNDLE shall name."""
        self.trust.write_bytes(self._issuer.pem)

    def server(self, health: Health = Health.VALID) -> Pair:
        """Return a certificate for this machine's own names; the same one each time."""
        if health not in self._pairs:
            self._pairs[health] = self._make(health)
        return self._pairs[health]

    def _make(self, health: Health) -> Pair:
        issuer = _Issuer("speakerd tests, unknown authority") if health is Health.OTHER_ISSUER else self._issuer
        names = ("somewhere.else.example",) if health is Health.OTHER_HOST else LOCAL
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = issuer.certify("speakerd tests, server", key, names, _SPANS.get(health, (-1, 30)))
        pair = Pair(self._folder / f"{health.value}.pem", self._folder / f"{health.value}-key.pem")
        pair.certificate.write_bytes(certificate)  # without its issuer, as servers show theirs
        _write_secret(pair.key, _pem(key))
        return pair


def app_certificate(path: Path, *, kind: str = "rsa", span_days: tuple[int, int] = (-1, 365)) -> Path:
    """Write a self-signed certificate and its key into one PEM file, as an app registration's owner makes it.

    Args:
        path: The file; mode 0600.
        kind: Of the key: ``rsa`` or ``ec`` (which Entra does not take).
        span_days: First and last day, from today.
    """
    key = _rsa_key() if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "speakerd")])
    certificate = _builder(name, name, key, span_days).sign(key, hashes.SHA256())
    _write_secret(path, certificate.public_bytes(serialization.Encoding.PEM) + _pem(key))
    return path


class _Issuer:
    """The authority's own key and certificate."""

    def __init__(self, name: str) -> None:
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        # It lives longer than everything it signs, so that only the certificate in question is at fault.
        builder = _builder(self._name, self._name, self._key, (-365, 365))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
        self.pem = builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def certify(self, name: str, key: PrivateKey, hosts: Sequence[str], span_days: tuple[int, int]) -> bytes:
        """Return a server's certificate as PEM."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = _builder(subject, self._name, key, span_days)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        builder = builder.add_extension(issuer, critical=False)
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(host) for host in hosts]), critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, span_days: tuple[int, int]
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now + span_days[0] * _DAY).not_valid_after(now + span_days[1] * _DAY)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


@functools.cache
def _rsa_key() -> rsa.RSAPrivateKey:
    """Return the one RSA key of this process: they are slow to make, and none of them guards anything."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=2048)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(key: PrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _write_secret(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
