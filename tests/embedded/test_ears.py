"""Ears: the vocabulary, the weights' digest and the spectrogram."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

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
