"""Speak what the speaker says of itself with the embedded service's voice, and write it as WAV files.

The voice is free (Apache-2.0); run again when a text changes: .venv/bin/python .ci/sentences.py
"""

from __future__ import annotations

import tomllib
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from speakerd.core.pcm import Resampler
from speakerd.core.units import SAMPLE_BYTES, WIRE_RATE_HZ
from speakerd.embedded.voice import HibariVoice

FOLDER = Path(__file__).resolve().parent.parent / "speakerd/audio/sentences/en"
PEAK = 12_000
"""Loudest sample, -9 dBFS: about as loud as a reply (measured on the embedded service's)."""

QUIET = 200
"""Silence behind a sentence is cut where it is quieter than this, -44 dBFS (guess)."""

SMALL_RATE_HZ = 12_000
"""Rate of what belongs to a sign-in, which would be most of all files at the wire's. The neural tier's ears understand
as much of a code at it as at the wire's: 97 of 100 characters of the same 30 codes (measured)."""

SMALL = ("login-", "spell-")

SLOW = {f"spell-{character}": 0.85 for character in "bcdeghptvzmnfs"}
"""Pace of the letters that sound like others (by ear and by what the neural tier's ears confuse)."""


def main() -> None:
    """Write every sentence."""
    voice = HibariVoice()
    for name, text in tomllib.loads((FOLDER / "texts.toml").read_text(encoding="utf-8")).items():
        pace = SLOW.get(name, 1.0)
        spoken = b"".join(voice.speak(sentence, pace) for sentence in voice.sentences(text))
        pcm = np.frombuffer(spoken, "<i2").astype(np.float64)
        pcm *= PEAK / np.max(np.abs(pcm))
        pcm = pcm[: np.flatnonzero(np.abs(pcm) > QUIET)[-1] + WIRE_RATE_HZ // 50]
        write(FOLDER / f"{name}.wav", pcm.astype("<i2"), small=name.startswith(SMALL))


def write(path: Path, pcm: npt.NDArray[np.int16], *, small: bool) -> None:
    """Write wire audio as a WAV file, at half of its rate where that will do."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(SAMPLE_BYTES)
        file.setframerate(SMALL_RATE_HZ if small else WIRE_RATE_HZ)
        file.writeframes((Resampler(WIRE_RATE_HZ, SMALL_RATE_HZ).process(pcm) if small else pcm).tobytes())


if __name__ == "__main__":
    main()
