"""What the figures of the cards mean, and what to do about them."""

from __future__ import annotations

from typing import Any

import pytest

from speakerd.core.settings import Audio
from speakerd.doctor.report import Line, Verdict
from speakerd.doctor.sound import from_daemon, judge

CARD = {"rate_hz": 48_000, "channels": 2, "sample_format": "S16_LE", "period_frames": 960, "buffer_frames": 3840}
HEARD = {"heard": 5, "delay_ms": 30.1, "drift_ppm": 0.2, "level_dbfs": -30.0, "peak_dbfs": -26.0, "clipped": 0}
LOOP = {
    "noise_dbfs": -65.0,
    "constant": False,
    "write_to_heard_ms": 110.0,
    "xruns": 0,
    "found": HEARD,
    "removed_db": 14.0,
}
WHOLE: dict[str, Any] = {"opening": "chirp", "capture": CARD, "playback": CARD, "loop": LOOP, "ended": 0}


def lines(findings: dict[str, Any], **audio: Any) -> dict[str, Line]:
    """Return the verdicts by check."""
    return {line.check: line for line in judge(findings, Audio(**audio))}


def loop(**differs: Any) -> dict[str, Any]:
    return {**WHOLE, "loop": {**LOOP, **differs}}


def heard(**differs: Any) -> dict[str, Any]:
    return loop(found={**HEARD, **differs})


def test_a_good_room_passes() -> None:
    found = lines(WHOLE)
    assert {line.verdict for line in found.values()} == {Verdict.PASS}
    assert list(found) == ["microphone", "loudspeaker", "mixer", "noise", "chirp", "level", "clocks", "echo"]
    assert found["loudspeaker"].detail == (
        "default opens at 48000 Hz, 2 ch, S16_LE, periods of 20 ms, a buffer of 80 ms"
    )
    assert "30.1 ms after it is played, 110 ms after it is written" in found["chirp"].detail
    assert found["chirp"].data["delay_ms"] == 30.1


@pytest.mark.parametrize(
    ("findings", "check", "verdict", "detail", "advice"),
    [
        (loop(constant=True), "noise", Verdict.FAIL, "deaf", "muted"),
        (loop(noise_dbfs=-30.0), "noise", Verdict.WARN, "-30.0 dBFS, which is loud", "gain down"),
        (loop(xruns=3), "xruns", Verdict.WARN, "3 times", "busy"),
        (loop(found=None), "chirp", Verdict.WARN, "not found", "turned up"),
        (heard(delay_ms=620.0), "chirp", Verdict.WARN, "too late", "Bluetooth"),
        (heard(clipped=7), "level", Verdict.WARN, "7 samples clipped", "down"),
        (heard(level_dbfs=-66.0), "level", Verdict.WARN, "faint", "up"),
        (heard(drift_ppm=-800.0), "clocks", Verdict.WARN, "-800.0 ppm", "one card"),
        (loop(removed_db=2.0), "echo", Verdict.WARN, "2.0 dB", "apart"),
        (loop(removed_db=None), "echo", Verdict.PASS, "too faint", None),
        (
            {**WHOLE, "loop": {"code": "device-lost", "message": "gone"}},
            "chirp",
            Verdict.FAIL,
            "device-lost: gone",
            "plug",
        ),
        ({"opening": "capture"}, "chirp", Verdict.FAIL, "opening the microphone hangs", "restart the sound server"),
        (
            {"opening": "chirp", "capture": CARD, "playback": CARD},
            "chirp",
            Verdict.FAIL,
            "playing or listening hangs",
            "",
        ),
        ({"ended": 1, "complaint": "MemoryError"}, "chirp", Verdict.FAIL, "MemoryError", "--bundle"),
    ],
)
def test_each_figure_has_its_verdict(
    findings: dict[str, Any], check: str, verdict: Verdict, detail: str, advice: str | None
) -> None:
    line = lines(findings)[check]
    assert line.verdict is verdict
    assert detail in line.detail
    assert (line.advice is None) == (advice is None)
    assert advice is None or advice in str(line.advice)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("device-missing", "speakerd devices"),
        ("device-busy", "fuser"),
        ("device-denied", "usermod -aG audio"),
        ("device-format", "plughw"),
    ],
)
def test_a_card_that_does_not_open_says_why(code: str, advice: str) -> None:
    """And the chirp is left out, not failed once more."""
    found = lines({"capture": {"code": code, "message": "cannot open"}, "playback": CARD, "ended": 0})
    assert found["microphone"].verdict is Verdict.FAIL
    assert advice in str(found["microphone"].advice)
    assert found["loudspeaker"].verdict is Verdict.PASS
    assert found["chirp"].verdict is Verdict.WARN


def test_without_a_canceller_nothing_is_expected_of_it() -> None:
    assert lines(loop(removed_db=0.1), echo_cancellation="off")["echo"].verdict is Verdict.PASS


def mixer(name: str, card: str = "Device", **differs: Any) -> dict[str, Any]:
    unknown = dict.fromkeys(("playback_percent", "playback_muted", "capture_percent", "capture_muted"))
    return {"card": card, "name": name, **unknown, **differs}


@pytest.mark.parametrize(
    ("controls", "wrong"),
    [
        ([mixer("PCM", playback_percent=80, playback_muted=False)], None),
        ([mixer("PCM", playback_percent=80, playback_muted=True)], "Device/PCM is muted for playback"),
        ([mixer("PCM", playback_percent=5)], "Device/PCM is at 5 % for playback"),
        ([mixer("Mic", capture_percent=70, capture_muted=True)], "Device/Mic is muted for capture"),
        ([mixer("Mic", capture_percent=3)], "Device/Mic is at 3 % for capture"),
        ([mixer("IEC958", playback_percent=0, playback_muted=True)], None),
        ([mixer("PCM", card="vc4hdmi", playback_percent=0)], None),
    ],
)
def test_a_control_that_is_down_is_named(controls: list[dict[str, Any]], wrong: str | None) -> None:
    """Of the cards in use; others may be as they like."""
    device = {"device": "plughw:CARD=Device,DEV=0"}
    line = lines({**WHOLE, "mixers": controls}, capture=device, playback=device)["mixer"]
    assert line.verdict is (Verdict.PASS if wrong is None else Verdict.WARN)
    assert wrong is None or wrong in line.detail


def test_every_card_counts_where_none_is_named() -> None:
    assert lines({**WHOLE, "mixers": [mixer("PCM", card="any", playback_percent=1)]})["mixer"].verdict is Verdict.WARN


def test_a_running_daemon_is_asked_instead() -> None:
    """It has the cards; what it knows is told, and how to have the chirp."""
    part = {**CARD, "device": "plughw:X", "found": True, "trouble": None}
    status = {
        "microphone": {
            **part,
            "level_dbfs": -61.5,
            "silent_s": 0.0,
            "echo": {"described": "30 ms late", "tail_ms": 90},
        },
        "loudspeaker": part,
    }
    found = {line.check: line for line in from_daemon(status)}
    assert list(found) == ["microphone", "loudspeaker", "noise", "echo", "chirp"]
    assert found["microphone"].detail.startswith("plughw:X, held by the daemon: 48000 Hz, 2 ch")
    assert "-61.5 dBFS" in found["noise"].detail
    assert found["echo"].data["tail_ms"] == 90
    assert found["chirp"].verdict is Verdict.WARN
    assert "systemctl stop speakerd" in str(found["chirp"].advice)


def test_a_daemon_without_cards_says_so() -> None:
    found = {line.check: line for line in from_daemon({"microphone": {"trouble": "no such device"}, "loudspeaker": {}})}
    assert found["microphone"].verdict is Verdict.FAIL
    assert "no such device" in found["microphone"].detail
    assert found["loudspeaker"].verdict is Verdict.FAIL


def test_a_daemon_that_hears_only_zeros_is_deaf() -> None:
    part = {**CARD, "found": True}
    found = {line.check: line for line in from_daemon({"microphone": {**part, "silent_s": 60.0}, "loudspeaker": part})}
    assert found["noise"].verdict is Verdict.FAIL
    assert "zeros for 60 s" in found["noise"].detail
