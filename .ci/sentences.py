"""Speak the sentences that say what is wrong with the embedded service's voice, and write them as WAV files.

The voice is free (Apache-2.0); run again when a text changes: .venv/bin/python .ci/sentences.py
"""

from __future__ import annotations

import tomllib
import wave
from pathlib import Path

import numpy as np

from speakerd.core.units import SAMPLE_BYTES, WIRE_RATE_HZ
from speakerd.embedded.voice import HibariVoice

FOLDER = Path(__file__).resolve().parent.parent / "speakerd/audio/sentences/en"
PEAK = 12_000
"""Loudest sample, -9 dBFS: about as loud as a reply (measured on the embedded service's)."""

QUIET = 200
"""Silence behind a sentence is cut where it is quieter than this, -44 dBFS (guess)."""


def main() -> None:
    """Write every sentence."""
    voice = HibariVoice()
    for name, text in tomllib.loads((FOLDER / "texts.toml").read_text(encoding="utf-8")).items():
        spoken = b"".join(voice.speak(sentence, 1.0) for sentence in voice.sentences(text))
        pcm = np.frombuffer(spoken, "<i2").astype(np.float64)
        pcm *= PEAK / np.max(np.abs(pcm))
        pcm = pcm[: np.flatnonzero(np.abs(pcm) > QUIET)[-1] + WIRE_RATE_HZ // 50]
        with wave.open(str(FOLDER / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(SAMPLE_BYTES)
            file.setframerate(WIRE_RATE_HZ)
            file.writeframes(pcm.astype("<i2").tobytes())


if __name__ == "__main__":
    main()
