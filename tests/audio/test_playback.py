"""The playback thread's body on a card that does as planned."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakerd.audio.pcm_types import PcmFormat
from speakerd.audio.playback import IDLE_RESULTS_LIMIT, Playback
from speakerd.audio.ring import Producer, make_ring
from speakerd.core.errors import DeviceError, Remedy
from tests.fakes.pcm import FakePlaybackPcm, Fault, Short, Unplug, Xrun

CARD = PcmFormat(rate_hz=16_000, channels=1, sample_format="S16_LE", period_frames=4, buffer_frames=16)
PERIOD = CARD.period_bytes
BUFFER = CARD.buffer_frames * CARD.frame_bytes


def sound(frames: int) -> bytes:
    """Return content in which every frame differs and none is silence."""
    return b"".join((1 + n % 30_000).to_bytes(2, "little") for n in range(frames))


class Bench:
    """A playback body between a ring and a fake card, with a clock that counts calls."""

    def __init__(self, *, reference_bytes: int = 65_536) -> None:
        self.pcm = FakePlaybackPcm(CARD)
        self.inlet, outlet = make_ring(4096)
        reference, self.reference = make_ring(reference_bytes)
        self.rings = 0
        self.time_s = 0.0
        self.playback = Playback(self.pcm, outlet, reference, self._ring, self._now)

    def _ring(self) -> None:
        self.rings += 1

    def _now(self) -> float:
        self.time_s += 1.0
        return self.time_s

    def pump(self, times: int = 1) -> None:
        for _ in range(times):
            self.playback.pump_once()

    def audible(self) -> int:
        """Return the frames of content that were heard, which the formula for later moments must never exceed."""
        state = self.playback.state
        queued = max(0, state.queued_frames - state.silence_tail_frames)
        assert state.content_frames - state.dropped_frames - queued <= state.heard_frames
        return state.heard_frames


def test_the_first_write_fills_the_buffer_with_silence() -> None:
    """Without content the stream starts with a full cushion."""
    bench = Bench()
    bench.pump()
    assert bench.pcm.writes == [bytes(BUFFER)]
    assert (bench.playback.state.queued_frames, bench.playback.state.silence_tail_frames) == (16, 16)


def test_content_that_waits_is_played_at_once_and_without_a_gap() -> None:
    """The cushion of silence goes before the content, never behind it."""
    bench = Bench()
    bench.inlet.write(sound(10))
    bench.pump()
    assert bench.pcm.writes == [bytes(6 * 2) + sound(10)]
    state = bench.playback.state
    assert (state.content_frames, state.silence_tail_frames, state.queued_frames) == (10, 0, 16)


def test_a_piece_of_a_period_is_followed_by_silence_only_when_that_is_due() -> None:
    """More of it may be on its way, and then there is no gap."""
    bench = Bench()
    bench.pump()
    bench.inlet.write(sound(6))
    bench.pump(2)
    bench.inlet.write(sound(3))
    bench.pump()
    assert bench.pcm.writes[1:] == [sound(6)[:PERIOD], sound(6)[PERIOD:], sound(3)]
    assert (bench.playback.state.silence_tail_frames, bench.playback.state.starvations) == (0, 0)
    bench.pump()
    assert (bench.playback.state.silence_tail_frames, bench.playback.state.starvations) == (4, 1)


def test_each_later_call_writes_one_period() -> None:
    """Content period by period, then, where it was known to end, silence, and the tail is counted."""
    bench = Bench()
    bench.playback.content_ends = True
    bench.pump()
    bench.inlet.write(sound(6))
    bench.pump(3)
    assert bench.pcm.writes[1:] == [sound(6)[:PERIOD], sound(6)[PERIOD:] + bytes(4), bytes(PERIOD)]
    assert (bench.playback.state.content_frames, bench.playback.state.silence_tail_frames) == (6, 6)


def test_the_state_is_replaced_as_a_whole() -> None:
    """A state that was read stays what it was."""
    bench = Bench()
    before = bench.playback.state
    bench.pump()
    assert before.queued_frames == 0
    assert bench.playback.state is not before
    assert bench.playback.state.at_s == bench.time_s


def test_the_reference_is_exactly_what_was_written() -> None:
    """Silence, content and padding arrive at the canceller as they went to the card."""
    bench = Bench()
    bench.inlet.write(sound(7))
    bench.pump(4)
    assert bench.reference.read(4096) == b"".join(bench.pcm.writes)


def test_a_full_reference_refuses_whole_blocks() -> None:
    """A canceller that does not read costs a count, not a split frame."""
    bench = Bench(reference_bytes=BUFFER + 1)
    bench.pump(3)
    assert bench.reference.read(4096) == bytes(BUFFER)
    assert bench.playback.state.reference_refused_bytes == 2 * PERIOD


def test_nobody_needs_to_cancel() -> None:
    """Without a reference the body plays all the same."""
    pcm, (_, outlet) = FakePlaybackPcm(CARD), make_ring(64)
    Playback(pcm, outlet, None, lambda: None, lambda: 0.0).pump_once()
    assert pcm.writes == [bytes(BUFFER)]


def test_the_bell_rings_until_the_content_has_been_heard() -> None:
    """Periods of content ring it, and those in which some is still queued; silence does not."""
    bench = Bench()
    bench.pump()
    assert bench.rings == 0
    bench.inlet.write(sound(4))
    bench.pump()
    assert bench.rings == 1
    bench.pump(3)
    assert bench.rings == 4
    bench.pump()
    assert (bench.rings, bench.audible()) == (5, 4)
    bench.pump(10)
    assert bench.rings == 5


def test_running_dry_in_mid_content_is_a_starvation_once() -> None:
    """A gap counts once however long it is, and again when content came and went once more."""
    bench = Bench()
    bench.pump()
    bench.inlet.write(sound(4))
    bench.pump(5)
    assert bench.playback.state.starvations == 1
    bench.inlet.write(sound(6))
    bench.pump(5)
    assert bench.playback.state.starvations == 2


def test_an_announced_end_is_no_starvation() -> None:
    """When nothing follows, running dry is how it should be."""
    bench = Bench()
    bench.playback.content_ends = True
    bench.inlet.write(sound(6))
    bench.pump(5)
    assert bench.playback.state.starvations == 0


def test_a_flush_silences_ring_and_card_and_says_so() -> None:
    """After the generation is reached nothing old is left, and new content plays."""
    bench = Bench()
    bench.inlet.write(sound(40))
    bench.pump()
    generation = bench.playback.flush()
    assert bench.playback.flushed < generation
    bench.pump()
    assert bench.playback.flushed == generation
    assert bench.pcm.drops == 1
    assert bench.pcm.writes[-1] == bytes(BUFFER)
    bench.inlet.write(sound(4))
    bench.pump()
    assert bench.pcm.writes[-1] == sound(4)


def test_what_a_flush_threw_away_was_not_heard() -> None:
    """The state's formula never counts dropped content as audible."""
    bench = Bench()
    bench.inlet.write(sound(16))
    bench.pump()
    bench.pcm.play(5)
    bench.playback.flush()
    bench.pump()
    state = bench.playback.state
    assert (state.content_frames, state.dropped_frames, bench.audible()) == (16, 11, 5)


def test_flushes_asked_for_together_are_done_together() -> None:
    """Each caller gets a generation of its own, and both are reached."""
    bench = Bench()
    bench.pump()
    first, second = bench.playback.flush(), bench.playback.flush()
    bench.pump()
    assert first < second == bench.playback.flushed
    assert bench.pcm.drops == 1


def test_a_flush_before_the_first_write_drops_nothing() -> None:
    """A card that was never written to needs no drop."""
    bench = Bench()
    bench.inlet.write(sound(4))
    generation = bench.playback.flush()
    bench.pump()
    assert (bench.pcm.drops, bench.playback.flushed) == (0, generation)
    assert bench.pcm.heard + bench.pcm.queued == bytes(BUFFER)


def test_at_rest_nothing_is_written() -> None:
    """The card is dropped once and left alone, and the state says that nothing is queued."""
    bench = Bench()
    bench.pump()
    bench.playback.rest()
    bench.pump(3)
    assert (bench.playback.resting, bench.pcm.drops, len(bench.pcm.writes)) == (True, 1, 1)
    assert bench.playback.state.queued_frames == 0


def test_waking_primes_with_what_waits() -> None:
    """Content that came during the rest is kept and starts at once."""
    bench = Bench()
    bench.playback.rest()
    bench.pump()
    bench.inlet.write(sound(16))
    bench.playback.wake()
    bench.playback.wait_until_due()
    bench.pump()
    assert (bench.pcm.writes, bench.playback.resting) == ([sound(16)], False)


def test_a_flush_reaches_a_resting_thread() -> None:
    """It wakes up for it and rests on."""
    bench = Bench()
    bench.playback.rest()
    bench.pump()
    bench.inlet.write(sound(4))
    generation = bench.playback.flush()
    bench.playback.wait_until_due()
    bench.pump()
    assert (bench.playback.flushed, bench.playback.resting, bench.pcm.writes) == (generation, True, [])


def test_an_interrupted_rest_is_progress() -> None:
    """Whoever watches sees the counter move before the rest ends."""
    bench = Bench()
    bench.playback.rest()
    bench.pump()
    before = bench.playback.progress
    bench.playback.interrupt()
    bench.playback.wait_until_due()
    assert bench.playback.progress == before + 1


def test_after_an_underrun_the_cushion_is_refilled_and_nothing_is_lost() -> None:
    """The refused period is written behind silence that fills the buffer."""
    bench = Bench()
    bench.pump()
    bench.inlet.write(sound(8))
    bench.pcm.plan.append(Xrun())
    bench.pump(2)
    assert bench.pcm.writes[1:] == [bytes(12 * 2) + sound(4), sound(8)[PERIOD:]]
    assert (bench.playback.state.xruns, bench.playback.state.content_frames) == (1, 8)


def test_a_short_write_is_completed() -> None:
    """What was not taken is offered again."""
    bench = Bench()
    bench.pump()
    bench.inlet.write(sound(4))
    bench.pcm.plan.append(Short(1))
    bench.pump()
    assert bench.pcm.writes[1:] == [sound(4)[:2], sound(4)[2:]]
    assert bench.reference.read(4096) == b"".join(bench.pcm.writes)


@pytest.mark.parametrize("nothing", [Xrun(), Short(0)])
def test_writes_that_move_nothing_for_ever_are_a_lost_card(nothing: Fault) -> None:
    """A sound server that died takes nothing for ever: that ends within one call."""
    bench = Bench()
    bench.pump()
    bench.pcm.plan += [nothing] * IDLE_RESULTS_LIMIT
    with pytest.raises(DeviceError) as lost:
        bench.pump()
    assert (lost.value.code, lost.value.remedy) == ("device-lost", Remedy.RETRY)


@pytest.mark.parametrize("asked", ["flush", "rest", None])
def test_an_unplugged_card_is_an_error(asked: str | None) -> None:
    """A card that is gone fails the body, whatever it is doing."""
    bench = Bench()
    bench.pump()
    bench.pcm.plan.append(Unplug())
    bench.pcm.unplugged = asked is not None
    if asked:
        getattr(bench.playback, asked)()
    with pytest.raises(DeviceError, match="unplugged"):
        bench.pump()


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.integers(1, 30),
            st.sampled_from(["pump", "pump", "pump", "flush", "rest", "wake", "xrun", "play"]),
        ),
        max_size=60,
    )
)
def test_the_state_knows_what_was_heard(steps: list[int | str]) -> None:
    """Whatever happens, it counts exactly the frames of content that came out of the card."""
    bench = Bench()
    for step in steps:
        if isinstance(step, int):
            bench.inlet.write(sound(step))
        elif step == "xrun":
            bench.pcm.plan.append(Xrun())
        elif step == "play":
            bench.pcm.play(3)
        elif step == "pump":
            bench.pump()
        else:
            getattr(bench.playback, step)()
        if step == "pump":
            heard = memoryview(bytes(bench.pcm.heard)).cast("H")
            assert sum(frame != 0 for frame in heard) == bench.audible()


def test_silence_is_written_late() -> None:
    """With nothing to play the card goes on by itself until one and a half periods are left; then it gets one more."""
    bench = Bench()
    bench.pump()
    assert bench.playback.spare_s == pytest.approx(10 / 16_000)
    bench.pcm.play(9)
    assert bench.playback.spare_s > 0
    bench.pcm.play(1)
    assert bench.playback.spare_s == 0.0
    bench.pump()
    assert bench.playback.spare_s == pytest.approx(4 / 16_000)


def test_a_sound_fills_the_buffer_again() -> None:
    """A whole period of it is due at once and as long as the ring has one; a crumb waits for more of it."""
    bench = Bench()
    bench.pump()
    bench.pcm.play(10)
    bench.pump()
    bench.inlet.write(sound(3))
    assert bench.playback.spare_s > 0
    bench.inlet.write(sound(6)[3 * 2 :])
    assert bench.playback.spare_s == 0.0
    bench.pump()
    assert bench.playback.spare_s > 0
    assert (bench.playback.state.queued_frames, bench.playback.state.starvations) == (14, 0)


def test_a_sound_that_waits_is_due_when_the_card_has_room_for_it() -> None:
    """Until then nobody sleeps in a write, where a flush would have to wait for the card."""
    bench = Bench()
    bench.inlet.write(sound(16 + 3 * 4))
    bench.pump()
    assert bench.playback.spare_s == pytest.approx(4 / 16_000)
    bench.pcm.play(3)
    assert bench.playback.spare_s == pytest.approx(1 / 16_000)
    bench.pcm.play(1)
    assert bench.playback.spare_s == 0.0
    bench.pump()
    assert bench.playback.spare_s > 0
    bench.playback.flush()
    assert bench.playback.spare_s == 0.0


@pytest.mark.parametrize("asked", ["flush", "rest"])
def test_what_is_asked_for_is_due_at_once(asked: str) -> None:
    """Nobody waits for the silence in the card."""
    bench = Bench()
    bench.pump()
    getattr(bench.playback, asked)()
    assert bench.playback.spare_s == 0.0


def test_after_an_underrun_silence_is_written_ahead_until_the_card_has_rested() -> None:
    """A machine that came too late once is given the whole buffer."""
    bench = Bench()
    bench.pump()
    bench.pcm.plan.append(Xrun())
    bench.pump()
    assert bench.playback.spare_s == 0.0
    bench.playback.flush()
    bench.pump(2)
    assert bench.playback.spare_s == 0.0
    bench.playback.rest()
    bench.pump()
    bench.playback.wake()
    bench.pump()
    assert bench.playback.spare_s > 0


def dozing(waits: int) -> tuple[threading.Thread, Playback, Producer, FakePlaybackPcm]:
    """Return a thread that dozes on a full card whose periods last 20 s; so much content waits."""
    slow = PcmFormat(rate_hz=1, channels=1, sample_format="S16_LE", period_frames=20, buffer_frames=80)
    pcm, (inlet, outlet) = FakePlaybackPcm(slow), make_ring(400)
    dozed = threading.Event()

    def look() -> int:
        dozed.set()
        return len(pcm.queued) // 2

    pcm.queued_frames = look
    playback = Playback(pcm, outlet, None, lambda: None, lambda: 0.0)
    playback.pump_once()
    inlet.write(sound(waits))
    playback.interrupt()
    dozed.clear()
    thread = threading.Thread(target=playback.wait_until_due, daemon=True)
    thread.start()
    assert dozed.wait(5)
    return thread, playback, inlet, pcm


@pytest.mark.parametrize("waits", [0, 20], ids=["silence", "sound"])
def test_a_doze_ends_with_a_flush(waits: int) -> None:
    """Long before the card has room for another period; what was asked for before the doze does not end it."""
    thread, playback, _, _ = dozing(waits)
    playback.flush()
    thread.join(5)
    assert not thread.is_alive()


def test_a_doze_ends_with_the_sound_that_was_waited_for() -> None:
    """Where the card has room for it: long before it wants silence."""
    thread, playback, inlet, pcm = dozing(0)
    pcm.play(20)
    inlet.write(sound(20))
    playback.note_content()
    thread.join(5)
    assert not thread.is_alive()
