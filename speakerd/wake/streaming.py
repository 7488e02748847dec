"""What ``openwakeword.Model`` takes for its features: a stream that looks at each 80 ms of audio once, or its own.

openWakeWord's own look at the last 0.8 s for every 80 ms, which is nine tenths of its work. A stream gives the same
embeddings for an eighth of it; where it does not, they are used as they are. This file knows what ``Model`` calls, not
the package itself (``detector.py``).
"""

from __future__ import annotations

import copy
import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from speakerd.wake import feature_stream, models
from speakerd.wake.feature_stream import FeatureStream
from speakerd.wake.lean_features import Float32, Int16
from speakerd.wake.onnx_file import BadModelError
from speakerd.wake.shapes import CHUNK_FRAMES, EMBEDDING_ROWS, OVERLAP_FRAMES

log = logging.getLogger("speakerd.wake")

_TEST_CHUNKS = 30
"""2.4 s of noise, of which the last second is digital silence: three times what an embedding looks at (chosen)."""

_SILENT_CHUNKS = 12


class Features(Protocol):
    """What turns audio into embeddings for ``openwakeword.Model``. Thread: one at a time."""

    def __call__(self, audio: Int16) -> int:
        """Take in the next whole chunks; return how many frames they were."""

    def follow(self, chunks: Int16) -> None:
        """Take in chunks whose scores nobody wants. Shape: (n, 1280)."""

    def get_features(self, n_feature_frames: int = 16, start_ndx: int = -1) -> Float32:
        """Return so many embeddings, from this place on, counted from the end; -1: the last. Shape: (1, n, 96)."""

    def reset(self) -> None:
        """Begin anew."""

    def fork(self) -> Features:
        """Return a second stream over the same networks, with a past of its own that begins as this one's."""


class StreamingFeatures:
    """openWakeWord's features for an eighth of their work. Implements ``Features``."""

    def __init__(self, stream: FeatureStream) -> None:
        self._stream = stream

    def __call__(self, audio: Int16) -> int:
        """Take in the next whole chunks; return how many frames they were.

        Raises:
            ValueError: it is something else.
        """
        self.follow(audio.reshape(-1, CHUNK_FRAMES))
        return len(audio)

    def follow(self, chunks: Int16) -> None:
        """Take in chunks, at once."""
        self._stream.follow(chunks)

    def get_features(self, n_feature_frames: int = 16, start_ndx: int = -1) -> Float32:
        """Return embeddings, as openWakeWord counts them."""
        first = -n_feature_frames if start_ndx == -1 else start_ndx
        return self._stream.history[first : first + n_feature_frames or None][None]

    def reset(self) -> None:
        """Begin anew."""
        self._stream.reset()

    def fork(self) -> StreamingFeatures:
        """Return a second stream."""
        return StreamingFeatures(self._stream.fork())


class OwnFeatures:
    """openWakeWord's own features with no more past than a score depends on. Implements ``Features``.

    They keep ten seconds and copy them, sample by sample, for every chunk; the scores are the same without.

    Args:
        features: Its ``AudioFeatures``, which nobody else may use.
        depth: How many embeddings the longest classifier looks at.
    """

    def __init__(self, features: Any, depth: int) -> None:
        features.raw_data_buffer = deque(features.raw_data_buffer, maxlen=CHUNK_FRAMES + OVERLAP_FRAMES)
        features.melspectrogram_max_len = EMBEDDING_ROWS
        features.feature_buffer_max_len = depth
        self._features = features

    def __call__(self, audio: Int16) -> int:
        """Take in the next chunk; return how many frames it was."""
        frames: int = self._features(audio)
        return frames

    def follow(self, chunks: Int16) -> None:
        """Take in chunks, one after the other."""
        for chunk in chunks:
            self._features(chunk)

    def get_features(self, n_feature_frames: int = 16, start_ndx: int = -1) -> Float32:
        """Return embeddings."""
        found: Float32 = self._features.get_features(n_feature_frames, start_ndx)
        return found

    def reset(self) -> None:
        """Begin anew."""
        self._features.reset()

    def fork(self) -> OwnFeatures:
        """Return a second stream."""
        twin = copy.copy(self)
        features = twin._features = copy.copy(self._features)  # noqa: SLF001 - it is of this class
        # The arrays in there are replaced with each chunk, never written to; the deque is written to.
        features.raw_data_buffer = copy.copy(features.raw_data_buffer)
        return twin


def choose(paths: tuple[Path, Path], depth: int, make_own: Callable[[], Any]) -> Features:
    """Return a stream over these networks if it is right, else openWakeWord's own features over them.

    For the published networks the right answer is known. Only where these are others, or where something else comes
    out because this machine calculates wrongly, openWakeWord's own are made, and both hear the same few seconds.

    Args:
        paths: The melspectrogram model and the embedding model.
        depth: How many embeddings the longest classifier looks at.
        make_own: Makes openWakeWord's ``AudioFeatures`` over the same.
    """
    try:
        stream = FeatureStream(paths, depth)
    except BadModelError as error:
        wrong: str | None = str(error)
        own = OwnFeatures(make_own(), depth)
    else:
        if models.are_published(paths) and feature_stream.wrong_about(stream.history[-1]) is None:
            return StreamingFeatures(stream)
        own = OwnFeatures(make_own(), depth)
        wrong = difference(StreamingFeatures(stream), own)
    if wrong is None:
        return StreamingFeatures(stream)
    log.warning("openWakeWord's features cannot be streamed, so they take five times the CPU: %s", wrong)
    return own


def difference(one: Features, other: Features) -> str | None:
    """Return where two streams that have heard nothing yet differ; None: they do not. They have heard nothing after."""
    one, other = one.fork(), other.fork()
    sound = feature_stream.noise()[: _TEST_CHUNKS * CHUNK_FRAMES].reshape(-1, CHUNK_FRAMES)
    sound[-_SILENT_CHUNKS:] = 0
    for number, chunk in enumerate(sound, 1):
        one(chunk)
        other(chunk)
        off = float(np.abs(one.get_features(1) - other.get_features(1)).max())
        if not off <= feature_stream.TOLERANCE:
            return f"an embedding is off by {off:.2g} after {number} chunks"
    return None
