"""What systemd, the kernel and the board say, and what it means."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from speakerd.doctor import machine
from speakerd.doctor.machine import (
    State,
    exposure,
    groups_of,
    judge_memory,
    judge_power,
    judge_sandbox,
    judge_state,
    judge_unit,
)
from speakerd.doctor.report import Verdict

UNIT = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "UnitFileState": "enabled",
    "NRestarts": "0",
    "StatusText": 'listening for "hey jarvis"',
    "User": "speakerd",
    "LimitRTPRIO": "20",
    "WatchdogUSec": "30s",
}


@pytest.mark.parametrize(
    ("differs", "check", "verdict", "advice"),
    [
        ({}, "unit", Verdict.PASS, None),
        ({}, "enabled", Verdict.PASS, None),
        ({"LoadState": "not-found"}, "unit", Verdict.WARN, "sudo make install"),
        ({"ActiveState": "failed", "Result": "exit-code"}, "unit", Verdict.FAIL, "journalctl"),
        ({"ActiveState": "activating", "SubState": "auto-restart"}, "unit", Verdict.FAIL, "journalctl"),
        ({"ActiveState": "inactive", "SubState": "dead"}, "unit", Verdict.WARN, "systemctl start"),
        ({"NRestarts": "4"}, "unit", Verdict.WARN, "journalctl"),
        ({"UnitFileState": "disabled"}, "enabled", Verdict.WARN, "systemctl enable"),
    ],
)
def test_the_unit(differs: dict[str, str], check: str, verdict: Verdict, advice: str | None) -> None:
    line = next(line for line in judge_unit(UNIT | differs) if line.check == check)
    assert line.verdict is verdict
    assert (advice or "") in (line.advice or "")


@pytest.mark.parametrize(
    ("differs", "exposed", "groups", "check", "verdict"),
    [
        ({}, 1.3, ["audio"], "sandbox", Verdict.PASS),
        ({}, 1.3, ["audio"], "group", Verdict.PASS),
        ({}, 1.3, ["audio"], "real-time", Verdict.PASS),
        ({}, 1.3, ["audio"], "watchdog", Verdict.PASS),
        ({}, 9.2, ["audio"], "sandbox", Verdict.WARN),
        ({}, 1.3, ["speakerd"], "group", Verdict.FAIL),
        ({"User": ""}, 1.3, [], "group", Verdict.PASS),
        ({"LimitRTPRIO": "0"}, 1.3, ["audio"], "real-time", Verdict.WARN),
        ({"LimitRTPRIO": "infinity"}, 1.3, ["audio"], "real-time", Verdict.PASS),
        ({"WatchdogUSec": "0"}, 1.3, ["audio"], "watchdog", Verdict.WARN),
    ],
)
def test_the_sandbox(differs: dict[str, str], exposed: float, groups: list[str], check: str, verdict: Verdict) -> None:
    line = next(line for line in judge_sandbox(UNIT | differs, exposed, groups) if line.check == check)
    assert line.verdict is verdict


def test_what_nobody_analysed_has_no_line() -> None:
    assert "sandbox" not in {line.check for line in judge_sandbox(UNIT, None, ["audio"])}


def test_the_exposure_is_read_from_what_systemd_prints() -> None:
    assert exposure("…\n→ Overall exposure level for speakerd.service: 1.3 OK 🙂\n") == 1.3
    assert exposure("Failed to connect") is None


def test_the_groups_of_nobody_we_know() -> None:
    assert "root" in groups_of("root")
    assert groups_of("no-such-user-here") == []


@pytest.mark.parametrize(
    ("state", "verdict", "detail"),
    [
        (State(Path("/s"), 0o700, 900, writable=True), Verdict.PASS, "mode 0700, 900 MB"),
        (State(Path("/s"), 0o755, 900, writable=True), Verdict.WARN, "others can look"),
        (State(Path("/s"), 0o700, 3, writable=True), Verdict.FAIL, "full"),
        (State(Path("/s"), 0o700, 900, writable=False), Verdict.WARN, "not writable"),
        (State(Path("/s"), None, None, writable=False), Verdict.WARN, "not there"),
    ],
)
def test_the_state_folder(state: State, verdict: Verdict, detail: str) -> None:
    line = judge_state(state)
    assert line.verdict is verdict
    assert detail in line.detail


def test_the_state_folder_is_looked_at(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    seen = machine.see_state(tmp_path)
    assert (seen.mode, seen.writable) == (0o700, True)
    assert seen.free_mb is not None
    assert machine.see_state(tmp_path / "none").mode is None


def test_memory() -> None:
    assert judge_memory("MemTotal: 1 kB\nMemAvailable:   204800 kB\n")[0].data == {"available_mb": 200}
    assert judge_memory("MemAvailable:   20480 kB\n")[0].verdict is Verdict.WARN
    assert judge_memory("") == []


@pytest.mark.parametrize(
    ("word", "verdict", "detail"),
    [
        ("0x0", Verdict.PASS, "as they should be"),
        ("50005", Verdict.FAIL, "too low now; it is slowed down now; the voltage has been"),
        ("0x50000", Verdict.WARN, "has been too low"),
        ("0x80008", Verdict.FAIL, "too hot now"),
    ],
)
def test_power(word: str, verdict: Verdict, detail: str) -> None:
    """The firmware's word, with and without 0x."""
    (line,) = judge_power(word)
    assert line.verdict is verdict
    assert detail in line.detail


async def test_power_is_read_from_the_kernel(tmp_path: Path) -> None:
    """Another machine has none, and no line."""
    told = tmp_path / "get_throttled"
    told.write_text("1\n")
    assert (await machine.look_at_power(told))[0].verdict is Verdict.FAIL
    assert judge_power("") == []


async def test_a_program_that_is_not_there_or_fails_says_nothing() -> None:
    assert await machine.ask("no-such-program-here") is None
    assert await machine.ask(sys.executable, "-c", "raise SystemExit(1)") is None
    assert await machine.ask(sys.executable, "-c", "print(3)") == "3\n"


async def test_without_systemd_the_unit_is_not_looked_at(tmp_path: Path) -> None:
    (line,) = await machine.look_at_unit(tmp_path / "none")
    assert line.verdict is Verdict.WARN


def test_sound_devices(tmp_path: Path) -> None:
    assert machine.look_at_sound_access(tmp_path)[0].verdict is Verdict.WARN
    (tmp_path / "pcmC0D0p").touch()
    assert machine.look_at_sound_access(tmp_path)[0].verdict is Verdict.PASS


def test_versions_name_what_a_report_needs() -> None:
    told = machine.versions()
    assert told["packages"]["numpy"]
    assert told["python"] == sys.version.split()[0]


def program(folder: Path, name: str, prints: str) -> None:
    """Put a program there that prints this, whatever it is asked."""
    path = folder / name
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{prints}\nEND\n")
    path.chmod(0o755)


async def test_the_unit_is_looked_at_as_systemd_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line from what ``systemctl show`` and ``systemd-analyze security`` print."""
    shown = UNIT | {"User": "root", "StatusText": "a=b"}
    program(tmp_path, "systemctl", "\n".join(f"{name}={value}" for name, value in shown.items()))
    program(tmp_path, "systemd-analyze", "→ Overall exposure level for speakerd.service: 2.7 OK 🙂")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = {line.check: line for line in await machine.look_at_unit(booted=tmp_path)}
    assert list(found) == ["unit", "enabled", "sandbox", "group", "real-time", "watchdog"]
    assert found["unit"].detail == 'active (running), 0 restarts, "a=b"'
    assert (found["sandbox"].verdict, found["sandbox"].data["exposure"]) == (Verdict.WARN, 2.7)


async def test_a_systemd_that_does_not_answer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (line,) = await machine.look_at_unit(booted=tmp_path)
    assert line.verdict is Verdict.WARN
    assert "systemctl" in line.detail
