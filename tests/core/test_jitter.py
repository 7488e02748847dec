"""The wait before a reply: what a network teaches, against a player that really plays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from speakerd.core.jitter import DELAY_MAX_S, MARGIN_S, PAUSE_S, RECOVERY, PlayoutDelay
from speakerd.core.units import WIRE_RATE_HZ, ResponseId

R, S = ResponseId("resp_r"), ResponseId("resp_s")


def reply(delay: PlayoutDelay, name: str, arrivals: list[tuple[float, float]], start_s: float = 100.0) -> None:
    """Let a reply come: seconds after the delta before, seconds of audio."""
    now_s = start_s
    for gap_s, audio_s in arrivals:
        now_s += gap_s
        delay.arrived(ResponseId(name), round(audio_s * WIRE_RATE_HZ), now_s)


def test_a_burst_never_waits() -> None:
    """A service that sends faster than it speaks is played at once, reply for reply."""
    delay = PlayoutDelay()
    for n in range(5):
        reply(delay, str(n), [(0.0, 0.1), (0.02, 0.1), (0.05, 0.2), (0.01, 0.4), (0.3, 0.4)])
        assert delay.delay_s == 0.0


def test_audio_that_comes_just_in_time_is_given_the_margin() -> None:
    """Real-time pacing without any jitter would run dry by a hair; so much earlier makes it safe."""
    delay = PlayoutDelay()
    reply(delay, "r", [(0.0, 0.1)] + [(0.1, 0.1)] * 20)
    assert abs(delay.delay_s - MARGIN_S) < 1e-9


def test_the_worst_delta_counts() -> None:
    """One that was 150 ms late asks for so much, whatever came after it."""
    delay = PlayoutDelay()
    reply(delay, "r", [(0.0, 0.1), (0.25, 0.1), (0.0, 0.1), (0.0, 0.3)])
    assert abs(delay.delay_s - 0.15 - MARGIN_S) < 1e-9


def test_the_wait_grows_at_once_and_is_forgotten_slowly() -> None:
    """A good reply leaves four fifths of it, and in the end nothing."""
    delay = PlayoutDelay()
    reply(delay, "bad", [(0.0, 0.1), (0.25, 0.1)])
    learned_s = delay.delay_s
    reply(delay, "0", [(0.0, 1.0)])
    assert delay.delay_s == learned_s
    reply(delay, "1", [(0.0, 1.0)])
    assert abs(delay.delay_s - RECOVERY * learned_s) < 1e-9
    for n in range(2, 20):
        reply(delay, str(n), [(0.0, 1.0)])
    assert delay.delay_s == 0.0


def test_a_pause_of_the_speaker_is_no_jitter() -> None:
    """A reply that goes on after two seconds of thought teaches nothing, and is measured anew from there."""
    delay = PlayoutDelay()
    reply(delay, "r", [(0.0, 0.2), (0.2 + PAUSE_S + 0.01, 0.2), (0.01, 0.4)])
    assert delay.delay_s == 0.0
    delay.arrived(ResponseId("r"), 2400, 100.0 + 1.42 + 0.6 + 0.05)
    assert delay.delay_s > 0.05


DELTAS = st.lists(st.tuples(st.floats(0, 0.6), st.floats(0.005, 0.5)), min_size=1, max_size=30)


@given(DELTAS)
def test_the_wait_stays_within_its_bounds(arrivals: list[tuple[float, float]]) -> None:
    """Whatever a network does."""
    delay = PlayoutDelay()
    reply(delay, "r", arrivals)
    assert 0.0 <= delay.delay_s <= DELAY_MAX_S


@given(DELTAS)
def test_the_same_arrivals_do_not_run_dry_again(arrivals: list[tuple[float, float]]) -> None:
    """Played so much later, a reply that comes in the same way has the margin at every delta, if the bound allows."""
    delay = PlayoutDelay()
    reply(delay, "r", arrivals)
    if delay.delay_s in {0.0, DELAY_MAX_S}:
        return
    played_from_s, now_s, received_s = delay.delay_s, 0.0, 0.0
    for n, (gap_s, audio_s) in enumerate(arrivals):
        now_s += gap_s if n else 0.0
        if n:
            assert now_s - played_from_s <= received_s - MARGIN_S + 1e-3
        received_s += audio_s
