"""G.711 against its own definition."""

from __future__ import annotations

import numpy as np
import pytest

from speakerd.embedded.g711 import Decoder, Encoder, _decoded, _encoded, coded, decoder_for, encoder_for

KINDS = ("audio/pcmu", "audio/pcma")


@pytest.mark.parametrize(
    ("kind", "coded", "sample"),
    [
        ("audio/pcmu", 0xFF, 0),
        ("audio/pcmu", 0x80, 32124),
        ("audio/pcmu", 0x00, -32124),
        ("audio/pcma", 0xD5, 8),
        ("audio/pcma", 0x55, -8),
        ("audio/pcma", 0xAA, 32256),
        ("audio/pcma", 0x2A, -32256),
    ],
)
def test_known_bytes_have_their_samples(kind: str, coded: int, sample: int) -> None:
    """Silence and full scale are where the recommendation puts them."""
    assert _decoded(kind)[coded] == sample


@pytest.mark.parametrize("kind", KINDS)
def test_every_byte_survives(kind: str) -> None:
    """Decoding and encoding again gives a byte of the same sample, and no sample is further off than its step."""
    decoded, encoded = _decoded(kind), _encoded(kind)
    assert (decoded[encoded[decoded.astype(np.uint16)]] == decoded).all()
    samples = np.arange(-32768, 32768)
    error = np.abs(decoded[encoded[samples.astype(np.int16).astype(np.uint16)]].astype(int) - samples)
    assert (error <= np.maximum(16, np.abs(samples) / 16 + 8)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_tone_comes_back(kind: str) -> None:
    """A tone through encoder and decoder, in uneven pieces, keeps its length and its level."""
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(24_000) / 24_000)).astype("<i2").tobytes()
    encoder, decoder = Encoder(kind), Decoder(kind)
    coded = b"".join(encoder.encode(tone[at : at + 4444]) for at in range(0, len(tone), 4444))
    back = np.frombuffer(b"".join(decoder.decode(coded[at : at + 777]) for at in range(0, len(coded), 777)), "<i2")
    assert (len(coded), len(back)) == (8000, 24_000)
    level = float(np.sqrt(np.mean(back[2400:].astype(float) ** 2)))
    assert level == pytest.approx(8000 / 2**0.5, rel=0.03)


def test_other_formats_need_no_coding() -> None:
    """Wire audio passes as it is."""
    assert (decoder_for({"type": "audio/pcm"}), encoder_for({})) == (None, None)
    assert coded(b"ab", {"type": "audio/pcm"}) == b"ab"
    assert len(coded(bytes(600), {"type": "audio/pcma"})) == 100
