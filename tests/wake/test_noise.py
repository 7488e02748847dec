"""Noise suppression: what it does to sound, and what it may not do to the wake word's path."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from speakerd.audio.ring import make_ring
from speakerd.core.errors import Remedy, WakeError
from speakerd.core.pcm import rms_dbfs
from speakerd.core.wake_gate import WakeTrigger
from speakerd.wake import models
from speakerd.wake.lean import Lean
from speakerd.wake.noise import BLOCK_FRAMES, DELAY_FRAMES, NoiseSuppressor, require_library
from speakerd.wake.shapes import CHUNK_FRAMES
from speakerd.wake.worker import WakeWorker
from tests.fakes.detector import FakeDetector
from tests.fakes.models import wake_models
from tests.fakes.voices import say

RATE_HZ = 16_000
WORD = "hey_jarvis"


def room(span_s: float, rms: float = 300.0, seed: int = 1) -> np.ndarray:
    """Return steady noise."""
    return np.random.default_rng(seed).normal(0, rms, int(span_s * RATE_HZ))


def chunked(sound: np.ndarray) -> np.ndarray:
    frames = np.clip(np.rint(sound), -32768, 32767).astype(np.int16)
    return frames[: len(frames) // CHUNK_FRAMES * CHUNK_FRAMES].reshape(-1, CHUNK_FRAMES)


def with_word(noise: np.ndarray, *at_s: float, voice: str = "flite") -> np.ndarray:
    """Return a room in which somebody says the wake word at these times."""
    words = say("hey jarvis", RATE_HZ, voice)
    for begin_s in at_s:
        at = int(begin_s * RATE_HZ)
        noise[at : at + len(words)] += words * 10 ** ((-26 - rms_dbfs(words)) / 20)
    return chunked(noise)


def test_as_much_comes_out_as_goes_in_and_what_went_in_stays() -> None:
    """Whatever its shape; in a chunk at a time or all at once it is the same."""
    chunks = chunked(room(2))
    before = chunks.copy()
    at_once = NoiseSuppressor().process(chunks)
    suppressor = NoiseSuppressor()
    one_by_one = np.array([suppressor.process(chunk) for chunk in chunks])
    assert (at_once.shape, at_once.dtype) == (chunks.shape, np.int16)
    assert np.array_equal(at_once, one_by_one)
    assert np.array_equal(chunks, before)


def test_what_may_not_be_written_to_is_read() -> None:
    """Audio out of a ring is such."""
    frozen = np.frombuffer(bytes(2 * CHUNK_FRAMES), "<i2")
    assert not NoiseSuppressor().process(frozen).any()


@pytest.mark.parametrize("frames", [np.zeros(BLOCK_FRAMES + 1, np.int16), np.zeros(CHUNK_FRAMES, np.float32)])
def test_what_it_cannot_take_is_refused(frames: np.ndarray) -> None:
    with pytest.raises(ValueError, match="int16 in blocks of 160"):
        NoiseSuppressor().process(frames)


def test_steady_noise_is_taken_down_and_speech_is_not() -> None:
    """By 9 dB and more (measured: 11 to 13); a voice keeps its level within 2 dB."""
    chunks = with_word(room(8), 6.0)
    left = NoiseSuppressor().process(chunks).ravel()
    raw = chunks.ravel()
    noise, speech = slice(4 * RATE_HZ, 5 * RATE_HZ), slice(6 * RATE_HZ, 6 * RATE_HZ + 8000)
    assert rms_dbfs(left[noise]) < rms_dbfs(raw[noise]) - 9
    assert rms_dbfs(left[speech]) == pytest.approx(rms_dbfs(raw[speech]), abs=2)


def test_it_lags_by_what_it_says() -> None:
    sound = np.zeros(RATE_HZ)
    tone = np.sin(2 * np.pi * 440 * np.arange(1600) / RATE_HZ) * np.hanning(1600)
    sound[8000:9600] = 8000 * tone
    frames = sound.astype(np.int16)[: RATE_HZ // CHUNK_FRAMES * CHUNK_FRAMES]
    left = NoiseSuppressor().process(frames).astype(float)
    likeness = [float(np.dot(left[8000 + lag : 9600 + lag], tone)) for lag in range(400)]
    assert int(np.argmax(likeness)) == pytest.approx(DELAY_FRAMES, abs=2)


def test_without_the_library_it_is_said_what_to_install() -> None:
    for wants in (require_library, NoiseSuppressor):
        with pytest.raises(
            WakeError, match=r"libno_such\.so\.1: install it with apt-get install libspeexdsp1"
        ) as caught:
            wants("libno_such.so.1")
        assert (caught.value.code, caught.value.remedy) == ("wake-noise-library", Remedy.OPERATOR)


def test_who_does_not_want_it_does_not_load_it() -> None:
    """The module is imported with the ears, the library is not."""
    program = "import speakerd.ears; assert 'libspeexdsp' not in open('/proc/self/maps').read()"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


# --- in the wake thread ----------------------------------------------------------------------------------------------


class Heard:
    """A worker without a thread, and all that it says: (what, chunks so far, position)."""

    def __init__(self, make_detector, *, gated: bool = False, suppressed: bool = False, threshold: float = 0.5) -> None:
        self.notes: list[tuple[str, int]] = []
        self.producer, consumer = make_ring(2 * CHUNK_FRAMES * 4)
        self.far_producer, far_consumer = make_ring(2 * CHUNK_FRAMES * 4)
        self.worker = WakeWorker(
            ring=consumer,
            far_ring=far_consumer,
            make_detector=make_detector,
            trigger=WakeTrigger(threshold, 2.0),
            gated=gated,
            suppressor=NoiseSuppressor() if suppressed else None,
            on_detected=lambda _model, _score, at: self.notes.append(("detected", at)),
            on_ended=lambda at: self.notes.append(("ended", at)),
            on_failed=lambda _code, error: self.fail(error),
            on_ready=lambda: None,
        )

    def fail(self, error: BaseException) -> None:
        raise error

    def hear(self, chunks: np.ndarray, played: np.ndarray | None = None) -> list[float]:
        """Return the score after each chunk."""
        scores = []
        for chunk, far in zip(chunks, np.zeros_like(chunks) if played is None else played, strict=True):
            self.far_producer.write(far.tobytes())
            self.producer.write(chunk.tobytes())
            assert self.worker.pump_once()
            scores.append(self.worker.last_score)
        return scores


@pytest.fixture(scope="module")
def lean() -> Lean:
    """The real engine; each worker gets a twin of it."""
    wake_models()
    return Lean({WORD: models.resolve(WORD)}, models.features())


def test_the_engine_hears_what_is_left_and_the_gate_what_came_in() -> None:
    """Asleep nothing is scored, yet the suppressor goes on: woken, the engine has all of it as if never asleep."""
    chunks = np.concatenate((chunked(room(6)), chunked(room(0.4, rms=6000.0, seed=2))))
    fake, left = FakeDetector(), NoiseSuppressor().process(chunks)
    heard = Heard(lambda: fake, gated=True, suppressed=True)
    heard.hear(chunks)
    asleep = len(chunks) - heard.worker.scored_chunks
    assert (asleep > fake.memory_chunks, heard.worker.gate_open, heard.worker.suppresses_noise) == (True, True, True)
    woken = len(chunks) - 5
    assert np.array_equal(fake.followed, left[woken - fake.memory_chunks : woken])
    assert np.array_equal(fake.heard[-5:], left[woken:])


def test_asleep_or_not_the_scores_are_the_same(lean: Lean) -> None:
    """On each chunk that is scored; and the detections, with the ends of their words, are where they were."""
    chunks = with_word(room(22, rms=100.0), 11.0, 18.0)
    always, gated = Heard(lean.twin, suppressed=True), Heard(lean.twin, gated=True, suppressed=True)
    right = always.hear(chunks)
    for chunk, score in zip(chunks, right, strict=True):
        (found,) = gated.hear(chunk[None])
        assert found == (pytest.approx(score, abs=1e-4) if gated.worker.gate_open else 0.0)
    assert gated.notes == always.notes
    assert len(gated.notes) == 4
    assert gated.worker.scored_chunks < len(chunks)


def test_a_word_ends_where_it_ended(lean: Lean) -> None:
    """With or without suppression, within 40 ms."""
    chunks = with_word(room(6, rms=10.0), 3.0)
    ends = []
    for suppressed in (False, True):
        heard = Heard(lean.twin, suppressed=suppressed)
        heard.hear(chunks)
        (end,) = [at for what, at in heard.notes if what == "ended"]
        ends.append(end)
    assert ends[1] == pytest.approx(ends[0], abs=640)


@pytest.mark.parametrize("suppressed", [True, False])
def test_our_own_word_is_masked(lean: Lean, suppressed: bool) -> None:
    """It is heard 0.8 s later, where no canceller takes it out."""
    heard = Heard(lean.twin, suppressed=suppressed)
    played = with_word(np.zeros(6 * RATE_HZ), 3.0, voice="flite-rms")
    heard.hear(with_word(room(6, rms=10.0), 3.8), played)
    assert (heard.worker.masked > 0, heard.notes) == (True, [])
    heard.hear(with_word(room(6, rms=10.0), 4.0))
    assert [what for what, _ in heard.notes] == ["detected", "ended"]


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("begin_s", [0.0, 0.3, 0.6])
def test_a_word_in_the_first_second_is_heard(lean: Lean, begin_s: float, gated: bool) -> None:
    """Behind a suppressor that has never heard the room."""
    heard = Heard(lean.twin, gated=gated, suppressed=True)
    heard.hear(with_word(room(3, rms=30.0), begin_s))
    assert [what for what, _ in heard.notes] == ["detected", "ended"]


@pytest.mark.parametrize(("before", "after"), [(False, True), (True, False), (True, True)])
def test_another_engine_begins_with_the_past_as_it_would_have_heard_it(before: bool, after: bool) -> None:
    """As one that was started with this past: through a suppressor of its own, or as it came in."""
    chunks = chunked(room(5))
    heard, fake = Heard(FakeDetector, suppressed=before), FakeDetector()
    heard.hear(chunks[:40])
    heard.worker.use(fake, gated=False, suppressor=NoiseSuppressor() if after else None)
    heard.hear(chunks[40:])
    right = chunks[40 - fake.memory_chunks :]
    right = NoiseSuppressor().process(right) if after else right
    assert np.array_equal([*fake.followed, *fake.heard], right)
    assert heard.worker.suppresses_noise is after
