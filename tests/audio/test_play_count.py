"""The playback thread's bookkeeping, by itself; against a card it is ``test_playback.py``'s."""

from __future__ import annotations

from speakerd.audio.play_count import PlayCount


def wrote(count: PlayCount, content: int, tail: int = 0) -> None:
    """Let content and silence behind it be written."""
    count.wrote(content + tail)
    count.note_content(content, tail)


def test_content_behind_silence_is_heard_after_it() -> None:
    """What is queued is heard from its front."""
    count = PlayCount()
    count.wrote(100)
    count.note_silence(100)
    wrote(count, 50)
    assert count.state(150, 0.0).heard_frames == 0
    assert count.state(50, 0.0).heard_frames == 0
    assert count.state(20, 0.0).heard_frames == 30
    assert count.content_queued


def test_silence_behind_content_is_nobodys() -> None:
    """The tail grows by silence and ends with content."""
    count = PlayCount()
    wrote(count, 50, 10)
    count.wrote(5)
    count.note_silence(5)
    state = count.state(12, 7.0)
    assert (state.content_frames, state.silence_tail_frames, state.heard_frames, state.at_s) == (50, 15, 50, 7.0)
    assert not count.content_queued
    wrote(count, 1)
    assert count.state(0, 0.0).silence_tail_frames == 0


def test_what_was_dropped_was_not_heard() -> None:
    """Only the part of it that was content counts as dropped."""
    count = PlayCount()
    wrote(count, 50, 10)
    count.drop(30)
    state = count.state(0, 0.0)
    assert (state.dropped_frames, state.heard_frames) == (20, 30)
