"""The playback thread's body: one period from a ring, or silence, to the card.

What is played, where it comes from and which item is audible is the loop's business (``loudspeaker.py``). The thread
counts frames and publishes what it counted; it writes silence when there is nothing else, so that the echo canceller's
reference and the card's clock run on. But it writes silence late: what was written cannot be taken back, and a sound
that comes meanwhile would wait behind it. Nor does it sleep in a write, from which nobody could wake it: it sleeps
before, until the card has room. Where the machine is too busy for that, it writes ahead.
"""

from __future__ import annotations

import errno
import itertools
import threading
from collections import deque
from collections.abc import Callable

from speakerd.audio.pcm_types import PlaybackPcm
from speakerd.audio.play_count import PlayCount
from speakerd.audio.quiet_cut import QuietCut
from speakerd.audio.ring import Consumer, Producer
from speakerd.core.errors import DeviceError, Remedy

IDLE_RESULTS_LIMIT = 6
"""This many writes in a row that moved no frame mean that the card is gone (see ``capture.py``)."""

SHORT_QUEUE_PERIODS = 1.5
"""With less than this ahead of it the card gets silence: what begins waits behind it, and a card whose counter moves
period by period has half a period left then (follows)."""


class Playback:
    """Takes one period a call from a ring, pads it with silence and writes it to a card.

    Thread: ``pump_once``, ``spare_s`` and ``wait_until_due`` belong to the playback thread; ``flush``, ``rest``,
    ``wake``, ``note_content`` and ``interrupt`` may be called from any; attributes are written by the thread and read
    by anyone, except ``content_ends``.

    Args:
        pcm: The open card; stays the property of whoever opened it.
        ring: Content in the card's own format, whole frames.
        reference: Gets exactly the blocks that were written, for the echo canceller; None: nobody cancels.
        doorbell: Called after each period in which content was written or still queued; must not block.
        now: The clock of ``PlayState.at_s``.
        cut: Waits for the moment to silence the card; None: one of its own.

    Attributes:
        state: What was known right after the last write.
        flushed: The newest flush that has been completed.
        progress: Grows with every call that returned; standing still means that the card hangs.
        content_ends: Set by the loop when nothing follows what is in the ring, so that running dry is no starvation.
    """

    def __init__(
        self,
        pcm: PlaybackPcm,
        ring: Consumer,
        reference: Producer | None,
        doorbell: Callable[[], None],
        now: Callable[[], float],
        *,
        cut: QuietCut | None = None,
    ) -> None:
        self._pcm = pcm
        self._ring = ring
        self._reference = reference
        self._doorbell = doorbell
        self._now = now
        self._format = pcm.format
        self._silence = bytes(self._format.buffer_frames * self._format.frame_bytes)
        self._primed = False
        self._flowing = False  # the last period was content to its end
        self._count = PlayCount()
        self._cut = cut or QuietCut(pcm)
        self._idle_results = 0
        self._rest_wanted = False
        self._room_frames = self._format.buffer_frames - self._format.period_frames  # queued: one more fits
        self._short_frames = int(SHORT_QUEUE_PERIODS * self._format.period_frames)
        self._ahead = False  # an underrun told that silence written late may be too late
        self._dozing = False
        self._bell = threading.Semaphore(0)
        self._generations = itertools.count(1)
        self._flushes: deque[int] = deque()
        self.resting = False
        self.flushed = 0
        self.progress = 0
        self.content_ends = False
        self.state = self._count.state(0, now())

    def pump_once(self) -> None:
        """Do what was asked for since the last call, then write one period; wait for nothing but the card.

        Raises:
            DeviceError: the card is gone (``device-lost``).
        """
        if self._flushes:
            self._complete_flushes()
        if self._rest_wanted:
            if not self.resting:
                self._silence_card()
                self._ahead = False
                self.resting = True
            return
        self.resting = False
        content_was_queued = self._count.content_queued
        block, content, tail = self._next_block()
        self._note_starvation(content, len(block) // self._format.frame_bytes)
        written = self._write(block)
        if content:
            self._count.note_content(content, tail)
        else:
            self._count.note_silence(written)
        self._publish(self._pcm.queued_frames())
        if content or content_was_queued:
            self._doorbell()

    def flush(self) -> int:
        """Ask the thread to throw away what is in the ring and in the card; returns the generation to wait for.

        Content may go into the ring again once ``flushed`` has reached that generation, which takes one period at
        most. Thread: any.
        """
        generation = next(self._generations)
        self._flushes.append(generation)
        self._bell.release()
        return generation

    def rest(self) -> None:
        """Stop writing from the next period on: the card goes quiet and the thread sleeps. Thread: any."""
        self._rest_wanted = True

    def wake(self) -> None:
        """Write again, at once. Thread: any."""
        self._rest_wanted = False
        self._bell.release()

    def note_content(self) -> None:
        """Look at the ring, into which something was written. Thread: any."""
        if self._dozing:
            self._bell.release()

    def interrupt(self) -> None:
        """Make ``wait_until_due`` return soon. Thread: any."""
        self._bell.release()

    @property
    def spare_s(self) -> float:
        """How long until the card wants another period, or has room for one that waits; 0: there is something to do."""
        if not self._primed or self._ahead or self._rest_wanted or self._flushes:
            return 0.0
        waits = self._ring.available_bytes >= self._format.period_bytes
        enough_frames = self._room_frames if waits else self._short_frames
        return max(0, self._pcm.queued_frames() - enough_frames) / self._format.rate_hz

    def wait_until_due(self) -> None:
        """Sleep at rest until somebody asks for something, else until the card has room, or wants silence."""
        if self.resting:
            self._bell.acquire()
            self.progress += 1  # before anyone can see that the rest is over: the watch must not take it for a stall
            return
        self._dozing = True  # before the ring is looked at: what comes later rings
        # After a ring it looks again: it may have been for too little, or an old one. A card that hangs ends the sleep.
        while (spare_s := self.spare_s) and self._bell.acquire(timeout=spare_s):
            pass
        self._dozing = False

    def _complete_flushes(self) -> None:
        newest = self.flushed
        while self._flushes:
            newest = max(newest, self._flushes.popleft())
        self._ring.discard()
        self._silence_card()
        self.flushed = newest
        self._doorbell()

    def _silence_card(self) -> None:
        # Dropped here, never from another thread: a write that sleeps in the kernel meanwhile would fail, and alsa-lib
        # promises nothing for two threads on one handle of most plugins. drop() leaves the stream in SETUP and
        # pyalsaaudio's next write() prepares it (read in its source), so nothing else is needed to go on.
        if self._primed:
            if self._count.content_queued:
                self._cut.wait()
            queued_frames = self._pcm.queued_frames()
            self._pcm.drop()
            self._count.drop(queued_frames)
        self._primed = False
        self._flowing = False
        self._publish(0)

    def _next_block(self) -> tuple[bytes, int, int]:
        """Return the bytes to write, how many frames of them are content, and how many frames of silence follow it."""
        frame_bytes = self._format.frame_bytes
        if self._primed:
            data = self._ring.read(self._format.period_bytes)
            # What follows a piece of a period may be on its way: silence is for when that is too late.
            padding = b"" if data and not self.content_ends else self._silence[len(data) : self._format.period_bytes]
            return data + padding, len(data) // frame_bytes, len(padding) // frame_bytes
        # The stream starts with the first frame written, so the first write fills the buffer, or there would be no
        # cushion. Silence goes first: behind the content it would be a gap.
        data = self._ring.read(len(self._silence))
        self._primed = True
        return self._silence[len(data) :] + data, len(data) // frame_bytes, 0

    def _note_starvation(self, content_frames: int, block_frames: int) -> None:
        """Count each time the ring runs dry behind content, unless the content was known to end."""
        full = content_frames >= min(self._format.period_frames, block_frames)
        if not full and (content_frames or self._flowing) and not self.content_ends:
            self._count.starvations += 1
        self._flowing = full

    def _write(self, block: bytes) -> int:
        """Write everything, refilling the cushion after an underrun; returns the frames written."""
        frame_bytes = self._format.frame_bytes
        frames = 0
        left = memoryview(block)
        while left:
            moved = self._pcm.write(left)
            self.progress += 1
            if moved > 0:
                self._idle_results = 0
                self._count.wrote(moved)
                self._cut.append(left[: moved * frame_bytes])
                self._append_reference(left[: moved * frame_bytes])
                left = left[moved * frame_bytes :]
                frames += moved
                continue
            self._idle_results += 1
            if moved not in (0, -errno.EPIPE) or self._idle_results >= IDLE_RESULTS_LIMIT:
                raise DeviceError("device-lost", f"the loudspeaker takes nothing ({moved})", Remedy.RETRY)
            if moved == -errno.EPIPE:
                self._count.xruns += 1
                self._ahead = True
                # Nothing of this block was taken and the buffer is empty: refill it, or the next period is late too.
                left = memoryview(self._silence[len(left) :] + bytes(left))
        return frames

    def _append_reference(self, block: memoryview) -> None:
        if self._reference is None:
            return
        # All or nothing: a split frame would swap the channels of the reference from here on.
        if self._reference.free_bytes >= len(block):
            self._reference.write(block)
        else:
            self._count.reference_refused_bytes += len(block)

    def _publish(self, queued_frames: int) -> None:
        self.state = self._count.state(queued_frames, self._now())
