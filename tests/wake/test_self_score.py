"""Our own voice in the wake thread: taken out of the microphone, and known as ours where that matters."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakerd.core.own_speech import OwnSpeech, window_chunks
from speakerd.core.pcm import rms_dbfs
from speakerd.core.wake_gate import WakeTrigger
from speakerd.wake.detector import Detector, OpenWakeWord
from speakerd.wake.self_score import SelfScore
from speakerd.wake.shapes import CHUNK_FRAMES, memory_chunks
from tests.fakes.detector import LoudDetector
from tests.fakes.models import wake_models
from tests.fakes.voices import say

MEMORY_CHUNKS = memory_chunks(16)

RATE_HZ = 16_000
CHUNK_S = 0.08
WINDOW_CHUNKS = window_chunks(CHUNK_S)
WORD = "hey_jarvis"
DELAY_FRAMES = RATE_HZ * 6 // 100
ECHO_DBFS = -26.0
Sound = npt.NDArray[np.float64]

WITH_THE_WORD = "Of course. You only need to say hey jarvis whenever you would like me to listen, and then ask."
WITHOUT = (
    "Once upon a time there was a small lighthouse at the end of a long stone pier. "
    "Every evening the keeper climbed the winding stairs and lit the lamp."
)


def chunk(value: int) -> npt.NDArray[np.int16]:
    return np.full(CHUNK_FRAMES, value, np.int16)


def test_sleeps_while_nothing_plays() -> None:
    """Silence is not scored, and the microphone passes untouched."""
    score = SelfScore(LoudDetector())
    near = np.arange(CHUNK_FRAMES, dtype=np.int16)
    for _ in range(60):
        assert score.process(near, chunk(0)) is near
        score.score()
    assert score.chunks == 0
    assert not score.own.playing


def test_what_is_played_is_scored_when_asked_for() -> None:
    """As far back as its echo may come, behind what the networks remember before that; nothing twice."""
    far = LoudDetector()
    score = SelfScore(far)
    for value in range(100):
        score.process(chunk(0), chunk(1 + value))
    assert (score.own.playing, score.own.words, score.chunks) == (True, frozenset(), 0)
    score.score()
    assert score.own.words == {WORD}
    assert [int(piece[0]) for piece in far.followed] == [*range(50, 76)]
    assert [int(piece[0]) for piece in far.heard] == [*range(76, 101)]
    score.process(chunk(0), chunk(7))
    score.score()
    score.score()
    assert [int(piece[0]) for piece in far.heard[25:]] == [7]
    assert score.chunks == WINDOW_CHUNKS + MEMORY_CHUNKS + 1


def test_it_goes_on_until_silence_is_all_that_is_remembered() -> None:
    """A word stays in the networks' memory behind a reply; then there is nothing to look for."""
    score = SelfScore(LoudDetector())
    score.process(chunk(0), chunk(5))
    for _ in range(100):
        score.process(chunk(0), chunk(0))
        score.score()
    assert score.chunks == WINDOW_CHUNKS + MEMORY_CHUNKS
    assert not score.own.playing


class AlwaysScored:
    """What the far end's detector and what follows from it are defined by: every chunk is scored as it is played."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self.own = OwnSpeech()

    def process(self, far: npt.NDArray[np.int16]) -> None:
        self.own.process(CHUNK_S, bool(far.any()))
        self.own.note(self.detector.score(far))


def follow_both(
    far: Detector,
    other_far: Detector,
    near: Iterable[npt.NDArray[np.int16]],
    score: Callable[[npt.NDArray[np.int16]], dict[str, float]],
    played: Iterable[npt.NDArray[np.int16]],
) -> tuple[int, int, int]:
    """Decide with and without scoring everything; return detections, masks and chunks scored."""
    asked, always = SelfScore(far), AlwaysScored(other_far)
    triggers = WakeTrigger(0.5, 2.0), WakeTrigger(0.5, 2.0)
    detections = 0
    for heard, sounding in zip(near, played, strict=True):
        left = asked.process(heard, sounding)
        always.process(sounding)
        scores = score(left)
        if triggers[0].heeds(scores):
            asked.score()
            assert asked.own.words == always.own.words
        assert asked.own.playing is always.own.playing
        one, other = (
            trigger.process(scores, CHUNK_S, each.own.playing, each.own.words)
            for trigger, each in zip(triggers, (asked, always), strict=True)
        )
        assert one == other
        assert triggers[0].rising == triggers[1].rising
        detections += one is not None
    assert [triggers[0].masked, triggers[0].near_misses] == [triggers[1].masked, triggers[1].near_misses]
    return detections, triggers[0].masked, asked.chunks


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from([0, 5, 10, 30, 60, 90]), st.sampled_from([0, 0, 4, 9, 10, 70]), st.integers(1, 30))
    )
)
def test_what_is_decided_is_what_scoring_everything_would_decide(plan: list[tuple[int, int, int]]) -> None:
    """Whatever is heard and played, and when."""
    heard = [near for near, _, chunks in plan for _ in range(chunks)]
    played = [chunk(far) for _, far, chunks in plan for _ in range(chunks)]
    scores = iter(heard)
    near = [chunk(0)] * len(heard)
    follow_both(LoudDetector(), LoudDetector(), near, lambda _left: {WORD: next(scores) / 100}, played)


def test_takes_the_reply_out_of_the_microphone() -> None:
    """After a second the echo is 10 dB weaker at least."""
    far = np.random.default_rng(1).normal(0, 2000, 30 * CHUNK_FRAMES).astype(np.int16)
    near = room(far.astype(float), -12.0)
    score = SelfScore(LoudDetector())
    out = np.concatenate(
        [score.process(near[i : i + CHUNK_FRAMES], far[i : i + CHUNK_FRAMES]) for i in range(0, len(far), CHUNK_FRAMES)]
    )
    assert rms_dbfs(near[RATE_HZ:]) - rms_dbfs(out[RATE_HZ:]) > 10


def room(sound: Sound, gain_db: float) -> npt.NDArray[np.int16]:
    """Return what a living room makes of a sound: late, reverberant, with a little noise."""
    frames = RATE_HZ // 5
    rng = np.random.default_rng(3)
    response = rng.normal(0, 1, frames) * 10 ** (-3 * np.arange(frames) / frames)
    response[0] = 3 * np.abs(response).max()
    response *= 10 ** (gain_db / 20) / np.sqrt((response**2).sum())
    heard = np.zeros(len(sound))
    heard[DELAY_FRAMES:] = np.convolve(sound, response)[: len(sound) - DELAY_FRAMES]
    return np.clip(np.rint(heard + rng.normal(0, 10, len(sound))), -32768, 32767).astype(np.int16)


def at_level(sound: npt.NDArray[np.int16], level_dbfs: float) -> Sound:
    return sound.astype(float) * 10 ** ((level_dbfs - rms_dbfs(sound)) / 20)


@pytest.fixture(scope="module")
def detector() -> OpenWakeWord:
    """The real engine."""
    wake_models()
    return OpenWakeWord.load([WORD])


def converse(
    detector: OpenWakeWord, reply: str, user: Sound | None, echo_gain_db: float, *, masked: bool = True
) -> tuple[int, int]:
    """Play a reply into a room where somebody may speak 4 s later; return how often it woke and was masked."""
    played = np.pad(at_level(say(reply, RATE_HZ), ECHO_DBFS), (RATE_HZ, RATE_HZ))
    near = room(played, echo_gain_db).astype(float)
    if user is not None:
        near[4 * RATE_HZ : 4 * RATE_HZ + len(user)] += user
    near16, far16 = (np.clip(np.rint(end), -32768, 32767).astype(np.int16) for end in (near, played))
    ears, score, trigger = detector.twin(), SelfScore(detector.twin()), WakeTrigger(0.5, 2.0)
    woken = 0
    for i in range(0, len(near16) - CHUNK_FRAMES + 1, CHUNK_FRAMES):
        heard, sounding = near16[i : i + CHUNK_FRAMES], far16[i : i + CHUNK_FRAMES]
        left = score.process(heard, sounding)
        scores = ears.score(left if masked else heard)
        if trigger.heeds(scores):
            score.score()
        own = score.own.words if masked else frozenset[str]()
        woken += trigger.process(scores, 0.08, score.own.playing, own) is not None
    return woken, trigger.masked


@pytest.mark.parametrize("gain_db", [-10.0, 0.0, 10.0])
def test_a_reply_that_contains_the_wake_word_does_not_wake(detector: OpenWakeWord, gain_db: float) -> None:
    """Whatever the echo's level; without mask and canceller it does, so the sentence is a good one."""
    assert converse(detector, WITH_THE_WORD, None, gain_db)[0] == 0
    assert converse(detector, WITH_THE_WORD, None, gain_db, masked=False)[0] == 1


@pytest.mark.parametrize("gain_db", [-10.0, 0.0, 10.0])
def test_somebody_who_says_it_over_another_reply_is_heard(detector: OpenWakeWord, gain_db: float) -> None:
    """From 10 dB louder than the echo to 10 dB quieter."""
    assert converse(detector, WITHOUT, at_level(say("hey jarvis", RATE_HZ), ECHO_DBFS), gain_db) == (1, 0)


def test_without_the_canceller_a_louder_echo_hides_the_word(detector: OpenWakeWord) -> None:
    """What the linear canceller is for."""
    user = at_level(say("hey jarvis", RATE_HZ), ECHO_DBFS)
    assert converse(detector, WITHOUT, user, 10.0, masked=False)[0] == 0


@pytest.mark.parametrize(("late_s", "gain_db"), [(0.0, 10.0), (0.5, -10.0), (1.2, 0.0)])
@pytest.mark.parametrize(("reply", "user_at_s"), [(WITH_THE_WORD, None), (WITH_THE_WORD, 6.2), (WITHOUT, 3.0)])
def test_real_replies_are_decided_as_if_all_of_them_were_scored(
    detector: OpenWakeWord, reply: str, user_at_s: float | None, late_s: float, gain_db: float
) -> None:
    """With the word and without, somebody over it or right behind it, and echoes later than the canceller reaches."""
    played = np.pad(at_level(say(reply, RATE_HZ), ECHO_DBFS), (RATE_HZ // 2, 3 * RATE_HZ))
    near = room(np.pad(played, (int(late_s * RATE_HZ), 0))[: len(played)], gain_db).astype(float)
    if user_at_s is not None:
        user, at = at_level(say("hey jarvis", RATE_HZ), ECHO_DBFS + max(0.0, gain_db)), int(user_at_s * RATE_HZ)
        near[at : at + len(user)] += user[: len(near) - at]
    chunks = [
        np.clip(np.rint(end[: len(end) // CHUNK_FRAMES * CHUNK_FRAMES]), -32768, 32767)
        .astype(np.int16)
        .reshape(-1, CHUNK_FRAMES)
        for end in (near, played)
    ]
    woken, _, scored = follow_both(detector.twin(), detector.twin(), chunks[0], detector.twin().score, chunks[1])
    assert woken <= (user_at_s is not None)
    assert scored < len(chunks[1])


def test_a_twin_hears_for_itself(detector: OpenWakeWord) -> None:
    """Two streams over the same networks do not hear each other, and the second scores as the first would have."""
    said = np.pad(say("hey jarvis", RATE_HZ), (RATE_HZ, RATE_HZ))
    chunks = said[: len(said) // CHUNK_FRAMES * CHUNK_FRAMES].reshape(-1, CHUNK_FRAMES)
    first, second, third = detector.twin(), detector.twin(), detector.twin()
    alone = [first.score(piece)[WORD] for piece in chunks]
    both = [(second.score(piece)[WORD], third.score(np.zeros_like(piece))[WORD]) for piece in chunks]
    assert max(alone) > 0.8
    assert [one for one, _ in both] == alone
    assert max(other for _, other in both) < 0.1


def test_another_engine_knows_what_was_played() -> None:
    """The word that is being played while the engine changes is ours all the same."""
    score = SelfScore(LoudDetector())
    for value in (10, 90, 20):
        score.process(chunk(0), chunk(value))
    score.use(LoudDetector(word="alexa"))
    score.score()
    assert score.own.words == {"alexa"}
