"""The virtual sound card: where its source is, how it is built, how a program is pointed at it.

What happens in the room around it is ``speakerd.demo.room``'s business; what the card does is in ``hardware/simcard``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from speakerd.core.errors import DeviceError, Remedy

SOURCE_NAMES = ("simcard.c", "simcard_stream.c", "simcard_room.c", "simcard.h", "simcard_room.h")
"""The files of the plugin, the main one first."""

ALSA_CONF = Path("/usr/share/alsa/alsa.conf")
"""ALSA's own configuration, which ours must load because ``ALSA_CONFIG_PATH`` replaces it (specified by ALSA)."""

_BUILD_TIMEOUT_S = 120.0
"""Two seconds on a desktop; a Pi Zero under load is slow (guessed)."""


@dataclass(frozen=True)
class CardProfile:
    """What one virtual card can do, and how its microphone hears the room."""

    rate_min_hz: int = 8_000
    """The lowest rate it opens at."""

    rate_max_hz: int = 96_000
    """The highest rate it opens at."""

    channels_min: int = 1
    """The fewest channels it opens with."""

    channels_max: int = 8
    """The most channels it opens with."""

    sample_format: Literal["S16_LE", "S32_LE", "any"] = "any"
    """What a sample looks like."""

    use_channel: int = -1
    """Which capture channel carries the microphone while the others are silent; -1: every one does."""

    buffer_bytes_max: int | None = None
    """What it has memory for, from 4 KiB; None: 2 MiB."""

    echo_gain_db: float | None = None
    """How loud the microphone hears the loudspeaker; None: not at all."""

    echo_delay_ms: float = 0.0
    """How long the sound takes from the loudspeaker to the microphone."""

    rir: Path | None = None
    """The room's impulse response, float32 at 48 kHz without a header; None: one direct path."""

    noise_dbfs: float | None = None
    """RMS level of the microphone's noise; None: digital silence."""

    ppm: float = 0.0
    """How much faster than CLOCK_MONOTONIC its clock runs, in parts per million."""

    start_delay_ms: float = 0.0
    """How long it takes to start."""


def find_source() -> Path:
    """Return the plugin's main C file: beside this module when installed, in ``hardware/`` of a checkout.

    Raises:
        DeviceError: it is in neither place (code ``simcard-source``).
    """
    here = Path(__file__).resolve().parent
    for folder in (here, here.parents[1] / "hardware" / "simcard"):
        if all((folder / name).is_file() for name in SOURCE_NAMES):
            return folder / SOURCE_NAMES[0]
    raise DeviceError("simcard-source", "the virtual card's C source was not installed", Remedy.OPERATOR)


def build(cache_dir: Path) -> Path:
    """Compile the plugin unless it is newer than its source, and return it.

    Raises:
        DeviceError: no compiler, no ALSA headers, or they do not agree with the source (code ``simcard-build``).
    """
    sources = [find_source().with_name(name) for name in SOURCE_NAMES]
    plugin = cache_dir.resolve() / "libasound_module_pcm_simcard.so"
    newest = max(source.stat().st_mtime for source in sources)
    if plugin.exists() and plugin.stat().st_mtime >= newest:
        return plugin
    compiler = shutil.which(os.environ.get("CC", "gcc")) or shutil.which("cc")
    if compiler is None:
        raise DeviceError("simcard-build", "no C compiler for the virtual card: install gcc", Remedy.OPERATOR)
    cache_dir.mkdir(parents=True, exist_ok=True)
    # Beside its place and then moved there, so that two builds at once and a card in use do not disturb each other.
    with tempfile.TemporaryDirectory(dir=cache_dir) as scratch:
        fresh = Path(scratch) / plugin.name
        _compile(compiler, [source for source in sources if source.suffix == ".c"], fresh)
        fresh.replace(plugin)
    return plugin


def _compile(compiler: str, sources: list[Path], plugin: Path) -> None:
    flags = ["-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-DPIC", "-Wl,-Bsymbolic"]
    command = [compiler, *flags, "-o", str(plugin), *map(str, sources), "-lasound", "-lm"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=_BUILD_TIMEOUT_S, check=False)  # noqa: S603 - our own source, no shell
    if result.returncode == 0:
        return
    missing = "asoundlib.h" in result.stderr or "-lasound" in result.stderr
    remedy = "install libasound2-dev" if missing else result.stderr.strip()
    raise DeviceError("simcard-build", f"the virtual card did not compile: {remedy}", Remedy.OPERATOR)


def write_asound_conf(
    directory: Path,
    room: Path,
    plugin: Path,
    *,
    card: CardProfile | None = None,
    playback_card: CardProfile | None = None,
) -> Path:
    """Write an ALSA configuration with the PCMs ``mic``, ``speaker`` and ``default`` (both), and return its path.

    A program that starts with ``ALSA_CONFIG_PATH`` set to it has the virtual card and nothing else new.

    Args:
        directory: Where ``asound.conf`` is written.
        room: The room's file.
        plugin: What ``build`` returned.
        card: The card, with the defaults of ``CardProfile`` when None.
        playback_card: Another card for the loudspeaker; None: the same.
    """
    card = card or CardProfile()
    lines = [
        f"<{ALSA_CONF}>",
        f'pcm_type.simcard {{ lib "{plugin.resolve()}" }}',
        *_pcm("mic", room, card),
        *_pcm("speaker", room, playback_card or card),
        'pcm.!default { type asym playback.pcm "speaker" capture.pcm "mic" }',
    ]
    path = directory / "asound.conf"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _pcm(name: str, room: Path, card: CardProfile) -> list[str]:
    """Return one PCM's definition. ALSA reads 1 as an integer and 1.0 as a real; the card takes both."""
    values: dict[str, object] = {
        "room": f'"{room.resolve()}"',
        "rate_min": card.rate_min_hz,
        "rate_max": card.rate_max_hz,
        "channels_min": card.channels_min,
        "channels_max": card.channels_max,
        "format": f'"{card.sample_format}"',
        "use_channel": card.use_channel,
        "buffer_bytes_max": card.buffer_bytes_max,
        "echo_gain_db": card.echo_gain_db,
        "echo_delay_ms": card.echo_delay_ms,
        "rir": None if card.rir is None else f'"{card.rir.resolve()}"',
        "noise_dbfs": card.noise_dbfs,
        "ppm": card.ppm,
        "start_delay_ms": card.start_delay_ms,
    }
    keys = [f"    {key} {value}" for key, value in values.items() if value is not None]
    return [f"pcm.{name} {{", "    type simcard", *keys, "}"]
