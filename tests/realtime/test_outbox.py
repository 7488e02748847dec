"""What waits to be sent."""

from __future__ import annotations

from collections import deque

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from speakerd.core.units import Frames, Ms
from speakerd.realtime.outbox import LIMIT_BYTES, PIECE_BYTES, Outbox

AUDIO = st.lists(st.binary(min_size=2, max_size=3 * PIECE_BYTES), max_size=5)


def drained(outbox: Outbox) -> bytes:
    audio = b""
    while piece := outbox.take_audio():
        assert len(piece) <= PIECE_BYTES
        audio += piece
    return audio


def test_live_audio_goes_as_it_comes_and_a_backlog_in_larger_pieces() -> None:
    """One period waits alone; many are taken 200 ms at a time."""
    outbox = Outbox()
    outbox.audio(bytes(960))
    assert len(outbox.take_audio()) == 960
    for _ in range(15):
        outbox.audio(bytes(960))
    assert [len(outbox.take_audio()) for _ in range(3)] == [9600, 4800, 0]


def test_commands_overtake_audio() -> None:
    """A truncation does not wait for a backlog of microphone audio."""
    outbox = Outbox()
    outbox.audio(b"12")
    outbox.command("cut")
    assert (outbox.take_command(), outbox.take_command(), outbox.take_audio(), outbox.empty) == (
        "cut",
        None,
        b"12",
        True,
    )


@given(AUDIO, st.integers(0, 5), AUDIO)
def test_a_second_attempt_gets_all_audio_again(before: list[bytes], taken: int, after: list[bytes]) -> None:
    """The story of a session that never came up: whatever was taken is sent again, in order, once."""
    outbox = Outbox()
    for pcm in before:
        outbox.audio(pcm)
    for _ in range(taken):
        outbox.take_audio()
    outbox.command("for the dead session")
    outbox.rewind()
    for pcm in after:
        outbox.audio(pcm)
    assert outbox.take_command() is None
    assert drained(outbox) == b"".join(before + after)


def test_a_second_attempt_begins_with_what_the_first_one_got() -> None:
    """What was taken comes before what still waits."""
    outbox = Outbox()
    outbox.audio(b"1" * PIECE_BYTES + b"2" * PIECE_BYTES + b"3" * PIECE_BYTES)
    assert (outbox.take_audio(), outbox.take_audio()) == (b"1" * PIECE_BYTES, b"2" * PIECE_BYTES)
    outbox.rewind()
    assert drained(outbox) == b"1" * PIECE_BYTES + b"2" * PIECE_BYTES + b"3" * PIECE_BYTES


def test_a_confirmed_session_keeps_nothing() -> None:
    """Once the session is up, what was sent is sent."""
    outbox = Outbox()
    outbox.audio(b"12")
    outbox.take_audio()
    outbox.confirm()
    outbox.audio(b"34")
    outbox.take_audio()
    outbox.rewind()
    assert (outbox.empty, outbox.waiting_bytes) == (True, 0)


def test_what_was_sent_is_found_again_by_its_place() -> None:
    """Places count from the session's beginning, however often it was begun, and whatever was taken."""
    outbox = Outbox()
    outbox.audio(bytes(2 * 480), Frames(5000))
    outbox.take_audio()
    outbox.rewind()
    outbox.audio(bytes(2 * 480))
    outbox.audio(bytes(2 * 480), Frames(9000))
    assert [outbox.frame_at(Ms(place)) for place in (10, 25, 50, 60)] == [5240, 9000, 9240, None]


def test_the_next_session_gets_the_rest() -> None:
    """What was not taken is at the beginning of its audio; what was taken belongs to the old one."""
    outbox = Outbox()
    outbox.confirm()
    outbox.audio(bytes(2 * 480), Frames(5000))
    outbox.take_audio()
    outbox.command("for the old session")
    outbox.audio(b"34" * 480, Frames(5480))
    rest = outbox.rest()
    rest.audio(b"56" * 480, Frames(5960))
    assert (rest.frame_at(Ms(0)), rest.frame_at(Ms(20))) == (5480, 5960)
    assert (rest.take_command(), drained(rest)) == (None, b"34" * 480 + b"56" * 480)
    rest.rewind()
    assert drained(rest) == b"34" * 480 + b"56" * 480


def test_two_minutes_may_wait() -> None:
    """Beyond the limit the outbox says so, and has still dropped nothing."""
    outbox = Outbox()
    outbox.audio(bytes(LIMIT_BYTES))
    assert not outbox.overfull
    outbox.audio(b"12")
    assert outbox.overfull
    assert outbox.waiting_bytes == LIMIT_BYTES + 2


class Story(RuleBasedStateMachine):
    """An outbox, and beside it the list of everything that was ever said, of which a session gets a slice."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox()
        self.said = b""
        self.begin = 0
        """Where the present session's slice begins."""
        self.end = 0
        """Where it ends so far."""
        self.confirmed = False
        self.commands: deque[str] = deque()
        self.count = 0

    @rule(frames=st.sampled_from([0, 1, 480, 4799, 4800, 4801, 3 * 4800]))
    def audio(self, frames: int) -> None:
        """Say so many samples, each with its own number."""
        first = len(self.said) // 2
        pcm = (np.arange(first, first + frames) % 65_521).astype("<u2").tobytes()
        self.outbox.audio(pcm)
        self.said += pcm

    @rule()
    def command(self) -> None:
        """Want something of the service."""
        self.count += 1
        self.outbox.command(f"command {self.count}")
        self.commands.append(f"command {self.count}")

    @rule()
    def take_command(self) -> None:
        """Commands come in order, each once."""
        assert self.outbox.take_command() == (self.commands.popleft() if self.commands else None)

    @rule(pieces=st.integers(1, 4))
    def take_audio(self, pieces: int) -> None:
        """Audio comes in order, each sample once, in whole samples and as much as fits."""
        for _ in range(pieces):
            piece = self.outbox.take_audio()
            assert piece == self.said[self.end : self.end + PIECE_BYTES]
            self.end += len(piece)

    @precondition(lambda self: not self.confirmed)
    @rule()
    def rewind(self) -> None:
        """A session that never came up has got nothing: the next one gets the same from the first sample on."""
        self.outbox.rewind()
        self.commands.clear()
        self.end = self.begin

    @rule()
    def confirm(self) -> None:
        """The session is up."""
        self.outbox.confirm()
        self.confirmed = True

    @precondition(lambda self: self.confirmed)
    @rule()
    def rewind_what_has_arrived(self) -> None:
        """What a session that was up has got is not sent again."""
        self.outbox.rewind()
        self.commands.clear()
        self.begin = self.end

    @invariant()
    def nothing_is_missing(self) -> None:
        """What was said and not taken waits, all of it."""
        assert self.outbox.waiting_bytes == len(self.said) - self.end
        assert self.outbox.empty == (self.end == len(self.said) and not self.commands)

    def teardown(self) -> None:
        """Whatever happened, the rest follows whole."""
        assert drained(self.outbox) == self.said[self.end :]


TestAnyOrderOfEvents = Story.TestCase
"""Audio, commands, takings, failures and confirmations in any order: each sample once, in order, or all again."""
