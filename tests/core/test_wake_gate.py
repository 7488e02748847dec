"""The trigger: threshold, re-arm, refractory time, stricter while playing, near misses."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.core.wake_gate import QUIET_BELOW, QUIET_S, STRICT_THRESHOLD, Detection, WakeTrigger

CHUNK_S = 0.08
WORD = "hey_jarvis"


def run(trigger: WakeTrigger, scores: list[float], *, playing: bool = False) -> list[int]:
    """Return the indices of the chunks that fired."""
    return [i for i, score in enumerate(scores) if trigger.process({WORD: score}, CHUNK_S, playing)]


def chunks(span_s: float) -> int:
    """Return how many chunks last at least that long."""
    return int(span_s / CHUNK_S) + 1


def test_fires_on_the_first_chunk_at_the_threshold() -> None:
    """The chunk that reaches the threshold fires, at once and with its score."""
    trigger = WakeTrigger(0.5, 2.0)
    assert trigger.process({WORD: 0.49}, CHUNK_S, playing=False) is None
    assert trigger.process({WORD: 0.5}, CHUNK_S, playing=False) == Detection(WORD, 0.5)


def test_the_surest_word_fires() -> None:
    """Of several words over the threshold the surest is the detection."""
    trigger = WakeTrigger(0.5, 2.0)
    scores = {"alexa": 0.6, WORD: 0.9, "hey_mycroft": 0.1}
    assert trigger.process(scores, CHUNK_S, playing=False) == Detection(WORD, 0.9)


def test_no_words_never_fire() -> None:
    """A detector without words makes no detection."""
    assert WakeTrigger(0.5, 2.0).process({}, CHUNK_S, playing=False) is None


def test_one_utterance_that_dips_fires_once() -> None:
    """An utterance whose score dips below the threshold in its middle is one detection."""
    utterance = [0.1, 0.6, 0.9, 0.3, 0.1, 0.8, 0.9, 0.4, 0.15, 0.1, 0.7, 0.2]
    assert run(WakeTrigger(0.5, 0.0), utterance) == [1]


def test_two_utterances_fire_twice() -> None:
    """A second utterance after the refractory time is heard."""
    pause = [0.0] * chunks(2.0)
    assert run(WakeTrigger(0.5, 2.0), [0.9, *pause, 0.9]) == [0, 1 + len(pause)]


def test_a_second_utterance_within_the_refractory_time_is_ignored() -> None:
    """Within the refractory time nothing fires, however sure."""
    assert run(WakeTrigger(0.5, 2.0), [0.9, *[0.0] * 10, 1.0, 1.0, 0.0]) == [0]


def test_the_refractory_time_is_exact_in_audio() -> None:
    """The chunk that ends exactly the refractory time after the detection may fire; the one before it may not."""
    pause = round(2.0 / CHUNK_S) - 1
    assert run(WakeTrigger(0.5, 2.0), [0.9, *[0.0] * pause, 0.9]) == [0, pause + 1]
    assert run(WakeTrigger(0.5, 2.0), [0.9, *[0.0] * (pause - 1), 0.9, 0.0]) == [0]


def test_a_score_that_never_falls_fires_once() -> None:
    """A word stuck at a high score is one detection, long after the refractory time."""
    assert run(WakeTrigger(0.5, 1.0), [0.9] * 200) == [0]


def test_a_low_threshold_does_not_fire_for_ever() -> None:
    """A threshold below the quiet level still needs the score to fall under it before the next detection."""
    assert run(WakeTrigger(0.1, 0.0), [0.15] * 200) == [0]


def test_playing_asks_for_two_chunks_in_a_row() -> None:
    """While the loudspeaker plays a single high chunk is not enough, two in a row are."""
    assert run(WakeTrigger(0.5, 2.0), [0.9, 0.1, 0.9, 0.6, 0.8, 0.8], playing=True) == [5]


def test_playing_keeps_a_threshold_that_is_stricter_already() -> None:
    """While playing the owner's threshold holds where it is above ours."""
    assert run(WakeTrigger(0.9, 2.0), [0.8, 0.8, 0.8, 0.95, 0.95], playing=True) == [4]


def test_two_words_do_not_make_a_streak() -> None:
    """While playing the two chunks must be of the same word."""
    trigger = WakeTrigger(0.5, 2.0)
    assert trigger.process({"alexa": 0.9, WORD: 0.0}, CHUNK_S, playing=True) is None
    assert trigger.process({"alexa": 0.0, WORD: 0.9}, CHUNK_S, playing=True) is None


def test_playback_that_ends_makes_one_chunk_enough() -> None:
    """The first chunk after playback may fire by itself."""
    trigger = WakeTrigger(0.5, 2.0)
    assert trigger.process({WORD: 0.6}, CHUNK_S, playing=True) is None
    assert trigger.process({WORD: 0.6}, CHUNK_S, playing=False) is not None


def test_thresholds_change_live() -> None:
    """A reload sets threshold and refractory time for the next chunk."""
    trigger = WakeTrigger(0.5, 2.0)
    trigger.threshold, trigger.refractory_s = 0.3, 0.0
    assert run(trigger, [0.35, *[0.0] * 7, 0.35]) == [0, 8]


def test_a_near_miss_is_counted_once_when_it_is_over() -> None:
    """A stretch over half the threshold that dies away without firing is one near miss."""
    trigger = WakeTrigger(0.5, 2.0)
    run(trigger, [0.3, 0.45, 0.26])
    assert trigger.near_misses == 0
    run(trigger, [0.1, 0.1, 0.3, 0.0])
    assert trigger.near_misses == 2


def test_a_detection_is_no_near_miss() -> None:
    """Neither the rise to a detection nor its tail counts as a near miss."""
    trigger = WakeTrigger(0.5, 2.0)
    run(trigger, [0.3, 0.9, 0.4, 0.3, *[0.0] * chunks(2.5)])
    assert trigger.near_misses == 0


def test_too_weak_for_playback_is_a_near_miss() -> None:
    """What would have fired in silence but not during playback is a near miss."""
    trigger = WakeTrigger(0.5, 2.0)
    run(trigger, [0.6, 0.6, 0.0], playing=True)
    assert trigger.near_misses == 1


@dataclass(frozen=True)
class Chunk:
    """One step of a story."""

    score: float
    playing: bool


scores = st.one_of(st.just(0.0), st.floats(0.0, 1.0))
stories = st.lists(st.builds(Chunk, scores, st.booleans()), max_size=120)
thresholds = st.floats(0.05, 1.0)
refractory = st.floats(0.0, 4.0)


def fired(trigger: WakeTrigger, story: list[Chunk]) -> list[int]:
    """Return the indices of the chunks that fired."""
    return [i for i, chunk in enumerate(story) if trigger.process({WORD: chunk.score}, CHUNK_S, chunk.playing)]


@given(stories, thresholds, refractory)
def test_what_fires_was_high_enough(story: list[Chunk], threshold: float, refractory_s: float) -> None:
    """A detection's chunk reaches the threshold; during playback it and the one before reach the strict one."""
    for i in fired(WakeTrigger(threshold, refractory_s), story):
        assert story[i].score >= threshold
        if story[i].playing:
            assert i >= 1
            assert min(story[i - 1].score, story[i].score) >= max(threshold, STRICT_THRESHOLD)


@given(stories, thresholds, refractory)
def test_between_two_detections_there_is_time_and_quiet(
    story: list[Chunk], threshold: float, refractory_s: float
) -> None:
    """Two detections are the refractory time apart, with half a second of quiet between them."""
    hits = fired(WakeTrigger(threshold, refractory_s), story)
    for first, second in itertools.pairwise(hits):
        assert (second - first) * CHUNK_S >= refractory_s - 1e-5
        longest = streak = 0
        for chunk in story[first + 1 : second]:
            streak = streak + 1 if chunk.score < QUIET_BELOW else 0
            longest = max(longest, streak)
        assert longest * CHUNK_S >= QUIET_S - 1e-5


@given(stories, thresholds, refractory)
def test_the_first_word_in_silence_always_fires(story: list[Chunk], threshold: float, refractory_s: float) -> None:
    """The first chunk at the threshold outside playback fires, unless playback's rule fired before."""
    first = next((i for i, c in enumerate(story) if c.score >= threshold and not c.playing), None)
    hits = fired(WakeTrigger(threshold, refractory_s), story)
    assert first is None or (hits and hits[0] <= first)


@given(stories, thresholds, refractory, st.booleans())
def test_it_never_goes_deaf(story: list[Chunk], threshold: float, refractory_s: float, playing: bool) -> None:
    """After any history, a quiet spell makes the next utterance heard, played over or not."""
    trigger = WakeTrigger(threshold, refractory_s)
    fired(trigger, story)
    run(trigger, [0.0] * chunks(max(refractory_s, QUIET_S) + CHUNK_S), playing=playing)
    assert run(trigger, [1.0, 1.0], playing=playing) == [1 if playing else 0]


@pytest.mark.parametrize("playing", [False, True])
@given(story=stories, threshold=thresholds)
def test_near_misses_need_a_reason(story: list[Chunk], threshold: float, playing: bool) -> None:
    """Without a score of half the threshold there is neither near miss nor detection."""
    trigger = WakeTrigger(threshold, 2.0)
    quiet = [Chunk(min(chunk.score, 0.49 * threshold), playing) for chunk in story]
    assert fired(trigger, quiet) == []
    assert trigger.near_misses == 0


def test_a_word_of_our_own_is_not_somebodys() -> None:
    """What is in the reply does not fire, is counted once, and leaves the trigger armed for a person."""
    trigger = WakeTrigger(0.5, 2.0)
    for score in (0.1, 0.8, 0.9, 0.9, 0.3):
        assert trigger.process({WORD: score}, CHUNK_S, True, frozenset({WORD})) is None
    assert (trigger.masked, trigger.near_misses) == (1, 0)
    assert run(trigger, [0.1, 0.9, 0.9], playing=True) == [2]


def test_our_own_word_masks_no_other() -> None:
    """A second wake word is heard over a reply that contains the first."""
    trigger = WakeTrigger(0.5, 2.0)
    scores = {WORD: 0.95, "alexa": 0.9}
    assert trigger.process(scores, CHUNK_S, True, {WORD}) is None
    assert trigger.process(scores, CHUNK_S, True, {WORD}) == Detection("alexa", 0.9)


def test_own_words_that_never_reached_the_threshold_are_not_counted() -> None:
    """A canceller that took it out leaves nothing to mask; each later stretch that needs it counts."""
    trigger = WakeTrigger(0.5, 2.0)
    for score in (0.1, 0.4, 0.1, 0.7, 0.1, 0.7):
        trigger.process({WORD: score}, CHUNK_S, True, {WORD, "alexa"})
    assert trigger.masked == 2


class TestRising:
    def test_it_is_told_once_a_stretch(self):
        """The first chunk that may lead to a detection is told, the next are not; after a lull it is told again."""
        trigger = WakeTrigger(0.5, 2.0)
        told = []
        for score in (0.0, 0.15, 0.3, 0.05, 0.2):
            trigger.process({"word": score}, 0.08, False)
            told.append(trigger.rising)
        assert told == [None, 0.15, None, None, 0.2]

    def test_not_while_playing(self):
        """A reply that sounds a little like the word is no reason to connect."""
        trigger = WakeTrigger(0.5, 2.0)
        trigger.process({"word": 0.3}, 0.08, True)
        assert trigger.rising is None

    def test_not_while_disarmed(self):
        """The end of an utterance that was detected does not lead to another."""
        trigger = WakeTrigger(0.5, 2.0)
        trigger.process({"word": 0.9}, 0.08, False)
        trigger.process({"word": 0.0}, 0.08, False)
        trigger.process({"word": 0.3}, 0.08, False)
        assert trigger.rising is None


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.booleans()), max_size=60),
    st.sampled_from([0.1, 0.35, 0.5, 0.9, 1.0]),
)
def test_whose_word_it_is_matters_only_where_the_scores_are_heeded(
    heard: list[tuple[float, bool, bool]], threshold: float
) -> None:
    """A trigger that is told only then decides, counts and expects the same."""
    told, asked = WakeTrigger(threshold, 0.0), WakeTrigger(threshold, 0.0)
    for score, playing, is_own in heard:
        scores, own = {WORD: score}, {WORD} if is_own else set()
        one = told.process(scores, CHUNK_S, playing, own)
        other = asked.process(scores, CHUNK_S, playing, own if asked.heeds(scores) else ())
        assert one == other
        assert (told.rising, told.near_misses, told.masked) == (asked.rising, asked.near_misses, asked.masked)
    assert not asked.heeds({})


def test_behind_an_absence_it_is_armed_and_nothing_goes_on() -> None:
    """Neither the refractory time, nor a streak while playing, nor a near miss, which is over."""
    trigger = WakeTrigger(0.5, 60.0)
    run(trigger, [0.9])
    trigger.renew()
    assert run(trigger, [0.0, 0.6]) == [1]
    trigger = WakeTrigger(0.5, 2.0)
    run(trigger, [0.9], playing=True)
    trigger.renew()
    assert trigger.near_misses == 1
    assert run(trigger, [0.9, 0.9], playing=True) == [1]


def test_what_was_lost_is_refractory_time_and_breaks_a_streak() -> None:
    """It was no silence that anybody heard: the score must have fallen all the same."""
    trigger = WakeTrigger(0.5, 2.0)
    run(trigger, [0.9, *[0.0] * 7])
    trigger.pass_over(2.0)
    assert run(trigger, [0.9]) == [0]
    trigger.pass_over(60.0)
    assert run(trigger, [0.9, 0.9]) == []
    trigger = WakeTrigger(0.5, 2.0)
    run(trigger, [0.9], playing=True)
    trigger.pass_over(0.08)
    assert run(trigger, [0.9, 0.9], playing=True) == [1]
