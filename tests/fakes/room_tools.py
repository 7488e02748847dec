"""What a person with a good ear would say about a room: what is heard where, and where something is missing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from speakerd.audio.notices import FOLDER, read_sentence
from speakerd.core.actions import Earcon
from speakerd.core.earcons import earcon_pcm
from speakerd.core.notices import Notice
from speakerd.core.units import WIRE_RATE_HZ
from speakerd.demo.room import ROOM_RATE_HZ, resample

if TYPE_CHECKING:
    from speakerd.demo.room import Room

Samples = NDArray[np.int16]


def find(recording: Samples, within: Samples) -> tuple[int, float]:
    """Return where a recording is heard best within another, in frames, and how alike they are there, up to 1."""
    if len(within) < len(recording):
        return 0, 0.0
    size = 1 << (len(within) + len(recording)).bit_length()
    wanted, heard = recording.astype(np.float64), within.astype(np.float64)
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wanted, size)), size)
    product = product[: len(within) - len(recording) + 1]
    energy = np.concatenate(([0.0], np.cumsum(heard**2)))
    energy = energy[len(recording) :] - energy[: -len(recording)]
    likeness = product / np.sqrt(np.maximum(energy, 1.0) * max(float(wanted @ wanted), 1.0))
    best = int(np.argmax(likeness))
    return best, float(likeness[best])


def unlike_pieces(recording: Samples, within: Samples, rate_hz: int, piece_s: float = 0.1) -> list[float]:
    """Return at which seconds a recording that lies within another is not heard as it is, piece by piece.

    A single sample too few or too many in the middle makes everything on one side of it unlike.
    """
    at, _ = find(recording, within)
    size = int(piece_s * rate_hz)
    heard = within[at : at + len(recording)].astype(np.float64)
    wanted = max(_shifted(recording[: len(heard)]), key=lambda shifted: float(shifted @ heard))
    loud = 0.05 * np.sqrt(np.mean(wanted**2))
    unlike = []
    for start in range(0, len(wanted) - size + 1, size):
        piece, other = wanted[start : start + size], heard[start : start + size]
        likeness = float(piece @ other) / max(np.sqrt(float(piece @ piece) * float(other @ other)), 1.0)
        if likeness < 0.9 and np.sqrt(np.mean(piece**2)) >= loud:  # a pause sounds like any other
            unlike.append(start / rate_hz)
    return unlike


def _shifted(recording: Samples) -> list[NDArray[np.float64]]:
    """Return a recording moved by parts of a frame: what went through a resampler lies between the frames."""
    spectrum = np.fft.rfft(recording.astype(np.float64))
    turns = np.fft.rfftfreq(len(recording))
    parts = np.arange(-4, 5) / 8
    return [np.fft.irfft(spectrum * np.exp(-2j * np.pi * turns * part), len(recording)) for part in parts]


def as_wire(samples: Samples) -> Samples:
    """Return sound of the room at the wire's rate."""
    return resample(samples, ROOM_RATE_HZ, WIRE_RATE_HZ)


def when_heard(room: Room, pcm: bytes, at_ms: float, start_s: float, end_s: float) -> tuple[float, float]:
    """Return when a moment of wire audio was heard in a room, and how alike it and what was heard around it are.

    Args:
        room: Where it was played.
        pcm: The audio, of which at least 0.4 s before the moment were heard.
        at_ms: The moment, from the audio's beginning.
        start_s: Where to look for it.
        end_s: The same.
    """
    end = int(at_ms * WIRE_RATE_HZ / 1000)
    piece = np.frombuffer(pcm, "<i2")[max(0, end - WIRE_RATE_HZ * 4 // 10) : end]
    at, likeness = find(resample(piece, WIRE_RATE_HZ, ROOM_RATE_HZ), room.heard(start_s, end_s))
    return start_s + at / ROOM_RATE_HZ + len(piece) / WIRE_RATE_HZ, likeness


def plain(text: str) -> str:
    """Return the words of a text without case and punctuation."""
    return re.sub(r"[^a-z0-9 ]", "", text.lower()).strip()


def earcon_likeness(room: Room, earcon: Earcon, start_s: float, end_s: float) -> float:
    """Return how sure it is that an earcon was heard in a room between two moments, up to 1."""
    recording = resample(earcon_pcm(earcon), WIRE_RATE_HZ, ROOM_RATE_HZ)
    return find(recording, room.heard(start_s, end_s))[1]


def notice_likeness(room: Room, notice: Notice, start_s: float, end_s: float) -> float:
    """Return how sure it is that a sentence of the speaker's own was heard in a room between two moments, up to 1."""
    recording = resample(read_sentence(FOLDER / "en" / f"{notice.value}.wav"), WIRE_RATE_HZ, ROOM_RATE_HZ)
    return find(recording, room.heard(start_s, end_s))[1]
