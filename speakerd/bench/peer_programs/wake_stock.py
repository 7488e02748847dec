"""openWakeWord as its own page shows it: ``Model.predict`` on 80 ms at a time, on onnxruntime."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import wake_line  # type: ignore[import-not-found]  # beside it when it runs


def make(options: dict[str, Any]) -> tuple[wake_line.Score, float]:
    """Make the model; its features begin with noise out of numpy's generator, which is seeded to be comparable."""
    if options["without_training"]:  # an environment without scikit-learn: what the package imports is not there
        stand_in = types.ModuleType("openwakeword.custom_verifier_model")
        stand_in.train_custom_verifier = None  # type: ignore[attr-defined]  # a module made by hand
        sys.modules[stand_in.__name__] = stand_in
    from openwakeword.model import Model

    np.random.seed(options["seed"])  # noqa: NPY002 - the one that openwakeword draws from
    melspectrogram, embedding = options["features"]
    model = Model(
        wakeword_models=[options["model"]],
        inference_framework="onnx",
        melspec_model_path=melspectrogram,
        embedding_model_path=embedding,
    )
    (word,) = model.models

    def score(chunk: Any) -> float:
        return float(model.predict(chunk)[word])

    return score, options["threshold"]


wake_line.serve(make)
