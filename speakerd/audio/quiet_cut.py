"""When to silence a card that is playing, so that the cut is not heard as a click.

A cut cannot be faded: what ALSA holds can only be thrown away, and what is written after that comes behind a hole,
which clicks as loudly as the cut (measured: a 440 Hz tone of amplitude 8000 steps by 6900 with and without a faded
tail behind it). But we know what the card is about to play and where it is, so we can wait for a moment at which
there is next to nothing to cut. The same tone then steps by no more than it does by itself; speech, which stands at
0.6 of its RMS half of the time, is cut at a quarter of that.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from speakerd.audio.pcm_types import PlaybackPcm
from speakerd.core.fades import quiet_place
from speakerd.core.pcm import decode

REACH_S = 0.003
"""How long a flush may be late for it: a zero crossing of any voice lies within (a low one's pitch is 100 Hz), and the
budget of a barge-in is 20 ms (guess)."""

WAKING_S = 0.0005
"""A sleep ends up to so much late; the rest is spun, by one thread, once a flush (guess: timer slack and a switch)."""


def pause_exactly(seconds: float) -> None:
    """Wait so long, to some microseconds; not at all where that is negative."""
    due_s = time.perf_counter() + seconds
    if seconds > WAKING_S:
        time.sleep(seconds - WAKING_S)
    while time.perf_counter() < due_s:
        pass


class QuietCut:
    """Waits for the moment to silence a card, knowing the newest of what was written to it. Thread: playback.

    Args:
        pcm: The card.
        pause: Waits so many seconds, exactly.
        clock: What passes meanwhile, and while we think.
    """

    def __init__(
        self,
        pcm: PlaybackPcm,
        pause: Callable[[float], None] = pause_exactly,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._pcm = pcm
        self._pause = pause
        self._clock = clock
        self._format = pcm.format
        self._capacity_bytes = self._format.buffer_frames * self._format.frame_bytes
        self._blocks: deque[bytes | memoryview] = deque()
        self._bytes = 0

    def append(self, block: bytes | memoryview) -> None:
        """Take note of whole frames that the card took."""
        self._blocks.append(block)
        self._bytes += len(block)
        while self._bytes - len(self._blocks[0]) >= self._capacity_bytes:
            self._bytes -= len(self._blocks.popleft())

    def wait(self) -> None:
        """Return when a cut is heard least, within ``REACH_S``."""
        asked_s = self._clock()
        queued_bytes = min(self._bytes, self._pcm.queued_frames() * self._format.frame_bytes)
        if not queued_bytes:
            return
        newest = b"".join(self._blocks)[-queued_bytes:]
        coming = decode(newest, self._format.channels, self._format.sample_format)[:, 0]
        place = quiet_place(coming, int(REACH_S * self._format.rate_hz))
        self._pause(place / self._format.rate_hz - (self._clock() - asked_s))
