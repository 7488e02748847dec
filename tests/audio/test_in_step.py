"""Wire audio for the wake thread: as many frames as the other stream has, in the same place."""

from __future__ import annotations

import numpy as np

from speakerd.audio.in_step import InStep
from speakerd.core.pcm import Resampler

SOUND = np.random.default_rng(1).integers(-8000, 8000, 4800).astype(np.int16)


def test_keeps_in_step_with_a_stream_that_holds_frames_back() -> None:
    """What the other stream has not yet, waits; nothing is lost or doubled."""
    stream = InStep()
    pieces = [stream.process(SOUND[i : i + 480], 310 if not i else 320) for i in range(0, 4800, 480)]
    assert {len(piece or b"") for piece in pieces} == {620, 640}
    whole = np.frombuffer(b"".join(piece or b"" for piece in pieces), np.int16)
    assert whole.tolist() == Resampler(24_000, 16_000).process(SOUND)[:3190].tolist()


def test_what_is_missing_is_silence() -> None:
    """It is never shorter than the other stream."""
    given = np.frombuffer(InStep().process(SOUND[:480], 400) or b"", np.int16)
    assert len(given) == 400
    assert not given[320:].any()


def test_begins_anew_after_a_rest() -> None:
    """Nothing of the last reply is in the next."""
    stream = InStep()
    stream.process(SOUND[:960], 320)
    assert stream.process(None, 320) is None
    assert stream.process(None, 320) is None
    assert stream.process(SOUND[:480], 320) == Resampler(24_000, 16_000).process(SOUND[:480]).tobytes()
