"""The loudspeaker: whole replies, in order, silent at once, and always sure of what was heard."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakerd.audio.echo import Pcm
from speakerd.audio.loudspeaker import Loudspeaker
from speakerd.audio.pcm_types import PcmFormat
from speakerd.audio.playback import Playback
from speakerd.audio.player import REST_AFTER_S
from speakerd.audio.thread import AudioThread
from speakerd.core.actions import Earcon
from speakerd.core.earcons import earcon_pcm
from speakerd.core.events import AudioStarted, Device, DeviceFound, Event, Heard, PlaybackDrained
from speakerd.core.fades import FADE_FRAMES, faded
from speakerd.core.pcm import Resampler
from speakerd.core.units import ItemId, Ms, ResponseId
from tests.fakes.cards import PacedPlaybackPcm
from tests.fakes.pcm import CARD_48K_STEREO, FakePlaybackPcm, pass_frames
from tests.fakes.ports import FakeTrace

R, S = ResponseId("resp_r"), ResponseId("resp_s")
A, B = ItemId("item_a"), ItemId("item_b")
PERIOD_S = 0.02
CARD_24K = PcmFormat(rate_hz=24_000, channels=1, sample_format="S16_LE", period_frames=480, buffer_frames=1920)
CARD_44K = PcmFormat(rate_hz=44_100, channels=2, sample_format="S32_LE", period_frames=882, buffer_frames=3528)


def ramp(ms: int, start: int = 1) -> Pcm:
    """Return wire audio whose frames count up, below the ceiling."""
    return (1000 + np.arange(start, start + ms * 24) % 20_000).astype(np.int16)


def whole(*parts: Pcm) -> list[int]:
    """Return what is heard of sounds that are played in one stretch, without the silence around it."""
    sound = np.concatenate(parts)
    heard: list[int] = np.trim_zeros(faded(sound, until_end=len(sound))).tolist()
    return heard


class Bench:
    """A loudspeaker on a card whose periods pass by hand, without a thread."""

    def __init__(self, card: PcmFormat = CARD_24K, *, earcons: bool = True) -> None:
        self.now_s = 500.0
        self.events: list[Event] = []
        self.trace = FakeTrace()
        self.pcm = FakePlaybackPcm(card)
        self.speaker = Loudspeaker(
            device="speaker",
            open_pcm=lambda _device: self.pcm,
            on_event=self.events.append,
            now=lambda: self.now_s,
            trace=self.trace,
            earcons=earcons,
        )
        self.body: Playback | None = None

    def plug(self) -> None:
        """Open the card."""
        self.body = self.speaker._begin(self.pcm)

    async def periods(self, count: int) -> None:
        """Let time pass; the card is looked at every half period."""
        if self.body is None:
            self.plug()
            assert self.body is not None
        for _ in range(2 * count):  # the player's timers are finer than a period
            self.now_s += PERIOD_S / 2
            pass_frames(self.pcm, self.body, self.pcm.format.period_frames // 2)
            await asyncio.sleep(0)
            self.speaker._player.advance()  # the timers of the loop know another clock

    def reply(self, ms: int, item_id: ItemId = A, start: int = 1, response_id: ResponseId = R) -> None:
        """Let the session deliver a burst."""
        self.speaker.enqueue(response_id, item_id, ramp(ms, start).tobytes())

    @property
    def heard(self) -> Pcm:
        """All that came out, without the silence around it."""
        pcm = np.frombuffer(bytes(self.pcm.heard), np.int16)
        return np.trim_zeros(pcm)

    def names(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


async def test_a_burst_is_played_whole_and_without_a_gap() -> None:
    """Two seconds that arrive at once come out as two seconds, frame by frame."""
    bench = Bench()
    bench.speaker.accept(R)
    await bench.periods(3)
    for n in range(20):
        bench.reply(100, start=1 + n * 2400)
    await bench.periods(120)
    assert bench.heard.tolist() == whole(ramp(2000))
    assert bench.events == [AudioStarted(R), PlaybackDrained()]


async def test_a_reply_of_ten_minutes_is_heard_to_its_end() -> None:
    """Several items in one response that arrives eight times as fast: in order, nothing lost, each counted whole."""
    bench = Bench()
    bench.speaker.accept(R)
    await bench.periods(3)
    for n in range(600):
        bench.reply(1000, A if n < 400 else B, start=1 + n * 24_000)
        await bench.periods(6)
    bench.speaker.end_of_audio(R)
    await bench.periods(26_000)
    (heard,) = bench.speaker.unheard()
    assert heard.item_id == B
    assert heard.heard_ms == pytest.approx((3600 + 26_000) * 20 - 400_000, abs=100)  # less what the card holds
    await bench.periods(420)
    assert np.array_equal(bench.heard, np.trim_zeros(faded(ramp(600_000), until_end=600_000 * 24)))
    assert bench.events == [AudioStarted(R), PlaybackDrained()]


async def test_the_ring_stays_short() -> None:
    """However much waits, no more than the ring is out of our hands."""
    bench = Bench()
    bench.speaker.accept(R)
    bench.reply(5000)
    await bench.periods(2)
    assert bench.speaker.status()["backlog_ms"] >= 5000 - 300 - 80 - 40


@pytest.mark.parametrize("card", [CARD_24K, CARD_48K_STEREO, CARD_44K])
async def test_what_comes_out_is_the_reply_at_the_cards_rate(card: PcmFormat) -> None:
    """Resampled as one stream, the tail in the filter included, on every channel."""
    bench = Bench(card)
    bench.speaker.accept(R)
    sound = np.random.default_rng(1).integers(-9000, 9000, 24 * 700).astype(np.int16)
    await bench.periods(2)
    bench.speaker.enqueue(R, A, sound.tobytes())
    await bench.periods(60)
    size = "<i4" if card.sample_format == "S32_LE" else "<i2"
    frames = np.frombuffer(bytes(bench.pcm.heard), size).reshape(-1, card.channels)
    one = frames[:, 0] >> (16 if card.sample_format == "S32_LE" else 0)
    expected = Resampler(24_000, card.rate_hz).process(
        np.concatenate((faded(sound, until_end=len(sound)), np.zeros(200, np.int16)))
    )
    assert np.trim_zeros(one).tolist() == np.trim_zeros(expected).tolist()
    assert (frames == frames[:, :1]).all()


async def test_audio_of_a_response_that_is_not_accepted_is_dropped_and_counted() -> None:
    """Late deltas meet a shut gate."""
    bench = Bench()
    bench.reply(100)
    bench.speaker.accept(R)
    bench.speaker.reject(R)
    bench.reply(100)
    await bench.periods(20)
    assert bench.events == []
    assert len(bench.heard) == 0
    assert bench.speaker.status()["late_bytes"] == 2 * 4800


async def test_a_stretch_is_announced_once_and_again_after_it_ran_dry() -> None:
    """The first audio says so; a reply that goes on after a silence says so again."""
    bench = Bench()
    bench.speaker.accept(R)
    bench.reply(100)
    bench.reply(100, start=2401)
    assert bench.names() == ["AudioStarted"]
    await bench.periods(30)
    bench.reply(100)
    await bench.periods(30)
    assert bench.names() == ["AudioStarted", "PlaybackDrained", "AudioStarted", "PlaybackDrained"]


async def test_drained_is_said_when_the_last_frame_has_come_out_of_the_card() -> None:
    """Not while the card still holds some."""
    bench = Bench()
    bench.speaker.accept(R)
    await bench.periods(3)
    bench.reply(200)
    while PlaybackDrained() not in bench.events:
        assert len(bench.heard) < 200 * 24
        await bench.periods(1)
    assert bench.heard.tolist() == whole(ramp(200))


async def test_heard_is_counted_per_item_in_what_was_really_played() -> None:
    """Written and still queued is not heard."""
    bench = Bench()
    bench.speaker.accept(R)
    await bench.periods(3)
    bench.reply(200, A)
    bench.reply(200, B)
    assert bench.speaker.unheard() == (Heard(A, Ms(0)), Heard(B, Ms(0)))
    await bench.periods(7)  # 50 ms of silence, then 90 ms, rounded down
    assert bench.speaker.unheard() == (Heard(A, Ms(89)), Heard(B, Ms(0)))
    bench.now_s += 0.0135
    assert bench.speaker.unheard() == (Heard(A, Ms(103)), Heard(B, Ms(0)))
    bench.now_s -= 0.0135
    await bench.periods(10)
    assert bench.speaker.unheard() == (Heard(B, Ms(89)),)
    await bench.periods(10)
    assert bench.speaker.unheard() == ()


async def test_a_flush_silences_within_a_period_and_forgets() -> None:
    """The card is dropped, the backlog is gone, nobody is told that it drained."""
    bench = Bench()
    bench.speaker.accept(R)
    bench.reply(2000)
    await bench.periods(20)
    heard = len(bench.heard)
    bench.speaker.flush()
    assert bench.speaker.unheard() == ()
    await bench.periods(30)
    assert len(bench.heard) <= heard + 480
    assert bench.names() == ["AudioStarted"]
    assert bench.trace.names() == ["audible", "flush", "silent"]
    assert not bench.speaker.is_playing


async def test_what_follows_a_flush_is_played_from_its_beginning() -> None:
    """The next reply loses nothing to the flush before it, and is counted from zero."""
    bench = Bench(CARD_48K_STEREO)
    bench.speaker.accept(R)
    bench.reply(1000, A)
    await bench.periods(20)
    bench.speaker.reject(R)
    bench.speaker.flush()
    bench.speaker.accept(S)
    sound = np.random.default_rng(2).integers(-9000, 9000, 24 * 300).astype(np.int16)
    bench.speaker.enqueue(S, B, sound.tobytes())
    await bench.periods(1)
    before = len(bench.pcm.heard)
    await bench.periods(2 + 5)
    heard = bench.speaker.unheard()
    assert heard[0].item_id == B
    await bench.periods(40)
    after = np.frombuffer(bytes(bench.pcm.heard[before:]), np.int16)[::2]
    expected = Resampler(24_000, 48_000).process(
        np.concatenate((faded(sound, until_end=len(sound)), np.zeros(100, np.int16)))
    )
    assert np.trim_zeros(after).tolist() == np.trim_zeros(expected).tolist()
    assert bench.events[-1] == PlaybackDrained()


async def test_a_flush_of_silence_disturbs_nothing() -> None:
    """There is nothing to drop, so the card is left alone."""
    bench = Bench()
    await bench.periods(5)
    bench.speaker.flush()
    await bench.periods(2)
    assert bench.pcm.drops == 0


async def test_a_flush_of_silence_does_not_make_the_next_reply_sound_heard() -> None:
    """After sounds that have come out whole, what is heard of a reply is counted from the reply's own beginning."""
    bench = Bench()
    bench.speaker.accept(R)
    await bench.periods(3)
    bench.speaker.play_earcon(Earcon.END)
    await bench.periods(60)
    bench.speaker.flush()
    begun = len(bench.pcm.heard)
    bench.reply(2000)
    await bench.periods(15)
    came_out_ms = np.count_nonzero(np.frombuffer(bytes(bench.pcm.heard[begun:]), np.int16)) / 24
    ((item_id, heard_ms),) = [(heard.item_id, heard.heard_ms) for heard in bench.speaker.unheard()]
    assert item_id == A
    assert came_out_ms - 2 * 1000 * PERIOD_S <= heard_ms <= came_out_ms + 1


async def test_a_flush_twice_in_a_row_is_one_silence() -> None:
    """A second flush before the thread has done the first changes nothing."""
    bench = Bench()
    bench.speaker.accept(R)
    bench.reply(500)
    await bench.periods(10)
    bench.speaker.flush()
    bench.speaker.flush()
    bench.speaker.play_earcon(Earcon.WAKE)
    await bench.periods(30)
    earcon = np.trim_zeros(earcon_pcm(Earcon.WAKE))
    assert bench.heard[-len(earcon) :].tolist() == earcon.tolist()


async def test_an_earcon_goes_before_what_waits_and_belongs_to_nobody() -> None:
    """It is heard first, moves no item, and its end is no end of a reply."""
    bench = Bench()
    bench.speaker.play_earcon(Earcon.END)  # without a card: dropped
    await bench.periods(1)
    bench.speaker.play_earcon(Earcon.WAKE)
    await bench.periods(30)
    wake = np.trim_zeros(earcon_pcm(Earcon.WAKE)).tolist()
    assert bench.heard.tolist() == wake
    assert bench.events == []
    bench.speaker.accept(R)
    bench.reply(10)  # waits for more
    bench.speaker.play_earcon(Earcon.ERROR)
    bench.reply(990, start=241)
    await bench.periods(100)
    played = bench.heard[len(wake) :]
    error = earcon_pcm(Earcon.ERROR)
    assert np.trim_zeros(played[: -1000 * 24]).tolist() == np.trim_zeros(error).tolist()
    assert played[-1000 * 24 :].tolist() == faded(ramp(1000), until_end=24_000).tolist()
    assert bench.speaker.unheard() == ()


async def test_an_earcon_over_a_reply_moves_nothing_of_it() -> None:
    """The reply is ducked meanwhile, and as long and as much heard as without."""
    bench = Bench()
    bench.speaker.accept(R)
    await bench.periods(3)
    bench.reply(1000)
    bench.speaker.play_earcon(Earcon.ERROR)
    await bench.periods(27)
    assert bench.speaker.unheard() == (Heard(A, Ms(489)),)
    await bench.periods(60)
    alone, error = faded(ramp(1000), until_end=24_000), earcon_pcm(Earcon.ERROR)
    lead = len(bench.heard) - len(np.trim_zeros(alone))
    assert lead == 0
    first = int(np.flatnonzero(bench.heard - np.trim_zeros(alone))[0])
    assert 240 * 24 <= first <= 300 * 24  # behind what was in the ring
    middle = slice(first + 100 * 24, first + 200 * 24)
    expected = np.trim_zeros(alone)[middle] * 0.25
    rest = bench.heard[middle] - expected
    assert np.abs(rest).max() <= np.abs(error).max() + 1
    assert bench.heard[-300 * 24 :].tolist() == np.trim_zeros(alone)[-300 * 24 :].tolist()
    assert bench.events == [AudioStarted(R), PlaybackDrained()]


async def test_a_notice_interrupts_a_reply_which_goes_on_behind_it() -> None:
    """It belongs to nobody, is heard whole, and of the reply nothing is lost or counted twice."""
    bench = Bench()
    notice = np.full(24 * 200, 5000, np.int16)
    bench.speaker.play_notice(notice, "lost")  # without a card: dropped
    bench.speaker.accept(R)
    await bench.periods(3)
    bench.reply(1000)
    bench.speaker.play_notice(notice, "lost")
    bench.speaker.play_notice(notice[:0], "empty")
    await bench.periods(27)
    (heard,) = bench.speaker.unheard()
    assert heard.heard_ms < 320
    await bench.periods(60)
    (level,) = np.flatnonzero(np.diff((bench.heard == 5000).astype(int)) == 1)[:1]
    joints = bench.heard[level - 2 * FADE_FRAMES : level + 24 * 200].astype(int)
    assert np.abs(np.diff(joints)).max() < 400
    assert len(bench.heard) == pytest.approx(1200 * 24, abs=2)  # a fade's first and last frame are next to nothing
    assert bench.speaker.unheard() == ()
    assert bench.events == [AudioStarted(R), PlaybackDrained()]
    assert ("notice", {"notice": "lost"}) in bench.trace.calls
    assert bench.trace.names().count("notice") == 1


async def test_a_notice_alone_is_no_reply() -> None:
    """It is playing while it is, and its end is told to nobody; earcons that are turned off do not silence it."""
    bench = Bench(earcons=False)
    await bench.periods(1)
    bench.speaker.play_notice(ramp(200), "offline")
    assert bench.speaker.is_playing
    await bench.periods(30)
    assert bench.heard.tolist() == whole(ramp(200))
    assert not bench.speaker.is_playing
    assert bench.events == []
    assert bench.trace.names() == ["notice"]


async def test_a_flush_ends_a_notice() -> None:
    """A speaker that is told to stop stops whatever it says."""
    bench = Bench()
    await bench.periods(1)
    bench.speaker.play_notice(ramp(2000), "offline")
    await bench.periods(10)
    heard = len(bench.heard)
    bench.speaker.flush()
    await bench.periods(30)
    assert len(bench.heard) <= heard + 480
    assert not bench.speaker.is_playing


async def test_the_gain_is_what_the_canceller_sees_too() -> None:
    """Half the gain is half of every sample, in the room and in the reference."""
    bench = Bench()
    bench.speaker.set_gain(0.5)
    bench.speaker.accept(R)
    await bench.periods(3)
    bench.reply(400)
    await bench.periods(10)
    seen = bench.speaker.reference.take(24_000)
    await bench.periods(20)
    loud = np.trim_zeros(faded(ramp(400), until_end=400 * 24))
    assert np.abs(bench.heard[960:] - loud[-len(bench.heard) :][960:] * 0.5).max() <= 1
    assert seen is not None
    assert 0 < np.abs(seen).max() <= 0.5 * 21_000
    assert bench.speaker.status()["gain"] == 0.5
    with pytest.raises(ValueError, match="gain"):
        bench.speaker.set_gain(-0.1)


async def test_how_loud_it_is_can_be_asked_for() -> None:
    """While something plays, at the volume it is played; at rest it is silent."""
    bench = Bench()
    assert bench.speaker.status()["level_dbfs"] == -120.0
    bench.speaker.accept(R)
    await bench.periods(3)
    bench.speaker.enqueue(R, A, np.full(24_000, 8192, np.int16).tobytes())
    await bench.periods(20)
    assert bench.speaker.status()["level_dbfs"] == pytest.approx(-12.0, abs=0.1)
    bench.speaker.set_gain(0.5)
    await bench.periods(10)
    assert bench.speaker.status()["level_dbfs"] == pytest.approx(-18.1, abs=0.1)
    bench.speaker.end_of_audio(R)
    await bench.periods(60)
    assert bench.speaker.status()["level_dbfs"] == -120.0


async def test_earcons_can_be_turned_off() -> None:
    """No sound then."""
    bench = Bench(earcons=False)
    await bench.periods(1)
    bench.speaker.play_earcon(Earcon.WAKE)
    await bench.periods(20)
    assert len(bench.heard) == 0


async def test_a_crumb_waits_for_more_but_not_for_long() -> None:
    """Ten milliseconds do not start a stretch at once; patience is short."""
    bench = Bench()
    bench.speaker.accept(R)
    await bench.periods(1)
    bench.reply(10)
    await bench.periods(1)
    assert bench.speaker.status()["backlog_ms"] == 10
    await bench.periods(4)
    assert bench.speaker.status()["backlog_ms"] == 0


async def test_a_short_reply_that_is_complete_starts_at_once_and_is_no_starvation() -> None:
    """Knowing the end, running dry is no accident."""
    bench = Bench()
    bench.speaker.accept(R)
    await bench.periods(1)
    bench.reply(10)
    bench.speaker.end_of_audio(R)
    bench.speaker.end_of_audio(S)
    assert bench.speaker.status()["backlog_ms"] == 0
    await bench.periods(20)
    assert bench.speaker.status()["starvations"] == 0
    assert bench.events == [AudioStarted(R), PlaybackDrained()]


async def test_a_response_with_another_item_is_not_complete_after_the_first() -> None:
    """Audio that follows takes back what was said about the end."""
    bench = Bench()
    bench.speaker.accept(R)
    await bench.periods(1)
    bench.reply(200, A)
    bench.speaker.end_of_audio(R)
    bench.reply(200, B)
    await bench.periods(40)
    assert bench.speaker.status()["starvations"] == 1
    assert bench.heard.tolist() == np.trim_zeros(np.concatenate([faded(ramp(200), until_end=4800)] * 2)).tolist()


async def test_a_reply_that_runs_dry_fades_out_and_waits_for_more_than_a_crumb() -> None:
    """The gap is one, counted, without a step; what comes just in time for the next gap is not played at once."""
    bench = Bench()
    bench.speaker.accept(R)
    await bench.periods(3)
    bench.reply(200)
    await bench.periods(14)
    assert bench.speaker.status()["backlog_ms"] == 0
    assert bench.speaker.status()["starvations"] == 1
    bench.reply(20, start=4801)
    await bench.periods(2)
    assert bench.speaker.status()["backlog_ms"] == 20
    bench.reply(400, start=5281)
    await bench.periods(60)
    gap = np.flatnonzero(bench.heard == 0)
    assert 0 < len(gap) < 24 * 200
    before, after = bench.heard[: gap[0]], bench.heard[gap[-1] + 1 :]
    assert before.tolist() == whole(ramp(200))
    assert after.tolist() == whole(ramp(420, start=4801))


async def test_a_network_that_comes_late_delays_the_next_beginning() -> None:
    """What was late by 80 ms once makes the next reply wait, and it does not run dry; a burst begins at once again."""
    bench = Bench()
    for response_id, item_id, gaps in ((R, A, 1), (S, B, 0)):
        bench.speaker.accept(response_id)
        await bench.periods(3)
        before = bench.speaker.status()["starvations"]
        for n in range(5):
            bench.reply(100, item_id, start=1 + n * 2400, response_id=response_id)
            await bench.periods(9 if n == 0 else 5)
        bench.speaker.end_of_audio(response_id)
        await bench.periods(40)
        assert (bench.speaker.status()["starvations"] - before > 0) == bool(gaps)
    assert 90 < bench.speaker.status()["start_delay_ms"] <= 150
    bench.speaker.accept(ResponseId("burst"))
    bench.reply(500, ItemId("c"), response_id=ResponseId("burst"))
    assert bench.speaker.status()["backlog_ms"] < 500  # handed over


async def test_a_quiet_card_rests_and_wakes_with_the_next_reply() -> None:
    """Two seconds after the last sound nothing is written any more; a reply is played at once."""
    bench = Bench()
    bench.speaker.accept(R)
    await bench.periods(int(REST_AFTER_S / PERIOD_S) + 5)
    assert bench.speaker.status()["resting"]
    writes = len(bench.pcm.writes)
    await bench.periods(5)
    assert len(bench.pcm.writes) == writes
    bench.reply(300)
    assert not bench.speaker.status()["resting"]
    await bench.periods(1)
    first = faded(ramp(300), until_end=7200)[: len(bench.pcm.writes[-1]) // 2]
    assert bench.pcm.writes[-1] == first.tobytes()  # no silence goes first
    await bench.periods(30)
    assert bench.heard.tolist() == whole(ramp(300))


async def test_the_diary_knows_when_a_response_became_audible() -> None:
    """Once per response, when its first frame came out of the card."""
    bench = Bench()
    bench.speaker.accept(R)
    await bench.periods(3)
    bench.reply(300)
    bench.reply(100, B)
    while not bench.trace.calls:
        assert len(bench.heard) == 0
        await bench.periods(1)
    assert 0 < len(bench.heard) <= 480
    await bench.periods(40)
    assert bench.trace.calls == [("audible", {"response_id": R}), ("drained", {})]


async def test_what_was_being_said_is_forgotten_with_the_card() -> None:
    """A card that comes back does not go on in mid-sentence."""
    bench = Bench()
    bench.speaker.accept(R)
    bench.reply(2000)
    await bench.periods(10)
    assert bench.speaker.is_playing
    bench.speaker._end()
    assert not bench.speaker.is_playing
    assert bench.speaker.unheard() == ()
    bench.pcm = FakePlaybackPcm(CARD_48K_STEREO)
    bench.plug()
    await bench.periods(20)
    assert not any(bench.pcm.heard)
    assert bench.events == [AudioStarted(R)]


async def test_a_reply_that_comes_before_the_card_waits_for_it() -> None:
    """Audio is not lost to a card that opens a moment later."""
    bench = Bench()
    bench.speaker.accept(R)
    bench.speaker.enqueue(R, A, b"")
    bench.reply(100)
    assert bench.speaker.is_playing
    await bench.periods(20)
    assert bench.heard.tolist() == whole(ramp(100))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("reply"), st.integers(1, 300)),
        st.tuples(st.just("periods"), st.integers(1, 12)),
        st.tuples(st.just("notice"), st.integers(1, 100)),
        st.tuples(st.just("gain"), st.integers(0, 3)),
        st.tuples(st.just("end"), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_whatever_comes_when_nothing_is_lost_and_nothing_clicks(steps: list[tuple[str, int]]) -> None:
    """Replies in crumbs and bursts, sentences and volumes in between: all of it is heard, without a step, to an end."""
    level, said_ms = 6000, 0

    async def play(bench: Bench) -> None:
        nonlocal said_ms
        bench.speaker.accept(R)
        await bench.periods(1)
        for what, size in steps:
            if what == "reply":
                bench.speaker.enqueue(R, A, np.full(24 * size, level, np.int16).tobytes())
                said_ms += size
            elif what == "notice":
                bench.speaker.play_notice(np.full(24 * size, level, np.int16), "any")
            elif what == "gain":
                bench.speaker.set_gain(size / 2)
            elif what == "end":
                bench.speaker.end_of_audio(R)
            else:
                await bench.periods(size)
        for _ in range(400):
            await bench.periods(1)
            if not bench.speaker.is_playing:
                break
        await bench.periods(1)

    bench = Bench()
    asyncio.run(play(bench))
    assert not bench.speaker.is_playing
    assert bench.speaker.unheard() == ()
    assert bench.names()[-1:] == (["PlaybackDrained"] if said_ms else [])
    assert bench.speaker._player.note_played().waiting_frames == 0
    heard = np.frombuffer(bytes(bench.pcm.heard), np.int16).astype(int)
    assert np.abs(np.diff(heard)).max(initial=0) <= 1.5 * level * (np.pi / 2 / FADE_FRAMES + 1 / 480) + 2


async def test_runs_in_a_thread_and_ends() -> None:
    """Found when frames move, closed when told to end."""
    found = asyncio.Event()
    pcm = PacedPlaybackPcm(CARD_24K)
    speaker = Loudspeaker(
        device="speaker",
        open_pcm=lambda _device: pcm,
        on_event=lambda event: found.set() if event == DeviceFound(Device.LOUDSPEAKER) else None,
        now=lambda: 0.0,
        trace=FakeTrace(),
        earcons=True,
    )
    task = asyncio.create_task(speaker.run())
    pcm.gate.allow(1)
    await asyncio.wait_for(found.wait(), 5)
    pcm.gate.allow_all()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pcm.closed


async def test_it_has_a_pulse_while_something_is_to_be_heard() -> None:
    """It changes with what comes out and stands when the card does; at rest and in silence nothing is asked of it."""
    bench = Bench()
    await bench.periods(5)
    assert bench.speaker.pulse is None
    bench.speaker.accept(R)
    bench.speaker.enqueue(R, A, ramp(2000).tobytes())
    beats = []
    for _ in range(3):
        await bench.periods(20)
        beats.append(bench.speaker.pulse)
    assert len({*beats, None}) == 4
    assert bench.speaker.pulse == beats[-1]


async def test_without_a_card_its_pulse_is_the_search_for_one() -> None:
    """Whatever waits to be said."""
    bench = Bench()
    bench.speaker.accept(R)
    bench.speaker.enqueue(R, A, ramp(2000).tobytes())
    assert bench.speaker.pulse == 0


async def test_a_card_that_has_hung_is_asked_for_more_until_it_rests() -> None:
    """A bufferful of silence at each opening is no proof that it plays; two seconds of it are."""
    bench = Bench()
    released = threading.Event()
    thread = threading.Thread(target=released.wait)
    thread.start()
    hung = AudioThread("hung", None, lambda _name, _error: None)  # type: ignore[arg-type] # nothing pumps it
    hung._thread = thread
    bench.speaker._card._abandoned.append((hung, bench.pcm))
    try:
        await bench.periods(5)
        assert bench.speaker.pulse == 0
        await bench.periods(int(2 * REST_AFTER_S / PERIOD_S))
        assert bench.speaker.status()["resting"]
        assert bench.speaker.pulse is None
    finally:
        released.set()
        thread.join()


async def test_earcons_and_the_card_can_be_others() -> None:
    """Short sounds end and begin with the word; the card is the one that is named."""
    bench = Bench()
    bench.plug()
    bench.speaker.use(device="speaker", earcons=False)
    bench.speaker.play_earcon(Earcon.END)
    assert not bench.speaker.is_playing
    bench.speaker.use(device="other", earcons=True)
    bench.speaker.play_earcon(Earcon.END)
    assert bench.speaker.is_playing
    assert bench.speaker.status()["device"] == "other"


async def test_another_card_is_opened_when_the_reply_has_ended() -> None:
    """By its own name, and whatever plays comes out whole before that."""
    opened: list[str] = []
    cards = [PacedPlaybackPcm(), PacedPlaybackPcm()]

    def open_pcm(device: str) -> PacedPlaybackPcm:
        opened.append(device)
        cards[len(opened) - 1].gate.allow_all()
        return cards[len(opened) - 1]

    events: asyncio.Queue[Event] = asyncio.Queue()
    speaker = Loudspeaker(
        device="first",
        open_pcm=open_pcm,
        on_event=events.put_nowait,
        now=asyncio.get_running_loop().time,
        trace=FakeTrace(),
        earcons=True,
    )
    task = asyncio.create_task(speaker.run())
    assert await events.get() == DeviceFound(Device.LOUDSPEAKER)
    speaker.use(device="second", earcons=True)
    assert await asyncio.wait_for(events.get(), 10) == DeviceFound(Device.LOUDSPEAKER)
    assert opened == ["first", "second"]
    task.cancel()
    await asyncio.wait({task})
