"""The room around the virtual sound card: say something into it, hear what the loudspeaker played, break the card.

The file format is here and in ``hardware/simcard/simcard_room.h``, nowhere else. Building and configuring the card is
``speakerd.demo.simcard``'s business.
"""

from __future__ import annotations

import math
import mmap
import struct
import time
from typing import TYPE_CHECKING, Literal, Self

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

ROOM_RATE_HZ = 48_000
"""The rate of both tracks (specified by the card's source)."""

Direction = Literal["capture", "playback"]
"""A stream of the card; both have their own fault and counters."""

Fault = Literal["none", "enodev", "eio", "epipe", "stall", "zeros"]
"""How the card fails; ``zeros`` is for capture only."""

FAULTS: tuple[Fault, ...] = ("none", "enodev", "eio", "epipe", "stall", "zeros")
"""The faults, each at its number in the header."""

_MAGIC = b"SPKROOM1"
_VERSION = 1
_HEADER = struct.Struct("<8sIIQqQQ2I2Q2Q2Q")
"""Magic, version, rate, frames of a track, epoch in ns, offset of VOICE, offset of SPEAKER, then one value for capture
and one for playback each of: fault, frames, xruns, opens (struct room_header)."""

_FAULT_AT = struct.calcsize("<8sIIQqQQ")
_FRAMES_AT = _FAULT_AT + 8
_XRUNS_AT = _FRAMES_AT + 16
_OPENS_AT = _XRUNS_AT + 16
_TRACKS_AT = 4096
_SAMPLE_BYTES = 2

_ZERO_CROSSINGS = 24
"""Of the resampling filter to either side; the stop band is 74 dB down (specified by its Blackman window)."""

_CUTOFF = 0.9
"""Of half the lower rate, where the resampling filter is 6 dB down (guessed: speech has nothing above it)."""

_CHUNK_FRAMES = 16_384
"""Resampled at once, to bound the memory it takes."""


class Room:
    """A room with a loudspeaker and a microphone in it, shared with the card through one sparse file.

    Times are seconds on the monotonic clock, as ``time.monotonic`` and the event loop tell them.

    Thread: any, one at a time; only one process may speak.
    """

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        magic, version, rate_hz, length, epoch_ns, voice_at, speaker_at, *_ = _HEADER.unpack_from(self._map)
        if (magic, version, rate_hz) != (_MAGIC, _VERSION, ROOM_RATE_HZ):
            self._map.close()
            raise ValueError(f"{path} is not a room of version {_VERSION}")
        self.path = path
        self._length = int(length)
        self._epoch_ns = int(epoch_ns)
        self._voice: NDArray[np.int16] = np.frombuffer(self._map, np.int16, self._length, voice_at)
        self._speaker: NDArray[np.int16] = np.frombuffer(self._map, np.int16, self._length, speaker_at)

    @classmethod
    def create(cls, path: Path, length_s: float = 600.0) -> Self:
        """Make a silent room whose time begins now; an older file at this path is replaced."""
        length = math.ceil(length_s * ROOM_RATE_HZ)
        track_bytes = -(-length * _SAMPLE_BYTES // mmap.PAGESIZE) * mmap.PAGESIZE
        header = (_MAGIC, _VERSION, ROOM_RATE_HZ, length, time.monotonic_ns(), _TRACKS_AT, _TRACKS_AT + track_bytes)
        path.unlink(missing_ok=True)
        with path.open("xb") as file:
            file.write(_HEADER.pack(*header, *[0] * 8))
            file.truncate(_TRACKS_AT + 2 * track_bytes)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Enter a room that exists.

        Raises:
            OSError: there is no such file.
            ValueError: the file is not a room.
        """
        return cls(path)

    def close(self) -> None:
        """Leave the room; the file stays."""
        del self._voice, self._speaker
        self._map.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def now_s(self) -> float:
        """Return the time in the room."""
        return time.monotonic()

    def say(
        self, pcm: NDArray[np.int16], rate_hz: int, at_s: float | None = None, lead_s: float = 0.1
    ) -> tuple[float, float]:
        """Say something at a moment, or as soon as nothing of it can be missed, over what is being said there already.

        Args:
            pcm: Mono samples.
            rate_hz: Their rate; other than the room's it is resampled.
            at_s: When the first sample is heard; None: ``lead_s`` from now.
            lead_s: How far ahead of the card to write.

        Returns:
            When it begins and when it ends.

        Raises:
            ValueError: it would begin before the room or end after it.
        """
        voice = resample(pcm, rate_hz, ROOM_RATE_HZ)
        first = self._frame(self.now_s() + lead_s if at_s is None else at_s)
        track = self._voice[self._slice(first, first + len(voice))]
        track[:] = np.clip(track.astype(np.int32) + voice, -32768, 32767)
        return self._time_s(first), self._time_s(first + len(voice))

    def heard(self, start_s: float, end_s: float) -> NDArray[np.int16]:
        """Return what the loudspeaker played.

        Shape:
            (frames,) at ``ROOM_RATE_HZ``.

        Raises:
            ValueError: the span leaves the room.
        """
        return self._speaker[self._slice(self._frame(start_s), self._frame(end_s))].copy()

    def mixed(self, start_s: float, end_s: float) -> NDArray[np.int16]:
        """Return what a person in the room heard: the people and the loudspeaker; shape as ``heard``."""
        span = self._slice(self._frame(start_s), self._frame(end_s))
        both = self._voice[span].astype(np.int32) + self._speaker[span]
        clipped: NDArray[np.int16] = np.clip(both, -32768, 32767).astype(np.int16)
        return clipped

    def audible_spans(
        self, start_s: float, end_s: float, threshold: int = 64, gap_ms: float = 60.0
    ) -> list[tuple[float, float]]:
        """Return when the loudspeaker was audible.

        Args:
            start_s: From here.
            end_s: To here.
            threshold: The smallest absolute sample that counts; 64 is 54 dB below full scale (guessed).
            gap_ms: A quiet shorter than this does not end a span; zero crossings and plosives are such (guessed).
        """
        first = self._frame(start_s)
        loud = np.flatnonzero(np.abs(self.heard(start_s, end_s).astype(np.int32)) >= threshold)
        if not len(loud):
            return []
        breaks = np.flatnonzero(np.diff(loud) > gap_ms * ROOM_RATE_HZ / 1000)
        starts = loud[np.concatenate(([0], breaks + 1))]
        ends = loud[np.concatenate((breaks, [len(loud) - 1]))]
        return [
            (self._time_s(first + int(a)), self._time_s(first + int(b) + 1)) for a, b in zip(starts, ends, strict=True)
        ]

    def set_fault(self, direction: Direction, name: Fault) -> None:
        """Break one direction of the card from now on, or mend it with ``none``.

        Raises:
            ValueError: there is no such fault for this direction.
        """
        if name not in FAULTS or (direction, name) == ("playback", "zeros"):
            raise ValueError(f"no fault {name!r} for {direction}; there are {', '.join(FAULTS)} (zeros: capture only)")
        struct.pack_into("<I", self._map, _FAULT_AT + 4 * _index(direction), FAULTS.index(name))

    def clear_faults(self) -> None:
        """Mend both directions."""
        self.set_fault("capture", "none")
        self.set_fault("playback", "none")

    @property
    def frames_captured(self) -> int:
        """Card frames captured so far, by all streams together."""
        return self._counter(_FRAMES_AT, "capture")

    @property
    def frames_played(self) -> int:
        """Card frames played so far, by all streams together."""
        return self._counter(_FRAMES_AT, "playback")

    def xruns(self, direction: Direction) -> int:
        """Return how often a stream's buffer ran over or dry."""
        return self._counter(_XRUNS_AT, direction)

    def opens(self, direction: Direction) -> int:
        """Return how often the card was opened."""
        return self._counter(_OPENS_AT, direction)

    def _counter(self, at: int, direction: Direction) -> int:
        return int(struct.unpack_from("<Q", self._map, at + 8 * _index(direction))[0])

    def _frame(self, at_s: float) -> int:
        return round((at_s - self._epoch_ns / 1e9) * ROOM_RATE_HZ)

    def _time_s(self, frame: int) -> float:
        return self._epoch_ns / 1e9 + frame / ROOM_RATE_HZ

    def _slice(self, first: int, end: int) -> slice:
        if not 0 <= first <= end <= self._length:
            length_s = self._length / ROOM_RATE_HZ
            raise ValueError(
                f"{first / ROOM_RATE_HZ:.2f} to {end / ROOM_RATE_HZ:.2f} s leaves the room of {length_s:.0f} s"
            )
        return slice(first, end)


def resample(pcm: NDArray[np.int16], rate_in_hz: int, rate_out_hz: int) -> NDArray[np.int16]:
    """Convert a whole recording to another rate with a polyphase windowed sinc, without delay."""
    if rate_in_hz == rate_out_hz or not len(pcm):
        return pcm
    common = math.gcd(rate_in_hz, rate_out_hz)
    up, down = rate_out_hz // common, rate_in_hz // common
    half = math.ceil(_ZERO_CROSSINGS * max(1.0, down / up))
    taps = _polyphase_taps(up, down, half)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(pcm.astype(np.float32), half), 2 * half)
    length = len(pcm) * up // down
    out = np.empty(length, np.int16)
    for start in range(0, length, _CHUNK_FRAMES):
        at = np.arange(start, min(start + _CHUNK_FRAMES, length)) * down
        values = np.einsum("nk,nk->n", windows[at // up + 1], taps[at % up])
        out[start : start + len(at)] = np.clip(np.rint(values), -32768, 32767)
    return out


def _polyphase_taps(up: int, down: int, half: int) -> NDArray[np.float32]:
    """Return the filter of each phase; row p weighs the samples from ``half - 1`` before to ``half`` after."""
    scale = min(1.0, up / down)
    distance = (np.arange(up)[:, None] / up - np.arange(-half + 1, half + 1)[None, :]) * scale
    window = np.pi * np.clip(distance / _ZERO_CROSSINGS, -1, 1)
    blackman = 0.42 + 0.5 * np.cos(window) + 0.08 * np.cos(2 * window)
    taps: NDArray[np.float32] = (scale * _CUTOFF * np.sinc(_CUTOFF * distance) * blackman).astype(np.float32)
    return taps


def _index(direction: Direction) -> int:
    return ("capture", "playback").index(direction)
