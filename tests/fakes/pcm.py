"""Sound cards that are not there: what a call returns is planned, what was written is kept, no time passes."""

from __future__ import annotations

import errno
import threading
from collections import deque
from dataclasses import dataclass

from speakerd.audio.pcm_types import PcmFormat
from speakerd.audio.playback import Playback
from speakerd.core.errors import DeviceError, Remedy

CARD_48K_STEREO = PcmFormat(rate_hz=48_000, channels=2, sample_format="S16_LE", period_frames=960, buffer_frames=3840)


@dataclass(frozen=True)
class Xrun:
    """The call answers -EPIPE; for playback everything queued has been played by then."""


@dataclass(frozen=True)
class Short:
    """The call moves only so many frames."""

    frames: int


@dataclass(frozen=True)
class Unplug:
    """The call raises, and so does every later one."""


@dataclass(frozen=True)
class Stall:
    """The call does not return until ``release`` is set."""

    release: threading.Event


Fault = Xrun | Short | Unplug | Stall


class _FakePcm:
    def __init__(self, pcm_format: PcmFormat = CARD_48K_STEREO) -> None:
        self.format = pcm_format
        self.plan: deque[Fault | None] = deque()
        """What the next calls do; None: nothing unusual, as when the plan is over."""
        self.calls = 0
        self.unplugged = False
        self.closed = False

    def _next_fault(self) -> Fault | None:
        assert not self.closed, "a closed PCM was used"
        self.calls += 1
        fault = self.plan.popleft() if self.plan else None
        if isinstance(fault, Stall):
            fault.release.wait()
        self.unplugged = self.unplugged or isinstance(fault, Unplug)
        self._check_plugged()
        return fault

    def _check_plugged(self) -> None:
        if self.unplugged:
            raise DeviceError("device-lost", "the sound device 'fake' was unplugged", Remedy.RETRY)

    def close(self) -> None:
        self.closed = True


class FakeCapturePcm(_FakePcm):
    """A microphone that delivers what was put into ``sound``, then silence, a period a call."""

    def __init__(self, pcm_format: PcmFormat = CARD_48K_STEREO, sound: bytes = b"") -> None:
        super().__init__(pcm_format)
        self.sound = bytearray(sound)
        self.waiting = 0
        """Frames that have come in a delay; None is left after as many were read."""

    def waiting_frames(self) -> int:
        return self.waiting

    def read(self) -> tuple[int, bytes]:
        fault = self._next_fault()
        if isinstance(fault, Xrun):
            return -errno.EPIPE, b""
        frames = fault.frames if isinstance(fault, Short) else self.format.period_frames
        size = frames * self.format.frame_bytes
        self.waiting = max(0, self.waiting - frames)
        data = bytes(self.sound[:size])
        del self.sound[:size]
        return frames, data + bytes(size - len(data))


class FakePlaybackPcm(_FakePcm):
    """A loudspeaker that keeps what it was given.

    Where a real card would make the caller wait, the fake plays as much as must be played for the write to fit.
    ``play`` plays more. ``heard`` is what was played, ``queued`` what was not yet.
    """

    def __init__(self, pcm_format: PcmFormat = CARD_48K_STEREO) -> None:
        super().__init__(pcm_format)
        self.heard = bytearray()
        self.queued = bytearray()
        self.writes: list[bytes] = []
        """What was taken, call by call."""
        self.drops = 0

    def write(self, data: bytes | memoryview) -> int:
        fault = self._next_fault()
        if isinstance(fault, Xrun):
            self.play(self.queued_frames())
            return -errno.EPIPE
        size = fault.frames * self.format.frame_bytes if isinstance(fault, Short) else len(data)
        assert size % self.format.frame_bytes == 0, "a frame was split"
        taken = bytes(data[:size])
        self.writes.append(taken)
        self.queued += taken
        self.play(max(0, self.queued_frames() - self.format.buffer_frames))
        return len(taken) // self.format.frame_bytes

    def play(self, frames: int) -> None:
        """Let time pass, as measured in frames."""
        size = frames * self.format.frame_bytes
        self.heard += self.queued[:size]
        del self.queued[:size]

    def queued_frames(self) -> int:
        return 0 if self.unplugged else len(self.queued) // self.format.frame_bytes

    def drop(self) -> None:
        self._check_plugged()
        self.drops += 1
        self.queued.clear()


def pass_frames(pcm: FakePlaybackPcm, playback: Playback, frames: int) -> None:
    """Let so much time pass, and the playback thread do what is due then."""
    pcm.play(frames)
    # A thread that waits for room hears of nothing meanwhile.
    while not playback.spare_s and pcm.queued_frames() + pcm.format.period_frames <= pcm.format.buffer_frames:
        playback.pump_once()
        if playback.resting:
            break
