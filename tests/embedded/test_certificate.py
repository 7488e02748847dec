"""Certificates: made on the fly, or the operator's own."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from speakerd.core.errors import SpeakerdError
from speakerd.embedded.certificate import Tls, own, throw_away

pytest.importorskip("cryptography", reason="the certificate is made by speakerd[local]")


@contextlib.asynccontextmanager
async def listening(tls: Tls) -> AsyncIterator[int]:
    """Accept TLS connections on the port given."""

    def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=tls.context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def shake_hands(port: int, name: str, trust: Path | None) -> None:
    client = ssl.create_default_context(cafile=trust)
    client.verify_flags |= ssl.VERIFY_X509_STRICT  # what Python 3.13 asks for by itself
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name)
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "kitchen.local", "192.0.2.7"])
async def test_trusted_under_every_name_of_this_machine(name: str) -> None:
    """A client that trusts the authority shakes hands under each local name and under the hosts given."""
    with throw_away(["kitchen.local", "192.0.2.7"]) as tls:
        async with listening(tls) as port:
            await shake_hands(port, name, tls.trust)


async def test_not_trusted_under_another_name_or_without_the_authority() -> None:
    """The certificate is good for its names only, and for nobody who was not told."""
    with throw_away([]) as tls:
        async with listening(tls) as port:
            with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
                await shake_hands(port, "example.net", tls.trust)
            with pytest.raises(ssl.SSLCertVerificationError):
                await shake_hands(port, "localhost", None)


def test_no_key_stays_behind() -> None:
    """Only certificates stand in the folder while it is used, for its owner's eyes, and nothing afterwards."""
    with throw_away([]) as tls:
        assert tls.trust is not None
        folder = tls.trust.parent
        assert folder.stat().st_mode & 0o777 == 0o700
        assert all("PRIVATE" not in file.read_text() for file in folder.iterdir())
    assert not folder.exists()


async def test_own_certificate_is_shown(tmp_path: Path) -> None:
    """The operator's certificate and key are used as they are."""
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    _self_signed(certificate, key)
    tls = own(certificate, key)
    assert tls.trust is None
    async with listening(tls) as port:
        await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port), ca_certs=str(certificate))


def test_own_certificate_that_cannot_be_used_is_an_operators_error(tmp_path: Path) -> None:
    """Files that are missing, or no certificate, are named."""
    with pytest.raises(SpeakerdError, match=r"missing\.pem") as error:
        own(tmp_path / "missing.pem", tmp_path / "k.pem")
    assert error.value.code == "embedded-certificate"
    (tmp_path / "c.pem").write_text("nonsense")
    with pytest.raises(SpeakerdError, match=r"c\.pem"):
        own(tmp_path / "c.pem", tmp_path / "c.pem")


def test_missing_package_is_told() -> None:
    """Without the cryptography package the error names it and the way round it."""
    program = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from speakerd.core.errors import SpeakerdError\n"
        "from speakerd.embedded.certificate import throw_away\n"
        "try:\n"
        "    with throw_away([]): pass\n"
        "except SpeakerdError as error: print(error.code, error)\n"
    )
    told = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, check=True).stdout
    assert told.startswith("embedded-certificate --tls needs the cryptography package, or your own --tls-cert")


def _self_signed(certificate: Path, key: Path) -> None:
    import datetime as dt

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kitchen")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, secret.public_key(), 1, now, now + dt.timedelta(days=1))
    certificate.write_bytes(builder.sign(secret, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    key.write_bytes(secret.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
