"""The playhead: which reply item is audible, up to which frame.

It counts wire frames through three places: received from the service, handed over towards the card, heard in the room.
What a card reports and when is the loudspeaker's business; ``played_frames`` turns such a report into the one number
the playhead wants.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from speakerd.core.events import Heard
from speakerd.core.units import WIRE_RATE_HZ, Frames, ItemId, frames_to_ms


def played_frames(
    *, content_frames: int, silence_tail_frames: int, queued_frames: int, elapsed_s: float, rate_hz: int
) -> Frames:
    """Return how many content frames have come out of a card, some time after it was asked.

    Args:
        content_frames: Content frames written to the card so far.
        silence_tail_frames: Silent frames written after the last content frame.
        queued_frames: Frames written but not yet played when the card was asked.
        elapsed_s: Seconds since then.
        rate_hz: The card's rate.

    Units: all frames at the card's rate; rounded so that the answer is never more than was heard.
    """
    queued_now = max(0, queued_frames - max(0, int(elapsed_s * rate_hz)))
    return Frames(max(0, content_frames - max(0, queued_now - silence_tail_frames)))


@dataclass(slots=True)
class _Item:
    """What is known of one reply item; all in wire frames."""

    received: int = 0
    heard: int = 0


@dataclass(slots=True)
class _Span:
    """A run of handed-over frames, not yet heard, of one item (None: an earcon or padding)."""

    item_id: ItemId | None
    frames: int


class Playhead:
    """Knows how much of each reply item came out of the loudspeaker. Units: wire frames throughout."""

    def __init__(self) -> None:
        self._items: dict[ItemId, _Item] = {}
        self._spans: deque[_Span] = deque()
        self._handed_over = 0
        self._played = 0

    @property
    def waiting_frames(self) -> Frames:
        """Frames handed over and not yet heard."""
        return Frames(self._handed_over - self._played)

    @property
    def handed_over_frames(self) -> Frames:
        """Frames handed over since the last flush."""
        return Frames(self._handed_over)

    def received(self, item_id: ItemId, frames: int) -> None:
        """Take note of audio from the service; items are played in the order of their first audio."""
        if item_id not in self._items:
            self._forget_heard()
            self._items[item_id] = _Item()
        self._items[item_id].received += frames

    def handed_over(self, item_id: ItemId | None, frames: int) -> None:
        """Take note of frames on their way to the card, in playing order (None: no reply item)."""
        self._handed_over += frames
        if self._spans and self._spans[-1].item_id == item_id:
            self._spans[-1].frames += frames
        elif frames:
            self._spans.append(_Span(item_id, frames))

    def heard(self, played_frames: int) -> None:
        """Move on: so many of the frames handed over since the last flush have come out.

        Reports may come out of order or claim too much: the playhead never goes back, nor past what was handed over.
        """
        advance = min(played_frames, self._handed_over) - self._played
        while advance > 0:
            span = self._spans[0]
            step = min(advance, span.frames)
            self._credit(span.item_id, step)
            self._played += step
            advance -= step
            span.frames -= step
            if not span.frames:
                self._spans.popleft()

    def unheard(self) -> tuple[Heard, ...]:
        """Return the items not yet wholly heard, in playing order, with what was heard of each."""
        return tuple(
            Heard(item_id, frames_to_ms(item.heard, WIRE_RATE_HZ))
            for item_id, item in self._items.items()
            if item.heard < item.received
        )

    def flush(self) -> None:
        """Forget everything: what was waiting will never be heard. Counting starts again at zero."""
        self._items.clear()
        self._spans.clear()
        self._handed_over = self._played = 0

    def _credit(self, item_id: ItemId | None, frames: int) -> None:
        item = self._items.get(item_id) if item_id is not None else None
        if item is not None:
            item.heard = min(item.heard + frames, item.received)

    def _forget_heard(self) -> None:
        """Drop items that are over. The newest stays until another begins: more of it may be on its way."""
        self._items = {item_id: item for item_id, item in self._items.items() if item.heard < item.received}
