"""pyopen-wakeword as its command line uses it: the same networks on TensorFlow Lite, with its own threads."""

from __future__ import annotations

from typing import Any

import wake_line  # type: ignore[import-not-found]  # beside it when it runs
from pyopen_wakeword import (  # type: ignore[import-not-found]  # installed in the peer's own environment
    Model,
    OpenWakeWord,
    OpenWakeWordFeatures,
)


def make(options: dict[str, Any]) -> tuple[wake_line.Score, float]:
    """Make features and word; several embeddings may come of 80 ms, and none at first."""
    features, word = OpenWakeWordFeatures.from_builtin(), OpenWakeWord.from_builtin(Model(options["word"]))

    def score(chunk: Any) -> float:
        made = features.process_streaming(chunk.tobytes())
        return max((float(each) for one in made for each in word.process_streaming(one)), default=0.0)

    return score, options["threshold"]


wake_line.serve(make)
