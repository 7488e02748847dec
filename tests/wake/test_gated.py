"""The engine that sleeps in a quiet room: it misses nothing, and answers as one that never sleeps."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import pytest

from speakerd.core.pcm import rms_dbfs
from speakerd.core.wake_gate import WakeTrigger
from speakerd.wake import models
from speakerd.wake.detector import OpenWakeWord
from speakerd.wake.gated import GatedDetector
from speakerd.wake.shapes import CHUNK_FRAMES, memory_chunks
from tests.fakes.detector import FakeDetector
from tests.fakes.models import wake_models
from tests.fakes.stock import on_its_own_features
from tests.fakes.voices import say

MEMORY_CHUNKS = memory_chunks(16)

RATE_HZ = 16_000
WORD = "hey_jarvis"
HANG_CHUNKS = 20
Sound = npt.NDArray[np.float64]
Chunks = npt.NDArray[np.int16]


def room(span_s: float, rms: float, seed: int = 1, slope: float = 0.5) -> Sound:
    """Return noise that falls with the frequency: 0 is white, 0.5 pink."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(0, 1, int(span_s * RATE_HZ)))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1) ** slope
    sound = np.fft.irfft(spectrum, int(span_s * RATE_HZ))
    return sound / sound.std() * rms


def chunked(sound: Sound) -> Chunks:
    frames = np.clip(np.rint(sound), -32768, 32767).astype(np.int16)
    return frames[: len(frames) // CHUNK_FRAMES * CHUNK_FRAMES].reshape(-1, CHUNK_FRAMES)


QUIET = chunked(room(30, 10.0))
LOUD = chunked(room(2, 1000.0, seed=2))


def asleep(fake: FakeDetector) -> GatedDetector:
    """Return a detector that has fallen asleep over more than it remembers."""
    gated = GatedDetector(fake)
    for chunk in QUIET[:100]:
        gated.score(chunk)
    assert not gated.open
    return gated


def test_asleep_it_asks_nobody() -> None:
    """The answer is 0 for each word, and what was taken and what was scored can be read."""
    fake = FakeDetector([0.4] * 200)
    gated = asleep(fake)
    assert gated.score(QUIET[100]) == {WORD: 0.0}
    assert (gated.taken, gated.scored, len(fake.heard), fake.followed) == (101, HANG_CHUNKS, HANG_CHUNKS, [])


def test_woken_it_follows_what_it_remembers_and_scores_what_woke_it() -> None:
    """In order and without a gap; the caller may use his array again."""
    fake = FakeDetector([0.0] * HANG_CHUNKS + [0.7, 0.8])
    gated = asleep(fake)
    chunk = np.empty(CHUNK_FRAMES, np.int16)
    for piece in QUIET[100:103]:
        chunk[:] = piece
        gated.score(chunk)
    assert gated.score(LOUD[0]) == {WORD: 0.7}
    assert np.array_equal(fake.followed, QUIET[103 - MEMORY_CHUNKS : 103])
    assert gated.score(LOUD[1]) == {WORD: 0.8}
    assert (len(fake.followed), fake.heard[-2] is LOUD[0]) == (MEMORY_CHUNKS, False)
    assert np.array_equal(fake.heard[-2:], LOUD[:2])


def test_what_wakes_it_may_be_something_else_than_what_it_hears() -> None:
    """The gate hears the room, the engine what is left of it; nothing of the room reaches the engine."""
    fake = FakeDetector([0.0] * HANG_CHUNKS + [0.7])
    gated = GatedDetector(fake)
    for at, chunk in enumerate(QUIET[:100]):
        gated.score(LOUD[at % len(LOUD)], chunk)
    assert not gated.open
    assert gated.score(QUIET[0], LOUD[0]) == {WORD: 0.7}
    assert np.array_equal(fake.heard[-1], QUIET[0])
    assert np.array_equal(fake.followed[-1], LOUD[99 % len(LOUD)])


def test_a_short_sleep_is_followed_as_it_was() -> None:
    """What the engine knows already it is not given again."""
    fake = FakeDetector()
    gated = GatedDetector(fake)
    for chunk in QUIET[: HANG_CHUNKS + 5]:
        gated.score(chunk)
    gated.score(LOUD[0])
    assert np.array_equal(fake.followed, QUIET[HANG_CHUNKS : HANG_CHUNKS + 5])


def test_what_is_followed_waits_until_a_score_is_wanted() -> None:
    """Also while awake."""
    fake = FakeDetector()
    gated = GatedDetector(fake)
    gated.follow(QUIET[:50])
    assert (fake.followed, gated.taken) == ([], 0)
    gated.score(LOUD[0])
    assert np.array_equal(fake.followed, QUIET[50 - MEMORY_CHUNKS : 50])


def test_renewed_it_is_awake() -> None:
    """The first chunk of another microphone is scored behind what was heard before."""
    fake = FakeDetector([0.0] * HANG_CHUNKS + [0.9])
    gated = asleep(fake)
    gated.renew()
    assert gated.open
    assert gated.score(QUIET[100]) == {WORD: 0.9}
    assert len(fake.followed) == MEMORY_CHUNKS


def test_asked_in_its_sleep_where_a_word_ended_it_catches_up() -> None:
    """The answer is about the last chunk."""
    fake = FakeDetector(ended_before=77)
    gated = asleep(fake)
    assert gated.ended_before(WORD) == 77
    assert np.array_equal(fake.followed, QUIET[100 - MEMORY_CHUNKS : 99])
    assert np.array_equal(fake.heard[-1], QUIET[99])
    assert gated.ended_before(WORD) == 77
    assert len(fake.followed) == MEMORY_CHUNKS - 1


@pytest.fixture(scope="module")
def detector() -> OpenWakeWord:
    """The real engine; each test uses a twin of it."""
    wake_models()
    return OpenWakeWord.load([WORD])


def spoken(text: str, level_dbfs: float, voice: str | None = None) -> Sound:
    said = say(text, RATE_HZ, voice)
    return said.astype(float) * 10 ** ((level_dbfs - rms_dbfs(said)) / 20)


def scene(noise: Sound, *said: tuple[float, Sound]) -> Chunks:
    """Return a room in which things are said at some times."""
    sound = noise.copy()
    for at_s, words in said:
        at = int(at_s * RATE_HZ)
        sound[at : at + len(words)] += words[: len(sound) - at]
    return chunked(sound)


def pauses(level_dbfs: float, seed: int) -> list[tuple[float, Sound]]:
    """Return two words and other things said in between, at times that fall on no chunk."""
    rng = np.random.default_rng(seed)
    said, at_s = [], 12.0
    for text in ("What time is it?", "hey jarvis", "Stop.", "Hey Jarvis, what time is it?"):
        said.append((at_s, spoken(text, level_dbfs)))
        at_s += len(said[-1][1]) / RATE_HZ + rng.uniform(1.7, 4.0)
    return said


READ = "Once upon a time there was a small lighthouse at the end of a long stone pier. hey jarvis. "
SCENES = {
    "quiet room": lambda: (scene(room(20, 10.0)), 0),
    "steady noise": lambda: (scene(room(20, 180.0, slope=1.0)), 0),
    "digital silence": lambda: (scene(np.zeros(20 * RATE_HZ), (15.0, spoken("hey jarvis", -50))), 1),
    "words at -26": lambda: (scene(room(28, 10.0), *pauses(-26, 1)), 2),
    "words at -40": lambda: (scene(room(28, 10.0), *pauses(-40, 2)), 2),
    "words at -50": lambda: (scene(room(28, 10.0), *pauses(-50, 3)), 2),
    "a word in a hiss": lambda: (scene(room(16, 180.0, slope=0.0), (13.0, spoken("hey jarvis", -42))), 1),
    "right at the start": lambda: (scene(room(3, 10.0), (0.0, spoken("hey jarvis", -40))), 1),
    "a second after the start": lambda: (scene(room(4, 300.0), (1.0, spoken("hey jarvis", -36))), 1),
    "somebody reads": lambda: (scene(room(16, 10.0), (0.3, spoken(READ, -26)), (8.0, spoken(READ, -26))), 2),
}


@pytest.mark.parametrize("name", SCENES)
def test_it_hears_what_one_that_never_sleeps_hears(detector: OpenWakeWord, name: str) -> None:
    """Every score while awake, every detection at the same chunk, where its word ended; asleep there was nothing."""
    chunks, words = SCENES[name]()
    always, gated = detector.twin(), GatedDetector(detector.twin())
    triggers, heard = [WakeTrigger(0.5, 2.0) for _ in "12"], [0, 0]
    for chunk in chunks:
        score, other = always.score(chunk)[WORD], gated.score(chunk)[WORD]
        assert other == (pytest.approx(score, abs=1e-4) if gated.open else 0.0)
        assert gated.open or score < 0.1
        found = [
            trigger.process({WORD: each}, 0.08, False) for trigger, each in zip(triggers, (score, other), strict=True)
        ]
        assert (found[0] is None) is (found[1] is None)
        heard = [count + (one is not None) for count, one in zip(heard, found, strict=True)]
        if found[0] is not None:
            assert gated.ended_before(WORD) == always.ended_before(WORD)
    assert heard == [words, words]
    assert [trigger.near_misses for trigger in triggers] == [triggers[0].near_misses] * 2
    if words == 0:
        assert gated.scored <= HANG_CHUNKS + 1  # the first sound there is may stand out of nothing


@pytest.mark.parametrize("sleeps", [True, False])
def test_a_twin_begins_with_its_past_and_goes_its_own_way(detector: OpenWakeWord, sleeps: bool) -> None:
    """Made in its sleep or in the middle of a word, it scores as the first would have, which is not disturbed."""
    chunks = scene(room(16, 10.0), (13.0, spoken("hey jarvis", -40)))
    at = 150 if sleeps else 167
    always, first = detector.twin(), GatedDetector(detector.twin())
    before = [(always.score(chunk), first.score(chunk)) for chunk in chunks[:at]][-1]
    assert before
    assert first.open is not sleeps
    twin = first.twin()
    expected = [always.score(chunk)[WORD] for chunk in chunks[at:]]
    both = [(twin.score(chunk)[WORD], first.score(chunk)[WORD]) for chunk in chunks[at:]]
    assert max(expected) > 0.8
    assert [one for one, _ in both] == pytest.approx([other for _, other in both], abs=0)
    assert [score for (score, _), other in zip(both, expected, strict=True) if other > 0.05] == pytest.approx(
        [other for other in expected if other > 0.05], abs=1e-4
    )


def test_a_new_engine_may_follow_before_it_scores(detector: OpenWakeWord) -> None:
    """What was followed counts as heard: scores begin where they would have begun."""
    chunks = scene(room(2, 10.0), (0.0, spoken("hey jarvis", -30)))
    always, other = OpenWakeWord.load([WORD]), OpenWakeWord.load([WORD])
    expected = [always.score(chunk) for chunk in chunks]
    other.follow(chunks[:4])
    assert [other.score(chunk) for chunk in chunks[4:]] == expected[4:]
    assert max(score[WORD] for score in expected) > 0.5


def test_a_quiet_room_costs_a_fiftieth() -> None:
    """Of what openWakeWord costs as it comes (measured: about a hundredth)."""
    wake_models()
    gated = asleep(FakeDetector())
    engine = on_its_own_features({WORD: models.resolve(WORD)})
    spent = []
    for each in (gated, engine):
        begin = time.thread_time()
        for chunk in QUIET[100:200]:
            each.score(chunk)
        spent.append(time.thread_time() - begin)
    assert spent[0] * 25 < spent[1]
