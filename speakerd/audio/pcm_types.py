"""What an open PCM looks like to the rest of the program, and what it gave; nothing here knows ALSA's library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

SampleFormat = Literal["S16_LE", "S32_LE"]
"""How a card writes a sample down; the two we read and write."""

Direction = Literal["capture", "playback"]
"""The two ends of a card."""

_SAMPLE_BYTES: dict[SampleFormat, int] = {"S16_LE": 2, "S32_LE": 4}


@dataclass(frozen=True)
class PcmFormat:
    """What ALSA really gave."""

    rate_hz: int
    """Frames a second."""

    channels: int
    """Samples a frame."""

    sample_format: SampleFormat
    """How a sample is written down."""

    period_frames: int
    """What one read delivers, and what playback writes at once."""

    buffer_frames: int
    """What the card holds at most."""

    @property
    def frame_bytes(self) -> int:
        """Bytes a frame takes."""
        return self.channels * _SAMPLE_BYTES[self.sample_format]

    @property
    def period_bytes(self) -> int:
        """Bytes a period takes."""
        return self.period_frames * self.frame_bytes


@dataclass(frozen=True)
class NativeFormat:
    """What a PCM gives to whoever asks for 48 kHz, stereo, S16_LE, whether we can use it or not."""

    rate_hz: int
    """Frames a second."""

    channels: int
    """Samples a frame."""

    sample_format: str
    """ALSA's name."""


@dataclass(frozen=True)
class MixerState:
    """How one volume control of a card is set; None: it has no such thing."""

    name: str
    """ALSA's name."""

    playback_percent: int | None = None
    """Volume of its loudest channel."""

    playback_muted: bool | None = None
    """Whether no channel plays."""

    capture_percent: int | None = None
    """Gain of its loudest channel."""

    capture_muted: bool | None = None
    """Whether no channel records."""


class CapturePcm(Protocol):
    """A card that listens. Thread: one at a time; ``close`` after the thread that reads has ended."""

    format: PcmFormat
    """What ALSA gave."""

    def read(self) -> tuple[int, bytes]:
        """Wait for a period and return its frames and bytes, or a negative errno and ``b""``.

        -EPIPE: an overrun; the next call goes on. A short count is possible, shortly before a card is lost.

        Raises:
            DeviceError: the card is gone (``device-lost``).
        """

    def waiting_frames(self) -> int:
        """Return how many frames wait to be read."""

    def close(self) -> None:
        """Let go of the card, at once."""


class PlaybackPcm(Protocol):
    """A card that plays. Thread: one at a time; ``close`` after the thread that writes has ended."""

    format: PcmFormat
    """What ALSA gave."""

    def write(self, data: bytes | memoryview) -> int:
        """Wait until whole frames fit and return how many were taken, or a negative errno.

        -EPIPE: an underrun; nothing was taken, and the next call starts the stream again.

        Raises:
            DeviceError: the card is gone (``device-lost``).
        """

    def queued_frames(self) -> int:
        """Return how many frames were written and not yet played."""

    def drop(self) -> None:
        """Throw away what is queued; the next write starts the stream again."""

    def close(self) -> None:
        """Throw away what is queued and let go of the card, at once."""
