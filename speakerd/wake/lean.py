"""A wake word engine on numpy alone: openWakeWord's networks and scores, without its package and without onnxruntime.

40 MB less and a start of 0.2 s instead of 0.5 (measured, README). The scores are those of ``openwakeword.Model``, start
included.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from speakerd.core.errors import Remedy, WakeError
from speakerd.wake import fade
from speakerd.wake.feature_stream import FeatureStream
from speakerd.wake.lean_classifier import Classifier, UnknownOperationError
from speakerd.wake.lean_features import Float32
from speakerd.wake.onnx_file import BadModelError, load
from speakerd.wake.shapes import CHUNK_FRAMES, memory_chunks

_DUMB_CHUNKS = 5
"""So many scores at the start are 0 (specified by openWakeWord)."""


class Lean:
    """Scores for wake words, one for every 80 ms of audio. Thread: one at a time.

    Args:
        words: The classifier of each wake word, by the name that ``score`` answers with.
        features: The melspectrogram model and the embedding model.

    Raises:
        WakeError: ``wake-model-corrupt``: a file is not a model, or not of this kind.
        UnknownOperationError: a model needs onnxruntime.
    """

    name = "lean"
    chunk_frames = CHUNK_FRAMES

    def __init__(self, words: Mapping[str, Path], features: tuple[Path, Path]) -> None:
        self.words = tuple(words)
        self._fades = {word: fade.of(path) for word, path in words.items()}
        try:
            self._classifiers = {word: _classifier(path) for word, path in words.items()}
            depth = max(classifier.embeddings for classifier in self._classifiers.values())
            self._stream = FeatureStream(features, depth)
        except BadModelError as error:
            raise WakeError("wake-model-corrupt", f"not a wake word model: {error}", Remedy.OPERATOR) from error
        self.memory_chunks = memory_chunks(depth)
        self._taken = 0
        self._last: dict[str, float] = {}

    def score(self, chunk: npt.NDArray[np.int16]) -> dict[str, float]:
        """Return how much each word was just said, 0 to 1, after another chunk of audio.

        Shape: (1280,).
        Units: S16 at 16 kHz.

        Raises:
            ValueError: the chunk has another shape or type.
        """
        self.follow(chunk[None])
        if self._taken <= _DUMB_CHUNKS:
            self._last = dict.fromkeys(self.words, 0.0)
        else:
            history = self._stream.history
            self._last = {
                word: classifier.score(history[-classifier.embeddings :])
                for word, classifier in self._classifiers.items()
            }
        return self._last

    def follow(self, chunks: npt.NDArray[np.int16]) -> None:
        """Take in chunks of audio whose scores nobody wants, at once; half the work of scoring each.

        Shape: (n, 1280), n at least 1.
        """
        self._stream.follow(chunks)
        self._taken += len(chunks)

    def ended_before(self, word: str) -> int | None:
        """Return how many frames before the last chunk's end the word ended; None: its model cannot tell.

        The work of some 8 chunks; call it only when something was detected.
        """
        return fade.ended_before(self, word, self._last.get(word, 0.0), self._fades[word])

    @property
    def newest_embedding(self) -> Float32:
        """The last embedding made; of noise, before the first chunk. Shape: (96,)."""
        newest: Float32 = self._stream.history[-1]
        return newest

    def embeddings(self, word: str) -> int:
        """Return how many embeddings a word's classifier looks at."""
        return self._classifiers[word].embeddings

    def score_of(self, word: str, embeddings: Float32) -> float:
        """Return a word's score of some embeddings, whatever was heard. Shape: (embeddings(word), 96)."""
        return self._classifiers[word].score(embeddings)

    def twin(self) -> Lean:
        """Return a second stream over the same networks; it begins with this one's past and goes its own way."""
        twin = copy.copy(self)
        twin._stream = self._stream.fork()  # noqa: SLF001 - it is of this class
        return twin


def _classifier(path: Path) -> Classifier:
    """Make a classifier of a model's file."""
    try:
        return load(path, Classifier)
    except UnknownOperationError as error:
        raise UnknownOperationError(f"{path} is computed with {error}") from None
