"""The short sounds: short, soft at both ends, as loud as they should be."""

from __future__ import annotations

import numpy as np
import pytest

from speakerd.core.actions import Earcon
from speakerd.core.earcons import LEVEL_DBFS, earcon_pcm
from speakerd.core.units import WIRE_RATE_HZ


@pytest.mark.parametrize("earcon", Earcon)
def test_every_earcon_is_a_short_sound_at_the_agreed_level(earcon: Earcon) -> None:
    """80 to 250 ms of int16 at -20 dBFS that does not clip."""
    pcm = earcon_pcm(earcon)
    level = 20 * np.log10(np.sqrt(np.mean((pcm / 32768.0) ** 2)))
    assert pcm.dtype == np.int16
    assert 0.080 <= len(pcm) / WIRE_RATE_HZ <= 0.250
    assert level == pytest.approx(LEVEL_DBFS, abs=0.1)
    assert np.abs(pcm.astype(int)).max() < 20_000


@pytest.mark.parametrize("earcon", Earcon)
def test_every_earcon_begins_and_ends_softly(earcon: Earcon) -> None:
    """The first and last millisecond are at least 20 dB below the sound."""
    pcm = earcon_pcm(earcon).astype(float)
    rms = np.sqrt(np.mean(pcm**2))
    for edge in (pcm[:24], pcm[-24:]):
        assert np.sqrt(np.mean(edge**2)) < rms / 10


def test_earcons_differ_and_are_made_once() -> None:
    """Each has its own sound; asking again gives the same, which nobody can spoil."""
    assert len({earcon_pcm(earcon).tobytes() for earcon in Earcon}) == len(Earcon)
    assert earcon_pcm(Earcon.WAKE) is earcon_pcm(Earcon.WAKE)
    with pytest.raises(ValueError, match="read-only"):
        earcon_pcm(Earcon.WAKE)[0] = 1
