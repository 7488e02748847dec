"""Clips are heard by the daemon's own engine and gate, each in a room of its own, the same every time."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from speakerd.bench.accuracy_clips import Clip
from speakerd.bench.accuracy_count import CHUNK_S, judge
from speakerd.bench.accuracy_files import UnreadableError
from speakerd.bench.accuracy_listen import Keeper, Listener
from speakerd.bench.accuracy_mix import LEAD_S, TAIL_S
from speakerd.bench.accuracy_noise import Bed, made, pink
from speakerd.core.errors import WakeError
from speakerd.core.units import WAKE_RATE_HZ
from speakerd.wake import noise
from speakerd.wake.engine import make
from speakerd.wake.models import features, resolve
from tests.fakes.models import wake_models
from tests.fakes.voices import say

BEDS = made(1)
FLOOR = Bed("quiet", pink(np.random.default_rng(2)))


@pytest.fixture(scope="module")
def listener() -> Listener:
    wake_models()
    return Listener(make({"hey_jarvis": resolve("hey_jarvis")}, features()), True, False, BEDS, FLOOR, 1)


def clip(name: str = "a.wav", text: str = "hey jarvis", word: str | None = "hey_jarvis", *, alone: bool = True) -> Clip:
    return Clip(name, word or "other", word, lambda: say(text), alone)


def test_a_wake_word_is_heard_soon_after_its_end(listener: Listener) -> None:
    """With the gate, out of a quiet room."""
    (heard,) = listener.hear(clip(), [None])
    judged = judge(heard.trial, 0.5, 2.0)
    assert judged.hit is not None
    assert judged.late_s is not None
    assert -0.5 < judged.late_s < 0.6
    assert heard.trial.noise == "quiet"
    assert heard.trial.clip_s == pytest.approx(len(say("hey jarvis")) / WAKE_RATE_HZ)
    room_s = len(heard.trial.scores) * CHUNK_S
    assert room_s == pytest.approx(LEAD_S + TAIL_S + heard.trial.clip_s, abs=2 * CHUNK_S)


def test_the_gate_changes_no_score_that_matters(listener: Listener) -> None:
    """Asleep it answers 0; awake what an engine says that never slept."""
    awake = Listener(listener.detector, False, False, BEDS, FLOOR, 1)
    for snr_db in (None, 10.0):
        (slept,) = listener.hear(clip(), [snr_db])
        (never,) = awake.hear(clip(), [snr_db])
        open_chunks = slept.trial.scores > 0
        assert open_chunks.any()
        assert not (never.trial.scores[~open_chunks] > 0.2).any()
        assert np.abs(slept.trial.scores - never.trial.scores)[open_chunks].max() < 1e-3


def test_noise_is_taken_out_where_the_owner_wants_that(listener: Listener) -> None:
    """Out of what the engine hears: it hears another sound, later by its delay, and the word; the gate the room."""
    try:
        noise.require_library()
    except WakeError as error:
        pytest.skip(str(error))
    quieter = Listener(listener.detector, True, True, BEDS, FLOOR, 1)
    (heard,) = quieter.hear(clip(), [10.0])
    (plain,) = listener.hear(clip(), [10.0])
    assert judge(heard.trial, 0.5, 2.0).hit is not None
    assert np.abs(heard.trial.scores - plain.trial.scores).max() > 0.01
    assert ((heard.trial.scores > 0) == (plain.trial.scores > 0)).all()


def test_other_words_are_other_words(listener: Listener) -> None:
    """And nobody can say how late they are."""
    (heard,) = listener.hear(clip(text="the weather is fine today", word=None), [None])
    assert judge(heard.trial, 0.5, 2.0).false == ()
    assert heard.trial.end_s is None
    (heard,) = listener.hear(clip(text="hey jarvis, what time is it", alone=False), [None])
    assert heard.trial.end_s is None


def test_a_clip_has_the_same_noise_at_every_ratio_and_in_every_run(listener: Listener) -> None:
    """Another clip or another seed has another; so ratios can be compared, and runs."""
    three = list(listener.scenes(clip(), [10.0, 0.0, None]))
    assert len({(scene.bed.name, scene.bed_frames, scene.lead_frames) for scene in three[:2]}) == 1
    assert [scene.snr_db for scene in three] == [10.0, 0.0, None]
    assert three[2].bed is FLOOR
    assert list(listener.scenes(clip(), [10.0])) == three[:1]
    other = Listener(listener.detector, True, False, BEDS, FLOOR, 2)
    places = {(scene.bed.name, scene.bed_frames) for each in (listener, other) for scene in each.scenes(clip(), [0.0])}
    places |= {(scene.bed.name, scene.bed_frames) for scene in listener.scenes(clip("b.wav"), [0.0])}
    assert len(places) == 3


def test_what_went_wrong_can_be_listened_to(listener: Listener, tmp_path: Path) -> None:
    """A missed clip whole, a false accept with what was before it; what an earlier run left is gone, and only that."""
    (tmp_path / "missed-001-old.wav").write_bytes(b"old")
    (tmp_path / "missed-mine.wav").write_bytes(b"the owner's")
    keeper = Keeper(tmp_path)
    (right,) = listener.hear(clip(), [10.0])
    keeper.keep(judge(right.trial, 0.5, 2.0), right)
    assert [path.name for path in tmp_path.iterdir()] == ["missed-mine.wav"]
    (missed,) = listener.hear(clip("hey_jarvis/anna 1.wav", "good morning"), [10.0])
    keeper.keep(judge(missed.trial, 0.5, 2.0), missed)
    (false,) = listener.hear(clip("other/x.wav", word=None), [None])
    keeper.keep(judge(false.trial, 0.5, 2.0), false)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["false-001-clean-other-x-wav.wav", "missed-001-10dB-hey-jarvis-anna-1-wav.wav", "missed-mine.wav"]
    with wave.open(str(tmp_path / names[0])) as stream:
        assert (stream.getnchannels(), stream.getsampwidth(), stream.getframerate()) == (1, 2, WAKE_RATE_HZ)
        assert stream.getnframes() == pytest.approx(4 * WAKE_RATE_HZ, abs=WAKE_RATE_HZ / 2)
        assert np.abs(np.frombuffer(stream.readframes(10**6), "<i2")).max() > 1000


def test_a_stretch_is_the_same_as_what_was_heard(listener: Listener) -> None:
    """Sample by sample, wherever it is cut."""
    (heard,) = listener.hear(clip(), [0.0])
    whole = heard.sound(0.0, 100.0)
    assert len(whole) == len(heard.trial.scores) * 1280
    assert np.array_equal(heard.sound(1.23, 2.5), whole[round(1.23 * 16_000) : 40_000])
    assert len(heard.sound(-3.0, 0.1)) == 1600
    assert len(heard.sound(200.0, 201.0)) == 0


def test_digital_silence_is_no_recording(listener: Listener) -> None:
    """Of a wake word it would be a miss, of something else time in which nothing could be taken for one."""
    dead = Clip("a.wav", "other", None, lambda: np.zeros(16_000, np.int16))
    with pytest.raises(UnreadableError, match="digital silence"):
        list(listener.hear(dead, [None]))
