"""What waits to be sent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

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


def test_two_minutes_may_wait() -> None:
    """Beyond the limit the outbox says so, and has still dropped nothing."""
    outbox = Outbox()
    outbox.audio(bytes(LIMIT_BYTES))
    assert not outbox.overfull
    outbox.audio(b"12")
    assert outbox.overfull
    assert outbox.waiting_bytes == LIMIT_BYTES + 2
