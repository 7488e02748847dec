"""A folder's sub-folders are its labels, and nothing in it is left out without a word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speakerd.bench.accuracy_clips import find_clips, word_of
from tests.bench.test_accuracy_files import tone, wav

WORDS = ["hey_jarvis", "hey_computer_v0.2"]


@pytest.mark.parametrize(
    ("label", "word"),
    [
        ("hey_jarvis", "hey_jarvis"),
        ("hey jarvis", "hey_jarvis"),
        ("Hey-Jarvis", "hey_jarvis"),
        ("hey_computer", "hey_computer_v0.2"),
        ("hey_computer_v0.2", "hey_computer_v0.2"),
        ("jarvis", None),
        ("hey_jarvis_far", None),
        ("other", None),
        ("alexa", None),
        ("", None),
    ],
)
def test_a_label_names_a_configured_word_however_it_is_spelt(label: str, word: str | None) -> None:
    """Nothing else is taken for one: a positive too many would look like a miss."""
    assert word_of(label, WORDS) == word


def test_clips_are_found_with_their_labels(tmp_path: Path) -> None:
    """In the order of their names, deeper folders included; each is read only when it is wanted."""
    for name in ("hey jarvis/b.wav", "hey jarvis/kitchen/a.WAV", "other/tv/x.flac", "alexa/c.wav"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        wav(path, tone(8000), 8000)
    clips, unread = find_clips(tmp_path, WORDS)
    assert [(clip.name, clip.label, clip.word) for clip in clips] == [
        ("alexa/c.wav", "alexa", None),
        ("hey jarvis/b.wav", "hey jarvis", "hey_jarvis"),
        ("hey jarvis/kitchen/a.WAV", "hey jarvis", "hey_jarvis"),
        ("other/tv/x.flac", "other", None),
    ]
    assert unread == []
    assert len(clips[1].load()) == 8000
    assert np.abs(clips[2].load()).max() > 10_000


def test_what_is_no_clip_is_named(tmp_path: Path) -> None:
    """With the reason; what the system keeps there is not the owner's."""
    (tmp_path / "other").mkdir()
    for name in ("loose.wav", "other/song.mp3", "other/README", ".DS_Store", "other/.hidden.wav"):
        (tmp_path / name).write_bytes(b"")
    clips, unread = find_clips(tmp_path, WORDS)
    assert clips == []
    assert {each.name: each.why for each in unread} == {
        "loose.wav": "it lies in no sub-folder, so it has no label",
        "other/song.mp3": ".mp3 is not understood: WAV or FLAC",
        "other/README": "a name without a suffix is not understood: WAV or FLAC",
    }


def test_a_folder_that_is_not_there_is_no_empty_one(tmp_path: Path) -> None:
    """Whoever mistypes it is told."""
    with pytest.raises(FileNotFoundError):
        find_clips(tmp_path / "nowhere", WORDS)
