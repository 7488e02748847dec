"""Accuracy is measured with whatever clips there are, and everything that comes of it is written."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from speakerd.bench.accuracy import LIMITS, TOLD_EVERY_S, judged_by, measure
from speakerd.bench.accuracy_find import Wishes
from speakerd.bench.accuracy_voices import find_voices
from speakerd.bench.figures import Verdict
from speakerd.core.errors import WakeError
from speakerd.core.settings import Wake
from tests.bench.test_accuracy_files import wav
from tests.bench.test_accuracy_table import row, trial
from tests.fakes.models import wake_models
from tests.fakes.voices import say


def recordings(folder: Path) -> Path:
    """Two people's clips, one of which cannot be read."""
    for name, text in (
        ("hey jarvis/anna.wav", "hey jarvis"),
        ("hey jarvis/mumbled.wav", "good morning"),
        ("other/radio.wav", "the weather is fine today"),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        wav(path, say(text, 48_000) / 32768, 48_000)
    (folder / "other" / "broken.wav").write_bytes(b"RIFF")
    (folder / "other" / "list.csv").write_text("a,b")
    return folder


def test_an_owners_recordings_are_measured(tmp_path: Path) -> None:
    """With a miss it exits with 0 all the same: no limit is known for them. All files are there and agree."""
    wake_models()
    told: list[str] = []
    out = tmp_path / "out"
    wishes = Wishes(Wake(), folder=recordings(tmp_path / "clips"), snrs_db=(None, 10.0))
    assert measure(out, wishes, told.append)
    data = json.loads((out / "accuracy.json").read_text())
    assert (data["words"], data["threshold"], data["gate"]) == (["hey_jarvis"], 0.5, True)
    clean = data["by_snr"]["clean"]
    assert (clean["positives"], clean["misses"], clean["negatives"], clean["false"]) == (2, 1, 1, 0)
    assert [each["file"] for each in clean["missed"]] == ["hey jarvis/mumbled.wav"]
    assert clean["latency_ms"]["count"] == 1
    assert {each["file"] for each in data["left_out"]} == {"other/list.csv", "other/broken.wav"}
    assert data["figures"] == []
    assert set(data["by_snr"]) == {"clean", "10 dB"}
    ET.fromstring((out / "accuracy.svg").read_text())
    assert (out / "listen" / "missed-001-clean-hey-jarvis-mumbled-wav.wav").exists()
    text = "\n".join(told)
    assert "hey jarvis: 2 clips, the wake word hey_jarvis" in text
    assert "left out: 2 files" in text
    assert "other/broken.wav: it does not begin as a WAV file does" in text
    assert "4 of 4 clips heard" in text
    assert "  clean   " in text.split("missed: ")[1]


def test_synthetic_voices_speak_where_there_are_no_recordings(tmp_path: Path) -> None:
    """They are called what they are, and are judged by limits."""
    wake_models()
    voices = [voice for voice in find_voices() if voice.usual][:1]
    if not voices:
        pytest.skip("nobody here speaks")
    told: list[str] = []
    worked = measure(tmp_path, Wishes(Wake(), snrs_db=(None,), minutes=0.4), told.append, voices=voices)
    data = json.loads((tmp_path / "accuracy.json").read_text())
    clean = data["by_snr"]["clean"]
    assert clean["positives"] == 3
    assert clean["labels"]["speech"]["negatives"] == 1
    assert clean["near"]["clips"] > 20
    assert "They are no people" in "\n".join(told)
    assert worked == all(each["verdict"] != "FAIL" for each in data["figures"])
    assert data["figures"]


def test_without_any_clip_it_says_what_to_do(tmp_path: Path) -> None:
    """And exits with 1: nothing could be measured."""
    wake_models()
    told: list[str] = []
    for number, (folder, words) in enumerate(
        [(tmp_path / "nowhere", "No such file"), (tmp_path, "Put WAV files into sub-folders of it")]
    ):
        assert not measure(tmp_path / "out", Wishes(Wake(), folder=folder), told.append)
        assert words in told[-1], number
    (tmp_path / "hey_jarvis").mkdir()
    (tmp_path / "hey_jarvis" / "a.wav").write_bytes(b"no")
    assert not measure(tmp_path / "out", Wishes(Wake(), folder=tmp_path), told.append)
    assert told[-1] == "nothing could be measured: no clip could be read"
    assert "  hey_jarvis/a.wav: it does not begin as a WAV file does" in told
    assert not measure(tmp_path / "out", Wishes(Wake()), told.append, voices=[])
    assert "install speakerd[local], flite or espeak-ng" in told[-1]


def test_noise_of_the_owner_is_taken_or_missed_aloud(tmp_path: Path) -> None:
    """An empty folder of it is no quiet room."""
    wake_models()
    clips = recordings(tmp_path / "clips")
    noise = tmp_path / "noise"
    noise.mkdir()
    told: list[str] = []
    wishes = Wishes(Wake(), folder=clips, noise=noise, snrs_db=(6.0,))
    assert not measure(tmp_path / "out", wishes, told.append)
    assert "holds no noise" in told[-1]
    hiss = np.random.default_rng(1).standard_normal(8000) * 0.05
    wav(noise / "hiss.wav", hiss, 16_000)
    assert measure(tmp_path / "out", wishes, told.append)
    data = json.loads((tmp_path / "out" / "accuracy.json").read_text())
    assert data["noises"] == ["hiss.wav"]
    assert data["by_snr"]["6 dB"]["missed"][0]["noise"] == "hiss.wav"


def test_a_long_recording_is_told_of_on_the_way(tmp_path: Path) -> None:
    """An hour of television is one clip of some: whoever waits sees that it moves."""
    wake_models()
    told: list[str] = []
    wishes = Wishes(Wake(), folder=recordings(tmp_path / "clips"), snrs_db=(None, 10.0))
    times_s = itertools.count(0.0, TOLD_EVERY_S)
    assert measure(tmp_path / "out", wishes, told.append, now=lambda: next(times_s))
    assert "other/radio.wav: clean heard" in told
    assert "other/radio.wav: 10 dB heard" in told
    told.clear()
    assert measure(tmp_path / "out", wishes, told.append, now=lambda: 0.0)
    assert not any(line.endswith("clean heard") for line in told)


@pytest.mark.parametrize("below", ["bench", "."])
def test_it_may_write_into_the_folder_it_reads(tmp_path: Path, below: str) -> None:
    """Run twice in the recordings themselves it counts the same: the missed words it wrote are no other sounds."""
    wake_models()
    clips = recordings(tmp_path)
    out = clips / below
    for _ in "12":
        assert measure(out, Wishes(Wake(), folder=clips, snrs_db=(None,)), lambda _line: None)
        clean = json.loads((out / "accuracy.json").read_text())["by_snr"]["clean"]
        assert (clean["positives"], clean["misses"], clean["negatives"]) == (2, 1, 1)


def test_a_model_that_is_missing_ends_it_as_it_ends_the_daemon(tmp_path: Path) -> None:
    """With the daemon's own error, which says what to run."""
    with pytest.raises(WakeError, match="no wake word model at"):
        measure(tmp_path, Wishes(Wake(models=("/nowhere/hey_you.onnx",))), lambda _line: None)


def test_limits_are_judged_where_they_are_known() -> None:
    """For the word and the ratios they were taken of, each family by itself; a worse engine fails them."""
    people = [trial(f"flite {number}: Hey Jarvis.", 0.9) for number in range(97)]
    deaf = [trial(f"hibari-tts {number}: Hey Jarvis.", 0.1) for number in range(3)]
    verdicts = {figure.name: figure.verdict for figure in judged_by([row(*people, *deaf)], ["hey_jarvis"], LIMITS)}
    assert verdicts == {
        "clean, all voices: missed": Verdict.PASS,
        "clean, hibari-tts: missed": Verdict.FAIL,
        "clean: false accepts in everyday speech": Verdict.PASS,
        "clean: nine of ten are heard within": Verdict.PASS,
    }
    figures = judged_by([row(trial("tv/b.wav", 0.9, "tv"))], ["hey_jarvis"], LIMITS)
    verdicts = {figure.name: figure.verdict for figure in figures}
    assert verdicts["clean, all voices: missed"] is Verdict.FAIL, "one of three"
    assert verdicts["clean, hibari-tts: missed"] is Verdict.NOT_SHOWN
    assert verdicts["clean: false accepts in everyday speech"] is Verdict.FAIL
    assert judged_by([row()], ["alexa"], LIMITS) == []
