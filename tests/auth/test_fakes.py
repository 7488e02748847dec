"""The fake authority keeps its promises towards the real azure-identity, for which it stands in for Entra."""

from __future__ import annotations

import contextlib
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.identity import AuthenticationRequiredError

from tests.fakes.authority_ca import Health
from tests.fakes.entra import Entra
from tests.fakes.entra_answers import FAULTS, Fault
from tests.fakes.entra_directory import ACCOUNT, CLIENT, REFRESH_LIFE_S, SCOPE, TENANT
from tests.fakes.library import Device, ask, causes, forget_connections, refusal

TOKEN_PATH = f"/{TENANT}/oauth2/v2.0/token"


@pytest.fixture
def entra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Entra]:
    """An authority that the library trusts and reaches."""
    with Entra(tmp_path / "authority") as authority:
        authority.directory.interval_s = 0
        for name, value in authority.environment.items():
            monkeypatch.setenv(name, value)
        yield authority


@pytest.fixture
def new(entra: Entra) -> Iterator[Callable[..., Device]]:
    """Makes speakers, and closes their connections afterwards."""
    with contextlib.ExitStack() as stack:

        def make(*args: Any, **options: Any) -> Device:
            device = Device(entra, *args, **options)
            stack.enter_context(device.credential)
            return device

        yield make
    forget_connections()


@pytest.fixture
def device(new: Callable[..., Device]) -> Device:
    """A speaker that is signed in."""
    device = new()
    assert device.sign_in() == ACCOUNT
    return device


def test_a_token_is_found_in_the_librarys_cache(device: Device) -> None:
    """The scope of the answer is right: nothing is asked while the token is good."""
    token = device.credential.get_token_info(SCOPE)
    assert device.entra.directory.judge(token.token) == "ok"
    assert 3590 < token.expires_on - time.time() <= 3600
    assert token.refresh_on is None
    assert [visit.endpoint for visit in device.entra.journal.visits()] == ["discovery", "devicecode", "poll"]


def test_a_device_polls_until_somebody_enters_the_code(entra: Entra, new: Callable[..., Device]) -> None:
    """What a poll says before that makes the library ask again."""
    entra.fail("poll", "pending", 2)
    assert new().sign_in() == ACCOUNT
    assert [visit.aadsts for visit in entra.journal.visits("poll")] == [70016, 70016, None]


def test_a_code_can_be_declined(entra: Entra, new: Callable[..., Device]) -> None:
    """Who says no ends the sign-in."""
    error = refusal(new(entra.directory.decline).sign_in)
    assert error.response is not None
    assert error.response.json()["error"] == "authorization_declined"


def test_a_code_runs_out(entra: Entra, new: Callable[..., Device]) -> None:
    """At the authority's clock, wherever the device's is."""
    error = refusal(new(lambda _: entra.directory.advance(901)).sign_in)
    assert error.response is not None
    assert error.response.json()["error_codes"] == [70020]
    assert not entra.directory.approve()


def test_a_code_counts_once(entra: Entra) -> None:
    """Neither can it be entered twice, nor can the device have tokens for it twice."""
    _, begun = ask(entra, f"/{TENANT}/oauth2/v2.0/devicecode", client_id=CLIENT, scope=SCOPE)
    assert entra.directory.approve(begun["user_code"].lower())
    assert not entra.directory.approve(begun["user_code"])
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": CLIENT}
    assert [ask(entra, TOKEN_PATH, **form, device_code=begun["device_code"])[0] for _ in range(2)] == [200, 400]


def test_refresh_tokens_are_replaced_and_the_old_ones_stay_good(device: Device) -> None:
    """As Entra says of its own: what was restored from a backup still works."""
    device.entra._keep_secrets = True
    assert device.afresh() != device.afresh()
    first, second = (visit.form["refresh_token"] for visit in device.entra.journal.visits("refresh"))
    assert first != second
    form = {"grant_type": "refresh_token", "client_id": CLIENT, "refresh_token": first}
    assert ask(device.entra, TOKEN_PATH, **form)[0] == 200


def test_a_token_lives_two_seconds(device: Device) -> None:
    """Tokens can be short-lived, and time can be set forward; the library then fetches another by itself."""
    directory = device.entra.directory
    directory.token_life_s = 2
    token = device.afresh()
    directory.advance(1.9)
    assert directory.judge(token) == "ok"
    directory.advance(0.2)
    assert directory.judge(token) == "expired"
    assert directory.judge(device.credential.get_token_info(SCOPE).token) == "ok"


def test_the_next_fetch_is_suggested(device: Device) -> None:
    """The library hands the suggestion on as a date."""
    device.entra.directory.refresh_in_s = 1800
    device.afresh()
    refresh_on = device.credential.get_token_info(SCOPE).refresh_on
    assert refresh_on is not None
    assert 1790 < refresh_on - time.time() <= 1800


@pytest.mark.parametrize("code", [50173, 700082])
def test_a_sign_in_ends_and_another_works(code: int, device: Device, new: Callable[..., Device]) -> None:
    """Revoked or run out: the library wants a person, and is content with one."""
    device.entra.directory.end_sign_ins(code)
    error = refusal(device.afresh)
    assert isinstance(error, AuthenticationRequiredError)
    assert error.response is not None
    assert error.response.json()["error_codes"] == [code]
    another = new()
    another.sign_in()
    assert device.entra.directory.judge(another.afresh()) == "ok"


def test_a_sign_in_that_is_not_used_ends(device: Device) -> None:
    """After ninety days without a refresh."""
    device.entra.directory.advance(REFRESH_LIFE_S)
    error = refusal(device.afresh)
    assert error.response is not None
    assert error.response.json()["error_codes"] == [700082]


@pytest.mark.parametrize(
    ("name", "status", "word"),
    [
        ("revoked", 400, "invalid_grant"),
        ("expired", 400, "invalid_grant"),
        ("mfa", 400, "invalid_grant"),
        ("blocked", 400, "invalid_grant"),
        ("consent", 400, "invalid_grant"),
        ("interaction", 400, "interaction_required"),
        ("no-app", 400, "unauthorized_client"),
        ("no-tenant", 400, "invalid_tenant"),
        ("app-disabled", 401, "invalid_client"),
        ("not-public", 401, "invalid_client"),
        ("throttled", 429, "temporarily_unavailable"),
        ("throttled-7", 429, "temporarily_unavailable"),
    ],
)
def test_a_refusal_looks_like_entras(name: str, status: int, word: str, device: Device) -> None:
    """The library takes every one for a person's business, even being throttled; the answer tells them apart."""
    device.entra.fail("refresh", name)
    error = refusal(device.afresh)
    assert isinstance(error, AuthenticationRequiredError)
    assert error.response is not None
    assert (error.response.status_code, error.response.json()["error"]) == (status, word)
    assert error.response.headers.get("Retry-After") == ("7" if name == "throttled-7" else None)
    visit = device.entra.journal.visits("refresh")[-1]
    assert (visit.fault, visit.status, visit.aadsts) == (name, status, FAULTS[name].aadsts)
    assert error.response.json()["correlation_id"] == visit.correlation_id


def test_a_refusal_has_all_of_entras_fields(device: Device) -> None:
    """Code, trace, correlation and time stand in the sentence and beside it."""
    device.entra.fail("refresh", "mfa")
    error = refusal(device.afresh)
    assert error.response is not None
    said = error.response.json()
    assert said["error_description"].startswith("AADSTS50076: ")
    for name, key in (("Trace ID", "trace_id"), ("Correlation ID", "correlation_id"), ("Timestamp", "timestamp")):
        assert f" {name}: {said[key]}" in said["error_description"]
    assert said["error_codes"] == [50076]
    assert said["suberror"] == "basic_action"
    assert "capolids" in said["claims"]


@pytest.mark.parametrize(
    ("endpoint", "name", "cause"),
    [
        ("refresh", "error-html", "MsalServiceError"),
        ("refresh", "unavailable", "MsalServiceError"),
        ("refresh", "unavailable-json", "MsalServiceError"),
        ("refresh", "portal", "JSONDecodeError"),
        ("refresh", "dead", "ServiceResponseTimeoutError"),
        ("refresh", "reset", "ServiceResponseError"),
        ("refresh", "half", "IncompleteReadError"),
        ("discovery", "unavailable", "MsalServiceError"),
        ("discovery", "throttled", "ValueError"),
        ("discovery", "no-tenant", "ValueError"),
        ("discovery", "portal", "ValueError"),
        ("discovery", "half", "IncompleteReadError"),
        ("devicecode", "unavailable", "JSONDecodeError"),
        ("connection", "dead", "ServiceResponseTimeoutError"),
        ("connection", "reset", "Service(Request|Response)Error"),
    ],
)
def test_a_failure_without_an_answer_looks_like_a_servers(
    endpoint: str, name: str, cause: str, entra: Entra, new: Callable[..., Device]
) -> None:
    """All are one class to the library; what led to it tells them apart."""
    patience_s = 1.0 if name == "dead" else 10
    device = new(read_timeout=patience_s, connection_timeout=patience_s)
    if endpoint == "refresh":
        device.sign_in()
    entra.fail(endpoint, name)
    error = refusal(device.afresh if endpoint == "refresh" else device.sign_in)
    assert not isinstance(error, AuthenticationRequiredError)
    assert error.response is None
    assert re.fullmatch(cause, type(causes(error)[0]).__name__)
    assert entra.journal.visits(endpoint)[-1].fault == name


@pytest.mark.parametrize(
    ("name", "code"), [("blocked", 53003), ("consent", 65001), ("code-expired", 70020), ("not-public", 7000218)]
)
def test_a_sign_in_is_refused_at_the_poll(name: str, code: int, entra: Entra, new: Callable[..., Device]) -> None:
    """The code was entered, and Entra says no to the device all the same."""
    entra.fail("poll", name)
    error = refusal(new().sign_in)
    assert f"AADSTS{code}: " in str(error)
    assert error.response is not None
    assert error.response.json()["error_codes"] == [code]


def test_a_device_that_polls_too_fast_is_told_to_slow_down(entra: Entra, new: Callable[..., Device]) -> None:
    """The library then waits five seconds more each time; here it gives up instead."""
    entra.fail("poll", "slow-down")
    error = refusal(new(timeout=0).sign_in)
    assert error.response is not None
    assert error.response.json()["error"] == "slow_down"


def test_faults_come_in_order_and_end(device: Device) -> None:
    """So many of one, then so many of the next, then the right answer."""
    entra = device.entra
    entra.fail("refresh", "unavailable", 2)
    entra.fail("token", Fault("odd", status=418), 1)
    statuses = [ask(entra, TOKEN_PATH, grant_type="refresh_token", client_id=CLIENT)[0] for _ in range(4)]
    assert statuses == [503, 503, 418, 400]
    entra.fail("refresh", "unavailable")
    entra.heal("refresh")
    assert device.entra.directory.judge(device.afresh()) == "ok"


def test_a_slow_answer_is_the_right_one(device: Device) -> None:
    """It only comes late."""
    device.entra.fail("refresh", Fault("slow", delay_s=0.2))
    begun_s = time.monotonic()
    assert device.entra.directory.judge(device.afresh()) == "ok"
    assert time.monotonic() - begun_s >= 0.2


@pytest.mark.parametrize("together", [False, True])
def test_the_journal_tells_one_flight_from_two(together: bool, device: Device) -> None:
    """One after the other, however quickly, is not two at once."""
    device.entra.journal.clear()
    device.entra.fail("refresh", Fault("slow", delay_s=0.6 if together else 0.0))
    threads = [threading.Thread(target=device.afresh) for _ in range(2)]
    for thread in threads:
        thread.start()
        if not together:
            thread.join()
    for thread in threads:
        thread.join()
    assert device.entra.journal.count("refresh") == 2
    assert device.entra.journal.overlapped() is together


@pytest.mark.parametrize(
    ("health", "verify_code"),
    [(Health.EARLY, 9), (Health.EXPIRED, 10), (Health.OTHER_ISSUER, 20), (Health.OTHER_HOST, 62)],
)
def test_a_server_shows_a_certificate_that_will_not_do(
    health: Health, verify_code: int, entra: Entra, new: Callable[..., Device]
) -> None:
    """OpenSSL's own number says what is the matter; afterwards all is well again."""
    device = new()
    entra.wear(health)
    found = [cause for cause in _deep(refusal(device.sign_in)) if isinstance(cause, ssl.SSLCertVerificationError)]
    assert found[0].verify_code == verify_code
    entra.wear(Health.VALID)
    assert device.sign_in() == ACCOUNT


def _deep(error: BaseException) -> list[BaseException]:
    """Return what led to an error, also where only an attribute or an argument of it holds it."""
    found = [error, *causes(error)]
    for each in found:
        inside = [getattr(each, "inner_exception", None), getattr(each, "reason", None), *each.args, *causes(each)]
        found += [one for one in inside if isinstance(one, BaseException) and one not in found]
    return found


def test_an_authority_that_is_down_refuses_connections_and_comes_back(
    device: Device, new: Callable[..., Device]
) -> None:
    """At the same address."""
    device.entra.down()
    assert type(causes(refusal(device.afresh))[0]).__name__ == "ServiceRequestError"
    device.entra.up()
    assert new().sign_in() == ACCOUNT


@pytest.mark.parametrize(
    ("client", "scope", "code"),
    [
        ("00000000-0000-0000-0000-000000000000", SCOPE, 700016),
        (CLIENT, "https://else.example/.default", 500011),
        (CLIENT, "no-scope-of-a-resource other", 70011),
    ],
)
def test_a_wrong_app_or_scope_is_refused(client: str, scope: str, code: int, entra: Entra) -> None:
    """Already when a code is asked for."""
    status, said = ask(entra, f"/{TENANT}/oauth2/v2.0/devicecode", client_id=client, scope=scope)
    assert (status, said["error_codes"]) == (400, [code])


def test_a_wrong_tenant_is_refused_at_discovery(entra: Entra, new: Callable[..., Device]) -> None:
    """The library tells no more of it than in words."""
    error = refusal(new(tenant="22222222-2222-3333-4444-555555555555").sign_in)
    assert "AADSTS90002" in str(causes(error)[-1])
    assert entra.journal.visits("discovery")[-1].status == 400


def test_the_journal_keeps_no_secrets(device: Device) -> None:
    """Unless it is told to, nothing in it opens anything; the directory knows what to look for in logs."""
    token = device.afresh()
    secrets = device.entra.directory.secrets()
    assert token in secrets
    assert len(secrets) == 5  # two access tokens, two refresh tokens, one device code
    assert not [secret for secret in secrets if secret in repr(device.entra.journal.visits())]


def test_a_browser_enters_the_code_and_breaks_things(entra: Entra) -> None:
    """The pages do what the methods do."""
    _, begun = ask(entra, f"/{TENANT}/oauth2/v2.0/devicecode", client_id=CLIENT, scope=SCOPE)
    assert begun["user_code"] in ask(entra, "/")[1]
    assert "Enter code" in ask(entra, "/device")[1]
    assert ask(entra, "/approve", user_code="WRONG")[0] == 404
    assert ask(entra, "/approve", user_code=begun["user_code"])[0] == 200
    assert ask(entra, "/fault", endpoint="discovery", name="unavailable", times="1")[0] == 200
    discovery = f"/{TENANT}/v2.0/.well-known/openid-configuration"
    assert [ask(entra, discovery)[0] for _ in range(2)] == [503, 200]
    assert ask(entra, "/fault", endpoint="nowhere", name="unavailable")[0] == 400
    assert ask(entra, "/judge", token="made up")[1] == {"verdict": "unknown"}
    assert [visit["endpoint"] for visit in ask(entra, "/journal")[1]] == ["devicecode", "discovery", "discovery"]


def test_it_can_be_started_by_hand() -> None:
    """It says how to be reached, and ends when told."""
    command = [sys.executable, "-m", "tests.fakes.entra", "--life", "5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert lines[0].startswith("export AZURE_AUTHORITY_HOST=https://localhost:")
    assert lines[1].startswith("export REQUESTS_CA_BUNDLE=")
    assert not Path(lines[1].partition("=")[2].strip()).exists()
