"""Both ends on the virtual card: real ALSA, threads and time; what is said and what is heard, sample by sample."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from speakerd.audio.alsa import open_capture, open_playback
from speakerd.audio.echo import EchoCanceller, Pcm
from speakerd.audio.loudspeaker import Loudspeaker
from speakerd.audio.microphone import Microphone
from speakerd.core.actions import Earcon
from speakerd.core.echo_path import AUDIBLE_DBFS, BargeIn
from speakerd.core.echo_probe import EchoProbe
from speakerd.core.events import AudioStarted, Device, DeviceFound, DeviceLost, Event, PlaybackDrained
from speakerd.core.fades import faded
from speakerd.core.pcm import Resampler, rms_dbfs
from speakerd.core.units import Frames, ItemId, ResponseId
from speakerd.demo import simcard
from speakerd.demo.room import ROOM_RATE_HZ, Room
from speakerd.demo.simcard import CardProfile
from tests.fakes.ports import FakeTrace
from tests.fakes.voices import say

R, A = ResponseId("resp_r"), ItemId("item_a")
PATIENCE_S = 20.0


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The virtual card, compiled."""
    return simcard.build(tmp_path_factory.mktemp("simcard"))


@dataclass
class Speaker:
    """Both ends at work in a room."""

    room: Room
    microphone: Microphone
    loudspeaker: Loudspeaker
    events: list[Event]
    changed: asyncio.Event
    uplink: bytearray
    trace: FakeTrace = field(default_factory=FakeTrace)

    async def until(self, event: Event) -> None:
        """Wait until something has happened."""
        async with asyncio.timeout(PATIENCE_S):
            while event not in self.events:
                self.changed.clear()
                await self.changed.wait()

    async def until_sent(self, frames: int) -> Pcm:
        """Wait until so much was sent, and return it all."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.uplink) < 2 * frames:
                self.changed.clear()
                await self.changed.wait()
        return np.frombuffer(bytes(self.uplink), np.int16)

    async def until_position(self, frames: int) -> None:
        """Wait until the microphone has heard so much."""
        async with asyncio.timeout(PATIENCE_S):
            while self.microphone.position_frames < frames:
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def profile() -> CardProfile:
    """The card; tests that need another one say so."""
    return CardProfile()


@pytest.fixture
def playback_profile() -> CardProfile | None:
    """The loudspeaker's card; None: the same."""
    return None


@pytest.fixture
def probing() -> bool:
    """Whether an echo is looked for; else the canceller is always at work while something plays."""
    return False


@pytest.fixture
async def speaker(
    *,
    tmp_path: Path,
    plugin: Path,
    profile: CardProfile,
    playback_profile: CardProfile | None,
    probing: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Speaker]:
    """Both ends, found, on a card of the given profile."""
    with Room.create(tmp_path / "room", length_s=60) as room:
        conf = simcard.write_asound_conf(tmp_path, room.path, plugin, card=profile, playback_card=playback_profile)
        monkeypatch.setenv("ALSA_CONFIG_PATH", str(conf))
        events: list[Event] = []
        changed = asyncio.Event()
        uplink = bytearray()
        trace = FakeTrace()

        def on_event(event: Event) -> None:
            events.append(event)
            changed.set()

        loudspeaker = Loudspeaker(
            device="speaker",
            open_pcm=open_playback,
            on_event=on_event,
            now=time.monotonic,
            trace=trace,
            earcons=True,
            back_off_s=(0.05, 0.2),
        )
        microphone = Microphone(
            device="mic",
            channel="auto",
            open_pcm=open_capture,
            canceller=EchoCanceller(),
            far=loudspeaker.reference,
            probe=EchoProbe() if probing else None,
            wake_feed=lambda _wake, _heard, _far: changed.set(),
            uplink=lambda pcm, _first_frame: uplink.extend(pcm),
            on_event=on_event,
            now=time.monotonic,
            trace=trace,
            back_off_s=(0.05, 0.2),
        )
        tasks = [asyncio.create_task(loudspeaker.run()), asyncio.create_task(microphone.run())]
        bench = Speaker(room, microphone, loudspeaker, events, changed, uplink, trace)
        try:
            await bench.until(DeviceFound(Device.LOUDSPEAKER))
            await bench.until(DeviceFound(Device.MICROPHONE))
            yield bench
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError):
                    await task


def codes(frames: int, seed: int = 1, level: int = 8000) -> Pcm:
    """Return a sound in which every stretch is different."""
    return np.random.default_rng(seed).integers(-level, level, frames).astype(np.int16)


def loudest_dbfs(sound: Pcm) -> float:
    """Return the level of the loudest tenth of a second: less is no speech to anybody."""
    return max(rms_dbfs(sound[i : i + 2400]) for i in range(0, len(sound) - 2399, 480))


def find(needle: Pcm, hay: Pcm) -> int:
    """Return where a sound begins in another, by correlation."""
    size = len(needle) + len(hay)
    product = np.fft.rfft(hay.astype(float), size) * np.conj(np.fft.rfft(needle.astype(float), size))
    return int(np.argmax(np.fft.irfft(product, size)))


async def test_what_is_said_arrives_whole_from_the_pre_roll_on(speaker: Speaker) -> None:
    """The gate opens in mid-sentence, from before its beginning: every sample is there once, as resampled offline."""
    said = codes(ROOM_RATE_HZ)
    start = speaker.microphone.position_frames
    speaker.room.say(said, ROOM_RATE_HZ)
    await speaker.until_position(start + 12_000)
    speaker.microphone.open(Frames(start))
    burst = len(speaker.uplink)
    sent = await speaker.until_sent(24_000 + 6000)
    assert burst >= (12_000 - 480) * 2
    # The card's frames are halved in pairs; which of two frames of the room begins a pair is chance.
    versions = [
        Resampler(ROOM_RATE_HZ, 24_000).process(np.concatenate((np.zeros(200 + odd, np.int16), said)))[100:]
        for odd in (0, 1)
    ]
    matches = []
    for version in versions:
        at = find(version, sent)
        matches.append(sent[at : at + len(version)].tolist() == version.tolist())
    assert any(matches)


async def test_a_reply_that_comes_in_a_burst_is_heard_whole_and_without_a_gap(speaker: Speaker) -> None:
    """Two seconds handed over at once come out of the card sample by sample as resampled offline."""
    reply = codes(48_000, seed=2)
    start_s = speaker.room.now_s()
    speaker.loudspeaker.accept(R)
    for piece in range(0, len(reply), 4800):
        speaker.loudspeaker.enqueue(R, A, reply[piece : piece + 4800].tobytes())
    await speaker.until(PlaybackDrained())
    drained_s = speaker.room.now_s()
    expected = Resampler(24_000, ROOM_RATE_HZ).process(faded(reply, until_end=len(reply)))
    heard = speaker.room.heard(start_s, drained_s + 0.1)
    at = find(expected, heard)
    assert heard[at : at + len(expected)].tolist() == expected.tolist()
    assert speaker.events.count(AudioStarted(R)) == 1
    assert abs(start_s + (at + len(expected)) / ROOM_RATE_HZ - drained_s) < 0.03
    assert speaker.loudspeaker.unheard() == ()


async def test_a_flush_is_silence_and_the_count_of_what_was_heard_is_true(speaker: Speaker) -> None:
    """Within a period nothing is audible any more, and the item was heard as far as the playhead says."""
    reply = codes(24_000 * 4, seed=3)
    start_s = speaker.room.now_s()
    speaker.loudspeaker.accept(R)
    speaker.loudspeaker.enqueue(R, A, reply.tobytes())
    await speaker.until_position(speaker.microphone.position_frames + 24_000)
    (heard,) = speaker.loudspeaker.unheard()
    speaker.loudspeaker.flush()
    flushed_s = speaker.room.now_s()
    await speaker.until_position(speaker.microphone.position_frames + 12_000)
    ((began_s, ended_s),) = speaker.room.audible_spans(start_s, speaker.room.now_s())
    assert ended_s - flushed_s < 0.03
    told_s = heard.heard_ms / 1000
    assert flushed_s - began_s - 0.02 < told_s < flushed_s - began_s + 0.005
    assert PlaybackDrained() not in speaker.events


@pytest.mark.parametrize("profile", [CardProfile(echo_gain_db=-6.0, echo_delay_ms=30.0)])
async def test_the_speakers_own_voice_is_taken_out_of_the_uplink(speaker: Speaker, profile: CardProfile) -> None:
    """Over 20 dB of the echo are gone, from the first half second on."""
    assert profile.echo_gain_db == -6.0
    spectrum = np.fft.rfft(codes(24_000 * 3, seed=4))
    spectrum[: 3 * 200] = spectrum[3 * 6000 :] = 0
    reply = np.fft.irfft(spectrum).astype(np.int16)
    speaker.microphone.open(None)
    speaker.loudspeaker.accept(R)
    speaker.loudspeaker.enqueue(R, A, reply.tobytes())
    await speaker.until(PlaybackDrained())
    sent = np.frombuffer(bytes(speaker.uplink), np.int16)
    echo_dbfs = rms_dbfs(reply) - 6.0
    assert rms_dbfs(sent[12_000:]) < echo_dbfs - 20
    assert speaker.microphone.status()["cancelling"]


STORY = (
    "Once upon a time there was a small lighthouse at the end of a long stone pier. "
    "Every evening the keeper climbed the winding stairs and lit the lamp."
)

LIVELY = CardProfile(echo_gain_db=0.0, echo_delay_ms=30.0, noise_dbfs=-65.0)
"""A room in which the microphone hears the loudspeaker as loud as it is."""


@pytest.mark.parametrize("profile", [LIVELY])
async def test_an_earcon_is_not_sent(speaker: Speaker, profile: CardProfile) -> None:
    """Each time what is sent of it stays far below what is taken for speech, the first time too."""
    assert profile.echo_gain_db == 0.0
    speaker.microphone.open(None)
    for _ in range(2):
        begin = len(speaker.uplink) // 2
        start_s = speaker.room.now_s()
        speaker.loudspeaker.play_earcon(Earcon.WAKE)
        sent = (await speaker.until_sent(begin + 24_000))[begin:]
        assert rms_dbfs(speaker.room.heard(start_s, start_s + 0.5)) > -30, "nothing was played"
        assert loudest_dbfs(sent) < AUDIBLE_DBFS - 5


@pytest.mark.parametrize("profile", [LIVELY])
async def test_the_tail_of_a_reply_is_not_sent(speaker: Speaker, profile: CardProfile) -> None:
    """When the loudspeaker has fallen silent, the canceller is still there."""
    assert profile.echo_gain_db == 0.0
    speaker.microphone.open(None)
    speaker.loudspeaker.accept(R)
    speaker.loudspeaker.enqueue(R, A, say(STORY, 24_000)[: 4 * 24_000].tobytes())
    await speaker.until(PlaybackDrained())
    begin = len(speaker.uplink) // 2
    assert speaker.microphone.status()["cancelling"]
    sent = (await speaker.until_sent(begin + 19_200))[begin:]
    assert loudest_dbfs(sent) < AUDIBLE_DBFS - 5


@pytest.mark.parametrize("profile", [CardProfile(echo_gain_db=-6.0, echo_delay_ms=30.0, noise_dbfs=-65.0)])
@pytest.mark.parametrize(
    ("playback_profile", "choice"),
    [(CardProfile(ppm=800.0), BargeIn.WAKE_WORD), (CardProfile(), BargeIn.SPEECH)],
)
@pytest.mark.parametrize("probing", [True])
async def test_two_cards_whose_clocks_drift_lose_the_trust_within_a_reply(speaker: Speaker, choice: BargeIn) -> None:
    """At 800 ppm the wake word alone may cut it after eight seconds; in step, speech goes on to."""
    speaker.loudspeaker.accept(R)
    speaker.loudspeaker.enqueue(R, A, say(STORY, 24_000).tobytes())
    await speaker.until(PlaybackDrained())
    assert speaker.microphone.status()["echo"]["choice"] == choice.value


async def test_a_microphone_that_is_pulled_out_comes_back(speaker: Speaker) -> None:
    """Lost, looked for, found again; positions go on and the loudspeaker does not notice."""
    speaker.room.set_fault("capture", "enodev")
    await speaker.until(DeviceLost(Device.MICROPHONE))
    position = speaker.microphone.position_frames
    assert speaker.microphone.status()["found"] is False
    speaker.room.clear_faults()
    speaker.events.clear()
    await speaker.until(DeviceFound(Device.MICROPHONE))
    await speaker.until_position(position + 2400)
    assert speaker.events == [DeviceFound(Device.MICROPHONE)]
    assert speaker.microphone.status()["losses"] == 1
