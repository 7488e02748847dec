"""openWakeWord as it comes, for comparisons: its ``Model``, and our engine on its own features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from speakerd.wake import detector, models
from speakerd.wake.detector import OpenWakeWord
from speakerd.wake.shapes import EMBEDDING_CHUNKS, NOISE_SEED
from speakerd.wake.streaming import OwnFeatures


class Stock:
    """``openwakeword.Model`` itself, nothing changed, that begins with the same noise as ours.

    Args:
        words: The classifier of each wake word, by its name.
        features: The melspectrogram and the embedding; None: the published ones.
    """

    def __init__(self, words: Mapping[str, Path], features: tuple[Path, Path] | None = None) -> None:
        _, model = detector._import_openwakeword()
        melspectrogram, embedding = features or models.features()
        self._stems = {path.stem: word for word, path in words.items()}
        noise = np.random.get_state()  # noqa: NPY002 - openwakeword draws from numpy's global generator
        np.random.seed(NOISE_SEED)  # noqa: NPY002 - the same
        self.model: Any = model(
            wakeword_models=[str(path) for path in words.values()],
            inference_framework="onnx",
            melspec_model_path=str(melspectrogram),
            embedding_model_path=str(embedding),
        )
        np.random.set_state(noise)  # noqa: NPY002 - the same

    def score(self, audio: npt.NDArray[np.int16]) -> dict[str, float]:
        """Return each word's score behind these chunks; of several, the largest."""
        return {self._stems[stem]: float(score) for stem, score in self.model.predict(audio).items()}


def on_its_own_features(words: Mapping[str, Path]) -> OpenWakeWord:
    """Return our engine as it is where the features cannot be streamed."""
    engine = OpenWakeWord(words, models.features())
    own = detector._load_features(*models.features())
    engine._model.preprocessor = OwnFeatures(own, engine.memory_chunks - EMBEDDING_CHUNKS)
    return engine
