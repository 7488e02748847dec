"""The fake Azure Arc agent and the fake Azure CLI are what the real azure-identity expects on a machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import AzureCliCredential, CredentialUnavailableError, ManagedIdentityCredential

from tests.fakes.arc import TOKENS, Arc, in_private_folder, why_not_here, why_not_private
from tests.fakes.azure_cli import AzureCli
from tests.fakes.entra_answers import Fault
from tests.fakes.entra_directory import RESOURCE, SCOPE, Directory
from tests.fakes.library import ONCE, forget_connections

IDENTITY = "12121212-3434-5656-7878-909090909090"

FETCH = f"""
import os, sys
from azure.identity import ManagedIdentityCredential

def fetch():
    try:
        return ManagedIdentityCredential(retry_total=0).get_token_info({SCOPE!r}).token
    except Exception as error:
        return type(error).__name__

token = fetch()
if sys.argv[1:]:  # drop all rights, which could not read the interpreter's own files, and try again
    os.setgroups([int(group) for group in sys.argv[2:]])
    os.setgid(int(sys.argv[1]))
    os.setuid(int(sys.argv[1]))
    token = fetch()
print(token)
"""
"""A process of its own that prints a token, or the class of what is raised; as another user where one is named."""

only_root = pytest.mark.skipif(why_not_here() is not None, reason=str(why_not_here()))


@pytest.fixture
def arc(monkeypatch: pytest.MonkeyPatch) -> Iterator[Arc]:
    """An agent on this very machine."""
    for name in [name for name in os.environ if name.startswith(("AZURE_", "IDENTITY_", "MSI_"))]:
        monkeypatch.delenv(name)
    with Arc() as agent:
        for name, value in agent.environment.items():
            monkeypatch.setenv(name, value)
        yield agent
    forget_connections()


def fetch(**options: Any) -> str:
    """Fetch a token as a service on the machine does."""
    with ManagedIdentityCredential(**(ONCE | options)) as credential:
        return credential.get_token_info(SCOPE).token


def process(command: list[str], agent: Arc) -> str:
    """Run something with the agent's environment; return what it printed."""
    environment = {"PATH": os.environ["PATH"], **agent.environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


@only_root
def test_a_challenge_is_met_and_its_file_is_gone(arc: Arc) -> None:
    """First a request without proof, then one with what the file says; nothing is left behind."""
    before = set(TOKENS.iterdir())
    token = fetch()
    assert arc.directory.judge(token) == "ok"
    first, second = arc.journal.visits()
    assert (first.endpoint, first.status, second.endpoint, second.status) == ("challenge", 401, "token", 200)
    assert first.form == second.form == {"api-version": "2020-06-01", "resource": RESOURCE}
    assert set(TOKENS.iterdir()) == before


@only_root
def test_a_machines_token_lives_a_day(arc: Arc) -> None:
    """Its numbers are strings, and the library suggests the next fetch after half of it."""
    with ManagedIdentityCredential(**ONCE) as credential:
        token = credential.get_token_info(SCOPE)
    assert token.refresh_on is not None
    assert 86_390 < token.expires_on - time.time() <= 86_400
    assert 43_190 < token.refresh_on - time.time() <= 43_200


@only_root
@pytest.mark.parametrize(
    ("challenge", "kind", "words"),
    [
        ("none", CredentialUnavailableError, "invalid_request"),
        ("garbled", ClientAuthenticationError, "Unrecognizable WWW-Authenticate"),
        ("too-large", ClientAuthenticationError, "4KB"),
        ("missing", FileNotFoundError, "azcmagent/tokens"),
    ],
)
def test_a_challenge_that_will_not_do(challenge: str, kind: type[Exception], words: str, arc: Arc) -> None:
    """The library gives up before it shows anything."""
    arc.challenge = challenge
    with pytest.raises(kind, match=words):
        fetch()
    assert arc.journal.count("token") == 0
    arc.heal()
    assert arc.directory.judge(fetch()) == "ok"


@only_root
@pytest.mark.parametrize("endpoint", ["challenge", "token"])
@pytest.mark.parametrize("name", ["unavailable", "error-html", "throttled", "agent-expired"])
def test_an_agent_that_fails(endpoint: str, name: str, arc: Arc) -> None:
    """Whatever it says and whenever, the library calls it unavailable."""
    arc.fail(endpoint, name)
    with pytest.raises(CredentialUnavailableError):
        fetch()
    assert arc.journal.visits()[-1].fault == name


@only_root
@pytest.mark.parametrize("selector", ["client_id", "object_id", "resource_id"])
def test_an_identity_of_its_own_is_confirmed(selector: str, arc: Arc) -> None:
    """An agent that knows of them echoes the one it used; an old one does not, and is not trusted."""
    options: dict[str, Any] = {"client_id": IDENTITY} if selector == "client_id" else {}
    options = options or {"identity_config": {selector: IDENTITY}}
    with pytest.raises(CredentialUnavailableError):
        fetch(**options)  # it is not assigned to the machine
    arc.assigned = {IDENTITY}
    assert arc.directory.judge(fetch(**options)) == "ok"
    arc.echoes = False
    with pytest.raises(ClientAuthenticationError, match="did not confirm"):
        fetch(**options)


@only_root
def test_an_agent_that_is_dead_or_down(arc: Arc) -> None:
    """It never answers, or refuses at once; then it is back."""
    arc.fail("connection", "dead", 1)
    with pytest.raises(Exception, match="timed out"):
        fetch(read_timeout=0.3, connection_timeout=0.3)
    arc.down()
    with pytest.raises(Exception, match="Failed to establish"):
        fetch()
    arc.up()
    assert arc.directory.judge(fetch()) == "ok"


@only_root
def test_an_agent_that_is_slow(arc: Arc) -> None:
    """Its token is the right one, only late."""
    arc.fail("token", Fault("slow", delay_s=0.2))
    begun_s = time.monotonic()
    assert arc.directory.judge(fetch()) == "ok"
    assert time.monotonic() - begun_s >= 0.2


@only_root
def test_only_the_agents_group_can_read_its_files() -> None:
    """Another user meets a bare PermissionError, and a member of the group a token."""
    with Arc(group=4321) as agent:
        command = [sys.executable, "-c", FETCH, "65534"]
        assert process(command, agent) == "PermissionError"
        assert agent.directory.judge(process([*command, "4321"], agent)) == "ok"
        left = set(TOKENS.iterdir())
    assert not TOKENS.exists() or set(TOKENS.iterdir()) < left


def test_a_process_can_have_a_folder_of_its_own(tmp_path: Path) -> None:
    """So the agent can be tried without root, where the system lets users make name spaces."""
    if (reason := why_not_private()) is not None:
        pytest.skip(reason)
    with Arc(tokens=tmp_path / "azcmagent" / "tokens") as agent:
        token = process(in_private_folder(tmp_path, [sys.executable, "-c", FETCH]), agent)
        assert agent.directory.judge(token) == "ok"
    assert not (tmp_path / "azcmagent").exists()


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AzureCli:
    """A signed-out CLI that is first on the PATH."""
    program = AzureCli(tmp_path / "bin", Directory(time.time))
    for name, value in program.environment.items():
        monkeypatch.setenv(name, value)
    assert shutil.which("az") == str(tmp_path / "bin" / "az")
    return program


def test_the_cli_gives_a_token(cli: AzureCli) -> None:
    """The one it has until it is told to have another."""
    token = cli.sign_in()
    found = AzureCliCredential().get_token_info(SCOPE)
    assert found.token == token
    assert 3590 < found.expires_on - time.time() <= 3600
    assert cli.calls == [f"account get-access-token --output json --resource {RESOURCE}"]
    assert cli.sign_in() == AzureCliCredential().get_token_info(SCOPE).token != token


@pytest.mark.parametrize(
    ("fail", "kind", "words"),
    [
        (AzureCli.sign_out, CredentialUnavailableError, "az login"),
        (AzureCli.expire, ClientAuthenticationError, "AADSTS700082"),
        (AzureCli.garble, ClientAuthenticationError, "Unexpected output"),
    ],
)
def test_the_cli_says_no(fail: Callable[[AzureCli], None], kind: type[Exception], words: str, cli: AzureCli) -> None:
    """Signed out, run out, or something that is no token."""
    cli.sign_in()
    fail(cli)
    with pytest.raises(kind, match=words) as caught:
        AzureCliCredential().get_token_info(SCOPE)
    assert type(caught.value) is kind


def test_the_cli_takes_its_time(cli: AzureCli) -> None:
    """Longer than the library waits."""
    cli.sign_in()
    cli.delay(1.5)
    with pytest.raises(CredentialUnavailableError, match="Failed to invoke"):
        AzureCliCredential(process_timeout=1).get_token_info(SCOPE)
    cli.delay(0)
    AzureCliCredential().get_token_info(SCOPE)
