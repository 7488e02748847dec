"""From a card's bytes to wire frames: the voice's channel, what was lost, and a card that delivers nothing."""

from __future__ import annotations

import numpy as np
import pytest

from speakerd.audio.intake import RING_S, Intake
from speakerd.audio.pcm_types import PcmFormat
from speakerd.core.errors import DeviceError
from speakerd.core.mute_watch import SILENT_AFTER_S
from speakerd.core.units import Frames
from tests.fakes.pcm import CARD_48K_STEREO, FakeCapturePcm, Xrun

WIRE = PcmFormat(rate_hz=24_000, channels=1, sample_format="S16_LE", period_frames=480, buffer_frames=3840)
PERIODS_OF_RING = int(RING_S * 50)


class Bench:
    """An opening of a fake card."""

    def __init__(self, given=WIRE, channel="auto", first_frame=0):
        self.pcm = FakeCapturePcm(given)
        self.rings = 0
        self.told = []
        self.intake = Intake(
            self.pcm, "hw:2", channel, first_frame=Frames(first_frame), doorbell=self.ring, on_silent=self.told.append
        )

    def ring(self):
        self.rings += 1

    def pump(self, times=1):
        for _ in range(times):
            self.intake.capture.pump_once()


def test_what_the_thread_read_is_there_once():
    """And the loop is told that there is something."""
    bench = Bench()
    sound = np.arange(960, dtype=np.int16)
    bench.pcm.sound += sound.tobytes()
    assert bench.intake.take() is None
    bench.pump(2)
    assert bench.rings == 2
    np.testing.assert_array_equal(bench.intake.take(), sound)
    assert bench.intake.take() is None


def test_a_chosen_channel_is_heard():
    """At the wire's rate: half as many frames as a card of 48 kHz has."""
    bench = Bench(CARD_48K_STEREO, channel=1)
    frames = np.zeros((9600, 2), np.int16)
    frames[:, 1] = 1000
    bench.pcm.sound += frames.tobytes()
    bench.pump(9600 // CARD_48K_STEREO.period_frames)
    near = bench.intake.take()
    assert len(near) == pytest.approx(4800, abs=50)
    assert near[1000] == pytest.approx(1000, abs=2)
    assert (bench.intake.channel, bench.intake.voice_channel) == (1, 1)


@pytest.mark.parametrize("channel", [2, 7, -1])
def test_a_channel_that_is_not_there_is_told_with_those_that_are(channel):
    """By its number, counted as everybody counts here."""
    with pytest.raises(DeviceError, match=r"channel -?\d of 'hw:2': it has 2, counted from 0"):
        Bench(CARD_48K_STEREO, channel=channel)


def test_a_sound_is_waited_for_where_the_voice_is():
    """On the only channel; of several on none before it is known which."""
    assert Bench().intake.voice_channel == 0
    assert Bench(CARD_48K_STEREO).intake.voice_channel is None


@pytest.mark.parametrize("how", ["xrun", "refused"])
def test_what_was_lost_is_told_once(how):
    """By the card, which had no room, or by the ring, which had none."""
    bench = Bench()
    assert not bench.intake.lost()
    if how == "xrun":
        bench.pcm.plan.append(Xrun())
        bench.pump()
    else:
        bench.pump(PERIODS_OF_RING + 1)
    assert bench.intake.lost()
    assert not bench.intake.lost()


def test_how_much_the_card_must_have_delivered_is_rounded_up():
    """For a place in the wire frames, counted from where the card began."""
    bench = Bench(CARD_48K_STEREO, first_frame=100)
    assert [bench.intake.due_frames(position) for position in (100, 101, 1100)] == [0, 2, 2000]
    fast = Bench(PcmFormat(44_100, 1, "S16_LE", 441, 3528))
    assert fast.intake.due_frames(1) == 2


def test_a_card_that_delivers_only_zeros_is_told():
    """And that it ends with the opening."""
    bench = Bench()
    for _ in range(int(SILENT_AFTER_S * 50) + 1):
        bench.pump()
        bench.intake.take()
    assert [change.silent for change in bench.told] == [True]
    bench.intake.end()
    assert [change.silent for change in bench.told] == [True, False]
