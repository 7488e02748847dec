"""When a reply begins and what keeps it flowing, without a thread; whole replies are ``test_loudspeaker.py``'s."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from speakerd.audio.output import Output
from speakerd.audio.player import REST_AFTER_S, START_PATIENCE_S, Player
from speakerd.audio.reference import EchoReference
from speakerd.core.backlog import DownlinkGate, Piece
from speakerd.core.events import Event
from speakerd.core.jitter import DELAY_MAX_S, MARGIN_S
from speakerd.core.units import ItemId, ResponseId
from tests.fakes.pcm import CARD_48K_STEREO, FakePlaybackPcm, pass_frames
from tests.fakes.ports import FakeTrace

A = ItemId("item_a")


class Bench:
    """A player on a card whose periods pass by hand, or which rests."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.events: list[Event] = []
        self.gate = DownlinkGate()
        reference = EchoReference(self.now)
        self.player = Player(
            gate=self.gate, reference=reference, on_event=self.events.append, now=self.now, trace=FakeTrace()
        )
        self.pcm = FakePlaybackPcm(CARD_48K_STEREO)
        self.output = Output(self.pcm, lambda: None, self.now)
        self.player.begin(self.output)

    def now(self) -> float:
        return self.now_s

    def delta(self, ms: int, name: str = "resp_r") -> None:
        """Let some of a reply arrive."""
        self.gate.accept(ResponseId(name))
        gate = self.gate.of(ResponseId(name))
        assert gate is not None
        gate.announced = True
        self.player.enqueue(Piece(A, ResponseId(name), np.full(24 * ms, 5000, np.int16)))
        self.player.advance()

    def pass_s(self, seconds: float, *, periods: bool = True) -> None:
        """Let time pass, on a card that plays or not."""
        for _ in range(round(seconds / 0.01)):
            self.now_s += 0.01
            if periods:
                pass_frames(self.pcm, self.output.playback, 480)
            self.player.advance()

    def shaky(self) -> None:
        """Let a reply come that was 100 ms late once, and end."""
        self.delta(100, "resp_shaky")
        self.pass_s(0.2)
        self.delta(300, "resp_shaky")
        gate = self.gate.of(ResponseId("resp_shaky"))
        assert gate is not None
        gate.complete = True
        self.pass_s(1.0)

    def due_s(self) -> float:
        """Return in how long the player looks again by itself."""
        timer = self.player._timer
        assert timer is not None
        return timer.when() - asyncio.get_running_loop().time()


async def test_a_crumb_on_a_resting_card_begins_by_the_timer() -> None:
    """No doorbell rings while the card rests, so the player comes back by itself."""
    bench = Bench()
    bench.pass_s(REST_AFTER_S + 0.1, periods=False)
    assert bench.output.resting
    bench.delta(10)
    assert bench.player.mix.reply_frames
    assert bench.due_s() == pytest.approx(START_PATIENCE_S, abs=0.01)
    bench.now_s += START_PATIENCE_S + 0.001
    bench.player.advance()
    assert not bench.player.mix.reply_frames
    assert not bench.output.resting


async def test_a_reply_on_a_resting_card_begins_when_it_will_flow() -> None:
    """The first delta of 100 ms is no longer than what the card takes at once: the second one is waited for."""
    bench = Bench()
    bench.pass_s(REST_AFTER_S + 0.1, periods=False)
    bench.delta(100)
    assert bench.output.resting
    bench.delta(150)
    assert not bench.output.resting
    for _ in range(6):  # the card's buffer at once, then what it makes room for
        bench.output.playback.pump_once()
    assert bench.output.playback.state.starvations == 0
    bench.player.advance()
    pcm = bench.output.playback._pcm
    assert isinstance(pcm, FakePlaybackPcm)
    heard = np.abs(np.frombuffer(bytes(pcm.heard), np.int16)[::2].astype(int))
    assert not np.any(heard[np.argmax(heard > 2500) :] < 2500), "there is a gap in it"


async def test_a_learned_wait_ends_by_the_timer() -> None:
    """After a late delta the next reply waits for so long and a margin, and not for the next doorbell."""
    bench = Bench()
    bench.shaky()
    assert bench.player.delay_s == pytest.approx(0.1 + MARGIN_S)
    bench.delta(100, "next")
    assert bench.player.mix.reply_frames == 2400
    assert bench.due_s() == pytest.approx(bench.player.delay_s, abs=0.01)
    bench.pass_s(0.16)
    assert bench.player.mix.reply_frames == 2400
    bench.pass_s(0.02)
    assert bench.player.mix.reply_frames < 2400


async def test_much_audio_begins_at_once_whatever_was_learned() -> None:
    """A burst ahead of every wait does not wait, nor does a reply that is there whole."""
    bench = Bench()
    bench.shaky()
    bench.delta(int(1000 * DELAY_MAX_S), "burst")
    assert bench.player.mix.speaking
    bench = Bench()
    bench.shaky()
    bench.gate.accept(ResponseId("short"))
    gate = bench.gate.of(ResponseId("short"))
    assert gate is not None
    gate.complete = True
    bench.delta(30, "short")
    assert not bench.player.mix.reply_frames


@pytest.mark.parametrize("resting", [True, False])
async def test_a_second_delta_that_is_late_leaves_no_hole(resting: bool) -> None:
    """Until the card itself has hardly anything left the reply is neither faded nor followed by silence."""
    bench = Bench()
    bench.pass_s(REST_AFTER_S + 0.1 if resting else 0.2, periods=not resting)
    bench.delta(100)
    bench.pass_s(0.1 if resting else 0.08)
    bench.delta(300)
    bench.pass_s(0.8)
    assert bench.output.playback.state.starvations == 1  # its end was not announced
    loud = np.flatnonzero(np.frombuffer(bytes(bench.pcm.heard), np.int16)[::2] > 4500)
    assert loud[-1] - loud[0] + 1 == len(loud)


async def test_a_reply_paced_in_real_time_has_no_hole_even_at_first() -> None:
    """Patience is as long as it takes for the second delta to find some of the first in the card."""
    bench = Bench()
    bench.pass_s(REST_AFTER_S + 0.1, periods=False)
    for _ in range(10):
        bench.delta(100)
        bench.pass_s(0.1)
    assert bench.output.playback.state.starvations == 0


async def test_what_comes_in_time_is_not_faded_apart() -> None:
    """Crumb by crumb, as long as the ring is not dry, the reply is one."""
    bench = Bench()
    bench.pass_s(0.1)
    bench.delta(100)
    for _ in range(20):
        bench.pass_s(0.02)
        bench.delta(20)
    bench.pass_s(0.4)
    pcm = bench.output.playback._pcm
    assert isinstance(pcm, FakePlaybackPcm)
    heard = np.frombuffer(bytes(pcm.heard), np.int16)[::2]
    loud = np.flatnonzero(np.abs(heard.astype(int) - 5000) < 200)  # the resampler rings at the fades
    assert loud[-1] - loud[0] + 1 == len(loud)
    assert len(loud) > 490 * 48
    assert bench.output.playback.state.starvations == 1  # its end was not announced
