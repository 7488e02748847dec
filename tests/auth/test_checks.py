"""What is missing before any attempt to sign in."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from speakerd.auth.checks import ARC_ENVIRONMENT, FOREIGN_CLIENTS, ArcAgent, find_missing, has_arc
from speakerd.auth.request import METHODS, Request
from speakerd.core.sign_in import MISSING
from tests.fakes.authority_ca import PrivateCa
from tests.fakes.other_user import without_rights

CLIENT, TENANT = "6f0c1b1e-1111-4222-8333-444455556666", "contoso.example"


def wish(method: str, *, client: str | None = CLIENT, tenant: str | None = TENANT) -> Request:
    """Return what is wanted, complete unless said otherwise."""
    return Request(method, "scope", Path("/nowhere"), client=client, tenant=tenant)


def agent(tmp_path: Path, *, program: bool = False, tokens: bool = False) -> ArcAgent:
    """Return an Arc agent with some of its files there."""
    if program:
        (tmp_path / "himds").touch()
    if tokens:
        (tmp_path / "tokens").mkdir()
    return ArcAgent(tmp_path / "himds", tmp_path / "tokens")


@pytest.mark.parametrize("method", ["device_code", "certificate"])
def test_an_app_of_ones_own_is_wanted(method: str) -> None:
    """Without the app's id the library would sign in with somebody else's."""
    assert find_missing(wish(method), {}) is None
    assert find_missing(wish(method, client=None), {}) == "client"
    assert find_missing(wish(method, client=""), {}) == "client"
    assert find_missing(wish(method, tenant="my company"), {}) == "tenant"


def test_a_certificate_needs_a_tenant_and_a_person_brings_theirs() -> None:
    """An app for any organisation's people works without one."""
    assert find_missing(wish("certificate", tenant=None), {}) == "tenant"
    assert find_missing(wish("device_code", tenant=None), {}) is None


@pytest.mark.parametrize("client", sorted(FOREIGN_CLIENTS))
def test_an_app_of_microsofts_is_refused(client: str) -> None:
    """Its tokens would open far more than this speaker needs."""
    assert find_missing(wish("device_code", client=client), {}) == "client-foreign"
    assert find_missing(wish("device_code", client=f" {client.upper()}"), {}) == "client-foreign"


def test_the_librarys_default_app_is_among_the_refused() -> None:
    """Whatever the library takes when nobody names an app."""
    from azure.identity._constants import DEVELOPER_SIGN_ON_CLIENT_ID

    assert DEVELOPER_SIGN_ON_CLIENT_ID in FOREIGN_CLIENTS


@pytest.mark.parametrize("method", ["device_code", "certificate"])
def test_what_leads_to_entra_is_looked_at(method: str, tmp_path: Path) -> None:
    """A cloud that is spoken to in the clear, a file of certificates that is not there."""
    company = PrivateCa(tmp_path).trust
    good = {"AZURE_AUTHORITY_HOST": "login.microsoftonline.us", "REQUESTS_CA_BUNDLE": str(company)}
    assert find_missing(wish(method), good) is None
    assert find_missing(wish(method), {"AZURE_AUTHORITY_HOST": "HTTP://login.example"}) == "cloud"
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        assert find_missing(wish(method), {name: str(tmp_path / "typo.pem")}) == "ca-file"


@pytest.mark.parametrize(
    ("host", "missing"),
    [
        ("https://login.microsoftonline.us", None),
        ("https://login.microsoftonline.us/", None),
        (" HTTPS://Login.Example:8443 ", None),
        ("https://[::1]:8443", None),
        ("", None),
        ("https://", "cloud"),
        ("https://login.example/common", "cloud"),
        ("login.example:8443", "cloud"),
        ("ftp://login.example", "cloud"),
        ("ht!tp://login", "cloud"),
        ("https://me:secret@login.example", "cloud"),
        ("the public one", "cloud"),
    ],
)
def test_a_cloud_is_a_name_or_an_address_that_begins_with_https(host: str, missing: str | None) -> None:
    """The library takes no other, and says so after a second in words that nobody understands."""
    assert find_missing(wish("device_code"), {"AZURE_AUTHORITY_HOST": host}) == missing


def test_a_file_of_certificates_must_hold_some(tmp_path: Path) -> None:
    """As PEM: Windows exports the other form; taken for good, it looked as if the network asked for a log-in page."""
    pem = PrivateCa(tmp_path / "ca").trust.read_bytes()
    first = pem[: pem.index(b"-----END CERTIFICATE-----") + 26].decode()
    wrong = {
        "empty": b"",
        "der": ssl.PEM_cert_to_DER_cert(first),
        "torn": pem[:300],
        "utf-16": pem.decode().encode("utf-16"),
    }
    for name, content in wrong.items():
        (tmp_path / name).write_bytes(content)
        assert find_missing(wish("device_code"), {"REQUESTS_CA_BUNDLE": str(tmp_path / name)}) == "ca-file", name
    (tmp_path / "windows").write_bytes(pem.replace(b"\n", b"\r\n"))
    (tmp_path / "folder").mkdir()
    for name in ("windows", "folder"):
        assert find_missing(wish("device_code"), {"REQUESTS_CA_BUNDLE": str(tmp_path / name)}) is None, name


def test_a_machine_without_arc_has_no_managed_identity(tmp_path: Path) -> None:
    """Neither the environment nor the agent's program: the library would ask the air for thirteen seconds."""
    assert find_missing(wish("managed_identity"), {}, agent(tmp_path)) == "arc-absent"
    half = {"IDENTITY_ENDPOINT": "http://localhost:1"}
    assert find_missing(wish("managed_identity"), half, agent(tmp_path)) == "arc-absent"
    assert not has_arc(half, agent(tmp_path))


def test_arc_is_known_by_its_environment_or_its_program(tmp_path: Path) -> None:
    """A login shell does not inherit the environment; no app need be named."""
    nobody = wish("managed_identity", client=None, tenant=None)
    assert find_missing(nobody, ARC_ENVIRONMENT, agent(tmp_path)) is None
    assert find_missing(nobody, {}, agent(tmp_path, program=True)) is None


def test_a_stray_header_would_make_this_an_app_service(tmp_path: Path) -> None:
    """The library takes it for another kind of machine without a word."""
    stray = {**ARC_ENVIRONMENT, "IDENTITY_HEADER": "x"}
    assert find_missing(wish("managed_identity"), stray, agent(tmp_path)) == "arc-environment"


def test_who_may_not_enter_the_tokens_folder_is_not_in_the_group(tmp_path: Path) -> None:
    """Found before the agent is asked."""
    arc = agent(tmp_path, tokens=True)
    assert find_missing(wish("managed_identity"), ARC_ENVIRONMENT, arc) is None
    arc.tokens.chmod(0)
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o711)
    with without_rights():
        assert find_missing(wish("managed_identity"), ARC_ENVIRONMENT, arc) == "arc-group"
    tmp_path.chmod(0o600)
    with without_rights():
        assert find_missing(wish("managed_identity"), ARC_ENVIRONMENT, arc) == "arc-group"
    tmp_path.chmod(0o700)
    arc.tokens.chmod(0o700)


def test_the_azure_cli_must_be_installed(tmp_path: Path) -> None:
    """Looked for where the worker would look."""
    assert find_missing(wish("azure_cli"), {"PATH": str(tmp_path)}) == "az-missing"
    (tmp_path / "az").write_text("#!/bin/sh\n")
    (tmp_path / "az").chmod(0o755)
    assert find_missing(wish("azure_cli", client=None, tenant=None), {"PATH": str(tmp_path)}) is None


def test_the_default_chain_finds_out_by_itself() -> None:
    """It is for a laptop, where anything may be there."""
    assert find_missing(wish("default", client=None, tenant=None), {}) is None


@pytest.mark.parametrize("method", METHODS)
def test_what_is_found_has_a_meaning(method: str, tmp_path: Path) -> None:
    """Every key is one of the table's."""
    found = find_missing(wish(method, client=None, tenant=None), {"PATH": str(tmp_path)}, agent(tmp_path))
    assert found is None or found in MISSING
