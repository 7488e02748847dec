"""The uplink, opened behind the wake word instead of in it; and the moment when a chime is in nobody's way.

Where the word ends is said by ``core/word_tail.py``; the gate itself is the microphone's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from speakerd.core.preroll import Preroll
from speakerd.core.units import WAKE_RATE_HZ, WIRE_RATE_HZ, Frames
from speakerd.core.word_tail import CONTEXT_FRAMES, SEARCH_FRAMES, pause_lasts, search_begin, word_tail
from speakerd.ports import Uplink

_MEMORY_FRAMES = 5 * WAKE_RATE_HZ
"""The wake audio that is kept: the context, and how late a detection may be told (guess; it is some 30 ms)."""

_PATIENCE_FRAMES = SEARCH_FRAMES + WAKE_RATE_HZ * 4 // 10
"""How far behind the place where the search begins the word's end must be told, before it is looked for without: it
takes the work of 8 to 11 chunks, 25 ms on a desktop, 0.3 s on a small board (estimate)."""


@dataclass(frozen=True, slots=True)
class _Pause:
    """The user is quiet behind the wake word."""

    begin: int
    """Where, in wake frames."""

    quiet_below_dbfs: float
    """What counts as quiet."""


class TailCut:
    """An uplink that waits, when it is opened for a wake word, until it knows where the word ends.

    That is 310 ms behind the detection at most, once it was told what the engine knows. Nothing is lost meanwhile: what
    is said is in the pre-roll and goes out when the gate opens. Implements ``ports.Uplink``. Thread: event loop.

    Args:
        uplink: The gate.
        on_pause: Told when the user has said the wake word and waits to be heard.
        attend: Called when the wait begins: from then on each period of audio counts, and may be fed at once.
        is_told: After each wake word somebody says with ``word_ended`` where it ended; that is waited for.
    """

    def __init__(
        self,
        uplink: Uplink,
        on_pause: Callable[[], None],
        attend: Callable[[], None] = lambda: None,
        *,
        is_told: bool = False,
    ) -> None:
        self._uplink = uplink
        self._on_pause = on_pause
        self._attend = attend
        self._heard = Preroll(_MEMORY_FRAMES)
        self._is_told = is_told
        self._word: Frames | None = None
        self._ended: Frames | None = None
        self._expects_end = False
        self._pause: _Pause | None = None
        self._live = False

    def feed(self, pcm: bytes) -> None:
        """Take in wake audio, always and all of it: two frames for every three of the wire."""
        self._heard.append(np.frombuffer(pcm, "<i2"))
        self._decide()

    def open(self, from_frame: Frames | None) -> None:
        """Let audio through, from the pause behind the wake word on if there is one, else from before this frame.

        None: from now on. A gate that is live already stays as it is.
        """
        self._pause = None
        self._word, self._ended = from_frame, None
        self._expects_end = self._is_told
        if from_frame is None or self._live:
            self._open(from_frame)
        else:
            self._attend()
        self._decide()

    def repeat(self, from_frame: Frames) -> None:
        """Send again what was let through since a wire frame."""
        self._uplink.repeat(from_frame)

    def repeatable_from(self) -> Frames:
        """Return the oldest wire frame that was let through and can be let through again."""
        return self._uplink.repeatable_from()

    def word_ended(self, at: Frames | None) -> None:
        """Take the wire frame where the last wake word ended; None: nobody can tell."""
        self._ended = at
        self._expects_end = False
        self._decide()

    def silence(self) -> None:
        """Stream digital silence in place of the microphone."""
        if self._word is not None and not self._live:
            self._open(self._word)
        self._word = self._pause = None
        self._live = False
        self._uplink.silence()

    def close(self) -> None:
        """Let nothing through."""
        self._word = self._pause = None
        self._live = False
        self._uplink.close()

    def _decide(self) -> None:
        if self._word is not None:
            self._look_for_end(self._word)
        if self._pause is not None:
            self._look_whether_it_lasts(self._pause)

    def _look_for_end(self, word: Frames) -> None:
        search_at = word * WAKE_RATE_HZ // WIRE_RATE_HZ
        if self._expects_end and self._heard.end < search_at + _PATIENCE_FRAMES:
            return
        ended = None if self._ended is None else self._ended * WAKE_RATE_HZ // WIRE_RATE_HZ
        begin = max(self._heard.start, search_begin(search_at, ended) - CONTEXT_FRAMES)
        if begin > search_at:  # the detection was told too late: there is nothing to compare with
            self._end_search(word)
            return
        tail = word_tail(
            self._heard.read(begin, self._heard.end), search_at - begin, None if ended is None else ended - begin
        )
        if tail is None:
            return
        if tail.pause is not None:
            self._pause = _Pause(search_at + tail.pause, tail.quiet_below_dbfs)
        self._end_search(Frames(max(0, word + tail.begin * WIRE_RATE_HZ // WAKE_RATE_HZ)))

    def _end_search(self, from_frame: Frames) -> None:
        self._word = None
        if not self._live:
            self._open(from_frame)

    def _look_whether_it_lasts(self, pause: _Pause) -> None:
        lasts = pause_lasts(self._heard.read(pause.begin, self._heard.end), pause.quiet_below_dbfs)
        if lasts is None:
            return
        self._pause = None
        if lasts:
            self._on_pause()

    def _open(self, from_frame: Frames | None) -> None:
        self._live = True
        self._uplink.open(from_frame)
