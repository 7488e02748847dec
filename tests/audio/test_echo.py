"""The echo canceller: the echo goes, the frames stay in step, nothing is lost or doubled where it starts and ends."""

from __future__ import annotations

import numpy as np
import pytest

from speakerd.audio.echo import BLOCK_FRAMES, DELAY_FRAMES, EchoCanceller, EchoPath, Pcm
from speakerd.core.echo_path import BargeIn
from speakerd.core.echo_probe import EchoProbe
from speakerd.core.pcm import rms_dbfs
from speakerd.core.units import WIRE_RATE_HZ

LAG_FRAMES = 720
"""The room: 30 ms, 6 dB down."""


def noise(frames: int, seed: int, level: float = 2500.0) -> Pcm:
    """Return noise in the band of speech whose loudness moves like speech."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(frames))
    pitch_hz = np.fft.rfftfreq(frames, 1 / WIRE_RATE_HZ)
    spectrum[(pitch_hz < 200) | (pitch_hz > 7000)] = 0
    sound = np.fft.irfft(spectrum, frames)
    loudness = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * np.arange(frames) / WIRE_RATE_HZ)
    return (sound / sound.std() * level * loudness).astype(np.int16)


def echo_of(far: Pcm) -> Pcm:
    """Return what the microphone hears of it."""
    return np.concatenate((np.zeros(LAG_FRAMES), far[:-LAG_FRAMES] * 0.5)).astype(np.int16)


def lag_of(out: Pcm, source: Pcm) -> int:
    """Return by how many frames one sound lags the other, from half a second before to half a second after."""
    size = 2 * len(source)
    product = np.fft.rfft(out.astype(float), size) * np.conj(np.fft.rfft(source.astype(float), size))
    peak = int(np.argmax(np.fft.irfft(product, size)))
    return peak if peak < size // 2 else peak - size


class FarEnd:
    """A far end that is played back from a plan."""

    def __init__(self, *blocks: Pcm | None) -> None:
        self.blocks = list(blocks)
        self.realignments = 0
        self.asked_to_realign = 0

    def take(self, frames: int) -> Pcm | None:
        block = self.blocks.pop(0) if self.blocks else None
        assert block is None or len(block) == frames
        return block

    def realign(self) -> None:
        self.asked_to_realign += 1

    def skip(self, frames: int) -> Pcm:
        return np.zeros(0, np.int16)

    def put_back(self, far: Pcm) -> None:
        pass


def test_takes_out_more_than_20_db_of_the_echo() -> None:
    """After two seconds the echo of a loud reply is at least 20 dB weaker."""
    far = noise(3 * WIRE_RATE_HZ, seed=1)
    near = echo_of(far)
    canceller = EchoCanceller()
    out = np.concatenate([canceller.process(near[i : i + 480], far[i : i + 480]) for i in range(0, len(far), 480)])
    assert rms_dbfs(near[-WIRE_RATE_HZ:]) - rms_dbfs(out[-WIRE_RATE_HZ:]) > 20


@pytest.mark.parametrize("block_frames", [480, 441, 100])
def test_what_comes_out_is_in_step_with_what_went_in(block_frames: int) -> None:
    """The first frame out is the first frame in, whatever the blocks' sizes, and a bounded tail is held back."""
    near = noise(WIRE_RATE_HZ, seed=2)
    canceller = EchoCanceller()
    out = np.concatenate(
        [
            canceller.process(near[i : i + block_frames], np.zeros_like(near[i : i + block_frames]))
            for i in range(0, len(near), block_frames)
        ]
    )
    assert abs(lag_of(out, near)) <= 1
    assert DELAY_FRAMES <= len(near) - len(out) < DELAY_FRAMES + BLOCK_FRAMES
    assert canceller.drain().tolist() == near[len(out) :].tolist()


def test_starts_over_in_step_after_a_drain() -> None:
    """What is processed after a drain begins with the first frame given after it."""
    near = noise(WIRE_RATE_HZ, seed=3)
    canceller = EchoCanceller()
    canceller.process(near[:4900], np.zeros(4900, np.int16))
    canceller.drain()
    out = canceller.process(near[4900:], np.zeros(len(near) - 4900, np.int16))
    assert abs(lag_of(out, near[4900:])) <= 1


def test_a_reset_loses_no_frame() -> None:
    """What the pipeline held comes out with the reset, and the rest follows in step."""
    near = noise(WIRE_RATE_HZ, seed=4)
    canceller = EchoCanceller()
    first = canceller.process(near[:9700], np.zeros(9700, np.int16))
    out = np.concatenate(
        (first, canceller.reset(), canceller.process(near[9700:], np.zeros(len(near) - 9700, np.int16)))
    )
    assert abs(lag_of(out, near)) <= 1
    assert abs(lag_of(out[12_000:], near[12_000:])) <= 1
    assert len(canceller.drain()) == len(near) - len(out)


def test_a_short_sound_at_another_delay_is_cancelled_after_a_reset() -> None:
    """A fresh canceller holds down what one that has learnt another delay might let through."""
    far = noise(2 * WIRE_RATE_HZ, seed=5)
    near = echo_of(far)
    canceller = EchoCanceller()
    canceller.process(near, far)
    canceller.reset()
    late = np.concatenate((np.zeros(300, np.int16), near[: WIRE_RATE_HZ - 300]))
    out = canceller.process(late, far[:WIRE_RATE_HZ])
    assert rms_dbfs(late) - rms_dbfs(out) > 20


def test_what_was_set_aside_is_as_good_as_before_when_it_is_recalled() -> None:
    """A fresh one does meanwhile, no frame is lost, and the learnt one needs no time afterwards."""
    far = noise(3 * WIRE_RATE_HZ, seed=14)
    near = echo_of(far)
    canceller = EchoCanceller()
    second = WIRE_RATE_HZ
    learnt = canceller.process(near[:second], far[:second])
    other = np.concatenate((canceller.set_aside(), canceller.process(near[:second], np.zeros(second, np.int16))))
    again = np.concatenate((canceller.recall(), canceller.process(near[second:], far[second:])))
    assert rms_dbfs(near) - rms_dbfs(again[2400:7200]) > 20
    assert len(learnt) + len(other) + len(again) + len(canceller.drain()) == 4 * second


def test_recalls_nothing_where_nothing_was_set_aside() -> None:
    """It goes on with what it has."""
    canceller = EchoCanceller()
    far = noise(WIRE_RATE_HZ, seed=15)
    before = canceller.process(echo_of(far), far)
    rest = np.concatenate((canceller.recall(), canceller.drain()))
    assert len(before) + len(rest) == len(far)


def test_the_path_leaves_everything_alone_while_nothing_plays() -> None:
    """Bypassed, every sample passes at once and unchanged."""
    near = noise(960, seed=6)
    path = EchoPath(EchoCanceller(), FarEnd())
    assert path.process(near).tolist() == near.tolist()
    assert not path.cancelling


def test_the_path_neither_loses_nor_doubles_a_frame_where_the_canceller_comes_and_goes() -> None:
    """Over bypass, canceller, bypass the stream keeps its length and its place in time."""
    near = noise(WIRE_RATE_HZ, seed=7)
    quiet = np.zeros(480, np.int16)
    path = EchoPath(EchoCanceller(), FarEnd(*[None] * 10, *[quiet] * 20, *[None] * 20))
    out = np.concatenate([path.process(near[i : i + 480]) for i in range(0, len(near), 480)])
    assert len(out) == len(near)
    assert out[: 480 * 10].tolist() == near[: 480 * 10].tolist()
    assert out[480 * 30 :].tolist() == near[480 * 30 :].tolist()
    middle = slice(480 * 12, 480 * 29)
    assert abs(lag_of(out[middle], near[middle])) <= 1


def test_the_path_lets_the_canceller_learn_anew_when_the_far_end_has_moved() -> None:
    """A realignment resets the engine once, and no frame is lost over it."""

    class Engine:
        def __init__(self) -> None:
            self.resets = 0

        def process(self, near: Pcm, far: Pcm) -> Pcm:
            return near[:-10]

        def drain(self) -> Pcm:
            return np.full(10, 1, np.int16)

        def reset(self) -> Pcm:
            self.resets += 1
            return np.full(10, 2, np.int16)

        set_aside = recall = drain

    engine, far_end = Engine(), FarEnd(*[np.zeros(480, np.int16)] * 3)
    path = EchoPath(engine, far_end)
    path.process(np.zeros(480, np.int16))
    far_end.realignments = 1
    assert path.process(np.zeros(480, np.int16)).tolist() == [2] * 10 + [0] * 470
    path.process(np.zeros(480, np.int16))
    assert engine.resets == 1


def test_the_path_leaves_everything_alone_where_there_is_no_echo() -> None:
    """After two and a half seconds without an echo every sample passes unchanged, though something plays."""
    near, far = noise(4 * WIRE_RATE_HZ, seed=8), noise(4 * WIRE_RATE_HZ, seed=9)
    blocks = range(0, len(near), 480)
    path = EchoPath(EchoCanceller(), FarEnd(*(far[i : i + 480] for i in blocks)), EchoProbe())
    out = np.concatenate([path.process(near[i : i + 480]) for i in blocks])
    assert len(out) == len(near)
    assert out[-WIRE_RATE_HZ:].tolist() == near[-WIRE_RATE_HZ:].tolist()
    assert not path.cancelling


def test_the_path_cancels_an_echo_that_comes_later() -> None:
    """Once it is there it is recognised, and taken out by an engine that learns anew; no frame is lost over it."""
    far = noise(8 * WIRE_RATE_HZ, seed=9)
    near = echo_of(far)
    near[: 4 * WIRE_RATE_HZ] = 0
    blocks = range(0, len(near), 480)
    far_end = FarEnd(*(far[i : i + 480] for i in blocks))
    path = EchoPath(EchoCanceller(), far_end, EchoProbe())
    out = []
    for i in blocks:
        far_end.realignments = int(i > 3 * WIRE_RATE_HZ)  # it has moved while nobody cancelled
        out.append(path.process(near[i : i + 480]))
    heard = np.concatenate(out)
    assert path.cancelling
    assert 0 <= len(near) - len(heard) < DELAY_FRAMES + BLOCK_FRAMES
    assert rms_dbfs(near[-WIRE_RATE_HZ:]) - rms_dbfs(heard[-WIRE_RATE_HZ:]) > 15


def test_the_path_begins_to_compare_anew_after_a_rest() -> None:
    """What was heard before the rest is not compared with what is played after it."""
    second = WIRE_RATE_HZ // 480
    quiet, far = np.zeros(480, np.int16), noise(480, seed=9)
    path = EchoPath(EchoCanceller(), FarEnd(*([far] * second * 2 + [None]) * 3), EchoProbe())
    for _ in range(6 * second):
        path.process(quiet)
    assert path.cancelling


def test_a_hole_in_the_near_end_is_told_to_the_far_end() -> None:
    """The count must be set anew on the loudspeaker's side."""
    far_end = FarEnd()
    EchoPath(EchoCanceller(), far_end).realign()
    assert far_end.asked_to_realign == 1


def test_without_a_canceller_it_only_follows_and_measures() -> None:
    """A card that cancels by itself: nothing is touched, what is played is known, and one second earns the trust."""
    far = noise(4 * WIRE_RATE_HZ, seed=12)
    near = noise(4 * WIRE_RATE_HZ, seed=13, level=5.0)
    blocks = range(0, len(near), 480)
    path = EchoPath(None, FarEnd(*(far[i : i + 480] for i in blocks)), EchoProbe())
    assert path.meter.choice is BargeIn.WAKE_WORD
    for i in blocks:
        out = path.process(near[i : i + 480])
        assert out.tolist() == near[i : i + 480].tolist()
        assert path.far is not None
        assert path.far.tolist() == far[i : i + 480].tolist()
        path.measure(out)
    assert path.meter.figures.windows >= 4
    assert path.meter.figures.leaks == 0
    assert path.status()["choice"] == "speech"
    assert path.status()["inaudible"]


def test_the_tail_is_over_when_the_loudspeaker_was_quiet_for_so_long() -> None:
    """Only where the canceller cannot be trusted does it count at all."""
    loud, quiet = np.full(480, 500, np.int16), np.zeros(480, np.int16)
    path = EchoPath(None, FarEnd(loud, *[quiet] * 30))
    told = []
    for _ in range(31):
        path.process(quiet)
        told.append(path.in_tail)
    assert told == [True] * 15 + [False] * 16
    trusted = EchoPath(EchoCanceller(), FarEnd(loud))
    trusted.meter.choice = BargeIn.SPEECH
    trusted.process(quiet)
    assert not trusted.in_tail


def test_where_no_echo_is_heard_no_tail_is_waited_for() -> None:
    """Headphones: what begins right behind a reply is nobody's echo."""
    far, near = noise(4 * WIRE_RATE_HZ, seed=12), noise(4 * WIRE_RATE_HZ, seed=13, level=5.0)
    blocks = range(0, len(near), 480)
    path = EchoPath(None, FarEnd(*(far[i : i + 480] for i in blocks)), EchoProbe())
    assert path.tail_frames == 300 * 24
    for i in blocks:
        path.process(near[i : i + 480])
    assert (path.tail_frames, path.quiet_frames, path.in_tail) == (0, 0, False)


class Leaking(EchoCanceller):
    """A canceller that lets everything through when told to, in step with the other."""

    leaks = False

    def process(self, near: Pcm, far: Pcm) -> Pcm:
        self._sound = np.concatenate((getattr(self, "_sound", np.zeros(0, np.int16)), near))
        out = super().process(near, far)
        passed, self._sound = self._sound[: len(out)], self._sound[len(out) :]
        return passed // 2 if self.leaks else out


def test_what_the_canceller_lets_through_by_mistake_is_made_quiet_where_somebody_wants_it() -> None:
    """For who takes speech for a user; everybody else gets what the canceller made."""
    far = noise(5 * WIRE_RATE_HZ, seed=1)
    near = echo_of(far)
    canceller = Leaking()
    path = EchoPath(canceller, FarEnd(*far.reshape(-1, 480)))
    let_through, wanted, unwanted = [], [], []
    for at in range(0, len(far), 480):
        canceller.leaks = at >= 4 * WIRE_RATE_HZ
        out = path.process(near[at : at + 480])
        given = path.without_residue(out, wanted=at < 4.5 * WIRE_RATE_HZ)
        assert len(given) == len(out)
        if canceller.leaks and at < 4.5 * WIRE_RATE_HZ:
            let_through.append(out)
            wanted.append(given)
        elif canceller.leaks:
            unwanted.append(given is out)
    assert rms_dbfs(np.concatenate(let_through)) > -40
    assert rms_dbfs(np.concatenate(wanted)) < -55
    assert all(unwanted)


def test_another_engine_takes_over_in_step_and_nothing_is_lost() -> None:
    """What the one before held back comes out, each frame once; what it had measured is forgotten."""
    near = noise(4 * 4800, seed=5)
    far = noise(4 * 4800, seed=6)
    path = EchoPath(EchoCanceller(), FarEnd(*np.split(far, 4)))
    first, second = path.process(near[:4800]), path.process(near[4800:9600])
    meter = path.meter
    path.use(None, None)
    third = path.process(near[9600:14_400])
    assert not path.cancelling
    assert len(first) + len(second) + len(third) == 14_400
    assert third[-4800:].tolist() == near[9600:14_400].tolist()
    assert path.meter is not meter
    path.use(EchoCanceller(), None)
    fourth = path.process(near[14_400:])
    assert path.cancelling
    path.use(None, None)
    assert len(fourth) + len(path.process(np.zeros(0, np.int16))) == 4800
