"""The wake thread: chunks out of the ring, positions, mute, failures, and a thread that starts and ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from speakerd.audio.ring import make_ring
from speakerd.core.errors import Remedy, WakeError
from speakerd.core.wake_gate import WakeTrigger
from speakerd.wake import models
from speakerd.wake.detector import Detector
from speakerd.wake.lean import Lean
from speakerd.wake.worker import WakeWorker
from tests.fakes.detector import FakeDetector
from tests.fakes.models import wake_models
from tests.fakes.voices import say

CHUNK = 1280
TIMEOUT_S = 10.0


class Bench:
    """A worker with a ring before it and a notebook behind it."""

    def __init__(
        self,
        scores: Iterable[float] = (),
        make: Callable[[], Detector] | None = None,
        *,
        hears_ends: bool = False,
        hears_first: bool = False,
        gated: bool = False,
        knows_far: bool = False,
    ) -> None:
        self.detector = FakeDetector(scores)
        self.notes: list[tuple[object, ...]] = []
        self.noted = threading.Condition()
        self.producer, consumer = make_ring(2 * CHUNK * 40)
        self.far, far_consumer = make_ring(2 * CHUNK * 40)
        self.worker = WakeWorker(
            ring=consumer,
            far_ring=far_consumer if knows_far else None,
            make_detector=make or (lambda: self.detector),
            trigger=WakeTrigger(0.5, 2.0),
            gated=gated,
            on_detected=lambda model, score, at: self.note("detected", model, score, at),
            on_ended=(lambda at: self.note("ended", at)) if hears_ends else None,
            on_failed=lambda code, error: self.note("failed", code, error),
            on_ready=lambda: self.note("ready"),
            on_hearing=(lambda: self.note("hearing")) if hears_first else lambda: None,
        )

    def note(self, *what: object) -> None:
        with self.noted:
            self.notes.append(what)
            self.noted.notify_all()

    def put(self, frames: int, value: int = 0, played: int = 0) -> None:
        """Put audio into the rings, as the loop does."""
        self.far.write(np.full(frames, played, dtype="<i2").tobytes())
        assert self.producer.write(np.full(frames, value, dtype="<i2").tobytes()) == 2 * frames
        self.worker.notify()

    def drain(self) -> int:
        """Do what the thread does; return how many chunks there were."""
        count = 0
        while self.worker.pump_once():
            count += 1
        return count

    def wait_for(self, *what: object) -> None:
        """Wait until a note has been made."""
        with self.noted:
            assert self.noted.wait_for(lambda: what in self.notes, TIMEOUT_S), self.notes


def test_whole_chunks_only() -> None:
    """A rest shorter than a chunk waits for the audio that completes it; nothing is lost or repeated."""
    bench = Bench()
    bench.put(CHUNK - 1, 1)
    assert bench.drain() == 0
    bench.put(CHUNK + 1, 2)
    assert bench.drain() == 2
    heard = np.concatenate(bench.detector.heard)
    assert heard.dtype == np.int16
    assert heard.tolist() == [1] * (CHUNK - 1) + [2] * (CHUNK + 1)


def test_a_detection_tells_word_score_and_end_of_its_chunk() -> None:
    """The position is the count of frames up to the end of the chunk that fired."""
    bench = Bench([0.1, 0.2, 0.9, 0.9])
    bench.put(4 * CHUNK)
    bench.drain()
    assert bench.notes == [("ready",), ("detected", "hey_jarvis", 0.9, 3 * CHUNK)]
    assert bench.worker.position_frames == 4 * CHUNK


@pytest.mark.parametrize(("ended_before", "ended"), [(500, 3 * CHUNK - 500), (-500, 3 * CHUNK + 500), (None, None)])
def test_where_the_word_ended_is_told_behind_its_detection(ended_before: int | None, ended: int | None) -> None:
    """As a position, once for each detection, also when the engine cannot tell."""
    bench = Bench(make=lambda: FakeDetector([0.1, 0.2, 0.9, 0.9], ended_before=ended_before), hears_ends=True)
    bench.put(4 * CHUNK)
    bench.drain()
    assert bench.notes[1:] == [("detected", "hey_jarvis", 0.9, 3 * CHUNK), ("ended", ended)]


@pytest.mark.parametrize("muted", [True, False])
def test_that_it_hears_is_told_once_behind_the_first_chunk(muted: bool) -> None:
    """What was said in it is told before; while muted it is passed over, and that counts."""
    bench = Bench([0.9], hears_first=True)
    bench.worker.muted = muted
    bench.drain()
    assert bench.notes == [("ready",)]
    bench.put(3 * CHUNK)
    bench.drain()
    heard = [] if muted else [("detected", "hey_jarvis", 0.9, CHUNK)]
    assert bench.notes == [("ready",), *heard, ("hearing",)]


def test_counters_tell_what_was_done() -> None:
    """Chunks scored, the last score and near misses can be read from outside."""
    bench = Bench([0.3, 0.0, 0.1])
    bench.put(3 * CHUNK)
    bench.drain()
    worker = bench.worker
    assert (worker.chunks, worker.progress, worker.last_score, worker.near_misses) == (3, 3, 0.1, 1)


def test_muted_audio_is_consumed_and_not_scored() -> None:
    """While muted nothing reaches the engine, and the position moves on."""
    bench = Bench([0.9])
    bench.worker.muted = True
    bench.put(3 * CHUNK)
    bench.drain()
    assert (bench.detector.heard, bench.worker.chunks, bench.worker.progress) == ([], 0, 3)
    bench.worker.muted = False
    bench.put(CHUNK)
    bench.drain()
    assert bench.notes[-1] == ("detected", "hey_jarvis", 0.9, 4 * CHUNK)


def test_a_gated_engine_sleeps_in_a_quiet_room() -> None:
    """Every chunk is taken, few are scored; a sound wakes it, and so does a microphone that was away or muted."""
    bench = Bench(gated=True)
    bench.put(40 * CHUNK)
    bench.drain()
    worker = bench.worker
    asleep = worker.scored_chunks
    assert (worker.chunks, asleep < 40, worker.gate_open) == (40, True, False)
    bench.producer.write(np.arange(CHUNK, dtype="<i2").tobytes())
    bench.drain()
    assert (worker.chunks, worker.scored_chunks, worker.gate_open) == (41, asleep + 1, True)
    for come_back in (lambda: setattr(worker, "muted", True), worker.renew):
        bench.put(30 * CHUNK)
        bench.drain()
        assert not worker.gate_open
        come_back()
        bench.put(CHUNK)
        bench.drain()
        worker.muted = False
        before = worker.scored_chunks
        bench.put(CHUNK)
        bench.drain()
        assert worker.gate_open
        assert worker.scored_chunks == before + 1


def test_an_engine_without_a_gate_scores_everything() -> None:
    """As the owner wished."""
    bench = Bench()
    bench.worker.renew()
    bench.put(40 * CHUNK)
    bench.drain()
    assert (bench.worker.scored_chunks, bench.worker.gate_open) == (40, True)


def test_playing_makes_the_trigger_strict() -> None:
    """While the loudspeaker plays, one chunk over the threshold is not enough."""
    bench = Bench([0.9, 0.0, 0.9, 0.9])
    bench.worker.playing = True
    bench.put(4 * CHUNK)
    bench.drain()
    assert bench.notes[1:] == [("detected", "hey_jarvis", 0.9, 4 * CHUNK)]


def test_skipped_frames_count_from_where_they_are_missing() -> None:
    """What was in the ring before a gap keeps its position; what comes after it is moved by the gap."""
    bench = Bench()
    bench.put(2 * CHUNK)
    bench.worker.skipped_frames += 1000
    bench.put(CHUNK)
    positions = []
    while bench.worker.pump_once():
        positions.append(bench.worker.position_frames)
    assert positions == [CHUNK, 2 * CHUNK, 3 * CHUNK + 1000]
    assert bench.worker.skipped_frames == 1000


def test_several_gaps_add_up() -> None:
    """Each gap counts once, in its place."""
    bench = Bench()
    bench.worker.skipped_frames += 10
    bench.put(CHUNK)
    bench.worker.skipped_frames += 20
    bench.put(CHUNK)
    bench.worker.skipped_frames += 30
    bench.drain()
    assert bench.worker.position_frames == 2 * CHUNK + 30
    assert bench.worker.skipped_frames == 60


def test_the_engine_is_made_once() -> None:
    """The first look makes the engine, and no later one does."""
    made = []

    def make() -> Detector:
        made.append(FakeDetector())
        return made[-1]

    bench = Bench(make=make)
    bench.drain()
    bench.put(CHUNK)
    bench.drain()
    assert len(made) == 1
    assert bench.notes == [("ready",)]


def test_audio_that_comes_while_the_engine_loads_is_scored_afterwards() -> None:
    """Nothing said during the seconds of loading is lost, and the loop is not held meanwhile."""
    may_load = threading.Event()

    def make() -> Detector:
        assert may_load.wait(TIMEOUT_S)
        return FakeDetector([0.0, 0.0, 0.95])

    bench = Bench(make=make)
    bench.worker.start()
    bench.put(3 * CHUNK)
    assert bench.notes == []
    may_load.set()
    bench.wait_for("detected", "hey_jarvis", 0.95, 3 * CHUNK)
    assert bench.notes[0] == ("ready",)
    assert bench.worker.stop(TIMEOUT_S)


def test_the_thread_scores_what_comes_and_ends_when_told() -> None:
    """The thread sleeps without audio, wakes up by notice, and ends by stop."""
    bench = Bench([0.0, 0.8])
    assert bench.worker.thread_id is None
    bench.worker.start()
    bench.wait_for("ready")
    assert Path(f"/proc/self/task/{bench.worker.thread_id}").is_dir()
    for _ in range(8):
        bench.put(CHUNK // 4)
    bench.wait_for("detected", "hey_jarvis", 0.8, 2 * CHUNK)
    assert bench.worker.stop(TIMEOUT_S)
    assert bench.notes[2:] == []


def test_stop_without_start_is_fine() -> None:
    """A worker that was never started has ended."""
    assert Bench().worker.stop(TIMEOUT_S)


def test_a_thread_that_hangs_is_reported_by_stop() -> None:
    """Stop gives up on a thread that does not come back, and says so."""
    release = threading.Event()

    def make() -> Detector:
        release.wait(TIMEOUT_S)
        return FakeDetector()

    bench = Bench(make=make)
    bench.worker.start()
    assert not bench.worker.stop(0.0)
    release.set()
    assert bench.worker.stop(TIMEOUT_S)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (WakeError("wake-model-missing", "run: speakerd fetch-models", Remedy.OPERATOR), "wake-model-missing"),
        (ValueError("odd"), "wake-thread"),
    ],
)
def test_a_failure_is_told_with_its_code(error: Exception, code: str) -> None:
    """Whatever ends the thread goes to the supervisor, with our code if it is ours."""

    def make() -> Detector:
        raise error

    bench = Bench(make=make)
    bench.worker.start()
    bench.wait_for("failed", code, error)
    assert bench.worker.stop(TIMEOUT_S)


def test_another_engine_takes_over_between_two_chunks_and_knows_what_was_heard() -> None:
    """Not a chunk is missed or heard twice; the trigger is the same one, so that one word fires once."""
    bench = Bench([0.0, 0.0, 0.9])
    bench.put(3 * CHUNK, 7)
    bench.drain()
    other = FakeDetector([0.9, 0.0], word="alexa")
    bench.worker.use(other, gated=False)
    bench.put(2 * CHUNK, 8)
    assert bench.drain() == 2
    assert [chunk[0] for chunk in other.followed] == [7, 7, 7]
    assert [chunk[0] for chunk in other.heard] == [8, 8]
    assert [note[1] for note in bench.notes if note[0] == "detected"] == ["hey_jarvis"], "deaf behind a detection"
    assert bench.notes.count(("ready",)) == 1
    assert bench.worker.position_frames == 5 * CHUNK


def test_only_what_an_engine_remembers_is_kept_for_the_next() -> None:
    """Its memory is long enough by its own word."""
    bench = Bench()
    for _ in range(3):
        bench.put(20 * CHUNK)
        bench.drain()
    other = FakeDetector()
    bench.worker.use(other, gated=False)
    bench.put(CHUNK)
    bench.drain()
    assert len(other.followed) == FakeDetector.memory_chunks


def test_the_last_engine_counts_and_a_gate_comes_or_goes_with_it() -> None:
    """Two in a row before a chunk; asleep in a quiet room only where the owner wants that."""
    bench = Bench()
    first, last = FakeDetector(), FakeDetector()
    bench.worker.use(first, gated=False)
    bench.worker.use(last, gated=True)
    for _ in range(5):
        bench.put(39 * CHUNK)
        bench.drain()
    assert first.heard == []
    assert (bench.worker.gate_open, len(last.heard) < 100) == (False, True)
    bench.worker.use(FakeDetector(), gated=False)
    bench.put(CHUNK)
    bench.drain()
    assert bench.worker.gate_open


@pytest.mark.parametrize("gated", [False, True])
def test_a_word_is_heard_through_a_change_of_the_engine_at_any_moment_of_it(gated: bool) -> None:
    """With the real engine: the same detection, with the same score, wherever in the word another one takes over."""
    wake_models()
    words, features = {"hey_jarvis": models.resolve("hey_jarvis")}, models.features()
    said = say("hey jarvis", 16_000)
    heard = np.random.default_rng(1).normal(0, 5, len(said) + 4 * 16_000)
    heard[3 * 16_000 : 3 * 16_000 + len(said)] += said
    chunks = np.split(heard.astype("<i2")[: len(heard) // CHUNK * CHUNK], len(heard) // CHUNK)

    def detections(change_at: int | None) -> list[tuple[object, ...]]:
        bench = Bench(make=lambda: Lean(words, features), gated=gated)
        for number, chunk in enumerate(chunks):
            if number == change_at:
                bench.worker.use(Lean(words, features), gated=gated)
            bench.producer.write(chunk.tobytes())
            bench.drain()
        return [note for note in bench.notes if note[0] == "detected"]

    ((_, _, score, place),) = undisturbed = detections(None)
    begun = 3 * 16_000 // CHUNK
    for change_at in range(begun - 2, int(str(place)) // CHUNK + 1, 4):
        ((_, _, changed_score, changed_place),) = changed = detections(change_at)
        assert changed_place == place, (change_at, changed, undisturbed)
        assert changed_score == pytest.approx(score, abs=1e-4)


def mute_for_a_while(bench: Bench) -> None:
    bench.worker.muted = True
    bench.put(CHUNK)
    bench.drain()
    bench.worker.muted = False


ABSENCES = {"muted": mute_for_a_while, "microphone away": lambda bench: bench.worker.note_absence()}
"""Stretches that nobody hears, however long they last."""


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("absence", ABSENCES)
def test_behind_an_absence_a_word_is_heard_at_once(absence: str, gated: bool) -> None:
    """Detected, muted at once, and unmuted later: nothing of the refractory time was audio, all of it is over."""
    bench = Bench([0.9, 0.0, 0.9], gated=gated)
    bench.put(2 * CHUNK)
    bench.drain()
    ABSENCES[absence](bench)
    bench.put(CHUNK)
    bench.drain()
    assert [note[0] for note in bench.notes[1:]] == ["detected", "detected"]


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("absence", ABSENCES)
def test_a_word_from_before_an_absence_is_not_detected_behind_it(absence: str, gated: bool) -> None:
    """With the real engine: whoever says it and mutes at once, or pulls the plug, does not wake it an hour later.

    Its score rises in the chunks that follow, and stays for a second, also behind a detection.
    """
    wake_models()
    words, features = {"hey_jarvis": models.resolve("hey_jarvis")}, models.features()
    room = np.random.default_rng(1).normal(0, 5, 20 * 16_000).astype("<i2")
    said = say("hey jarvis", 16_000)
    heard = room[: 3 * 16_000 + len(said) + 16_000].copy()
    heard[3 * 16_000 : 3 * 16_000 + len(said)] += said
    chunks = np.split(heard[: len(heard) // CHUNK * CHUNK], len(heard) // CHUNK)
    quiet = np.split(room[: 40 * CHUNK], 40)

    def detections(before: list[np.ndarray], after: list[np.ndarray]) -> int:
        bench = Bench(make=lambda: Lean(words, features), gated=gated)
        for part in (before, after):
            for chunk in part:
                bench.producer.write(chunk.tobytes())
                bench.drain()
            ABSENCES[absence](bench)
        return sum(note[0] == "detected" for note in bench.notes)

    whole = next(cut for cut in range(len(chunks) - 20, len(chunks)) if detections(chunks[:cut], []))
    for cut in range(whole - 4, whole + 8, 2):
        assert detections(chunks[:cut], quiet) == (cut >= whole), (cut, whole)


@pytest.mark.parametrize("gated", [False, True])
def test_a_card_that_is_told_of_in_the_middle_of_a_word_does_not_hide_it(gated: bool) -> None:
    """That frames move is noticed some time after the first of them, and these may be the word."""
    wake_models()
    words, features = {"hey_jarvis": models.resolve("hey_jarvis")}, models.features()
    heard = np.concatenate((say("hey jarvis", 16_000), np.zeros(16_000, np.int16)))
    chunks = np.split(heard[: len(heard) // CHUNK * CHUNK], len(heard) // CHUNK)
    for told_at in range(0, 12, 2):
        bench = Bench(make=lambda: Lean(words, features), gated=gated)
        bench.put(39 * CHUNK)
        bench.drain()
        bench.worker.note_absence()
        for at, chunk in enumerate(chunks):
            if at == told_at:
                bench.worker.renew()
            bench.producer.write(chunk.tobytes())
            bench.drain()
        assert [note[0] for note in bench.notes[1:]] == ["detected"], told_at


def test_another_engine_does_not_end_the_refractory_time() -> None:
    """It knows the same utterance, which would be detected twice."""
    bench = Bench([0.9], gated=True)
    bench.put(CHUNK)
    bench.drain()
    bench.worker.use(FakeDetector([0.9, 0.9]), gated=True)
    bench.put(2 * CHUNK)
    bench.drain()
    assert [note[0] for note in bench.notes[1:]] == ["detected"]


def test_what_was_lost_counts_into_the_refractory_time() -> None:
    """It is time in the room, and a word behind it is another one."""
    bench = Bench([0.9, *[0.0] * 7, 0.9])
    bench.put(8 * CHUNK)
    bench.worker.skipped_frames += 2 * 16_000
    bench.put(CHUNK)
    bench.drain()
    assert [note[0] for note in bench.notes[1:]] == ["detected", "detected"]


def test_what_has_played_is_known_behind_a_mute() -> None:
    """A reply that ended in it makes nobody strict after it, and what plays still does."""
    for played, heard in ((0, ["detected"]), (50, [])):
        bench = Bench([0.0] * 5 + [0.9], knows_far=True)
        bench.put(5 * CHUNK, 0, 50)
        bench.drain()
        bench.worker.muted = True
        bench.put(30 * CHUNK, 0, played)
        bench.drain()
        bench.worker.muted = False
        bench.put(CHUNK)
        bench.drain()
        assert [note[0] for note in bench.notes[1:]] == heard
