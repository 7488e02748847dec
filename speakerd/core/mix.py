"""What is played next: replies, and the speaker's own sounds before or over them, as one stream without a click.

An earcon over a reply is mixed in while the reply is ducked; a spoken notice, which nobody could follow over another
voice, interrupts it between two fades. When a reply may begin, and when its end has come, is told by the caller; whose
frames a block holds is told to it, so that the playhead stays right whatever is mixed.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from speakerd.core.backlog import Backlog, Piece
from speakerd.core.fades import FADE_FRAMES, faded
from speakerd.core.gain import GainRamp
from speakerd.core.limiter import limit
from speakerd.core.units import ItemId, ResponseId

DUCKED_GAIN = 0.25
"""What is left of a reply under an earcon: -12 dB, still followed while the earcon stands out (guess)."""

Int16 = npt.NDArray[np.int16]
"""Wire frames."""


class Supply(enum.Enum):
    """What may be taken of the replies that wait."""

    WAITING = "waiting"
    """Nothing yet: more is to come before they begin."""

    FLOWING = "flowing"
    """All but the last few ms, which are faded if nothing follows."""

    ENDING = "ending"
    """All; nothing follows, or not in time."""


@dataclass(frozen=True, slots=True)
class Span:
    """A run of frames in a block."""

    item_id: ItemId | None
    """The reply item they are of; None: our own sound."""

    response_id: ResponseId | None
    """The response they are of; None: our own sound."""

    frames: int
    """How many."""


@dataclass(frozen=True, slots=True)
class Block:
    """What is played next."""

    pcm: Int16
    """Wire frames, as they are to be heard."""

    spans: tuple[Span, ...]
    """Whose they are, in order."""


class Mix:
    """Makes one stream of everything that wants to be heard. Units: wire frames."""

    def __init__(self) -> None:
        self._replies = Backlog()
        self._inserts: deque[Int16] = deque()
        self._overlays: deque[Int16] = deque()
        self._volume = GainRamp()
        self._duck = GainRamp()
        self._since_begin = 0  # of the stretch of reply that is flowing
        self.speaking = False
        """Whether a reply was begun and not ended: its next frames must follow, or be faded out."""

    def __bool__(self) -> bool:
        return bool(self._replies or self._inserts or self._overlays)

    @property
    def frames(self) -> int:
        """Frames that wait, of everything."""
        return self._replies.frames + sum(map(len, self._inserts)) + sum(map(len, self._overlays))

    @property
    def reply_frames(self) -> int:
        """Frames of replies that wait."""
        return self._replies.frames

    @property
    def next_reply(self) -> ResponseId | None:
        """The response whose audio is the next of those that wait."""
        return self._replies.head.response_id if self._replies.head is not None else None

    @property
    def gain(self) -> float:
        """How loud everything is played, where 1 is as it came."""
        return self._volume.target

    def append(self, piece: Piece) -> None:
        """Put a reply's audio behind what waits."""
        self._replies.append(piece)

    def insert(self, pcm: Int16) -> None:
        """Put a sound before the replies, behind the sounds that wait there already.

        It begins and ends in silence, or with a fade of its own.
        """
        self._inserts.append(pcm)

    def overlay(self, pcm: Int16) -> None:
        """Put a sound over what is being said, behind the sounds that wait for that already."""
        self._overlays.append(pcm)

    def set_gain(self, gain: float) -> None:
        """Play everything louder or softer from the next block on; 1: as it came.

        Raises:
            ValueError: the gain is out of range.
        """
        self._volume.set(gain)

    def clear(self) -> None:
        """Throw away what waits; what follows is a beginning."""
        self._replies.clear()
        self._inserts.clear()
        self._overlays.clear()
        self._end_stretch()
        self._volume.settle()
        self._duck.set(1.0)
        self._duck.settle()

    def take(self, max_frames: int, supply: Supply) -> Block | None:
        """Take what is played next; None: nothing may be played now.

        Args:
            max_frames: About how much: a stretch's last ``FADE_FRAMES`` may come on top, lest the fade be torn.
            supply: What may be taken of the replies.
        """
        if self._inserts:
            if self.speaking:
                return self._take_reply(FADE_FRAMES, FADE_FRAMES)
            sound = _take(self._inserts, max_frames)
            return self._block(sound, (Span(None, None, len(sound)),))
        waiting = self._replies.frames
        if supply is Supply.ENDING and waiting:
            frames = max_frames if waiting - max_frames >= FADE_FRAMES else waiting
            return self._take_reply(frames, waiting)
        if supply is Supply.FLOWING and waiting > FADE_FRAMES:
            return self._take_reply(min(max_frames, waiting - FADE_FRAMES), None)
        if self._overlays and not self.speaking:
            frames = min(max_frames, len(self._overlays[0]))
            return self._block(np.zeros(frames, np.int16), (Span(None, None, frames),))
        return None

    def _take_reply(self, frames: int, until_end: int | None) -> Block:
        pieces, left = [], frames
        while left:
            pieces.append(self._replies.take(left))
            left -= len(pieces[-1].pcm)
        pcm = faded(np.concatenate([piece.pcm for piece in pieces]), since_begin=self._since_begin, until_end=until_end)
        self.speaking = True
        self._since_begin += frames
        if frames == until_end:
            self._end_stretch()
        return self._block(pcm, tuple(Span(piece.item_id, piece.response_id, len(piece.pcm)) for piece in pieces))

    def _block(self, pcm: Int16, spans: tuple[Span, ...]) -> Block:
        """Lay the overlay over a piece of the stream, and give it the volume."""
        self._duck.set(DUCKED_GAIN if self._overlays else 1.0)
        mixed = self._duck.apply(pcm)
        if self._overlays:
            over = _take(self._overlays, len(pcm))
            mixed = mixed.astype(np.float32)
            mixed[: len(over)] += over
        return Block(limit(self._volume.apply(mixed)), spans)

    def _end_stretch(self) -> None:
        self.speaking = False
        self._since_begin = 0


def _take(sounds: deque[Int16], max_frames: int) -> Int16:
    """Take up to so many frames of the first sound."""
    taken, rest = sounds[0][:max_frames], sounds[0][max_frames:]
    if len(rest):
        sounds[0] = rest
    else:
        sounds.popleft()
    return taken
