"""A certificate for clients that insist on TLS: one made on the fly, or the operator's own.

The only file that knows the cryptography package. A throw-away certificate is signed by an authority that is made with
it and forgotten at once: whoever trusts the authority's file trusts this one service and nothing else.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from speakerd.core.errors import Remedy, SpeakerdError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

_BACK = dt.timedelta(days=1)
"""Valid from so long ago: a machine without a clock of its own may lag (guessed)."""

_LIFE = dt.timedelta(days=397)
"""Valid for so long; some clients trust no certificate for longer (specified for public ones: 398 days)."""

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
"""What this machine is called on itself."""


@dataclass(frozen=True, slots=True)
class Tls:
    """How a service speaks TLS."""

    context: ssl.SSLContext
    """For the server's side of the socket."""

    trust: Path | None
    """A file with the authority that clients have to trust; None: an own certificate, trusted as its owner arranged."""


@contextlib.contextmanager
def throw_away(hosts: Sequence[str]) -> Iterator[Tls]:
    """Make a certificate for this machine's local names and further hosts.

    The key stands in a file, mode 0600, for the moment that the TLS library needs to read it; the authority's file is
    there until the context ends.

    Args:
        hosts: What else it is reached by.

    Raises:
        SpeakerdError: the cryptography package is missing (code ``embedded-certificate``).
    """
    authority, chain, key = _make(list(dict.fromkeys((*LOCAL_NAMES, *hosts))))
    with tempfile.TemporaryDirectory(prefix="speakerd-emulate-") as made:
        folder = Path(made)  # mode 0700
        trust, chain_file, key_file = folder / "authority.pem", folder / "service.pem", folder / "key.pem"
        trust.write_bytes(authority)
        chain_file.write_bytes(chain)
        key_file.touch(mode=0o600)
        key_file.write_bytes(key)
        context = _context(chain_file, key_file)
        key_file.unlink()
        yield Tls(context, trust)


def own(certificate: Path, key: Path) -> Tls:
    """Use the operator's certificate (with its chain) and key, both PEM.

    Raises:
        SpeakerdError: they cannot be read, or do not belong together (code ``embedded-certificate``).
    """
    return Tls(_context(certificate, key), None)


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # An encrypted key would make the library ask at the terminal; an empty password makes it fail instead.
        context.load_cert_chain(certificate, key, password="")
    except OSError as error:  # ssl.SSLError is one
        sentence = f"cannot use the certificate {certificate} with the key {key}: {error}"
        raise SpeakerdError("embedded-certificate", sentence, Remedy.EXIT) from error
    return context


def _make(names: Sequence[str]) -> tuple[bytes, bytes, bytes]:
    """Return an authority's certificate, the service's certificate, and the service's key, each PEM."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
    except ImportError as error:
        sentence = f"--tls needs the cryptography package, or your own --tls-cert and --tls-key: {error}"
        raise SpeakerdError("embedded-certificate", sentence, Remedy.EXIT) from error
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "speakerd emulate, thrown away")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "speakerd emulate")])
    now = dt.datetime.now(dt.UTC)

    def certify(subject: x509.Name, public: ec.EllipticCurvePublicKey, *more: tuple[x509.ExtensionType, bool]) -> bytes:
        builder = x509.CertificateBuilder(authority_name, subject, public, x509.random_serial_number())
        builder = builder.not_valid_before(now - _BACK).not_valid_after(now - _BACK + _LIFE)
        identity = x509.SubjectKeyIdentifier.from_public_key(public)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
        for extension, critical in ((identity, False), (issuer, False), *more):
            builder = builder.add_extension(extension, critical)
        return builder.sign(authority_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
    authority = certify(
        authority_name,
        authority_key.public_key(),
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (_key_usage(signs_certificates=True), True),
    )
    service = certify(
        name,
        key.public_key(),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage(signs_certificates=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (alternatives, False),
    )
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return authority, service, key.private_bytes(encoding, form, serialization.NoEncryption())


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """Return what a key may be used for: an authority's signs certificates, a service's signs handshakes."""
    from cryptography import x509

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


def _general_name(name: str) -> x509.GeneralName:
    """Return a host's name or address as a certificate holds it."""
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
