"""Echo cancelling: takes out of the microphone what the loudspeaker put into it. The only importer of pywebrtc-audio.

``EchoCanceller`` is the engine behind one small interface, so that another can take its place. ``EchoPath`` decides
when it runs: never while nothing plays, nor where there is no echo (``core/echo_probe.py``). Which far-end frame
belongs to which near-end frame is ``reference.py``'s and ``aligned.py``'s work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from speakerd.audio.aligned import Aligned, Learnt, Reference
from speakerd.core.echo_levels import STEP_MS
from speakerd.core.echo_meter import EchoMeter
from speakerd.core.echo_path import BargeIn, describe
from speakerd.core.echo_probe import EchoProbe
from speakerd.core.events import EchoMeasured
from speakerd.core.residue import Residue
from speakerd.core.units import WIRE_RATE_HZ, Frames, ms_to_frames

Pcm = npt.NDArray[np.int16]

BLOCK_FRAMES = WIRE_RATE_HZ // 100
"""AEC3 works in 10 ms blocks and pads shorter ones with zeros, which would be gaps (specified)."""

DELAY_FRAMES = 224
"""How far AEC3's output lags its input at 24 kHz (measured by correlation: 224.2 frames, 9.3 ms)."""


TAIL_MS = 300
"""How long an echo is heard after its end while that is not measured yet (guess: a living room)."""


class EchoCanceller:
    """WebRTC's AEC3 on wire audio. Thread: one at a time.

    What comes out is in step with what went in: the first frame out belongs to the first frame in. A tail of at most
    ``DELAY_FRAMES + BLOCK_FRAMES`` frames is held back; ``drain`` gives it, uncancelled.
    """

    def __init__(self) -> None:
        # Imported late: it costs nothing until somebody plays something.
        from pywebrtc_audio import AudioProcessor

        self._new: Callable[[], AudioProcessor] = partial(AudioProcessor, WIRE_RATE_HZ, echo_cancellation=True)
        self._processor = self._new()
        self._learnt: AudioProcessor | None = None  # set aside
        self._near = np.zeros(0, np.int16)
        self._far = np.zeros(0, np.int16)
        self._tail = np.zeros(0, np.int16)
        self._skip = DELAY_FRAMES

    def process(self, near: Pcm, far: Pcm) -> Pcm:
        """Return the next frames without their echo.

        Args:
            near: What the microphone heard.
            far: What the loudspeaker played meanwhile or up to half a second before; as many frames.

        Shape: (frames,), as many as went in, less or more by what is held back.
        """
        self._near = np.concatenate((self._near, near))
        self._far = np.concatenate((self._far, far))
        whole = len(self._near) // BLOCK_FRAMES * BLOCK_FRAMES
        self._tail = np.concatenate((self._tail, near))
        if not whole:
            return np.zeros(0, np.int16)
        out: Pcm = self._processor.process(self._near[:whole], self._far[:whole])
        self._near, self._far = self._near[whole:], self._far[whole:]
        skipped = min(self._skip, len(out))
        self._skip -= skipped
        out = out[skipped:]
        self._tail = self._tail[len(out) :]
        return out

    def drain(self) -> Pcm:
        """Return the frames held back, as they went in, and start over with the next; what was learnt is kept."""
        tail, self._tail = self._tail, np.zeros(0, np.int16)
        self._near = self._far = np.zeros(0, np.int16)
        self._skip = DELAY_FRAMES
        return tail

    def reset(self) -> Pcm:
        """Forget what was learnt about the room; returns what its pipeline still held, cancelled.

        To be done when the far end's place in time has changed: a filter that has learnt another delay lets echoes
        through at full strength, a fresh one does not (measured on a short sound after a flush: -26 against -62 dBFS).
        """
        out = self._empty()
        self._processor.reset()
        self._learnt = None
        return out

    def set_aside(self) -> Pcm:
        """Begin anew with a fresh one, but keep what was learnt; returns what its pipeline still held, cancelled."""
        out = self._empty()
        self._learnt, self._processor = self._processor, self._new()
        return out

    def recall(self) -> Pcm:
        """Go on with what was set aside; returns what the pipeline still held, cancelled."""
        out = self._empty()
        if self._learnt is not None:
            self._processor, self._learnt = self._learnt, None
        return out

    def _empty(self) -> Pcm:
        silence = np.zeros(BLOCK_FRAMES, np.int16)
        out: Pcm = self._processor.process(silence, silence)[: DELAY_FRAMES - self._skip]
        self._tail = self._tail[len(out) :]
        self._skip = DELAY_FRAMES
        return out


class Canceller(Protocol):
    """What ``EchoPath`` needs of an engine."""

    def process(self, near: Pcm, far: Pcm) -> Pcm:
        """Return the next frames without their echo."""

    def drain(self) -> Pcm:
        """Return the frames held back."""

    def reset(self) -> Pcm:
        """Forget what was learnt; return what was done already."""

    def set_aside(self) -> Pcm:
        """Begin anew, but keep what was learnt; return what was done already."""

    def recall(self) -> Pcm:
        """Go on with what was set aside; return what was done already."""


class EchoPath:
    """Sends near-end audio through the canceller while something plays, and past it otherwise, without gap or repeat.

    Thread: event loop.

    Args:
        canceller: The engine; None: nothing is cancelled, and only followed what is played.
        reference: What was played.
        probe: Tells whether there is an echo to cancel; None: there always is.

    Attributes:
        near: What the microphone heard over the last block, or what may be used of it now.
        far: What was played over it; None: nothing for a while.
        meter: Measures the echo and what is left of it.
    """

    def __init__(self, canceller: Canceller | None, reference: Reference, probe: EchoProbe | None = None) -> None:
        self._canceller = canceller
        self._ends = Aligned(reference)
        self._probe = probe
        self.near: Pcm = np.zeros(0, np.int16)
        self.far: Pcm | None = None
        self.meter = EchoMeter(probe, BargeIn.WAKE_WORD)
        self._residue = Residue()
        self._held_frames = 0  # by the canceller
        self._left: Pcm = np.zeros(0, np.int16)  # by a canceller that was replaced
        self._quiet_frames: int = 60 * WIRE_RATE_HZ  # nothing has ever been played
        self._cancelling = False
        self._learnt = self._used = Learnt.HOLDS  # what there is to use for the far end, and what is used

    @property
    def cancelling(self) -> bool:
        """Whether the canceller is at work."""
        return self._cancelling

    @property
    def quiet_frames(self) -> Frames:
        """How long the loudspeaker has been quiet."""
        return Frames(self._quiet_frames)

    @property
    def tail_frames(self) -> Frames:
        """How long a sound is heard after its end; 0 where none is, or the canceller is trusted to take it out."""
        unheard = self._probe is not None and not self._probe.hears_echo
        if unheard or self.meter.choice is BargeIn.SPEECH:
            return Frames(0)
        tail_ms = self.meter.figures.tail_ms
        return ms_to_frames(TAIL_MS if tail_ms is None else tail_ms + STEP_MS, WIRE_RATE_HZ)

    @property
    def in_tail(self) -> bool:
        """Whether the microphone hears what was just played, and the canceller cannot be trusted to take it out."""
        return self._quiet_frames < self.tail_frames

    def status(self) -> dict[str, Any]:
        """Return what is known of the echo, as plain data."""
        figures = asdict(self.meter.figures).items()
        choice = {"choice": self.meter.choice.value, "described": describe(self.meter.figures)}
        return choice | {name: round(value, 3) if isinstance(value, float) else value for name, value in figures}

    def use(self, canceller: Canceller | None, probe: EchoProbe | None) -> None:
        """Begin anew with another engine or other sound cards: what was measured does not hold for them.

        Args:
            canceller: The engine; None: nothing is cancelled.
            probe: Tells whether there is an echo to cancel; None: there always is.
        """
        if self._canceller is not None and self._cancelling:
            self._left = np.concatenate((self._left, self._canceller.drain()))
        self._canceller, self._probe = canceller, probe
        self._cancelling = False
        self._learnt = self._used = Learnt.HOLDS
        self.meter = EchoMeter(probe, BargeIn.WAKE_WORD)
        self._residue = Residue()

    def process(self, near: Pcm) -> Pcm:
        """Return the next near-end frames, cancelled or not.

        Up to 20 ms of them come with a later call; up to 0.5 s where a sound is held back until its echo is found.
        """
        left, self._left = self._left, self._left[:0]
        out = self._process(near)
        if len(left):
            out = np.concatenate((left, out))
        self._held_frames += len(self.near) - len(out)
        return out

    def _process(self, near: Pcm) -> Pcm:
        ends = self._ends.process(near)
        near, far = self.near, self.far = ends.near, ends.far
        self._quiet_frames = 0 if far is not None and far.any() else self._quiet_frames + len(near)
        if ends.counted_anew:
            self._compare_anew()
        if self._learnt is not Learnt.LOST:  # till the canceller has been told
            self._learnt = ends.learnt
        if far is None and self._probe is not None:
            self._probe.rest(near)
        needed = far is not None and self._is_needed(near, far)
        if self._canceller is None:
            return near
        if far is not None and needed:
            done = self._renew(self._canceller)
            self._cancelling = True
            return np.concatenate((done, self._canceller.process(near, far)))
        if self._cancelling:
            self._cancelling = False
            return np.concatenate((self._canceller.drain(), near))
        return near

    def without_residue(self, out: Pcm, *, wanted: bool) -> Pcm:
        """Take what ``process`` returned; return it without what the canceller let through by mistake.

        Args:
            out: What it returned.
            wanted: Somebody listens who takes that for speech; else it is left as it is.
        """
        if not self._cancelling or self.far is None:
            self._residue.rest()
            return out
        return self._residue.process(self.near, self.far, out, self._held_frames, wanted=wanted)

    def measure(self, out: Pcm) -> EchoMeasured | None:
        """Take what ``process`` returned; return what is known of the echo if that is news."""
        return self.meter.process(self.near, self.far, out)

    def realign(self) -> None:
        """Say that the near end has lost frames."""
        self._ends.realign()

    def _compare_anew(self) -> None:
        """Compare nothing across a new count."""
        self.meter.restart()
        self._residue.restart()
        if self._probe is not None:
            self._probe.restart()

    def _is_needed(self, near: Pcm, far: Pcm) -> bool:
        if self._probe is None:
            return True
        self._probe.process(near, far)
        return self._probe.hears_echo

    def _renew(self, canceller: Canceller) -> Pcm:
        """Use what was learnt as far as it is good; returns what the canceller had done by then."""
        learnt, before = self._learnt, self._used
        self._learnt = self._used = Learnt.HOLDS if learnt is Learnt.LOST else learnt
        if learnt is not Learnt.LOST and learnt is before:
            return np.zeros(0, np.int16)
        self._residue.restart()
        if learnt is Learnt.LOST:
            return canceller.reset()
        return canceller.set_aside() if learnt is Learnt.DOUBTFUL else canceller.recall()
