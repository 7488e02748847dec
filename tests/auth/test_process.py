"""Workers: what they get, what is heard of them, and that none is left behind."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import pwd
import signal
import sys
import tempfile
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from speakerd.auth.cache import Account, AccountFile
from speakerd.auth.child import NICENESS, needed_of
from speakerd.auth.process import _COMMAND, DeviceCode, SignInFailed, Wish, Worker
from speakerd.core.errors import AuthError, Remedy
from speakerd.core.sign_in import SignInState
from speakerd.core.sign_in_fault import Fault, classify
from speakerd.core.token_life import Token

TOKEN = {"event": "token", "token": "eyJ.one", "expires_in_s": 3600, "refresh_in_s": 1800, "account": "ann@example.com"}
CODE = {"event": "code", "user_code": "ABCD1234", "verification_uri": "https://example.com/d", "expires_in_s": 60}
FOR_EVER = "\nwhile True: time.sleep(100)"
BEGIN = """
import json, os, sys, time
request = json.loads(sys.stdin.readline())
def say(**event): print(json.dumps(event), flush=True)
"""
WISH = Wish("device_code", "a-tenant", "an-app", "https://example.com/.default", None, Path("/var/lib/speakerd"))


class Program:
    """A worker that does what a test says; its processes can be found by its name."""

    def __init__(self, body: str) -> None:
        self.name = f"worker-{uuid.uuid4()}"
        self.command = (sys.executable, "-I", "-S", "-c", f"# {self.name}\n{BEGIN}{body}")

    def worker(self, environment: dict[str, str] | None = None, *, wish: Wish = WISH, **options: Any) -> Worker:
        options = {"timeout_s": 60.0, "now": lambda: 1000.0, "command": self.command, **options}
        return Worker(wish, environment or {}, **options)

    def running(self) -> list[int]:
        """Return its processes, and those of its children."""
        return [int(process.name) for process in Path("/proc").glob("[0-9]*") if self.name in command_of(process)]

    async def gone(self) -> None:
        """Wait until none runs any more: a child's child is killed too, and nobody is told when that is done."""
        async with asyncio.timeout(60):
            while self.running():  # noqa: ASYNC110 - nobody to wait for
                await asyncio.sleep(0.01)


def command_of(process: Path) -> str:
    try:
        return (process / "cmdline").read_text(errors="replace")
    except OSError:  # it ended meanwhile
        return ""


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def says(*events: dict[str, Any]) -> str:
    return "\n".join(f"say(**{event!r})" for event in events)


async def failure(worker: Worker) -> Fault:
    with pytest.raises(SignInFailed) as caught:
        await worker.fetch()
    return caught.value.fault


async def told(tmp_path: Path, body: str, environment: dict[str, str] | None = None, **options: Any) -> Any:
    """Return what a worker finds out about itself: the value of ``found`` in its program."""
    path = tmp_path / "found"
    program = Program(f"{body}\nopen({str(path)!r}, 'w').write(json.dumps(found))\n{says(TOKEN)}")
    await program.worker(environment, **options).fetch()
    return json.loads(path.read_text())


# --- what it gets ----------------------------------------------------------------------------------------------------


async def test_a_worker_is_asked_by_one_line(tmp_path: Path) -> None:
    """The configuration of signing in goes through its standard input, and ends there."""
    assert await told(tmp_path, "found = [request, sys.stdin.read()]") == [
        {
            "do": "fetch",
            "method": "device_code",
            "tenant": "a-tenant",
            "client": "an-app",
            "scope": "https://example.com/.default",
            "certificate_file": None,
            "state": "/var/lib/speakerd",
            "force": False,
        },
        "",
    ]


async def test_its_arguments_say_nothing() -> None:
    """Everybody on the machine can read them."""
    assert _COMMAND[1:] == ("-I", "-m", "speakerd.auth.worker")


async def test_a_worker_inherits_nothing_but_its_pipes(tmp_path: Path) -> None:
    """No open file of ours, not even one that is marked as inheritable, no working directory, no terminal."""
    with (tmp_path / "open").open("w") as ours:
        os.set_inheritable(ours.fileno(), True)
        found = await told(
            tmp_path,
            "fds = {fd: os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd') if int(fd) < 100"
            " and os.path.exists(f'/proc/self/fd/{fd}')}\n"
            "found = [fds, os.getcwd(), os.umask(0), os.getsid(0) == os.getpid()]",
        )
    fds, directory, umask, leads = found
    assert {"0", "1"} <= fds.keys() <= {"0", "1", "2"}
    assert fds["2"] == "/dev/null"
    assert [directory, umask, leads] == ["/", 0o077, True]


async def test_a_worker_gives_way_to_sound(tmp_path: Path) -> None:
    """It is nicer than the daemon, before it loads anything."""
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    found = await told(tmp_path, "found = os.getpriority(os.PRIO_PROCESS, 0)")
    assert found == max(ours, NICENESS)


async def test_a_worker_gets_the_environment_that_signing_in_knows(tmp_path: Path) -> None:
    """No key of ours, nothing that would choose another identity; proxies and private authorities in either case."""
    ours = {
        "PATH": os.environ["PATH"],
        "https_proxy": "http://proxy.example:3128",
        "REQUESTS_CA_BUNDLE": "/etc/company.pem",
        "AZURE_CLIENT_ID": "another",
        "AZURE_OPENAI_API_KEY": "hunter2",
        "NOTIFY_SOCKET": "/run/systemd/notify",
        "PYTHONSTARTUP": "/tmp/x",
    }
    found = await told(tmp_path, "found = dict(os.environ)", ours)
    assert {name for name in found if name in ours} == {"PATH", "https_proxy", "REQUESTS_CA_BUNDLE"}


@pytest.mark.parametrize("method", ["azure_cli", "default"])
def test_a_developers_environment_goes_along_without_keys(method: str) -> None:
    """There the environment chooses the identity; a key for the service is still nobody else's business."""
    ours = {"AZURE_CLIENT_ID": "x", "AZURE_CONFIG_DIR": "/x", "AZURE_OPENAI_API_KEY": "hunter2", "NOTIFY_SOCKET": "/x"}
    assert needed_of(ours, method).keys() == {"AZURE_CLIENT_ID", "AZURE_CONFIG_DIR"}


async def test_a_user_that_is_not_there_is_named() -> None:
    """The service's user comes with its installation."""
    with pytest.raises(AuthError, match="no user nobody-at-all") as caught:
        Program("").worker(user="nobody-at-all")
    assert (caught.value.code, caught.value.remedy) == ("auth-user", Remedy.OPERATOR)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
async def test_a_worker_of_root_can_run_as_the_services_user() -> None:
    """With that user's groups and home, and without root's runtime directory."""
    nobody = pwd.getpwnam("nobody")
    script = (
        "read request; set -- $(id -u) $(id -g) $(id -G)\n"
        'echo "{\\"event\\": \\"token\\", \\"expires_in_s\\": 1, \\"token\\": '
        '\\"$1/$2/$3$4/$HOME/$USER/$XDG_RUNTIME_DIR\\"}"'
    )
    roots = {"HOME": "/root", "XDG_RUNTIME_DIR": "/run/user/0", "PATH": "/usr/bin:/bin"}
    token = await Program("").worker(roots, user="nobody", command=("/bin/sh", "-c", script)).fetch()
    user, group = nobody.pw_uid, nobody.pw_gid
    assert token.secret == f"{user}/{group}/{group}/{nobody.pw_dir}/nobody/"


# --- what is heard of it ---------------------------------------------------------------------------------------------


async def test_a_token_is_counted_on_our_clock() -> None:
    """Its remaining life begins when it comes, on the monotonic clock."""
    token = await Program(says(TOKEN, {"event": "saved"})).worker().fetch()
    assert token == Token("eyJ.one", 1000.0, 4600.0, 1800.0, "ann@example.com")


async def test_a_forced_fetch_says_so() -> None:
    """The worker is told that a kept token will not do."""
    forced = f"say(**{TOKEN!r} | {{'token': str(request['force'])}})"
    assert (await Program(forced).worker().fetch(force=True)).secret == "True"


async def test_a_fault_is_told_as_facts() -> None:
    """They are what the core sorts by."""
    fault = {
        "event": "fault",
        "error": "AuthenticationRequiredError",
        "oauth_error": "invalid_grant",
        "aadsts": [50173],
    }
    program = Program(says(fault) + "\nsys.exit(1)")
    assert classify(await failure(program.worker())).state is SignInState.SIGN_IN_REQUIRED


async def test_a_worker_that_dies_without_an_answer_has_failed(caplog: pytest.LogCaptureFixture) -> None:
    """By itself or by a signal; how it ended is in the journal."""
    assert await failure(Program("os._exit(3)").worker()) == Fault("WorkerSilent")
    assert await failure(Program("os.kill(os.getpid(), 9)").worker()) == Fault("WorkerSilent")
    assert [record.args[0] for record in caplog.records if record.levelno == logging.WARNING] == [3, -9]


async def test_a_worker_that_dies_before_it_was_asked_has_failed() -> None:
    """What was to be sent to it goes nowhere, and nobody minds."""
    command = (sys.executable, "-I", "-S", "-c", "import os; os.close(0); os._exit(1)")
    assert await failure(Program("").worker(command=command)) == Fault("WorkerSilent")


async def test_a_worker_that_cannot_be_started_has_failed(caplog: pytest.LogCaptureFixture) -> None:
    """It is not taken for an agent that refuses us, whatever the system said."""
    assert await failure(Program("").worker(command=("/nowhere/at-all",))) == Fault("WorkerNotStarted")
    assert classify(await failure(Program("").worker(command=("/",)))).code == "auth-failed"
    assert "cannot be started: No such file" in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        "print('Signed in!')",
        'print(\'{"event": "token"}\')',
        "sys.stdout.write('{\"event\": ')",
        "print()",
        "while True: print('x' * 1000)",
        "while True: sys.stdout.write('x' * 1000)",
        'while True: print(\'{"event": "saved"}\')',
        says(CODE),
    ],
)
async def test_nonsense_is_a_failure(body: str) -> None:
    """Too much is nonsense too, and so is a code where nobody asked for one; the worker is killed."""
    program = Program(f"{body}\nsys.stdout.flush(); os.close(1)" + FOR_EVER * ("write('{" not in body))
    assert await failure(program.worker()) == Fault("WorkerNonsense")
    assert program.running() == []


async def test_a_token_behind_which_nonsense_comes_is_good() -> None:
    """The person would gain nothing if it were thrown away."""
    assert (await Program(says(TOKEN) + "\nprint('bye')").worker().fetch()).secret == "eyJ.one"


async def test_a_sign_in_that_cannot_be_kept_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """The token is good all the same; that it can be kept again ends the matter."""
    body = "say(event='not_saved', reason='ENOSPC') if request['force'] else say(event='saved')"
    worker = Program(says(TOKEN) + "\n" + body).worker()
    warnings, kept = [], []
    for full in (True, True, False, True):
        assert (await worker.fetch(force=full)).secret == "eyJ.one"
        warnings.append(len(caplog.records))
        kept.append(worker.is_kept)
    assert warnings == [1, 1, 1, 2]
    assert kept == [False, False, True, False]
    assert "ENOSPC" in caplog.text


async def test_a_sign_in_that_a_newer_one_has_replaced_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    """What lies there is better."""
    await Program(says(TOKEN, {"event": "not_saved", "reason": "superseded"})).worker().fetch()
    assert caplog.records == []


async def test_nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Not even where a worker talks nonsense, and not at the finest level."""
    caplog.set_level(logging.DEBUG)
    await Program(says(TOKEN) + "\nprint('eyJ.one')").worker().fetch()
    await failure(Program("print('eyJ.one ABCD1234')").worker())
    assert "eyJ" not in caplog.text
    assert "ABCD" not in caplog.text


# --- signing a person in ---------------------------------------------------------------------------------------------


async def test_a_login_tells_the_code_and_ends_with_a_token() -> None:
    """The worker is asked to log in, and waits for the person."""
    codes: list[DeviceCode] = []
    program = Program(f"assert request['do'] == 'login'\n{says(CODE, TOKEN)}")
    assert (await program.worker().login(codes.append)).account == "ann@example.com"
    assert codes == [DeviceCode("ABCD1234", "https://example.com/d", 60.0)]


async def test_a_person_has_as_long_as_the_code_lives() -> None:
    """That may be longer than any attempt without a person."""
    program = Program(f"{says(CODE)}\ntime.sleep(3.1)\n{says(TOKEN)}")
    assert (await program.worker(timeout_s=3.0).login(lambda code: None)).secret == "eyJ.one"


async def test_a_login_ends_with_its_code() -> None:
    """A worker that does not notice is killed."""
    program = Program(says({**CODE, "expires_in_s": 0.0}) + FOR_EVER)
    with pytest.raises(SignInFailed):
        await program.worker(code_grace_s=0.01).login(lambda code: None)
    assert program.running() == []


# --- how it ends -----------------------------------------------------------------------------------------------------


async def test_a_worker_that_takes_too_long_is_killed() -> None:
    """For the person that is a network that does not answer."""
    program = Program("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)" + FOR_EVER)
    fault = await failure(program.worker(timeout_s=0.05))
    assert classify(fault).state is SignInState.NO_NETWORK
    assert program.running() == []


async def test_a_worker_that_cannot_end_is_killed_and_its_token_used() -> None:
    """A card that takes no more writes must not cost the token as well."""
    program = Program(says(TOKEN) + FOR_EVER)
    assert (await program.worker(timeout_s=3.0).fetch()).secret == "eyJ.one"
    assert program.running() == []


async def test_what_a_worker_has_started_goes_with_it() -> None:
    """The Azure CLI is a process of its own."""
    program = Program(f"if os.fork():\n    {says(CODE)}" + FOR_EVER)
    seen: list[int] = []
    coded = asyncio.Event()

    def on_code(code: DeviceCode) -> None:
        seen.extend(program.running())
        coded.set()

    login = asyncio.create_task(program.worker().login(on_code))
    await coded.wait()
    login.cancel()
    with pytest.raises(asyncio.CancelledError):
        await login
    assert len(seen) == 2
    await program.gone()


async def test_what_outlives_a_worker_goes_with_it() -> None:
    """An Azure CLI that hangs is given up by the library, which ends its shell and not the CLI itself."""
    program = Program(
        f"if os.fork():\n    {says({'event': 'fault', 'missing': 'az-broken'})}\n    os._exit(1)\nos.close(1){FOR_EVER}"
    )
    try:
        assert (await failure(program.worker())).missing == "az-broken"
        await program.gone()
    finally:
        for process in program.running():
            os.kill(process, signal.SIGKILL)


async def test_what_has_left_the_group_cannot_hold_us_up() -> None:
    """Neither by its life nor by the pipe that it has inherited; the token is good."""
    files = open_files()
    program = Program(f"if os.fork():\n    {says(TOKEN)}\n    os._exit(0)\nos.setsid(){FOR_EVER}")
    try:
        assert (await program.worker(timeout_s=3.0).fetch()).secret == "eyJ.one"
        await asyncio.sleep(0)
        assert open_files() == files
    finally:
        for process in program.running():
            os.kill(process, signal.SIGKILL)


async def test_a_login_that_is_given_up_leaves_no_process() -> None:
    """When it returns the worker is gone, not only told to go."""
    program = Program(says(CODE) + FOR_EVER)
    coded = asyncio.Event()
    login = asyncio.create_task(program.worker().login(lambda code: coded.set()))
    await coded.wait()
    assert len(program.running()) == 1
    login.cancel()
    with pytest.raises(asyncio.CancelledError):
        await login
    assert program.running() == []


def names(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir()]


COPY = """
import fcntl, pathlib
home = pathlib.Path(os.environ["RUNTIME_DIRECTORY"]) / "speakerd-sign-in-1"
home.mkdir()
fcntl.flock(os.open(home, os.O_RDONLY), fcntl.LOCK_EX)
(home / "cache").write_text("refresh-token")
"""
"""What a worker does with the sign-in; its lock is gone with it."""


async def test_a_login_that_is_given_up_leaves_no_copy_of_the_sign_in(tmp_path: Path) -> None:
    """A worker that is killed cannot tidy up, and after a logout no other one comes that would."""
    coded = asyncio.Event()
    program = Program(f"{COPY}{says(CODE)}{FOR_EVER}")
    login = asyncio.create_task(program.worker({"RUNTIME_DIRECTORY": str(tmp_path)}).login(lambda _code: coded.set()))
    await coded.wait()
    assert names(tmp_path) == ["speakerd-sign-in-1"]
    login.cancel()
    with pytest.raises(asyncio.CancelledError):
        await login
    assert names(tmp_path) == []


async def test_a_worker_that_died_leaves_no_copy_either(tmp_path: Path) -> None:
    """Whoever killed it."""
    await failure(Program(f"{COPY}os.kill(os.getpid(), 9)").worker({"RUNTIME_DIRECTORY": str(tmp_path)}))
    assert names(tmp_path) == []


async def test_a_fetch_that_is_given_up_before_it_began_leaves_no_process() -> None:
    """At every step of its start it can be cancelled."""
    program = Program(FOR_EVER.strip())
    for steps in range(6):
        fetch = asyncio.create_task(program.worker().fetch())
        for _ in range(steps):
            await asyncio.sleep(0)
        fetch.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetch
        assert program.running() == []


# --- signing out -----------------------------------------------------------------------------------------------------


def test_a_logout_leaves_nothing_and_says_whether_there_was_something(tmp_path: Path) -> None:
    """Neither the sign-in nor the generation before it; a second one finds nothing."""
    file = AccountFile(tmp_path)
    for user in ("ann", "bob"):
        file.save(Account({"username": user}, {}))
    worker = Program("").worker(wish=replace(WISH, state=tmp_path))
    assert worker.logout()
    assert file.load() == Account()
    assert [one.name for one in (tmp_path / "sign-in").iterdir()] == ["lock"]
    assert not worker.logout()


def test_a_logout_takes_the_copies_that_killed_workers_have_left(tmp_path: Path) -> None:
    """Those of a daemon that was killed, with its worker."""
    (tmp_path / "run" / "speakerd-sign-in-1").mkdir(parents=True)
    (tmp_path / "speakerd-sign-in-2").mkdir()
    environment = {"RUNTIME_DIRECTORY": str(tmp_path / "run")}
    assert not Program("").worker(environment, wish=replace(WISH, state=tmp_path)).logout()
    assert set(names(tmp_path)) <= {"run", "sign-in"}
    assert names(tmp_path / "run") == []


def test_a_sign_in_that_cannot_be_removed_is_an_error(tmp_path: Path) -> None:
    """Whoever signs out must know that it did not work."""
    (tmp_path / "sign-in").write_text("no folder")
    with pytest.raises(AuthError) as caught:
        Program("").worker(wish=replace(WISH, state=tmp_path)).logout()
    assert caught.value.code == "auth-state"


def test_a_logout_while_a_writer_hangs_is_an_error_and_ends(tmp_path: Path) -> None:
    """It waited for ever, and so did the daemon's end."""
    AccountFile(tmp_path).save(Account({"username": "ann"}, {}))
    with (tmp_path / "sign-in" / "lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(AuthError) as caught:
            Program("").worker(wish=replace(WISH, state=tmp_path)).logout()
    assert caught.value.code == "auth-state-busy"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_root_signs_out_as_the_services_user() -> None:
    """What belongs to that user is removed in its name; root is root again afterwards."""
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as name:
        state = Path(name)
        os.chown(state, nobody.pw_uid, nobody.pw_gid)
        folder = state / "sign-in"
        folder.mkdir(mode=0o700)
        for path in (folder, folder / "account.json"):
            path.touch()
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        assert Program("").worker(user="nobody", wish=replace(WISH, state=state)).logout()
        assert (folder / "lock").stat().st_uid == nobody.pw_uid
    assert (os.geteuid(), os.getegid()) == (0, os.getgid())
