"""Signing in and out on the terminal: through the daemon, alone, and what is said when it does not work."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import pwd
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from speakerd import cli
from speakerd.core.errors import AuthError, ConfigError, Remedy, SpeakerdError
from speakerd.core.settings import Auth
from speakerd.core.sign_in_fault import Fault
from speakerd.host.client import request
from speakerd.host.code_page import CodePage
from speakerd.host.control import ControlServer
from speakerd.identity import wish_of
from speakerd.login import Desk
from speakerd.sign_in_alone import SERVICE_USER, Alone, alone_of, whose, worker_of
from speakerd.sign_in_desk import SignInDesk
from tests.fakes.attempts import BLOCKED, CODE, OFFLINE, TOKEN, NotingKeeper, ToldAttempts
from tests.fakes.entra import Entra
from tests.fakes.entra_directory import SCOPE

CLIENT = "11111111-2222-3333-4444-555555555555"
HERE = {
    "user_code": CODE.user_code,
    "verification_uri": CODE.verification_uri,
    "expires_in_s": 900.0,
    "joined": False,
}
WAITING = {"state": "waiting", "expires_in_s": 899.0}
DONE = {"state": "signed_in", "account": "ann@example.com", "tenant": "contoso.example", "kept": True}


def refusal(code, message="no"):
    return SpeakerdError(code, message, Remedy.OPERATOR)


def absent():
    error = refusal("daemon-unreachable", "not running")
    error.__cause__ = FileNotFoundError()
    return error


class Terminal:
    """A desk before a daemon that answers as told, and what is shown there."""

    def __init__(self, *answers, method="device_code", columns=None, daemon=True):
        self.answers = [*answers]
        self.asked = []
        self.attempts = ToldAttempts()
        self.auth = Auth(method=method, tenant="contoso.example", client=CLIENT)
        self.out = io.StringIO()
        self.complaints = []
        self.desk = Desk(
            ask=self.ask if daemon else None,
            alone=self.alone,
            page=CodePage(self.out, columns),
            complain=self.complaints.append,
            tick_s=0.0,
        )

    def ask(self, command, *, timeout_s, **arguments):
        assert timeout_s > arguments.get("wait_s", 0)
        self.asked.append(command)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def alone(self):
        return Alone(self.auth, self.attempts, "as ann", Path("/some/where"))

    @property
    def shown(self):
        return self.out.getvalue()


# --- through the daemon ----------------------------------------------------------------------------------------------


def test_through_the_daemon():
    """Address and code are shown, and who is signed in when it is done; the configuration is not even read."""
    terminal = Terminal(HERE, WAITING, WAITING, DONE)
    assert terminal.desk.login() == 0
    assert terminal.asked == ["login", "login-wait", "login-wait", "login-wait"]
    assert CODE.verification_uri in terminal.shown
    assert CODE.user_code in terminal.shown
    last = terminal.shown.splitlines()[-1]
    assert last == "signed in as ann@example.com (tenant contoso.example); the speaker is ready; refreshes by itself"
    assert terminal.attempts.calls == []


def test_the_time_left_is_shown_on_a_terminal():
    """One line, gone in the end."""
    terminal = Terminal(HERE, WAITING, DONE, columns=70)
    terminal.desk.login()
    assert "waiting for you (Ctrl-C ends it), 15:00 left" in terminal.shown
    assert "waiting for you (Ctrl-C ends it), 14:59 left" in terminal.shown
    assert terminal.shown.split("\r")[-1].startswith("signed in as")


def test_a_pipe_sees_no_progress():
    """Nor a carriage return."""
    terminal = Terminal(HERE, WAITING, DONE)
    terminal.desk.login()
    assert "waiting" not in terminal.shown
    assert "\r" not in terminal.shown


def test_what_the_daemon_could_not_keep_is_no_sign_in():
    """It would be gone at the next refresh, after "refreshes by itself"."""
    terminal = Terminal(HERE, {**DONE, "kept": False})
    assert terminal.desk.login() == 77
    assert terminal.complaints[0].startswith("auth-state: signed in, but it could not be kept")
    assert "by itself" not in terminal.shown


def test_who_joins_is_told():
    """The code may be on another terminal, too."""
    terminal = Terminal({**HERE, "joined": True}, DONE)
    assert terminal.desk.login() == 0
    assert terminal.shown.startswith("a sign-in is under way already")


@pytest.mark.parametrize("answers", [[refusal("auth-blocked")], [HERE, WAITING, refusal("auth-blocked")]])
def test_a_refused_sign_in_is_77(answers):
    """With the verdict's code, and what to do."""
    terminal = Terminal(*answers)
    assert terminal.desk.login() == 77
    assert terminal.complaints == ["auth-blocked: no"]


@pytest.mark.parametrize("code", ["daemon-unreachable", "control-command", "control-unsafe"])
@pytest.mark.parametrize("command", ["login", "logout"])
def test_a_daemon_that_is_there_and_does_not_answer_is_an_error(code, command):
    """Nothing is done behind its back: two sign-ins would be in each other's way."""
    error = refusal(code)
    error.__cause__ = PermissionError()
    terminal = Terminal(error)
    with pytest.raises(SpeakerdError) as caught:
        getattr(terminal.desk, command)()
    assert caught.value is error
    assert terminal.attempts.calls == []


@pytest.mark.parametrize("answers", [[KeyboardInterrupt()], [HERE, WAITING, KeyboardInterrupt()]])
def test_ctrl_c_ends_it_on_the_daemons_side_too(answers):
    """And says so."""
    terminal = Terminal(*answers, {"cancelled": True})
    assert terminal.desk.login() == 77
    assert terminal.asked[-1] == "login-cancel"
    assert terminal.shown.endswith("cancelled, nobody was signed in\n")


def test_ctrl_c_that_comes_too_late_promises_nothing():
    """Somebody may have been signed in at that moment."""
    terminal = Terminal(HERE, KeyboardInterrupt(), {"cancelled": False})
    assert terminal.desk.login() == 77
    assert "had ended already" in terminal.shown


def test_ctrl_c_without_a_daemon_any_more_is_told():
    """The code still ends by itself."""
    terminal = Terminal(HERE, KeyboardInterrupt(), absent())
    assert terminal.desk.login() == 77
    assert "the code ends by itself" in terminal.shown


@pytest.mark.parametrize("method", ["none", "api_key"])
def test_without_entra_there_is_nothing_to_sign_in(method):
    """It says what is used instead; that is no failure."""
    terminal = Terminal({"method": method})
    assert terminal.desk.login() == 0
    assert terminal.shown.startswith(f"nothing to sign in: auth.method is {method}, ")


@pytest.mark.parametrize(("account", "of_whom"), [(None, ""), ("ann@example.com", ", for ann@example.com")])
def test_what_works_without_a_person_is_told(account, of_whom):
    """The method, and for whom, where that is known."""
    terminal = Terminal({"method": "azure_cli", "works": True, "account": account})
    assert terminal.desk.login() == 0
    assert terminal.shown == f"nothing to sign in: azure_cli works{of_whom}\n"


def test_what_does_not_work_without_a_person_is_77():
    """With the reason and what to do."""
    terminal = Terminal({"method": "certificate", "works": False, "code": "auth-x", "message": "it is over"})
    assert terminal.desk.login() == 77
    assert terminal.complaints == ["auth-x: nothing to sign in: certificate does not work, because it is over"]


# --- alone -----------------------------------------------------------------------------------------------------------


def test_without_a_daemon_it_is_done_here():
    """It says so, and as whom; afterwards it sees whether the sign-in was kept."""
    terminal = Terminal(absent())
    terminal.attempts.login_ends = TOKEN
    assert terminal.desk.login() == 0
    assert terminal.shown.startswith("no daemon answers, so it is done here: as ann, in /some/where\n")
    assert CODE.user_code in terminal.shown
    assert "signed in as ann@example.com (tenant contoso.example), for the speaker" in terminal.shown
    assert terminal.attempts.calls == ["login", "login over", "fetch"]


def test_local_does_not_ask_the_daemon():
    """Even where there is one."""
    terminal = Terminal(daemon=False)
    terminal.attempts.login_ends = TOKEN
    assert terminal.desk.login() == 0
    assert terminal.shown.startswith("alone, as asked: as ann")
    assert terminal.asked == []


@pytest.mark.parametrize(("fault", "code"), [(BLOCKED, "auth-blocked"), (OFFLINE, "auth-no-network")])
def test_alone_a_refused_sign_in_is_77(fault, code, caplog):
    """With the verdict's code, and what to do; the facts that an administrator wants are logged."""
    terminal = Terminal(daemon=False)
    terminal.attempts.login_ends = fault
    assert terminal.desk.login() == 77
    assert terminal.complaints[0].startswith(f"{code}: ")
    assert "signed in" not in terminal.shown
    assert fault.error in caplog.text


def test_a_record_has_a_line_of_its_own():
    """The log is on the same terminal; it came behind the time that was left."""
    terminal = Terminal(daemon=False, columns=70)
    terminal.attempts.login_ends = BLOCKED
    shown = []
    log, handler = logging.getLogger("speakerd.auth"), logging.Handler()
    handler.emit = lambda _record: shown.append(terminal.shown)
    log.addHandler(handler)
    try:
        assert terminal.desk.login() == 77
    finally:
        log.removeHandler(handler)
    assert [text[-1] for text in shown] == ["\r"]


def test_a_sign_in_that_is_not_kept_is_none():
    """Nobody else would have its token."""
    terminal = Terminal(daemon=False)
    terminal.attempts.login_ends = TOKEN
    terminal.attempts.fetched = Fault("", missing=None, oauth_error="invalid_grant")
    assert terminal.desk.login() == 77
    assert terminal.complaints[0].startswith("auth-state: signed in, but it could not be kept")


def test_a_sign_in_that_cannot_be_tried_is_none_either():
    """The network may go in between."""
    terminal = Terminal(daemon=False)
    terminal.attempts.login_ends = TOKEN
    terminal.attempts.fetched = OFFLINE
    assert terminal.desk.login() == 77
    assert terminal.complaints[0].startswith("auth-no-network: ")


def test_alone_ctrl_c_ends_the_attempt():
    """Its process is gone, and it says so."""
    terminal = Terminal(daemon=False)
    terminal.attempts.login_ends = KeyboardInterrupt()
    assert terminal.desk.login() == 77
    assert terminal.shown.endswith("cancelled, nobody was signed in\n")
    assert terminal.attempts.calls == ["login", "login over"]


def test_alone_the_time_left_is_shown():
    """From the asking to the code's end."""
    terminal = Terminal(daemon=False, columns=70)
    terminal.attempts.login_ends = TOKEN
    terminal.desk.login()
    assert "left" in terminal.shown


@pytest.mark.parametrize(("fetched", "code"), [(TOKEN, 0), (OFFLINE, 77)])
def test_alone_a_token_proves_what_needs_no_person(fetched, code):
    """Nobody is asked for anything."""
    terminal = Terminal(method="managed_identity", daemon=False)
    terminal.attempts.fetched = fetched
    assert terminal.desk.login() == code
    assert terminal.attempts.calls == ["fetch"]
    assert "nothing to sign in: managed_identity" in terminal.shown + "".join(terminal.complaints)


def test_a_wrong_configuration_is_told_as_such():
    """It is read only by who works alone; the command line makes 78 of it."""
    terminal = Terminal(absent())
    error = ConfigError("wrong")

    def alone():
        raise error

    terminal.desk._alone = alone
    with pytest.raises(ConfigError):
        terminal.desk.login()
    assert cli.exit_code(error) == 78


@pytest.fixture
def no_daemon(tmp_path, monkeypatch):
    monkeypatch.setenv("SPEAKERD_SOCKET", str(tmp_path / "control.sock"))
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    return tmp_path / "speakerd.yaml"


@pytest.mark.parametrize(
    ("text", "arguments", "code", "told"),
    [
        ("auth:\n  method: none\n", ["login"], 0, "nothing to sign in: auth.method is none"),
        ("auth:\n  method: none\n", ["login", "--local"], 0, "nothing to sign in: auth.method is none"),
        ("auth:\n  method: none\n", ["logout", "--local"], 0, "nobody was signed in"),
        ("auth:\n  method: magic\n", ["login"], 78, "auth.method"),
    ],
)
def test_the_command_line(no_daemon, capsys, *, text, arguments, code, told):
    """Both commands, with the configuration that is named."""
    no_daemon.write_text(text)
    assert cli.main(["-c", str(no_daemon), *arguments]) == code
    shown = capsys.readouterr()
    assert told in shown.out + shown.err


# --- signing out -----------------------------------------------------------------------------------------------------


def test_signed_out_through_the_daemon():
    """It says what it does not do, and where that is done."""
    terminal = Terminal({"was_signed_in": True, "method": "device_code"})
    assert terminal.desk.logout() == 0
    assert terminal.shown.startswith("signed out: the sign-in is gone from this machine\n")
    assert "https://mysignins.microsoft.com" in terminal.shown
    assert "revoke" in terminal.shown


def test_signed_out_alone():
    """It says as whom."""
    terminal = Terminal(absent())
    assert terminal.desk.logout() == 0
    assert terminal.attempts.calls == ["logout"]
    assert terminal.shown.splitlines()[:2] == [
        "no daemon answers, so it is done here: as ann, in /some/where",
        "signed out: the sign-in is gone from this machine",
    ]


def test_who_was_not_signed_in_is_told():
    """Nothing is to be revoked then."""
    terminal = Terminal({"was_signed_in": False, "method": "certificate"})
    assert terminal.desk.logout() == 0
    assert terminal.shown.startswith("nobody was signed in")
    assert "revoke" not in terminal.shown
    assert "auth.method is certificate" in terminal.shown


def test_what_cannot_be_removed_is_an_error():
    """And not 77: nobody is to sign in."""
    error = AuthError("auth-state", "no", Remedy.OPERATOR)
    with pytest.raises(AuthError):
        Terminal(error).desk.logout()
    assert cli.exit_code(error) == 1


# --- as whom ---------------------------------------------------------------------------------------------------------


def test_alone_as_who_asks(tmp_path):
    """Where there is no such user, or somebody else asks: in their own folder."""
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    alone = alone_of(Auth(), environment, tmp_path / "absent", "no-such-user-here")
    assert alone.who == f"as {pwd.getpwuid(os.geteuid()).pw_name}"
    assert alone.state == tmp_path / ".local/state/speakerd"


def test_alone_where_the_daemon_keeps_it_if_allowed(tmp_path):
    """The service's user finds the service's folder by itself."""
    alone = alone_of(Auth(), {"HOME": str(tmp_path / "home")}, tmp_path, "no-such-user-here")
    assert alone.state == tmp_path


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_who_may_not_use_the_services_folder_is_told():
    """The sign-in is then their own, and the service's another."""
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as service:
        os.setresuid(nobody.pw_uid, nobody.pw_uid, 0)
        try:
            alone = alone_of(Auth(), {"HOME": "/home/ann"}, Path(service), "no-such-user-here")
        finally:
            os.setresuid(0, 0, 0)
    assert alone.who == "as nobody, which is not the service's sign-in (sudo speakerd login)"
    assert alone.state == Path("/home/ann/.local/state/speakerd")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_root_becomes_the_services_user(tmp_path):
    """In the service's folder, or in that user's own where there is none."""
    nobody = pwd.getpwnam("nobody")
    assert alone_of(Auth(), {}, tmp_path, "nobody").state == tmp_path
    alone = alone_of(Auth(), {}, tmp_path / "absent", "nobody")
    assert alone.who == "as the service's user nobody"
    assert alone.state == Path(nobody.pw_dir) / ".local/state/speakerd"
    assert SERVICE_USER == "speakerd"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_command_of_roots_signs_in_as_the_folders_owner(tmp_path):
    """``sudo speakerd chat``: the library trusts a cache only whose files are its own user's."""
    nobody = pwd.getpwnam("nobody")
    wish = wish_of(Auth(method="device_code", tenant="contoso.example", client=CLIENT), tmp_path)
    for owner in (nobody.pw_uid, 0):
        os.chown(tmp_path, owner, -1)
        assert worker_of(wish, {}).user == ("nobody" if owner else None)
    assert worker_of(replace(wish, state=tmp_path / "absent"), {}).user is None


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_whoever_has_a_sign_in_of_their_own_is_told():
    """They would sign in the speaker, and go on being signed out."""
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as service:
        assert whose({"HOME": "/home/ann"}, Path(service)) is None, "root is at home everywhere"
        os.setresuid(nobody.pw_uid, nobody.pw_uid, 0)
        try:
            told = whose({"HOME": "/home/ann"}, Path(service))
        finally:
            os.setresuid(0, 0, 0)
    assert told is not None
    assert told.startswith("as nobody, with a sign-in of your own, in /home/ann/.local/state/speakerd")
    assert ("--local" in told, "sudo" in told) == (True, True)


# --- with the real parts ---------------------------------------------------------------------------------------------


class Person(CodePage):
    """Somebody who enters each code that is shown."""

    def __init__(self, authority):
        self.out = io.StringIO()
        self.authority = authority
        super().__init__(self.out, None)

    def show(self, verification_uri, user_code):
        super().show(verification_uri, user_code)
        self.authority.directory.approve(user_code)


@pytest.fixture
def authority(tmp_path):
    with Entra(tmp_path / "authority") as entra:
        entra.directory.interval_s = 1
        yield entra


def alone_at(authority, tmp_path):
    directory = authority.directory
    auth = Auth(method="device_code", tenant=directory.tenant, client=directory.client, scope=SCOPE)
    environment = {"PATH": os.environ["PATH"], "STATE_DIRECTORY": str(tmp_path / "state"), **authority.environment}
    return alone_of(auth, environment, user="no-such-user-here")


@pytest.mark.timeout(300)
async def test_through_a_real_daemons_socket(authority, tmp_path):
    """Desk, socket, daemon's desk, worker and library against a stand-in for Entra: signed in, spoken, signed out."""
    alone, keeper, spoken, told = alone_at(authority, tmp_path), NotingKeeper(), [], []
    desk = SignInDesk(
        alone.auth, alone.attempts, keeper, speak=lambda _uri, code: spoken.append(code), is_muted=lambda: False
    )
    socket = tmp_path / "run/control.sock"
    server = ControlServer(socket, desk.handlers)
    serving = asyncio.create_task(server.run())
    await server.listening.wait()
    person = Person(authority)
    terminal = Desk(ask=partial(request, socket), alone=lambda: alone, page=person, complain=told.append)
    assert await asyncio.to_thread(terminal.login) == 0, told
    assert f"signed in as {authority.directory.account}" in person.out.getvalue()
    assert spoken[0] in person.out.getvalue()
    (token,) = keeper.heard
    assert authority.directory.judge(token.secret) == "ok"
    assert await asyncio.to_thread(terminal.logout) == 0
    assert "signed out" in person.out.getvalue()
    assert keeper.heard[1:] == [None]
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    for secret in authority.directory.secrets():
        assert secret not in person.out.getvalue()


@pytest.mark.timeout(300)
def test_alone_with_a_real_worker(authority, tmp_path):
    """No daemon answers: signed in, kept, signed out; a declined sign-in is told as what it is."""
    alone, told, person = alone_at(authority, tmp_path), [], Person(authority)
    ask = partial(request, tmp_path / "run/control.sock")
    terminal = Desk(ask=ask, alone=lambda: alone, page=person, complain=told.append)
    assert terminal.login() == 0, told
    assert f"signed in as {authority.directory.account}" in person.out.getvalue()
    assert list((tmp_path / "state").rglob("account.json"))
    assert terminal.logout() == 0
    assert not list((tmp_path / "state").rglob("account.json*"))
    person.authority.directory.approve = authority.directory.decline
    assert terminal.login() == 77
    assert told[0].startswith("auth-declined: ")
