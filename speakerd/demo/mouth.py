"""The user's voice on the stage: the neural tier's, lowered so that it is another person; else one of the system's."""

from __future__ import annotations

import importlib.util
import io
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speakerd.demo.process import StageError
from speakerd.demo.room import resample

SPEECH_RATE_HZ = 48_000
"""The rate of everything a mouth says: the room's, so that it is put there as it is."""

_VOICE_RATE_HZ = 24_000
"""What the neural voice speaks at (specified by the embedded service)."""

_LOWERED_RATE_HZ = 20_000
"""The neural voice played so much slower is a deeper person's. The wake word scores 1.0 all the same (measured)."""

_SPEECH_PEAK = 10_000
"""The loudest sample of a sentence, -10 dBFS: somebody two metres away (guessed)."""

_SILENCE = 0.01
"""Of the loudest sample: what is quieter at either end belongs to the recording, not to the sentence (guessed)."""

_COMMANDS = {
    "flite": ["flite", "-voice", "rms", "-t", "{text}", "-o", "{wav}"],
    "espeak-ng": ["espeak-ng", "-v", "en-us", "-s", "150", "-p", "50", "-w", "{wav}", "{text}"],
}
"""The system's voices whose wake word is heard surely (measured), the better one first."""

_TIMEOUT_S = 30.0
"""A sentence takes a tenth of a second (measured); a machine may be busy."""


class Mouth:
    """Says sentences as mono samples at ``SPEECH_RATE_HZ``, without silence around them, all equally loud.

    Thread: any, one at a time; heavy the first time for each sentence.

    Args:
        name: Whose voice it is, for people.
        synthesise: Text to samples and their rate.
    """

    def __init__(self, name: str, synthesise: Callable[[str], tuple[NDArray[np.int16], int]]) -> None:
        self.name = name
        self._synthesise = synthesise
        self.speak = lru_cache(maxsize=64)(self._speak)

    def _speak(self, text: str) -> NDArray[np.int16]:
        pcm, rate_hz = self._synthesise(text)
        return levelled(trimmed(resample(pcm, rate_hz, SPEECH_RATE_HZ)))


def find_mouth(*, neural: bool | None = None) -> Mouth:
    """Return the best voice of this machine.

    Args:
        neural: Whether the neural tier's voice may be used; None: if its package is installed.

    Raises:
        StageError: there is none (code ``no-voice``).
    """
    if importlib.util.find_spec("hibari") is not None if neural is None else neural:
        return _neural()
    for name, command in _COMMANDS.items():
        if shutil.which(name):
            return Mouth(name, lambda text, command=command: _spoken_by(command, text))  # type: ignore[misc]  # mypy does not infer a lambda's default
    raise StageError(
        "no-voice", "nobody can speak here: install the packages of speakerd[local], or flite, or espeak-ng"
    )


def trimmed(pcm: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return samples without the silence before and after them."""
    loudness = np.abs(pcm.astype(np.int32))
    loud = np.flatnonzero(loudness > _SILENCE * loudness.max(initial=0))
    return pcm[loud[0] : loud[-1] + 1] if len(loud) else pcm[:0]


def levelled(pcm: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return samples as loud as somebody in the room."""
    peak = np.abs(pcm.astype(np.int32)).max(initial=1)
    louder: NDArray[np.int16] = (pcm.astype(np.float32) * (_SPEECH_PEAK / peak)).astype(np.int16)
    return louder


def _neural() -> Mouth:
    from speakerd.embedded.voice import HibariVoice

    voice = HibariVoice()
    speed = _VOICE_RATE_HZ / _LOWERED_RATE_HZ

    def synthesise(text: str) -> tuple[NDArray[np.int16], int]:
        spoken = b"".join(voice.speak(sentence, speed) for sentence in voice.sentences(text))
        return np.frombuffer(spoken, "<i2"), _LOWERED_RATE_HZ

    return Mouth("hibari-tts", synthesise)


def _spoken_by(command: list[str], text: str) -> tuple[NDArray[np.int16], int]:
    with tempfile.TemporaryDirectory(prefix="speakerd-mouth-") as scratch:
        path = Path(scratch) / "said.wav"
        filled = [part.format(text=text, wav=path) for part in command]
        run = subprocess.run(filled, capture_output=True, timeout=_TIMEOUT_S, check=False)  # noqa: S603 - our own words, no shell
        if run.returncode != 0:
            raise StageError("no-voice", f"{filled[0]} cannot speak: {run.stderr.decode(errors='replace').strip()}")
        with wave.open(io.BytesIO(path.read_bytes())) as stream:
            return np.frombuffer(stream.readframes(stream.getnframes()), "<i2"), stream.getframerate()
