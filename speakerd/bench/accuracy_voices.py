"""Synthesised people who say the wake word, what sounds like it, and other things: where nobody has recordings.

Every voice of the machine is used, at several speeds and sizes. They are no people: they are fluent, they sit at the
microphone, and a network that was trained on synthesised speech may know them better than it knows you.
"""

from __future__ import annotations

import importlib.util
import io
import random
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from speakerd.bench.accuracy_clips import NEAR_LABEL, Clip
from speakerd.bench.accuracy_files import UnreadableError
from speakerd.bench.accuracy_words import ENDINGS, NEAR, SPOKEN, sentences
from speakerd.core.pcm import Resampler
from speakerd.core.units import WAKE_RATE_HZ, WIRE_RATE_HZ
from speakerd.demo.mouth import levelled, trimmed

Int16 = npt.NDArray[np.int16]

SPEECH_LABEL = "speech"
"""The label of what does not sound like a wake word."""

NEAR_VOICES = 8
"""So many voices say each thing that sounds like a wake word (chosen)."""

PARAGRAPH = 8
"""Sentences that are said in one go (chosen)."""

PARAGRAPH_S = 28.0
"""How long that takes (measured over all voices)."""

_HIBARI_RATES_HZ = (18_000, 20_000, 22_000, 24_000, 26_000, 28_000)
"""The one neural voice speaks at 24 kHz; played slower or faster it has another throat and another pitch."""

_PACES = (0.85, 1.0, 1.2)
"""How fast each one speaks (chosen: slowly, as usual, in a hurry)."""

_FLITE = ("kal16", "awb", "rms", "slt")
_ESPEAK = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-029", "en-us+f2", "en-us+f4", "en-us+klatt")
"""Voices that the two programs have in every distribution."""

_ESPEAK_WORDS_A_MINUTE = 150
"""Its usual pace, at which wake words are heard surely (measured)."""

_TIMEOUT_S = 60.0
"""A paragraph takes a tenth of a second (measured); a machine may be busy."""


@dataclass(frozen=True, slots=True)
class Voice:
    """Somebody who speaks."""

    family: str
    """The package or program."""

    name: str
    """Which of its voices, how big, how fast."""

    say: Callable[[str], tuple[Int16, int]]
    """Text to samples and their rate. Raises ``UnreadableError``."""

    usual: bool
    """Whether it speaks as fast as usual."""


def find_voices(*, neural: bool | None = None, programs: str | None = None) -> list[Voice]:
    """Return every voice of this machine.

    Args:
        neural: Whether the neural tier's voice may be used; None: if its package is installed.
        programs: Folders in which flite and espeak-ng are looked for, as in ``PATH``; None: ``PATH``.
    """
    voices: list[Voice] = []
    if importlib.util.find_spec("hibari") is not None if neural is None else neural:
        voices += _hibari()
    if shutil.which("flite", path=programs):
        for name in _FLITE:
            for pace in _PACES:
                command = ["flite", "-voice", name, "--setf", f"duration_stretch={1 / pace:.3f}"]
                voices.append(_program([*command, "-t", "{text}", "-o", "{wav}"], name, pace, programs))
    if shutil.which("espeak-ng", path=programs):
        for name in _ESPEAK:
            for pace in _PACES:
                command = ["espeak-ng", "-v", name, "-s", f"{_ESPEAK_WORDS_A_MINUTE * pace:.0f}", "-p", "50"]
                voices.append(_program([*command, "-w", "{wav}", "{text}"], name, pace, programs))
    return voices


def synthesised(voices: Sequence[Voice], words: Sequence[str], minutes: float, seed: int) -> list[Clip]:
    """Return the clips that voices say; each is spoken when it is loaded.

    Args:
        voices: At least one.
        words: Wake words that ship.
        minutes: About how much everyday speech.
        seed: Who says what; equal ones make equal clips.
    """
    generator = random.Random(seed)  # noqa: S311 - no secret
    clips: list[Clip] = []
    for word in words:
        for voice in voices:
            clips += [_clip(voice, SPOKEN[word] + ending, word, word, alone=len(ending) == 1) for ending in ENDINGS]
    usual = [voice for voice in voices if voice.usual]
    for text in (text for word in words for text in NEAR[word]):
        sayers = generator.sample(usual, min(NEAR_VOICES, len(usual)))
        clips += [_clip(voice, text, NEAR_LABEL, None) for voice in sayers]
    clips += _paragraphs(usual, generator, round(minutes * 60 / PARAGRAPH_S))
    return clips


def _paragraphs(voices: Sequence[Voice], generator: random.Random, count: int) -> Iterator[Clip]:
    """Yield everyday speech; each family of voices has its equal part of it."""
    families = sorted({voice.family for voice in voices})
    for number in range(count):
        voice = generator.choice([each for each in voices if each.family == families[number % len(families)]])
        yield _clip(voice, sentences(generator, PARAGRAPH), SPEECH_LABEL, None)


def _clip(voice: Voice, text: str, label: str, word: str | None, *, alone: bool = True) -> Clip:
    def load() -> Int16:
        pcm, rate_hz = voice.say(text)
        resampler = Resampler(rate_hz, WAKE_RATE_HZ)
        late = -(-resampler.delay_frames * rate_hz // WAKE_RATE_HZ)
        return levelled(trimmed(resampler.process(np.concatenate((pcm, np.zeros(late, np.int16))))))

    return Clip(f"{voice.family} {voice.name}: {text}", label, word, load, alone)


def _hibari() -> Iterator[Voice]:
    from speakerd.embedded.voice import HibariVoice

    engine = HibariVoice()
    for rate_hz in _HIBARI_RATES_HZ:
        for pace in _PACES:

            def say(text: str, rate_hz: int = rate_hz, pace: float = pace) -> tuple[Int16, int]:
                speed = pace * WIRE_RATE_HZ / rate_hz
                spoken = b"".join(engine.speak(sentence, speed) for sentence in engine.sentences(text))
                return np.frombuffer(spoken, "<i2"), rate_hz

            size = WIRE_RATE_HZ / rate_hz
            yield Voice("hibari-tts", f"size {size:.2f} pace {pace:g}", say, pace == 1.0)


def _program(command: list[str], name: str, pace: float, programs: str | None) -> Voice:
    def say(text: str) -> tuple[Int16, int]:
        with tempfile.TemporaryDirectory(prefix="speakerd-voice-") as scratch:
            path = Path(scratch) / "said.wav"
            filled = [part.format(text=text, wav=path) for part in command]
            filled[0] = shutil.which(command[0], path=programs) or command[0]
            run = subprocess.run(filled, capture_output=True, timeout=_TIMEOUT_S, check=False)  # noqa: S603 - our own words, no shell
            if run.returncode != 0 or not path.exists():
                reason = run.stderr.decode(errors="replace").strip() or "it wrote nothing"
                raise UnreadableError(f"{command[0]} cannot say it: {reason}")
            with wave.open(io.BytesIO(path.read_bytes())) as stream:
                return np.frombuffer(stream.readframes(stream.getnframes()), "<i2"), stream.getframerate()

    return Voice(command[0], f"{name} pace {pace:g}", say, pace == 1.0)
