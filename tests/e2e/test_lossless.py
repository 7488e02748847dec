"""No sample is lost or doubled between the wake word and the service, however long the link takes to come up."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from speakerd.core.pcm import Resampler
from speakerd.core.units import SAMPLE_BYTES, WIRE_RATE_HZ
from speakerd.demo.room import ROOM_RATE_HZ
from speakerd.demo.simcard import CardProfile
from speakerd.realtime.patience import BUDGET_S
from tests.fakes.room_tools import find
from tests.fakes.stories import through, until_line
from tests.fakes.tap import Call, Tap

CARD = CardProfile(rate_min_hz=ROOM_RATE_HZ, rate_max_hz=ROOM_RATE_HZ, channels_max=1, sample_format="S16_LE")
"""At the room's own rate and without noise of its own, the card delivers the room's samples as they are."""

WAITING = 'listening for "hey jarvis"'

LIVE_S = 1.2
"""How much of the signal comes after the link is up."""

PAUSE_S = 0.4
"""Between wake word and signal, where there is a pause."""

EARLIEST_S = 0.113 + 0.5 + 0.02
"""How far before the wake word's end an uplink may begin where nothing may be cut: the earliest detection before that
end (measured, ``core/word_tail.py``), the half second that the uplink begins before it, and a period."""

TAIL_S = 0.1
"""How much of the wake word may go along before a pause: its last sounds, 30 dB below its loudest."""

BEHIND_S = 0.2
"""How much may be under way when the signal is over: a piece of the gate, a period of the card, and a busy machine."""

LSB = 1
"""What two computations of the same filter may differ by."""


@pytest.mark.parametrize("pause_s", [0.0, PAUSE_S])
async def test_every_sample_arrives_once_whatever_the_delay(play, voice, pause_s):
    """With connects of 0, 0.3, 2 and 8 s the service gets what the card delivered, to the sample, up to live."""
    delays_s = [0.0, 0.3, 2.0, 8.0] if pause_s else [0.0, 2.0]
    config = {"audio": {"echo_cancellation": "off", "earcons": False}}
    async with play(config=config, card=CARD, start_daemon=False) as stage, Tap(stage.url) as tap:
        room = Recording(stage, tap)
        await through(tap, stage)
        for delay_s in delays_s:
            tap.handshake_s = delay_s
            await room.hold(voice("Hey Jarvis"), pause_s, delay_s + LIVE_S)
            room.check(tap.calls[-1])
        assert len(tap.calls) == len(delays_s)


async def test_a_link_that_dies_while_connecting_loses_nothing(play, voice):
    """Cut off in its handshakes, and once with a session half up and audio under way: all of it arrives again."""
    config = {"audio": {"echo_cancellation": "off", "earcons": False}}
    async with play(config=config, card=CARD, start_daemon=False) as stage, Tap(stage.url) as tap:
        room = Recording(stage, tap)
        await through(tap, stage)
        tap.handshake_s, tap.break_handshakes, tap.break_sessions = 0.3, 2, 1
        await room.hold(voice("Hey Jarvis"), PAUSE_S, 2.5 + LIVE_S)
        broken, *_, whole = tap.calls[2:]
        assert len(tap.calls) == 4
        assert broken.uplink() != b""
        assert broken.uplink() == whole.uplink()[: len(broken.uplink())]
        room.check(whole)


async def test_a_service_slower_than_patience_is_told_and_never_gets_it_late(play, voice):
    """After ten seconds nobody waits any longer: it is said why, and the next session begins with its own wake word."""
    config = {"audio": {"echo_cancellation": "off", "earcons": False}}
    async with play(config=config, card=CARD, start_daemon=False) as stage, Tap(stage.url) as tap:
        room = Recording(stage, tap)
        await through(tap, stage)
        tap.handshake_s = 60.0
        begun_s, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        woken = await stage.wait_for("wake", after_s=begun_s)
        lost = await stage.wait_for("link.lost", after_s=begun_s, timeout_s=20)
        assert lost["t"] - woken["t"] == pytest.approx(BUDGET_S, abs=0.5)
        status = await stage.status()
        assert status["trouble"] == lost["code"] == "link-timeout"
        assert (status["microphone"]["uplink"], status["link"]["waiting_bytes"]) == ("closed", 0)
        tap.handshake_s = 0.0
        await room.hold(voice("Hey Jarvis"), PAUSE_S, LIVE_S, line=status["line"])
        room.check(tap.calls[-1])
        assert tap.calls[0].uplink() == b""


class Recording:
    """What was said in a room, and what a service must have got of it."""

    def __init__(self, stage, tap: Tap) -> None:
        self._stage, self._tap = stage, tap
        self._random = np.random.default_rng(4)
        self._begin_s = stage.room.now_s()
        # Digital silence would hide what is missing: a room is never quiet to the last bit.
        noise = self._random.integers(-8, 9, int(80 * ROOM_RATE_HZ)).astype(np.int16)
        stage.say(noise, at_s=self._begin_s + 0.1)

    async def hold(self, word: NDArray[np.int16], pause_s: float, signal_s: float, *, line: str = WAITING) -> None:
        """Say the wake word and noise that is never the same again; end the conversation when it is over."""
        stage = self._stage
        await until_line(stage, line)
        begun_s, self._word_end_s = stage.say(word)
        signal = self._random.normal(0, 800, int(signal_s * ROOM_RATE_HZ)).astype(np.int16)
        self._signal = stage.say(signal, at_s=self._word_end_s + pause_s)
        up = await stage.wait_for("link.up", after_s=begun_s, timeout_s=20)
        assert up["t"] < self._signal[1] - 0.5, "the link came up too late to see the signal live"
        await stage.until(self._signal[1] + 0.2)
        await self._see_it_live(begun_s)
        await stage.tell("stop")
        await stage.until(self._signal[1] + 1.0)  # the wake word is deaf until it was quiet for half a second

    async def _see_it_live(self, begun_s: float) -> None:
        """Check that the backlog was made up for: what was heard since the uplink began has arrived."""
        got_frames = len(self._tap.calls[-1].uplink()) // SAMPLE_BYTES
        first_frame = self._stage.marks("uplink.open", after_s=begun_s)[0]["from_frame"]
        behind_frames = (await self._stage.status())["microphone"]["position_frames"] - first_frame - got_frames
        assert 0 <= behind_frames <= BEHIND_S * WIRE_RATE_HZ

    def check(self, call: Call) -> None:
        """Hold what the service was sent against the room: configuration first, then the room, whole and in order."""
        assert call.sent[0]["type"] == "session.update"
        uplink = np.frombuffer(call.uplink(), "<i2")
        begin_s, unlike = self._best_place(uplink)
        assert unlike == [], f"{len(unlike)} of {len(uplink)} samples are others, from number {unlike[0]} on"
        paused = self._signal[0] > self._word_end_s
        assert self._word_end_s - (TAIL_S if paused else EARLIEST_S) <= begin_s <= self._signal[0]
        assert begin_s + len(uplink) / WIRE_RATE_HZ >= self._signal[1]

    def _best_place(self, uplink: NDArray[np.int16]) -> tuple[float, list[int]]:
        """Return when an uplink's first sample was heard, and the numbers of its samples that were not heard then."""
        from_s = max(self._begin_s, self._word_end_s - 1.0)
        places = []
        for odd in (0, 1):  # of two frames of the card one frame of the wire is made; which two, its start decides
            resampler = Resampler(ROOM_RATE_HZ, WIRE_RATE_HZ)
            heard = resampler.process(self._delivered(from_s + odd / ROOM_RATE_HZ, self._signal[1] + 1.0))
            at, _ = find(uplink[: 4 * WIRE_RATE_HZ], heard)
            piece = heard[at : at + len(uplink)].astype(np.int32)
            assert len(piece) == len(uplink), "the service got more than was said"
            unlike = np.flatnonzero(np.abs(piece - uplink) > LSB).tolist()
            places.append((len(unlike), from_s + (at - resampler.delay_frames) / WIRE_RATE_HZ, unlike))
        _, begin_s, unlike = min(places)
        return begin_s, unlike

    def _delivered(self, start_s: float, end_s: float) -> NDArray[np.int16]:
        """Return what the card delivered: the people, and nothing of what the loudspeaker played meanwhile."""
        room = self._stage.room
        return room.mixed(start_s, end_s) - room.heard(start_s, end_s)
