"""The wake thread: takes microphone audio out of its ring, has it scored, says when the wake word was heard.

The ring is filled by the event loop; what a detection leads to is decided there too. The engine behind the scores is
``detector.py``, the decision ``core/wake_gate.py``.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from speakerd.core.errors import SpeakerdError
from speakerd.core.own_speech import OwnSpeech
from speakerd.core.units import SAMPLE_BYTES, WAKE_RATE_HZ
from speakerd.core.wake_gate import WakeTrigger
from speakerd.threads import name_for_the_kernel
from speakerd.wake.detector import Detector
from speakerd.wake.gated import GatedDetector
from speakerd.wake.self_score import SelfScore
from speakerd.wake.shapes import CHUNK_FRAMES

_NOBODY = OwnSpeech()
"""What is known of the loudspeaker where nobody tells."""


class Ring(Protocol):
    """The reading end of a ring of wake audio."""

    @property
    def available_bytes(self) -> int:
        """Bytes that can be read now."""

    def read(self, max_bytes: int) -> bytes:
        """Take out up to that many bytes, oldest first."""


class Suppressor(Protocol):
    """Takes noise out of a stream of wake audio. Thread: one at a time."""

    delay_frames: int
    """How far what comes out lags behind."""

    def process(self, frames: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
        """Return as many frames as come in."""


class WakeWorker:
    """Scores microphone audio in a thread of its own, as it comes.

    The engine is made in the thread, so that nothing else waits for it; audio that comes meanwhile is scored
    afterwards. The loop may set ``playing``, ``muted`` and ``skipped_frames`` at any time, and read the counters.

    Thread: ``start``, ``stop``, ``notify`` and the attributes belong to the event loop; ``pump_once`` to the wake
    thread, or to a caller that never starts one. The callbacks are called in the wake thread.
    Ends: by ``stop``, or by an exception, which goes to ``on_failed``.
    """

    def __init__(
        self,
        *,
        ring: Ring,
        far_ring: Ring | None = None,
        make_detector: Callable[[], Detector],
        trigger: WakeTrigger,
        gated: bool = False,
        suppressor: Suppressor | None = None,
        on_detected: Callable[[str, float, int], None],
        on_ended: Callable[[int | None], None] | None = None,
        on_approached: Callable[[float], None] = lambda _score: None,
        on_failed: Callable[[str, BaseException], None],
        on_ready: Callable[[], None],
        on_hearing: Callable[[], None] = lambda: None,
    ) -> None:
        """Take what the thread needs; nothing heavy happens yet.

        Args:
            ring: Microphone audio, S16LE mono at 16 kHz; with a far ring, from before any echo was taken out.
            far_ring: What the loudspeaker played meanwhile, in step with it, silence included, and put in before it;
                None: nobody knows.
            make_detector: Makes the engine; may take seconds.
            trigger: Turns scores into detections.
            gated: Let the engine sleep while the room is quiet.
            suppressor: Takes noise out of what the engine hears, and nobody else; it hears everything, also while the
                engine sleeps, because what it does to a sound depends on the noise before. None: nothing is taken out.
            on_detected: Takes word, score and the position of the end of the chunk that fired.
            on_ended: Takes the position where a detected word ended, or None when its model cannot tell: after each
                detection, and after the work of some 8 chunks. None: nobody asks.
            on_approached: Takes a score that may be on its way to a detection.
            on_failed: Takes a stable code and what ended the thread.
            on_ready: Called when the engine is there, before the first score.
            on_hearing: Called once, when the first audio was scored, or passed over by a speaker that is muted.
        """
        self.playing = False
        self.muted = False
        self.chunks = 0
        self.progress = 0
        self.last_score = 0.0
        self._ring = ring
        self._far_ring = far_ring
        self._make_detector = make_detector
        self._trigger = trigger
        self._gated = gated
        self._suppressor = suppressor
        self._on_detected = on_detected
        self._on_ended = on_ended
        self._on_approached = on_approached
        self._on_failed = on_failed
        self._on_ready = on_ready
        self._on_hearing = on_hearing
        self._detector: Detector | None = None
        self._replacements: deque[tuple[Detector, bool, Suppressor | None]] = deque()
        self._recent: deque[npt.NDArray[np.int16]] = deque()
        self._gate: GatedDetector | None = None
        self._was_away = self._is_renewed = False
        self._self_score: SelfScore | None = None
        self._consumed_frames = 0
        self._passed_frames = 0
        self._skipped_frames = 0
        self._gaps: deque[tuple[int, int]] = deque()
        self._chunk_bytes = CHUNK_FRAMES * SAMPLE_BYTES
        self._doorbell: queue.SimpleQueue[None] = queue.SimpleQueue()  # a third of an Event's cost
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="wake", daemon=True)

    @property
    def near_misses(self) -> int:
        """How often something was almost the wake word."""
        return self._trigger.near_misses

    @property
    def masked(self) -> int:
        """How often our own voice said the wake word and was not taken for somebody."""
        return self._trigger.masked

    @property
    def engine(self) -> str | None:
        """What the engine is called; None: it is not there yet."""
        return self._detector.name if self._detector is not None else None

    @property
    def scored_chunks(self) -> int:
        """How many of the chunks the engine was asked about; the others it slept through."""
        return self.chunks if self._gate is None else self._gate.scored

    @property
    def gate_open(self) -> bool:
        """Whether the engine is awake."""
        return self._gate is None or self._gate.open

    @property
    def suppresses_noise(self) -> bool:
        """Whether noise is taken out of what the engine hears."""
        return self._suppressor is not None

    @property
    def self_chunks(self) -> int:
        """How many chunks of what the loudspeaker played were scored, because a word might have been ours."""
        return self._self_score.chunks if self._self_score is not None else 0

    @property
    def position_frames(self) -> int:
        """Where the audio scored so far ends: frames at 16 kHz since the start, gaps that lie before it included."""
        return self._consumed_frames + self._passed_frames

    @property
    def skipped_frames(self) -> int:
        """Frames in all that the loop dropped because the ring was full.

        Raise it when they are dropped: they count into positions from the moment the audio before them is consumed.
        """
        return self._skipped_frames

    @skipped_frames.setter
    def skipped_frames(self, frames: int) -> None:
        # The thread may take a chunk between the two readings: then the gap counts one chunk early, no more.
        waiting_frames = self._ring.available_bytes // SAMPLE_BYTES
        self._gaps.append((self._consumed_frames + waiting_frames, frames - self._skipped_frames))
        self._skipped_frames = frames

    @property
    def thread_id(self) -> int | None:
        """The thread's id for the kernel, as ``top -H`` shows it; None: it was not started."""
        return self._thread.native_id

    def start(self) -> None:
        """Start the thread, once."""
        self._thread.start()
        name_for_the_kernel(self._thread)

    def stop(self, timeout_s: float) -> bool:
        """End the thread; return whether it ended in time (it is a daemon thread: the process can exit anyway)."""
        self._stopping = True
        self._doorbell.put(None)
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def notify(self) -> None:
        """Say that audio was put into the ring; the thread wakes up only when there is a whole chunk."""
        if self._ring.available_bytes >= self._chunk_bytes:
            self._doorbell.put(None)

    def renew(self) -> None:
        """Say that another microphone is there, perhaps since some chunks ago: the engine wakes up."""
        self._is_renewed = True

    def note_absence(self) -> None:
        """Say that what comes from now on is behind a stretch that nobody heard: what was heard before is over.

        No word of it is detected, and none keeps another back.
        """
        self._was_away = True

    def use(self, detector: Detector, *, gated: bool, suppressor: Suppressor | None = None) -> None:
        """Listen with another engine from the next chunk on; it knows what was heard before, so nothing is missed.

        Args:
            detector: The engine; takes chunks as long as the one before. Nobody else may give it audio.
            gated: Let it sleep while the room is quiet.
            suppressor: Takes noise out of what it hears; a new one, which begins with what was heard before.
        """
        self._replacements.append((detector, gated, suppressor))

    def pump_once(self) -> bool:
        """Score one chunk, if there is one; return whether there was. The first call makes the engine."""
        detector = self._detector or self._load()
        while self._replacements:
            detector = self._change(*self._replacements.popleft())
        if self._ring.available_bytes < self._chunk_bytes:
            return False
        pcm = self._ring.read(self._chunk_bytes)
        far = self._far_ring.read(self._chunk_bytes) if self._far_ring is not None else None
        self._advance(len(pcm) // SAMPLE_BYTES)
        chunk = np.frombuffer(pcm, dtype="<i2")
        if self._self_score is not None and far is not None:  # also while muted: what has played is known afterwards
            chunk = self._self_score.process(chunk, np.frombuffer(far, dtype="<i2"))
        if self.muted:
            self.note_absence()
        else:
            self._wake_up(detector)
            self._recent.append(chunk)
            self._score(detector, chunk)
        self.progress += 1
        if self.progress == 1:
            self._on_hearing()
        return True

    def _load(self) -> Detector:
        detector = self._install(self._make_detector())
        self._on_ready()
        return detector

    def _change(self, detector: Detector, gated: bool, suppressor: Suppressor | None) -> Detector:
        """Put another engine in the place of the one before, with its past."""
        self._gated, self._suppressor = gated, suppressor
        past = list(self._recent)
        detector = self._install(detector)
        if past:
            heard = np.array(past)
            detector.follow(heard if suppressor is None else suppressor.process(heard))
        if self._gate is not None:
            self._gate.renew()  # what the one before had learnt of the room is gone: awake it finds out
        return detector

    def _install(self, detector: Detector) -> Detector:
        self._chunk_bytes = detector.chunk_frames * SAMPLE_BYTES
        self._recent = deque(self._recent, maxlen=detector.memory_chunks)
        if self._self_score is not None:
            self._self_score.use(detector.twin())
        elif self._far_ring is not None:
            self._self_score = SelfScore(detector.twin())
        self._gate = GatedDetector(detector) if self._gated else None
        self._detector = self._gate or detector
        return self._detector

    def _wake_up(self, detector: Detector) -> None:
        """Do what was said about the microphone: behind an absence, silence is all that was heard."""
        if self._was_away:
            self._was_away, self._is_renewed = False, True
            self._trigger.renew()
            if self._recent:
                self._recent.clear()
                detector.follow(np.zeros((detector.memory_chunks, detector.chunk_frames), np.int16))
        if self._is_renewed:
            self._is_renewed = False
            if self._gate is not None:
                self._gate.renew()

    def _advance(self, frames: int) -> None:
        """Move the position on, over the gaps that lie before it now."""
        self._consumed_frames += frames
        while self._gaps and self._gaps[0][0] < self._consumed_frames:
            gap_frames = self._gaps.popleft()[1]
            self._passed_frames += gap_frames
            self._trigger.pass_over(gap_frames / WAKE_RATE_HZ)

    def _score(self, detector: Detector, chunk: npt.NDArray[np.int16]) -> None:
        heard = chunk if self._suppressor is None else self._suppressor.process(chunk)
        scores = detector.score(heard) if self._gate is None else self._gate.score(heard, chunk)
        self.chunks += 1
        self.last_score = max(scores.values(), default=0.0)
        if self._self_score is not None and self._trigger.heeds(scores):
            self._self_score.score()
        own = self._self_score.own if self._self_score is not None else _NOBODY
        playing = self.playing or own.playing
        detection = self._trigger.process(scores, detector.chunk_frames / WAKE_RATE_HZ, playing, own.words)
        if detection is not None:
            self._on_detected(detection.model, detection.score, self.position_frames)
            self._tell_end(detector, detection.model)
        elif self._trigger.rising is not None:
            self._on_approached(self._trigger.rising)

    def _tell_end(self, detector: Detector, word: str) -> None:
        if self._on_ended is not None:
            ended_before = detector.ended_before(word)
            delay_frames = 0 if self._suppressor is None else self._suppressor.delay_frames
            self._on_ended(None if ended_before is None else self.position_frames - delay_frames - ended_before)

    def _run(self) -> None:
        try:
            self._load()
            while not self._stopping:
                while not self._stopping and self.pump_once():
                    pass
                self._doorbell.get()
        except BaseException as error:  # noqa: BLE001 - the thread's outermost line: nothing may end it silently
            self._on_failed(error.code if isinstance(error, SpeakerdError) else "wake-thread", error)
