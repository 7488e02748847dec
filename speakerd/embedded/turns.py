"""Turn detection in audio time: frames of 32 ms in, where speech began and ended out.

Pure but for the detector it is given. Nothing happens without audio, and positions count appended audio only, so a
burst gives the same turns as real time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from speakerd.core.units import SAMPLE_BYTES, WIRE_RATE_HZ, Ms, ms_to_frames
from speakerd.embedded.session import TurnSettings

FRAME_MS = 32
"""What the service's detector decides on at a time (measured: every position it gives is a multiple)."""

FRAME_FRAMES = 768
"""The same in wire frames."""

_FRAME_BYTES = FRAME_FRAMES * SAMPLE_BYTES

_ONSET_FRAMES = 2
"""Frames in a row that must be speech before a turn begins; one alone is a click (guessed)."""

_HYSTERESIS = 0.15
"""How far below the threshold a frame must fall to count as silence inside a turn (specified by the detector)."""

LONGEST_BYTES = 600 * WIRE_RATE_HZ * SAMPLE_BYTES
"""The most audio that is kept for one item: ten minutes (guessed). A longer turn is ended, a longer wait for a commit
refused by whoever feeds."""

_IDLE_BYTES = 10 * WIRE_RATE_HZ * SAMPLE_BYTES
"""How much audio without speech is kept for a commit by hand (guessed); prefix paddings are at most as long."""


class Vad(Protocol):
    """Hears whether somebody speaks. One for each session. Thread: any, one at a time."""

    def probability(self, frame: npt.NDArray[np.int16]) -> float:
        """Return the probability of speech in the next 768 wire frames, 0 to 1."""

    def reset(self) -> None:
        """Forget what was heard so far."""


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """A turn began."""

    audio_start_ms: Ms
    """Where the turn's audio begins: the onset less the prefix padding."""


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """A turn ended and its audio left the buffer."""

    audio_end_ms: Ms
    """Where it was decided, the trailing silence included."""

    pcm: bytes
    """The turn's wire audio."""


@dataclass(frozen=True, slots=True)
class SilenceNoticed:
    """Nobody spoke for as long as the session allows, and the silence left the buffer."""

    audio_start_ms: Ms
    """Where the silence begins: when the last answer has been played."""

    audio_end_ms: Ms
    """Where it was noticed."""

    pcm: bytes
    """The silence as wire audio."""


TurnEvent = SpeechBegan | SpeechEnded | SilenceNoticed


class TurnDetector:
    """The input audio buffer and the decisions about it.

    Args:
        vad: Judges frames; its state belongs to this session.
    """

    def __init__(self, vad: Vad) -> None:
        self._vad = vad
        self._settings: TurnSettings | None = TurnSettings()
        self._buffer = bytearray()
        self._base = 0  # bytes of the session's audio that lie before the buffer
        self._judged = 0  # bytes of the session's audio that the detector has heard
        self._onset = 0  # where the current run of speech frames began
        self._run = 0  # speech frames in a row, before a turn
        self._silence_ms = 0  # silence in a row, inside a turn
        self._start: int | None = None  # where the current turn's audio begins
        self._wait_after_ms: float | None = None  # how much audio is yet to play before the user is waited for
        self._waiting_from: int | None = None  # where waiting for the user began

    @property
    def speaking(self) -> bool:
        """Whether a turn is under way."""
        return self._start is not None

    @property
    def buffered_ms(self) -> float:
        """How much audio a commit would take, to the fraction of a millisecond."""
        return len(self._buffer) / (WIRE_RATE_HZ * SAMPLE_BYTES) * 1000

    def configure(self, settings: TurnSettings | None) -> None:
        """Detect turns from now on in this way; None: not at all."""
        if settings is None:
            self._rest()
        elif self._settings is None:
            self._judged = self._base + len(self._buffer)
            self._vad.reset()
        self._settings = settings

    def await_speech(self, playing_ms: float) -> None:
        """Wait for the user once an answer of this length has been played; for ``idle_timeout_ms``. Thread: any."""
        self._wait_after_ms = playing_ms

    def await_nothing(self) -> None:
        """Wait no more. Thread: any, but not during ``feed``."""
        self._wait_after_ms = self._waiting_from = None

    def feed(self, pcm: bytes) -> list[TurnEvent]:
        """Append wire audio and return what was decided, in order. Heavy: one detector run for each 32 ms."""
        self._buffer += pcm
        events: list[TurnEvent] = []
        if self._settings is None:
            return events
        while self._base + len(self._buffer) - self._judged >= _FRAME_BYTES:
            offset = self._judged - self._base
            frame = np.frombuffer(bytes(self._buffer[offset : offset + _FRAME_BYTES]), dtype="<i2")
            probability = self._vad.probability(frame)
            self._judged += _FRAME_BYTES
            event = self._inside(probability) if self.speaking else self._outside(probability)
            if event is not None:
                events.append(event)
        if not self.speaking:
            kept = self._judged - _IDLE_BYTES
            self._drop_before(max(self._base, kept if self._waiting_from is None else min(kept, self._waiting_from)))
        return events

    def commit(self) -> bytes:
        """Take all audio out of the buffer; a turn under way is over."""
        return self._cut(self._base + len(self._buffer))

    def clear(self) -> None:
        """Throw the buffer away; a turn under way is over. Positions go on counting."""
        self._cut(self._base + len(self._buffer))

    def _outside(self, probability: float) -> TurnEvent | None:
        """Judge a frame before a turn."""
        assert self._settings is not None
        if self._wait_after_ms is not None:
            wait = ms_to_frames(self._wait_after_ms, WIRE_RATE_HZ) * SAMPLE_BYTES // _FRAME_BYTES * _FRAME_BYTES
            self._waiting_from, self._wait_after_ms = self._judged - _FRAME_BYTES + wait, None
        if probability < self._settings.threshold:
            self._run = 0
            return self._waited()
        if self._run == 0:
            self._onset = self._judged - _FRAME_BYTES
        self._run += 1
        if self._run < _ONSET_FRAMES:
            return None
        padding = ms_to_frames(self._settings.prefix_padding_ms, WIRE_RATE_HZ) * SAMPLE_BYTES
        self._start = max(self._base, self._onset - padding)
        self._silence_ms = 0
        self.await_nothing()
        return SpeechBegan(_position_ms(self._start))

    def _inside(self, probability: float) -> TurnEvent | None:
        """Judge a frame of a turn."""
        assert self._settings is not None
        if probability >= self._settings.threshold - _HYSTERESIS:
            self._silence_ms = 0
        else:
            self._silence_ms += FRAME_MS
        assert self._start is not None
        is_over = self._silence_ms > 0 and self._silence_ms >= self._settings.silence_duration_ms
        if not is_over and self._judged - self._start < LONGEST_BYTES:
            return None
        self._drop_before(self._start)
        return SpeechEnded(_position_ms(self._judged), self._cut(self._judged))

    def _waited(self) -> TurnEvent | None:
        """Notice that the user has been silent for too long."""
        timeout_ms = self._settings.idle_timeout_ms if self._settings is not None else None
        start = self._waiting_from
        if timeout_ms is None or start is None:
            return None
        if self._judged - start < ms_to_frames(timeout_ms, WIRE_RATE_HZ) * SAMPLE_BYTES:
            return None
        start = max(start, self._base)
        self._drop_before(start)
        return SilenceNoticed(_position_ms(start), _position_ms(self._judged), self._cut(self._judged))

    def _cut(self, end: int) -> bytes:
        """Take the audio before a position out of the buffer and be outside of a turn."""
        pcm = bytes(self._buffer[: end - self._base])
        self._drop_before(end)
        self._judged = max(self._judged, end)
        self._rest()
        return pcm

    def _drop_before(self, position: int) -> None:
        """Forget audio before a position."""
        del self._buffer[: position - self._base]
        self._base = position

    def _rest(self) -> None:
        """Be outside of a turn, waiting for nobody."""
        self.await_nothing()
        self._run = self._silence_ms = 0
        self._start = None


def _position_ms(position_bytes: int) -> Ms:
    """Return a place in the session's audio in milliseconds."""
    return Ms(position_bytes * 1000 // (WIRE_RATE_HZ * SAMPLE_BYTES))
