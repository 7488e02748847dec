"""What ``speakerd devices`` finds and says."""

from __future__ import annotations

from pathlib import Path

import pytest

from speakerd.audio.devices import DeviceInfo, format_devices, list_devices
from speakerd.audio.pcm_types import Direction, NativeFormat
from speakerd.core.errors import DeviceError, Remedy

NATIVE = NativeFormat(48_000, 1, "S16_LE")


class FakeAlsa:
    """A machine with a USB card in use for playing, an HDMI output, and two PCMs in its configuration."""

    def __init__(self) -> None:
        self.failures = {
            ("hw:CARD=Device,DEV=0", "playback"): "device-busy",
            ("speaker", "capture"): "device-missing",
        }

    def probe(self, device: str, direction: Direction) -> NativeFormat:
        if code := self.failures.get((device, direction)):
            raise DeviceError(code, "no", Remedy.RETRY)
        return NATIVE

    def configured_pcms(self, direction: Direction) -> list[str]:
        return ["null", "speaker", "plughw:CARD=Device,DEV=0", "dmix"]

    def mixer_controls(self, card_index: int) -> list[str]:
        return ["Speaker", "Mic"] if card_index == 1 else []


@pytest.fixture
def proc_asound(tmp_path: Path) -> Path:
    for index, card_id in ((0, "vc4hdmi"), (1, "Device")):
        (tmp_path / f"card{index}").mkdir()
        (tmp_path / f"card{index}" / "id").write_text(f"{card_id}\n")
    (tmp_path / "pcm").write_text(
        "00-00: MAI PCM i2s-hifi-0 : MAI PCM i2s-hifi-0 : playback 1\n"
        "01-00: USB Audio : USB Audio : playback 1 : capture 1\n"
        "not a line of this file\n"
    )
    return tmp_path


def find(proc_asound: Path) -> list[DeviceInfo]:
    fake = FakeAlsa()
    return list_devices(proc_asound, fake.probe, fake.configured_pcms, fake.mixer_controls)


def test_cards_are_named_by_id_and_configured_pcms_follow(proc_asound: Path) -> None:
    """Names that survive a reboot, each direction by itself, without ALSA's plumbing and its many aliases."""
    assert [(device.name, device.direction) for device in find(proc_asound)] == [
        ("plughw:CARD=vc4hdmi,DEV=0", "playback"),
        ("plughw:CARD=Device,DEV=0", "capture"),
        ("plughw:CARD=Device,DEV=0", "playback"),
        ("speaker", "playback"),
    ]


def test_a_device_in_use_is_listed_with_the_reason(proc_asound: Path) -> None:
    """What cannot be opened now is not hidden."""
    busy = find(proc_asound)[2]
    assert (busy.native, busy.problem, busy.mixers) == (None, "device-busy", ("Speaker", "Mic"))
    assert busy.human_name == "USB Audio"


def test_the_list_is_for_people(proc_asound: Path) -> None:
    """It says where to write the name, what the card gives, and what its mixers are called."""
    text = format_devices(find(proc_asound))
    assert "capture (audio.capture.device)" in text
    assert "48000 Hz, 1 ch, S16_LE" in text
    assert "device-busy" in text
    assert "mixers: Speaker, Mic" in text
    assert max(len(line) for line in text.splitlines()) <= 100


def test_a_direction_without_devices_says_so() -> None:
    """A speaker without a microphone is half a list."""
    text = format_devices([DeviceInfo("speaker", "x", "playback", NATIVE, "", ())])
    assert text.splitlines()[:2] == ["capture (audio.capture.device)", "  none"]


def test_without_any_card_it_says_what_to_do(tmp_path: Path) -> None:
    """A kernel without sound and a configuration without PCMs is no error."""
    fake = FakeAlsa()
    devices = list_devices(tmp_path, fake.probe, lambda _: ["null"], fake.mixer_controls)
    assert devices == []
    assert "speakerd demo" in format_devices(devices)
