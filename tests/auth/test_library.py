"""The real azure-identity against a fake authority: each method gets a token, each failure becomes facts."""

from __future__ import annotations

import json
import logging
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.auth.answers import parse
from speakerd.auth.library import Attempt, Grant, _name
from speakerd.auth.request import Request, fault_fields
from speakerd.core.sign_in_fault import Fault, classify
from tests.fakes import entra_answers
from tests.fakes.arc import Arc, why_not_here
from tests.fakes.authority_ca import Health, app_certificate
from tests.fakes.azure_cli import AzureCli
from tests.fakes.entra import Entra
from tests.fakes.entra_directory import ACCOUNT, CLIENT, SCOPE, TENANT
from tests.fakes.full_disk import full_disk
from tests.fakes.library import forget_connections

needs_arc = pytest.mark.skipif(why_not_here() is not None, reason=str(why_not_here()))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The worker silences the library; here it is done for it."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
    forget_connections()


@pytest.fixture
def entra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Entra]:
    """An authority that the library trusts and reaches, and a HOME for its cache."""
    with Entra(tmp_path / "authority") as authority:
        for name, value in {**authority.environment, "HOME": str(tmp_path)}.items():
            monkeypatch.setenv(name, value)
        yield authority


@pytest.fixture
def arc(monkeypatch: pytest.MonkeyPatch) -> Iterator[Arc]:
    """An Arc agent on this machine."""
    with Arc() as agent:
        for name, value in agent.environment.items():
            monkeypatch.setenv(name, value)
        yield agent


WISH = Request("device_code", SCOPE, Path("/nowhere"), tenant=TENANT, client=CLIENT)


def sign_in(entra: Entra, answer: Callable[[str], object] | None = None) -> Attempt:
    """Sign a person in; return the attempt, which knows them now."""
    attempt = Attempt(WISH, entra.environment)
    attempt.login(lambda code, uri, life_s: (answer or entra.directory.approve)(code))
    return attempt


def failure(attempt: Attempt, act: Callable[[], object] | None = None) -> Fault:
    """Return what is known of a failure."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of whatever class: that is the point
        (act or attempt.fetch)()
    return attempt.fault(caught.value)


def test_a_person_signs_in_with_a_code(entra: Entra, capfd: pytest.CaptureFixture[str]) -> None:
    """The code goes to us alone, the record says who it was, and then there is a token."""
    told = []

    def on_code(code: str, uri: str, life_s: float) -> None:
        told.append((uri, round(life_s)))
        entra.directory.approve(code)

    attempt = Attempt(WISH, entra.environment)
    record = attempt.login(on_code)
    grant = attempt.fetch()
    assert told == [(f"{entra.url}/device", 900)]
    assert (record["username"], record["clientId"]) == (ACCOUNT, CLIENT)
    assert entra.directory.judge(grant.secret) == "ok"
    assert grant.account == ACCOUNT
    assert 3590 < grant.expires_in_s <= 3600
    assert grant.refresh_in_s is None
    assert grant.secret not in repr(grant)
    assert capfd.readouterr() == ("", "")


def test_the_issuers_suggestion_is_passed_on(entra: Entra) -> None:
    """In seconds from now."""
    entra.directory.refresh_in_s = 1200
    grant = sign_in(entra).fetch()
    assert grant.refresh_in_s is not None
    assert 1190 < grant.refresh_in_s <= 1200


def test_a_throttled_refresh_gives_the_kept_token_whose_moment_has_passed(entra: Entra) -> None:
    """What the keeper makes of that is in ``core/token_life.py``."""
    entra.directory.refresh_in_s = 0
    attempt = sign_in(entra)
    kept = attempt.fetch()
    entra.fail("refresh", "throttled")
    again = Attempt(WISH, entra.environment, record=attempt._record).fetch()
    assert again.secret == kept.secret
    assert again.refresh_in_s is not None
    assert again.refresh_in_s <= 0


def test_an_account_that_the_cache_has_lost_is_signed_out(entra: Entra) -> None:
    """Discovery answers as it should, and no token is asked for: that says nothing of the sign-in."""
    record = sign_in(entra)._record
    cache = Path(entra.ca.trust).parent.parent / ".IdentityService" / "speakerd.nocae"
    cache.write_text(cache.read_text().replace('"AccessToken"', '"Elsewhere"').replace('"RefreshToken"', '"Nowhere"'))
    fault = failure(Attempt(WISH, entra.environment, record=record))
    assert classify(fault).code == "auth-signed-out", fault


@pytest.mark.parametrize(("method", "status"), [("GET", None), ("POST", 200)])
def test_what_discovery_finds_says_nothing_of_what_fails_later(method: str, status: int | None) -> None:
    """There are two kinds of it; the one for Microsoft's own clouds is asked even when no account is kept."""
    attempt = Attempt(WISH, {})
    answer = Answer('{"tenant_discovery_endpoint": "https://login.microsoftonline.com/"}', {}, 200)
    answer.method = method
    attempt._answered(answer)
    assert attempt.fault(ValueError()).http_status == status


@pytest.mark.parametrize(
    ("said", "wait_s"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "Sun, 29 Nov 2026 10:01:30 GMT", "Date": "Sun, 29 Nov 2026 10:00:00 GMT"}, 90.0),
        ({"Retry-After": "Sun, 29 Nov 2026 10:00:00 GMT", "Date": "Sun, 29 Nov 2026 10:01:30 GMT"}, 0.0),
        ({"Retry-After": "Fri, 31 Dec 9999 10:00:00 GMT", "Date": "Sun, 29 Nov 2026 10:00:00 GMT"}, 86_400.0),
        ({"Retry-After": "999999999"}, 86_400.0),
        ({"Retry-After": "9" * 5000}, 86_400.0),
        ({"Retry-After": "Sun, 29 Nov 2026 10:01:30 GMT"}, None),
        ({"Retry-After": "soon", "Date": "Sun, 29 Nov 2026 10:00:00 GMT"}, None),
        ({"Retry-After": "-5"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait_is_read_in_both_its_forms(said: dict[str, str], wait_s: float | None) -> None:
    """As seconds, or as a date by the server's clock: ours may be wrong."""
    attempt = Attempt(WISH, {})
    attempt._answered(Answer("{}", said, 503))
    assert attempt.fault(ValueError()).retry_after_s == wait_s


def test_somebody_who_is_known_gets_tokens_silently(entra: Entra) -> None:
    """A new process with the record and the cache asks nobody, whatever authority and port the record has lost."""
    record = sign_in(entra)._record
    assert record is not None
    assert "https" not in record["authority"]
    entra.journal.clear()
    grant = Attempt(WISH, entra.environment, record=record).fetch()
    assert entra.directory.judge(grant.secret) == "ok"
    assert entra.journal.count("devicecode") == 0


def test_a_login_asks_even_when_somebody_is_known(entra: Entra) -> None:
    """The library would return the old account in silence."""
    sign_in(entra)
    sign_in(entra)
    assert entra.journal.count("devicecode") == 2


def test_nobody_is_asked_for_a_code_by_a_fetch(entra: Entra) -> None:
    """Without an account it fails at once, without a request."""
    fault = failure(Attempt(WISH, entra.environment))
    assert classify(fault).code == "auth-signed-out"
    assert entra.journal.count() == 0


def test_a_network_that_is_gone_for_a_moment_does_not_end_a_login(entra: Entra) -> None:
    """Somebody is typing."""
    entra.fail("poll", "reset", 2)
    assert sign_in(entra).fetch().account == ACCOUNT


# (endpoint, fault): what it means. Each is a fault of the fake authority, seen through the real library.
REFRESH = {
    ("refresh", "revoked"): "auth-signed-out",
    ("refresh", "expired"): "auth-signed-out",
    ("refresh", "sign-in-frequency"): "auth-signed-out",
    ("refresh", "mfa"): "auth-mfa",
    ("refresh", "interaction"): "auth-mfa",
    ("refresh", "blocked"): "auth-blocked",
    ("refresh", "app-disabled"): "auth-app",
    ("refresh", "no-app"): "auth-app",
    ("refresh", "not-public"): "auth-public-client",
    ("refresh", "consent"): "auth-consent",
    ("refresh", "throttled"): "auth-busy",
    ("refresh", "throttled-7"): "auth-busy",
    ("refresh", "unavailable"): "auth-busy",
    ("refresh", "unavailable-json"): "auth-busy",
    ("refresh", "error-html"): "auth-busy",
    ("refresh", "reset"): "auth-no-network",
    ("refresh", "half"): "auth-no-network",
    ("discovery", "reset"): "auth-no-network",
    ("discovery", "unavailable"): "auth-busy",
    ("discovery", "no-tenant"): "auth-tenant",
    ("connection", "reset"): "auth-no-network",
    ("refresh", "portal"): "auth-tls",
    ("refresh", "flow-blocked"): "auth-blocked",
    ("refresh", "empty"): "auth-tls",
    ("refresh", "nothing-said"): "auth-tls",
    ("refresh", "forbidden-page"): "auth-tls",
    ("refresh", "elsewhere"): "auth-tls",
    ("refresh", "server-error"): "auth-busy",
    ("discovery", "portal"): "auth-tls",
    ("discovery", "forbidden-page"): "auth-tls",
    ("discovery", "elsewhere"): "auth-tls",
    ("discovery", "error-html"): "auth-busy",
}


@pytest.mark.parametrize(("where", "code"), REFRESH.items(), ids=map("-".join, REFRESH))
def test_a_refresh_that_fails_is_known_by_its_cause(entra: Entra, where: tuple[str, str], code: str) -> None:
    """And nothing of a server's sentences is in what is known."""
    record = sign_in(entra)._record
    forget_tokens(Path(entra.ca.trust).parent.parent)
    entra.fail(*where)
    fault = failure(Attempt(WISH, entra.environment, record=record))
    assert classify(fault).code == code, fault
    assert " " not in "".join(str(one) for one in (fault.error, *fault.causes, fault.oauth_error))
    assert fault.retry_after_s == (7 if where[1] == "throttled-7" else None)


def forget_tokens(home: Path) -> None:
    """Take the access tokens out of the library's cache."""
    cache = home / ".IdentityService" / "speakerd.nocae"
    cache.write_text(cache.read_text().replace('"AccessToken"', '"Elsewhere"'))


LOGIN = {
    ("devicecode", "no-app"): "auth-app",
    ("devicecode", "no-tenant"): "auth-tenant",
    ("devicecode", "not-public"): "auth-public-client",
    ("poll", "blocked"): "auth-blocked",
    ("poll", "mfa"): "auth-mfa",
    ("poll", "declined"): "auth-declined",
    ("poll", "denied"): "auth-declined",
    ("poll", "code-expired"): "auth-code-expired",
    ("poll", "consent"): "auth-consent",
    ("poll", "nothing-said"): "auth-tls",
    ("poll", "forbidden-page"): "auth-tls",
}


@pytest.mark.parametrize(("where", "code"), LOGIN.items(), ids=map("-".join, LOGIN))
def test_a_login_that_fails_is_known_by_its_cause(entra: Entra, where: tuple[str, str], code: str) -> None:
    """What people meet on their first day."""
    entra.fail(*where)
    attempt = Attempt(WISH, entra.environment)
    assert classify(failure(attempt, lambda: attempt.login(lambda *_: None))).code == code


def test_a_person_may_say_no(entra: Entra) -> None:
    """On their own device, after the code."""
    attempt = Attempt(WISH, entra.environment)
    fault = failure(attempt, lambda: attempt.login(lambda code, *_: entra.directory.decline(code)))
    assert classify(fault).code == "auth-declined"


def test_a_code_that_nobody_enters_runs_out(entra: Entra) -> None:
    """And the login ends with it."""
    entra.directory.code_life_s = 1
    attempt = Attempt(WISH, entra.environment)
    assert classify(failure(attempt, lambda: attempt.login(lambda *_: None))).code == "auth-code-expired"


CERTIFICATES = {
    Health.EARLY: (9, "auth-clock"),
    Health.EXPIRED: (10, "auth-clock"),
    Health.OTHER_ISSUER: (20, "auth-ca"),
    Health.OTHER_HOST: (62, "auth-tls"),
}


@pytest.mark.parametrize(("health", "expected"), CERTIFICATES.items())
def test_a_wrong_clock_is_told_from_a_wrong_certificate(
    entra: Entra, health: Health, expected: tuple[int, str]
) -> None:
    """By OpenSSL's own number, which the exceptions carry; their class is the same for all."""
    record = sign_in(entra)._record
    entra.wear(health)
    fault = failure(Attempt(WISH, entra.environment, record=record))
    assert (fault.tls_verify_code, classify(fault).code) == expected


def test_an_authority_that_is_not_there_is_no_network(entra: Entra, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused, or a name that nobody knows."""
    record = sign_in(entra)._record
    entra.down()
    assert classify(failure(Attempt(WISH, entra.environment, record=record))).code == "auth-no-network"
    nowhere = {"AZURE_AUTHORITY_HOST": "https://nowhere.invalid"}
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", nowhere["AZURE_AUTHORITY_HOST"])
    assert classify(failure(Attempt(WISH, nowhere, record=record))).code == "auth-no-network"


@pytest.mark.parametrize(
    ("proxy", "code"),
    [
        ("http://localhost:9", "auth-proxy"),
        ("not a proxy", "auth-proxy-address"),
        ("socks5://localhost:9", "auth-proxy-address"),
    ],
)
def test_a_proxy_that_leads_nowhere_is_named(
    entra: Entra, monkeypatch: pytest.MonkeyPatch, proxy: str, code: str
) -> None:
    """The network is there, and who is told to check it finds nothing."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    record = {"authority": "", "clientId": CLIENT, "homeAccountId": "a.b", "tenantId": TENANT, "username": "ada"}
    fault = failure(Attempt(WISH, entra.environment, record={**record, "version": "1.0"}))
    assert classify(fault).code == code, fault


@pytest.mark.parametrize(("asked", "waited"), [("86400", "10"), ("Fri, 31 Dec 9999 10:00:00 GMT", "10"), ("3", "3")])
def test_a_login_is_not_put_off_for_long(entra: Entra, asked: str, waited: str) -> None:
    """Somebody waits at a terminal: the library sleeps for as long as the answer says when it comes to its retries."""
    attempt = sign_in(entra)
    answer = Answer("{}", {"Retry-After": asked, "Date": "Sun, 29 Nov 2026 10:00:00 GMT"}, 503)
    attempt._answered(answer)
    assert answer.headers["Retry-After"] == waited


def test_the_librarys_retries_see_what_we_have_made_of_an_answer(entra: Entra) -> None:
    """Else a login would hang for as long as Entra asks for."""
    entra.fail("poll", entra_answers.Fault("patience", status=503, retry_after="86400"), 1)
    assert sign_in(entra).fetch().account == ACCOUNT


def test_a_fresh_attempt_is_not_told_of_the_last_ones_failure(entra: Entra) -> None:
    """The library repeats a failure for a minute, to the credential that met it."""
    record = sign_in(entra)._record
    forget_tokens(Path(entra.ca.trust).parent.parent)
    entra.fail("refresh", "unavailable", 1)
    failure(Attempt(WISH, entra.environment, record=record))
    assert Attempt(WISH, entra.environment, record=record).fetch().account == ACCOUNT


def test_a_cache_that_cannot_be_written_is_a_full_disk(entra: Entra) -> None:
    """Not a failure that nobody knows."""
    record = sign_in(entra)._record
    forget_tokens(Path(entra.ca.trust).parent.parent)
    attempt = Attempt(WISH, entra.environment, record=record)
    with full_disk(100):
        assert classify(failure(attempt)).code == "auth-state-full"


def test_a_folder_that_is_not_ours_is_not_the_agents() -> None:
    """The agent's files are of no matter to who signs in with a code."""
    assert classify(Attempt(WISH, {}).fault(PermissionError())).code == "auth-state"
    assert classify(Attempt(machine(), {}).fault(PermissionError())).code == "auth-arc-group"


def app(tmp_path: Path) -> tuple[Request, bytes]:
    """Return what is wanted with a certificate, and the certificate."""
    return replace(WISH, method="certificate"), app_certificate(tmp_path / "app.pem").read_bytes()


def test_a_certificate_gets_a_token(entra: Entra, tmp_path: Path) -> None:
    """Nobody is signed in then: it is the device itself."""
    wish, pem = app(tmp_path)
    entra.directory.certificates.register(tmp_path / "app.pem")
    grant = Attempt(wish, entra.environment, certificate=pem).fetch()
    assert entra.directory.judge(grant.secret) == "ok"
    assert grant.account is None


def test_an_app_that_is_refused_is_nobody_who_could_sign_in(entra: Entra, tmp_path: Path) -> None:
    """``speakerd login`` would not help, whatever number Entra gives its refusal."""
    wish, pem = app(tmp_path)
    entra.fail("certificate", entra_answers.Fault("new", 999999))
    fault = failure(Attempt(wish, entra.environment, certificate=pem))
    assert (classify(fault).code, fault.aadsts) == ("auth-app", (999999,))


def test_a_certificate_that_was_not_uploaded_is_named(entra: Entra, tmp_path: Path) -> None:
    """The exception has no answer; the answer was seen on its way."""
    wish, pem = app(tmp_path)
    fault = failure(Attempt(wish, entra.environment, certificate=pem))
    assert classify(fault).code == "auth-certificate-unknown"
    assert fault.correlation_id is not None


class Answer:
    """What a server may send back."""

    def __init__(self, body: str, headers: dict[str, str], status_code: int) -> None:
        self.body, self.headers, self.status_code = body, headers, status_code
        self.http_response = self.http_request = self
        self.method = "POST"

    def text(self) -> str:
        return self.body


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=100), lambda inner: st.lists(inner, max_size=3)
)
BODIES = st.text(max_size=50) | st.dictionaries(
    st.sampled_from(["error", "error_codes", "correlation_id", "error_description"]), JSON
).map(json.dumps)
ERRORS = st.sampled_from(
    [ValueError("secret-1"), OSError(5, "secret-1"), subprocess.CalledProcessError(1, "az", stderr="secret-1")]
)


@given(BODIES, st.dictionaries(st.just("Retry-After"), st.text(max_size=8)), st.integers(100, 599), ERRORS)
def test_whatever_a_server_says_only_numbers_and_names_come_through(
    body: str, headers: dict[str, str], status: int, error: Exception
) -> None:
    """The daemon believes every fault that we send, and none has a sentence in it."""
    attempt = Attempt(WISH, {})
    attempt._answered(Answer(body, headers, status))
    error.__cause__ = KeyError("secret-1")
    said = json.dumps({"event": "fault", **fault_fields(attempt.fault(error))})
    assert isinstance(parse(said.encode()), Fault)
    assert "secret-1" not in said
    assert " " not in "".join(str(one) for one in json.loads(said).values() if isinstance(one, str))


def test_exceptions_that_are_tied_in_a_circle_come_to_an_end() -> None:
    """Each is named once, and no chain is too long."""
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    assert Attempt(WISH, {}).fault(first).causes == ("KeyError",)
    long: Exception = ValueError()
    for _ in range(100):
        long = ValueError(long)
    assert len(Attempt(WISH, {}).fault(long).causes) == 15


@pytest.mark.parametrize("name", [None, 5, "", "a\nb", "a" * 321, "\x1b[31mada"])
def test_a_name_that_cannot_be_shown_is_none(name: object) -> None:
    """It would end up in a terminal and in a log."""
    assert _name(name) is None
    assert _name(ACCOUNT) == ACCOUNT


def machine(client: str | None = None, *, force: bool = False) -> Request:
    """Return what a machine with an identity wants."""
    return Request("managed_identity", SCOPE, Path("/nowhere"), client=client, force=force)


@needs_arc
def test_a_machine_of_azure_arc_gets_a_token(arc: Arc) -> None:
    """Its own identity; the agent's hint of half the life is passed on."""
    grant = Attempt(machine(), arc.environment).fetch()
    assert arc.directory.judge(grant.secret) == "ok"
    assert grant.account is None
    assert grant.refresh_in_s == pytest.approx(43_200, abs=5)


@needs_arc
def test_the_agents_own_cache_is_passed_by_when_a_token_was_refused(arc: Arc) -> None:
    """The agent keeps tokens for a day."""
    Attempt(machine(), arc.environment).fetch()
    Attempt(machine(force=True), arc.environment).fetch()
    asked = [visit.form.get("bypass_cache") for visit in arc.journal.visits()]
    assert asked == [None, None, "true", "true"]


@needs_arc
def test_an_identity_of_ones_own_is_asked_for_by_its_client_id(arc: Arc) -> None:
    """And named when the machine does not have it, or its agent knows of none."""
    arc.assigned.add("my-identity")
    assert arc.directory.judge(Attempt(machine("my-identity"), arc.environment).fetch().secret) == "ok"
    other = failure(Attempt(machine("another"), arc.environment))
    assert classify(other).code == "auth-arc-identity"
    arc.echoes = False
    assert classify(failure(Attempt(machine("my-identity"), arc.environment))).code == "auth-arc-identity"


ARC = {
    ("token", "unavailable"): "auth-busy",
    ("challenge", "unavailable"): "auth-busy",
    ("token", "throttled"): "auth-busy",
    ("connection", "reset"): "auth-arc-silent",
    ("token", "revoked"): "auth-arc-identity",
}

MACHINE = {
    ("token", "throttled"): "auth-busy",
    ("token", "dead"): "auth-arc-silent",
    ("token", "revoked"): "auth-arc-refused",
    ("token", "mfa"): "auth-arc-refused",
    ("token", "agent-expired"): "auth-arc-refused",
    ("token", "portal"): "auth-arc-refused",
    ("token", "forbidden-page"): "auth-arc-refused",
    ("challenge", "forbidden-page"): "auth-arc-refused",
    ("challenge", "error-html"): "auth-busy",
}
"""What Entra says is about the machine's identity: nobody can sign in for it, and its clock is not the matter."""


@needs_arc
@pytest.mark.parametrize(("where", "code"), MACHINE.items(), ids=map("-".join, MACHINE))
def test_an_agent_that_gives_no_token_is_the_one_to_look_at(arc: Arc, where: tuple[str, str], code: str) -> None:
    """Where its own identity has run out as well."""
    arc.fail(*where)
    assert classify(failure(Attempt(machine(), arc.environment))).code == code


@needs_arc
@pytest.mark.parametrize(("where", "code"), ARC.items(), ids=map("-".join, ARC))
def test_an_agent_that_fails_is_known_by_its_cause(arc: Arc, where: tuple[str, str], code: str) -> None:
    """The library calls all of it an unavailable credential."""
    arc.fail(*where)
    assert classify(failure(Attempt(machine("any"), arc.environment))).code == code


@needs_arc
@pytest.mark.parametrize("challenge", ["none", "garbled", "too-large", "missing"])
def test_a_challenge_nobody_understands_is_the_agents(arc: Arc, challenge: str) -> None:
    """Whatever it is, the agent is to be looked at."""
    arc.challenge = challenge
    assert classify(failure(Attempt(machine(), arc.environment))).code == "auth-arc-refused"


@needs_arc
def test_an_agent_that_is_not_running_is_no_lost_network(arc: Arc) -> None:
    """It is on this machine; while that starts it is tried again."""
    arc.down()
    verdict = classify(failure(Attempt(machine(), arc.environment)))
    assert (verdict.state.value, verdict.code) == ("degraded", "auth-arc-silent")


@pytest.fixture
def az(tmp_path: Path, entra: Entra, monkeypatch: pytest.MonkeyPatch) -> AzureCli:
    """An Azure CLI on this machine."""
    cli = AzureCli(tmp_path / "bin", entra.directory)
    monkeypatch.setenv("PATH", cli.environment["PATH"])
    return cli


def test_the_azure_cli_gives_its_token(az: AzureCli, entra: Entra) -> None:
    """Or says that nobody is signed in."""
    attempt = Attempt(replace(WISH, method="azure_cli"), entra.environment)
    assert classify(failure(attempt)).code == "auth-az-signed-out"
    secret = az.sign_in()
    assert attempt.fetch().secret == secret


def test_the_azure_clis_lost_sign_in_is_its_own(az: AzureCli, entra: Entra, tmp_path: Path) -> None:
    """``speakerd login`` would not help; other failures of it are named by Entra's number."""
    attempt = Attempt(replace(WISH, method="azure_cli"), entra.environment)
    (tmp_path / "bin" / "stderr").write_text("ERROR: AADSTS700082: The refresh token has expired.\n")
    assert classify(failure(attempt)).code == "auth-az-signed-out"
    (tmp_path / "bin" / "stderr").write_text("ERROR: AADSTS90002: Tenant not found.\n")
    assert classify(failure(attempt)).code == "auth-tenant"
    (tmp_path / "bin" / "stderr").write_text("ERROR: something else\n")
    assert classify(failure(attempt)).code == "auth-az-broken"
    az.garble()
    assert classify(failure(attempt)).code == "auth-az-broken"


def test_the_default_chain_takes_what_is_there(az: AzureCli, entra: Entra) -> None:
    """On a laptop that is the Azure CLI; no address that nobody has is asked before."""
    secret = az.sign_in()
    begun = time.monotonic()
    wish = replace(WISH, method="default", client=None, tenant=None)
    grant: Grant = Attempt(wish, entra.environment).fetch()
    assert grant.secret == secret
    assert time.monotonic() - begun < 10


def test_a_default_chain_that_finds_nothing_says_so(az: AzureCli, entra: Entra) -> None:
    """To wait for it would be in vain."""
    az.sign_out()
    wish = replace(WISH, method="default", client=None, tenant=None)
    fault = failure(Attempt(wish, entra.environment))
    assert (classify(fault).state.value, classify(fault).code) == ("misconfigured", "auth-default")


@needs_arc
@pytest.mark.parametrize("fault", ["portal", "forbidden-page", "revoked"])
def test_an_agent_that_gives_nothing_leaves_the_default_chain_without_a_sign_in(
    arc: Arc, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """What the last of the chain was answered is not Microsoft's sign-in being answered for by somebody else."""
    monkeypatch.setenv("PATH", "/nowhere")
    arc.fail("token", fault)
    wish = replace(WISH, method="default", client=None, tenant=None)
    assert classify(failure(Attempt(wish, arc.environment))).code == "auth-default"


def test_the_fakes_faults_are_all_told_apart() -> None:
    """Whoever adds a fault to the authority says here what it means, or why it is left out."""
    seen = {fault for _, fault in (*REFRESH, *LOGIN, *ARC)}
    elsewhere = {"slow", "dead", "invalid-client", "pending", "slow-down"}  # worker, certificate, login's own polling
    assert seen | elsewhere >= set(entra_answers.FAULTS)
