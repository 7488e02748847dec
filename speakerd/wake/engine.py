"""Which engine hears the wake word: the lean one wherever it computes the models, else openWakeWord itself.

The lean one proves with each start that this machine's arithmetic gives the scores that openWakeWord gives: a processor
or a library that is wrong would otherwise make a speaker that is deaf, and says so to nobody. Before openWakeWord is
loaded a child process has loaded its onnxruntime, which may end the process that does (``probe.py``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from speakerd.core.errors import Remedy, WakeError
from speakerd.wake import feature_stream, models, probe
from speakerd.wake.detector import Detector
from speakerd.wake.lean import Lean
from speakerd.wake.lean_classifier import UnknownOperationError
from speakerd.wake.shapes import EMBEDDING_WIDTH

log = logging.getLogger("speakerd.wake")

Engine = Literal["auto", "openwakeword", "lean"]

_SCORES = {
    models.WORDS["hey_jarvis"].sha256: ((6, 0.42073), (0, 0.95931)),
    models.WORDS["alexa"].sha256: ((4, 0.23855),),
    models.WORDS["hey_mycroft"].sha256: ((5, 0.35874),),
    models.WORDS["hey_rhasspy"].sha256: ((8, 0.50555),),
}
"""What classifiers, known by their digest, say to embeddings of noise, by its seed (measured: openWakeWord 0.6.0). Of
"hey jarvis" the second one is for the network that judges what the first one takes for the word."""

_NOISE_LEVEL = 10.0
"""How loud those embeddings are (chosen: as real ones)."""

_TOLERANCE_SCORE = 0.001
"""How far off those may be; rounding is some 0.000001 (measured)."""


def make(
    words: Mapping[str, Path],
    features: tuple[Path, Path],
    engine: Engine = "auto",
    *,
    state: Path | None = None,
    trouble: Callable[[Path, Path | None], str | None] = probe.trouble,
) -> Detector:
    """Make the engine; takes 50 ms of a desktop's CPU, with openWakeWord a third of a second: do it off the event loop.

    Args:
        words: The classifier of each wake word, by its name.
        features: The melspectrogram model and the embedding model.
        engine: Which one; ``auto``: the lean one if it can and if it is right. ``openwakeword`` on a machine where
            onnxruntime ends the process: the lean one too, if it can.
        state: The folder where it is kept whether onnxruntime can be loaded; None: it is found out again.
        trouble: Finds that out with a network and that folder.

    Raises:
        WakeError: ``wake-model-corrupt``: a file is not a model; ``wake-model-missing``: it is gone;
            ``wake-engine``: the lean one, asked for, cannot, or neither can.
    """
    try:
        return _make(words, features, engine, state, trouble)
    except OSError as error:  # it was there when it was looked for
        message = f"a wake word model cannot be read: {error.filename}: {error.strerror}"
        raise WakeError("wake-model-missing", message, Remedy.OPERATOR) from error


def _make(
    words: Mapping[str, Path],
    features: tuple[Path, Path],
    engine: Engine,
    state: Path | None,
    trouble: Callable[[Path, Path | None], str | None],
) -> Detector:
    if engine != "openwakeword":
        lean, wrong = _lean(words, features)
        if lean is not None:
            return lean
        if engine == "lean":
            message = f"wake.engine: lean cannot be used, auto or openwakeword can: {wrong}"
            raise WakeError("wake-engine", message, Remedy.OPERATOR)
        log.warning("the lean wake word engine is not used: %s", wrong)
    fails = trouble(features[1], state)
    if fails is None:
        from speakerd.wake.detector import OpenWakeWord

        return OpenWakeWord(words, features)
    if engine == "openwakeword":
        lean, wrong = _lean(words, features)
        if lean is not None:
            log.warning("onnxruntime cannot be used on this machine, so the lean wake word engine is: %s", fails)
            return lean
    message = (
        f"no wake word engine works on this machine. onnxruntime: {fails}. The lean one: {wrong}. "
        "Take a wake word that ships, or another release of onnxruntime"
    )
    raise WakeError("wake-engine", message, Remedy.OPERATOR)


def _lean(words: Mapping[str, Path], features: tuple[Path, Path]) -> tuple[Lean | None, str]:
    """Return the lean engine if it can and is right; else what it cannot."""
    try:
        lean = Lean(words, features)
        wrong = wrong_about(lean, words)
    except UnknownOperationError as error:
        wrong = str(error)
    return (lean, "") if wrong is None else (None, wrong)


def wrong_about(lean: Lean, words: Mapping[str, Path]) -> str | None:
    """Return what an engine gets wrong whose answer is known; None: nothing. To be asked before it hears anything."""
    wrong = feature_stream.wrong_about(lean.newest_embedding)
    if wrong is not None:
        return wrong
    for word, path in words.items():
        for seed, right in _SCORES.get(models.digest(path), ()):
            noise = np.random.RandomState(seed).standard_normal((lean.embeddings(word), EMBEDDING_WIDTH)) * _NOISE_LEVEL
            score = lean.score_of(word, noise.astype(np.float32))
            if not abs(score - right) <= _TOLERANCE_SCORE:
                return f'"{word}" scores {score:.4f} where openWakeWord says {right:.4f}'
    return None
