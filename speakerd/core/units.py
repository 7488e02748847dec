"""Units as types, and the arithmetic between frames, bytes and milliseconds.

A *frame* is one sample per channel at one instant, as in ALSA. Three formats have names here: *device* (what ALSA
gave), *wire* (24 kHz mono S16LE, what the Realtime API speaks) and *wake* (16 kHz mono S16LE, what openWakeWord hears).
"""

from __future__ import annotations

from typing import NewType

Frames = NewType("Frames", int)
"""A count of frames at a rate that the name around it tells."""

Ms = NewType("Ms", int)
"""Milliseconds, whole."""

Seconds = NewType("Seconds", float)
"""Seconds on the monotonic clock, or a span of them."""

Hz = NewType("Hz", int)
"""Frames a second."""

ItemId = NewType("ItemId", str)
"""A conversation item's name at the service."""

ResponseId = NewType("ResponseId", str)
"""A response's name at the service."""

WIRE_RATE_HZ = Hz(24_000)
"""The only PCM rate the Realtime API knows (specified)."""

WAKE_RATE_HZ = Hz(16_000)
"""The rate openWakeWord's models were trained at (specified)."""

PERIOD_MS = Ms(20)
"""What ALSA hands over at once; 10 ms with few periods does not survive a busy Python thread (measured)."""

SAMPLE_BYTES = 2
"""Bytes a frame of wire or wake audio takes: S16LE, mono."""


def ms_to_frames(span_ms: float, rate_hz: int) -> Frames:
    """Convert milliseconds to frames, rounded down."""
    return Frames(int(span_ms * rate_hz // 1000))


def frames_to_ms(frames: int, rate_hz: int) -> Ms:
    """Convert frames to whole milliseconds, rounded down, so that a truncation never claims too much."""
    return Ms(frames * 1000 // rate_hz)


def wire_bytes_to_ms(size_bytes: int) -> Ms:
    """Convert a length of wire audio in bytes to whole milliseconds, rounded down."""
    return frames_to_ms(size_bytes // SAMPLE_BYTES, WIRE_RATE_HZ)
