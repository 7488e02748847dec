"""A folder's sub-folders are its labels, and nothing in it is left out without a word."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from speakerd.bench.accuracy_clips import find_clips, word_of
from tests.bench.test_accuracy_files import tone, wav
from tests.fakes.other_user import without_rights

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
    for name in ("loose.wav", "other/song.mid", "other/README", ".DS_Store", "other/.hidden.wav"):
        (tmp_path / name).write_bytes(b"")
    clips, unread = find_clips(tmp_path, WORDS)
    assert clips == []
    assert {each.name: each.why for each in unread} == {
        "loose.wav": "it lies in no sub-folder, so it has no label",
        "other/song.mid": ".mid is not understood: WAV, FLAC, MP3, M4A, AAC, OGG, OPUS or WEBM",
        "other/README": "a name without a suffix is not understood: WAV, FLAC, MP3, M4A, AAC, OGG, OPUS or WEBM",
    }


def test_a_folder_that_is_not_there_is_no_empty_one(tmp_path: Path) -> None:
    """Whoever mistypes it is told."""
    with pytest.raises(FileNotFoundError):
        find_clips(tmp_path / "nowhere", WORDS)


@pytest.mark.parametrize(
    ("label", "word"),
    [("小爱同学", "小爱同学"), ("其他", None), ("hej_åsa", "hej_åsa"), ("Hej Åsa", "hej_åsa"), ("hej asa", None)],
)
def test_a_label_is_read_in_any_script(label: str, word: str | None) -> None:
    """Letters that no other alphabet has are letters: a folder of other sounds was taken for the wake word."""
    assert word_of(label, ["小爱同学", "hej_åsa"]) == word
    assert word_of(unicodedata.normalize("NFD", label), ["小爱同学", "hej_åsa"]) == word, "as a Mac writes it"
    assert word_of("--", ["___"]) is None


def test_folders_that_are_links_are_looked_into_once(tmp_path: Path) -> None:
    """Recordings often lie on another disk; a link into the folder itself is no way without end."""
    clips, disk = tmp_path / "clips", tmp_path / "disk"
    for folder in (clips, disk / "deep"):
        folder.mkdir(parents=True)
    wav(disk / "deep" / "a.wav", tone(8000), 8000)
    (clips / "other").symlink_to(disk)
    (disk / "again").symlink_to(disk)
    (clips / "gone.wav").symlink_to("nowhere")
    found, unread = find_clips(clips, WORDS)
    assert [(clip.name, clip.label) for clip in found] == [("other/deep/a.wav", "other")]
    assert [(each.name, each.why) for each in unread] == [("gone.wav", "the link leads nowhere")]


def test_a_folder_that_cannot_be_looked_into_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its recordings are not silently left out."""
    tmp_path.chmod(0o755)
    (tmp_path / "other").mkdir()
    (tmp_path / "other").chmod(0o000)
    try:
        monkeypatch.chdir(tmp_path)  # whoever runs the tests may have closed the folders above
        with without_rights():
            _, unread = find_clips(Path(), WORDS)
    finally:
        (tmp_path / "other").chmod(0o700)
    assert [(each.name, each.why) for each in unread] == [("other", "Permission denied")]


def test_a_name_of_another_time_is_shown_as_well_as_it_can_be(tmp_path: Path) -> None:
    """An old disk's names are no UTF-8: the recording is read, and its name can be printed."""
    (tmp_path / "other").mkdir()
    wav(tmp_path / "other" / "a.wav", tone(8000), 8000)
    (tmp_path / "other" / "a.wav").rename(os.fsdecode(os.fsencode(tmp_path) + b"/other/caf\xe9.wav"))
    ((clip,), _) = find_clips(tmp_path, WORDS)
    assert clip.name == "other/caf\N{REPLACEMENT CHARACTER}.wav"
    assert clip.name.encode()
    assert len(clip.load()) == 8000


def test_what_we_wrote_and_the_noise_are_no_clips(tmp_path: Path) -> None:
    """Run in the folder itself, the missed wake words of the last time would be other sounds of this one."""
    for name in ("other/a.wav", "bench/listen/missed-001.wav", "noise/fan.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        wav(tmp_path / name, tone(8000), 8000)
    (tmp_path / "link").symlink_to(tmp_path / "noise")
    clips, unread = find_clips(tmp_path, WORDS, without=[tmp_path / "bench", tmp_path / "noise", tmp_path / "nowhere"])
    assert ([clip.name for clip in clips], unread) == (["other/a.wav"], [])
