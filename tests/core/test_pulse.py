"""Which part stands still: never one that moves, always one that does not, whatever the loop's own delays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from speakerd.core.pulse import LIMITS_S, Part, Pulse, Standstill

LOOK_S = 5.0
WATCHED = (Part.CAPTURE, Part.WAKE, Part.PLAYBACK)


def test_a_part_that_stands_still_is_named_with_its_time() -> None:
    """From its limit on, and not a look sooner."""
    pulse = Pulse(LOOK_S)
    told = [pulse.look(LOOK_S * turn, {Part.CAPTURE: 7, Part.WAKE: turn}) for turn in range(5)]
    assert told[:3] == [()] * 3
    assert told[3] == (Standstill(Part.CAPTURE, 15.0),)
    assert str(told[4][0]) == "capture has delivered nothing for 20 s"


def test_every_part_has_a_limit_and_a_sentence_of_its_own() -> None:
    """None can stand still unnoticed, and none is taken for another."""
    assert set(LIMITS_S) == set(Part)
    assert len({str(Standstill(part, 1.0)) for part in Part}) == len(Part)


def test_several_can_stand_still_at_once() -> None:
    """Each is named."""
    pulse = Pulse(LOOK_S)
    for turn in range(4):
        told = pulse.look(LOOK_S * turn, dict.fromkeys(WATCHED, 1))
    assert {still.part for still in told} == set(WATCHED)


def test_a_step_ends_it() -> None:
    """It may stand still for as long again."""
    pulse = Pulse(LOOK_S)
    counts = [1, 1, 1, 1, 2, 2, 2, 2]
    told = [bool(pulse.look(LOOK_S * turn, {Part.WAKE: count})) for turn, count in enumerate(counts)]
    assert told == [False, False, False, True, False, False, False, True]


def test_of_which_nothing_is_asked_stands_as_long_as_it_likes() -> None:
    """And when it is asked again it begins anew, whatever its count was before."""
    pulse = Pulse(LOOK_S)
    counts = [3, 3, 3, None, 3, 3, 3, 3]
    told = [bool(pulse.look(LOOK_S * turn, {Part.PLAYBACK: count})) for turn, count in enumerate(counts)]
    assert told == [False] * 7 + [True]


def test_time_in_which_nobody_looked_is_held_against_nobody() -> None:
    """A process that was stopped for a minute finds its threads where they were."""
    pulse = Pulse(LOOK_S)
    assert pulse.look(0.0, {Part.CAPTURE: 1}) == ()
    assert pulse.look(60.0, {Part.CAPTURE: 1}) == ()
    assert pulse.look(65.0, {Part.CAPTURE: 2}) == ()


DELAYS_S = st.lists(st.floats(LOOK_S, 300.0), min_size=1, max_size=60)


@given(delays_s=DELAYS_S, part=st.sampled_from(WATCHED), steps=st.lists(st.integers(1, 2), min_size=60, max_size=60))
def test_a_story_of_a_slow_machine(delays_s: list[float], part: Part, steps: list[int]) -> None:
    """A part that moves at every second look at the latest is never accused, however late the looks come."""
    pulse, now_s, count, until = Pulse(LOOK_S), 0.0, 0, 1
    for delay_s, step in zip(delays_s, steps, strict=False):
        now_s += delay_s
        until -= 1
        if until == 0:
            count, until = count + 1, step
        assert pulse.look(now_s, {part: count}) == ()


@given(before=st.lists(st.tuples(st.floats(0.0, 60.0), st.integers(0, 3)), max_size=20), part=st.sampled_from(WATCHED))
def test_a_story_of_a_hang(before: list[tuple[float, int]], part: Part) -> None:
    """Whatever went before, what stands still from now on is named when its limit has passed, and stays named."""
    pulse, now_s, count = Pulse(LOOK_S), 0.0, 0
    for delay_s, step in before:
        now_s, count = now_s + delay_s, count + step
        pulse.look(now_s, {part: count})
    told = [pulse.look(now_s + LOOK_S * turn, {part: count}) for turn in range(1, 9)]
    first = next(turn for turn, still in enumerate(told) if still)
    assert first <= LIMITS_S[part] / LOOK_S
    assert all(told[first:])
