"""Arithmetic between frames, bytes and milliseconds."""

from __future__ import annotations

from speakerd.core.units import WIRE_RATE_HZ, frames_to_ms, ms_to_frames, wire_bytes_to_ms


def test_round_down():
    """A part of a millisecond was not heard."""
    assert frames_to_ms(47, WIRE_RATE_HZ) == 1
    assert wire_bytes_to_ms(95) == 1
    assert ms_to_frames(20, WIRE_RATE_HZ) == 480
