"""The uplink gate of a microphone that hears the loudspeaker: what it lets through is a person, from the beginning.

When frames go where is ``core/uplink_gate.py``'s business, and where a person begins ``core/talk_over.py``'s.
"""

from __future__ import annotations

import numpy as np

from speakerd.audio.echo import EchoPath
from speakerd.core.both_voices import BothVoices
from speakerd.core.echo_levels import STEP_FRAMES
from speakerd.core.preroll import Preroll
from speakerd.core.talk_over import HISTORY_FRAMES, PATIENCE_FRAMES, Levels, Opening, Sounds, levels_dbfs, opening
from speakerd.core.units import WIRE_RATE_HZ, Frames, frames_to_ms, ms_to_frames
from speakerd.core.uplink_gate import UplinkGate
from speakerd.ports import Trace

TAIL_MAX_FRAMES = ms_to_frames(1000, WIRE_RATE_HZ)
"""For no longer is an echo waited for that does not end (guess: rooms ring for less)."""

_KEPT_FRAMES = HISTORY_FRAMES + PATIENCE_FRAMES + ms_to_frames(500, WIRE_RATE_HZ)
"""What is kept of both voices: from the earliest beginning to the latest decision, and a loop that was busy (guess)."""

_NOTHING = (np.zeros(0), np.zeros(0), np.zeros(0))
"""Levels of nothing."""


class HeldUplink:
    """A gate that, when it is opened from now on, first waits until the room is rid of what we have just played.

    Where silence was streamed during a reply, it then looks whether somebody is speaking already, and begins where they
    began, or behind them if that cannot be told: their sentence arrives whole, or not at all. What they said over the
    reply is put into the pre-roll from a canceller that keeps both voices. Silence is streamed meanwhile, and what was
    said goes out at once. Implements ``ports.Uplink``. Thread: event loop.

    Args:
        gate: The gate.
        preroll: Where its frames are.
        echo: Knows both ends; asked after each block what it has just been given; None: nothing is ever played.
        trace: The diary.
    """

    def __init__(self, gate: UplinkGate, preroll: Preroll, echo: EchoPath | None, trace: Trace) -> None:
        self._gate = gate
        self._preroll = preroll
        self._echo = echo
        self._trace = trace
        self._both = BothVoices()
        self._whole, self._near = Preroll(_KEPT_FRAMES), Preroll(_KEPT_FRAMES)  # in step with the pre-roll
        self._asked_at: Frames | None = None  # where it was told to open, while it does not
        self._levels: tuple[Levels, Levels, Levels] = _NOTHING
        self._begin = Frames(0)  # of the levels

    @property
    def mode(self) -> str:
        """``closed``, ``live`` or ``silent``."""
        return self._gate.mode

    @property
    def next_frame(self) -> Frames:
        """No frame before this one will be sent any more."""
        return self._gate.next_frame

    @property
    def repeatable_from(self) -> Frames:
        """The oldest frame that was let through since it was opened last, and can be let through again."""
        return self._gate.repeatable_from

    def open(self, from_frame: Frames | None) -> None:
        """Let audio through live, starting at a wire frame in the pre-roll (None: from now); never a frame twice."""
        self._asked_at = None
        if from_frame is not None or self._echo is None or self._gate.mode == "live":
            self._gate.open(from_frame)
            return
        self._asked_at = self._preroll.end
        self._begin = Frames(max(self._gate.silent_from, self._asked_at - HISTORY_FRAMES, self._whole.start))
        self._levels = _NOTHING
        self._open_when_due(self._echo)

    def repeat(self, from_frame: Frames) -> None:
        """Send again what was let through since a wire frame: what got it is gone."""
        self._gate.repeat(from_frame)

    def silence(self) -> None:
        """Stream digital silence in place of the microphone."""
        self._asked_at = None
        self._gate.silence()

    def close(self) -> None:
        """Let nothing through."""
        self._asked_at = None
        self._gate.close()

    @property
    def searching(self) -> bool:
        """Whether it is about to open, and each frame may be the one that tells where."""
        return self._asked_at is not None

    def pump(self, *, calm: bool = False) -> None:
        """Send what the pre-roll has got since the last time, after each block of the echo path.

        Args:
            calm: Nobody speaks, so that it may wait for more.
        """
        if self._echo is not None:
            # Only what is withheld may be looked at later, and only the canceller makes holes.
            needed = self._gate.mode == "silent" and self._echo.cancelling
            self._near.append(self._echo.near)
            self._whole.append(self._both.process(self._echo.near, self._echo.far if needed else None))
            self._open_when_due(self._echo)
        self._gate.pump(calm=calm)

    def _open_when_due(self, echo: EchoPath) -> None:
        if self._asked_at is None:
            return
        if self._gate.mode == "closed":
            # Nothing was being said to us before.
            if not echo.in_tail or self._preroll.end >= self._asked_at + TAIL_MAX_FRAMES:
                self._open_at(None)
            return
        found = self._look(echo, self._asked_at)
        if found is not None:
            back_frames = Frames(self._preroll.end - found.begin)
            self._trace.mark("uplink.resume", back_ms=frames_to_ms(back_frames, WIRE_RATE_HZ))
            if found.spoken_over:
                self._preroll.amend(found.begin, self._whole.read(found.begin, self._whole.end))
            self._open_at(found.begin)
        elif self._preroll.end >= self._asked_at + PATIENCE_FRAMES:
            self._open_at(None)

    def _open_at(self, frame: Frames | None) -> None:
        self._asked_at = None
        self._gate.open(frame)

    def _look(self, echo: EchoPath, asked_at: Frames) -> Opening | None:
        """Look for somebody who speaks, with what has come since the last time."""
        fresh = Frames(self._begin + len(self._levels[0]) * STEP_FRAMES)
        known = min(self._preroll.end, self._whole.end)
        clean, whole, near = (
            np.concatenate((levels, levels_dbfs(ring.read(fresh, known))))
            for levels, ring in zip(self._levels, (self._preroll, self._whole, self._near), strict=True)
        )
        self._levels = clean, whole, near
        sounds = Sounds(self._begin, clean, whole, near, noise_dbfs=echo.meter.noise_dbfs)
        if not echo.tail_frames:
            return opening(sounds, asked_at, echo_free=True)
        ended = self._preroll.end - echo.quiet_frames
        return opening(sounds, Frames(min(ended + echo.tail_frames, asked_at + TAIL_MAX_FRAMES)))
