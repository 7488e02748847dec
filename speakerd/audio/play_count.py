"""What the playback thread counts: how much of what it wrote was content, and how much of that came out of the card.

Nothing here writes to a card or knows what the content is.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlayState:
    """What the playback thread knew right after its last write; replaced as a whole.

    At any later moment at least ``content_frames - dropped_frames - max(0, queued_frames - played_since -
    silence_tail_frames)`` frames of content have been heard, and never fewer than ``heard_frames``: the first is low
    only while silence lies before content in the card, after a start, a flush or a gap.
    """

    content_frames: int
    """Frames from the ring that were written to the card since the start."""

    silence_tail_frames: int
    """Frames of silence written since the last frame of content."""

    queued_frames: int
    """Frames the card had not played yet, content and silence."""

    at_s: float
    """When that was, on the caller's clock."""

    xruns: int
    """Underruns: the card had nothing left because we came too late."""

    starvations: int
    """How often the ring ran dry in the middle of content."""

    dropped_frames: int = 0
    """Frames of content that the card threw away unplayed, by a flush or a rest, since the start."""

    heard_frames: int = 0
    """Frames of content that the card had played by then, exactly; never goes back."""

    reference_refused_bytes: int = 0
    """What was written to the card, but found no room in the echo canceller's reference."""


class PlayCount:
    """Counts frames on their way through a card. Thread: playback. Units: the card's frames.

    Attributes:
        xruns: See ``PlayState``.
        starvations: See ``PlayState``.
        reference_refused_bytes: See ``PlayState``.
    """

    def __init__(self) -> None:
        self._written_frames = 0
        # Where in the stream of written frames the content lies that may still be queued: [start, end), oldest first.
        self._spans: deque[tuple[int, int]] = deque()
        self._content_frames = 0
        self._silence_tail_frames = 0
        self._dropped_frames = 0
        self.xruns = 0
        self.starvations = 0
        self.reference_refused_bytes = 0

    @property
    def content_queued(self) -> bool:
        """Whether some content was still queued when the card was last asked."""
        return bool(self._spans)

    def wrote(self, frames: int) -> None:
        """Take note of frames that the card took, whatever they are."""
        self._written_frames += frames

    def note_content(self, content_frames: int, tail_frames: int) -> None:
        """Take note of where the content lies that was just written, ``tail_frames`` before the end."""
        end = self._written_frames - tail_frames
        start = end - content_frames
        if self._spans and self._spans[-1][1] == start:
            start, _ = self._spans.pop()
        self._spans.append((start, end))
        self._content_frames += content_frames
        self._silence_tail_frames = tail_frames

    def note_silence(self, frames: int) -> None:
        """Take note of silence that was just written behind everything."""
        self._silence_tail_frames += frames

    def drop(self, queued_frames: int) -> None:
        """Take note that the card threw away what was queued."""
        self._dropped_frames += self._unheard_frames(queued_frames)
        self._spans.clear()

    def state(self, queued_frames: int, now_s: float) -> PlayState:
        """Return what is known now, and forget where the content was that has been played."""
        return PlayState(
            content_frames=self._content_frames,
            silence_tail_frames=self._silence_tail_frames,
            queued_frames=queued_frames,
            at_s=now_s,
            xruns=self.xruns,
            starvations=self.starvations,
            dropped_frames=self._dropped_frames,
            heard_frames=self._content_frames - self._dropped_frames - self._unheard_frames(queued_frames),
            reference_refused_bytes=self.reference_refused_bytes,
        )

    def _unheard_frames(self, queued_frames: int) -> int:
        """Return how much of what is queued is content, and forget what has been played."""
        played = self._written_frames - queued_frames
        while self._spans and self._spans[0][1] <= played:
            self._spans.popleft()
        return sum(end - max(start, played) for start, end in self._spans)
