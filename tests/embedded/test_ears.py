"""Ears: the vocabulary, the weights' digest and the spectrogram."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speakerd.core.errors import SpeakerdError
from speakerd.embedded import ears
from speakerd.embedded.mel import log_mel


def test_tokens_become_text() -> None:
    """A token's letters are bytes: Ġ is a blank, two letters make an é; special tokens say nothing."""
    assert ears.decode_tokens(["<|notimestamps|>", "ĠCaf", "Ã©", "Ġnow", "<|endoftext|>"]) == "Café now"
    assert ears.decode_tokens([]) == ""


def test_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of the right name with other weights is not used."""
    package = tmp_path / ears.WEIGHTS_PACKAGE
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('must not be imported')")
    (package / "model" / "model.bin").write_bytes(b"other")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="digest"):
        ears.checked_weights()


def test_missing_weights_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the error names it."""
    monkeypatch.setattr(ears, "WEIGHTS_PACKAGE", "no_such_package_here")
    with pytest.raises(FileNotFoundError, match="no_such_package_here"):
        ears.checked_weights()


def test_spectrogram_has_whispers_shape_and_range() -> None:
    """80 bands, 100 frames a second, within two units below the loudest."""
    tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
    mel = log_mel(tone, 2)
    assert mel.shape == (80, 200)
    assert mel.dtype == np.float32
    assert float(mel.max() - mel.min()) == pytest.approx(2.0, abs=1e-5)


@pytest.mark.parametrize(("tone_hz", "band"), [(200, 4), (1000, 26), (4000, 62)])
def test_a_tone_lies_in_its_band(tone_hz: float, band: int) -> None:
    """The bands are linear up to 1 kHz and logarithmic above."""
    tone = np.sin(2 * np.pi * tone_hz * np.arange(16_000) / 16_000).astype(np.float32)
    assert abs(int(log_mel(tone, 1)[:, 50].argmax()) - band) <= 1


@pytest.mark.parametrize(
    ("no_speech", "mean_log_probability", "speech"),
    [(0.1, -0.1, True), (0.7, -0.3, True), (0.95, -0.87, False), (0.53, -3.7, False), (0.3, -2.5, True)],
)
def test_speech_is_told_by_both_probabilities(no_speech: float, mean_log_probability: float, speech: bool) -> None:
    """A high no-speech probability drops only what the network does not believe either."""
    assert ears.is_speech(no_speech, mean_log_probability) is speech


def at_level(pcm: bytes, level_dbfs: float) -> bytes:
    """Return wire audio at another level."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    gain = 10 ** (level_dbfs / 20) * 32768 / float(np.sqrt((samples**2).mean()))
    return np.clip(np.rint(samples * gain), -32768, 32767).astype("<i2").tobytes()


def test_quiet_speech_is_heard_and_noise_is_not() -> None:
    """Speech at -40 and -60 dBFS keeps its words; silence, noise, hum and a tone are nobody's words."""
    from speakerd.embedded.tiers import neural

    try:
        tier = neural()
    except SpeakerdError as error:
        pytest.skip(str(error))
    question = tier.voice.speak("What is the capital of France?", 1.0)
    for level_dbfs in (-40, -60):
        assert tier.ears.hear(at_level(question, level_dbfs)).text == "What is the capital of France?"
    clock = np.arange(36_000) / 24_000
    noise = np.random.default_rng(5).standard_normal(36_000)
    hum = sum(np.sin(2 * np.pi * harmonic * 50 * clock) / harmonic for harmonic in (1, 2, 3, 4))
    for sound in (noise, hum, np.sin(2 * np.pi * 440 * clock)):
        pcm = (np.asarray(sound) * 3000).astype("<i2").tobytes()
        for level_dbfs in (-50, -30):
            assert not tier.ears.hear(at_level(pcm, level_dbfs)).is_speech
    assert not tier.ears.hear(bytes(72_000)).is_speech
