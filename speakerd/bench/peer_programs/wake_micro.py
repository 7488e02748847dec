"""pymicro-wakeword as its command line uses it: another network, on features of 10 ms, with its own threshold."""

from __future__ import annotations

from typing import Any

import wake_line  # type: ignore[import-not-found]  # beside it when it runs
from pymicro_wakeword import (  # type: ignore[import-not-found]  # installed in the peer's own environment
    MicroWakeWord,
    MicroWakeWordFeatures,
    Model,
)


def make(options: dict[str, Any]) -> tuple[wake_line.Score, float]:
    """Make features and word."""
    features, word = MicroWakeWordFeatures(), MicroWakeWord.from_builtin(Model(options["word"]))

    def score(chunk: Any) -> float:
        made = features.process_streaming(chunk.tobytes())
        return max((word.process_streaming_prob(each) or 0.0 for each in made), default=0.0)

    return score, word.probability_cutoff


wake_line.serve(make)
