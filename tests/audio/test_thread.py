"""The thread around a body: it ends when told, fails aloud, and is noticed when it hangs."""

from __future__ import annotations

import threading

import pytest

from speakerd.audio.capture import Capture
from speakerd.audio.pcm_types import PcmFormat
from speakerd.audio.playback import Playback
from speakerd.audio.ring import make_ring
from speakerd.audio.thread import STALL_S, AudioThread
from speakerd.core.errors import DeviceError
from tests.fakes.pcm import FakeCapturePcm, FakePlaybackPcm, Stall, Unplug

CARD = PcmFormat(rate_hz=16_000, channels=1, sample_format="S16_LE", period_frames=4, buffer_frames=16)


class StepBody:
    """A body that moves as often as it is allowed to, or fails."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.progress = 0
        self.resting = False
        self.allowed = threading.Semaphore(0)
        self.moved = threading.Event()

    def pump_once(self) -> None:
        self.allowed.acquire()
        if self.error is not None:
            raise self.error
        self.progress += 1
        self.moved.set()

    def wait_until_due(self) -> None:
        pass

    def interrupt(self) -> None:
        self.allowed.release()


def never(name: str, error: BaseException) -> None:
    """Refuse to hear of a failure."""
    raise AssertionError(f"{name} failed: {error}")


def test_it_runs_the_body_until_it_is_stopped() -> None:
    """Stopping ends the thread within a period and says that it did."""
    body = StepBody()
    thread = AudioThread("test", body, never)
    assert not thread.alive
    thread.start()
    body.allowed.release()
    assert body.moved.wait(5)
    assert thread.alive
    assert thread.stop(timeout_s=5)
    assert not thread.alive
    assert isinstance(thread.realtime, bool)


def test_a_thread_that_never_started_stops_at_once() -> None:
    """Stopping what does not run is no error."""
    assert AudioThread("test", StepBody(), never).stop(timeout_s=0)


@pytest.mark.parametrize("error", [DeviceError, ZeroDivisionError, SystemExit])
def test_what_escapes_from_the_body_is_reported(error: type[BaseException]) -> None:
    """Whatever it is, the thread tells it and ends."""
    escaped = error.__new__(error)
    failures: list[tuple[str, BaseException]] = []
    body = StepBody(escaped)
    thread = AudioThread("capture", body, lambda name, failure: failures.append((name, failure)))
    thread.start()
    body.allowed.release()
    assert thread.stop(timeout_s=5)
    assert failures == [("capture", escaped)]


def test_a_hanging_thread_is_abandoned() -> None:
    """A call that does not return cannot be stopped; stop says so and the caller goes on."""
    release = threading.Event()
    pcm = FakeCapturePcm(CARD)
    pcm.plan.append(Stall(release))
    thread = AudioThread("capture", Capture(pcm, make_ring(64)[0], lambda: None), never)
    thread.start()
    assert not thread.stop(timeout_s=0)
    assert thread.alive
    release.set()
    assert thread.stop(timeout_s=5)


def test_standing_still_for_a_second_is_a_stall() -> None:
    """The watch compares a counter with the clock it is given."""
    body = StepBody()
    thread = AudioThread("test", body, never)
    thread.start()
    assert not thread.stalled(100.0)
    assert not thread.stalled(100.0 + STALL_S)
    assert thread.stalled(100.1 + STALL_S)
    body.progress += 1
    assert not thread.stalled(101.5)
    assert not thread.stalled(101.5 + STALL_S)
    assert thread.stop(timeout_s=5)
    assert not thread.stalled(500.0)


def test_resting_is_no_stall_and_neither_is_waking_up() -> None:
    """A thread may rest for hours, and has a whole second again afterwards."""
    body = StepBody()
    body.resting = True
    thread = AudioThread("test", body, never)
    thread.start()
    assert not thread.stalled(100.0)
    assert not thread.stalled(9000.0)
    body.resting = False
    assert not thread.stalled(9000.5)
    assert thread.stalled(9001.5)
    assert thread.stop(timeout_s=5)


def test_a_resting_playback_sleeps_until_it_is_woken_or_stopped() -> None:
    """The thread waits without writing, writes when woken, and a rest does not keep it from ending."""
    pcm, (inlet, outlet) = FakePlaybackPcm(CARD), make_ring(64)
    wrote = threading.Event()
    playback = Playback(pcm, outlet, None, wrote.set, lambda: 0.0)
    playback.rest()
    thread = AudioThread("playback", playback, never)
    thread.start()
    inlet.write(b"\1\0" * 16)
    playback.wake()
    assert wrote.wait(5)
    playback.rest()
    assert thread.stop(timeout_s=5)
    assert pcm.writes[0] == b"\1\0" * 16


def test_an_unplugged_card_ends_the_thread_aloud() -> None:
    """The error of the card is what is reported."""
    failures: list[BaseException] = []
    pcm = FakePlaybackPcm(CARD)
    pcm.plan += [None, Unplug()]
    playback = Playback(pcm, make_ring(64)[1], None, lambda: None, lambda: 0.0)
    thread = AudioThread("playback", playback, lambda _, failure: failures.append(failure))
    thread.start()
    assert thread.stop(timeout_s=5) or not thread.alive
    assert all(isinstance(failure, DeviceError) for failure in failures)
