"""Synthesised people: text to speech for tests, by whatever voice this machine has, cached on disk.

``hibari`` comes with the neural tier's packages and sounds human; ``flite`` and ``espeak-ng`` are command line tools of
the system. A test that asks for a voice that is not there is skipped and says why.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

_COMMANDS: dict[str, list[str]] = {
    "hibari": [sys.executable, "-m", "hibari.cli", "{text}", "-o", "{wav}", "--seed", "1"],
    "flite": ["flite", "-voice", "slt", "-t", "{text}", "-o", "{wav}"],
    "flite-rms": ["flite", "-voice", "rms", "-t", "{text}", "-o", "{wav}"],
    "flite-kal": ["flite", "-voice", "kal16", "--setf", "duration_stretch=0.85", "-t", "{text}", "-o", "{wav}"],
    "espeak": ["espeak-ng", "-v", "en-us", "-s", "150", "-p", "50", "-w", "{wav}", "{text}"],
    "espeak-f2": ["espeak-ng", "-v", "en-us+f2", "-s", "180", "-p", "50", "-w", "{wav}", "{text}"],
    "espeak-scotland": ["espeak-ng", "-v", "en-gb-scotland", "-s", "150", "-p", "50", "-w", "{wav}", "{text}"],
}
"""How each voice is asked. The settings are those whose wake words are heard surely (measured)."""

VOICES = tuple(_COMMANDS)
"""Every voice there may be, the most human first."""


def is_there(voice: str) -> bool:
    """Return whether this machine has a voice."""
    if voice == "hibari":
        return importlib.util.find_spec("hibari") is not None
    return shutil.which(_COMMANDS[voice][0]) is not None


def say(text: str, rate_hz: int = 16_000, voice: str | None = None) -> npt.NDArray[np.int16]:
    """Return somebody saying a text: int16 mono at any rate, the same every time; skip the test without a voice.

    Args:
        text: What to say.
        rate_hz: Frames a second of the result.
        voice: One of ``VOICES``; None: the most human one this machine has.
    """
    chosen = [name for name in ([voice] if voice else VOICES) if is_there(name)]
    if not chosen:
        pytest.skip(f"no voice here: neither of {voice or ', '.join(VOICES)} is installed")
    key = hashlib.sha256(repr((_COMMANDS[chosen[0]][1:], chosen[0], text, rate_hz)).encode()).hexdigest()[:24]
    path = _cache_dir() / f"{chosen[0]}-{key}.npy"
    if not path.exists():
        spoken, native_hz = _synthesise(text, chosen[0])
        part = path.with_name(f"{path.stem}.{os.getpid()}.part.npy")
        np.save(part, _resample(spoken, native_hz, rate_hz))
        part.replace(path)
    pcm: npt.NDArray[np.int16] = np.load(path)
    return pcm


def pad(pcm: npt.NDArray[np.int16], rate_hz: int, before_s: float, after_s: float) -> npt.NDArray[np.int16]:
    """Return speech with digital silence before and after it."""
    return np.pad(pcm, (int(before_s * rate_hz), int(after_s * rate_hz)))


def _cache_dir() -> Path:
    """Return the folder of what was said before: ``$SPEAKERD_TEST_CACHE``, else one of this user's own in /tmp."""
    chosen = os.environ.get("SPEAKERD_TEST_CACHE")
    folder = Path(chosen) if chosen else Path(tempfile.gettempdir()) / f"speakerd-test-cache-{os.getuid()}"
    voices = folder / "voices"
    voices.mkdir(parents=True, exist_ok=True)
    return voices


def _synthesise(text: str, voice: str) -> tuple[npt.NDArray[np.int16], int]:
    """Return the voice's own samples and their rate."""
    with tempfile.TemporaryDirectory() as scratch:
        wav = Path(scratch) / "said.wav"
        command = [part.format(text=text, wav=wav) for part in _COMMANDS[voice]]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        with wave.open(str(wav), "rb") as stream:
            assert (stream.getnchannels(), stream.getsampwidth()) == (1, 2)
            return np.frombuffer(stream.readframes(stream.getnframes()), dtype="<i2"), stream.getframerate()


def _resample(pcm: npt.NDArray[np.int16], from_hz: int, to_hz: int) -> npt.NDArray[np.int16]:
    """Resample a whole recording by cutting or widening its spectrum: exact for what both rates can hold."""
    if from_hz == to_hz:
        return pcm
    second = from_hz  # zeros behind it, so that the end does not ring into the beginning; whole seconds divide evenly
    padded = np.pad(pcm.astype(np.float64), (0, second + -len(pcm) % second))
    out_size = len(padded) // from_hz * to_hz
    spectrum = np.fft.rfft(padded)
    fitted = np.zeros(out_size // 2 + 1, dtype=complex)
    kept = min(len(spectrum), len(fitted))
    fitted[:kept] = spectrum[:kept]
    wide = np.fft.irfft(fitted, out_size) * (out_size / len(padded))
    return np.clip(np.rint(wide[: len(pcm) * to_hz // from_hz]), -32768, 32767).astype(np.int16)
