"""This machine and the service on it: what systemd, the kernel and the board say. Judged by pure functions."""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
import re
import stat
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speakerd.doctor.report import Line, failed, passed, warned

UNIT = "speakerd.service"
"""The unit's name (contract)."""

PROPERTIES = (
    *("LoadState", "ActiveState", "SubState", "UnitFileState", "NRestarts", "Result", "WatchdogUSec", "User"),
    *("LimitRTPRIO", "MainPID", "StatusText", "FragmentPath"),
)
"""What systemd is asked about it (specified by systemd)."""

MOST_EXPOSED = 1.3
"""Of ``systemd-analyze security``; the unit as it ships has 1.3 (measured)."""

RT_PRIORITY = 10
"""What the audio threads ask for (contract of the unit)."""

FREE_MB, FREE_MEMORY_MB = 50, 60
"""Less is too little: the ledger and a journal need some, a start takes 80 MB of which most is shared (guess)."""

THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
"""A Pi's firmware tells here about power and heat (specified by Raspberry Pi)."""

COMMAND_TIMEOUT_S = 10.0
"""For a question to systemd (guess: milliseconds; its analysis takes a second on a Pi)."""

_THROTTLING = {
    0: "the voltage is too low now",
    2: "it is slowed down now",
    3: "it is too hot now",
    16: "the voltage has been too low since the start",
    18: "it has been slowed down since the start",
    19: "it has been too hot since the start",
}
"""Bits of the firmware's word (specified by Raspberry Pi)."""


@dataclass(frozen=True, slots=True)
class State:
    """The folder that keeps what outlives a start."""

    path: Path
    """Where it is."""

    mode: int | None
    """Its permissions; None: it is not there, or not for us to see."""

    free_mb: int | None
    """Room on its disk."""

    writable: bool
    """Whether this user may write there."""


async def ask(*command: str) -> str | None:
    """Return what a program of the system prints; None where it is not there, fails, or takes too long."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""},
        )
    except OSError:
        return None
    try:
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            said, _ = await process.communicate()
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return said.decode(errors="replace") if process.returncode == 0 else None


async def look_at_unit(booted: Path = Path("/run/systemd/system")) -> list[Line]:
    """Return what systemd says of the service.

    Args:
        booted: There where systemd runs the machine.
    """
    if not booted.is_dir():  # noqa: ASYNC240 - on /run, which never waits for a disk
        advice = "this is no installed machine; there, run: sudo speakerd doctor"
        return [warned("unit", "not looked at: systemd does not run this machine", advice)]
    shown = await ask("systemctl", "show", UNIT, f"--property={','.join(PROPERTIES)}")
    if shown is None:
        return [warned("unit", "systemctl gives no answer", "systemctl status; is the bus running?")]
    unit = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    lines = judge_unit(unit)
    if unit.get("LoadState") == "loaded":
        analysed = await ask("systemd-analyze", "security", "--no-pager", UNIT)
        lines += judge_sandbox(unit, exposure(analysed or ""), groups_of(unit.get("User") or "root"))
    return lines


def judge_unit(unit: Mapping[str, str]) -> list[Line]:
    """Return the verdicts on whether the service is installed, runs, and will after the next start.

    Args:
        unit: Its properties, as systemd shows them.
    """
    if unit.get("LoadState") != "loaded":
        return [
            warned("unit", f"{UNIT} is not installed here ({unit.get('LoadState', 'unknown')})", "sudo make install")
        ]
    state, sub, restarts = unit.get("ActiveState", ""), unit.get("SubState", ""), unit.get("NRestarts", "0")
    figures = {"active": state, "sub": sub, "restarts": restarts, "enabled": unit.get("UnitFileState", "")}
    said = f', "{unit["StatusText"]}"' if unit.get("StatusText") else ""
    detail = f"{state} ({sub}), {restarts} restarts{said}"
    if state == "failed" or sub == "auto-restart":
        advice = "journalctl -u speakerd -n 50 says why; then sudo systemctl restart speakerd"
        line = failed("unit", f"{detail}, result {unit.get('Result', 'unknown')}", advice, **figures)
    elif state != "active":
        line = warned("unit", detail, "sudo systemctl start speakerd", **figures)
    elif restarts not in ("", "0"):
        line = warned("unit", detail, "journalctl -u speakerd says why it was restarted", **figures)
    else:
        line = passed("unit", detail, **figures)
    if unit.get("UnitFileState") in ("enabled", "static", "enabled-runtime"):
        return [line, passed("enabled", "starts with the machine")]
    return [line, warned("enabled", "does not start with the machine", "sudo systemctl enable speakerd")]


def judge_sandbox(unit: Mapping[str, str], exposed: float | None, groups: Sequence[str]) -> list[Line]:
    """Return the verdicts on what the service may do.

    Args:
        unit: Its properties.
        exposed: How exposed systemd finds it, 0 to 10; None: not known.
        groups: Its user's.
    """
    lines = []
    if exposed is not None and exposed > MOST_EXPOSED:
        advice = "a drop-in weakens it: systemctl cat speakerd, systemd-analyze security speakerd"
        lines.append(warned("sandbox", f"exposure {exposed:.1f}, it ships with 1.3", advice, exposure=exposed))
    elif exposed is not None:
        lines.append(passed("sandbox", f"exposure {exposed:.1f}", exposure=exposed))
    if "audio" in groups or unit.get("User") in ("", "root"):
        lines.append(passed("group", "its user may use the sound cards"))
    else:
        lines.append(
            failed(
                "group",
                f"its user {unit.get('User')} is not in the group audio",
                f"sudo usermod -aG audio {unit.get('User')} && sudo systemctl restart speakerd",
            )
        )
    limit = unit.get("LimitRTPRIO", "0")
    if limit == "infinity" or (limit.isdecimal() and int(limit) >= RT_PRIORITY):
        lines.append(passed("real-time", f"its audio threads may have priority {RT_PRIORITY} (limit {limit})"))
    else:
        advice = "a drop-in takes LimitRTPRIO= away: systemctl cat speakerd; without it a busy machine makes gaps"
        lines.append(warned("real-time", f"its limit for real-time priority is {limit or 'unknown'}", advice))
    if unit.get("WatchdogUSec", "0") in ("0", "", "infinity"):
        advice = "a hang would last until somebody restarts it: install the unit that ships (sudo make install)"
        lines.append(warned("watchdog", "no watchdog looks after it", advice))
    else:
        lines.append(passed("watchdog", f"it must show every {unit['WatchdogUSec']} that it still hears"))
    return lines


def exposure(analysed: str) -> float | None:
    """Return the number in what ``systemd-analyze security`` says; None: there is none."""
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", analysed)
    return float(found[1]) if found else None


def groups_of(user: str) -> list[str]:
    """Return the groups of a user; none where there is no such user."""
    try:
        entry = pwd.getpwnam(user)
        return [grp.getgrgid(number).gr_name for number in os.getgrouplist(user, entry.pw_gid)]
    except KeyError:
        return []


def look_at_sound_access(dev_snd: Path = Path("/dev/snd")) -> list[Line]:
    """Return whether this user may use the kernel's sound devices.

    Args:
        dev_snd: Where they are.
    """
    nodes = sorted(dev_snd.glob("pcm*"))
    if not nodes:
        advice = "plug a card in, or give a HAT its dtoverlay in config.txt; only PCMs of ALSA's configuration are left"
        return [warned("sound-devices", f"the kernel has no sound device ({dev_snd})", advice)]
    closed = [node.name for node in nodes if not os.access(node, os.R_OK | os.W_OK)]
    if closed:
        advice = "sudo usermod -aG audio $USER and log in again, or sudo speakerd doctor"
        return [failed("sound-devices", f"this user may not use {', '.join(closed)}", advice)]
    return [passed("sound-devices", f"{len(nodes)} in {dev_snd}, open to this user")]


def see_state(path: Path) -> State:
    """Look at the state folder."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        disk = os.statvfs(path)
    except OSError:
        return State(path, None, None, writable=False)
    return State(path, mode, disk.f_bavail * disk.f_frsize // 1_000_000, writable=os.access(path, os.W_OK | os.X_OK))


def judge_state(state: State) -> Line:
    """Return the verdict on the state folder."""
    if state.mode is None:
        return warned(
            "state",
            f"{state.path} is not there, or not for you to see",
            "it comes with the first start; else: sudo speakerd doctor",
        )
    figures = {"mode": f"{state.mode:04o}", "free_mb": state.free_mb}
    detail = f"{state.path}, mode {state.mode:04o}, {state.free_mb} MB free"
    if state.mode & 0o077:
        return warned("state", f"{detail}: others can look into it", f"sudo chmod 700 {state.path}", **figures)
    if state.free_mb is not None and state.free_mb < FREE_MB:
        advice = "make room: journalctl --vacuum-size=50M, apt clean"
        return failed("state", f"{detail}: the disk is full", advice, **figures)
    if not state.writable:
        return warned("state", f"{detail}, not writable by you", "sudo speakerd doctor sees more", **figures)
    return passed("state", detail, **figures)


def judge_memory(meminfo: str) -> list[Line]:
    """Return the verdict on what ``/proc/meminfo`` says; nothing where it says nothing."""
    found = re.search(r"^MemAvailable: +(\d+) kB$", meminfo, re.MULTILINE)
    if found is None:
        return []
    free_mb = int(found[1]) // 1024
    if free_mb < FREE_MEMORY_MB:
        advice = "end what takes it (top, sort with M); the kernel would end the speaker first"
        return [warned("memory", f"only {free_mb} MB are available", advice, available_mb=free_mb)]
    return [passed("memory", f"{free_mb} MB are available", available_mb=free_mb)]


async def look_at_power(throttled: Path = THROTTLED) -> list[Line]:
    """Return what a Pi's firmware says about power and heat; nothing on other machines.

    Args:
        throttled: Where it says so, by the kernel; else ``vcgencmd`` is asked.
    """
    text = _read(throttled) or await ask("vcgencmd", "get_throttled") or ""
    return judge_power(text.strip().removeprefix("throttled="))


def judge_power(text: str) -> list[Line]:
    """Return the verdict on the firmware's word, in hexadecimal; nothing where it is none."""
    try:
        word = int(text, 16)
    except ValueError:
        return []
    reasons = [meaning for bit, meaning in _THROTTLING.items() if word >> bit & 1]
    if not reasons:
        return [passed("power", "voltage and heat are as they should be since the start", throttled=hex(word))]
    advice = (
        "use the board's own power supply and a short cable; a loudspeaker may draw more than it gives; cool the board"
    )
    now = any(word >> bit & 1 for bit in (0, 2, 3))
    return [(failed if now else warned)("power", "; ".join(reasons), advice, throttled=hex(word))]


def versions() -> dict[str, Any]:
    """Return what this machine runs, for a bug report."""
    from importlib.metadata import distributions

    system = dict(line.split("=", 1) for line in (_read(Path("/etc/os-release")) or "").splitlines() if "=" in line)
    kernel = os.uname()
    return {
        "python": sys.version.split()[0],
        "kernel": f"{kernel.sysname} {kernel.release} {kernel.machine}",
        "system": system.get("PRETTY_NAME", "").strip('"') or None,
        "board": _read(Path("/proc/device-tree/model")),
        "packages": dict(sorted({(str(found.metadata["Name"]), found.version) for found in distributions()})),
    }


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return None
