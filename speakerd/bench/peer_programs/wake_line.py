"""What is around every engine of ``speakerd bench wake``: audio comes in by file, CPU time goes out by line.

It knows nothing of speakerd, and needs numpy alone. An engine is a function that takes 80 ms of audio, 1280 numbers of
16 bits at 16 kHz, and answers with a score.

The first argument is JSON: ``first``, a recording that is scored at once, and whatever the engine wants to know. A line
of JSON tells how soon that went. Then each line that comes in names a recording, and one goes out that tells its cost.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Score = Callable[[Any], float]
"""80 ms of audio to a score."""


def serve(make: Callable[[dict[str, Any]], tuple[Score, float]]) -> None:
    """Answer until nobody asks any more.

    Args:
        make: Makes the engine of the options; returns it, and the score from which on it has detected its word.
    """
    options = json.loads(sys.argv[1])
    score, threshold = make(options)
    made_s = time.monotonic()
    first_score_s = detected_s = None
    for chunk in np.load(options["first"]):
        found = score(chunk)
        first_score_s = first_score_s or time.monotonic()
        if found >= threshold and detected_s is None:
            detected_s = time.monotonic()
    _tell(made_s=made_s, first_score_s=first_score_s, detected_s=detected_s, cpu_s=time.process_time())
    for line in sys.stdin:
        _tell(**_run(score, **json.loads(line)))


def _run(score: Score, audio: str, lead: int, pace_s: float, scores: str | None) -> dict[str, float]:
    """Score a recording; return the CPU seconds of all threads of this process, of all of it but the lead.

    Args:
        score: The engine.
        audio: The recording's file. Shape: (chunks, 1280).
        lead: So many chunks come before, so that the engine knows the room.
        pace_s: How long after the one before each chunk comes; 0: at once.
        scores: Where the scores are written; None: nowhere.
    """
    chunks = np.load(audio)
    for chunk in chunks[:lead]:
        score(chunk)
    found = []
    begun_s, due_s = time.process_time(), time.monotonic()
    for chunk in chunks[lead:]:
        if pace_s:
            due_s += pace_s
            time.sleep(max(0.0, due_s - time.monotonic()))
        found.append(score(chunk))
    spent_s = time.process_time() - begun_s
    if scores is not None:
        np.save(scores, np.array(found, np.float64))
    return {"cpu_s": spent_s, "top": max(found, default=0.0)}


def _tell(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()
