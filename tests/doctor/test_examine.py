"""One check after the other, whatever becomes of one of them; and what the command prints of it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from pathlib import Path
from typing import Any

from speakerd.core.errors import DeviceError, Remedy
from speakerd.doctor.command import Page
from speakerd.doctor.command import run as run_command
from speakerd.doctor.examine import Examination
from speakerd.doctor.patience import in_thread
from speakerd.doctor.report import Line, Verdict, failed, passed
from tests.fakes.other_user import without_rights


def examination(tmp_path: Path, told: list[Line]) -> Examination:
    return Examination(None, {}, tmp_path / "none", begin=lambda _group, _name: None, tell=told.append)


async def test_a_check_that_hangs_or_breaks_stops_no_other(tmp_path: Path) -> None:
    """Each is told as a failure of its own."""
    told: list[Line] = []
    looked = examination(tmp_path, told)

    async def hang() -> list[Line]:
        await asyncio.Event().wait()
        return []

    async def break_down() -> list[Line]:
        raise ZeroDivisionError("a bug")

    async def lose() -> list[Line]:
        raise DeviceError("device-lost", "unplugged", Remedy.RETRY)

    async def work() -> list[Line]:
        return [passed("good", "yes")]

    for name, look in (("hang", hang), ("bug", break_down), ("lost", lose), ("good", work)):
        await looked._check("Group", name, look, timeout_s=0.0 if name == "hang" else 5.0)
    assert [(line.check, line.verdict) for line in told] == [
        ("hang", Verdict.FAIL),
        ("bug", Verdict.FAIL),
        ("lost", Verdict.FAIL),
        ("good", Verdict.PASS),
    ]
    assert "ZeroDivisionError: a bug" in told[1].detail
    assert told[2].data["code"] == "device-lost"
    assert [line for _, line in looked.report.lines] == told


async def test_a_check_can_be_interrupted(tmp_path: Path) -> None:
    """What is known stays known, and nothing is made up about the one that was running."""
    told: list[Line] = []
    looked = examination(tmp_path, told)
    begun = asyncio.Event()

    async def hang() -> list[Line]:
        begun.set()
        await asyncio.Event().wait()
        return []

    task = asyncio.create_task(looked._check("Group", "hang", hang))
    await begun.wait()
    task.cancel()
    assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
    assert told == []


async def test_a_daemon_that_may_not_be_asked_is_no_daemon_that_stands_still(tmp_path: Path) -> None:
    """The advice is another one."""
    control = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(control))
        os.chmod(control, 0)  # noqa: PTH101 - a socket's path, in a test
        looked = Examination(None, {}, control, begin=lambda _group, _name: None, tell=lambda _line: None)
        with without_rights():
            (denied,) = await looked._ask_daemon()
    (gone,) = await examination(tmp_path, [])._ask_daemon()
    assert (denied.verdict, gone.verdict) == (Verdict.WARN, Verdict.WARN)
    assert "sudo speakerd doctor" in str(denied.advice)
    assert "systemctl start" in str(gone.advice)


async def test_work_in_a_thread_gives_what_it_gave() -> None:
    assert await in_thread(lambda: 3, "test") == 3
    (error,) = await asyncio.gather(in_thread(lambda: 1 // 0, "test"), return_exceptions=True)
    assert isinstance(error, ZeroDivisionError)


def test_a_page_shows_what_is_being_looked_at_on_a_terminal_only() -> None:
    for live in (True, False):
        shown: list[str] = []
        page = Page(shown.append, live=live)
        page.begin("Sound", "sound-devices")
        page.tell(passed("a", "x"))
        page.begin("Sound", "b")
        page.tell(failed("b", "y", "z"))
        page.begin("Network", "c")
        page.clear()
        text = "".join(shown)
        assert ("....  sound devices" in text) is live
        assert ("\r" in text) is live
        assert [line for line in text.replace("\r", "\n").split("\n") if line.strip() and "...." not in line] == [
            *("Sound", "  pass  a: x", "  fail  b: y", "        do: z", "Network"),
        ]


def run(tmp_path: Path, **options: Any) -> tuple[int, str, str]:
    """Run the command on a configuration that is wrong: the machine is looked at all the same."""
    file = tmp_path / "wrong.yaml"
    file.write_text("assistant: {voce: marin}\n")
    out: list[str] = []
    err: list[str] = []
    wanted = {"live": False, "as_json": False, "say": False, "bundle": None, **options}
    environment = {"STATE_DIRECTORY": str(tmp_path)}
    code = run_command(file, environment, tmp_path / "none", write=out.append, complain=err.append, **wanted)
    return code, "".join(out), "".join(err)


def test_a_wrong_configuration_fails_and_says_where(tmp_path: Path) -> None:
    code, out, _ = run(tmp_path)
    assert code == 1
    assert "  fail  configuration: " in out
    assert "wrong.yaml:1:13: assistant.voce" in out
    assert "did you mean" in out
    assert "check-config" in out
    assert "\nMachine\n" in out
    assert "chirp" not in out
    assert out.rstrip().endswith("1 failed")


def test_the_json_is_one_object_and_nothing_else(tmp_path: Path) -> None:
    code, out, _ = run(tmp_path, as_json=True)
    found = json.loads(out)
    assert (code, found["ok"], found["complete"], found["schema"]) == (1, False, True, 1)
    assert {group["name"] for group in found["groups"]} == {"Configuration", "Machine"}


def test_an_archive_goes_where_nothing_is_yet(tmp_path: Path) -> None:
    """That is said before anything is looked at."""
    there = tmp_path / "there.tar.gz"
    there.touch()
    code, out, err = run(tmp_path, bundle=there)
    assert (code, out) == (2, "")
    assert "is there already" in err
    code, _, err = run(tmp_path, bundle=tmp_path / "none" / "x.tar.gz")
    assert code == 2
    assert "no folder" in err


def test_an_archive_is_written_also_when_something_failed(tmp_path: Path) -> None:
    code, out, _ = run(tmp_path, bundle=tmp_path / "x.tar.gz")
    assert code == 1
    assert "wrote" in out
    assert (tmp_path / "x.tar.gz").stat().st_mode & 0o777 == 0o600
