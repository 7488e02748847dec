"""Real ALSA on the virtual card: every format opens and sounds right, every kind of loss is noticed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from speakerd.audio import alsa
from speakerd.audio.capture import Capture
from speakerd.audio.playback import Playback
from speakerd.audio.ring import make_ring
from speakerd.audio.thread import AudioThread
from speakerd.core.errors import DeviceError, Remedy
from speakerd.core.pcm import Resampler, decode, encode, pick_channel
from speakerd.core.units import WIRE_RATE_HZ
from speakerd.demo.room import ROOM_RATE_HZ, Direction, Fault, Room
from speakerd.demo.simcard import CardProfile, build, write_asound_conf

Int16 = npt.NDArray[np.int16]

RATES_HZ = [16_000, 24_000, 44_100, 48_000]
SHAPES = [(1, "S16_LE"), (2, "S32_LE"), (6, "S16_LE"), (8, "S32_LE")]
PITCH_HZ = 1000
TONE_PERIODS = 12


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the card once."""
    try:
        return build(tmp_path_factory.mktemp("simcard"))
    except DeviceError as error:
        pytest.skip(f"no virtual card: {error}")


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """A quiet room of a minute."""
    with Room.create(tmp_path / "room", length_s=60.0) as room:
        yield room


@pytest.fixture
def plug_in(plugin: Path, room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what puts a card of a kind into the room; alsa-lib looks at the variable at every open."""

    def plug_in(rate_hz: int, channels: int, sample_format: str, use_channel: int = -1, **more: int) -> None:
        limits = {"rate_min_hz": rate_hz, "rate_max_hz": rate_hz, "channels_min": channels, "channels_max": channels}
        card = CardProfile(**limits, sample_format=sample_format, use_channel=use_channel, **more)
        monkeypatch.setenv("ALSA_CONFIG_PATH", str(write_asound_conf(tmp_path, room.path, plugin, card=card)))

    alsa.silence_alsa_messages()
    return plug_in


def tone(rate_hz: int, seconds: float) -> Int16:
    return (8000 * np.sin(2 * np.pi * PITCH_HZ * np.arange(int(rate_hz * seconds)) / rate_hz)).astype(np.int16)


def purity_db(signal: Int16, rate_hz: int) -> float:
    """Return how far the tone stands above everything else."""
    spectrum = np.abs(np.fft.rfft(signal * np.blackman(len(signal)))) ** 2
    pitch = round(PITCH_HZ * len(signal) / rate_hz)
    around = slice(pitch - 4, pitch + 5)
    return float(10 * np.log10(spectrum[around].sum() / (spectrum.sum() - spectrum[around].sum() + 1e-9)))


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("channels", [1, 2, 6, 8])
@pytest.mark.parametrize("sample_format", ["S16_LE", "S32_LE"])
def test_what_the_card_has_is_what_is_used(
    plug_in: Callable[..., None], rate_hz: int, channels: int, sample_format: str
) -> None:
    """Whatever the card is fixed to, it opens, in periods of 20 ms."""
    plug_in(rate_hz, channels, sample_format)
    microphone, loudspeaker = alsa.open_capture("mic"), alsa.open_playback("speaker")
    for pcm, periods in ((microphone, 30), (loudspeaker, 4)):
        assert (pcm.format.rate_hz, pcm.format.channels, pcm.format.sample_format) == (rate_hz, channels, sample_format)
        assert pcm.format.period_frames == rate_hz // 50
        assert pcm.format.buffer_frames == periods * rate_hz // 50
    microphone.close()
    loudspeaker.close()


@pytest.mark.parametrize(
    ("channels", "sample_format", "buffer_bytes_max", "periods"),
    [
        (2, "S16_LE", 1 << 17, 30),
        (2, "S16_LE", 1 << 16, 17),
        (6, "S32_LE", 1 << 20, 30),
        (6, "S32_LE", 1 << 19, 22),
        (6, "S32_LE", 1 << 17, 5),
        (8, "S32_LE", 1 << 16, 2),
    ],
)
def test_a_card_with_little_memory_gives_what_it_has(
    plug_in: Callable[..., None], channels: int, sample_format: str, buffer_bytes_max: int, periods: int
) -> None:
    """The buffer is as long as asked for, or as many whole periods as go into the card; it delivers in any case."""
    plug_in(48_000, channels, sample_format, buffer_bytes_max=buffer_bytes_max)
    pcm = alsa.open_capture("mic")
    assert (pcm.format.period_frames, pcm.format.buffer_frames) == (960, periods * 960)
    assert pcm.read()[0] == 960
    pcm.close()


def test_a_reader_that_comes_half_a_second_late_loses_nothing(plug_in: Callable[..., None], room: Room) -> None:
    """What has come meanwhile waits in the card and comes out whole."""
    plug_in(48_000, 1, "S16_LE")
    room.say(np.arange(1, 24_001, dtype=np.int16), ROOM_RATE_HZ, lead_s=0.1)
    producer, consumer = make_ring(1 << 18)
    pcm = alsa.open_capture("mic")
    rung_at: list[int] = []
    capture = Capture(pcm, producer, lambda: rung_at.append(capture.frames_total))
    capture.pump_once()
    clock = alsa.open_capture("mic")
    for _ in range(25):
        clock.read()
    clock.close()
    while capture.frames_total < 0.7 * 48_000:
        capture.pump_once()
    pcm.close()
    heard = np.frombuffer(consumer.read(1 << 18), np.int16)
    assert capture.xruns == 0
    assert rung_at[1] >= 24 * 960  # what had waited came in one piece
    assert heard[heard != 0].tolist() == list(range(1, 24_001))


def test_a_card_at_no_sane_rate_is_for_the_operator(plug_in: Callable[..., None]) -> None:
    """What cannot be resampled sanely is refused, and the message tells what ALSA gave."""
    plug_in(12_345, 2, "S16_LE")
    with pytest.raises(DeviceError, match="12345 Hz, 2 channels, S16_LE") as wrong:
        alsa.open_capture("mic")
    assert (wrong.value.code, wrong.value.remedy) == ("device-format", Remedy.OPERATOR)


def test_plughw_converts_nothing_that_we_convert_better(plug_in: Callable[..., None], tmp_path: Path) -> None:
    """Where the bare card speaks a format of ours, ``plughw`` is opened at the card's rate, not at 48 kHz."""
    plug_in(16_000, 6, "S32_LE")
    bare = f'type simcard room "{tmp_path / "room"}" rate_min 16000 rate_max 16000'
    with (tmp_path / "asound.conf").open("a") as file:
        file.write(f"pcm.!hw {{ @args [ CARD ] @args.CARD {{ type string }} {bare} }}\n")
    pcm = alsa.open_capture("plughw:CARD=Array")
    assert pcm.format.rate_hz == 16_000
    pcm.close()


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize(("channels", "sample_format"), SHAPES)
def test_a_tone_in_the_room_arrives_as_wire_audio(
    plug_in: Callable[..., None], room: Room, rate_hz: int, channels: int, sample_format: str
) -> None:
    """Card format → the one live channel → 24 kHz mono: one clean tone, every frame of it."""
    plug_in(rate_hz, channels, sample_format, use_channel=channels - 1)
    room.say(tone(ROOM_RATE_HZ, 2.0), ROOM_RATE_HZ, lead_s=0.0)
    pcm = alsa.open_capture("mic")
    resampler, heard = Resampler(rate_hz, WIRE_RATE_HZ), []
    for _ in range(TONE_PERIODS):
        frames, data = pcm.read()
        assert frames == pcm.format.period_frames
        heard.append(resampler.process(pick_channel(decode(data, channels, sample_format), "auto")))
    pcm.close()
    signal = np.concatenate(heard)
    assert len(signal) == TONE_PERIODS * rate_hz // 50 * WIRE_RATE_HZ // rate_hz
    assert purity_db(signal[1200:], WIRE_RATE_HZ) > 45
    assert np.abs(signal[1200:]).max() == pytest.approx(8000, rel=0.02)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize(("channels", "sample_format"), SHAPES)
def test_wire_audio_sounds_in_the_room(
    plug_in: Callable[..., None], room: Room, rate_hz: int, channels: int, sample_format: str
) -> None:
    """24 kHz mono → card format → the room: one clean tone, without a gap."""
    plug_in(rate_hz, channels, sample_format)
    pcm = alsa.open_playback("speaker")
    content = encode(Resampler(WIRE_RATE_HZ, rate_hz).process(tone(WIRE_RATE_HZ, 0.3)), channels, sample_format)
    producer, consumer = make_ring(len(content))
    producer.write(content)
    start_s = room.now_s()
    playback = Playback(pcm, consumer, None, lambda: None, time.monotonic)
    playback.content_ends = True
    while consumer.available_bytes or playback.state.heard_frames < playback.state.content_frames:
        playback.pump_once()
    assert (playback.state.xruns, playback.state.starvations) == (0, 0)
    end_s = room.now_s()
    pcm.close()
    ((begin_s, last_s),) = room.audible_spans(start_s, end_s)
    assert last_s - begin_s == pytest.approx(0.3, abs=0.005)
    assert purity_db(room.heard(begin_s + 0.02, last_s - 0.02), ROOM_RATE_HZ) > 45


@pytest.mark.parametrize("direction", ["capture", "playback"])
@pytest.mark.parametrize("fault", ["enodev", "eio", "epipe", "stall"])
def test_every_kind_of_loss_is_noticed(
    plug_in: Callable[..., None], room: Room, direction: Direction, fault: Fault
) -> None:
    """An exception or endless overruns end the thread aloud; a call that never returns is seen by the watch."""
    plug_in(48_000, 2, "S16_LE")
    over, moving, failures = threading.Event(), threading.Event(), []
    producer, consumer = make_ring(1 << 16)
    body: Capture | Playback
    if direction == "capture":
        pcm = alsa.open_capture("mic")
        body = Capture(pcm, producer, moving.set)
    else:
        pcm = alsa.open_playback("speaker")
        producer.write(bytes(1 << 16))
        body = Playback(pcm, consumer, None, moving.set, time.monotonic)
    thread = AudioThread(direction, body, lambda _, error: (failures.append(error), over.set()))
    thread.start()
    assert moving.wait(5)
    room.set_fault(direction, fault)
    broken_s = time.monotonic()
    while not over.wait(0.05) and not thread.stalled(time.monotonic()) and time.monotonic() < broken_s + 10:
        pass
    noticed_s = time.monotonic() - broken_s
    assert thread.stop(timeout_s=0.2) == (fault != "stall")
    room.clear_faults()
    assert thread.stop(timeout_s=5)
    pcm.close()
    assert noticed_s < 3
    assert [getattr(error, "code", error) for error in failures] == ([] if fault == "stall" else ["device-lost"])


def test_a_flush_silences_the_room_within_a_tenth_of_a_second(plug_in: Callable[..., None], room: Room) -> None:
    """From the request to the last audible frame: a period at most in the write, and then silence."""
    plug_in(48_000, 2, "S16_LE")
    pcm = alsa.open_playback("speaker")
    producer, consumer = make_ring(48_000 * 4)
    producer.write(encode(tone(48_000, 1.0), 2, "S16_LE"))
    playing = threading.Event()
    start_s = room.now_s()
    playback = Playback(pcm, consumer, None, playing.set, time.monotonic)
    thread = AudioThread("playback", playback, lambda _, error: pytest.fail(str(error)))
    thread.start()
    assert playing.wait(5)
    playing.clear()
    assert playing.wait(5)
    asked_s = room.now_s()
    generation = playback.flush()
    while playback.flushed != generation:
        playing.wait(0.001)
    assert thread.stop(timeout_s=5)
    end_s = room.now_s()
    pcm.close()
    spans = room.audible_spans(start_s, end_s)
    assert len(spans) == 1
    assert spans[0][1] - asked_s < 0.1
    assert playback.state.heard_frames == pytest.approx((spans[0][1] - spans[0][0]) * 48_000, abs=960)
