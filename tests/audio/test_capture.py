"""The capture thread's body on a card that does as planned."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from speakerd.audio.capture import IDLE_RESULTS_LIMIT, Capture
from speakerd.audio.pcm_types import PcmFormat
from speakerd.audio.ring import Consumer, make_ring
from speakerd.core.errors import DeviceError, Remedy
from tests.fakes.pcm import FakeCapturePcm, Short, Unplug, Xrun

CARD = PcmFormat(rate_hz=16_000, channels=2, sample_format="S16_LE", period_frames=4, buffer_frames=32)
PERIOD = CARD.period_bytes


class Bench:
    """A capture body between a fake card and a ring."""

    def __init__(self, sound: bytes = b"", ring_bytes: int = 1024) -> None:
        self.pcm = FakeCapturePcm(CARD, sound)
        self.rings = 0
        producer, self.out = make_ring(ring_bytes)
        self.now_s = 0.0
        self.capture = Capture(self.pcm, producer, self._ring, now=lambda: self.now_s)

    def _ring(self) -> None:
        self.rings += 1

    def heard(self) -> bytes:
        consumer: Consumer = self.out
        return consumer.read(consumer.available_bytes)


def test_a_period_goes_into_the_ring_and_rings_the_bell() -> None:
    """One call moves one period, as the card gave it."""
    sound = bytes(range(2 * PERIOD))
    bench = Bench(sound)
    bench.capture.pump_once()
    assert (bench.heard(), bench.rings) == (sound[:PERIOD], 1)
    bench.capture.pump_once()
    assert (bench.heard(), bench.rings, bench.capture.frames_total) == (sound[PERIOD:], 2, 8)


def test_what_waited_in_a_delay_is_taken_and_told_of_at_once() -> None:
    """Then each period again by itself."""
    bench = Bench(bytes(range(7 * PERIOD)))
    bench.now_s, bench.pcm.waiting = 0.01, 6 * CARD.period_frames
    bench.capture.pump_once()
    assert (bench.rings, bench.heard(), bench.capture.frames_total) == (1, bytes(range(6 * PERIOD)), 24)
    bench.capture.pump_once()
    assert (bench.rings, bench.heard()) == (2, bytes(range(6 * PERIOD, 7 * PERIOD)))


def test_what_comes_meanwhile_is_taken_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop is not told of a part of what the card has: both ends of the echo are compared by count."""
    bench = Bench(bytes(range(5 * PERIOD)))
    bench.now_s = 0.01
    waiting = iter([2 * CARD.period_frames, CARD.period_frames + 3, 3])
    monkeypatch.setattr(bench.pcm, "waiting_frames", lambda: next(waiting))
    bench.capture.pump_once()
    assert (bench.rings, bench.heard()) == (1, bytes(range(4 * PERIOD)))


def test_what_cannot_be_read_of_it_is_accounted_for() -> None:
    """An overrun in the middle is a count, and a card that goes in the middle is lost."""
    bench = Bench(bytes(range(4 * PERIOD)))
    bench.now_s, bench.pcm.waiting = 0.01, 4 * CARD.period_frames
    bench.pcm.plan += [None, Xrun(), None, Unplug()]
    with pytest.raises(DeviceError, match="unplugged"):
        bench.capture.pump_once()
    assert (bench.capture.xruns, bench.capture.frames_total, bench.capture.progress) == (1, 8, 3)
    assert bench.heard() == bytes(range(2 * PERIOD)), "what was read was heard"


def test_a_card_that_says_more_than_it_can_hold_is_not_believed() -> None:
    """Nothing can wait in it beyond its buffer."""
    bench = Bench()
    bench.now_s, bench.pcm.waiting = 0.01, 1000
    bench.capture.pump_once()
    assert (bench.rings, bench.capture.frames_total) == (1, CARD.period_frames + CARD.buffer_frames)


def test_a_card_is_asked_only_after_a_delay() -> None:
    """Asking holds up every other thread."""
    bench = Bench()
    bench.pcm.waiting = 1000
    for _ in range(3):
        bench.now_s += CARD.period_frames / CARD.rate_hz
        bench.capture.pump_once()
    assert bench.rings == 3


def test_a_short_read_loses_nothing() -> None:
    """Fewer frames than a period are passed on and counted as what they are."""
    sound = bytes(range(2 * PERIOD))
    bench = Bench(sound)
    bench.pcm.plan.append(Short(3))
    bench.capture.pump_once()
    bench.capture.pump_once()
    assert bench.heard() == sound[: 7 * CARD.frame_bytes]
    assert bench.capture.frames_total == 7


def test_an_overrun_is_a_count() -> None:
    """The card overran: nothing to pass on, nothing to fail about, and the next call goes on."""
    bench = Bench(b"\1" * PERIOD)
    bench.pcm.plan.append(Xrun())
    bench.capture.pump_once()
    assert (bench.capture.xruns, bench.heard(), bench.rings) == (1, b"", 0)
    bench.capture.pump_once()
    assert bench.heard() == b"\1" * PERIOD


def test_overruns_with_frames_between_them_are_never_a_loss() -> None:
    """However often the reader is late, a card that moves frames is there."""
    bench = Bench()
    for _ in range(4 * IDLE_RESULTS_LIMIT):
        bench.pcm.plan += [Xrun(), None]
        bench.capture.pump_once()
        bench.capture.pump_once()
    assert bench.capture.xruns == 4 * IDLE_RESULTS_LIMIT


@pytest.mark.parametrize("nothing", [Xrun(), Short(0)])
def test_calls_that_move_nothing_for_ever_are_a_lost_card(nothing: Xrun | Short) -> None:
    """A sound server that died answers for ever without a frame: that ends within a few calls."""
    bench = Bench()
    bench.pcm.plan += [nothing] * IDLE_RESULTS_LIMIT
    for _ in range(IDLE_RESULTS_LIMIT - 1):
        bench.capture.pump_once()
    with pytest.raises(DeviceError) as lost:
        bench.capture.pump_once()
    assert (lost.value.code, lost.value.remedy) == ("device-lost", Remedy.RETRY)


def test_an_unplugged_card_is_an_error() -> None:
    """What the card raises leaves the body as it is."""
    bench = Bench()
    bench.pcm.plan.append(Unplug())
    with pytest.raises(DeviceError, match="unplugged"):
        bench.capture.pump_once()


def test_a_full_ring_refuses_whole_frames() -> None:
    """The channels stay in step when the loop is late: no frame is split."""
    bench = Bench(bytes(range(2 * PERIOD)), ring_bytes=PERIOD + CARD.frame_bytes + 1)
    bench.capture.pump_once()
    bench.capture.pump_once()
    assert bench.heard() == bytes(range(PERIOD + CARD.frame_bytes))
    assert bench.capture.refused_bytes == PERIOD - CARD.frame_bytes
    assert bench.capture.frames_total == 8


def test_every_call_that_returns_is_progress() -> None:
    """The watch tells a busy card from one that hangs by a counter, and the microphone never rests."""
    bench = Bench()
    bench.pcm.plan += [None, Xrun()]
    bench.capture.pump_once()
    bench.capture.pump_once()
    bench.capture.wait_until_due()
    bench.capture.interrupt()
    assert (bench.capture.progress, bench.capture.resting) == (2, False)


def test_a_loop_that_listens_is_told_of_a_sound() -> None:
    """Noise is none; what stands out of it is, with its first period; nobody is told who did not ask."""
    noise, voice = (np.tile(np.array([level, -level], "<i2"), CARD.period_frames).tobytes() for level in (20, 400))
    bench = Bench(50 * noise + voice + 50 * noise + voice)
    bench.capture.listening = True
    bench.capture.wanted_frames = 1_000_000
    told = []
    for period in range(102):
        bench.capture.listening = period < 80
        before = bench.rings
        bench.capture.pump_once()
        told.append(bench.rings > before)
    assert [period for period, rang in enumerate(told) if rang] == [50]


def test_it_sleeps_until_the_card_holds_what_is_wanted() -> None:
    """No longer than its buffer allows, never while somebody listens or waits, nor with some of it left behind."""
    bench = Bench()
    period_s = CARD.period_frames / CARD.rate_hz
    bench.capture.wanted_frames = 3 * CARD.period_frames
    assert bench.capture.spare_s == 3 * period_s
    bench.capture.pump_once()
    assert bench.capture.spare_s == 2 * period_s
    bench.capture.pump_once()
    assert (bench.capture.spare_s, bench.rings) == (0, 0)
    bench.capture.pump_once()
    assert (bench.capture.spare_s, bench.rings) == (0, 1)
    bench.capture.wanted_frames = 1_000_000
    assert bench.capture.spare_s == 4 * period_s  # half of eight
    bench.capture.listening = True
    assert bench.capture.spare_s == 0


def test_a_loop_that_is_patient_is_told_a_second_later_unless_something_is_heard() -> None:
    """Meanwhile it sleeps from one judgement to the next."""
    card = PcmFormat(rate_hz=16_000, channels=2, sample_format="S16_LE", period_frames=320, buffer_frames=9600)
    noise = np.random.default_rng(1).normal(0, 10, (600, 640)).astype("<i2")
    noise[400] *= 40
    producer, ring = make_ring(1 << 20)
    told = []
    capture = Capture(FakeCapturePcm(card, noise.tobytes()), producer, lambda: told.append(capture.frames_total // 320))
    capture.lookout_channel = 1
    for _ in range(600):
        before = len(told)
        capture.pump_once()
        if len(told) > before:
            capture.wanted_frames = capture.frames_total + 1280
            ring.read(1 << 20)
    waits = np.diff([each for each in told if 150 < each < 390])
    assert set(waits) <= {54, 58}
    assert [each for each in told if 400 <= each < 414] == [408, 412]
    capture.wanted_frames = capture.frames_total + 1280
    assert capture.spare_s == 0.16


def test_a_loop_that_stops_waiting_for_a_sound_may_do_so_at_any_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is another thread: what was asked for at the period's beginning is looked for in it."""
    bench = Bench()
    decoded = bench.capture._decoded

    def disturbed(data: bytes) -> np.ndarray:
        if bench.capture.frames_total % (2 * CARD.period_frames):
            bench.capture.lookout_channel = None
        return decoded(data)

    monkeypatch.setattr(bench.capture, "_decoded", disturbed)
    for _ in range(2 * 2 * 1280 // CARD.period_frames):
        bench.capture.lookout_channel = 1
        bench.capture.pump_once()


def test_a_sleep_ends_when_something_else_is_wanted() -> None:
    """And when the thread is to end; a ring that comes while it is awake does not disturb the next sleep."""
    slow = PcmFormat(rate_hz=1, channels=2, sample_format="S16_LE", period_frames=4, buffer_frames=4000)
    producer, _ = make_ring(1024)
    capture = Capture(FakeCapturePcm(slow), producer, lambda: None)
    capture.hurry()
    for wake_up in (capture.hurry, capture.interrupt):
        capture.wanted_frames = 1000
        sleeper = threading.Thread(target=capture.wait_until_due)
        sleeper.start()
        while not capture._dozing:
            pass
        wake_up()
        sleeper.join(5)
        assert not sleeper.is_alive()
