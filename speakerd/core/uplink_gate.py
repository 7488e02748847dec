"""The uplink gate: which wire frames leave for the session, as audio or as silence, in order and no session's twice.

It reads from the pre-roll and hands pieces to whoever sends them. When to open and shut is the conversation's decision.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from speakerd.core.preroll import Preroll
from speakerd.core.units import SAMPLE_BYTES, WIRE_RATE_HZ, Frames, ms_to_frames

PIECE_MIN_FRAMES = ms_to_frames(20, WIRE_RATE_HZ)
"""The least worth a message of its own (guess: one period)."""

PIECE_MAX_FRAMES = ms_to_frames(40, WIRE_RATE_HZ)
"""The most in one message, so that a burst does not hold up what follows it (guess)."""

CALM_PIECE_FRAMES = ms_to_frames(100, WIRE_RATE_HZ)
"""What is sent at once where nobody waits for it. A message costs half a millisecond of CPU, however short (measured):
fifty of them a second cost more than everything else that a conversation needs."""


class _Mode(enum.Enum):
    CLOSED = enum.auto()
    LIVE = enum.auto()
    SILENT = enum.auto()


class UplinkGate:
    """Lets microphone audio, silence or nothing through. Implements ``ports.Uplink``.

    Args:
        preroll: Where the frames are.
        send: Takes pieces of wire audio, and where each begins, None where it is silence. They are of 20 to 40 ms, of
            100 ms where it is calm or silence, and shorter only where the gate turns.
    """

    def __init__(self, preroll: Preroll, send: Callable[[bytes, Frames | None], None]) -> None:
        self._preroll = preroll
        self._send = send
        self._mode = _Mode.CLOSED
        self._next = 0
        self._silent_from = 0
        self._live_from = 0

    @property
    def mode(self) -> str:
        """``closed``, ``live`` or ``silent``."""
        return self._mode.name.lower()

    @property
    def next_frame(self) -> Frames:
        """No frame before this one will be sent any more."""
        return Frames(self._next)

    @property
    def silent_from(self) -> Frames:
        """Frames from this one on were withheld, while the gate is ``silent``."""
        return Frames(self._silent_from)

    @property
    def repeatable_from(self) -> Frames:
        """The oldest frame that was let through since the gate was opened last, and can be let through again."""
        live = self._mode is _Mode.LIVE
        return Frames(max(self._live_from, self._preroll.start)) if live else self._preroll.end

    def open(self, from_frame: Frames | None) -> None:
        """Let audio through live; from shut, start at a frame of the pre-roll (None: from now) and send it at once.

        After silence, frames that were withheld since this one are sent after it: a command that follows a wake word
        in the same breath began before anybody knew of it.
        """
        if self._mode is _Mode.CLOSED:
            wanted = self._preroll.end if from_frame is None else from_frame
            self._next = max(wanted, self._next)
        else:
            self._emit(PIECE_MAX_FRAMES, least=1)
        if self._mode is _Mode.SILENT and from_frame is not None:
            self._next = min(self._next, max(from_frame, self._silent_from))
        if self._mode is not _Mode.LIVE:
            self._live_from = self._next
        self._mode = _Mode.LIVE
        self.pump()

    def repeat(self, from_frame: Frames) -> None:
        """Go back to a frame and send it and all that follows again: what got it is gone.

        Never back to one that was not let through since the gate was opened last; a gate that is not live stays as it
        is.
        """
        if self._mode is _Mode.LIVE:
            self._next = min(max(from_frame, self._live_from), self._next)
            self.pump()

    def silence(self) -> None:
        """Stream silence in place of the microphone; a gate that is shut stays shut."""
        if self._mode is _Mode.LIVE:
            self._emit(PIECE_MAX_FRAMES, least=1)
            self._mode = _Mode.SILENT
            self._silent_from = self._next

    def close(self) -> None:
        """Let nothing through, not even what was waiting for its piece to fill."""
        self._mode = _Mode.CLOSED

    def pump(self, *, calm: bool = False) -> None:
        """Send what the pre-roll has got since the last time; in larger pieces where it is calm, or silence anyway."""
        if self._mode is _Mode.SILENT or (calm and self._mode is _Mode.LIVE):
            self._emit(CALM_PIECE_FRAMES, least=CALM_PIECE_FRAMES)
        elif self._mode is _Mode.LIVE:
            self._emit(PIECE_MAX_FRAMES, least=PIECE_MIN_FRAMES)

    def _emit(self, most: int, *, least: int) -> None:
        # Frames that the pre-roll has already lost are lost: position goes on, audio cannot.
        self._next = max(self._next, self._preroll.start)
        while (waiting := self._preroll.end - self._next) >= least:
            length = min(waiting, most)
            first = Frames(self._next)
            self._next += length
            if self._mode is _Mode.LIVE:
                self._send(self._preroll.read(first, first + length).tobytes(), first)
            else:
                self._send(bytes(length * SAMPLE_BYTES), None)
