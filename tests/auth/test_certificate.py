"""The certificate that stands for the device."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from speakerd.auth.certificate import CREDENTIAL, MAX_BYTES, read_certificate
from speakerd.auth.checks import MissingError
from speakerd.core.sign_in import MISSING
from tests.fakes.authority_ca import app_certificate
from tests.fakes.other_user import without_rights

NOW = dt.datetime.now(dt.UTC)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a certificate with its RSA key, valid for a year."""
    return app_certificate(tmp_path_factory.mktemp("good") / "app.pem").read_bytes()


def written(tmp_path: Path, content: bytes, mode: int = 0o600) -> Path:
    """Write a certificate file."""
    path = tmp_path / CREDENTIAL
    path.write_bytes(content)
    path.chmod(mode)
    return path


def refusal(path: Path | str | None, environment: dict[str, str] | None = None, now: dt.datetime = NOW) -> str:
    """Return why a file is refused."""
    with pytest.raises(MissingError) as caught:
        read_certificate(None if path is None else str(path), environment or {}, now)
    assert caught.value.key in MISSING
    assert "PRIVATE" not in str(caught.value)
    return caught.value.key


def test_a_good_certificate_is_returned_as_it_is(tmp_path: Path, good: bytes) -> None:
    """File first, then the service manager's credential."""
    path = written(tmp_path, good)
    assert read_certificate(str(path), {}, NOW) == good
    assert read_certificate(None, {"CREDENTIALS_DIRECTORY": str(tmp_path)}, NOW) == good


def test_no_certificate_is_missing(tmp_path: Path) -> None:
    """Neither file nor credential, or a name without a file."""
    assert refusal(None) == "certificate-missing"
    assert refusal(tmp_path / "nothing") == "certificate-absent"
    assert refusal(None, {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == "certificate-missing"


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644])
def test_a_key_that_everybody_can_read_or_change_is_refused(tmp_path: Path, good: bytes, mode: int) -> None:
    """It has to be replaced, not used."""
    assert refusal(written(tmp_path, good, mode)) == "certificate-exposed"


def test_a_file_of_somebody_elses_is_unreadable(tmp_path: Path, good: bytes) -> None:
    """And so is a folder."""
    path = written(tmp_path, good, 0o000)
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o711)
    with without_rights():
        assert refusal(path) == "certificate-unreadable"
    tmp_path.chmod(0o700)
    assert refusal(tmp_path) == "certificate-unreadable"


def test_a_pipe_cannot_make_us_wait(tmp_path: Path) -> None:
    """A named pipe without a writer is an empty file."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert refusal(tmp_path / "pipe") == "certificate-malformed"


def test_a_key_of_another_kind_is_named(tmp_path: Path) -> None:
    """Entra takes RSA only; the library says so late."""
    assert refusal(app_certificate(tmp_path / "ec.pem", kind="ec")) == "certificate-key"


@pytest.mark.parametrize(
    ("days", "key"), [((-10, -1), "certificate-expired"), ((1, 10), "certificate-early"), ((-400, 400), None)]
)
def test_the_dates_are_looked_at(tmp_path: Path, days: tuple[int, int], key: str | None) -> None:
    """One that is over has to be made anew; one that has not begun tells of a wrong clock."""
    path = app_certificate(tmp_path / "app.pem", span_days=days)
    if key is None:
        assert read_certificate(str(path), {}, NOW)
    else:
        assert refusal(path) == key


def parts(pem: bytes) -> tuple[bytes, bytes]:
    """Return the certificate and the key of a file, each as PEM."""
    certificate, mark, _ = pem.partition(b"-----END CERTIFICATE-----\n")
    return certificate + mark, pem[len(certificate + mark) :]


def pem_of(key: object, lock: serialization.KeySerializationEncryption) -> bytes:
    """Return a key as PEM."""
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


def test_what_is_no_certificate_with_its_own_key_is_malformed(tmp_path: Path, good: bytes) -> None:
    """Nothing, one half, somebody else's key, a key with a password, too much, something else."""
    certificate, key = parts(good)
    locked = pem_of(serialization.load_pem_private_key(key, None), serialization.BestAvailableEncryption(b"hunter2"))
    other_key = pem_of(rsa.generate_private_key(65537, 2048), serialization.NoEncryption())
    for content in (b"", certificate, key, certificate + other_key, certificate + locked, b"\x30\x82" * 20):
        assert refusal(written(tmp_path, content)) == "certificate-malformed"
    assert refusal(written(tmp_path, good + b"\n" * MAX_BYTES)) == "certificate-malformed"
