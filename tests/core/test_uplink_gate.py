"""The uplink gate: in order, without gap, never twice, and nothing while it is shut."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from speakerd.core.preroll import Preroll
from speakerd.core.units import Frames
from speakerd.core.uplink_gate import PIECE_MAX_FRAMES, PIECE_MIN_FRAMES, UplinkGate


class Bench:
    """A gate over a pre-roll whose frames carry their own position, from 1 (0 is silence)."""

    def __init__(self, capacity: int = 24_000) -> None:
        self.preroll = Preroll(capacity)
        self.pieces: list[np.ndarray] = []
        self.gate = UplinkGate(self.preroll, self._send)

    def _send(self, pcm: bytes, first_frame: Frames | None) -> None:
        piece = np.frombuffer(pcm, np.int16)
        assert int(piece[0]) == (0 if first_frame is None else first_frame + 1)
        self.pieces.append(piece)

    def live(self, frames: int) -> None:
        """Let the microphone deliver some frames."""
        end = self.preroll.end
        self.preroll.append(np.arange(end + 1, end + 1 + frames).astype(np.int16))
        self.gate.pump()

    @property
    def sent(self) -> list[int]:
        """All that was sent."""
        return np.concatenate([np.zeros(0, np.int16), *self.pieces]).tolist()


def test_sends_nothing_until_it_is_opened() -> None:
    """A shut gate is shut."""
    bench = Bench()
    bench.live(5000)
    assert bench.pieces == []
    assert bench.gate.mode == "closed"


def test_sends_the_pre_roll_at_once_then_live() -> None:
    """Opening from a past frame bursts, and the live audio joins without gap or repeat."""
    bench = Bench()
    bench.live(5000)
    bench.gate.open(Frames(1000))
    assert bench.sent == list(range(1001, 1001 + 960 * 4))  # the rest is less than a piece
    bench.live(480)
    assert bench.sent == list(range(1001, 5481))
    assert {len(piece) for piece in bench.pieces} <= set(range(PIECE_MIN_FRAMES, PIECE_MAX_FRAMES + 1))


def test_opens_from_now_without_a_frame() -> None:
    """None means live."""
    bench = Bench()
    bench.live(1000)
    bench.gate.open(None)
    bench.live(480)
    assert bench.sent == list(range(1001, 1481))


def test_opens_from_a_frame_that_is_still_to_come() -> None:
    """A position in the future is waited for."""
    bench = Bench()
    bench.gate.open(Frames(700))
    bench.live(600)
    assert bench.sent == []
    bench.live(600)
    assert bench.sent == list(range(701, 1201))


def test_starts_at_the_oldest_frame_when_the_wanted_one_is_gone() -> None:
    """What the pre-roll has lost cannot be sent, the rest is."""
    bench = Bench(capacity=1000)
    bench.live(5000)
    bench.gate.open(Frames(10))
    assert bench.sent == list(range(4001, 4961))


def test_opening_twice_changes_nothing() -> None:
    """A frame is never sent twice within an opening."""
    bench = Bench()
    bench.live(960)
    bench.gate.open(Frames(0))
    bench.gate.open(Frames(0))
    bench.live(960)
    assert bench.sent == list(range(1, 1921))


def test_streams_silence_for_as_many_frames_as_pass() -> None:
    """In silence the service's clock goes on and no sample gets through; then live audio joins where it is."""
    bench = Bench()
    bench.gate.open(None)
    bench.live(500)
    bench.gate.silence()
    bench.live(1000)
    bench.live(300)
    assert bench.gate.mode == "silent"
    assert bench.gate.silent_from == 500
    bench.gate.open(None)
    bench.live(480)
    assert bench.sent == [*range(1, 501), *[0] * 1300, *range(1801, 2281)]


def test_reaches_back_into_silence_for_what_was_said_in_it() -> None:
    """A wake word in a reply is known after its end: what was withheld since a frame is sent, never what was sent."""
    bench = Bench()
    bench.gate.open(None)
    bench.live(500)
    bench.gate.silence()
    bench.live(1000)
    bench.gate.open(Frames(1200))
    bench.live(480)
    assert bench.sent == [*range(1, 501), *[0] * 1000, *range(1201, 1981)]
    bench.gate.silence()
    bench.live(600)
    bench.gate.open(Frames(0))
    bench.live(480)
    assert bench.sent[-1080:] == list(range(1981, 3061))


def test_silence_does_not_open_a_shut_gate() -> None:
    """Only an open gate can be silenced, and silencing it twice is once."""
    bench = Bench()
    bench.gate.silence()
    bench.live(1000)
    assert bench.sent == []
    bench.gate.open(None)
    bench.gate.silence()
    bench.gate.silence()
    bench.live(2400)
    assert bench.sent == [0] * 2400


def test_never_sends_a_frame_again_after_it_was_shut() -> None:
    """A later opening may reach back, but not before what was already sent."""
    bench = Bench()
    bench.gate.open(None)
    bench.live(960)
    bench.gate.close()
    bench.live(960)
    bench.gate.open(Frames(0))
    assert bench.sent == list(range(1, 1921))
    assert bench.gate.next_frame == 1920


def test_a_new_session_gets_again_what_the_lost_one_had() -> None:
    """From a frame on all of it, then live without gap or repeat; from the opening on where that came later."""
    bench = Bench()
    bench.live(1000)
    bench.gate.open(Frames(500))
    bench.live(1000)
    assert bench.gate.repeatable_from == 500
    bench.pieces.clear()
    bench.gate.repeat(Frames(1200))
    bench.live(480)
    assert bench.sent == list(range(1201, 2481))
    bench.pieces.clear()
    bench.gate.repeat(Frames(0))
    assert bench.sent == list(range(501, 2421)), "what came before the opening was never let through"


def test_what_was_withheld_is_not_sent_as_if_it_had_been_before() -> None:
    """Silence and a shut gate are not repeated, nor what came before them; what is gone cannot be."""
    bench = Bench(capacity=2000)
    bench.gate.open(None)
    bench.live(500)
    bench.gate.silence()
    assert bench.gate.repeatable_from == bench.preroll.end
    bench.gate.repeat(Frames(0))
    bench.live(500)
    bench.gate.open(None)
    bench.live(480)
    assert bench.gate.repeatable_from == 1000
    bench.pieces.clear()
    bench.gate.repeat(Frames(0))
    assert bench.sent == list(range(1001, 1481))
    bench.live(2400)
    assert bench.gate.repeatable_from == 1880
    bench.gate.close()
    bench.pieces.clear()
    bench.gate.repeat(Frames(0))
    assert (bench.sent, bench.gate.repeatable_from) == ([], 3880)


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("live"), st.integers(1, 1500)),
        st.tuples(st.just("open"), st.one_of(st.none(), st.integers(0, 12_000))),
        st.tuples(st.just("silence"), st.none()),
        st.tuples(st.just("close"), st.none()),
    ),
    max_size=40,
)


@given(OPERATIONS)
def test_any_story_sends_frames_in_order_and_only_where_it_was_open(story: list[tuple[str, int | None]]) -> None:
    """Frames rise strictly, gaps appear only across a closing, silence appears only where it was asked for."""
    bench = Bench()
    opened = silenced = False
    for name, value in story:
        before = len(bench.sent)
        if name == "live":
            assert value is not None
            bench.live(value)
        elif name == "open":
            bench.gate.open(None if value is None else Frames(value))
            opened, silenced = True, False
        elif name == "silence":
            bench.gate.silence()
            silenced = opened
        else:
            bench.gate.close()
            opened = False
        if not opened:
            assert len(bench.sent) == before
        if opened and silenced and name == "live":
            assert set(bench.sent[before:]) <= {0}
    heard = [position for position in bench.sent if position]
    assert heard == sorted(set(heard))
