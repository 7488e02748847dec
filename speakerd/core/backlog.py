"""The backlog: what waits to be played, in order, and the gate that a response's audio must pass to get in.

A reply arrives much faster than it is spoken, so the backlog has no bound. What is audible is the playhead's to know,
when to play the loudspeaker's.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from speakerd.core.units import ItemId, ResponseId

GATES_KEPT = 8
"""Responses the gate remembers; more than two never overlap (observed)."""


@dataclass(slots=True)
class Gate:
    """The downlink gate of one accepted response."""

    announced: bool = False
    """Its audio has been spoken of in this stretch of playing."""

    traced: bool = False
    """Its first audible frame is in the diary, or awaited."""

    complete: bool = False
    """Its last audio has arrived."""


class DownlinkGate:
    """Knows which responses may be played."""

    def __init__(self) -> None:
        self._gates: dict[ResponseId, Gate] = {}

    def accept(self, response_id: ResponseId) -> None:
        """Let audio of this response through; the oldest of many is forgotten."""
        self._gates.setdefault(response_id, Gate())
        while len(self._gates) > GATES_KEPT:
            del self._gates[next(iter(self._gates))]

    def reject(self, response_id: ResponseId) -> None:
        """Let no more audio of this response through."""
        self._gates.pop(response_id, None)

    def of(self, response_id: ResponseId | None) -> Gate | None:
        """Return a response's gate; None: it is shut."""
        return None if response_id is None else self._gates.get(response_id)

    def end_stretch(self) -> None:
        """What still comes of any response is announced anew."""
        for gate in self._gates.values():
            gate.announced = False

    @property
    def all_complete(self) -> bool:
        """Whether nothing more is to come of what was announced."""
        return all(gate.complete for gate in self._gates.values() if gate.announced)


@dataclass(slots=True)
class Piece:
    """A run of wire frames that belong together."""

    item_id: ItemId
    """The reply item it is of."""

    response_id: ResponseId
    """The response it is of."""

    pcm: npt.NDArray[np.int16]
    """Wire frames, at least one."""


class Backlog:
    """A queue of wire audio of replies, as it came."""

    def __init__(self) -> None:
        self._pieces: deque[Piece] = deque()
        self._frames = 0

    def __bool__(self) -> bool:
        return bool(self._pieces)

    @property
    def frames(self) -> int:
        """Wire frames that wait."""
        return self._frames

    @property
    def head(self) -> Piece | None:
        """What comes next, whole."""
        return self._pieces[0] if self._pieces else None

    def append(self, piece: Piece) -> None:
        """Put audio at the end."""
        self._pieces.append(piece)
        self._frames += len(piece.pcm)

    def take(self, max_frames: int) -> Piece:
        """Take up to so many frames of one piece from the head.

        Raises:
            IndexError: nothing waits.
        """
        head = self._pieces[0]
        taken = Piece(head.item_id, head.response_id, head.pcm[:max_frames])
        head.pcm = head.pcm[max_frames:]
        if not len(head.pcm):
            self._pieces.popleft()
        self._frames -= len(taken.pcm)
        return taken

    def clear(self) -> None:
        """Throw everything away."""
        self._pieces.clear()
        self._frames = 0
