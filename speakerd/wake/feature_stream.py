"""A microphone's embeddings, one for every 80 ms, as a stream on numpy that begins where openWakeWord begins.

What the networks compute is ``lean_features.py``'s business, what is made of their embeddings each engine's: the lean
one and openWakeWord itself listen to such a stream (``lean.py``, ``streaming.py``).
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import numpy.typing as npt

from speakerd.wake.lean_features import Embedding, Float32, Int16, Melspectrogram
from speakerd.wake.onnx_file import load
from speakerd.wake.shapes import (
    BANDS,
    CHUNK_FRAMES,
    CHUNK_ROWS,
    EMBEDDING_ROWS,
    NOISE_SEED,
    OVERLAP_FRAMES,
)

_FIRST_ROWS = 5
"""Rows of the first chunk, which has no audio before it to look back on (specified by openWakeWord)."""

_EMPTY_BLOCKS = 10
"""So many chunks of ones stand before the first, more than the 76 rows that an embedding sees (specified)."""

_NOISE_FRAMES, _NOISE_PEAK = 64_000, 1000
"""openWakeWord's history begins with embeddings of four seconds of noise. Begun with zeros "alexa" is heard
in other speech within the first second (measured: 6 of 240 recordings)."""

_NOISE_EMBEDDING = (-6.069, 23.127, 3.954, -5.294, 17.144, 26.488, 10.774, -16.898)
"""The first numbers of the last embedding of that noise, by the published networks (measured: openWakeWord 0.6.0)."""

TOLERANCE = 0.01
"""How far off a number of an embedding may be; rounding is some 0.0001 (measured)."""


class FeatureStream:
    """Audio to embeddings, with a past. Thread: one at a time.

    Args:
        features: The melspectrogram model and the embedding model.
        depth: How many embeddings the longest classifier looks at.

    Raises:
        BadModelError: one of them is another network than can be streamed, or none at all.
    """

    def __init__(self, features: tuple[Path, Path], depth: int) -> None:
        self._melspectrogram = load(features[0], Melspectrogram)
        self._embedding = load(features[1], Embedding)
        self._depth = depth
        self.reset()

    def reset(self) -> None:
        """Begin anew, as openWakeWord does: behind embeddings of noise and rows of ones."""
        self._history: Float32 = self._begin()
        self._tail: Int16 = np.zeros(0, np.int16)

    @property
    def history(self) -> Float32:
        """The embeddings, the newest last, as many as the scores of all chunks that came at once last look at.

        Shape: (depth or more, 96).
        """
        return self._history

    def follow(self, chunks: npt.NDArray[np.int16]) -> None:
        """Take in the next chunks of audio.

        Shape: (n, 1280), n at least 1.
        Units: S16 at 16 kHz.

        Raises:
            ValueError: they have another shape or type.
        """
        if chunks.shape != (len(chunks), CHUNK_FRAMES) or chunks.dtype != np.int16 or not len(chunks):
            raise ValueError(f"a chunk is int16 ({CHUNK_FRAMES},), not {chunks.dtype} {chunks.shape[1:]}")
        made = self._embedding.process(self._rows(chunks))
        self._history = np.concatenate((self._history, made))[1 - self._depth - len(chunks) :]

    def fork(self) -> FeatureStream:
        """Return a second stream over the same networks; it begins with this one's past and goes its own way."""
        twin = copy.copy(self)  # its arrays are replaced with each chunk, never written to
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
        rows = self._melspectrogram.rows(noise().astype(np.float32))
        # The first of them would be made of the 76 rows from row 0 on; a chunk's end is 4 rows off from there.
        lead = np.ones((CHUNK_ROWS // 2, BANDS), np.float32)
        aligned = np.concatenate((lead, self._melspectrogram.finished(rows[None])[0]))
        made = self._embedding.fork().process(aligned[: len(aligned) // CHUNK_ROWS * CHUNK_ROWS])
        made = made[-(1 + (len(rows) - EMBEDDING_ROWS) // CHUNK_ROWS) :]  # those before saw no whole window
        self._embedding.process(np.ones((CHUNK_ROWS * _EMPTY_BLOCKS, BANDS), np.float32))
        return np.resize(made[::-1], (self._depth, made.shape[1]))[::-1]  # more of it than there is: once more


def noise() -> Int16:
    """Return the noise that a stream begins behind, the same each time. Shape: (64000,)."""
    return np.random.RandomState(NOISE_SEED).randint(-_NOISE_PEAK, _NOISE_PEAK, _NOISE_FRAMES).astype(np.int16)


def wrong_about(newest: Float32) -> str | None:
    """Return what is wrong about the last embedding of a stream that has heard nothing yet; None: it is as published.

    Shape: (96,).
    """
    found = newest[: len(_NOISE_EMBEDDING)]
    if np.allclose(found, _NOISE_EMBEDDING, rtol=0, atol=TOLERANCE):
        return None
    return f"its features are wrong on this machine: {np.round(found, 3).tolist()}"
