"""What we have just played: for how long it counts, and which words were in it."""

from __future__ import annotations

import pytest

from speakerd.core.own_speech import ECHO_TAIL_S, OWN_SCORE, OWN_WINDOW_S, OwnSpeech, window_chunks

CHUNK_S = 0.08
WORD = "hey_jarvis"


def run(own: OwnSpeech, span_s: float, *, score: float = 0.0, audible: bool = False) -> None:
    """Let so much audio pass."""
    for _ in range(round(span_s / CHUNK_S)):
        own.process(CHUNK_S, audible)
        own.note({WORD: score})


def test_nothing_was_played_at_first() -> None:
    """A new one knows of no sound and no word."""
    own = OwnSpeech()
    assert (own.playing, own.words) == (False, frozenset())


def test_the_tail_of_what_was_played_counts_as_playing() -> None:
    """As long as it may be in the room, and no longer."""
    own = OwnSpeech()
    run(own, 1.0, audible=True)
    assert own.playing
    run(own, ECHO_TAIL_S - CHUNK_S)
    assert own.playing
    run(own, 2 * CHUNK_S)
    assert not own.playing


@pytest.mark.parametrize(("score", "said"), [(OWN_SCORE, True), (OWN_SCORE - 0.01, False)])
def test_a_word_is_ours_from_a_score_on(score: float, said: bool) -> None:
    """A score that may be one is one: the echo of it is heard worse."""
    own = OwnSpeech()
    run(own, CHUNK_S, score=score, audible=True)
    assert (WORD in own.words) is said


def test_a_word_of_ours_is_forgotten_when_its_echo_must_be_over() -> None:
    """Then the same word is somebody's."""
    own = OwnSpeech()
    run(own, CHUNK_S, score=0.9, audible=True)
    run(own, OWN_WINDOW_S - CHUNK_S, audible=True)
    assert own.words == {WORD}
    run(own, CHUNK_S, audible=True)
    assert own.words == frozenset()


def test_what_nobody_scored_changes_no_word() -> None:
    """Without scores time passes all the same."""
    own = OwnSpeech()
    run(own, CHUNK_S, score=0.9, audible=True)
    own.process(OWN_WINDOW_S / 2, audible=True)
    assert own.words == {WORD}
    own.process(OWN_WINDOW_S / 2, audible=True)
    assert own.words == frozenset()


def test_a_word_noted_late_counts_from_when_it_was_said() -> None:
    """As if it had been noted then; what is older than the window is nothing, and an older one hides no newer one."""
    own = OwnSpeech()
    window = window_chunks(CHUNK_S)
    own.note({WORD: 0.9}, window * CHUNK_S)
    assert own.words == frozenset()
    own.note({WORD: 0.9}, (window - 1) * CHUNK_S)
    assert own.words == {WORD}
    own.note({WORD: 0.9}, 5 * CHUNK_S)
    own.note({WORD: 0.9}, 9 * CHUNK_S)
    run(own, (window - 6) * CHUNK_S)
    assert own.words == {WORD}
    run(own, CHUNK_S)
    assert own.words == frozenset()
