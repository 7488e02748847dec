"""The daemon's wake path in a process of its own: ring, worker, gate, engine and trigger, called without their thread.

``python -m speakerd.bench.wake_ours OPTIONS``; what is asked and answered is ``peer_programs/wake_line.py``'s.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the daemon does, before numpy is there

from speakerd.audio.ring import make_ring
from speakerd.bench.peer_programs import wake_line
from speakerd.core.units import SAMPLE_BYTES
from speakerd.core.wake_gate import WakeTrigger
from speakerd.wake import engine
from speakerd.wake.shapes import CHUNK_FRAMES
from speakerd.wake.worker import WakeWorker

_REFRACTORY_S = 2.0
"""The configuration's default."""

_RING_CHUNKS = 4
"""More than the one that waits in it (chosen)."""


def make(options: dict[str, Any]) -> tuple[wake_line.Score, float]:
    """Make the path as ``ears.py`` does, the far end's ring included, in which nothing ever plays.

    Args:
        options: ``word``, ``model``, ``features``, ``engine``, ``gated`` and ``threshold``.
    """
    chunk_bytes = CHUNK_FRAMES * SAMPLE_BYTES
    near, near_end = make_ring(_RING_CHUNKS * chunk_bytes)
    far, far_end = make_ring(_RING_CHUNKS * chunk_bytes)
    silence = bytes(chunk_bytes)
    melspectrogram, embedding = options["features"]

    worker = WakeWorker(
        ring=near_end,
        far_ring=far_end,
        make_detector=lambda: engine.make(
            {options["word"]: Path(options["model"])}, (Path(melspectrogram), Path(embedding)), options["engine"]
        ),
        trigger=WakeTrigger(options["threshold"], _REFRACTORY_S),
        gated=options["gated"],
        on_detected=lambda _word, _score, _position: None,
        on_failed=lambda _code, _error: None,
        on_ready=lambda: None,
    )
    worker.pump_once()  # makes the engine; there is nothing to score yet

    def score(chunk: Any) -> float:
        far.write(silence)
        near.write(chunk.tobytes())
        worker.pump_once()
        return worker.last_score

    return score, options["threshold"]


if __name__ == "__main__":
    wake_line.serve(make)
