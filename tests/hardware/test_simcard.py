"""The virtual card as pyalsaaudio sees it."""

from __future__ import annotations

import threading
import time

import alsaaudio
import numpy as np
import pytest

from speakerd.demo.simcard import CardProfile
from tests.fakes.simcards import bench, level_and_frequency, read_mono, spread, tone

pytestmark = pytest.mark.timeout(60, method="thread")  # a signal does not wake a call that hangs inside ALSA

PERIOD = 960
ECHO = CardProfile(echo_gain_db=0.0, echo_delay_ms=10.0)


def play_and_capture(speaker, mic, blocks, tail, *, channels=1, channel=0, dtype=np.int16):
    """Play blocks from a thread while capturing, so that neither waits for the other."""
    results = []
    writer = threading.Thread(target=lambda: results.extend(speaker.write(block) for block in blocks))
    writer.start()
    heard = read_mono(mic, len(blocks) + tail, channels, channel, dtype)
    writer.join()
    assert min(results) > 0
    return heard


def test_capture_is_paced_by_the_clock(tmp_path, monkeypatch):
    """A hundred periods take two seconds, one period per read, and none is late by a period."""
    with bench(tmp_path, monkeypatch) as set_up:
        mic = set_up.capture()
        mic.read()
        start = time.monotonic()
        late = []
        for count in range(1, 101):
            frames, _ = mic.read()
            assert frames == PERIOD
            late.append(time.monotonic() - start - count * 0.02)
        assert abs(np.median(late)) < 0.01
        assert set_up.room.frames_captured == 101 * PERIOD
        assert set_up.room.xruns("capture") == 0


@pytest.mark.parametrize("prefix", ["", "plug:"], ids=["read-write", "mmap"])
@pytest.mark.parametrize("bits", [16, 32])
def test_echo_is_sample_exact_at_the_rooms_rate(tmp_path, monkeypatch, prefix, bits):
    """A ramp played at 48 kHz comes back whole, in both formats and both kinds of access."""
    ramp = np.arange(1, 25 * PERIOD + 1).astype(np.int16)
    dtype, shift = (np.int16, 0) if bits == 16 else (np.int32, 16)
    sample_format = alsaaudio.PCM_FORMAT_S16_LE if bits == 16 else alsaaudio.PCM_FORMAT_S32_LE
    with bench(tmp_path, monkeypatch, card=ECHO) as set_up:
        mic = set_up.capture(channels=2, sample_format=sample_format, prefix=prefix)
        speaker = set_up.playback(channels=2, sample_format=sample_format, periods=4, prefix=prefix)
        samples = ramp.astype(dtype) << shift
        blocks = [spread(block, 2) for block in samples.reshape(-1, PERIOD)]
        start_s = set_up.room.now_s()
        heard = play_and_capture(speaker, mic, blocks, 8, channels=2, channel=1, dtype=dtype)
        first = np.flatnonzero(heard)[0]
        np.testing.assert_array_equal(heard[first : first + len(ramp)] >> shift, ramp)
        played = set_up.room.heard(start_s, set_up.room.now_s())
        first = np.flatnonzero(played)[0]
        np.testing.assert_array_equal(played[first : first + len(ramp)], ramp)


def test_voice_is_heard_when_it_is_said(tmp_path, monkeypatch):
    """What is said reaches the microphone whole, at its moment, within a period."""
    ramp = np.arange(1, 4801).astype(np.int16)
    with bench(tmp_path, monkeypatch) as set_up:
        mic = set_up.capture()
        mic.read()
        start_s, end_s = set_up.room.say(ramp, 48_000, lead_s=0.1)
        heard = read_mono(mic, 5)
        while not heard.any():
            heard = read_mono(mic, 1)
        arrived_s = set_up.room.now_s()
        heard = np.concatenate([heard, read_mono(mic, 6)])
        first = np.flatnonzero(heard)[0]
        np.testing.assert_array_equal(heard[first : first + len(ramp)], ramp)
        assert start_s <= arrived_s < start_s + 0.05
        assert end_s - start_s == pytest.approx(0.1)


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 24_000, 44_100, 96_000])
def test_other_rates_keep_a_tone(tmp_path, monkeypatch, rate_hz):
    """A tone keeps its level and its frequency from voice to card and from card to loudspeaker at any rate."""
    with bench(tmp_path, monkeypatch) as set_up:
        room = set_up.room
        mic, speaker = set_up.capture(rate_hz), set_up.playback(rate_hz)
        assert mic.info()["rate"] == rate_hz
        room.say(tone(1000, 48_000, 1.0), 48_000, lead_s=0.0)
        period = rate_hz // 50
        blocks = [block.tobytes() for block in tone(1000, rate_hz, 0.6).reshape(-1, period)]
        start_s = room.now_s()
        captured = play_and_capture(speaker, mic, blocks, 0)
        played = room.heard(start_s + 0.1, start_s + 0.5)
        for mono, its_rate_hz in ((captured[rate_hz // 10 : rate_hz // 2], rate_hz), (played, 48_000)):
            level, frequency_hz = level_and_frequency(mono, its_rate_hz)
            assert level == pytest.approx(8000, rel=0.01)
            assert frequency_hz == pytest.approx(1000, abs=0.05)


def test_clock_drift_is_in_the_samples(tmp_path, monkeypatch):
    """A card 1000 ppm fast hears a tone 0.1 % low and plays it 0.1 % high."""
    with bench(tmp_path, monkeypatch, card=CardProfile(ppm=1000)) as set_up:
        mic, speaker = set_up.capture(), set_up.playback()
        set_up.room.say(tone(1000, 48_000, 1.0), 48_000, lead_s=0.0)
        start_s = set_up.room.now_s()
        blocks = [block.tobytes() for block in tone(1000, 48_000, 0.8).reshape(-1, PERIOD)]
        captured = play_and_capture(speaker, mic, blocks, 0)
        played = set_up.room.heard(start_s + 0.1, start_s + 0.7)
        assert level_and_frequency(captured[4800:33_600], 48_000)[1] == pytest.approx(999.0, abs=0.1)
        assert level_and_frequency(played, 48_000)[1] == pytest.approx(1001.0, abs=0.1)


def test_drop_silences_what_was_not_heard_yet(tmp_path, monkeypatch):
    """After drop the loudspeaker is silent, though 160 ms were still queued; the next write plays on."""
    with bench(tmp_path, monkeypatch) as set_up:
        speaker = set_up.playback()
        start_s = set_up.room.now_s()
        for _ in range(8):
            speaker.write(np.full(PERIOD, 5000, np.int16).tobytes())
        time.sleep(0.05)
        speaker.drop()
        dropped_s = set_up.room.now_s()
        speaker.write(np.full(PERIOD, 7000, np.int16).tobytes())
        spans = set_up.room.audible_spans(start_s, dropped_s + 0.2, gap_ms=0.1)
        first_silent_s = spans[0][1]
        assert dropped_s - 0.01 < first_silent_s <= dropped_s + 0.0001
        assert set(np.unique(set_up.room.heard(dropped_s, dropped_s + 0.2))) == {0, 7000}


def test_closing_plays_to_the_end(tmp_path, monkeypatch):
    """Close drains: every frame is heard, and it takes as long as they last."""
    with bench(tmp_path, monkeypatch) as set_up:
        speaker = set_up.playback()
        start_s = set_up.room.now_s()
        for _ in range(5):
            speaker.write(np.full(PERIOD, 5000, np.int16).tobytes())
        speaker.close()
        assert 0.09 < set_up.room.now_s() - start_s < 0.3
        assert np.count_nonzero(set_up.room.heard(start_s, start_s + 0.3)) == 5 * PERIOD


def test_xruns_are_reported_and_mended(tmp_path, monkeypatch):
    """A late player and a late reader get -32 once, and the next call works."""
    with bench(tmp_path, monkeypatch) as set_up:
        mic, speaker = set_up.capture(periods=4), set_up.playback(periods=4)
        block = bytes(2 * PERIOD)
        assert mic.read()[0] == PERIOD
        assert speaker.write(block) == PERIOD
        time.sleep(0.15)
        assert speaker.write(block) == -32
        assert mic.read() == (-32, b"")
        assert speaker.write(block) == PERIOD
        assert mic.read()[0] == PERIOD
        assert set_up.room.xruns("playback") == set_up.room.xruns("capture") == 1


def test_unplugged_card_is_gone_until_plugged_in_and_opened_again(tmp_path, monkeypatch):
    """With enodev both directions raise "No such device" with state 8, open fails too, and a new open works later."""
    with bench(tmp_path, monkeypatch) as set_up:
        mic, speaker = set_up.capture(), set_up.playback()
        speaker.write(bytes(2 * PERIOD))
        mic.read()
        set_up.room.set_fault("capture", "enodev")
        set_up.room.set_fault("playback", "enodev")
        for attempt in (mic.read, lambda: speaker.write(bytes(2 * PERIOD)), set_up.capture, set_up.playback):
            with pytest.raises(alsaaudio.ALSAAudioError, match="No such device"):
                attempt()
        assert (mic.state(), speaker.state()) == (8, 8)
        set_up.room.clear_faults()
        with pytest.raises(alsaaudio.ALSAAudioError, match="No such device"):
            mic.read()
        assert set_up.capture().read()[0] == PERIOD
        assert set_up.playback().write(bytes(2 * PERIOD)) == PERIOD
        assert set_up.room.opens("capture") == 2


def test_input_output_error_leaves_the_stream_running(tmp_path, monkeypatch):
    """With eio every call raises "Input/output error" in state 3, and goes on afterwards."""
    with bench(tmp_path, monkeypatch) as set_up:
        mic, speaker = set_up.capture(), set_up.playback()
        mic.read()
        for _ in range(6):
            speaker.write(bytes(2 * PERIOD))
        set_up.room.set_fault("capture", "eio")
        set_up.room.set_fault("playback", "eio")
        for attempt in (mic.read, lambda: speaker.write(bytes(2 * PERIOD))):
            with pytest.raises(alsaaudio.ALSAAudioError, match="Input/output error"):
                attempt()
        assert mic.state() == 3
        set_up.room.clear_faults()
        assert mic.read()[0] == PERIOD


def test_endless_epipe_moves_no_frames(tmp_path, monkeypatch):
    """With epipe every call answers -32 at once and for ever, without an exception."""
    with bench(tmp_path, monkeypatch) as set_up:
        mic, speaker = set_up.capture(), set_up.playback()
        mic.read()
        speaker.write(bytes(2 * PERIOD))
        set_up.room.set_fault("capture", "epipe")
        set_up.room.set_fault("playback", "epipe")
        start = time.monotonic()
        mic.read()
        before = set_up.room.frames_captured
        assert [mic.read() for _ in range(100)] == [(-32, b"")] * 100
        assert [speaker.write(bytes(2 * PERIOD)) for _ in range(100)] == [-32] * 100
        assert time.monotonic() - start < 1.0
        assert set_up.room.frames_captured == before
        set_up.room.clear_faults()
        assert mic.read()[0] == PERIOD


def test_stalled_calls_return_only_when_cleared(tmp_path, monkeypatch):
    """With stall a read and a write hang; when it clears both go on, and what was queued is heard whole."""
    with bench(tmp_path, monkeypatch) as set_up:
        room = set_up.room
        mic, speaker = set_up.capture(), set_up.playback(periods=4)
        mic.read()
        start_s = room.now_s()
        room.set_fault("capture", "stall")
        room.set_fault("playback", "stall")
        block = np.full(PERIOD, 5000, np.int16).tobytes()
        results = []
        threads = [
            threading.Thread(target=lambda: results.extend(mic.read()[0] for _ in range(3))),
            threading.Thread(target=lambda: results.extend(speaker.write(block) for _ in range(6))),
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.4)
        assert all(thread.is_alive() for thread in threads)
        assert np.count_nonzero(room.heard(start_s, room.now_s())) < PERIOD
        room.clear_faults()
        for thread in threads:
            thread.join(2.0)
        assert results
        assert set(results) == {PERIOD}
        time.sleep(0.15)
        assert np.count_nonzero(room.heard(start_s, room.now_s())) == 6 * PERIOD


def test_muted_microphone_delivers_digital_zeros(tmp_path, monkeypatch):
    """With zeros the microphone hears nothing, not even its own noise, until it is mended."""
    with bench(tmp_path, monkeypatch, card=CardProfile(noise_dbfs=-40)) as set_up:
        mic = set_up.capture()
        assert read_mono(mic, 2).any()
        set_up.room.set_fault("capture", "zeros")
        read_mono(mic, 1)
        assert not read_mono(mic, 3).any()
        set_up.room.clear_faults()
        read_mono(mic, 1)
        assert read_mono(mic, 2).any()


def test_noise_has_its_level(tmp_path, monkeypatch):
    """The microphone's noise has the RMS it was given."""
    with bench(tmp_path, monkeypatch, card=CardProfile(noise_dbfs=-50)) as set_up:
        noise = read_mono(set_up.capture(), 20).astype(float)
        assert 20 * np.log10(np.std(noise) / 32768) == pytest.approx(-50, abs=0.3)
        assert abs(np.mean(noise)) < 5


def test_echo_has_the_rooms_response(tmp_path, monkeypatch):
    """A click comes back as the room's impulse response, at its level and after its delay."""
    response = np.array([1.0, 0.0, -0.5, 0.25], np.float32)
    (tmp_path / "rir").write_bytes(response.tobytes())
    card = CardProfile(echo_gain_db=-20, echo_delay_ms=25, rir=tmp_path / "rir")
    click = np.zeros(PERIOD, np.int16)
    click[0] = 20_000
    with bench(tmp_path, monkeypatch, card=card) as set_up:
        mic, speaker = set_up.capture(), set_up.playback()
        mic.read()
        heard = play_and_capture(speaker, mic, [click.tobytes(), bytes(2 * PERIOD)], 4)
        first = np.flatnonzero(heard)[0]
        np.testing.assert_array_equal(heard[first : first + 4], [2000, 0, -1000, 500])
        assert np.count_nonzero(heard) == 3


def test_only_the_chosen_channel_carries_the_microphone(tmp_path, monkeypatch):
    """With use_channel 1 of 4 the other three are silent."""
    with bench(tmp_path, monkeypatch, card=CardProfile(noise_dbfs=-40, use_channel=1)) as set_up:
        _, block = set_up.capture(channels=4).read()
        assert np.any(np.frombuffer(block, np.int16).reshape(-1, 4), axis=0).tolist() == [False, True, False, False]


def test_card_has_the_limits_of_its_board(tmp_path, monkeypatch):
    """A card of 16 kHz stereo opens as that, whatever was asked; plug converts."""
    card = CardProfile(16_000, 16_000, 2, 2, "S16_LE")
    with bench(tmp_path, monkeypatch, card=card) as set_up:
        info = set_up.capture(24_000, 1, sample_format=alsaaudio.PCM_FORMAT_S32_LE).info()
        assert (info["rate"], info["channels"], info["format_name"]) == (16_000, 2, "S16_LE")
        info = set_up.capture(24_000, 1, prefix="plug:").info()
        assert (info["rate"], info["channels"]) == (24_000, 1)


def test_full_buffer_does_not_block_a_non_blocking_writer(tmp_path, monkeypatch):
    """In non-blocking mode a full buffer and an empty one answer 0."""
    with bench(tmp_path, monkeypatch) as set_up:
        mic = set_up.capture(mode=alsaaudio.PCM_NONBLOCK)
        speaker = set_up.playback(periods=4, mode=alsaaudio.PCM_NONBLOCK)
        assert mic.read() == (0, b"")
        written = [speaker.write(bytes(2 * PERIOD)) for _ in range(5)]
        assert written[:4] == [PERIOD] * 4
        assert written[4] == 0


def test_room_that_is_over_is_silent(tmp_path, monkeypatch):
    """Past the room's end frames are dropped and silence is captured, at the same pace and without an error."""
    with bench(tmp_path, monkeypatch, card=ECHO, length_s=0.3) as set_up:
        mic, speaker = set_up.capture(), set_up.playback()
        blocks = [np.full(PERIOD, 5000, np.int16).tobytes()] * 25
        heard = play_and_capture(speaker, mic, blocks, 0)
        assert heard.any()
        assert not heard[-5 * PERIOD :].any()


@pytest.mark.parametrize(
    "card",
    [CardProfile(rate_min_hz=4000), CardProfile(use_channel=8), CardProfile(ppm=5000), CardProfile(echo_delay_ms=-1)],
    ids=["rate", "channel", "ppm", "delay"],
)
def test_impossible_card_is_refused(tmp_path, monkeypatch, card):
    """A configuration out of range makes open fail."""
    with bench(tmp_path, monkeypatch, card=card) as set_up, pytest.raises(alsaaudio.ALSAAudioError):
        set_up.capture()


def test_file_that_is_no_room_is_refused(tmp_path, monkeypatch):
    """Open fails when the room's file is something else."""
    with bench(tmp_path, monkeypatch) as set_up:
        (tmp_path / "room").unlink()
        (tmp_path / "room").write_bytes(bytes(8192))
        with pytest.raises(alsaaudio.ALSAAudioError, match="Invalid argument"):
            set_up.capture()
