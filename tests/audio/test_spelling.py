"""A code is said so that it can be written down: where to enter it, then each character, twice."""

from __future__ import annotations

import difflib
import random
import re
import string
import tomllib
import wave
from pathlib import Path

import numpy as np
import pytest

from speakerd.audio.notices import FOLDER, read_sentence
from speakerd.audio.spelling import NAME, PAUSE_S, TIMES, SpelledCode, names_of, spoken
from speakerd.core.actions import Earcon

MICROSOFT = "https://microsoft.com/devicelogin"
CHARACTERS = string.ascii_uppercase + string.digits
RATE_HZ = 1000
NUMBERS = {"zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7"}


def sounds_of(*names: str):
    """A sound of 100 frames for each name, of a level that tells which it is."""
    return {name: (np.full(100, level + 1, np.int16), 24_000) for level, name in enumerate(names)}


def levels(pcm):
    """What is heard, in order, without the silence."""
    changes = np.flatnonzero(np.diff(pcm, prepend=0))
    return [int(pcm[at]) for at in changes if pcm[at]]


def write(folder, names, rate_hz=RATE_HZ):
    for name in names:
        path = folder / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate_hz)
            file.writeframes(np.full(100, 1000, "<i2").tobytes())


class Speaker:
    """Notes what is played."""

    def __init__(self, *folders, language="en"):
        self.played = []
        self.chimes = []
        self.code = SpelledCode(
            play=lambda pcm, name: self.played.append((name, pcm)),
            chime=self.chimes.append,
            language=language,
            folders=folders or (FOLDER,),
        )


@pytest.mark.parametrize("character", CHARACTERS)
def test_every_character_ships(character):
    """Each is there, audible, short, and its text is known to translators."""
    name = f"spell-{character.lower()}"
    pcm = read_sentence(FOLDER / "en" / f"{name}.wav")
    assert 0.2 < len(pcm) / 24_000 < 1.2
    assert 5_000 < np.max(np.abs(pcm.astype(int))) < 20_000
    assert tomllib.loads((FOLDER / "en" / "texts.toml").read_text())[name]


@pytest.mark.parametrize("name", ["login-microsoft", "login-device", "login-other", "login-code"])
def test_every_sentence_ships(name):
    """Each is there, audible, short, and its text is known to translators."""
    pcm = read_sentence(FOLDER / "en" / f"{name}.wav")
    assert 0.5 < len(pcm) / 24_000 < 4.0
    assert 5_000 < np.max(np.abs(pcm.astype(int))) < 20_000
    assert tomllib.loads((FOLDER / "en" / "texts.toml").read_text())[name]


def test_what_ships_for_a_sign_in_is_small():
    """It goes with every installation."""
    files = [path for kind in ("spell", "login") for path in FOLDER.glob(f"en/{kind}-*.wav")]
    assert sum(path.stat().st_size for path in files) < 600_000


def test_the_code_is_said_twice_behind_the_address():
    """The address once, then the code, character by character, and once more."""
    sounds = sounds_of("login-microsoft", "login-code", "spell-a", "spell-7")
    assert levels(spoken(MICROSOFT, "A77", sounds)) == [1, 2, 3, 4, 4, 2, 3, 4, 4]


def test_between_characters_is_time_to_write():
    """Each has its pause, a dash is a longer one."""
    sounds = sounds_of("login-microsoft", "login-code", "spell-a")
    alone, two, dashed = (len(spoken(MICROSOFT, code, sounds)) for code in ("A", "AA", "A-A"))
    assert two - alone == TIMES * (100 + round(PAUSE_S * 24_000))
    assert dashed - two == TIMES * 24_000


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        (MICROSOFT, "login-microsoft"),
        ("https://www.microsoft.com/devicelogin", "login-microsoft"),
        ("https://Microsoft.com/DeviceLogin/", "login-microsoft"),
        ("https://login.microsoft.com/device", "login-device"),
        ("https://microsoft.com.example.org/devicelogin", "login-other"),
        ("https://localhost:4443/device", "login-other"),
        ("microsoft.com/devicelogin", "login-other"),
    ],
)
def test_only_an_address_that_can_be_said_is_said(uri, sentence):
    """Whoever hears another one is sent to the terminal that shows it."""
    assert names_of(uri, "b-2_") == {sentence, "login-code", "spell-b", "spell-2"}


def test_what_ships_can_say_a_code():
    """It lasts as long as two people need to write it down."""
    speaker = Speaker()
    speaker.code.say(MICROSOFT, "GTHM6NKXT")
    ((name, pcm),) = speaker.played
    assert name == NAME
    assert pcm.dtype == np.int16
    assert 15 < len(pcm) / 24_000 < 30
    assert speaker.chimes == []


def test_another_language_is_used_whole(tmp_path):
    """Every file of it is there, at whatever rate."""
    names = ["login-microsoft", "spell-a"]
    write(tmp_path / "de", [*names, "login-code"])
    speaker = Speaker(tmp_path, FOLDER, language="de")
    speaker.code.say(MICROSOFT, "A")
    ((_, pcm),) = speaker.played
    seconds = (1 + 2 * TIMES) * 0.1 + PAUSE_S + TIMES * (2 * PAUSE_S + 1.0)
    assert len(pcm) / 24_000 == pytest.approx(seconds, abs=0.01)


def test_a_language_with_a_hole_is_not_mixed(tmp_path):
    """Where one character is missing, all of it is said in English."""
    write(tmp_path / "de", ["login-microsoft", "login-code", "spell-a"])
    speaker, english = Speaker(tmp_path, FOLDER, language="de"), Speaker()
    speaker.code.say(MICROSOFT, "AB")
    english.code.say(MICROSOFT, "AB")
    assert np.array_equal(speaker.played[0][1], english.played[0][1])


def test_the_owners_own_voice_comes_first(tmp_path):
    """Each file of theirs stands for the one that ships, whatever rate it has."""
    write(tmp_path / "en", ["spell-a"], rate_hz=8_000)
    own, shipped = Speaker(tmp_path, FOLDER), Speaker()
    own.code.say(MICROSOFT, "A")
    shipped.code.say(MICROSOFT, "A")
    a = read_sentence(FOLDER / "en" / "spell-a.wav")
    assert len(shipped.played[0][1]) - len(own.played[0][1]) == pytest.approx(TIMES * (len(a) - 300), abs=10)


def test_without_files_there_is_a_chime(tmp_path):
    """Half a code would be worse than none."""
    write(tmp_path / "en", ["login-microsoft", "login-code", "spell-a"])
    speaker = Speaker(tmp_path)
    speaker.code.say(MICROSOFT, "AB")
    assert (speaker.played, speaker.chimes) == ([], [Earcon.ERROR])


def test_a_file_that_cannot_be_played_is_told(tmp_path, caplog):
    """The journal names it, and not the code."""
    write(tmp_path / "en", ["login-microsoft", "login-code", "spell-a"])
    (tmp_path / "en" / "spell-b.wav").write_bytes(b"RIFF")
    speaker = Speaker(tmp_path)
    speaker.code.say(MICROSOFT, "AB")
    assert speaker.chimes == [Earcon.ERROR]
    assert "spell-b.wav cannot be played" in caplog.text


def test_machines_understand_the_characters():
    """Nine of ten at the least, over codes in which each of the 36 comes equally often."""
    ears = pytest.importorskip("speakerd.embedded.ears")
    pytest.importorskip("ctranslate2", reason="nobody here hears")
    whisper = ears.WhisperEars()
    chance = random.Random(5)
    characters = [*CHARACTERS] * 2
    chance.shuffle(characters)
    codes = ["".join(characters[at : at + 9]) for at in range(0, len(characters), 9)]
    right = sum(matching(code, whisper.hear(spelled(code).tobytes()).text) for code in codes)
    assert right >= 0.9 * len(characters)


def spelled(code: str):
    gap = np.zeros(round(PAUSE_S * 24_000), np.int16)
    sounds = [read_sentence(Path(FOLDER, "en", f"spell-{character.lower()}.wav")) for character in code]
    return np.concatenate([part for sound in sounds for part in (sound, gap)])


def matching(code: str, heard: str) -> int:
    for word, digit in {**NUMBERS, "eight": "8", "nine": "9"}.items():
        heard = re.sub(word, digit, heard, flags=re.IGNORECASE)
    letters = re.sub("[^A-Z0-9]", "", heard.upper())
    return sum(block.size for block in difflib.SequenceMatcher(None, code, letters).get_matching_blocks())


def test_another_language_is_spoken_at_once(tmp_path):
    """Files of the new one, no longer those of the old one."""
    for language, rate_hz in (("de", 12_000), ("fr", 6_000)):
        write(tmp_path / language, names_of(MICROSOFT, "A1"), rate_hz)
    speaker = Speaker(tmp_path, language="de")
    speaker.code.say(MICROSOFT, "A1")
    speaker.code.use("fr")
    speaker.code.say(MICROSOFT, "A1")
    german, french = (np.count_nonzero(pcm) for _, pcm in speaker.played)
    assert french == pytest.approx(2 * german, rel=0.2), "the same frames at half the rate"
