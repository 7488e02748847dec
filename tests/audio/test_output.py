"""The way to one open card; what it does in a loudspeaker is ``test_loudspeaker.py``'s."""

from __future__ import annotations

import numpy as np
import pytest

from speakerd.audio.output import RING_S, Output
from tests.fakes.pcm import CARD_48K_STEREO, FakePlaybackPcm


def make() -> Output:
    """Return the way to a card, through the resampler."""
    return Output(FakePlaybackPcm(CARD_48K_STEREO), lambda: None, lambda: 0.0)


def test_what_waits_and_what_fits_are_the_ring() -> None:
    """Counted in wire frames, whatever the card's rate is."""
    output = make()
    room = output.room_frames
    assert room == pytest.approx(RING_S * 24_000, abs=1)
    output.write(np.ones(480, np.int16))
    assert (output.waiting_frames, output.room_frames) == (480, room - 480)
    output.playback.pump_once()
    assert output.waiting_frames == 0
    assert output.dry


def test_a_full_ring_is_padded_when_there_is_room() -> None:
    """What was refused would never come out, and the end never be seen."""
    output = make()
    output.write(np.ones(output.room_frames, np.int16))
    assert output.pad() == 0
    output.playback.pump_once()
    padded = output.pad()
    assert padded > 0
    assert output.pad() == 0
    before = output.waiting_frames
    for _ in range(20):
        output.playback.pump_once()
    assert before > 0
    assert output.finished
