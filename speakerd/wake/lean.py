"""A wake word engine on numpy alone: openWakeWord's networks and scores, without its package and without onnxruntime.

A quarter of the CPU and 60 MB less (measured, README). The scores are those of ``openwakeword.Model``, start included.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from speakerd.core.errors import Remedy, WakeError
from speakerd.wake import fade
from speakerd.wake.lean_classifier import Classifier, UnknownOperationError
from speakerd.wake.lean_features import Embedding, Float32, Int16, Melspectrogram
from speakerd.wake.onnx_file import BadModelError, Graph, read
from speakerd.wake.shapes import BANDS, CHUNK_FRAMES, CHUNK_ROWS, NOISE_SEED, OVERLAP_FRAMES, memory_chunks

Made = TypeVar("Made")

_FIRST_ROWS = 5
"""Rows of the first chunk, which has no audio before it to look back on (specified by openWakeWord)."""

_EMPTY_BLOCKS = 10
"""So many chunks of ones stand before the first, more than the 76 rows that an embedding sees (specified)."""

_NOISE_FRAMES, _NOISE_PEAK = 64_000, 1000
"""openWakeWord's history begins with embeddings of four seconds of noise. Begun with zeros "alexa" is heard
in other speech within the first second (measured: 6 of 240 recordings)."""

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
        self._melspectrogram = _read(features[0], Melspectrogram)
        self._embedding = _read(features[1], Embedding)
        self._classifiers = {word: _read(path, Classifier) for word, path in words.items()}
        self._depth = max(classifier.embeddings for classifier in self._classifiers.values())
        self.memory_chunks = memory_chunks(self._depth)
        self._history: Float32 = self._begin()
        self._tail: Int16 = np.zeros(0, np.int16)
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
            history = self._history
            self._last = {
                word: classifier.score(history[-classifier.embeddings :])
                for word, classifier in self._classifiers.items()
            }
        return self._last

    def follow(self, chunks: npt.NDArray[np.int16]) -> None:
        """Take in chunks of audio whose scores nobody wants, at once; half the work of scoring each.

        Shape: (n, 1280), n at least 1.
        """
        if chunks.shape != (len(chunks), CHUNK_FRAMES) or chunks.dtype != np.int16 or not len(chunks):
            raise ValueError(f"a chunk is int16 ({CHUNK_FRAMES},), not {chunks.dtype} {chunks.shape[1:]}")
        made = self._embedding.process(self._rows(chunks))
        self._history = np.concatenate((self._history, made))[-self._depth :]
        self._taken += len(chunks)

    def ended_before(self, word: str) -> int | None:
        """Return how many frames before the last chunk's end the word ended; None: its model cannot tell.

        The work of some 8 chunks; call it only when something was detected.
        """
        return fade.ended_before(self, word, self._last.get(word, 0.0), self._fades[word])

    @property
    def newest_embedding(self) -> Float32:
        """The last embedding made; of noise, before the first chunk. Shape: (96,)."""
        newest: Float32 = self._history[-1]
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
        twin._embedding = self._embedding.fork()  # noqa: SLF001 - it is of this class
        return twin

    def _rows(self, chunks: Int16) -> Float32:
        """Return the rows of melspectrogram of the next chunks, as the embedding takes them."""
        if not len(self._tail):
            return self._first_rows(chunks)
        audio = np.concatenate((self._tail, chunks.ravel()))
        self._tail = audio[-OVERLAP_FRAMES:]
        rows = self._melspectrogram.rows(audio.astype(np.float32))
        return self._melspectrogram.finished(rows.reshape(-1, CHUNK_ROWS, BANDS)).reshape(-1, BANDS)

    def _first_rows(self, chunks: Int16) -> Float32:
        """Return the rows of the first chunks ever: those that have no audio are ones."""
        rows = self._melspectrogram.rows(chunks[0].astype(np.float32))[:_FIRST_ROWS]
        first = np.ones((CHUNK_ROWS, BANDS), np.float32)
        first[-_FIRST_ROWS:] = self._melspectrogram.finished(rows[None])[0]
        self._tail = chunks[0, -OVERLAP_FRAMES:]
        return first if len(chunks) == 1 else np.concatenate((first, self._rows(chunks[1:])))

    def _begin(self) -> Float32:
        """Return the embeddings that stand before the first chunk, and give the stream its past of ones."""
        noise = np.random.RandomState(NOISE_SEED).randint(-_NOISE_PEAK, _NOISE_PEAK, _NOISE_FRAMES)
        rows = self._melspectrogram.rows(noise.astype(np.float32))
        # The first of them would be made of the 76 rows from row 0 on; a chunk's end is 4 rows off from there.
        lead = np.ones((CHUNK_ROWS // 2, BANDS), np.float32)
        aligned = np.concatenate((lead, self._melspectrogram.finished(rows[None])[0]))
        made = self._embedding.fork().process(aligned[: len(aligned) // CHUNK_ROWS * CHUNK_ROWS])
        self._embedding.process(np.ones((CHUNK_ROWS * _EMPTY_BLOCKS, BANDS), np.float32))
        return np.resize(made[::-1], (self._depth, made.shape[1]))[::-1]  # more of it than there is: once more


def _read(path: Path, make: Callable[[Graph], Made]) -> Made:
    """Make something of a model's file."""
    try:
        return make(read(path))
    except UnknownOperationError as error:
        raise UnknownOperationError(f"{path} is computed with {error}") from None
    except (BadModelError, KeyError, ValueError, IndexError, TypeError) as error:
        message = f"not a wake word model: {path}: {error}"
        raise WakeError("wake-model-corrupt", message, Remedy.OPERATOR) from error
