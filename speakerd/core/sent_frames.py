"""Which wire frame stands at which place of the audio that a session was sent.

A session counts what it was sent, silence included, from its own beginning; the microphone counts its frames from its
start. Between the two lie what was never sent, and silence that was sent in the place of what was heard.
"""

from __future__ import annotations

from dataclasses import dataclass

from speakerd.core.units import WIRE_RATE_HZ, Frames, Ms, ms_to_frames


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Frames of the microphone that were sent without a gap."""

    place: int
    """How many frames the session had been sent before."""

    first_frame: int
    """Where they begin in the wire frames."""

    length: int
    """How many."""


class SentFrames:
    """The places of one session. Thread: event loop."""

    def __init__(self) -> None:
        self._stretches: list[_Stretch] = []
        self._end = 0

    def add(self, length: int, first_frame: Frames | None) -> None:
        """Take note of what is sent next.

        Args:
            length: How many frames.
            first_frame: Where they begin in the wire frames; None: they are silence, or nobody knows.
        """
        if first_frame is not None:
            last = self._stretches[-1] if self._stretches else _Stretch(0, 0, 0)
            if (last.place + last.length, last.first_frame + last.length) == (self._end, first_frame):
                self._stretches[-1:] = [_Stretch(last.place, last.first_frame, last.length + length)]
            else:
                self._stretches.append(_Stretch(self._end, first_frame, length))
        self._end += length

    def at(self, place_ms: Ms) -> Frames | None:
        """Return the frame at a place of the session's audio; for a place in silence the first one behind it.

        None: nothing of the microphone was sent there or behind.
        """
        place = ms_to_frames(place_ms, WIRE_RATE_HZ)
        for stretch in self._stretches:
            if place < stretch.place + stretch.length:
                return Frames(stretch.first_frame + max(0, place - stretch.place))
        return None

    def after(self, length: int) -> SentFrames:
        """Return the places of a session that is sent all but the first frames."""
        rest = SentFrames()
        rest._end = self._end - length
        for stretch in self._stretches:
            gone = max(0, length - stretch.place)
            if gone < stretch.length:
                rest._stretches.append(
                    _Stretch(max(0, stretch.place - length), stretch.first_frame + gone, stretch.length - gone)
                )
        return rest
