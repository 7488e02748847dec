"""The moment to silence a card: by what it is about to play, within reach, without a click."""

from __future__ import annotations

import time

import numpy as np
import pytest

from speakerd.audio.pcm_types import PcmFormat
from speakerd.audio.playback import Playback
from speakerd.audio.quiet_cut import REACH_S, QuietCut, pause_exactly
from speakerd.audio.ring import make_ring
from speakerd.core.pcm import Int16, encode
from tests.fakes.pcm import FakePlaybackPcm

S16 = PcmFormat(rate_hz=48_000, channels=2, sample_format="S16_LE", period_frames=960, buffer_frames=3840)
S32 = PcmFormat(rate_hz=48_000, channels=1, sample_format="S32_LE", period_frames=960, buffer_frames=3840)


def tone(frames: int) -> Int16:
    """Return 440 Hz at 48 kHz."""
    wave: Int16 = np.rint(8000 * np.sin(2 * np.pi * 440 * np.arange(frames) / 48_000)).astype(np.int16)
    return wave


class Clock:
    """Time that passes in the card while somebody pauses."""

    def __init__(self, pcm: FakePlaybackPcm) -> None:
        self.pcm = pcm
        self.paused_s: list[float] = []

    def pause(self, seconds: float) -> None:
        self.paused_s.append(seconds)
        self.pcm.play(max(0, round(seconds * self.pcm.format.rate_hz)))


@pytest.mark.parametrize("card", [S16, S32])
@pytest.mark.parametrize("played", [1, 17, 40, 61, 83, 1000])
def test_a_card_is_silenced_next_to_a_zero_crossing(card: PcmFormat, played: int) -> None:
    """Wherever the card is when it is asked to stop, it stops where there is nearly nothing to stop."""
    pcm = FakePlaybackPcm(card)
    clock = Clock(pcm)
    inlet, outlet = make_ring(96_000)
    cut = QuietCut(pcm, clock.pause, lambda: 0.0)
    playback = Playback(pcm, outlet, None, lambda: None, lambda: 0.0, cut=cut)
    inlet.write(encode(tone(5760), card.channels, card.sample_format))
    for _ in range(3):
        playback.pump_once()
    pcm.play(played)
    playback.flush()
    playback.pump_once()
    (paused_s,) = clock.paused_s
    assert 0 <= paused_s <= REACH_S + 0.001
    size = "<i4" if card.sample_format == "S32_LE" else "<i2"
    heard = np.frombuffer(bytes(pcm.heard), size).reshape(-1, card.channels)[:, 0]
    last = int(heard[playback.state.heard_frames - 1]) >> (16 if size == "<i4" else 0)
    assert abs(last) <= 8000 * 2 * np.pi * 440 / 48_000 * 1.5
    assert playback.state.heard_frames == playback.state.content_frames - playback.state.dropped_frames


def test_a_card_with_nothing_queued_is_silenced_now() -> None:
    """There is nothing to wait for."""
    pcm = FakePlaybackPcm(S16)
    clock = Clock(pcm)
    cut = QuietCut(pcm, clock.pause)
    cut.append(bytes(4 * 3840))
    cut.wait()
    assert clock.paused_s == []


def test_thinking_is_taken_off_the_pause() -> None:
    """The card plays on meanwhile."""
    pcm = FakePlaybackPcm(S16)
    times = iter([5.0, 5.0004])
    paused_s: list[float] = []
    for clock in (lambda: 0.0, lambda: next(times)):
        cut = QuietCut(pcm, paused_s.append, clock)
        pcm.queued.clear()
        block = encode(tone(3840), 2, "S16_LE")
        pcm.write(block)
        pcm.play(13)
        cut.append(block)
        cut.wait()
    assert paused_s[0] - paused_s[1] == pytest.approx(0.0004)


def test_only_what_the_card_can_hold_is_kept() -> None:
    """An hour of playing leaves a buffer's worth."""
    cut = QuietCut(FakePlaybackPcm(S16))
    for _ in range(1000):
        cut.append(bytes(4 * 960))
    assert len(cut._blocks) == 4


def test_a_pause_is_as_long_as_asked_and_a_negative_one_is_none() -> None:
    """Never short; how late it may be is the machine's affair."""
    for seconds in (0.0002, 0.002):
        begun_s = time.perf_counter()
        pause_exactly(seconds)
        assert time.perf_counter() - begun_s >= seconds
    pause_exactly(-1.0)
