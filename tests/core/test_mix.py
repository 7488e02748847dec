"""The mix: every frame of a reply once and in order, our own sounds before or over it, and nothing that clicks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.core.backlog import Piece
from speakerd.core.fades import FADE_FRAMES, faded
from speakerd.core.gain import RAMP_FRAMES
from speakerd.core.mix import DUCKED_GAIN, Block, Mix, Span, Supply
from speakerd.core.units import ItemId, ResponseId

A, B = ItemId("item_a"), ItemId("item_b")
R = ResponseId("resp_r")
PIECE = 480
Pcm = npt.NDArray[np.int16]


def flat(frames: int, level: int = 8000) -> Pcm:
    """Return a constant, in which every change is the mix's doing."""
    return np.full(frames, level, np.int16)


def drain(mix: Mix, supply: Supply = Supply.ENDING) -> list[Block]:
    """Take everything that may be taken."""
    blocks = []
    while (block := mix.take(PIECE, supply)) is not None:
        blocks.append(block)
    return blocks


def sound(blocks: list[Block]) -> Pcm:
    """Return what is heard of blocks."""
    return np.concatenate([np.zeros(0, np.int16), *(block.pcm for block in blocks)])


def test_a_reply_comes_out_as_it_came_between_its_fades() -> None:
    """Bit for bit, over the borders of pieces and items, and whose it is is told."""
    mix = Mix()
    mix.append(Piece(A, R, flat(700, 100)))
    mix.append(Piece(B, R, flat(500, 200)))
    assert (mix.frames, mix.reply_frames, mix.next_reply) == (1200, 1200, R)
    blocks = drain(mix)
    reply = np.concatenate((flat(700, 100), flat(500, 200)))
    assert sound(blocks).tolist() == faded(reply, until_end=1200).tolist()
    assert [block.spans for block in blocks] == [
        (Span(A, R, 480),),
        (Span(A, R, 220), Span(B, R, 260)),
        (Span(B, R, 240),),
    ]
    assert (bool(mix), mix.next_reply, mix.speaking) == (False, None, False)


def test_the_last_frames_are_kept_back_while_more_may_come() -> None:
    """Lest there be nothing left to fade; with more, they go on as if nothing had been."""
    mix = Mix()
    mix.append(Piece(A, R, flat(480)))
    first = drain(mix, Supply.FLOWING)
    assert (len(sound(first)), mix.reply_frames, mix.speaking) == (480 - FADE_FRAMES, FADE_FRAMES, True)
    mix.append(Piece(A, R, flat(480)))
    blocks = first + drain(mix, Supply.FLOWING) + drain(mix)
    assert sound(blocks).tolist() == faded(flat(960), until_end=960).tolist()


def test_nothing_of_a_reply_goes_while_it_waits() -> None:
    """But an insert does."""
    mix = Mix()
    mix.append(Piece(A, R, flat(480)))
    assert mix.take(PIECE, Supply.WAITING) is None
    mix.insert(flat(10, 5))
    block = mix.take(PIECE, Supply.WAITING)
    assert block is not None
    assert (block.pcm.tolist(), block.spans) == ([5] * 10, (Span(None, None, 10),))


def test_an_end_is_never_torn() -> None:
    """What would leave less than a fade is taken with the end."""
    mix = Mix()
    mix.append(Piece(A, R, flat(PIECE + FADE_FRAMES - 1)))
    (block,) = drain(mix)
    assert len(block.pcm) == PIECE + FADE_FRAMES - 1


def test_inserts_go_before_replies_and_behind_each_other() -> None:
    """As they came."""
    mix = Mix()
    mix.append(Piece(A, R, flat(PIECE, 30)))
    mix.insert(flat(500, 10))
    mix.insert(flat(5, 20))
    heard = sound(drain(mix))
    assert heard[:505].tolist() == [10] * 500 + [20] * 5
    assert heard[505:].tolist() == faded(flat(PIECE, 30), until_end=PIECE).tolist()


def test_an_insert_interrupts_a_reply_between_two_fades() -> None:
    """The reply goes on behind it where it was."""
    mix = Mix()
    mix.append(Piece(A, R, flat(3 * PIECE)))
    begun = mix.take(PIECE, Supply.FLOWING)
    assert begun is not None
    mix.insert(faded(flat(PIECE, 4000), until_end=PIECE))
    blocks = [begun, *drain(mix)]
    told = [span for block in blocks for span in block.spans]
    assert told[1:3] == [Span(A, R, FADE_FRAMES), Span(None, None, PIECE)]
    assert sum(span.frames for span in told if span.item_id == A) == 3 * PIECE
    assert np.abs(np.diff(sound(blocks).astype(int))).max() < 8000 / 50


def test_an_overlay_ducks_the_reply_and_lets_it_up_again() -> None:
    """A quarter of it is left under the earcon, whose frames are nobody's."""
    mix = Mix()
    mix.append(Piece(A, R, flat(10 * PIECE)))
    begun = mix.take(PIECE, Supply.FLOWING)
    assert begun is not None
    mix.overlay(flat(3 * PIECE, 1000))
    mix.overlay(flat(PIECE // 2, 1000))
    assert mix.frames == 12 * PIECE + PIECE // 2
    blocks = [begun, *drain(mix)]
    heard = sound(blocks)
    assert len(heard) == 10 * PIECE
    assert {span.item_id for block in blocks for span in block.spans} == {A}
    under = heard[PIECE + RAMP_FRAMES : 4 * PIECE]
    assert under.tolist() == [int(8000 * DUCKED_GAIN) + 1000] * len(under)
    assert heard[6 * PIECE : -FADE_FRAMES].tolist() == [8000] * (4 * PIECE - FADE_FRAMES)
    without = heard.astype(int)
    without[PIECE : 4 * PIECE + PIECE // 2] -= 1000
    assert np.abs(np.diff(without)).max() < 8000 / 50


def test_an_overlay_outlives_the_reply_under_it() -> None:
    """It is heard whole, and a reply that begins under it is ducked."""
    mix = Mix()
    mix.append(Piece(A, R, flat(2 * PIECE)))
    first = mix.take(PIECE, Supply.FLOWING)
    mix.overlay(flat(4 * PIECE, 1000))
    rest = drain(mix)
    assert first is not None
    assert len(sound(rest)) == 4 * PIECE
    assert rest[-1].spans == (Span(None, None, PIECE),)
    assert rest[-1].pcm.tolist() == [1000] * PIECE


def test_an_overlay_waits_with_the_last_frames_of_a_reply_that_may_go_on() -> None:
    """The held-back end must follow its beginning."""
    mix = Mix()
    mix.append(Piece(A, R, flat(PIECE)))
    drain(mix, Supply.FLOWING)
    mix.overlay(flat(10))
    assert mix.take(PIECE, Supply.FLOWING) is None


def test_the_volume_is_of_everything() -> None:
    """Replies and sounds alike, after they were mixed; 1 is as it came."""
    mix = Mix()
    assert mix.gain == 1.0
    mix.set_gain(0.5)
    assert mix.gain == 0.5
    mix.clear()
    mix.insert(flat(PIECE, 1000))
    mix.append(Piece(A, R, flat(2 * PIECE)))
    heard = sound(drain(mix))
    assert heard[:PIECE].tolist() == [500] * PIECE
    assert heard[PIECE + FADE_FRAMES : -FADE_FRAMES].tolist() == [4000] * (2 * PIECE - 2 * FADE_FRAMES)
    with pytest.raises(ValueError, match="gain"):
        mix.set_gain(99.0)


def test_a_cleared_mix_begins_anew() -> None:
    """Nothing is left, and what follows is not ducked and rises from silence."""
    mix = Mix()
    mix.append(Piece(A, R, flat(3 * PIECE)))
    mix.insert(flat(5))
    mix.overlay(flat(5000))
    mix.take(PIECE, Supply.FLOWING)
    mix.take(PIECE, Supply.FLOWING)
    mix.clear()
    assert (bool(mix), mix.frames, mix.speaking) == (False, 0, False)
    mix.append(Piece(B, R, flat(PIECE)))
    assert sound(drain(mix)).tolist() == faded(flat(PIECE), until_end=PIECE).tolist()


STORY = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["reply", "insert", "overlay"]), st.integers(1, 2000)),
        st.tuples(st.just("gain"), st.integers(0, 4)),
        st.tuples(st.sampled_from([supply.value for supply in Supply]), st.integers(1, 6)),
    ),
    max_size=40,
)


@given(STORY, st.integers(0, 2**16))
def test_whatever_is_mixed_the_reply_is_told_frame_by_frame_and_nothing_is_too_loud(
    story: list[tuple[str, int]], seed: int
) -> None:
    """Each frame of a reply and of each sound once, blocks of the told length, never past full scale."""
    random = np.random.default_rng(seed)
    mix = Mix()
    replies = inserts = 0
    blocks: list[Block] = []
    for what, size in [*story, ("ending", 10_000)]:
        pcm = random.integers(-32_768, 32_768, size).astype(np.int16) if size <= 2000 else flat(0)
        if what == "reply":
            mix.append(Piece(A, R, pcm))
            replies += size
        elif what == "insert":
            mix.insert(pcm)
            inserts += size
        elif what == "overlay":
            mix.overlay(pcm)
        elif what == "gain":
            mix.set_gain(float(size))
        else:
            for _ in range(size):
                if (block := mix.take(PIECE, Supply(what))) is None:
                    break
                blocks.append(block)
    spans = [span for block in blocks for span in block.spans]
    assert all(len(block.pcm) == sum(span.frames for span in block.spans) for block in blocks)
    assert all(len(block.pcm) <= PIECE + FADE_FRAMES for block in blocks)
    assert sum(span.frames for span in spans if span.item_id == A) == replies
    assert sum(span.frames for span in spans if span.item_id is None) >= inserts
    assert not mix
    assert all(np.abs(block.pcm.astype(int)).max() <= 32_767 for block in blocks)
