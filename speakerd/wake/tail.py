"""The uplink, opened behind the wake word instead of in it.

Where the word ends is said by ``core/word_tail.py``; the gate itself is the microphone's.
"""

from __future__ import annotations

import numpy as np

from speakerd.core.preroll import Preroll
from speakerd.core.units import WAKE_RATE_HZ, WIRE_RATE_HZ, Frames
from speakerd.core.word_tail import CONTEXT_FRAMES, word_tail
from speakerd.ports import Uplink

_MEMORY_FRAMES = 5 * WAKE_RATE_HZ
"""The wake audio that is kept: the context, and how late a detection may be told (guess; it is some 30 ms)."""


class TailCut:
    """An uplink that waits, when it is opened for a wake word, until it knows where the word ends: 240 ms at most.

    Nothing is lost meanwhile: what is said is in the pre-roll and goes out when the gate opens. Implements
    ``ports.Uplink``. Thread: event loop.

    Args:
        uplink: The gate.
    """

    def __init__(self, uplink: Uplink) -> None:
        self._uplink = uplink
        self._heard = Preroll(_MEMORY_FRAMES)
        self._from_frame: Frames | None = None
        self._live = False

    def feed(self, pcm: bytes) -> None:
        """Take in wake audio, always and all of it: two frames for every three of the wire."""
        self._heard.append(np.frombuffer(pcm, "<i2"))
        self._decide()

    def open(self, from_frame: Frames | None) -> None:
        """Let audio through, from the pause behind the wake word on if there is one, else from this frame (None: now).

        A gate that is live already stays as it is.
        """
        if from_frame is None or self._live:
            self._open(from_frame)
        else:
            self._from_frame = from_frame
            self._decide()

    def silence(self) -> None:
        """Stream digital silence in place of the microphone."""
        if self._from_frame is not None:
            self._open(self._from_frame)
        self._live = False
        self._uplink.silence()

    def close(self) -> None:
        """Let nothing through."""
        self._from_frame = None
        self._live = False
        self._uplink.close()

    def _decide(self) -> None:
        if self._from_frame is None:
            return
        search_at = self._from_frame * WAKE_RATE_HZ // WIRE_RATE_HZ
        begin = max(self._heard.start, search_at - CONTEXT_FRAMES)
        if begin > search_at:  # the detection was told too late: there is nothing to compare with
            self._open(self._from_frame)
            return
        tail = word_tail(self._heard.read(begin, self._heard.end), search_at - begin)
        if tail is not None:
            self._open(Frames(self._from_frame + tail * WIRE_RATE_HZ // WAKE_RATE_HZ))

    def _open(self, from_frame: Frames | None) -> None:
        self._from_frame = None
        self._live = True
        self._uplink.open(from_frame)
