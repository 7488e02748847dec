"""The wake path of the daemon: from the microphone's side of the loop to the wake thread, and back.

What a detection leads to is decided in ``core/conversation.py``; how one comes about is told in ``wake/``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from speakerd.audio.ring import make_ring
from speakerd.core.settings import Wake
from speakerd.core.story import Kind, story
from speakerd.core.units import SAMPLE_BYTES, WAKE_RATE_HZ, WIRE_RATE_HZ, Frames
from speakerd.core.wake_gate import WakeTrigger
from speakerd.host.places import state_folder
from speakerd.wake import engine, models, noise
from speakerd.wake.detector import Detector
from speakerd.wake.shapes import CHUNK_FRAMES
from speakerd.wake.worker import WakeWorker

log = logging.getLogger("speakerd.ears")

RING_S = 20
"""Audio that waits while the wake word model loads; a Pi Zero takes about 10 s for it (estimate)."""

RING_BYTES = RING_S * WAKE_RATE_HZ * SAMPLE_BYTES
"""The same in bytes."""


class Listener(Protocol):
    """Who is told what the ears heard. Thread: event loop."""

    def on_detected(self, model: str, score: float, position_frames: Frames) -> None:
        """Take a detection: which word, how sure, and where it ended in the microphone's wire frames."""

    def on_word_ended(self, position_frames: Frames | None) -> None:
        """Take where the word of the last detection ended, in the microphone's wire frames; None: nobody can tell."""

    def on_approached(self, score: float) -> None:
        """Take a score that rises towards a detection."""

    def on_ears_ready(self) -> None:
        """Take note that the engine is there."""

    def on_ears_failed(self, code: str, error: BaseException) -> None:
        """Take what ended the thread."""


def _maker_of(wake: Wake, environment: Mapping[str, str]) -> Callable[[], Detector]:
    """Return what makes the engine of a configuration; that takes its time: off the loop.

    Args:
        wake: The section of the configuration.
        environment: Of the process; says where is kept what was found out of this machine.

    Raises:
        SpeakerdError: a model is missing or not the published one, or the library that suppresses noise is missing.
    """
    if wake.noise_suppression:
        noise.require_library()
    paths = models.resolve_all(wake.models)
    features = models.features()
    return lambda: engine.make(paths, features, wake.engine, state=state_folder(environment))


def _marks_of(wake: Wake) -> dict[str, tuple[int, int, int] | None]:
    """Return what tells each of the owner's own files from a later one; None: it is gone. Those that ship stay."""
    marks: dict[str, tuple[int, int, int] | None] = {}
    for name in wake.models:
        if name in models.WORDS:
            continue
        try:
            found = Path(name).stat()
        except OSError:
            marks[name] = None
        else:
            marks[name] = (found.st_ino, found.st_size, found.st_mtime_ns)
    return marks


def _suppressor_of(wake: Wake) -> noise.NoiseSuppressor | None:
    return noise.NoiseSuppressor() if wake.noise_suppression else None


class Ears:
    """The wake thread, its rings and its callbacks, moved onto the loop. Thread: event loop.

    Args:
        wake: The configuration.
        listener: Told what is heard.
        environment: Of the process.

    Attributes:
        hearing: Set when the first audio was scored.

    Raises:
        SpeakerdError: a model is missing or not the published one, or the library that suppresses noise is missing.
    """

    def __init__(self, wake: Wake, listener: Listener, environment: Mapping[str, str]) -> None:
        self._names = list(wake.models)
        self._marks = _marks_of(wake)
        self._listener = listener
        self.hearing = asyncio.Event()
        self._is_started = False
        self._loop = asyncio.get_running_loop()
        self._environment = environment
        make_detector = _maker_of(wake, environment)
        self._trigger = WakeTrigger(wake.threshold_score, wake.refractory_s)
        self._near, near_consumer = make_ring(RING_BYTES)
        self._far, far_consumer = make_ring(RING_BYTES)

        self._worker = WakeWorker(
            ring=near_consumer,
            far_ring=far_consumer,
            make_detector=make_detector,
            trigger=self._trigger,
            gated=wake.gate,
            suppressor=_suppressor_of(wake),
            on_detected=self._from_thread(self._detected),
            on_ended=self._from_thread(self._ended),
            on_approached=self._from_thread(listener.on_approached),
            on_failed=self._from_thread(listener.on_ears_failed),
            on_ready=self._from_thread(listener.on_ears_ready),
            on_hearing=self._from_thread(self.hearing.set),
        )

    def make_engine(self, wake: Wake) -> Detector:
        """Return an engine for another configuration, for ``use``. Thread: any but the loop's, which it would hold up.

        Raises:
            SpeakerdError: as ``Ears``; or a model is broken.
        """
        return _maker_of(wake, self._environment)()

    def use(self, wake: Wake, detector: Detector | None) -> None:
        """Listen as another configuration says, from the next 80 ms on, without a hole.

        Args:
            wake: The section of the configuration.
            detector: An engine made for it; None: the same words, engine, gate and suppression.
        """
        self._trigger.threshold, self._trigger.refractory_s = wake.threshold_score, wake.refractory_s
        if detector is not None:
            self._names = list(wake.models)
            self._marks = _marks_of(wake)
            self._worker.use(detector, gated=wake.gate, suppressor=_suppressor_of(wake))

    def is_outdated(self, wake: Wake) -> bool:
        """Return whether a model of the owner's is another file than when it was loaded; one that is gone goes on."""
        replaced = False
        for name, mark in _marks_of(wake).items():
            if mark is None and name in self._marks:
                log.warning("%s is gone: it is listened for until the next start, which will fail", name)
            elif mark != self._marks.get(name, mark):
                log.info("%s is another file by now: it is loaded anew", name)
                replaced = True
        return replaced

    def start(self) -> None:
        """Begin to listen, unless that is so; what comes while the engine loads is caught up with."""
        if not self._is_started:
            self._is_started = True
            self._worker.start()

    def stop(self, timeout_s: float) -> None:
        """End the thread, or leave it behind: it is a daemon thread."""
        if not self._worker.stop(timeout_s):
            log.warning("the wake word thread does not end: abandoned")

    def feed(self, wake: bytes, heard: bytes | None, played: bytes | None, *, playing: bool, muted: bool) -> None:
        """Take in wake audio.

        Args:
            wake: The microphone with our own voice taken out.
            heard: The same before that, while something plays; None: nothing does.
            played: What was played meanwhile; None: nothing was.
            playing: Whether the loudspeaker plays.
            muted: Whether the owner does not want to be heard.
        """
        if min(self._near.free_bytes, self._far.free_bytes) >= len(wake):
            self._far.write(played or bytes(len(wake)))
            self._near.write(heard or wake)
        else:
            self._worker.skipped_frames += len(wake) // SAMPLE_BYTES
        self._worker.playing = playing
        self._worker.muted = muted
        self._worker.notify()

    def renew(self) -> None:
        """Take note that the microphone begins anew: what was known of the room may not hold."""
        self._worker.renew()

    def note_absence(self) -> None:
        """Take note that nobody hears from now on: what is heard afterwards has nothing to do with what was."""
        self._worker.note_absence()

    @property
    def near_misses(self) -> int:
        """How often something was almost the wake word."""
        return self._worker.near_misses

    @property
    def pulse(self) -> int | None:
        """Changes while the engine takes what it is given; None: all is taken, or there is no engine yet."""
        waiting_bytes = RING_BYTES - self._near.free_bytes
        idle = self._worker.engine is None or waiting_bytes < CHUNK_FRAMES * SAMPLE_BYTES
        return None if idle else self._worker.progress

    def status(self) -> dict[str, Any]:
        """Return what there is to know, as plain data."""
        worker = self._worker
        return {
            "models": self._names,
            "last_score": worker.last_score,
            "near_misses": worker.near_misses,
            "masked": worker.masked,
            "chunks": worker.chunks,
            "engine": worker.engine,
            "thread_id": worker.thread_id,
            "scored_chunks": worker.scored_chunks,
            "gate_open": worker.gate_open,
            "noise_suppression": worker.suppresses_noise,
            "skipped_frames": worker.skipped_frames,
        }

    def _detected(self, model: str, score: float, position_frames: int) -> None:
        told = story(Kind.WAKE_WORD, model=model, score=f"{score:.2f}")
        log.info('heard "%s", score %.2f', model.replace("_", " "), score, extra=told)
        self._listener.on_detected(model, score, Frames(position_frames * WIRE_RATE_HZ // WAKE_RATE_HZ))

    def _ended(self, position_frames: int | None) -> None:
        wire = None if position_frames is None else Frames(position_frames * WIRE_RATE_HZ // WAKE_RATE_HZ)
        self._listener.on_word_ended(wire)

    def _from_thread(self, callback: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: Any) -> None:
            self._loop.call_soon_threadsafe(callback, *arguments)

        return call
