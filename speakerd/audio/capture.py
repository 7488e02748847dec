"""The capture thread's body: one period from the card into a ring.

Resampling, echo cancelling and choosing a channel happen on the loop's side (``microphone.py``): here hardly anything
is computed, so that the card is never kept waiting.
"""

from __future__ import annotations

import contextlib
import errno
import queue
import time
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from speakerd.audio.pcm_types import CapturePcm
from speakerd.audio.ring import Producer
from speakerd.core.calm import Calm
from speakerd.core.echo_levels import power
from speakerd.core.errors import DeviceError, Remedy
from speakerd.core.lookout import Lookout
from speakerd.core.pcm import decode

IDLE_RESULTS_LIMIT = 6
"""This many results in a row that moved no frame mean that the card is gone: PipeWire's plugin answers -EPIPE for ever
after its server died, and a card that merely overran moves a period on the very next call (measured)."""

LATE_PERIODS = 1.5
"""So long after the one before, a period may have others behind it (chosen: between one and two)."""

SLEEP_MAX_SHARE = 0.5
"""Of the card's buffer no more may fill up while the thread sleeps (chosen: the rest is for a busy machine)."""

PATIENCE_S = 1.0
"""While nothing is heard the loop is told so much later (chosen: one wake-up a second costs little, and a second of
sound is taken in within a few milliseconds)."""


class Capture:
    """Reads one period a call from a card and puts it into a ring, whole frames only.

    Thread: ``pump_once`` and ``wait_until_due`` belong to the capture thread; the counters are written by it alone and
    read by anyone. ``hurry`` and ``interrupt`` may be called from any.

    Args:
        pcm: The open card; stays the property of whoever opened it.
        ring: Where its bytes go, as the card gave them.
        doorbell: Called after a period that the loop wants to hear of went in; must not block. After a delay, only when
            all that waited in the card is in: both ends of the echo path are compared by count, and a part of it would
            be a count behind.
        now: The monotonic clock.

    Attributes:
        frames_total: Frames the card delivered, those that the ring refused included.
        xruns: Overruns: the card had no room left because we came too late. Not an error.
        refused_bytes: What did not fit into the ring, because the loop came too late.
        progress: Grows with every call that returned; standing still means that the card hangs.
        wanted_frames: Set by the loop: how much the card must have delivered in all before it wants to hear of it.
        listening: Set by the loop: whether it wants to hear of a sound all the same.
        lookout_channel: Set by the loop: the channel in which something must be heard before it wants to hear of
            anything, for ``PATIENCE_S``; None: it does not wait for that.
    """

    def __init__(
        self, pcm: CapturePcm, ring: Producer, doorbell: Callable[[], None], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._pcm = pcm
        self._ring = ring
        self._doorbell = doorbell
        self._frame_bytes = pcm.format.frame_bytes
        self._idle_results = 0
        self._now = now
        self._read_s = now()
        self._late_s = LATE_PERIODS * pcm.format.period_frames / pcm.format.rate_hz
        self.frames_total = 0
        self.xruns = 0
        self.refused_bytes = 0
        self.progress = 0
        self.wanted_frames = 0
        self.listening = False
        self.lookout_channel: int | None = None
        self._lookout = Lookout(pcm.format.rate_hz)
        self._patience_frames = int(PATIENCE_S * pcm.format.rate_hz)
        self._calm = Calm(0)
        self._period_ms = 1000 * pcm.format.period_frames / pcm.format.rate_hz
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()  # an Event costs three times as much to wait for
        self._dozing = False

    @property
    def resting(self) -> bool:
        """Never: the microphone always listens."""
        return False

    def pump_once(self) -> None:
        """Wait for one period of the card and pass it on; after a delay, all that waits behind it as well.

        Raises:
            DeviceError: the card is gone (``device-lost``).
        """
        periods = [self._read()]
        if not periods[0]:
            return
        if self._is_late():
            periods += self._rest()
        loud = self.listening and any(self._is_loud(period) for period in periods if period)
        channel = self.lookout_channel  # the loop may set another one, or none, at any moment
        if channel is not None:
            self._lookout.process(self._decoded(b"".join(periods))[:, channel])
        if loud or self.frames_total >= self._due_frames:
            self._doorbell()

    def _read(self) -> bytes:
        """Pass on the next period and return it; empty: there was none this time."""
        frames, data = self._pcm.read()
        self.progress += 1
        if frames > 0:
            self._idle_results = 0
            self.frames_total += frames
            self._pass_on(data)
            return data
        if frames == -errno.EPIPE:
            self.xruns += 1
        self._idle_results += 1
        if frames not in (0, -errno.EPIPE) or self._idle_results >= IDLE_RESULTS_LIMIT:
            raise DeviceError("device-lost", f"the microphone delivers nothing ({frames})", Remedy.RETRY)
        return b""

    def _is_late(self) -> bool:
        """Tell whether so much time has passed since the last period that more may wait."""
        before_s, self._read_s = self._read_s, self._now()
        return self._read_s - before_s > self._late_s

    def _rest(self) -> Iterator[bytes]:
        """Read what waits, and what comes meanwhile; a card that always says more is believed for a bufferful."""
        given = self._pcm.format
        room_periods = given.buffer_frames // given.period_frames
        while room_periods > 0 and (waiting := self._pcm.waiting_frames() // given.period_frames) > 0:
            for _ in range(min(waiting, room_periods)):
                yield self._read()
            room_periods -= waiting

    def _pass_on(self, data: bytes) -> None:
        # A split frame would swap the channels from here on, so the room is rounded down to whole frames.
        room = self._ring.free_bytes // self._frame_bytes * self._frame_bytes
        if room < len(data):
            self.refused_bytes += len(data) - room
            data = data[:room]
        self._ring.write(data)

    def _is_loud(self, data: bytes) -> bool:
        """Tell whether a sound begins: some 10 us, where waking the loop for nothing would cost ten times as much."""
        return self._calm.process(power(self._decoded(data).ravel()), self._period_ms)

    def _decoded(self, data: bytes) -> npt.NDArray[np.int16]:
        return decode(data, self._pcm.format.channels, self._pcm.format.sample_format)

    @property
    def _due_frames(self) -> int:
        """How much the card must have delivered before the loop is told."""
        patient = self.lookout_channel is not None and not self._lookout.open
        return self.wanted_frames + patient * self._patience_frames

    @property
    def spare_s(self) -> float:
        """How long it takes until there is what somebody wants of the card; 0: that is the next period."""
        if self.listening:
            return 0.0
        given = self._pcm.format
        wanted = min(self._due_frames - self.frames_total, int(SLEEP_MAX_SHARE * given.buffer_frames))
        if self.lookout_channel is not None:
            wanted = min(wanted, self._lookout.missing_frames)
        return wanted / given.rate_hz if wanted > given.period_frames else 0.0

    def wait_until_due(self) -> None:
        """Sleep while what the card holds is enough: to be woken for four periods at once is cheaper than four times.

        It ends when all that is wanted should be there, so that reading it waits for nothing.
        """
        self._dozing = True  # before what is wanted is looked at: who changes it later rings
        if spare_s := self.spare_s:
            with contextlib.suppress(queue.Empty):
                self._bell.get(timeout=spare_s)
        self._dozing = False

    def hurry(self) -> None:
        """Read on now: something else is wanted. Thread: any."""
        if self._dozing:
            self._bell.put(None)

    def interrupt(self) -> None:
        """Make ``wait_until_due`` return soon; a read returns within a period by itself. Thread: any."""
        self._bell.put(None)
