"""The microphone: every frame to the wake word, the right ones to the session, whatever the card is like."""

from __future__ import annotations

import asyncio
import logging

import numpy as np
import pytest

from speakerd.audio.capture import Capture
from speakerd.audio.echo import Canceller, EchoCanceller, Pcm
from speakerd.audio.microphone import Microphone
from speakerd.audio.pcm_types import PcmFormat
from speakerd.core.echo_path import BargeIn, EchoFigures
from speakerd.core.errors import DeviceError
from speakerd.core.events import Device, DeviceFound, DeviceLost, EchoMeasured, Event, MicrophoneSilent
from speakerd.core.pcm import Resampler, encode
from speakerd.core.units import Frames
from tests.fakes.cards import PacedCapturePcm
from tests.fakes.pcm import CARD_48K_STEREO, FakeCapturePcm, Unplug, Xrun
from tests.fakes.ports import FakeTrace

CARD_16K_MONO = PcmFormat(rate_hz=16_000, channels=1, sample_format="S16_LE", period_frames=320, buffer_frames=2560)
CARD_44K_S32 = PcmFormat(rate_hz=44_100, channels=2, sample_format="S32_LE", period_frames=882, buffer_frames=7056)


def codes(frames: int) -> Pcm:
    """Return a sound in which every stretch is different."""
    return np.random.default_rng(7).integers(-8000, 8000, frames).astype(np.int16)


class Engine:
    """A canceller that only marks what went through it."""

    def process(self, near: Pcm, far: Pcm) -> Pcm:
        return near + far

    def drain(self) -> Pcm:
        return np.zeros(0, np.int16)

    def reset(self) -> Pcm:
        return np.zeros(0, np.int16)


class Far:
    """A far end that is silent until told otherwise."""

    def __init__(self) -> None:
        self.level: int | None = None
        self.realignments = 0
        self.holes = 0

    def take(self, frames: int) -> Pcm | None:
        return None if self.level is None else np.full(frames, self.level, np.int16)

    def realign(self) -> None:
        self.holes += 1


class Bench:
    """A microphone on a card whose periods pass by hand, without a thread."""

    def __init__(
        self, pcm: FakeCapturePcm | None = None, channel: int | str = 0, canceller: Canceller | None = None
    ) -> None:
        self.wake = bytearray()
        self.ends: list[tuple[bytes | None, bytes | None]] = []
        self.silences: list[MicrophoneSilent] = []
        self.echoes: list[EchoMeasured] = []
        self.sent: list[bytes] = []
        self.firsts: list[Frames | None] = []
        self.events: list[Event] = []
        self.far = Far()
        self.trace = FakeTrace()
        self.pcm = pcm or FakeCapturePcm()
        self.microphone = Microphone(
            device="mic",
            channel=channel,  # type: ignore[arg-type] - "auto" comes as a plain string
            open_pcm=lambda _device: self.pcm,
            canceller=canceller or Engine(),
            far=self.far,
            wake_feed=self.hear,
            uplink=self.send,
            on_event=self.events.append,
            now=lambda: 0.0,
            trace=self.trace,
            on_echo=self.echoes.append,
            on_silent=self.silences.append,
        )
        self.capture: Capture | None = None

    def hear(self, wake: bytes, heard: bytes | None, far: bytes | None) -> None:
        self.wake += wake
        self.ends.append((heard, far))
        assert {len(end) for end in (heard, far) if end is not None} <= {len(wake)}

    def send(self, pcm: bytes, first_frame: Frames | None) -> None:
        self.sent.append(pcm)
        self.firsts.append(first_frame)

    async def periods(self, count: int) -> None:
        """Let so many periods pass."""
        if self.capture is None:
            self.capture = self.microphone._begin(self.pcm)
        for _ in range(count):
            self.capture.pump_once()
            await asyncio.sleep(0)

    @property
    def uplink(self) -> Pcm:
        return np.frombuffer(b"".join(self.sent), np.int16)


async def test_what_a_lost_session_was_sent_is_sent_again() -> None:
    """From a frame that was let through, with where each piece begins; the diary tells how far back it is."""
    bench = Bench()
    await bench.periods(10)
    bench.microphone.open(Frames(1000))
    await bench.periods(10)
    assert bench.microphone.repeatable_from() == 1000
    before = bench.uplink.tolist()
    bench.sent.clear()
    bench.firsts.clear()
    bench.microphone.repeat(Frames(1960))
    assert bench.uplink.tolist() == before[960:]
    assert bench.firsts[:2] == [1960, 2920]
    back_ms = (bench.microphone.position_frames - 1960) // 24
    assert bench.trace.calls[-1] == ("uplink.again", {"from_frame": 1960, "back_ms": back_ms})
    bench.microphone.close()
    assert bench.microphone.repeatable_from() == bench.microphone.position_frames


async def test_nothing_leaves_before_the_gate_is_opened() -> None:
    """The wake word hears everything, the session nothing."""
    bench = Bench()
    await bench.periods(12)
    assert bench.sent == []
    assert len(bench.wake) == 12 * 320 * 2
    assert bench.microphone.position_frames == 12 * 480


async def test_the_loop_is_woken_once_for_all_that_the_wake_word_looks_at() -> None:
    """While nobody waits, four periods are taken at once, once 80 ms are whole; an open gate waits for none."""
    bench = Bench()
    positions = []
    for _ in range(9):
        await bench.periods(1)
        positions.append(bench.microphone.position_frames)
    assert positions == [480, 480, 480, 1920, 1920, 1920, 1920, 3840, 3840]
    bench.microphone.open(None)
    assert bench.microphone.position_frames == 9 * 480
    await bench.periods(1)
    assert len(bench.uplink) == 480


async def test_in_a_quiet_room_the_loop_sleeps_until_something_is_heard() -> None:
    """A second at a time, all of which is taken in then; a sound wakes it within 160 ms, and whoever asks, at once."""
    random = np.random.default_rng(1)
    sound = random.normal(0, 10, 960 * 600)
    sound[960 * 500 : 960 * 510] += random.normal(0, 300, 9600)  # something falls to the floor
    bench = Bench(FakeCapturePcm(sound=encode(sound.astype(np.int16), 2, "S16_LE")))
    bench.far.level = None
    positions = []
    for _ in range(560):
        await bench.periods(1)
        positions.append(bench.microphone.position_frames // 480)
    assert set(np.diff(positions[200:499])) <= {0, 50, 52, 54}
    assert np.count_nonzero(np.diff(positions[200:499])) in (5, 6)
    assert positions[508] >= 500
    assert set(np.diff(positions[508:560])) == {0, 4}
    assert (
        bytes(bench.wake)
        == Resampler(24_000, 16_000)
        .process(Resampler(48_000, 24_000).process(sound.astype(np.int16)[: 960 * positions[-1]]))
        .tobytes()
    )
    for _ in range(200):
        await bench.periods(1)
    bench.microphone.attend()
    assert bench.microphone.position_frames == 760 * 480


async def test_who_waits_for_what_is_heard_gets_every_period_for_half_a_second() -> None:
    """With the gate still shut each period is taken in as it comes, the ones held back at once; then 80 ms again."""
    bench = Bench()
    await bench.periods(5)
    bench.microphone.attend()
    positions = [bench.microphone.position_frames]
    for _ in range(32):
        await bench.periods(1)
        positions.append(bench.microphone.position_frames)
    assert positions[:25] == [480 * period for period in range(5, 30)]
    assert sorted(set(positions[25:])) == [480 * 29, 480 * 32, 480 * 36]
    assert bench.sent == []


async def test_what_is_quiet_is_sent_in_large_pieces_and_the_first_sound_with_all_before_it_at_once() -> None:
    """After the pause that ends an utterance and some; nothing is lost, and the loop sleeps meanwhile."""
    random = np.random.default_rng(1)
    sound = random.normal(0, 20, 960 * 120)
    sound[960 * 103 :] += random.normal(0, 2000, 960 * 17)  # somebody speaks
    bench = Bench(FakeCapturePcm(sound=encode(sound.astype(np.int16), 2, "S16_LE")))
    bench.microphone.open(Frames(0))
    waiting = []
    for _ in range(120):
        await bench.periods(1)
        assert bench.capture is not None
        waiting.append(bench.capture.frames_total // 2 - len(bench.uplink))
    assert set(waiting[:39]) == {0}
    assert max(waiting[45:103]) > 1920
    assert {len(piece) // 2 for piece in bench.sent if len(piece) > 960 * 2} == {2400}
    assert set(waiting[103:]) == {0}
    assert bench.uplink.tolist() == Resampler(48_000, 24_000).process(sound.astype(np.int16)).tolist()


async def test_silence_in_place_of_the_microphone_is_sent_in_large_pieces() -> None:
    """Until it opens again; then what is left of it goes first."""
    bench = Bench(FakeCapturePcm(sound=encode(codes(960 * 40), 2, "S16_LE")))
    bench.microphone.open(None)
    await bench.periods(3)
    bench.microphone.silence()
    before = len(bench.sent)
    await bench.periods(20)
    assert {len(piece) // 2 for piece in bench.sent[before:]} == {2400}


@pytest.mark.parametrize("card", [CARD_48K_STEREO, CARD_16K_MONO, CARD_44K_S32])
async def test_every_cards_audio_arrives_resampled_whole_and_in_order(card: PcmFormat) -> None:
    """Rates, channels and sample formats end where the wire begins; the wake word gets two frames for three."""
    sound = codes(card.period_frames * 30)
    bench = Bench(FakeCapturePcm(card, encode(sound, card.channels, card.sample_format)))
    bench.microphone.open(Frames(0))
    await bench.periods(30)
    expected = Resampler(card.rate_hz, 24_000).process(sound)
    assert bench.uplink.tolist() == expected.tolist()
    wake = Resampler(24_000, 16_000).process(expected)
    assert bench.wake == wake.tobytes()


async def test_a_late_opening_sends_the_pre_roll_then_goes_on_live() -> None:
    """A burst from the wanted frame, then live, in pieces of 20 to 40 ms, without gap or repeat."""
    sound = codes(960 * 40)
    bench = Bench(FakeCapturePcm(sound=encode(sound, 2, "S16_LE")))
    await bench.periods(20)
    bench.microphone.open(Frames(1000))
    assert sum(map(len, bench.sent)) >= (9600 - 1000 - 480) * 2
    await bench.periods(20)
    assert bench.uplink.tolist() == Resampler(48_000, 24_000).process(sound)[1000:].tolist()
    assert {480 <= len(piece) // 2 <= 960 for piece in bench.sent} == {True}
    assert bench.trace.calls == [("uplink.open", {"from_frame": 1000})]


async def test_silence_and_close_keep_the_room_to_itself() -> None:
    """Silenced, zeros pass; closed, nothing does; the wake word hears on."""
    bench = Bench(FakeCapturePcm(sound=encode(codes(960 * 30), 2, "S16_LE")))
    bench.microphone.open(None)
    await bench.periods(10)
    bench.microphone.silence()
    before = len(bench.sent)
    await bench.periods(10)
    assert sum(map(len, bench.sent[before:])) == 4800 * 2
    assert not any(map(any, bench.sent[before:]))
    bench.microphone.close()
    before = len(bench.sent)
    await bench.periods(8)
    assert len(bench.sent) == before
    assert len(bench.wake) == 28 * 320 * 2


async def test_several_periods_at_once_are_taken_at_once() -> None:
    """A loop that comes late finds all that waits."""
    bench = Bench()
    bench.microphone.open(None)
    await bench.periods(1)
    assert bench.capture is not None
    for _ in range(5):
        bench.capture.pump_once()
    await asyncio.sleep(0)
    assert bench.microphone.position_frames == 6 * 480


async def test_all_that_waited_in_the_card_flows_through_at_once() -> None:
    """A full buffer of 600 ms while something plays: session, wake word and canceller each get every frame of it."""
    sound = codes(960 * 32)
    bench = Bench(FakeCapturePcm(sound=encode(sound, 2, "S16_LE")), canceller=EchoCanceller())
    bench.far.level = 0
    bench.microphone.open(Frames(0))
    await bench.periods(1)
    assert bench.capture is not None
    for _ in range(30):
        bench.capture.pump_once()
    await asyncio.sleep(0)
    heard = [len(heard or b"") for heard, _ in bench.ends]
    bench.far.level = None  # what the canceller holds back to think about comes out
    await bench.periods(1)
    assert (bench.capture.refused_bytes, bench.microphone.position_frames) == (0, 32 * 480)
    assert len(bench.uplink) == 32 * 480
    assert len(bench.wake) == 32 * 320 * 2
    assert [len(far or b"") for _, far in bench.ends[:2]] == heard
    assert sum(heard) >= 31 * 640 - 640


async def test_the_canceller_is_in_the_way_only_while_something_plays() -> None:
    """What the engine makes of it reaches the wake word and the session alike."""
    bench = Bench()
    bench.microphone.open(None)
    await bench.periods(2)
    bench.far.level = 5
    await bench.periods(2)
    bench.far.level = None
    await bench.periods(2)
    assert bench.uplink.tolist() == [0] * 960 + [5] * 960 + [0] * 960
    assert not bench.microphone.status()["cancelling"]


async def test_the_wake_thread_gets_both_ends_while_something_plays() -> None:
    """The microphone as it is, uncancelled, and what was played: as much of each as of wake audio."""
    bench = Bench(FakeCapturePcm(sound=encode(codes(960 * 20), 2, "S16_LE")))
    bench.microphone.open(None)
    await bench.periods(2)
    assert bench.ends == [(None, None)] * len(bench.ends)
    bench.far.level = 4000
    bench.ends.clear()
    await bench.periods(8)
    heard, far = (
        np.frombuffer(b"".join(end or b"" for end in ends), np.int16) for ends in zip(*bench.ends, strict=True)
    )
    assert len(heard) == len(far) == 8 * 320
    assert np.abs(far[200:].astype(int) - 4000).max() <= 2
    assert abs(heard.mean()) < 500  # the engine of this test adds the far end: it is not in here
    bench.far.level = None
    bench.ends.clear()
    await bench.periods(1)
    assert bench.ends == [(None, None)]


def a_leaking_echo(bench: Bench, tail_ms: int | None) -> None:
    """Let the meter know that the canceller leaves the echo."""
    assert bench.microphone._echo is not None
    meter = bench.microphone._echo.meter
    meter.choice = BargeIn.WAKE_WORD
    meter.figures = EchoFigures(tail_ms=tail_ms)


@pytest.mark.parametrize(("tail_ms", "held_periods"), [(None, 15), (80, 5), (400, 21)])
async def test_the_tail_of_a_reply_is_not_sent_where_the_echo_leaks(tail_ms: int | None, held_periods: int) -> None:
    """The uplink opens when the echo has died away: as long after the loudspeaker's end as was measured."""
    bench = Bench()
    bench.far.level = 500
    await bench.periods(4)
    a_leaking_echo(bench, tail_ms)
    bench.far.level = 0
    bench.microphone.open(None)
    held = 0
    while not bench.sent and held < 100:
        await bench.periods(1)
        held += 1
    assert held == pytest.approx(held_periods, abs=2)


async def test_the_tail_is_held_for_a_second_at_most() -> None:
    """Somebody who opens the uplink wants it open, whatever goes on."""
    bench = Bench()
    bench.far.level = 500
    a_leaking_echo(bench, 100)
    await bench.periods(4)
    bench.microphone.open(None)
    await bench.periods(49)
    assert bench.sent == []
    await bench.periods(4)
    assert bench.sent


@pytest.mark.parametrize("what", ["close", "silence", "open"])
async def test_a_tail_that_is_held_is_forgotten_by_the_next_order(what: str) -> None:
    """Closed is closed, silent is silent, and a command from the pre-roll goes out at once."""
    bench = Bench()
    bench.far.level = 500
    a_leaking_echo(bench, 100)
    await bench.periods(4)
    bench.microphone.open(None)
    if what == "open":
        bench.microphone.open(Frames(480))
        assert bench.sent
        return
    getattr(bench.microphone, what)()
    bench.far.level = None
    await bench.periods(80)
    assert bench.sent == []


async def test_a_trusted_canceller_needs_no_waiting() -> None:
    """Where the echo is taken out, its tail is too: not a word is lost."""
    bench = Bench()
    assert bench.microphone._echo is not None
    bench.microphone._echo.meter.choice = BargeIn.SPEECH
    bench.far.level = 500
    await bench.periods(4)
    bench.microphone.open(None)
    await bench.periods(2)
    assert bench.sent


@pytest.mark.parametrize(("value", "comes"), [(0, "zeros"), (-7, "one value")])
async def test_a_deaf_microphone_is_noticed_and_told(caplog: pytest.LogCaptureFixture, value: int, comes: str) -> None:
    """After ten seconds, once, with what comes; with a card that goes it is over, and that is said, too."""
    sound = np.full(960 * 640, value, np.int16)
    sound[:960] = codes(960)
    bench = Bench(FakeCapturePcm(sound=encode(sound, 2, "S16_LE")))
    await bench.periods(490)
    assert (bench.silences, bench.microphone.status()["deaf"]) == ([], None)
    with caplog.at_level(logging.INFO, "speakerd.audio"):
        await bench.periods(130)
        assert bench.silences == [MicrophoneSilent(silent=True, stuck=value != 0)]
        assert 10.0 <= bench.microphone.status()["silent_s"] <= 12.4
        assert bench.microphone.status()["deaf"] == comes
        bench.microphone._end()
    assert bench.silences[1:] == [MicrophoneSilent(silent=False)]
    assert (bench.microphone.status()["deaf"], bench.microphone.status()["silent_s"]) == (None, 0.0)
    assert caplog.messages == [
        f"the microphone mic is deaf: nothing but {comes} comes",
        "the microphone mic is not deaf any more",
    ]


async def test_a_channel_beside_a_dead_one_is_no_deaf_microphone() -> None:
    """Listened to is the channel that hears; the other may be unconnected."""
    sound = np.column_stack((np.zeros(960 * 620, np.int16), codes(960 * 620)))
    bench = Bench(FakeCapturePcm(sound=sound.astype("<i2").tobytes()), channel="auto")
    await bench.periods(600)
    assert bench.microphone.status()["channel"] == 1
    assert bench.silences == []


async def test_it_has_a_pulse_while_frames_come() -> None:
    """It changes with what the loop takes in, and stands with it."""
    bench = Bench()
    await bench.periods(10)
    beats = [bench.microphone.pulse]
    await bench.periods(10)
    beats += [bench.microphone.pulse] * 2
    assert beats[0] != beats[1]
    assert bench.microphone.pulse == beats[2]


async def test_what_is_measured_of_the_echo_is_told_and_shown() -> None:
    """After a stretch of playing, with figures; in the status as plain data."""
    bench = Bench(FakeCapturePcm(sound=encode(codes(960 * 300), 2, "S16_LE")))
    bench.far.level = 4000
    await bench.periods(150)
    bench.far.level = None
    await bench.periods(5)
    assert bench.echoes
    shown = bench.microphone.status()["echo"]
    assert shown["choice"] == bench.echoes[-1].choice.value
    assert shown["windows"] == bench.echoes[-1].figures.windows
    assert {"delay_ms", "echo_dbfs", "removed_db", "residual_dbfs", "drift_ppm", "tail_ms"} <= set(shown)


async def test_an_overrun_sets_the_far_end_anew() -> None:
    """Frames are missing; the count cannot be right any more."""
    bench = Bench()
    bench.pcm.plan.extend([None, Xrun(), None])
    await bench.periods(5)
    assert bench.far.holes == 1
    assert bench.microphone.status()["xruns"] == 1


async def test_positions_go_on_when_the_card_comes_back() -> None:
    """A frame's number is never used twice, and what was sent stays sent."""
    bench = Bench()
    bench.microphone.open(None)
    await bench.periods(10)
    bench.microphone._end()
    assert bench.microphone.status()["channel"] == 0
    bench.pcm, bench.capture = FakeCapturePcm(CARD_16K_MONO), None
    await bench.periods(10)
    assert bench.microphone.position_frames == 9600
    assert len(bench.uplink) == 9600
    assert len(bench.wake) == 9600 * 2 // 3 * 2


async def test_a_channel_that_the_card_has_not_is_the_operators_business() -> None:
    """Asking for the third channel of two is said, not crashed on."""
    with pytest.raises(DeviceError, match="it has 2, counted from 0") as caught:
        await Bench(channel=2).periods(1)
    assert caught.value.code == "device-channel"


async def test_auto_finds_the_channel_with_the_sound() -> None:
    """Half of a stereo microphone is often not connected."""
    sound = np.zeros((960 * 60, 2), np.int16)
    sound[:, 1] = codes(len(sound))
    bench = Bench(FakeCapturePcm(sound=sound.tobytes()), channel="auto")
    await bench.periods(60)
    assert bench.microphone.status()["channel"] == 1
    assert bench.microphone.status()["level_dbfs"] > -30


async def test_runs_finds_loses_and_ends() -> None:
    """The whole life in a thread: found with the first frames, lost when unplugged, closed when told to end."""
    bench = Bench(PacedCapturePcm())
    assert isinstance(bench.pcm, PacedCapturePcm)
    seen = asyncio.Event()
    bench.events = []
    bench.microphone._card._on_event = lambda event: (bench.events.append(event), seen.set())[1]
    task = asyncio.create_task(bench.microphone.run())
    bench.pcm.gate.allow(3)
    await asyncio.wait_for(seen.wait(), 5)
    assert bench.events == [DeviceFound(Device.MICROPHONE)]
    assert bench.microphone.status()["rate_hz"] == 48_000
    seen.clear()
    bench.pcm.plan.append(Unplug())
    bench.pcm.gate.allow(1)
    await asyncio.wait_for(seen.wait(), 5)
    assert bench.events[-1] == DeviceLost(Device.MICROPHONE)
    assert bench.microphone.status()["found"] is False
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.pcm.closed


class Residual(Engine):
    """A canceller that removes everything, and after three seconds of a reply nothing."""

    def __init__(self) -> None:
        self.frames = 0

    def process(self, near: Pcm, far: Pcm) -> Pcm:
        self.frames += len(near)
        return near if self.frames > 72_000 else near * 0


async def test_what_a_canceller_lets_through_reaches_no_session_but_the_wake_word() -> None:
    """A session takes it for a user; the wake word has a canceller of its own and hears what it always heard."""
    sound = np.random.default_rng(3).normal(0, 3000, 960 * 200).astype(np.int16)
    played = Resampler(48_000, 24_000).process(sound)
    bench = Bench(FakeCapturePcm(sound=encode(sound, 2, "S16_LE")), canceller=Residual())
    blocks = iter(played.reshape(-1, 480))
    bench.far.take = lambda frames: next(blocks)  # type: ignore[method-assign] - it plays what the microphone hears
    bench.microphone.open(None)
    await bench.periods(190)
    assert len(bench.uplink) == 190 * 480
    assert np.abs(bench.uplink[80_000:].astype(float)).mean() < 60
    assert np.abs(np.frombuffer(bytes(bench.wake), np.int16)[54_000:].astype(float)).mean() > 1000


async def test_another_card_and_channel_are_heard_on_and_frames_go_on_counting() -> None:
    """By their own names; what was heard before stays in the pre-roll."""
    opened: list[str] = []
    heard = asyncio.Event()

    def open_pcm(device: str) -> PacedCapturePcm:
        opened.append(device)
        pcm = PacedCapturePcm()
        pcm.gate.allow_all()
        return pcm

    events: asyncio.Queue[Event] = asyncio.Queue()
    microphone = Microphone(
        device="first",
        channel=0,
        open_pcm=open_pcm,
        canceller=None,
        far=None,
        wake_feed=lambda *_: heard.set(),
        uplink=lambda *_: None,
        on_event=events.put_nowait,
        now=asyncio.get_running_loop().time,
        trace=FakeTrace(),
    )
    task = asyncio.create_task(microphone.run())
    assert await events.get() == DeviceFound(Device.MICROPHONE)
    await heard.wait()
    before = microphone.position_frames
    microphone.use(device="first", channel=0, pause_ms=700)
    microphone.use(device="second", channel=1, pause_ms=700)
    assert await asyncio.wait_for(events.get(), 10) == DeviceFound(Device.MICROPHONE)
    assert (opened, microphone.status()["channel"]) == (["first", "second"], 1)
    assert microphone.position_frames >= before > 0
    task.cancel()
    await asyncio.wait({task})


async def test_another_canceller_is_used_from_the_next_block_on() -> None:
    """One is taken away, and brought back."""
    bench = Bench(FakeCapturePcm(CARD_16K_MONO))
    bench.far.level = 500
    await bench.periods(2)
    assert bench.microphone.status()["cancelling"]
    bench.microphone.use_echo(None, None)
    await bench.periods(2)
    assert not bench.microphone.status()["cancelling"]
    bench.microphone.use_echo(Engine(), None)
    await bench.periods(2)
    assert bench.microphone.status()["cancelling"]
