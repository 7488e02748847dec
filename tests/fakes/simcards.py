"""A virtual sound card for a test: real ALSA, real pyalsaaudio, a room of its own."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import alsaaudio
import numpy as np
import pytest

from speakerd.core.errors import DeviceError
from speakerd.demo.room import Room
from speakerd.demo.simcard import CardProfile, build, find_source, write_asound_conf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

PERIOD_MS = 20


def built_plugin() -> Path:
    """Build the card once for every test, or skip with the reason."""
    try:
        return build(find_source().parent)
    except DeviceError as error:
        pytest.skip(str(error))


@dataclass
class Bench:
    """A room, and a card in it that this process's ALSA knows as ``mic`` and ``speaker``."""

    room: Room
    streams: contextlib.ExitStack

    def capture(self, rate_hz: int = 48_000, channels: int = 1, **options) -> alsaaudio.PCM:
        return self._open(alsaaudio.PCM_CAPTURE, "mic", rate_hz, channels, **options)

    def playback(self, rate_hz: int = 48_000, channels: int = 1, **options) -> alsaaudio.PCM:
        return self._open(alsaaudio.PCM_PLAYBACK, "speaker", rate_hz, channels, **options)

    def _open(
        self,
        kind: int,
        device: str,
        rate_hz: int,
        channels: int,
        *,
        sample_format: int = alsaaudio.PCM_FORMAT_S16_LE,
        periods: int = 8,
        period_ms: int = PERIOD_MS,
        prefix: str = "",
        mode: int = alsaaudio.PCM_NORMAL,
    ) -> alsaaudio.PCM:
        pcm = alsaaudio.PCM(
            kind,
            mode,
            rate=rate_hz,
            channels=channels,
            format=sample_format,
            periodsize=rate_hz * period_ms // 1000,
            periods=periods,
            device=prefix + device,
        )
        self.streams.callback(_close, pcm)
        return pcm


def _close(pcm: alsaaudio.PCM) -> None:
    with contextlib.suppress(alsaaudio.ALSAAudioError):  # closed already, or pulled out
        pcm.drop()
    pcm.close()


@contextlib.contextmanager
def bench(
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    card: CardProfile | None = None,
    playback_card: CardProfile | None = None,
    length_s: float = 60.0,
) -> Iterator[Bench]:
    """Set up a room and a card; its streams are closed at the end."""
    plugin = built_plugin()
    path = directory / "room"
    with Room.create(path, length_s) as room, contextlib.ExitStack() as streams:
        conf = write_asound_conf(directory, path, plugin, card=card, playback_card=playback_card)
        monkeypatch.setenv("ALSA_CONFIG_PATH", str(conf))
        yield Bench(room, streams)


def read_mono(pcm: alsaaudio.PCM, blocks: int, channels: int = 1, channel: int = 0, dtype: type = np.int16) -> NDArray:
    """Read so many periods whole and return one channel."""
    data = []
    for _ in range(blocks):
        frames, block = pcm.read()
        assert frames > 0, f"read returned {frames}"
        data.append(np.frombuffer(block, dtype).reshape(-1, channels)[:, channel])
    return np.concatenate(data)


def spread(mono: NDArray, channels: int) -> bytes:
    """Return a mono signal as interleaved frames with the same on every channel."""
    return np.repeat(mono, channels).tobytes()


def tone(frequency_hz: float, rate_hz: int, length_s: float, amplitude: float = 8000.0) -> NDArray[np.int16]:
    """Return a sine."""
    angle = 2 * np.pi * frequency_hz * np.arange(round(rate_hz * length_s)) / rate_hz
    return np.rint(amplitude * np.sin(angle)).astype(np.int16)


def level_and_frequency(mono: NDArray, rate_hz: int) -> tuple[float, float]:
    """Return a lone tone's amplitude, and its frequency by how far its phase turns from one half to the other."""
    half = len(mono) // 2
    window = np.hanning(half)
    spectrum = np.abs(np.fft.rfft(mono[:half] * window))
    coarse_hz = float(np.argmax(spectrum) * rate_hz / half)
    carrier = np.exp(-2j * np.pi * coarse_hz * np.arange(2 * half) / rate_hz)
    first = np.sum(mono[:half] * carrier[:half] * window)
    second = np.sum(mono[half : 2 * half] * carrier[half:] * window)
    frequency_hz = coarse_hz + float(np.angle(second / first)) / (2 * np.pi) * rate_hz / half
    exact = np.exp(-2j * np.pi * frequency_hz * np.arange(half) / rate_hz)
    return float(np.abs(np.sum(mono[:half] * exact * window)) * 2 / np.sum(window)), frequency_hz
