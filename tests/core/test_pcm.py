"""Samples in and out, channels, loudness, and a resampler that is exact in count and clean in tone."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakerd.core.pcm import (
    SILENCE_DBFS,
    ChannelPicker,
    Resampler,
    decode,
    encode,
    pick_channel,
    rms_dbfs,
)

RATIOS = [
    (48_000, 24_000),
    (48_000, 16_000),
    (24_000, 48_000),
    (24_000, 16_000),
    (44_100, 24_000),
    (24_000, 44_100),
    (16_000, 24_000),
    (24_000, 96_000),
    (16_000, 48_000),
    (22_050, 24_000),
    (192_000, 24_000),
]
Float32 = npt.NDArray[np.float32]


def tone(rate_hz: int, pitch_hz: float, seconds: float = 0.5) -> Float32:
    """Return a sine 6 dB below full scale."""
    time_s = np.arange(int(rate_hz * seconds)) / rate_hz
    return (16_384 * np.sin(2 * np.pi * pitch_hz * time_s)).astype(np.float32)


def gain_db(before: Float32, after: Float32) -> float:
    """Return how much louder the middle of one signal is than the other's."""
    return 20 * math.log10(middle_rms(after) / middle_rms(before))


def middle_rms(signal: Float32) -> float:
    middle = signal[len(signal) // 4 : 3 * len(signal) // 4].astype(np.float64)
    return float(np.sqrt(np.mean(middle**2))) + 1e-9


def in_blocks(resampler: Resampler, signal: Float32, size: int) -> Float32:
    return np.concatenate([resampler.process(signal[at : at + size]) for at in range(0, len(signal), size)])


@pytest.mark.parametrize("channels", [1, 2, 6, 8])
@pytest.mark.parametrize("sample_format", ["S16_LE", "S32_LE"])
def test_what_is_encoded_decodes_to_the_same_on_every_channel(channels: int, sample_format: str) -> None:
    """Sixteen bits survive both formats and any number of channels."""
    mono = np.array([0, 1, -1, 32_767, -32_768, 1234], dtype=np.int16)
    frames = decode(encode(mono, channels, sample_format), channels, sample_format)
    assert frames.dtype == np.int16
    assert frames.shape == (6, channels)
    assert (frames == mono[:, None]).all()


def test_of_32_bits_the_upper_16_are_kept() -> None:
    """What a 24-bit microphone has below is cut off."""
    data = np.array([0x12345678, -0x12345678], dtype="<i4").tobytes()
    assert decode(data, 1, "S32_LE").tolist() == [[0x1234], [-0x1235]]


def test_a_channel_is_picked_by_number() -> None:
    """Channels count from 0, and a channel that is not there is an error."""
    frames = np.array([[1, 2], [3, 4]], dtype=np.int16)
    assert pick_channel(frames, 1).tolist() == [2, 4]
    assert ChannelPicker(0, 16_000).pick(frames).tolist() == [1, 3]
    for channel in (2, -1):
        with pytest.raises(ValueError, match="no channel"):
            pick_channel(frames, channel)


def test_the_liveliest_channel_is_picked_not_the_one_with_an_offset() -> None:
    """A converter's constant offset is no sound."""
    frames = np.stack([np.full(100, 9000), np.tile([-50, 50], 50)], axis=1).astype(np.int16)
    assert pick_channel(frames, "auto").tolist() == frames[:, 1].tolist()


def test_the_choice_of_a_channel_is_made_once() -> None:
    """After the first second the picker keeps its channel, however loud another gets."""
    quiet = np.zeros((50, 1), dtype=np.int16)
    loud = np.tile([[-900], [900]], (25, 1)).astype(np.int16)
    picker = ChannelPicker("auto", 100)
    picker.pick(np.hstack([quiet, loud]))
    assert picker.channel == "auto"
    picker.pick(np.hstack([quiet, loud]))
    assert picker.channel == 1
    assert picker.pick(np.hstack([20 * loud, quiet])).tolist() == quiet[:, 0].tolist()


def test_the_hum_of_an_open_input_is_not_taken_for_the_microphone() -> None:
    """In a quiet room an unconnected channel is the louder one, and all hum; the voice comes later, on the other."""
    rate_hz = 48_000
    at_s = np.arange(2 * rate_hz) / rate_hz
    hum = sum(60 * np.sin(2 * np.pi * pitch_hz * at_s) / number for number, pitch_hz in enumerate((50, 150, 250), 1))
    noise = np.random.default_rng(1).normal(0, 8, len(at_s))
    frames = np.rint(np.stack([hum, noise], axis=1)).astype(np.int16)
    assert rms_dbfs(frames[:, 0]) - rms_dbfs(frames[:, 1]) > 10
    picker = ChannelPicker("auto", rate_hz)
    for block in np.split(frames, 100):
        picker.pick(block)
    assert picker.channel == 1


def test_digital_silence_decides_nothing() -> None:
    """Some cards deliver zeros until they have started; the choice waits for sound."""
    picker = ChannelPicker("auto", 100)
    picker.pick(np.zeros((500, 2), dtype=np.int16))
    assert picker.channel == "auto"
    picker.pick(np.stack([np.zeros(100), np.tile([-5, 5], 50)], axis=1).astype(np.int16))
    assert picker.channel == 1


def test_until_the_choice_is_made_the_best_so_far_is_heard() -> None:
    """No sound waits for the decision, and an empty block decides nothing."""
    picker = ChannelPicker("auto", 100)
    assert len(picker.pick(np.zeros((0, 2), dtype=np.int16))) == 0
    block = np.array([[0, 7], [0, -7]], dtype=np.int16)
    assert picker.pick(block).tolist() == [7, -7]


def test_loudness_is_told_in_decibels_below_full_scale() -> None:
    """A full-scale square is 0 dBFS, half of it 6 dB less, silence the floor."""
    assert rms_dbfs(np.full(10, -32_768, dtype=np.int16)) == pytest.approx(0.0)
    assert rms_dbfs(np.full(10, 16_384, dtype=np.int16)) == pytest.approx(-6.02, abs=0.01)
    assert rms_dbfs(np.zeros(10, dtype=np.int16)) == SILENCE_DBFS
    assert rms_dbfs(np.zeros(0, dtype=np.int16)) == SILENCE_DBFS


@pytest.mark.parametrize(("rate_in_hz", "rate_out_hz"), RATIOS)
@pytest.mark.parametrize("part", [0.05, 0.5, 0.88])
def test_the_pass_band_is_flat(rate_in_hz: int, rate_out_hz: int, part: float) -> None:
    """Up to nearly the lower Nyquist rate a tone keeps its level."""
    signal = tone(rate_in_hz, part * min(rate_in_hz, rate_out_hz) / 2)
    assert gain_db(signal, in_blocks(Resampler(rate_in_hz, rate_out_hz), signal, rate_in_hz // 50)) == pytest.approx(
        0.0, abs=0.1
    )


@pytest.mark.parametrize(("rate_in_hz", "rate_out_hz"), [ratio for ratio in RATIOS if ratio[0] > ratio[1]])
@pytest.mark.parametrize("part", [1.001, 1.1, 1.3, 1.9])
def test_what_would_alias_is_gone(rate_in_hz: int, rate_out_hz: int, part: float) -> None:
    """A tone above the lower Nyquist rate leaves at least 70 dB less."""
    pitch_hz = min(part * rate_out_hz / 2, rate_in_hz / 2 - 100)
    signal = tone(rate_in_hz, pitch_hz)
    assert gain_db(signal, in_blocks(Resampler(rate_in_hz, rate_out_hz), signal, rate_in_hz // 50)) < -70


@pytest.mark.parametrize(("rate_in_hz", "rate_out_hz"), RATIOS)
def test_a_tone_stays_one_tone(rate_in_hz: int, rate_out_hz: int) -> None:
    """No image, no alias, no block edge is louder than 70 dB below the tone."""
    out = in_blocks(Resampler(rate_in_hz, rate_out_hz), tone(rate_in_hz, 1000.0), rate_in_hz // 50)
    out = out[len(out) // 4 : 3 * len(out) // 4]
    spectrum = np.abs(np.fft.rfft(out * np.blackman(len(out))))
    peak = int(spectrum.argmax())
    assert peak * rate_out_hz / len(out) == pytest.approx(1000.0, abs=10)
    rest = np.delete(spectrum, range(max(0, peak - 8), peak + 9))
    assert 20 * math.log10(rest.max() / spectrum[peak]) < -70


@pytest.mark.parametrize(("rate_in_hz", "rate_out_hz"), RATIOS)
def test_the_delay_is_what_it_says(rate_in_hz: int, rate_out_hz: int) -> None:
    """The output is the input, ``delay_frames`` later, from the first tone to the last."""
    resampler = Resampler(rate_in_hz, rate_out_hz)
    out = in_blocks(resampler, tone(rate_in_hz, 440.0), 311)
    expected = tone(rate_out_hz, 440.0)
    delay = resampler.delay_frames
    size = len(out) - 2 * delay
    assert np.abs(out[2 * delay :] - expected[delay : delay + size]).max() < 20


@settings(max_examples=60, deadline=None)
@given(ratio=st.sampled_from([*RATIOS, (24_000, 24_000)]), sizes=st.lists(st.integers(0, 700), max_size=12))
def test_blocks_of_any_length_give_the_same_stream(ratio: tuple[int, int], sizes: list[int]) -> None:
    """The count is exact after every block, and where the blocks are cut makes no difference."""
    rate_in_hz, rate_out_hz = ratio
    signal = np.random.default_rng(1).integers(-20_000, 20_000, sum(sizes)).astype(np.float32)
    resampler, outputs, total = Resampler(*ratio), [np.zeros(0, dtype=np.float32)], 0
    for size in sizes:
        outputs.append(resampler.process(signal[total : total + size]))
        total += size
        assert sum(map(len, outputs)) == total * rate_out_hz // rate_in_hz
    np.testing.assert_allclose(np.concatenate(outputs), Resampler(*ratio).process(signal), atol=0.05)


def test_an_hour_drifts_by_no_frame() -> None:
    """The odd ratio's count is exact however long it runs."""
    resampler = Resampler(44_100, 24_000)
    produced = sum(len(resampler.process(np.zeros(88_211, dtype=np.float32))) for _ in range(40))
    assert produced == 40 * 88_211 * 80 // 147


def test_int16_goes_in_and_comes_out_clipped() -> None:
    """The type is kept, and what overshoots is held at full scale."""
    square = np.repeat(np.tile(np.array([32_767, -32_768], dtype=np.int16), 20), 40)
    out = Resampler(48_000, 24_000).process(square)
    assert out.dtype == np.int16
    assert (out.max(), out.min()) == (32_767, -32_768)
    assert Resampler(24_000, 24_000).process(square) is square


def test_reset_begins_again() -> None:
    """After a reset the same input gives the same output as at first."""
    resampler, noise = Resampler(48_000, 24_000), np.arange(500, dtype=np.int16)
    first = resampler.process(noise)
    resampler.reset()
    assert (resampler.process(noise) == first).all()
