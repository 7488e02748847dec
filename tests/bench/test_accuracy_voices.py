"""Every voice of the machine speaks, the same every time, and what cannot speak says so."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from speakerd.bench.accuracy_clips import NEAR_LABEL
from speakerd.bench.accuracy_files import UnreadableError
from speakerd.bench.accuracy_voices import (
    NEAR_VOICES,
    PARAGRAPH_S,
    SPEECH_LABEL,
    Voice,
    find_voices,
    synthesised,
)
from speakerd.bench.accuracy_words import ENDINGS, NEAR, SPOKEN
from speakerd.core.units import WAKE_RATE_HZ
from tests.bench.test_accuracy_files import program


def hummer(family: str, name: str, *, usual: bool = True) -> Voice:
    """Somebody who hums at 8 kHz as long as the text is."""

    def say(text: str) -> tuple[np.ndarray, int]:
        hum = np.sin(np.arange(80 * len(text))) * 3000
        return np.concatenate([np.zeros(4000), hum, np.zeros(4000)]).astype(np.int16), 8000

    return Voice(family, name, say, usual)


VOICES = [hummer("a", str(number), usual=number % 3 > 0) for number in range(15)] + [hummer("b", "only")]


def test_everybody_says_the_word_in_each_way() -> None:
    """How late a detection is can be said where nothing follows."""
    clips = [clip for clip in synthesised(VOICES, ["hey_jarvis"], 1.0, 1) if clip.word]
    assert len(clips) == len(VOICES) * len(ENDINGS)
    assert {clip.label for clip in clips} == {"hey_jarvis"}
    assert {(clip.name.endswith("Jarvis, what time is it?"), clip.alone) for clip in clips} == {
        (True, False),
        (False, True),
    }


def test_near_words_and_everyday_speech_are_said_at_a_usual_pace() -> None:
    """By several voices each, every family having its part of the speech."""
    clips = [clip for clip in synthesised(VOICES, ["alexa"], 5.0, 1) if clip.word is None]
    near = Counter(clip.name.split(": ", 1)[1] for clip in clips if clip.label == NEAR_LABEL)
    assert near == dict.fromkeys(NEAR["alexa"], NEAR_VOICES)
    speech = [clip for clip in clips if clip.label == SPEECH_LABEL]
    assert len(speech) == round(300 / PARAGRAPH_S)
    families = Counter(clip.name.split()[0] for clip in speech)
    assert abs(families["a"] - families["b"]) <= 1
    slow = {voice.name for voice in VOICES if not voice.usual}
    assert not any(clip.name.split()[0] == "a" and clip.name.split()[1].rstrip(":") in slow for clip in clips)


def test_equal_seeds_make_equal_clips() -> None:
    """Others are said by others."""
    one, again, other = ([clip.name for clip in synthesised(VOICES, ["hey_jarvis"], 2.0, seed)] for seed in (1, 1, 2))
    assert one == again != other


def test_a_clip_is_said_without_the_silence_around_it() -> None:
    """At 16 kHz and as loud as all others."""
    clip = synthesised(VOICES, ["hey_jarvis"], 1.0, 1)[0]
    pcm = clip.load()
    assert len(pcm) == pytest.approx(80 * len(SPOKEN["hey_jarvis"] + ".") * WAKE_RATE_HZ / 8000, abs=200)
    assert np.abs(pcm.astype(int)).max() == pytest.approx(10_000, abs=1)
    assert np.array_equal(pcm, clip.load())


def test_a_program_that_fails_is_told_and_one_that_is_missing_has_no_voices(tmp_path: Path) -> None:
    """Its words, not a traceback."""
    assert find_voices(neural=False, programs=str(tmp_path)) == []
    voices = find_voices(neural=False, programs=program(tmp_path, "flite", "echo no such voice >&2; exit 1"))
    assert {voice.family for voice in voices} == {"flite"}
    with pytest.raises(UnreadableError, match="flite cannot say it: no such voice"):
        voices[0].say("Hello.")
    program(tmp_path, "flite", "exit 0")
    with pytest.raises(UnreadableError, match="wrote nothing"):
        voices[0].say("Hello.")


@pytest.mark.parametrize("family", ["hibari-tts", "flite", "espeak-ng"])
def test_the_voices_of_this_machine_speak(family: str) -> None:
    """Each of a family, and no two alike."""
    voices = [voice for voice in find_voices() if voice.family == family]
    if not voices:
        pytest.skip(f"{family} is not installed here")
    assert len({voice.name for voice in voices}) == len(voices)
    assert {voice.usual for voice in voices} == {True, False}
    said = [clip.load() for clip in synthesised(voices, ["hey_jarvis"], 0.1, 1) if clip.name.endswith("Jarvis.")]
    assert len(said) == len(voices)
    assert all(0.4 < len(pcm) / WAKE_RATE_HZ < 2.5 for pcm in said)
    assert len({pcm.tobytes() for pcm in said}) == len(voices)
