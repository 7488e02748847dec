"""The echo's figures: level, delay, drift, tail, what the canceller leaves, and who is heard over it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest

from speakerd.core.echo_meter import EchoMeter
from speakerd.core.echo_path import BargeIn
from speakerd.core.echo_probe import EchoProbe
from speakerd.core.events import EchoMeasured
from speakerd.core.pcm import SILENCE_DBFS
from speakerd.core.units import WIRE_RATE_HZ

BLOCK = 480
DELAY_MS = 60
Sound = npt.NDArray[np.float64]


def speech(span_s: float, seed: int, level: float = 1500.0) -> Sound:
    """Return noise in the band of speech that comes in syllables with pauses."""
    frames = int(span_s * WIRE_RATE_HZ)
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal(frames))
    pitch_hz = np.fft.rfftfreq(frames, 1 / WIRE_RATE_HZ)
    spectrum[(pitch_hz < 200) | (pitch_hz > 5000)] = 0
    sound = np.fft.irfft(spectrum, frames)
    syllables = np.repeat(rng.uniform(0.05, 1.0, int(span_s * 5) + 1), WIRE_RATE_HZ // 5)[:frames]
    return sound / sound.std() * level * syllables


def delayed(sound: Sound, delay_ms: float, gain_db: float = 0.0) -> Sound:
    """Return it later and quieter."""
    frames = int(delay_ms * WIRE_RATE_HZ / 1000)
    return np.concatenate((np.zeros(frames), sound[: len(sound) - frames])) * 10 ** (gain_db / 20)


def stretched(sound: Sound, ppm: float) -> Sound:
    """Return it as a card plays it whose clock is slow by so much."""
    at = np.arange(len(sound))
    return np.interp(at * (1 - ppm * 1e-6), at, sound)


def pcm(sound: Sound) -> npt.NDArray[np.int16]:
    return np.clip(np.rint(sound), -32768, 32767).astype(np.int16)


@dataclass
class Bench:
    """A meter in a room, with whatever canceller a test thinks of."""

    choice: BargeIn = BargeIn.SPEECH
    exact: bool = True
    told: list[EchoMeasured] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.probe = EchoProbe() if self.exact else None
        self.meter = EchoMeter(self.probe, self.choice)
        self.seed = 100

    def noise(self, frames: int) -> Sound:
        self.seed += 1
        return np.random.default_rng(self.seed).normal(0, 10, frames)  # -70 dBFS

    def rest(self, span_s: float) -> None:
        """Let nothing play."""
        for _ in range(int(span_s * 50)):
            room = pcm(self.noise(BLOCK))
            self.tell(self.meter.process(room, None, room))

    def play(self, far: Sound, near: Sound, out: Sound, held: int = 100) -> None:
        """Play something; the canceller holds some frames back."""
        ears, left, played = (pcm(near + self.noise(len(far))), pcm(out + self.noise(len(far))), pcm(far))
        for at in range(0, len(far), BLOCK):
            if self.probe is not None:
                self.probe.process(ears[at : at + BLOCK], played[at : at + BLOCK])
            begin = max(0, at - held)
            end = at + BLOCK - held
            told = self.meter.process(ears[at : at + BLOCK], played[at : at + BLOCK], left[begin:end])
            self.tell(told)

    def tell(self, told: EchoMeasured | None) -> None:
        if told is not None:
            self.told.append(told)


NOBODY = np.zeros(1)


def test_a_canceller_that_works_is_trusted_and_its_figures_are_true() -> None:
    """Level, delay, what is removed, noise: as they are; told once, after the reply."""
    bench, far = Bench(), speech(8, seed=1)
    bench.rest(2)
    near = delayed(far, DELAY_MS, -6)
    bench.play(far, near, near * 0.002)
    assert bench.told == []
    bench.rest(1)
    (told,) = bench.told
    figures = told.figures
    assert told.choice is BargeIn.SPEECH
    assert figures.echo_dbfs == pytest.approx(10 * np.log10(np.mean(near**2) / 32768**2), abs=1)
    assert figures.noise_dbfs == pytest.approx(-70.3, abs=1)
    assert figures.delay_ms == pytest.approx(DELAY_MS, abs=1)
    assert figures.drift_ppm == pytest.approx(0, abs=1)
    assert figures.removed_db is not None
    assert figures.removed_db > 30
    assert figures.residual_dbfs is not None
    assert figures.residual_dbfs < -64
    assert (figures.leaks, figures.spoken_over, figures.clipped) == (0, 0, 0)
    bench.rest(1)
    assert len(bench.told) == 1


def test_a_canceller_that_leaves_the_echo_loses_the_trust_within_two_seconds_and_a_half() -> None:
    """In the middle of the reply, and it is told at once."""
    bench, far = Bench(), speech(4, seed=1)
    bench.rest(2)
    near = delayed(far, DELAY_MS, -6)
    bench.play(far[: WIRE_RATE_HZ * 5 // 2], near[: WIRE_RATE_HZ * 5 // 2], near[: WIRE_RATE_HZ * 5 // 2] * 0.3)
    (told,) = bench.told
    assert told.choice is BargeIn.WAKE_WORD
    assert bench.meter.choice is BargeIn.WAKE_WORD


@pytest.mark.parametrize("exact", [True, False])
def test_an_echo_beyond_the_cancellers_reach_is_one(exact: bool) -> None:
    """Seven hundred milliseconds late it is not found by its waves, but by its loudness."""
    bench, far = Bench(exact=exact), speech(10, seed=2)
    bench.rest(2)
    near = delayed(far, 700, -6)
    bench.play(far, near, near)
    assert bench.meter.choice is BargeIn.WAKE_WORD
    assert bench.meter.figures.delay_ms == pytest.approx(700, abs=20)
    assert bench.meter.figures.drift_ppm is None


def test_somebody_over_a_reply_is_no_echo() -> None:
    """What is heard over what the loudspeaker can have caused is a person: left out, and no leak."""
    bench, far = Bench(), speech(12, seed=1)
    bench.rest(2)
    near, user = delayed(far, DELAY_MS, -12), speech(12, seed=3)
    user[: 6 * WIRE_RATE_HZ] = user[8 * WIRE_RATE_HZ :] = 0
    bench.play(far, near + user, near * 0.002 + user)
    bench.rest(1)
    assert bench.meter.choice is BargeIn.SPEECH
    assert bench.meter.figures.spoken_over >= 3
    assert bench.meter.figures.echo_dbfs == pytest.approx(10 * np.log10(np.mean(near**2) / 32768**2), abs=1.5)


def test_a_voice_over_headphones_is_no_echo() -> None:
    """Where the microphone hears nothing of the reply, everything it hears is somebody's."""
    bench, far, user = Bench(), speech(12, seed=1), speech(12, seed=3)
    user[: 5 * WIRE_RATE_HZ] = user[7 * WIRE_RATE_HZ :] = 0
    bench.rest(2)
    bench.play(far, user, user)
    assert bench.meter.choice is BargeIn.SPEECH


@pytest.mark.parametrize("ppm", [500.0, -500.0])
def test_clocks_that_drift_are_noticed_before_the_canceller_slips(ppm: float) -> None:
    """From how the delay grows, within three seconds, though nothing is let through yet."""
    bench, far = Bench(), speech(3, seed=1)
    bench.rest(2)
    near = stretched(delayed(far, 100, -6), ppm)
    bench.play(far, near, near * 0.002)
    assert bench.meter.choice is BargeIn.WAKE_WORD
    assert bench.meter.figures.leaks == 0
    assert bench.meter.figures.drift_ppm == pytest.approx(ppm, abs=60)


@pytest.mark.parametrize("ppm", [0.0, 500.0])
def test_clocks_are_known_from_one_reply_to_the_next(ppm: float) -> None:
    """Else each would be trusted until the drift is told again."""
    bench, far = Bench(), speech(8, seed=1)
    bench.rest(2)
    near = stretched(delayed(far, 100, -6), ppm)
    bench.play(far, near, near * 0.002)
    bench.rest(2)
    assert bench.probe is not None
    bench.probe.rest(pcm(bench.noise(BLOCK)))
    short = slice(0, 2 * WIRE_RATE_HZ)
    bench.play(far[short], near[short], near[short] * 0.002)
    assert bench.meter.figures.drift_ppm == pytest.approx(ppm, abs=50)


def test_delays_that_jump_are_no_drift() -> None:
    """A delay from before the far end was set anew is compared with none behind it, nor with one that jumps."""
    bench, far = Bench(), speech(8, seed=1)
    bench.rest(1)
    bench.play(far, near := delayed(far, 60, -6), near * 0.002)
    bench.meter.restart()
    assert bench.probe is not None
    bench.probe.restart()
    bench.play(far, near := delayed(far, 90, -6), near * 0.002)
    assert bench.meter.figures.drift_ppm == pytest.approx(0, abs=10)
    bench.play(far[: 4 * WIRE_RATE_HZ], near := delayed(far, 150, -6)[: 4 * WIRE_RATE_HZ], near * 0.002)
    assert bench.meter.figures.drift_ppm == pytest.approx(0, abs=10)


def test_the_trust_comes_back_when_the_canceller_has_learnt() -> None:
    """After a long stretch without a leak, and it is told."""
    bench, far = Bench(), speech(20, seed=1)
    bench.rest(2)
    near = delayed(far, DELAY_MS, -6)
    out = near * 0.002
    out[: 3 * WIRE_RATE_HZ] = near[: 3 * WIRE_RATE_HZ] * 0.3
    bench.play(far, near, out)
    assert [told.choice for told in bench.told] == [BargeIn.WAKE_WORD, BargeIn.SPEECH]


def test_a_louder_volume_is_followed() -> None:
    """Turned up by 12 dB the echo is 12 dB louder soon, and nobody is said to have spoken for ever."""
    bench, far = Bench(), speech(30, seed=1, level=500.0)
    bench.rest(2)
    near = delayed(far, DELAY_MS, -12)
    near[8 * WIRE_RATE_HZ :] *= 4
    bench.play(far, near, near * 0.05)
    figures = bench.meter.figures
    assert figures.echo_dbfs == pytest.approx(10 * np.log10(np.mean(near[-WIRE_RATE_HZ * 15 :] ** 2) / 32768**2), abs=2)


def test_a_microphone_that_clips_is_of_no_use_over_a_reply() -> None:
    """An echo beyond full scale leaves room for nobody."""
    bench, far = Bench(), speech(4, seed=1, level=9000.0)
    bench.rest(2)
    near = delayed(far, DELAY_MS, 14)
    bench.play(far, near, near * 0.0001)
    assert bench.meter.choice is BargeIn.OFF
    assert bench.meter.figures.clipped > 0.05


def test_a_reply_too_quiet_to_tell_changes_nothing() -> None:
    """Nothing is measured of what nobody hears, and nothing is told."""
    bench, far = Bench(), speech(4, seed=1, level=20.0)
    bench.rest(2)
    bench.play(far, NOBODY * far, NOBODY * far)
    bench.rest(1)
    assert bench.told == []
    assert bench.meter.figures.windows == 0


@pytest.mark.parametrize(("ring_ms", "low", "high"), [(0, 0, 100), (400, 300, 520)])
def test_the_tail_of_a_reply_is_measured(ring_ms: int, low: int, high: int) -> None:
    """How long something is left of it when it has ended, behind the canceller."""
    bench, far = Bench(), speech(12, seed=1)
    for pause in range(1, 12, 2):  # a sentence a second, a pause a second
        far[pause * WIRE_RATE_HZ : (pause + 1) * WIRE_RATE_HZ] = 0
    bench.rest(2)
    out = delayed(far, DELAY_MS, -30) * 0.01
    for pause in range(1, 12, 2):
        begin = pause * WIRE_RATE_HZ
        out[begin : begin + ring_ms * WIRE_RATE_HZ // 1000] = 200
    bench.play(far, delayed(far, DELAY_MS, -10), out)
    tail_ms = bench.meter.figures.tail_ms
    assert tail_ms is not None
    assert low <= tail_ms <= high


def test_a_person_who_answers_at_once_is_no_tail() -> None:
    """More than a second is no echo."""
    bench, far = Bench(), speech(3, seed=1)
    far[WIRE_RATE_HZ:] = 0
    user = speech(3, seed=2)
    user[:WIRE_RATE_HZ] = 0
    bench.rest(1)
    bench.play(far, user, user + 100)
    assert bench.meter.figures.tail_ms is None


def test_in_digital_silence_there_is_no_noise() -> None:
    """Before anything was heard while nothing played, the room counts as silent; an empty block tells nothing."""
    bench, far = Bench(), speech(3, seed=1)
    bench.meter.process(np.zeros(0, np.int16), None, np.zeros(0, np.int16))
    bench.play(far, near := delayed(far, DELAY_MS, -6), near * 0.002)
    assert bench.meter.figures.noise_dbfs == bench.meter.noise_dbfs == SILENCE_DBFS


def test_a_leak_that_cannot_be_told_from_a_faint_voice_counts_half() -> None:
    """Early in the first reply, with no exact delay to compare, it is doubted."""
    bench, far = Bench(exact=False), speech(2, seed=1)
    bench.rest(2)
    near = delayed(far, DELAY_MS, -6)
    bench.play(far[: int(1.4 * WIRE_RATE_HZ)], near[: int(1.4 * WIRE_RATE_HZ)], near[: int(1.4 * WIRE_RATE_HZ)] * 0.3)
    assert bench.meter.figures.leaks == 0.5


def test_an_echo_that_comes_takes_the_trust_back_at_once() -> None:
    """Trusted without an echo is nobody who has to take one out; the figures begin anew."""
    bench = Bench(choice=BargeIn.WAKE_WORD)
    bench.probe = EchoProbe(hears_echo=False)
    bench.meter = EchoMeter(bench.probe, BargeIn.SPEECH)
    bench.rest(2)
    far = speech(4, seed=1)
    near = delayed(far, DELAY_MS, -6)
    near[: 2 * WIRE_RATE_HZ] = 0
    bench.play(far[: 2 * WIRE_RATE_HZ], near[: 2 * WIRE_RATE_HZ], near[: 2 * WIRE_RATE_HZ])
    assert bench.meter.choice is BargeIn.SPEECH
    assert bench.meter.figures.inaudible
    bench.play(far[2 * WIRE_RATE_HZ :], near[2 * WIRE_RATE_HZ :], near[2 * WIRE_RATE_HZ :])
    assert bench.told[0].choice is BargeIn.WAKE_WORD
    assert not bench.told[0].figures.windows
    assert not bench.meter.figures.inaudible


def test_an_echo_that_comes_gives_nobody_a_right() -> None:
    """What may not cut a reply without an echo may not with one."""
    bench = Bench()
    bench.probe = EchoProbe(hears_echo=False)
    bench.meter = EchoMeter(bench.probe, BargeIn.OFF)
    bench.rest(1)
    far = speech(1, seed=1)
    near = delayed(far, DELAY_MS, -6)
    bench.play(far, near, near)
    assert bench.probe.hears_echo
    assert bench.meter.choice is BargeIn.OFF
    assert not bench.told[0].figures.inaudible
