"""The capture thread's lookout: shut in a quiet room, and open before the gate of the wake word's networks is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from speakerd.core.lookout import Lookout
from speakerd.core.pcm import Resampler
from speakerd.core.wake_idle import IdleGate
from speakerd.wake.lean import Lean
from speakerd.wake.models import features, resolve
from tests.fakes.models import wake_models
from tests.fakes.voices import say

CHUNK = 1280
LATE_PERIODS = 9
"""Two chunks; at 44.1 kHz the lookout's are a tenth longer than the networks'."""
Int16 = npt.NDArray[np.int16]


def room(seconds: float, rate_hz: int, rms: float, seed: int = 1) -> Int16:
    return np.rint(np.random.default_rng(seed).normal(0, rms, int(seconds * rate_hz))).astype(np.int16)


def evening(rate_hz: int, rms: float, level_db: float, voice: str) -> Int16:
    """Half a minute of a room in which somebody says something three times."""
    whole = room(30, rate_hz, rms).astype(np.float64)
    said = say("hey jarvis, what time is it", rate_hz, voice) * 10 ** (level_db / 20)
    for at_s in (6.0, 13.37, 24.9):
        whole[int(at_s * rate_hz) :][: len(said)] += said
    return np.clip(np.rint(whole), -32768, 32767).astype(np.int16)


def opened(lookout: Lookout, sound: Int16, period_frames: int) -> list[bool]:
    """Return for each period whether it was open behind it."""
    periods = sound[: len(sound) // period_frames * period_frames].reshape(-1, period_frames)
    states = []
    for period in periods:
        lookout.process(period)
        states.append(lookout.open)
    return states


@pytest.mark.parametrize("rate_hz", [48_000, 44_100, 16_000])
@pytest.mark.parametrize("rms", [0.0, 3.0, 30.0, 1000.0])
def test_a_room_that_stays_as_it_is_keeps_it_shut(rate_hz: int, rms: float) -> None:
    """After the first seconds, in which it does not know the room; but for a needless opening now and then."""
    states = opened(Lookout(rate_hz), room(40, rate_hz, rms), rate_hz // 50)
    assert all(states[:50])
    assert sum(states[150:]) <= 0.1 * len(states)


@pytest.mark.parametrize("voice", ["hibari", "espeak", "flite"])
@pytest.mark.parametrize(
    ("rms", "level_db"), [(3.0, -30.0), (10.0, -36.0), (30.0, -20.0), (300.0, -6.0), (300.0, -16.0)]
)
@pytest.mark.parametrize("rate_hz", [48_000, 44_100])
def test_what_opens_the_networks_gate_opens_it_in_time(rate_hz: int, rms: float, level_db: float, voice: str) -> None:
    """No chunk that the networks would be woken for is told more than two late, behind two real resamplers."""
    sound = evening(rate_hz, rms, level_db, voice)
    wake = Resampler(24_000, 16_000).process(Resampler(rate_hz, 24_000).process(sound))
    gate = IdleGate(CHUNK)
    theirs = [gate.process(chunk) for chunk in wake[: len(wake) // CHUNK * CHUNK].reshape(-1, CHUNK)]
    ours = opened(Lookout(rate_hz), sound, rate_hz // 50)
    woken = [chunk for chunk in range(1, len(theirs)) if theirs[chunk] and not theirs[chunk - 1]]
    assert woken
    for chunk in woken:
        period = 4 * (chunk + 1)  # the first one behind it
        assert any(ours[period - 4 : period + LATE_PERIODS]), f"{chunk * 0.08:.2f} s"


def test_it_says_when_it_can_judge_again() -> None:
    """However the periods are cut; what is more than a chunk is kept for the next."""
    lookout = Lookout(48_000)
    missing = [lookout.missing_frames]
    for frames in (960, 960, 1000, 1000, 9000):
        lookout.process(np.zeros(frames, np.int16))
        missing.append(lookout.missing_frames)
    assert missing == [7680, 6720, 5760, 4760, 3760, 6280]


@pytest.mark.parametrize(
    ("word", "voice"),
    [  # the network hears no "alexa" by espeak-f2
        *(("hey_jarvis", voice) for voice in ("hibari", "espeak", "espeak-f2", "flite", "flite-rms", "flite-kal")),
        *(("alexa", voice) for voice in ("hibari", "espeak", "flite", "flite-rms", "flite-kal")),
    ],
)
def test_no_word_is_detected_before_it_is_open(word: str, voice: str) -> None:
    """So nothing is detected later for it: wherever in the card's periods a word begins, loud or soft."""
    wake_models()
    said = say(word.replace("_", " "), 48_000, voice)
    detected = 0
    for begins_ms, level_db in ((0, 0.0), (37, -20.0), (81, -30.0), (133, -10.0), (159, -26.0)):
        sound = room(4, 48_000, 10.0).astype(np.float64)
        sound[96_000 + 48 * begins_ms :][: len(said)] += said * 10 ** (level_db / 20)
        card = np.clip(np.rint(sound), -32768, 32767).astype(np.int16)
        wake = Resampler(24_000, 16_000).process(Resampler(48_000, 24_000).process(card))
        engine = Lean({word: resolve(word)}, features())
        scores = [engine.score(chunk)[word] for chunk in wake[: len(wake) // CHUNK * CHUNK].reshape(-1, CHUNK)]
        detections = [chunk for chunk, score in enumerate(scores) if score >= 0.5]
        if not detections:
            continue
        detected += 1
        lookout = Lookout(48_000)
        opened(lookout, room(6, 48_000, 10.0, seed=2), 960)
        assert not lookout.open
        states = opened(lookout, card, 960)
        assert not states[95], "the room keeps it shut"
        assert states[4 * (detections[0] + 1) - 1], f"{begins_ms} ms, {level_db} dB: open only later"
    assert detected
