"""One opening of the playback card, in wire frames: what fits, what has come out, how it falls silent.

Here wire frames become the card's bytes, and the thread's counts become wire frames again. What is played, and whose it
is, is the loudspeaker's business.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from speakerd.audio.echo import Pcm
from speakerd.audio.pcm_types import PlaybackPcm
from speakerd.audio.playback import Playback
from speakerd.audio.ring import make_ring
from speakerd.core import playhead
from speakerd.core.pcm import Resampler, encode
from speakerd.core.units import WIRE_RATE_HZ, Frames

RING_S = 0.3
"""What waits between the loop and the thread: long enough for a busy loop, short enough to forget (guess)."""

REFERENCE_RING_S = 1.0
"""What the echo canceller may come late to fetch (guess)."""

DRY_S = 0.05
"""With less than this in ring and card a sound must be faded out: the thread writes silence behind it when 30 ms are
left, and the loop needs a period to come before that (follows from ``playback.SHORT_QUEUE_PERIODS``)."""


class Output:
    """The way from wire frames to one open card. Thread: event loop.

    Args:
        pcm: The open card.
        doorbell: Called by the playback thread.
        now: The monotonic clock.

    Attributes:
        playback: The thread's body.
        reference: What was written to the card, as it was written.
    """

    def __init__(self, pcm: PlaybackPcm, doorbell: Callable[[], None], now: Callable[[], float]) -> None:
        self.format = pcm.format
        self._now = now
        self._resampler = Resampler(WIRE_RATE_HZ, self.format.rate_hz)
        self._delay_frames = -(-self._resampler.delay_frames * WIRE_RATE_HZ // self.format.rate_hz)
        self._capacity_bytes = int(RING_S * self.format.rate_hz) * self.format.frame_bytes
        self._ring, consumer = make_ring(self._capacity_bytes)
        reference, self.reference = make_ring(int(REFERENCE_RING_S * self.format.rate_hz) * self.format.frame_bytes)
        self.playback = Playback(pcm, consumer, reference, doorbell, now)
        self._base_frames = 0  # what the thread had counted at the last flush
        self._written_frames = 0  # into the ring since then, at the card's rate
        self._padded = True
        self._generation = 0
        self.resting = False

    @property
    def room_frames(self) -> Frames:
        """How many wire frames ``write`` takes now."""
        # One device frame less than there is: the resampler may round up.
        device_frames = self._ring.free_bytes // self.format.frame_bytes - 1
        return Frames(max(0, device_frames * WIRE_RATE_HZ // self.format.rate_hz))

    @property
    def waiting_frames(self) -> Frames:
        """How many wire frames the thread has not taken yet."""
        device_frames = self._ring_bytes // self.format.frame_bytes
        return Frames(device_frames * WIRE_RATE_HZ // self.format.rate_hz)

    @property
    def greedy_frames(self) -> Frames:
        """How many wire frames the thread takes at once when something begins: a resting card wants its buffer filled.

        And another period as soon as the first has begun to come out.
        """
        device_frames = self.format.period_frames + self.resting * self.format.buffer_frames
        return Frames(device_frames * WIRE_RATE_HZ // self.format.rate_hz)

    @property
    def dry(self) -> bool:
        """Whether what comes now comes too late to follow without a gap: ring and card have hardly anything left."""
        return self._ring_bytes <= self.format.period_bytes and self.wet_s <= 0.0

    @property
    def wet_s(self) -> float:
        """How long it is until ring and card have hardly anything left."""
        return self.left_s - DRY_S

    @property
    def _ring_bytes(self) -> int:
        return self._capacity_bytes - self._ring.free_bytes

    @property
    def low(self) -> bool:
        """Whether half of the ring has been taken. Thread: any."""
        return self._ring.free_bytes * 2 >= self._capacity_bytes

    @property
    def left_s(self) -> float:
        """How long until everything written has come out."""
        return (self._written_frames - self._played_frames()) / self.format.rate_hz

    @property
    def finished(self) -> bool:
        """Whether everything written has come out."""
        return self._played_frames() >= self._written_frames

    @property
    def flushing(self) -> bool:
        """Whether a flush is still to be completed by the thread; nothing may be written meanwhile."""
        return self.playback.flushed < self._generation

    def played_frames(self) -> Frames:
        """Return how many of the wire frames written since the last flush have come out."""
        wire_frames = self._played_frames() * WIRE_RATE_HZ // self.format.rate_hz
        return Frames(max(0, wire_frames - self._delay_frames))

    def write(self, pcm: Pcm) -> None:
        """Hand over wire frames, at most ``room_frames``."""
        self._padded = False
        self._put(pcm)

    def pad(self) -> Frames:
        """Push out what the resampler still holds; returns how many silent wire frames that took, if any.

        A ring that is full takes none now: ask again when the thread has taken some.
        """
        # Once the delay for the last frame to come out, once more for the filter to stop ringing.
        frames = 2 * self._delay_frames
        if self._padded or self.room_frames < frames:
            return Frames(0)
        self._padded = True
        self._put(np.zeros(frames, np.int16))
        return Frames(frames)

    def flush(self) -> None:
        """Silence the card at once; over when ``flushing`` has become False and ``settle`` was called."""
        self._generation = self.playback.flush()

    def settle(self) -> None:
        """Count from zero, after a flush."""
        state = self.playback.state
        self._base_frames = state.content_frames - state.dropped_frames
        self._written_frames = 0
        self._padded = True
        self._resampler.reset()

    def rest(self) -> None:
        """Let the thread sleep."""
        self.resting = True
        self.playback.rest()

    def wake(self) -> None:
        """Let the thread play what was written."""
        self.resting = False
        self.playback.wake()

    def _put(self, pcm: Pcm) -> None:
        device = self._resampler.process(pcm)
        self._ring.write(encode(device, self.format.channels, self.format.sample_format))
        self._written_frames += len(device)
        self.playback.note_content()

    def _played_frames(self) -> int:
        state = self.playback.state
        return playhead.played_frames(
            content_frames=state.content_frames - state.dropped_frames - self._base_frames,
            silence_tail_frames=state.silence_tail_frames,
            queued_frames=state.queued_frames,
            elapsed_s=self._now() - state.at_s,
            rate_hz=self.format.rate_hz,
        )
