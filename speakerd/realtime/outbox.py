"""What waits to be sent: commands, and microphone audio in order.

Pure. Who takes it out and sends it is ``connection.py``.
"""

from __future__ import annotations

from collections import deque

from speakerd.core.sent_frames import SentFrames
from speakerd.core.units import SAMPLE_BYTES, WIRE_RATE_HZ, Frames, Ms

_BYTES_PER_S = SAMPLE_BYTES * WIRE_RATE_HZ

PIECE_BYTES = _BYTES_PER_S // 5
"""Most audio in one append, 200 ms: while behind, fewer and larger sends; live audio goes out as it comes (guessed)."""

LIMIT_BYTES = 120 * _BYTES_PER_S
"""Most audio that may wait, two minutes: beyond, the link is no link (guessed)."""


class Outbox:
    """Commands and audio on their way to the service; audio is never dropped, doubled or reordered.

    Until the session is known to be up, audio that was taken is remembered, so that a second attempt can send it again.

    Thread: event loop.
    """

    def __init__(self) -> None:
        self._commands: deque[str] = deque()
        self._audio = bytearray()
        self._unconfirmed = bytearray()
        self._confirmed = False
        self._frames = SentFrames()
        self._taken_bytes = 0

    @property
    def waiting_bytes(self) -> int:
        """How much audio waits."""
        return len(self._audio)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to take."""
        return not self._commands and not self._audio

    @property
    def overfull(self) -> bool:
        """Whether more audio waits than a link may be behind."""
        return len(self._audio) > LIMIT_BYTES

    def command(self, text: str) -> None:
        """Add a command; commands overtake audio."""
        self._commands.append(text)

    def audio(self, pcm: bytes, first_frame: Frames | None = None) -> None:
        """Add wire audio, which begins with this frame of the microphone's; None: it is silence, or nobody knows."""
        self._audio += pcm
        self._frames.add(len(pcm) // SAMPLE_BYTES, first_frame)

    def frame_at(self, place_ms: Ms) -> Frames | None:
        """Return the microphone's frame at a place in the audio of the session that comes up; None: nobody knows."""
        return self._frames.at(place_ms)

    def rest(self) -> Outbox:
        """Return an outbox for the next session, with the audio that was not taken."""
        rest = Outbox()
        rest._audio = self._audio[:]
        rest._frames = self._frames.after(self._taken_bytes // SAMPLE_BYTES)
        return rest

    def take_command(self) -> str | None:
        """Take the next command out."""
        return self._commands.popleft() if self._commands else None

    def take_audio(self) -> bytes:
        """Take the next piece of audio out; empty when there is none."""
        piece = bytes(self._audio[:PIECE_BYTES])
        del self._audio[:PIECE_BYTES]
        self._taken_bytes += len(piece)
        if not self._confirmed:
            self._unconfirmed += piece
        return piece

    def confirm(self) -> None:
        """Note that the session is up: what was taken has arrived at a session that counts."""
        self._confirmed = True
        self._unconfirmed.clear()

    def rewind(self) -> None:
        """Put back the audio that went to a session that never came up, and forget the commands meant for it."""
        self._commands.clear()
        self._audio[:0] = self._unconfirmed
        self._taken_bytes -= len(self._unconfirmed)
        self._unconfirmed.clear()
