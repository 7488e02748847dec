"""The work of ``speakerd devices``: which sound cards there are, what they give, and what to write into the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from speakerd.audio import alsa
from speakerd.audio.pcm_types import Direction, NativeFormat
from speakerd.core.errors import DeviceError

PROC_ASOUND = Path("/proc/asound")
"""Where the kernel lists its cards (specified by ALSA)."""

_DIRECTIONS: tuple[Direction, ...] = ("capture", "playback")

_PCM_LINE = re.compile(r"(?P<card>\d+)-(?P<device>\d+): (?P<id>[^:]*):(?P<name>[^:]*):(?P<streams>.*)")
"""A line of ``/proc/asound/pcm``: ``01-00: USB Audio : USB Audio : playback 1 : capture 1``."""

_PLUMBING = frozenset(
    {
        *("null", "asym", "dmix", "dsnoop", "sysdefault", "usbstream", "jack", "oss", "upmix", "vdownmix"),
        *("lavrate", "samplerate", "speex", "speexrate"),
    }
)
"""PCMs of ALSA's own configuration that are parts to build others from, not places to listen or speak."""

NO_DEVICES = """no sound device found
  plugged in?       arecord -l and aplay -l list what the kernel sees; a HAT needs its dtoverlay in config.txt
  allowed?          the user must be in the group "audio"
  no card at all?   `speakerd demo` brings a virtual one"""


@dataclass(frozen=True)
class DeviceInfo:
    """One direction of one sound device."""

    name: str
    """What to write into ``audio.capture.device`` or ``audio.playback.device``; the same after the next boot."""

    human_name: str
    """What its maker calls it."""

    direction: Direction
    """Whether it listens or plays."""

    native: NativeFormat | None
    """What it gives without conversion; None where it could not be opened."""

    problem: str
    """The error's code when it could not be opened, else empty."""

    mixers: tuple[str, ...]
    """Names of its volume controls."""


class _KernelPcm(NamedTuple):
    card_index: int
    device: int
    human_name: str
    directions: tuple[Direction, ...]


def list_devices(
    proc_asound: Path = PROC_ASOUND,
    probe: Callable[[str, Direction], NativeFormat] = alsa.probe,
    configured_pcms: Callable[[Direction], list[str]] = alsa.configured_pcms,
    mixer_controls: Callable[[int], list[str]] = alsa.mixer_controls,
) -> list[DeviceInfo]:
    """Return every card of the kernel, then every PCM of ALSA's configuration that opens; each is opened for a moment.

    Args:
        proc_asound: Where the kernel lists its cards.
        probe: Opens one direction of a device and tells what it gave.
        configured_pcms: Names the PCMs of ALSA's configuration.
        mixer_controls: Names the mixer controls of a card.
    """
    devices = []
    for pcm in _kernel_pcms(proc_asound):
        name = f"CARD={_card_id(proc_asound, pcm.card_index)},DEV={pcm.device}"
        mixers = tuple(mixer_controls(pcm.card_index))
        for direction in pcm.directions:
            native, problem = _try_probe(probe, f"hw:{name}", direction)
            devices.append(DeviceInfo(f"plughw:{name}", pcm.human_name, direction, native, problem, mixers))
    for direction in _DIRECTIONS:
        for name in configured_pcms(direction):
            # Names with a colon are the cards again, under a dozen names each.
            if name in _PLUMBING or ":" in name:
                continue
            native, problem = _try_probe(probe, name, direction)
            if problem in ("", "device-busy"):
                devices.append(DeviceInfo(name, "ALSA configuration", direction, native, problem, ()))
    return devices


def _try_probe(
    probe: Callable[[str, Direction], NativeFormat], name: str, direction: Direction
) -> tuple[NativeFormat | None, str]:
    try:
        return probe(name, direction), ""
    except DeviceError as error:
        return None, error.code


def _kernel_pcms(proc_asound: Path) -> Iterator[_KernelPcm]:
    try:
        text = (proc_asound / "pcm").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:  # a kernel without sound, as in most containers
        return
    for line in text.splitlines():
        if match := _PCM_LINE.match(line):
            streams = match["streams"]
            directions = tuple(direction for direction in _DIRECTIONS if direction in streams)
            yield _KernelPcm(int(match["card"]), int(match["device"]), match["name"].strip(), directions)


def _card_id(proc_asound: Path, card_index: int) -> str:
    # By id, since the index depends on which card the kernel found first.
    return (proc_asound / f"card{card_index}" / "id").read_text(encoding="utf-8").strip()


def format_devices(devices: list[DeviceInfo]) -> str:
    """Return the list for people, or what to do when it is empty."""
    if not devices:
        return NO_DEVICES
    lines = []
    for direction in _DIRECTIONS:
        lines.append(f"{direction} (audio.{direction}.device)")
        rows = [device for device in devices if device.direction == direction]
        lines += [line for device in rows for line in _device_lines(device)] or ["  none"]
    return "\n".join(lines)


def _device_lines(device: DeviceInfo) -> Iterator[str]:
    yield f"  {device.name:<36} {_format_text(device):<32} {device.human_name}".rstrip()
    if device.mixers:
        yield f"  {'':<36} mixers: {', '.join(device.mixers)}"


def _format_text(device: DeviceInfo) -> str:
    if device.native is None:
        return device.problem
    native = device.native
    return f"{native.rate_hz} Hz, {native.channels} ch, {native.sample_format}"
