"""The process that signs in: what it says, what it keeps, and what it leaves behind."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from speakerd.auth.answers import DeviceCode, Granted, Kept, parse
from speakerd.auth.cache import BACKUP, FOLDER, NAME, Account, AccountFile
from speakerd.auth.request import Request
from speakerd.auth.worker import serve
from speakerd.core.sign_in_fault import Fault, classify
from tests.fakes import entra_answers
from tests.fakes.arc import Arc, why_not_here
from tests.fakes.authority_ca import app_certificate
from tests.fakes.door import Door
from tests.fakes.entra import Entra
from tests.fakes.entra_directory import ACCOUNT, CLIENT, SCOPE, TENANT
from tests.fakes.full_disk import full_disk
from tests.fakes.library import forget_connections

COMMAND = [sys.executable, "-I", "-m", "speakerd.auth.worker"]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The process silences the library; here it is done for it."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
    forget_connections()


@pytest.fixture
def entra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Entra]:
    """An authority that the library trusts and reaches."""
    with Entra(tmp_path / "authority") as authority:
        for name, value in {**authority.environment, "HOME": "/nowhere"}.items():
            monkeypatch.setenv(name, value)
        yield authority


class Speaker:
    """A speaker that asks workers, in this process or in one of their own."""

    def __init__(self, entra: Entra, folder: Path) -> None:
        self.entra, self.run = entra, folder / "run"
        self.run.mkdir()
        self.wish = Request("device_code", SCOPE, folder / "state", tenant=TENANT, client=CLIENT)
        self.file = AccountFile(self.wish.state)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": "/nowhere",
            "RUNTIME_DIRECTORY": str(self.run),
            **entra.environment,
        }
        self.status = 0

    def ask(self, *, on_token: Callable[[], object] = lambda: None, **changes: Any) -> list[Any]:
        """Let a worker work here; return what it said, as the daemon understands it."""
        said = []

        def say(event: str, fields: Mapping[str, Any]) -> None:
            answer = parse(json.dumps({"event": event, **fields}).encode())
            said.append(answer)
            if isinstance(answer, DeviceCode):
                self.entra.directory.approve(answer.user_code)
            if isinstance(answer, Granted):
                on_token()

        self.status = serve(replace(self.wish, **changes), self.environment, say)
        return said

    def token(self, **changes: Any) -> Granted:
        """Return the token that a worker brings."""
        (granted,) = (one for one in self.ask(**changes) if isinstance(one, Granted))
        assert self.status == 0
        return granted

    def refusal(self, **changes: Any) -> str:
        """Return the code of a worker's fault."""
        fault = self.ask(**changes)[-1]
        assert isinstance(fault, Fault)
        assert self.status == 1
        return classify(fault).code

    def start(self, **changes: Any) -> subprocess.Popen[str]:
        """Start a process, and ask it."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        child = subprocess.Popen(COMMAND, **pipes, env=self.environment, text=True)
        child.stdin.write(replace(self.wish, **changes).to_json() + "\n")
        child.stdin.flush()
        return child


@pytest.fixture
def speaker(entra: Entra, tmp_path: Path) -> Speaker:
    """A speaker at which nobody has signed in."""
    return Speaker(entra, tmp_path)


@pytest.fixture
def signed_in(speaker: Speaker) -> Speaker:
    """A speaker at which somebody has signed in."""
    assert speaker.token(do="login").account == ACCOUNT
    return speaker


def secrets_of(account: Account) -> str:
    """Return the refresh token that is kept."""
    (token,) = json.loads(account.cache["speakerd.nocae"])["RefreshToken"].values()
    return token["secret"]


def test_a_login_says_the_code_then_that_it_is_kept_then_the_token(speaker: Speaker) -> None:
    """In that order: whoever is told of a token may pull the plug."""
    code, kept, granted = speaker.ask(do="login")
    assert isinstance(code, DeviceCode)
    assert kept == Kept(None)
    assert granted.account == ACCOUNT
    assert speaker.file.load().record["username"] == ACCOUNT


def test_a_young_token_is_used_again_after_a_restart(signed_in: Speaker) -> None:
    """Nothing is fetched, and nothing written."""
    signed_in.entra.journal.clear()
    before = signed_in.file.load()
    assert [type(one) for one in signed_in.ask()] == [Granted]
    assert signed_in.entra.journal.count("refresh") == 0
    assert signed_in.file.load() == before


@pytest.mark.parametrize("life_s", [3600, 20])
def test_force_gives_another_token(signed_in: Speaker, life_s: float) -> None:
    """The last one was refused, however young it is; the refresh token has rotated and is kept."""
    signed_in.entra.directory.token_life_s = life_s
    first = signed_in.token(force=True)
    before = secrets_of(signed_in.file.load())
    granted, kept = signed_in.ask(force=True)
    assert granted.secret != first.secret
    assert kept == Kept(None)
    assert secrets_of(signed_in.file.load()) != before


def test_an_old_token_is_replaced_at_half_its_life(signed_in: Speaker) -> None:
    """The library would give the old one until five minutes before its end."""
    first = signed_in.token()
    kept = signed_in.file.load()
    cache = json.loads(kept.cache["speakerd.nocae"])
    for one in cache["AccessToken"].values():
        one["cached_at"] = str(int(one["cached_at"]) - 1800)
        one["expires_on"] = str(int(one["expires_on"]) - 1800)
    signed_in.file.save(Account(kept.record, {"speakerd.nocae": json.dumps(cache)}))
    assert signed_in.token().secret != first.secret


def test_whoever_signs_in_may_bring_their_tenant(speaker: Speaker) -> None:
    """Where the app is for several."""
    assert speaker.token(do="login", tenant=None).account == ACCOUNT
    assert speaker.token(force=True, tenant=None).account == ACCOUNT


def test_without_a_sign_in_nothing_is_asked(speaker: Speaker) -> None:
    """Neither the authority nor the library, nor a person."""
    assert speaker.refusal() == "auth-signed-out"
    assert speaker.entra.journal.count() == 0


def test_a_sign_in_with_another_app_does_not_count(signed_in: Speaker) -> None:
    """Its record would win over the configuration."""
    assert signed_in.refusal(client="bbbbbbbb-bbbb-cccc-dddd-eeeeeeeeeeee") == "auth-signed-out"


def test_a_failure_changes_nothing_on_disk(signed_in: Speaker) -> None:
    """The library forgets a refresh token that was refused; whoever took back the revocation has it still."""
    before = signed_in.file.load()
    signed_in.entra.fail("refresh", "revoked")
    assert signed_in.refusal(force=True) == "auth-signed-out"
    assert signed_in.file.load() == before
    signed_in.entra.heal()
    assert signed_in.token(force=True).account == ACCOUNT


def test_a_torn_file_is_stood_in_for_by_the_backup(signed_in: Speaker) -> None:
    """The refresh token before counts still; the file is whole again afterwards."""
    signed_in.token(force=True)
    (signed_in.wish.state / FOLDER / NAME).write_bytes(b'{"version": 1, "rec')
    assert signed_in.token(force=True).account == ACCOUNT
    (signed_in.wish.state / FOLDER / BACKUP).unlink()
    assert signed_in.token().account == ACCOUNT


def test_a_lock_file_of_the_library_stops_nobody(signed_in: Speaker) -> None:
    """It is never on disk: what a killed worker had locked is gone with its home."""
    child = signed_in.start(force=True)
    child.kill()
    child.communicate()
    assert signed_in.token(force=True).account == ACCOUNT
    assert list(signed_in.run.iterdir()) == []


def test_a_full_disk_costs_no_token(signed_in: Speaker) -> None:
    """It is good without being kept; what was kept before is there still."""
    before = signed_in.file.load()
    with contextlib.ExitStack() as stack:
        said = signed_in.ask(force=True, on_token=lambda: stack.enter_context(full_disk(20)))
    assert isinstance(said[0], Granted)
    assert said[1:] == [Kept("disk-full")]
    assert signed_in.file.load() == before


def test_without_any_room_nobody_signs_in(signed_in: Speaker) -> None:
    """And is told so."""
    with full_disk(1000):
        assert signed_in.refusal(force=True) == "auth-state-full"


def test_nobody_is_asked_for_a_code_that_could_not_be_kept(speaker: Speaker) -> None:
    """A full disk is found out before a person has taken out their telephone, and so is a folder without rights."""
    with full_disk(1000):
        assert speaker.refusal(do="login") == "auth-state-full"
    speaker.wish = replace(speaker.wish, state=Path("/proc/none"))
    assert speaker.refusal(do="login") == "auth-state"
    assert speaker.entra.journal.count() == 0


def test_a_newer_sign_in_is_left_alone(signed_in: Speaker) -> None:
    """Somebody signed in again, or out, while a token was fetched."""
    said = signed_in.ask(force=True, on_token=signed_in.file.remove)
    assert said[-1] == Kept("superseded")
    assert signed_in.file.load() == Account()


def test_a_folder_of_somebody_elses_is_named(signed_in: Speaker) -> None:
    """Signing in as root leaves such folders behind."""
    for folder in (signed_in.run.parent, signed_in.run.parent.parent, signed_in.run.parent.parent.parent):
        folder.chmod(0o711)
    (signed_in.wish.state / FOLDER).rename(signed_in.wish.state / "elsewhere")
    (signed_in.wish.state / FOLDER).symlink_to(signed_in.wish.state / "elsewhere")
    assert signed_in.refusal() == "auth-state"


def test_what_is_missing_is_said_before_any_attempt(speaker: Speaker) -> None:
    """By the check, and by the certificate's own."""
    assert speaker.refusal(client=None) == "auth-client"
    assert speaker.refusal(method="certificate") == "auth-certificate-missing"
    assert speaker.entra.journal.count() == 0


def test_a_certificate_needs_no_state(speaker: Speaker, tmp_path: Path) -> None:
    """Nothing is kept of it, and its failures are facts too."""
    path = app_certificate(tmp_path / "app.pem")
    wish = {"method": "certificate", "certificate_file": str(path)}
    assert speaker.refusal(**wish) == "auth-certificate-unknown"
    speaker.entra.directory.certificates.register(path)
    assert speaker.token(**wish).account is None
    assert not speaker.wish.state.exists()


@pytest.mark.skipif(why_not_here() is not None, reason=str(why_not_here()))
def test_a_machine_of_azure_arc_needs_nothing_else(speaker: Speaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """No app, no tenant, nothing kept."""
    with Arc() as arc:
        for name, value in arc.environment.items():
            monkeypatch.setenv(name, value)
        speaker.environment = {**os.environ}
        assert speaker.token(method="managed_identity", client=None, tenant=None).account is None


@pytest.mark.skipif(why_not_here() is not None, reason=str(why_not_here()))
@pytest.mark.parametrize("kept", ["", "intranet.example"])
def test_the_agent_of_this_machine_is_asked_past_any_proxy(
    speaker: Speaker, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    """The library would show a company's proxy the key that proves who asks."""
    asked: list[socket.socket] = []
    with Arc() as arc, contextlib.closing(Door(asked.append)) as proxy:
        proxy.open()
        for name, value in {**arc.environment, "NO_PROXY": kept, "no_proxy": kept}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        speaker.environment = {**os.environ}
        assert speaker.token(method="managed_identity", client=None, tenant=None).account is None
    assert asked == []
    assert os.environ["NO_PROXY"].startswith(kept)


# --- the process ---


def said_by(child: subprocess.Popen[str]) -> tuple[list[Any], str]:
    """Return what a process said, and what it wrote to the error output."""
    out, err = child.communicate(timeout=60)
    return [parse(line.encode()) for line in out.splitlines()], err


def test_a_process_says_its_events_and_nothing_else(signed_in: Speaker) -> None:
    """Exit code 0; nothing on the error output; no secret in its arguments."""
    child = signed_in.start()
    said, err = said_by(child)
    assert [type(one) for one in said] == [Granted]
    assert (child.returncode, err) == (0, "")
    assert list(signed_in.run.iterdir()) == []


def test_a_process_that_fails_ends_with_one(signed_in: Speaker) -> None:
    """The library logs a server's text with each failure; here it does not."""
    signed_in.entra.fail("refresh", "mfa")
    child = signed_in.start(force=True)
    (fault,), err = said_by(child)
    assert classify(fault).code == "auth-mfa"
    assert (child.returncode, err) == (1, "")


def test_an_answer_without_end_does_not_take_the_machines_memory(signed_in: Speaker) -> None:
    """A Pi has half a gigabyte for everything: the process gives up, and says that nobody of Entra's answers so."""
    signed_in.entra.fail("refresh", entra_answers.Fault("endless", breaks="endless"))
    (fault,), err = said_by(signed_in.start(force=True))
    assert (classify(fault).code, err) == ("auth-tls", "")


def test_nonsense_is_refused(signed_in: Speaker) -> None:
    """With a fault, not with a trace."""
    ran = subprocess.run(
        COMMAND, check=False, input="what?\n", capture_output=True, text=True, env=signed_in.environment
    )
    assert json.loads(ran.stdout) == {"event": "fault", "error": "JSONDecodeError"}
    assert (ran.returncode, ran.stderr) == (1, "")


HARDENED = """
import ctypes, resource
from speakerd.auth.worker import _harden
_harden()
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), *resource.getrlimit(resource.RLIMIT_CORE))
"""


def test_a_process_cannot_be_looked_into() -> None:
    """It is not dumpable: it leaves no core, and its memory belongs to root alone."""
    ran = subprocess.run([sys.executable, "-c", HARDENED], capture_output=True, text=True, check=True)
    assert ran.stdout == "0 0 0\n"


PARENT = """
import subprocess, sys
child = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE)
child.stdin.write(sys.argv[1].encode() + b"\\n")
child.stdin.flush()
child.wait()
"""


def test_a_process_does_not_outlive_who_asked(speaker: Speaker) -> None:
    """A daemon that was killed leaves nobody behind who goes on asking for fifteen minutes."""
    speaker.entra.directory.interval_s = 60
    request = replace(speaker.wish, do="login").to_json()
    command = [sys.executable, "-c", PARENT, request, *COMMAND]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, env=speaker.environment)
    assert isinstance(parse(parent.stdout.readline()), DeviceCode)
    parent.kill()
    assert parent.stdout.read() == b"", "the pipe ends when its last holder has gone"
    parent.communicate()


def test_killed_at_any_moment_the_sign_in_is_kept(signed_in: Speaker) -> None:
    """Ten workers that are killed as they fetch; the next one is signed in, and tidies up."""
    for _ in range(10):
        child = signed_in.start(force=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.communicate(timeout=random.uniform(0.05, 0.8))
        child.send_signal(signal.SIGKILL)
        child.communicate()
        assert signed_in.file.load().record["username"] == ACCOUNT
    assert signed_in.token(force=True).account == ACCOUNT
    assert list(signed_in.run.iterdir()) == []
