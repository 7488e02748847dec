"""The ring's page of promises, kept."""

from __future__ import annotations

import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from speakerd.audio.ring import make_ring


@pytest.mark.parametrize("capacity_bytes", [0, -1])
def test_a_ring_without_room_is_refused(capacity_bytes: int) -> None:
    """A ring holds at least one byte."""
    with pytest.raises(ValueError, match="at least one byte"):
        make_ring(capacity_bytes)


def test_all_of_the_capacity_is_usable() -> None:
    """A ring of eight bytes takes eight and refuses the ninth."""
    producer, consumer = make_ring(8)
    assert producer.write(b"123456789") == 8
    assert (producer.free_bytes, consumer.available_bytes) == (0, 8)
    assert producer.write(b"9") == 0
    assert consumer.read(100) == b"12345678"


def test_an_empty_ring_reads_as_no_bytes() -> None:
    """Nobody waits: reading an empty ring returns nothing."""
    _, consumer = make_ring(8)
    assert consumer.read(4) == b""
    assert consumer.discard() == 0


def test_bytes_cross_the_edge_in_order() -> None:
    """What wraps around the storage's end comes out whole."""
    producer, consumer = make_ring(8)
    producer.write(b"abcdef")
    assert consumer.read(4) == b"abcd"
    assert producer.write(memoryview(b"ghijkl")) == 6
    assert consumer.read(8) == b"efghijkl"


def test_discarding_frees_everything_readable() -> None:
    """After a discard the ring is empty and takes its whole capacity."""
    producer, consumer = make_ring(4)
    producer.write(b"abc")
    assert consumer.discard() == 3
    assert (producer.free_bytes, consumer.read(4)) == (4, b"")
    assert producer.write(b"wxyz") == 4
    assert consumer.read(4) == b"wxyz"


class RingStory(RuleBasedStateMachine):
    """Any order of calls, told beside a plain queue that must agree."""

    def __init__(self) -> None:
        super().__init__()
        self.capacity = 7
        self.producer, self.consumer = make_ring(self.capacity)
        self.queue = b""

    @rule(data=st.binary(max_size=12))
    def write(self, data: bytes) -> None:
        taken = self.producer.write(data)
        assert taken == min(len(data), self.capacity - len(self.queue))
        self.queue += data[:taken]

    @rule(max_bytes=st.integers(0, 12))
    def read(self, max_bytes: int) -> None:
        assert self.consumer.read(max_bytes) == self.queue[:max_bytes]
        self.queue = self.queue[max_bytes:]

    @rule()
    def discard(self) -> None:
        assert self.consumer.discard() == len(self.queue)
        self.queue = b""

    @invariant()
    def both_ends_agree(self) -> None:
        assert self.consumer.available_bytes == len(self.queue)
        assert self.producer.free_bytes == self.capacity - len(self.queue)


RingStory.TestCase.settings = settings(max_examples=60, deadline=None)
test_any_order_of_calls_is_a_queue = RingStory.TestCase


def test_two_threads_pass_every_byte_once_and_in_order() -> None:
    """A writer and a reader at full speed lose, double and swap nothing."""
    producer, consumer = make_ring(1021)
    story = bytes(range(256)) * 400

    def write_all() -> None:
        left = memoryview(story)
        while left:
            left = left[producer.write(left[:97]) :]

    writer = threading.Thread(target=write_all)
    writer.start()
    heard = bytearray()
    while len(heard) < len(story):
        heard += consumer.read(61)
    writer.join()
    assert bytes(heard) == story
