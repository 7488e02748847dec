"""The command line: names, help, exit codes. What the commands do is told by the tests of their own rooms."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from speakerd import __version__, cli
from speakerd.core.errors import AuthError, ConfigError, DeviceError, LinkError, Remedy, SpeakerdError, WakeError
from speakerd.host.control import ControlServer
from tests.fakes.command import environment

PAGE = """muted
  wake word      hey jarvis: last score -, 0 near misses, engine lean
  last turn      none yet
  counters       0 xruns, 0 gaps in replies, 0 cards lost, 0 late pieces of a reply
"""
"""Of a daemon that says little about itself."""

COMMANDS = (
    *("run", "demo", "chat", "check-config", "devices", "doctor", "status", "usage", "mute", "unmute", "stop", "wake"),
    *("say", "ask", "volume"),
    *("emulate", "bench", "fetch-models", "login", "logout"),
)
"""Of the contract, as far as their capability exists."""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("wrong"), 78),
        (LinkError("endpoint-invalid", "wrong", Remedy.EXIT), 78),
        (WakeError("wake-model-missing", "none", Remedy.OPERATOR), 78),
        (WakeError("wake-engine", "none", Remedy.OPERATOR), 78),
        (WakeError("wake-noise-library", "none", Remedy.OPERATOR), 78),
        (WakeError("wake-thread", "none", Remedy.OPERATOR), 1),
        (SpeakerdError("daemon-unreachable", "gone", Remedy.OPERATOR), 69),
        (AuthError("auth-expired", "old", Remedy.REAUTHENTICATE), 77),
        (AuthError("auth-key-missing", "none", Remedy.OPERATOR), 1),
        (DeviceError("device-lost", "gone", Remedy.RETRY), 1),
    ],
)
def test_exit_codes_follow_the_remedy(error: SpeakerdError, code: int) -> None:
    """78 is what systemd does not restart on, 69 nobody there, 77 sign in; all else is a failed check."""
    assert cli.exit_code(error) == code


def test_help_names_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """``--help`` teaches."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert "First steps" in shown
    for word in (*COMMANDS, "69", "77", "78"):
        assert word in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_of_its_own(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what the command does, and takes the global options."""
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert "--config" in shown
    assert "--log-level" in shown


@pytest.mark.parametrize("arguments", [[], ["sing"], ["run", "--loud"], ["emulate", "--tier", "best"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """And says what is right."""
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert "usage: speakerd" in capsys.readouterr().err


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    """``--version`` says which program this is."""
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"speakerd {__version__}\n"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Return a configuration without a fault."""
    path = tmp_path / "speakerd.yaml"
    path.write_text("assistant: {voice: cedar}\n")
    return path


def test_check_config_is_silent_about_what_is_good(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, and 0; the file may be named before or behind the command, or as its argument."""
    for arguments in (
        ["check-config", str(good)],
        ["-c", str(good), "check-config"],
        ["check-config", "-c", str(good)],
    ):
        assert cli.main(arguments) == 0
        assert capsys.readouterr().out == f"{good}: good\n"


def test_check_config_tells_every_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line each, in the order of the file, and 78."""
    path = tmp_path / "speakerd.yaml"
    path.write_text("assistant: {speed: 9, voise: marin}\nlogs: {}\n")
    assert cli.main(["check-config", str(path)]) == 78
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        [f"{path}:1:20", "assistant.speed"],
        [f"{path}:1:23", "assistant.voise"],
        [f"{path}:2:1", "logs"],
    ]


def test_check_config_tells_what_the_owner_should_know(
    good: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key in the environment is not used, and that is said."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "secret-1")
    assert cli.main(["check-config", str(good)]) == 0
    shown = capsys.readouterr().out
    assert "note: " in shown
    assert "AZURE_OPENAI_API_KEY" in shown
    assert "secret-1" not in shown


def test_a_configuration_that_is_not_there_is_exit_code_78(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who names a file means it."""
    assert cli.main(["run", "-c", str(tmp_path / "none.yaml")]) == 78
    assert "none.yaml" in capsys.readouterr().err


def test_devices_lists_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """With or without a card it says something, and ends with 0."""
    assert cli.main(["devices"]) == 0
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("command", ["status", "mute", "unmute", "stop", "wake"])
def test_nobody_there_is_exit_code_69(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says how to start the daemon."""
    monkeypatch.setenv("SPEAKERD_SOCKET", str(tmp_path / "control.sock"))
    assert cli.main([command]) == 69
    assert "systemctl start speakerd" in capsys.readouterr().err


async def test_commands_to_the_daemon_print_its_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line it says, the status for people, or all of it for programs; a refusal is 1 and its code."""
    asked = []

    def answer(request):
        asked.append(request["command"])
        if request["command"] == "stop":
            raise SpeakerdError("control-refused", "not now", Remedy.OPERATOR)
        return {"line": "muted", "phase": "idle", "wake": {"models": ["hey_jarvis"], "engine": "lean"}}

    socket = tmp_path / "control.sock"
    monkeypatch.setenv("SPEAKERD_SOCKET", str(socket))
    server = ControlServer(socket, dict.fromkeys(("status", "mute", "stop"), answer))
    serving = asyncio.create_task(server.run())
    await server.listening.wait()
    said = {}
    for arguments in (["mute"], ["status"], ["status", "--json"], ["stop"]):
        code = await asyncio.to_thread(cli.main, arguments)
        said[" ".join(arguments)] = (code, *capsys.readouterr())
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    assert asked == ["mute", "status", "status", "stop"]
    assert said["mute"] == (0, "muted\n", "")
    assert said["status"] == (0, PAGE, "")
    assert json.loads(said["status --json"][1])["wake"] == {"models": ["hey_jarvis"], "engine": "lean"}
    assert said["stop"] == (1, "", "speakerd: control-refused: not now\n")


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    """``speakerd ... | head`` ends without a traceback."""
    bad = tmp_path / "speakerd.yaml"
    bad.write_text("".join(f"key{number}: 1\n" for number in range(2000)))
    command = [sys.executable, "-m", "speakerd", "check-config", str(bad)]
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment(PYTHONUNBUFFERED="1"), **pipe) as process:
        process.stdout.close()
        told = process.stderr.read().decode()
        assert process.wait(timeout=20) in (1, 78)
    assert "Traceback" not in told
    assert "Exception ignored" not in told


def test_known_failures_of_parts_side_by_side_are_told_without_a_traceback() -> None:
    """The first known one is told, however deep it lies; its code is the exit code's reason."""
    first = LinkError("endpoint-invalid", "wrong", Remedy.EXIT)
    group = BaseExceptionGroup("parts", [BaseExceptionGroup("inner", [first]), DeviceError("x", "y", Remedy.RETRY)])
    assert cli._first(group) is first


@pytest.mark.parametrize("arguments", [["status", "--watch"], ["run"], ["bench", "--help"]])
def test_ctrl_c_while_it_is_loading_shows_no_traceback(arguments: list[str], tmp_path: Path) -> None:
    """Whoever was too quick is not shown our insides: pressed at the first moment that is ours, it simply ends."""
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "speakerd", *arguments],
        env=environment(SPEAKERD_SOCKET=str(tmp_path / "control.sock"), STATE_DIRECTORY=str(tmp_path)),
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if line.rstrip().endswith("speakerd.core.errors"):  # in the middle of loading the command line
            process.send_signal(signal.SIGINT)
            break
    said.append(process.stderr.read())
    process.stderr.close()
    assert process.wait() in (-signal.SIGINT, 130)
    assert "Traceback" not in "".join(said)
    assert "KeyboardInterrupt" not in "".join(said)
