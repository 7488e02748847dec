"""The sentences that ship can be played, the owner's come first, and nobody is woken at night."""

from __future__ import annotations

import tomllib
import wave

import numpy as np
import pytest

from speakerd.audio.notices import FOLDER, SpokenNotices, read_sentence
from speakerd.core.actions import Earcon
from speakerd.core.notices import Notice


def write(path, frames, *, rate_hz=24_000, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.full(frames * channels, 1000, "<i2").tobytes())


class Speaker:
    """Notes what is played."""

    def __init__(self, *folders, language="en", hour=12):
        self.played = []
        self.chimes = []
        self.notices = SpokenNotices(
            play=lambda pcm, name: self.played.append((name, len(pcm))),
            chime=self.chimes.append,
            language=language,
            hour=lambda: hour,
            folders=folders or (FOLDER,),
        )


@pytest.mark.parametrize("notice", Notice)
def test_every_sentence_ships(notice):
    """Each is there in English, audible, short, and its text is known to translators."""
    pcm = read_sentence(FOLDER / "en" / f"{notice.value}.wav")
    assert 0.5 < len(pcm) / 24_000 < 4.0
    assert 5_000 < np.max(np.abs(pcm.astype(int))) < 20_000
    assert tomllib.loads((FOLDER / "en" / "texts.toml").read_text())[notice.value]


def test_it_is_played_by_its_name():
    """What is asked for is played."""
    speaker = Speaker()
    speaker.notices.say(Notice.MUTED, asked=True)
    assert [name for name, _ in speaker.played] == ["muted"]


def test_the_owners_own_comes_first(tmp_path):
    """Another language, or another voice, is a file in the owner's folder; its rate is the owner's choice."""
    write(tmp_path / "de" / "muted.wav", 8_000, rate_hz=16_000)
    speaker = Speaker(tmp_path, FOLDER, language="de")
    speaker.notices.say(Notice.MUTED, asked=True)
    assert speaker.played == [("muted", 12_000)]


def test_english_where_a_language_is_missing(tmp_path):
    """It is better to be told in English than not at all."""
    speaker = Speaker(tmp_path, FOLDER, language="de")
    speaker.notices.say(Notice.OFFLINE, asked=True)
    assert [name for name, _ in speaker.played] == ["offline"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: write(path, 10, channels=2),
        lambda path: write(path, 24_000 * 11),
        lambda path: path.write_bytes(b"RIFF"),
        lambda path: path.mkdir(),
    ],
)
def test_a_file_that_cannot_be_played_is_told_and_passed_over(tmp_path, spoil, caplog):
    """The journal says what is needed; the user hears the sound that stands for it."""
    (tmp_path / "en").mkdir()
    spoil(tmp_path / "en" / "muted.wav")
    speaker = Speaker(tmp_path)
    speaker.notices.say(Notice.MUTED, asked=True)
    speaker.notices.say(Notice.MUTED, asked=True)
    assert (speaker.played, speaker.chimes) == ([], [Earcon.ERROR, Earcon.ERROR])
    assert len(caplog.records) == 1
    assert "mono WAV file" in caplog.text


@pytest.mark.parametrize(("hour", "said"), [(6, 0), (7, 1), (21, 1), (22, 0)])
def test_nobody_is_woken(hour, said):
    """At night only who asked is told."""
    speaker = Speaker(hour=hour)
    speaker.notices.say(Notice.NO_MICROPHONE, asked=False)
    assert len(speaker.played) == said
    speaker.notices.say(Notice.NO_MICROPHONE, asked=True)
    assert len(speaker.played) == said + 1


def test_another_language_and_other_files_are_used_at_once(tmp_path):
    """What was read before is not what is there now."""
    speaker = Speaker(tmp_path, FOLDER)
    speaker.notices.say(Notice.MUTED, asked=True)
    write(tmp_path / "de" / "muted.wav", 24_000)
    speaker.notices.use("de")
    speaker.notices.say(Notice.MUTED, asked=True)
    write(tmp_path / "de" / "muted.wav", 12_000)
    speaker.notices.use("de")
    speaker.notices.say(Notice.MUTED, asked=True)
    assert [frames for _, frames in speaker.played[1:]] == [24_000, 12_000]
