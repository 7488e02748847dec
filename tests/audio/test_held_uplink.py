"""Behind a reply the uplink lets through a person from the beginning, and nothing of what we have played."""

from __future__ import annotations

import numpy as np
import pytest

from speakerd.audio.echo import EchoPath, Pcm
from speakerd.audio.held_uplink import TAIL_MAX_FRAMES, HeldUplink
from speakerd.core.echo_path import BargeIn, EchoFigures
from speakerd.core.preroll import Preroll
from speakerd.core.talk_over import PATIENCE_FRAMES
from speakerd.core.units import Frames
from speakerd.core.uplink_gate import UplinkGate
from tests.fakes.ports import FakeTrace

PERIOD = 480
ROOM, LOUD = 10, 1000


class Far:
    """A loudspeaker that plays while it is told to."""

    realignments = 0

    def __init__(self) -> None:
        self.level: int | None = None

    def take(self, frames: int) -> Pcm | None:
        return None if self.level is None else np.full(frames, self.level, np.int16)

    def realign(self) -> None:
        """Count anew."""

    def skip(self, frames: int) -> Pcm:
        return np.zeros(0, np.int16)

    def put_back(self, far: Pcm) -> None:
        """Take nothing."""


class Greedy:
    """A canceller that takes everything while something plays, and some periods longer."""

    RELEASE = 5

    def __init__(self) -> None:
        self._left = 0

    def process(self, near: Pcm, far: Pcm) -> Pcm:
        self._left = self.RELEASE if far.any() else max(0, self._left - 1)
        return np.zeros_like(near) if self._left else near

    def drain(self) -> Pcm:
        return np.zeros(0, np.int16)

    reset = set_aside = recall = drain


class Bench:
    """A held uplink over a microphone, period by period; its sound is a number that is said."""

    def __init__(self, *, echo: bool = True, canceller: Greedy | None = None) -> None:
        self.far = Far()
        self.echo = EchoPath(canceller, self.far) if echo else None
        self.preroll = Preroll(240_000)
        self.sent: list[bytes] = []
        self.trace = FakeTrace()
        self.uplink = HeldUplink(UplinkGate(self.preroll, self._send), self.preroll, self.echo, self.trace)
        self.periods = 0

    def _send(self, pcm: bytes, _first_frame: Frames | None) -> None:
        self.sent.append(pcm)

    def hear(self, amplitude: int, periods: int) -> None:
        """Let so many periods pass: nobody in the room, or somebody whose syllables rise and fall."""
        for _ in range(periods):
            self.periods += 1
            loudness = amplitude // 5 if amplitude == LOUD and self.periods % 8 < 2 else amplitude
            near = np.where(np.arange(PERIOD) % 2, loudness, -loudness).astype(np.int16)
            self.preroll.append(near if self.echo is None else self.echo.process(near))
            self.uplink.pump()

    def reply(self, periods: int = 100) -> None:
        """Play a reply that is not spoken over, nor heard by the microphone, while silence is streamed."""
        self.uplink.silence()
        self.far.level = 3000
        self.hear(ROOM, periods)

    @property
    def loud_periods(self) -> int:
        """How much of somebody was sent."""
        pcm = np.abs(np.frombuffer(b"".join(self.sent), np.int16).astype(int))
        return int(np.count_nonzero(pcm > ROOM)) // PERIOD


@pytest.fixture
def bench() -> Bench:
    """Return a bench whose conversation is open, in a room that rings for 80 ms."""
    made = Bench()
    assert made.echo is not None
    made.echo.meter.figures = EchoFigures(tail_ms=80)
    made.uplink.open(Frames(0))
    made.hear(ROOM, 10)
    return made


def test_what_was_let_through_can_be_sent_again(bench: Bench) -> None:
    """It goes back to the frame; behind a reply no further than where it was opened again."""
    assert bench.uplink.repeatable_from == 0
    bench.hear(LOUD, 10)
    bench.sent.clear()
    bench.uplink.repeat(Frames(10 * PERIOD))
    assert b"".join(bench.sent) == bench.preroll.read(10 * PERIOD, bench.preroll.end).tobytes()
    bench.reply()
    assert bench.uplink.repeatable_from == bench.preroll.end


def test_a_sentence_over_the_end_of_a_reply_arrives_whole(bench: Bench) -> None:
    """Nothing of it is missing, nothing twice, and the diary tells how far it reached back."""
    bench.reply()
    bench.hear(LOUD, 40)
    bench.far.level = 0
    bench.uplink.open(None)
    assert bench.uplink.mode == "silent"
    bench.hear(LOUD, 40)
    assert bench.uplink.mode == "live"
    bench.hear(ROOM, 20)
    assert bench.loud_periods == 80
    ((_, resumed),) = bench.trace.calls
    assert 1000 < resumed["back_ms"] < 1500


@pytest.mark.parametrize("before", [30, 1, 0, -2, -4])
def test_what_the_canceller_took_out_of_a_sentence_is_put_back(before: int) -> None:
    """It hears nothing of somebody who begins over a reply or right behind it; what is sent of them has no holes."""
    bench = Bench(canceller=Greedy())
    assert bench.echo is not None
    bench.echo.meter.figures = EchoFigures(tail_ms=80)
    bench.uplink.open(Frames(0))
    bench.hear(ROOM, 10)
    bench.reply(100 - before if before > 0 else 100)
    bench.hear(LOUD, max(0, before))
    bench.far.level = 0
    bench.uplink.open(None)
    bench.hear(ROOM, max(0, -before))
    bench.hear(LOUD, 50)
    bench.hear(ROOM, 20)
    assert bench.loud_periods == pytest.approx(50 + max(0, before), abs=1)  # a filter is never quite right


def test_what_begins_right_behind_a_reply_is_whole(bench: Bench) -> None:
    """Whether it begins in the tail, while nothing is decided, or later."""
    for wait in (0, 3, 7, 12, 20):
        bench.reply()
        bench.far.level = 0
        bench.uplink.open(None)
        bench.hear(ROOM, wait)
        before = bench.loud_periods
        bench.hear(LOUD, 50)
        bench.hear(ROOM, 20)
        assert bench.loud_periods - before == 50
        assert bench.uplink.mode == "live"


def test_a_sentence_whose_beginning_is_not_known_is_not_sent_at_all(bench: Bench) -> None:
    """The one behind it is; silence is streamed meanwhile."""
    bench.uplink.silence()
    bench.far.level = 3000
    bench.hear(LOUD, 200)
    bench.far.level = 0
    bench.uplink.open(None)
    bench.hear(LOUD, 50)
    assert bench.uplink.mode == "silent"
    bench.hear(ROOM, 20)
    assert bench.loud_periods == 0
    bench.hear(LOUD, 30)
    bench.hear(ROOM, 2)
    assert bench.loud_periods == 30


def test_whoever_never_pauses_is_heard_in_the_end(bench: Bench) -> None:
    """From then on, since something loud may have come to stay."""
    bench.uplink.silence()
    bench.far.level = 3000
    bench.hear(LOUD, 200)
    bench.far.level = 0
    bench.uplink.open(None)
    bench.hear(LOUD, PATIENCE_FRAMES // PERIOD - 1)
    assert bench.uplink.mode == "silent"
    bench.hear(LOUD, 2)
    assert bench.uplink.mode == "live"
    assert bench.loud_periods <= 2


def test_an_echo_that_does_not_end_is_waited_for_a_second(bench: Bench) -> None:
    """The loudspeaker may go on with something that is no reply."""
    bench.reply()
    bench.uplink.open(None)
    bench.hear(ROOM, TAIL_MAX_FRAMES // PERIOD)
    assert bench.uplink.mode == "silent"
    bench.hear(ROOM, 10)
    assert bench.uplink.mode == "live"


def test_where_the_canceller_is_trusted_in_the_middle_of_a_reply_nobody_waits_for_its_end(bench: Bench) -> None:
    """Speech may cut it from then on: also a sentence that is being said."""
    assert bench.echo is not None
    bench.reply()
    bench.hear(LOUD, 20)
    bench.echo.meter.choice = BargeIn.SPEECH
    bench.uplink.open(None)
    bench.hear(LOUD, 20)
    assert bench.uplink.mode == "live"
    bench.hear(ROOM, 5)
    assert bench.loud_periods == 40


@pytest.mark.parametrize("order", ["close", "silence"])
def test_the_next_order_holds(bench: Bench, order: str) -> None:
    """What was to be opened stays shut."""
    bench.reply()
    bench.far.level = 0
    bench.uplink.open(None)
    getattr(bench.uplink, order)()
    bench.hear(LOUD, 100)
    assert bench.loud_periods == 0
    assert bench.uplink.mode == ("closed" if order == "close" else "silent")


def test_a_wake_word_needs_no_waiting(bench: Bench) -> None:
    """Where it began is known."""
    bench.reply()
    bench.hear(LOUD, 30)
    bench.far.level = 0
    bench.uplink.open(None)
    bench.uplink.open(Frames(bench.preroll.end - 20 * PERIOD))
    assert bench.uplink.mode == "live"
    assert bench.loud_periods == 20
    assert bench.uplink.next_frame == bench.preroll.end


def test_a_gate_that_was_shut_lets_nothing_through_that_was_said_before(bench: Bench) -> None:
    """It waits for the end of what we play, and begins there."""
    bench.uplink.close()
    bench.far.level = 3000
    bench.hear(LOUD, 50)
    bench.far.level = 0
    bench.uplink.open(None)
    bench.hear(LOUD, 4)
    assert bench.uplink.mode == "closed"
    bench.hear(LOUD, 10)
    assert bench.uplink.mode == "live"
    assert bench.loud_periods <= 10


def test_without_a_loudspeaker_nothing_is_held() -> None:
    """Opened is open."""
    bench = Bench(echo=False)
    bench.hear(LOUD, 10)
    bench.uplink.open(None)
    bench.hear(LOUD, 10)
    assert bench.loud_periods == 10


def test_a_gate_that_is_live_stays_as_it_is(bench: Bench) -> None:
    """Speech could cut the reply: it is being sent already."""
    bench.far.level = 3000
    bench.hear(LOUD, 10)
    bench.uplink.open(None)
    bench.hear(LOUD, 10)
    assert bench.loud_periods == 20
