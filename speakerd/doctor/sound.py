"""Cards, mixers and the way from the loudspeaker to the microphone: what ``loop.py`` measures, and what it means.

The verdicts are pure functions of plain data, so that each can be told from a table of figures.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from speakerd.core.chirp import COUNT
from speakerd.core.errors import DeviceError, Remedy
from speakerd.core.pcm import Int16
from speakerd.core.settings import Audio
from speakerd.doctor.advice import advice_by_code
from speakerd.doctor.report import Line, failed, passed, warned

LOOP_TIMEOUT_S = 45.0
"""How long playing and listening may take: 14 s (measured), and a Pi starts Python slowly (guess)."""

LISTEN_MARGIN_S = 15.0
"""Beyond the listening itself: a Pi starts Python slowly (guess)."""

MAX_LINE_BYTES = 4 * 1024 * 1024
"""The longest line of the process: half a minute of what somebody says (chosen)."""

LOUD_NOISE_DBFS = -40.0
"""A room or an input that is louder makes the wake word hard to hear (guess: a voice at two metres is at -35)."""

FAINT_DBFS = -60.0
"""A chirp that is fainter is hardly heard: the volume is down, or the microphone's gain (guess)."""

LATE_MS = 500.0
"""The echo canceller knows no echo that comes later (specified by AEC3's longest delay)."""

FAR_APART_PPM = 200.0
"""Clocks that differ by more are more than the canceller follows well (guess: half of what was measured to fail)."""

LITTLE_REMOVED_DB = 6.0
"""A canceller that takes out less than this is of no use; 12 to 14 dB are usual with this sound (measured)."""

QUIET_PERCENT = 15
"""A control that is turned down further is hardly heard (guess)."""

_FORMAT = ("rate_hz", "channels", "sample_format", "period_frames", "buffer_frames")
"""What ALSA gave, by name."""

UNUSED = ("Mic Boost", "Loopback", "IEC958", "HDMI", "Auto Gain Control")
"""Controls whose being off is nothing to speak of (guess)."""


async def run_loop(audio: Audio, timeout_s: float = LOOP_TIMEOUT_S) -> list[Line]:
    """Play and listen in a process of its own; say what came of it, also where it hung on the way.

    Args:
        audio: The configuration.
        timeout_s: How long that may take.

    Ends: with the process, which is killed when it takes too long or by cancellation.
    """
    arguments = (audio.capture.device, audio.playback.device, str(audio.capture.channel))
    return judge(await _findings(arguments, timeout_s), audio)


async def listen(audio: Audio, span_s: float, on_begin: Callable[[], None]) -> Int16:
    """Return what the microphone hears, at the rate of the wake word.

    Args:
        audio: The configuration.
        span_s: For how long, in seconds.
        on_begin: Told when it listens.

    Raises:
        DeviceError: it hears nothing, with the reason.
    """

    def look(finding: Mapping[str, Any]) -> None:
        if "listening" in finding:
            on_begin()

    arguments = (audio.capture.device, str(span_s), str(audio.capture.channel), "listen")
    heard = (await _findings(arguments, span_s + LISTEN_MARGIN_S, look)).get("listened")
    if isinstance(heard, str):
        return np.frombuffer(base64.b64decode(heard), "<i2")
    if heard is None:
        raise DeviceError("device-stalled", "opening the microphone, or listening, hangs", Remedy.RETRY)
    raise DeviceError(str(heard["code"]), str(heard["message"]), Remedy.OPERATOR)


async def _findings(
    arguments: Sequence[str], timeout_s: float, on_finding: Callable[[Mapping[str, Any]], None] = lambda _: None
) -> dict[str, Any]:
    """Run the process and return what it says, until it ends or is ended.

    Args:
        arguments: Of the process.
        timeout_s: How long it may take.
        on_finding: Told each finding as it comes.

    Ends: with the process, which is killed when it takes too long or by cancellation.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "speakerd.doctor.loop", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=MAX_LINE_BYTES,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    findings: dict[str, Any] = {}
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while line := await process.stdout.readline():
                    finding = json.loads(line)
                    findings |= finding
                    on_finding(finding)
                complaint = await process.stderr.read()
                findings["ended"] = await process.wait()
                if findings["ended"]:
                    findings["complaint"] = (complaint.decode(errors="replace").strip().splitlines() or ["no word"])[-1]
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return findings


def judge(findings: Mapping[str, Any], audio: Audio) -> list[Line]:
    """Return the verdicts on everything the process has said.

    Args:
        findings: By name; where it hung, what it was about is under ``opening``.
        audio: The configuration.
    """
    lines = []
    for part, check, end in (("capture", "microphone", audio.capture), ("playback", "loudspeaker", audio.playback)):
        if part in findings:
            lines.append(_card(check, end.device, findings[part]))
    lines += _mixers(findings.get("mixers", []), (audio.capture.device, audio.playback.device))
    if "loop" in findings:
        lines += _loop(findings["loop"], cancelled=audio.echo_cancellation != "off")
    elif not findings.get("ended") and "ended" in findings:
        lines.append(warned("chirp", "not played: that takes both cards", "do what the lines above say"))
    elif "ended" in findings:
        lines.append(
            failed("chirp", f"the test broke off: {findings['complaint']}", "send it in: speakerd doctor --bundle")
        )
    else:
        what = {"capture": "opening the microphone", "playback": "opening the loudspeaker"}.get(
            findings.get("opening", ""), "playing or listening"
        )
        lines.append(failed("chirp", f"{what} hangs", advice_by_code("device-stalled")))
    return lines


def from_daemon(status: Mapping[str, Any]) -> list[Line]:
    """Return what the running daemon knows of the cards that it holds.

    Args:
        status: Its answer.
    """
    lines = []
    for part in ("microphone", "loudspeaker"):
        known = status.get(part) or {}
        given = {name: known.get(name) for name in _FORMAT}
        if known.get("trouble") or None in given.values():
            trouble = known.get("trouble") or "not open"
            lines.append(failed(part, f"the daemon has no {part}: {trouble}", advice_by_code("device-missing")))
        else:
            device = known.get("device", "the card")
            lines.append(passed(part, f"{device}, held by the daemon: {_format(given)}", device=device, **given))
    heard = status.get("microphone") or {}
    if heard.get("found"):
        lines += _level_by_daemon(heard)
        echo = heard.get("echo")
        if echo:
            lines.append(passed("echo", f"by the daemon: {echo.get('described', 'not measured yet')}", **echo))
    lines.append(
        warned(
            "chirp",
            "not played: the daemon has the card",
            "for the chirp: sudo systemctl stop speakerd, speakerd doctor, sudo systemctl start speakerd",
        )
    )
    return lines


def _level_by_daemon(heard: Mapping[str, Any]) -> list[Line]:
    silent_s, level = heard.get("silent_s") or 0.0, heard.get("level_dbfs")
    if silent_s > 5:  # noqa: PLR2004 - no room is digitally silent for seconds
        detail = f"the microphone has given nothing but zeros for {silent_s:.0f} s"
        return [failed("noise", detail, "is it muted by a switch, or by its mixer (alsamixer, F4)?", silent_s=silent_s)]
    return [passed("noise", f"the microphone is at {level} dBFS now", level_dbfs=level)]


def _format(given: Mapping[str, Any]) -> str:
    rate_hz = given["rate_hz"]
    period_ms, buffer_ms = (1000 * given[name] / rate_hz for name in ("period_frames", "buffer_frames"))
    return (
        f"{rate_hz} Hz, {given['channels']} ch, {given['sample_format']}, "
        f"periods of {period_ms:g} ms, a buffer of {buffer_ms:g} ms"
    )


def _card(check: str, device: str, found: Mapping[str, Any]) -> Line:
    if "code" in found:
        return failed(check, f"{found['code']}: {found['message']}", advice_by_code(found["code"]), code=found["code"])
    return passed(check, f"{device} opens at {_format(found)}", device=device, **found)


def _mixers(mixers: Sequence[Mapping[str, Any]], devices: Sequence[str]) -> list[Line]:
    """Return a line about the volume controls of the cards in use; of all cards where none is named."""
    named = {device.split("CARD=")[1].split(",")[0] for device in devices if "CARD=" in device}
    used = [mixer for mixer in mixers if not named or mixer["card"] in named]
    if not used:
        return [passed("mixer", "no volume controls: nothing can be turned down there")]
    wrong = [text for mixer in used if (text := _wrong_with(mixer))]
    if wrong:
        advice = "alsamixer -c CARD: M unmutes, the arrows turn up, F4 shows the microphone's; then sudo alsactl store"
        return [warned("mixer", "; ".join(wrong), advice, controls=list(used))]
    return [passed("mixer", f"{len(used)} controls, none muted or turned down", controls=list(used))]


def _wrong_with(mixer: Mapping[str, Any]) -> str | None:
    name = f"{mixer['card']}/{mixer['name']}"
    if any(part in mixer["name"] for part in UNUSED):
        return None
    for side in ("playback", "capture"):
        percent = mixer[f"{side}_percent"]
        if mixer[f"{side}_muted"] and percent is not None:
            return f"{name} is muted for {side}"
        if percent is not None and percent < QUIET_PERCENT:
            return f"{name} is at {percent} % for {side}"
    return None


def _loop(found: Mapping[str, Any], *, cancelled: bool) -> list[Line]:
    if "code" in found:
        return [failed("chirp", f"{found['code']}: {found['message']}", advice_by_code(found["code"]))]
    lines = [_noise(found["noise_dbfs"], constant=found["constant"])]
    if found["xruns"]:
        detail = f"the cards ran over or dry {found['xruns']} times in 12 s"
        lines.append(warned("xruns", detail, "is the machine busy (top)? Is the power supply good for 3 A?"))
    heard = found["found"]
    if heard is None:
        advice = (
            "is the loudspeaker on and turned up, and the microphone not muted? With headphones this is as it should be"
        )
        lines.append(warned("chirp", "played, and not found in the microphone", advice, heard=0))
        return lines
    return [*lines, *_heard(heard, found["write_to_heard_ms"], found["removed_db"], cancelled=cancelled)]


def _noise(noise_dbfs: float, *, constant: bool) -> Line:
    if constant:
        advice = (
            "is the microphone muted by a switch, or its mixer turned down (alsamixer, F4)? audio.capture.channel: auto"
        )
        return failed(
            "noise", "the microphone gives one value and nothing else: it is deaf", advice, noise_dbfs=noise_dbfs
        )
    detail = f"the room is at {noise_dbfs:.1f} dBFS"
    if noise_dbfs > LOUD_NOISE_DBFS:
        advice = "turn the microphone's gain down (alsamixer, F4), or what hums off"
        return warned("noise", f"{detail}, which is loud", advice, noise_dbfs=noise_dbfs)
    return passed("noise", detail, noise_dbfs=noise_dbfs)


def _heard(
    heard: Mapping[str, Any], write_to_heard_ms: float, removed_db: float | None, *, cancelled: bool
) -> list[Line]:
    delay_ms, level = heard["delay_ms"], heard["level_dbfs"]
    late = f"{delay_ms:.1f} ms after it is played, {write_to_heard_ms:.0f} ms after it is written"
    detail = f"heard {heard['heard']} of {COUNT}, {late}"
    if abs(delay_ms) > LATE_MS:
        line = warned("chirp", f"{detail}: too late for the echo canceller", "no Bluetooth loudspeaker here", **heard)
    else:
        line = passed("chirp", detail, write_to_heard_ms=write_to_heard_ms, **heard)
    return [
        line,
        _level(level, heard["peak_dbfs"], heard["clipped"]),
        _clocks(heard["drift_ppm"]),
        _echo(removed_db, cancelled=cancelled),
    ]


def _level(level: float, peak: float, clipped: int) -> Line:
    detail = f"the chirp arrives at {level:.1f} dBFS, its peak at {peak:.1f}"
    figures = {"level_dbfs": level, "peak_dbfs": peak, "clipped": clipped}
    if clipped:
        advice = "turn the microphone's gain or the loudspeaker down: what is clipped cannot be cancelled"
        return warned("level", f"{detail}, {clipped} samples clipped", advice, **figures)
    if level < FAINT_DBFS:
        return warned(
            "level", f"{detail}, which is faint", "turn the loudspeaker or the microphone up (alsamixer)", **figures
        )
    return passed("level", f"{detail}, nothing clipped", **figures)


def _clocks(drift_ppm: float) -> Line:
    detail = f"the two cards' clocks differ by {drift_ppm:+.1f} ppm"
    if abs(drift_ppm) > FAR_APART_PPM:
        advice = "use one card for both ends: echoes are not cancelled well, and only the wake word may cut a reply"
        return warned("clocks", detail, advice, drift_ppm=drift_ppm)
    return passed("clocks", detail, drift_ppm=drift_ppm)


def _echo(removed_db: float | None, *, cancelled: bool) -> Line:
    if not cancelled:
        return passed("echo", "audio.echo_cancellation is off", removed_db=removed_db)
    if removed_db is None:
        return passed("echo", "too faint to be worth cancelling", removed_db=None)
    detail = f"the canceller takes {removed_db:.1f} dB out of it"
    if removed_db < LITTLE_REMOVED_DB:
        advice = (
            "move loudspeaker and microphone apart, turn the volume down; until then conversation.barge_in: wake_word"
        )
        return warned("echo", detail, advice, removed_db=removed_db)
    return passed("echo", detail, removed_db=removed_db)
