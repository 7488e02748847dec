"""G.711, the telephone's 8 kHz: mu-law and A-law to wire audio and back, by table. Pure but for the resampler's memory.

Source: ITU-T G.711.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from speakerd.core.pcm import Resampler
from speakerd.core.units import WIRE_RATE_HZ

Int16 = npt.NDArray[np.int16]

RATE_HZ = 8_000
"""The only rate it has (specified)."""

_KINDS = ("audio/pcmu", "audio/pcma")
"""As the service names them (specified)."""

_MU_BIAS = 132
"""Added before the segments of mu-law are counted, in 16-bit steps (specified)."""

_A_TOGGLE = 0x55
"""Every second bit of A-law is sent inverted (specified)."""


class Decoder:
    """Turns a stream of G.711 bytes into wire audio: each byte becomes three frames.

    Args:
        kind: ``audio/pcmu`` or ``audio/pcma``.
    """

    def __init__(self, kind: str) -> None:
        self._table = _decoded(kind)
        self._resampler = Resampler(RATE_HZ, WIRE_RATE_HZ)

    def decode(self, coded: bytes) -> bytes:
        """Return the next wire audio."""
        samples = self._table[np.frombuffer(coded, dtype=np.uint8)]
        return self._resampler.process(samples).astype("<i2").tobytes()


class Encoder:
    """Turns a stream of wire audio into G.711 bytes.

    Args:
        kind: ``audio/pcmu`` or ``audio/pcma``.
    """

    def __init__(self, kind: str) -> None:
        self._table = _encoded(kind)
        self._resampler = Resampler(WIRE_RATE_HZ, RATE_HZ)

    def encode(self, pcm: bytes) -> bytes:
        """Return the next bytes."""
        samples = self._resampler.process(np.frombuffer(pcm, dtype="<i2").astype(np.int16))
        return self._table[samples.astype(np.uint16)].tobytes()


def decoder_for(audio_format: dict[str, Any]) -> Decoder | None:
    """Return a decoder for a session's audio format, or None when that is wire audio already."""
    return Decoder(audio_format["type"]) if audio_format.get("type") in _KINDS else None


def encoder_for(audio_format: dict[str, Any]) -> Encoder | None:
    """Return an encoder for a session's audio format, or None when that is wire audio already."""
    return Encoder(audio_format["type"]) if audio_format.get("type") in _KINDS else None


def coded(pcm: bytes, audio_format: dict[str, Any]) -> bytes:
    """Return a whole piece of wire audio in a session's audio format."""
    encoder = encoder_for(audio_format)
    return encoder.encode(pcm) if encoder is not None else pcm


@lru_cache(maxsize=2)
def _decoded(kind: str) -> Int16:
    """Return the sample that each byte stands for."""
    coded = np.arange(256)
    if kind == "audio/pcmu":
        plain = ~coded & 0xFF
        magnitude = ((((plain & 0x0F) << 3) + _MU_BIAS) << (plain >> 4 & 7)) - _MU_BIAS
        positive = plain & 0x80 == 0
    else:
        plain = coded ^ _A_TOGGLE
        segment = plain >> 4 & 7
        step = ((plain & 0x0F) << 4) + 8
        magnitude = np.where(segment == 0, step, (step + 256) << np.maximum(segment - 1, 0))
        positive = plain & 0x80 != 0
    return np.where(positive, magnitude, -magnitude).astype(np.int16)


@lru_cache(maxsize=2)
def _encoded(kind: str) -> npt.NDArray[np.uint8]:
    """Return the byte whose sample is nearest to each of the 65536 samples, in the order of their unsigned values."""
    decoded = _decoded(kind).astype(np.int64)
    order = np.argsort(decoded, kind="stable")
    levels = decoded[order]
    samples = np.arange(65_536, dtype=np.uint16).astype(np.int16).astype(np.int64)
    edges = (levels[1:] + levels[:-1]) / 2
    return order[np.searchsorted(edges, samples, side="left")].astype(np.uint8)
