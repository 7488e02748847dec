"""What a room sounds like around a clip: noise made on the spot, or the owner's own recordings of it.

A bed of noise is a loop of the level 1; how loud it lies under a clip is ``accuracy_mix.py``'s business.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from speakerd.bench.accuracy_clips import Unread, recordings
from speakerd.bench.accuracy_files import UnreadableError, read
from speakerd.core.units import WAKE_RATE_HZ

Float32 = npt.NDArray[np.float32]

BED_S = 30
"""How long a made bed is before it begins again (chosen: longer than most clips)."""

_FRAMES = BED_S * WAKE_RATE_HZ
_LOWEST_HZ = 20.0
"""Below it nothing is made: a microphone does not hear it."""

_CLATTERS = 36
"""Pieces of cutlery and crockery in a kitchen's half minute (chosen: somebody is at work)."""

_CLATTER_RATIO = 1.6
"""The loudest clatter's energy beside the rest of a kitchen, in all (chosen)."""


@dataclass(frozen=True, slots=True)
class Bed:
    """A loop of noise."""

    name: str
    """What it is."""

    pcm: Float32
    """Its samples at 16 kHz; their mean square is 1."""

    def take(self, begin: int, frames: int) -> Float32:
        """Return a stretch of it from any position on, beginning anew at its end; to be read, not written."""
        begin %= len(self.pcm)
        if begin + frames <= len(self.pcm):
            return self.pcm[begin : begin + frames]
        return self.pcm[np.arange(begin, begin + frames) % len(self.pcm)]


def made(seed: int) -> list[Bed]:
    """Return the beds that are made on the spot: pink, brown, and a kitchen.

    Args:
        seed: Equal ones make equal noise.
    """
    return [Bed(make.__name__, make(np.random.default_rng((seed, n)))) for n, make in enumerate((pink, brown, kitchen))]


def recorded(folder: Path) -> tuple[list[Bed], list[Unread]]:
    """Return the beds of a folder's recordings, sub-folders included, and the files that are none.

    A file's level is its mean over all of it: one that is mostly silent makes louder moments than the ratio says.

    Raises:
        OSError: it cannot be listed.
    """
    files, unread = recordings(folder)
    beds: list[Bed] = []
    for name, path in files:
        try:
            pcm = read(path).astype(np.float32)
        except UnreadableError as error:
            unread.append(Unread(name, str(error)))
            continue
        if pcm.any():
            beds.append(Bed(name, _levelled(pcm)))
        else:
            unread.append(Unread(name, "it is digital silence"))
    return beds, unread


def pink(generator: np.random.Generator) -> Float32:
    """Return noise whose power falls by 3 dB an octave."""
    return _coloured(generator, 0.5)


def brown(generator: np.random.Generator) -> Float32:
    """Return noise whose power falls by 6 dB an octave: traffic behind a window, a big fan."""
    return _coloured(generator, 1.0)


def kitchen(generator: np.random.Generator) -> Float32:
    """Return half a minute of a kitchen: a hood's hum and its wind, water that runs for a while, clatter."""
    time_s = np.arange(_FRAMES) / WAKE_RATE_HZ
    # Harmonics of the mains, whole cycles in the loop.
    hum = sum(np.sin(2 * np.pi * 50 * order * time_s) / order for order in (1, 2, 3, 4, 6))
    water = np.roll(_white(generator), 1) * np.clip(np.sin(2 * np.pi * time_s / BED_S * 2), 0, 1)
    steady = 0.5 * _levelled(np.asarray(hum)) + 0.8 * pink(generator) + 0.5 * water
    clatter = np.zeros(_FRAMES)
    for _ in range(_CLATTERS):
        hit = _hit(generator)
        begin = int(generator.integers(_FRAMES))
        clatter[np.arange(begin, begin + len(hit)) % _FRAMES] += hit * generator.uniform(0.2, 1.0)
    ratio = np.sqrt(_CLATTER_RATIO * np.mean(steady**2) / np.mean(clatter**2))
    return _levelled(steady + ratio * clatter)


def _hit(generator: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return one piece of crockery that is put down: a knock and some tones that die away."""
    time_s = np.arange(WAKE_RATE_HZ // 3) / WAKE_RATE_HZ
    sound = generator.standard_normal(len(time_s)) * np.exp(-time_s / 0.004)
    for _ in range(4):
        tone_hz, fade_s = generator.uniform(900, 6500), generator.uniform(0.01, 0.08)
        sound += np.sin(2 * np.pi * tone_hz * time_s) * np.exp(-time_s / fade_s) * generator.uniform(0.2, 0.8)
    return np.asarray(sound)


def _white(generator: np.random.Generator) -> Float32:
    return _coloured(generator, 0.0)


def _coloured(generator: np.random.Generator, slope: float) -> Float32:
    """Return noise whose amplitude falls with a power of the frequency, made as a spectrum, so that it has no seam."""
    frequency_hz = np.fft.rfftfreq(_FRAMES, 1 / WAKE_RATE_HZ)
    amplitude = np.where(frequency_hz < _LOWEST_HZ, 0.0, np.maximum(frequency_hz, _LOWEST_HZ) ** -slope)
    phases = generator.uniform(0, 2 * np.pi, len(amplitude))
    return _levelled(np.fft.irfft(amplitude * np.exp(1j * phases), _FRAMES))


def _levelled(pcm: npt.NDArray[np.floating]) -> Float32:
    wide = pcm.astype(np.float32)
    return wide / np.float32(np.sqrt(np.dot(wide, wide) / len(wide)))
