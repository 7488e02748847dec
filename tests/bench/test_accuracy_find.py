"""What there is to measure with is told before it is measured."""

from __future__ import annotations

from speakerd.bench.accuracy_clips import Clip, Unread
from speakerd.bench.accuracy_find import Wishes, find, tell_clips, tell_unread
from speakerd.core.settings import Wake
from tests.bench.test_accuracy_voices import VOICES


def clip(label: str, word: str | None) -> Clip:
    return Clip(f"{label}/a.wav", label, word, lambda: None)


def test_every_label_is_told_with_what_it_is_taken_for() -> None:
    """A mistyped folder would be a negative."""
    told: list[str] = []
    tell_clips([clip("hey_jarvis", "hey_jarvis"), clip("hey_jervis", None), clip("hey_jervis", None)], told.append)
    assert told == ["hey_jarvis: 1 clips, the wake word hey_jarvis", "hey_jervis: 2 clips, no wake word"]


def test_what_cannot_be_counted_is_told() -> None:
    """Either half may be missing."""
    told: list[str] = []
    tell_clips([clip("tv", None)], told.append)
    assert told[-1] == "no sub-folder is named as a wake word: misses cannot be counted"
    tell_clips([clip("alexa", "alexa")], told.append)
    assert told[-1] == "there is no sub-folder with anything else: false accepts cannot be counted"


def test_files_that_were_left_out_are_counted_and_named() -> None:
    """None of them silently."""
    told: list[str] = []
    tell_unread([], told.append)
    assert told == []
    tell_unread([Unread("a.mp3", "why"), Unread("b", "because")], told.append)
    assert told == ["left out: 2 files", "  a.mp3: why", "  b: because"]


def test_a_word_of_ones_own_is_not_made_up() -> None:
    """How it is spoken is not known; what ships beside it is said."""
    told: list[str] = []
    found = find(Wishes(Wake(), minutes=0.5), ["hey_computer", "alexa"], told.append, VOICES)
    assert found is not None
    assert {each.word for each in found.clips} == {"alexa", None}
    assert "hey_computer is not synthesised" in told[0]
    assert find(Wishes(Wake()), ["hey_computer"], told.append, VOICES) is None
    assert "no word to say; with recordings of your own: speakerd bench accuracy DIR" in told[-1]
