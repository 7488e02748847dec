"""The far end: one frame for each of the microphone's, by count, set anew only where the count cannot be right."""

from __future__ import annotations

import numpy as np
import pytest

from speakerd.audio.pcm_types import PcmFormat
from speakerd.audio.play_count import PlayState
from speakerd.audio.reference import MARGIN_FRAMES, QUIET_FRAMES, EchoReference
from speakerd.audio.ring import make_ring
from speakerd.core.pcm import encode

CARD_24K = PcmFormat(rate_hz=24_000, channels=2, sample_format="S16_LE", period_frames=480, buffer_frames=1920)


class Card:
    """A card that plays in step with its clock; frames carry their own number, from 1."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.written = 0
        self.played = 0
        self.xruns = 0
        self.refused = 0
        self.producer, consumer = make_ring(96_000)
        self.state = PlayState(0, 0, 0, self.now_s, 0, 0)
        self.reference = EchoReference(lambda: self.now_s)
        self.reference.attach(consumer, CARD_24K, lambda: self.state)

    def write(self, frames: int, *, silent: bool = False) -> None:
        """Write to the card and publish, as the playback thread does."""
        sound = np.zeros(frames) if silent else np.arange(self.written + 1, self.written + 1 + frames)
        self.producer.write(encode(sound.astype(np.int16), 2, "S16_LE"))
        self.written += frames
        self.state = self.known()

    def known(self) -> PlayState:
        """Return what the playback thread knows."""
        queued = self.written - self.played
        return PlayState(self.written, 0, queued, self.now_s, self.xruns, 0, reference_refused_bytes=self.refused)

    def pass_frames(self, frames: int) -> None:
        """Let time pass."""
        self.played = min(self.written, self.played + frames)
        self.now_s += frames / 24_000

    def run(self, periods: int) -> list[int]:
        """Play and listen for some periods; returns the first far-end frame of each (0: silence)."""
        firsts = []
        for _ in range(periods):
            self.pass_frames(480)
            self.write(480)
            far = self.reference.take(480)
            assert far is not None
            firsts.append(int(far[0]))
        return firsts


@pytest.fixture
def card() -> Card:
    """Return a card that was primed with a full buffer."""
    card = Card()
    card.now_s += 0.001
    card.write(1920)
    return card


def test_nothing_has_played_at_first() -> None:
    """Without a card, or with one that is silent, there is no far end."""
    assert EchoReference(lambda: 0.0).take(480) is None
    card = Card()
    card.write(1920, silent=True)
    assert card.reference.take(480) is None


def test_gives_each_frame_a_margin_before_it_sounds(card: Card) -> None:
    """The far-end block ends one period after the frame that is just being played."""
    firsts = card.run(5)
    assert firsts[-1] + 480 - 1 == card.played + MARGIN_FRAMES


def test_counts_instead_of_looking_at_the_clock(card: Card) -> None:
    """Jitter in when the loop looks moves nothing: every block follows the one before."""
    card.run(3)
    before = card.reference.realignments
    last = card.run(1)[0]
    for late_s in (0.004, -0.003, 0.011):
        card.now_s += late_s
        following = card.run(1)[0]
        assert following == last + 480
        last = following
    assert card.reference.realignments == before


def test_takes_several_periods_at_once(card: Card) -> None:
    """A loop that was busy drains both ends, and the count stays."""
    last = card.run(4)[-1]
    for _ in range(3):
        card.pass_frames(480)
        card.write(480)
    far = card.reference.take(3 * 480)
    assert far is not None
    assert far[0] == last + 480
    assert np.all(np.diff(far) == 1)


def test_is_set_anew_after_an_underrun(card: Card) -> None:
    """Time passed that no frame stands for."""
    card.run(4)
    before = card.reference.realignments
    card.pass_frames(5000)  # runs dry
    card.xruns += 1
    card.write(1920)
    card.reference.take(480)
    firsts = card.run(2)
    assert card.reference.realignments > before
    assert firsts[-1] + 480 - 1 == card.played + MARGIN_FRAMES


def test_is_set_anew_when_the_queue_has_walked_away(card: Card) -> None:
    """A hole in the near end leaves more far-end frames than the card can hold; they are skipped."""
    card.run(4)
    before = card.reference.realignments
    for _ in range(6):  # the microphone heard nothing of this
        card.pass_frames(480)
        card.write(480)
    firsts = card.run(2)
    assert card.reference.realignments == before + 1
    assert firsts[-1] + 480 - 1 == card.played + MARGIN_FRAMES


def test_is_set_anew_when_asked(card: Card) -> None:
    """After a flush what was queued is skipped, though the queue looks as long as ever."""
    card.run(4)
    card.played = card.written  # dropped
    card.state = PlayState(card.written, 0, 0, card.now_s, 0, 0)
    card.reference.realign()
    card.now_s += 0.001
    card.write(1920)
    far = card.reference.take(480)
    assert far is not None
    assert far[-1] == card.played + MARGIN_FRAMES


def test_what_was_heard_before_the_card_began_had_silence_for_a_far_end(card: Card) -> None:
    """A block longer than everything that was written begins with zeros and ends a margin ahead of the card."""
    far = card.reference.take(4000)
    assert far is not None
    assert len(far) == 4000
    assert not far[:3000].any()
    assert far[-1] == card.played + MARGIN_FRAMES


def test_is_over_a_second_after_the_last_sound(card: Card) -> None:
    """Silence counts from when it is taken; then there is nothing to cancel until something sounds again."""
    card.run(2)
    taken = 0
    while True:
        card.pass_frames(480)
        card.write(480, silent=True)
        if card.reference.take(480) is None:
            break
        taken += 480
    assert QUIET_FRAMES <= taken <= QUIET_FRAMES + 1920 + 480
    card.write(480)
    assert card.reference.take(480) is not None


def test_a_card_that_is_gone_plays_nothing_more(card: Card) -> None:
    """What it had not played is forgotten, and the end of the sound is waited for."""
    card.run(2)
    card.reference.detach()
    far = card.reference.take(480)
    assert far is not None
    assert not far.any()


def test_frames_taken_out_of_turn_or_put_back_move_the_count_for_good(card: Card) -> None:
    """Whoever knows better than the count may move it, and it is not set anew for that."""
    card.run(3)
    card.pass_frames(480)
    card.write(480)
    due = card.reference.take(480)
    assert due is not None
    skipped = card.reference.skip(500)
    assert skipped.tolist() == list(range(int(due[-1]) + 1, int(due[-1]) + 501))
    before = card.reference.realignments
    assert card.run(1)[0] == int(due[-1]) + 501
    card.reference.put_back(np.arange(1, 501, dtype=np.int16))
    assert card.run(2)[0] == 1
    assert card.reference.realignments == before


def test_a_new_count_forgets_what_was_moved(card: Card) -> None:
    """It stands where the card says again."""
    card.run(3)
    card.reference.skip(500)
    card.reference.realign()
    card.now_s += 0.001
    assert card.run(3)[-1] + 480 - 1 == card.played + MARGIN_FRAMES


def test_what_was_not_written_yet_is_left_out_when_it_comes(card: Card) -> None:
    """A card that is kept short of silence may be asked for more than it got: what follows is not late for that."""
    card.run(3)
    last = card.run(1)[0]
    before = card.reference.realignments
    card.pass_frames(1700)  # nothing is written meanwhile: 220 frames are left in the card
    given = card.reference.take(1700)
    assert given is not None
    assert np.count_nonzero(given) == 1440
    card.write(1440)
    far = card.reference.take(480)
    assert far is not None
    assert far[0] == last + 480 + 1700
    assert card.reference.realignments == before


def test_is_set_anew_after_a_block_found_no_room(card: Card) -> None:
    """A frame that was played and never came here puts all that follow in a wrong place, by less than is noticed."""
    card.run(4)
    before = card.reference.realignments
    card.pass_frames(480)
    card.written += 480  # by the thread, to the card alone
    card.refused += 480 * 4
    card.state = card.known()
    card.reference.take(480)
    firsts = card.run(6)  # until what was in the card has been played
    assert card.reference.realignments == before + 1
    assert firsts[-1] + 480 - 1 == card.played + MARGIN_FRAMES
