"""Both ends of the echo path, in step to the sample after every rest of the loudspeaker's card."""

from __future__ import annotations

import numpy as np
import pytest

from speakerd.audio.aligned import SLACK_FRAMES, SURE_LOOKS, TRIES, Aligned, Ends, Learnt, Pcm
from speakerd.core.echo_lag import SOUND_FRAMES
from speakerd.core.units import WIRE_RATE_HZ

LAG = 1200
BLOCK = 480


class Room:
    """A loudspeaker whose far end stands where the test puts it, and the microphone in its room."""

    def __init__(self) -> None:
        self.realignments = 0
        self.holes = 0
        self.waiting = np.zeros(0, np.int16)
        self.heard: list[Pcm] = []
        self.aligned = Aligned(self)
        self.resting = False
        self.seed = 0

    def take(self, frames: int) -> Pcm | None:
        if self.resting:
            return None
        taken, self.waiting = self.waiting[:frames], self.waiting[frames:]
        return np.concatenate((taken, np.zeros(frames - len(taken), np.int16)))

    def realign(self) -> None:
        self.holes += 1

    def skip(self, frames: int) -> Pcm:
        skipped, self.waiting = self.waiting[:frames], self.waiting[frames:]
        return skipped

    def put_back(self, far: Pcm) -> None:
        self.waiting = np.concatenate((far, self.waiting))

    def play(self, seconds: float, lag: int = LAG, *, echo: bool = True, anew: bool = False) -> list[Ends]:
        """Play noise whose echo comes so late; return what is said of it, block by block."""
        self.seed += 1
        frames = int(seconds * WIRE_RATE_HZ) // BLOCK * BLOCK
        played = (np.random.default_rng(self.seed).standard_normal(frames) * 3000).astype(np.int16)
        self.waiting = np.concatenate((played, np.zeros(2 * LAG, np.int16)))
        near = np.concatenate((np.zeros(lag, np.int16), played // 2))[:frames] if echo else np.zeros(frames, np.int16)
        self.realignments += anew
        return [self.aligned.process(near[i : i + BLOCK]) for i in range(0, frames, BLOCK)]


def joined(ends: list[Ends]) -> tuple[Pcm, Pcm]:
    """Return both ends as a whole."""
    assert all(end.far is not None and len(end.far) == len(end.near) for end in ends)
    return np.concatenate([end.near for end in ends]), np.concatenate([end.far for end in ends if end.far is not None])


def test_learns_how_late_the_echo_is() -> None:
    """Within a second of sound; nothing is held back meanwhile."""
    room = Room()
    ends = room.play(1.0)
    assert room.aligned.lag_frames == LAG
    assert {len(end.near) for end in ends} == {BLOCK}
    assert {end.learnt for end in ends} == {Learnt.HOLDS}


@pytest.mark.parametrize("slip", [-700, -1, 0, 1, 700])
def test_puts_the_far_end_where_it_was(slip: int) -> None:
    """After a rest the card starts a little earlier or later; a canceller finds the echo where it left it."""
    room = Room()
    room.play(1.0)
    ends = room.play(2.0, LAG + slip, anew=True)
    near, far = joined(ends)
    assert (near[LAG:] == far[: len(far) - LAG] // 2)[max(0, slip) : -max(0, -slip) - LAG].all()
    assert ends[-1].learnt is Learnt.HOLDS
    assert [end.counted_anew for end in ends] == [True] + [False] * (len(ends) - 1)
    assert room.aligned.lag_frames == LAG
    assert len(near) == 2 * WIRE_RATE_HZ


def test_holds_a_sound_back_only_until_its_echo_is_found() -> None:
    """Then it is let go at once, and every block passes as it comes."""
    room = Room()
    room.play(1.0)
    sizes = [len(end.near) for end in room.play(1.0, anew=True)]
    held = -(-(SOUND_FRAMES + LAG + SLACK_FRAMES) // BLOCK)
    assert sizes == [0] * (held - 1) + [held * BLOCK] + [BLOCK] * (len(sizes) - held)


def test_a_wrong_place_is_left_again_within_a_second() -> None:
    """A voice repeats itself; what the first sound had told is checked once, and the far end moved in mid-reply."""
    room = Room()
    room.play(1.0)
    near = np.random.default_rng(9).standard_normal(2 * WIRE_RATE_HZ) * 3000
    wrong, right = near[: BLOCK * 16], near
    room.realignments += 1
    room.waiting = right.astype(np.int16)
    heard = np.concatenate((np.zeros(LAG), right))[: len(right)]
    heard[: len(wrong)] = np.concatenate((np.zeros(LAG + 400), wrong))[: len(wrong)]
    ends = [room.aligned.process(heard[i : i + BLOCK].astype(np.int16)) for i in range(0, len(right), BLOCK)]
    _, far = joined(ends)
    before = right.astype(np.int16)
    assert (far[-2400:] == before[-2400:]).all()
    assert (far[12_000:14_400] == before[11_600:14_000]).all()
    assert room.aligned.lag_frames == LAG


def test_one_look_that_finds_the_echo_elsewhere_moves_nothing() -> None:
    """With the count unchanged it is a wrong look; put by it, every later sound would be given in a wrong place."""
    room = Room()
    room.play(1.0)
    room.play(1.0, LAG - 780)
    assert room.aligned.lag_frames == LAG
    room.play(1.0)
    room.play(1.0, LAG - 500)
    room.play(1.0, LAG - 100)
    assert room.aligned.lag_frames == LAG
    _, far = joined(room.play(2.0, LAG + 90, anew=True))
    assert not far[:90].any(), "put where it has always been"
    assert room.aligned.lag_frames == LAG


def test_an_echo_that_stays_elsewhere_is_believed_in_the_end() -> None:
    """The first look may have been the wrong one."""
    room = Room()
    room.play(1.0)
    room.play(SURE_LOOKS - 1.0, 700)
    assert room.aligned.lag_frames == LAG
    room.play(1.0, 700)
    assert room.aligned.lag_frames == 700


@pytest.mark.parametrize(("slip", "lost"), [(SLACK_FRAMES + 1, True), (-SLACK_FRAMES + 60, False)])
def test_an_echo_far_from_where_it_was_is_not_believed_at_once(*, slip: int, lost: bool) -> None:
    """No card starts that much earlier or later; after some tries it is another room."""
    room = Room()
    room.play(1.0)
    learnt = [end.learnt for end in room.play(2.5, LAG + slip, anew=True)]
    assert (Learnt.LOST in learnt) is lost


def test_silence_is_not_held_back() -> None:
    """There is nothing to be found in it, and no echo in it either."""
    room = Room()
    room.play(1.0)
    room.realignments = 1
    end = room.aligned.process(np.zeros(BLOCK, np.int16))
    assert (len(end.near), end.learnt) == (BLOCK, Learnt.DOUBTFUL)


def test_what_was_learnt_is_kept_over_a_sound_that_tells_nothing() -> None:
    """A wake sound's echo is not always found; the reply's behind it is."""
    room = Room()
    room.play(1.0)
    doubtful = room.play(0.28, echo=False, anew=True)
    assert {end.learnt for end in doubtful} == {Learnt.DOUBTFUL}
    assert room.play(1.0)[-1].learnt is Learnt.HOLDS
    assert room.aligned.lag_frames == LAG


def test_gives_up_after_some_sounds() -> None:
    """Then what was learnt is lost, which is said once, and the delay is learnt anew."""
    room = Room()
    room.play(1.0)
    learnt = [end.learnt for end in room.play(1.2, echo=False, anew=True)]
    assert learnt.count(Learnt.LOST) == 1
    assert room.aligned.lag_frames is None
    assert learnt.index(Learnt.LOST) == TRIES * -(-(SOUND_FRAMES + LAG + SLACK_FRAMES) // BLOCK) - 1
    room.play(2.0, 900)
    assert room.aligned.lag_frames == 900


def test_where_nothing_was_learnt_a_new_count_loses_all() -> None:
    """And nothing is held back."""
    ends = Room().play(0.1, anew=True)
    assert [end.learnt for end in ends] == [Learnt.LOST] + [Learnt.HOLDS] * 4
    assert {len(end.near) for end in ends} == {BLOCK}


def test_what_is_held_back_when_the_loudspeaker_goes_is_not_lost() -> None:
    """It comes with the next block, uncancelled."""
    room = Room()
    room.play(1.0)
    room.play(0.1, anew=True)
    room.resting = True
    end = room.aligned.process(np.ones(BLOCK, np.int16))
    assert (len(end.near), end.far) == (6 * BLOCK, None)


def test_a_second_new_count_loses_nothing_that_is_held_back() -> None:
    """Everything comes once."""
    room = Room()
    room.play(1.0)
    first = room.play(0.1, anew=True)
    second = room.play(1.0, anew=True)
    near, _ = joined(first + second)
    assert len(near) == int(1.1 * WIRE_RATE_HZ)


def test_a_hole_in_the_near_end_is_told_to_the_far_end() -> None:
    """The count must be set anew on the loudspeaker's side."""
    room = Room()
    room.aligned.realign()
    assert room.holes == 1
