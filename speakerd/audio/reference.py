"""The echo canceller's far end: which frames the loudspeaker played while the microphone heard what it heard.

The playback thread leaves every block it wrote in a ring. Here they become wire frames, and every near-end frame takes
one of them: by count, since both ends are clocked by sound cards while arrival times jitter. The count is set anew
when it cannot be right any more: after a rest, a flush, an xrun, a block that found no room in the ring, or when the
queue has moved by itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from speakerd.audio.echo import Pcm
from speakerd.audio.pcm_types import PcmFormat
from speakerd.audio.play_count import PlayState
from speakerd.audio.ring import Consumer
from speakerd.core.pcm import Resampler, decode
from speakerd.core.units import PERIOD_MS, WIRE_RATE_HZ, ms_to_frames

MARGIN_FRAMES = ms_to_frames(PERIOD_MS, WIRE_RATE_HZ)
"""How much earlier than it sounds a frame is given to the canceller: an echo must never come before its cause, and
the loop looks at the two ends up to a period apart (guess; AEC3 reaches back 500 ms, so early costs nothing)."""

DRIFT_LIMIT_FRAMES = ms_to_frames(3 * PERIOD_MS, WIRE_RATE_HZ)
"""Beyond this the count is wrong; below it is jitter, which must not move it (measured: two to three blocks)."""

QUIET_FRAMES = WIRE_RATE_HZ
"""After this much silence there is no echo left to cancel: rooms ring for less than a second (guess)."""


class _Source:
    """The playback card that is open."""

    def __init__(self, ring: Consumer, pcm_format: PcmFormat, state: Callable[[], PlayState]) -> None:
        self.ring = ring
        self.format = pcm_format
        self.state = state
        self.resampler = Resampler(pcm_format.rate_hz, WIRE_RATE_HZ)

    def read(self) -> Pcm:
        """Return what was written to the card since the last call, as wire frames."""
        data = self.ring.read(self.ring.available_bytes // self.format.frame_bytes * self.format.frame_bytes)
        if not data:
            return np.zeros(0, np.int16)
        # We wrote the same to every channel.
        return self.resampler.process(decode(data, self.format.channels, self.format.sample_format)[:, 0])

    def queued_frames(self, now_s: float) -> int:
        """Return how many wire frames are written and not yet played."""
        state = self.state()
        queued = state.queued_frames - int((now_s - state.at_s) * self.format.rate_hz)
        return max(0, queued) * WIRE_RATE_HZ // self.format.rate_hz


class EchoReference:
    """Gives the microphone one far-end frame for each of its own. Thread: event loop.

    Args:
        now: The clock of ``PlayState.at_s``.

    Attributes:
        realignments: How often the count was set anew.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._source: _Source | None = None
        self._waiting = np.zeros(0, np.int16)
        self._quiet_frames: int = QUIET_FRAMES
        self._realign_after_s: float | None = None
        self._moved_frames = 0  # by whoever knows better than the count
        self._owed_frames = 0  # given as silence before the thread had written them
        self._counting = False  # the count was right at the last look
        self._losses = 0
        self.realignments = 0

    def attach(self, ring: Consumer, pcm_format: PcmFormat, state: Callable[[], PlayState]) -> None:
        """Begin with a card that was opened.

        Args:
            ring: What the playback thread wrote to it.
            pcm_format: The format of that.
            state: What the playback thread last published.
        """
        self._source = _Source(ring, pcm_format, state)
        self._losses = _losses(state())
        self.realign()

    def detach(self) -> None:
        """The card is gone; nothing plays."""
        self._source = None
        self._waiting = np.zeros(0, np.int16)
        self._realign_after_s = None
        self._owed_frames = 0
        self._counting = False

    def realign(self) -> None:
        """Set the count anew as soon as the playback thread has written again."""
        self._realign_after_s = self._now()
        self._owed_frames = 0

    def take(self, frames: int) -> Pcm | None:
        """Return the far-end frames that belong to the next near-end frames; None: nothing has played for a while.

        Shape: (frames,).
        """
        if self._source is not None:
            self._take_in(self._source.read())
            self._check_count(self._source, frames)
        taken, self._waiting = self._waiting[:frames], self._waiting[frames:]
        if self._counting:
            self._owed_frames += frames - len(taken)
        if self._quiet_frames >= QUIET_FRAMES:
            return None
        self._quiet_frames += frames
        return np.concatenate((taken, np.zeros(frames - len(taken), np.int16)))

    def skip(self, frames: int) -> Pcm:
        """Return the next far-end frames out of turn, fewer where no more were written: they were due already."""
        skipped, self._waiting = self._waiting[:frames], self._waiting[frames:]
        self._moved_frames -= len(skipped)
        self._quiet_frames += len(skipped)
        return skipped

    def put_back(self, far: Pcm) -> None:
        """Take far-end frames back: they are due only now."""
        self._waiting = np.concatenate((far, self._waiting))
        self._moved_frames += len(far)
        self._quiet_frames -= len(far)

    def _take_in(self, written: Pcm) -> None:
        # Silence was given in the place of what is owed, and what comes after it must not come later for that.
        settled = min(self._owed_frames, len(written))
        self._owed_frames -= settled
        written = written[settled:]
        if len(written):
            self._waiting = np.concatenate((self._waiting, written))
            if written.any():
                # Counted from when it is taken, not from now: what waits ahead of it passes first.
                self._quiet_frames = -len(self._waiting)

    def _check_count(self, source: _Source, frames: int) -> None:
        state = source.state()
        if _losses(state) != self._losses:
            self._losses = _losses(state)
            self.realign()
        queued = source.queued_frames(self._now())
        self._counting = queued > 0 and self._realign_after_s is None
        if not queued:
            return  # at rest, or run dry: no count to keep
        left = len(self._waiting) - frames - self._owed_frames
        wanted = queued - MARGIN_FRAMES + self._moved_frames
        due = self._realign_after_s is not None and state.at_s > self._realign_after_s
        if due or abs(left - wanted) > DRIFT_LIMIT_FRAMES:
            self._realign_after_s = None
            self._counting = True
            self.realignments += 1
            surplus = len(self._waiting) - frames - max(0, queued - MARGIN_FRAMES)
            self._moved_frames = self._owed_frames = 0
            lead = np.zeros(max(0, -surplus), np.int16)
            self._waiting = np.concatenate((lead, self._waiting[max(0, surplus) :]))


def _losses(state: PlayState) -> int:
    """Return a number that changes whenever a frame was played that nobody counts, or time passed without one."""
    return state.xruns + state.reference_refused_bytes
