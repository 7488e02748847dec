"""Recordings as files: WAV of any rate, width and number of channels; the rest where the machine has a decoder.

Python's own ``wave`` refuses what phones and field recorders write (32-bit float, and in 3.11 the extensible header),
so the few lines that read a WAV file are here. FLAC, and what telephones record, is decoded by a program of the system:
no package is added for it.
"""

from __future__ import annotations

import math
import shutil
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from speakerd.core.pcm import ChannelPicker, Resampler
from speakerd.core.units import WAKE_RATE_HZ

Int16 = npt.NDArray[np.int16]

_BY_FFMPEG = (".mp3", ".m4a", ".aac", ".ogg", ".opus", ".webm")
"""What telephones and their messengers record."""

SUFFIXES = (".wav", ".flac", *_BY_FFMPEG)
"""What is read, in small letters."""

_DECODERS = {
    "flac": ["flac", "--decode", "--stdout", "--silent", "{file}"],
    "sox": ["sox", "{file}", "-t", "wav", "-"],
    "ffmpeg": ["ffmpeg", "-v", "error", "-i", "{file}", "-f", "wav", "-"],
}
"""Programs that turn FLAC into WAV on standard output, the smallest first."""

_DECODE_TIMEOUT_S = 600.0
"""For one file; an hour of FLAC takes some seconds (guessed)."""

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
"""Kinds of samples in a WAV file; extensible: the kind follows later (specified)."""

_RATES_HZ = range(4_000, 768_001)
"""Rates that are believed (chosen: from telephones to measuring microphones)."""

_MATRIX_MAX = 4_000_000
"""Of a resampling filter's size, the product of both rates over their common divisor: an odd rate such as 44 099 Hz
would need gigabytes (chosen: 44 100 Hz takes 70 560)."""

_BLOCK_S = 10
"""So much is converted at once, so that an hour in 24 bits and stereo needs no more memory than what remains of it."""


class UnreadableError(Exception):
    """A file is not a recording that can be read here; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class _Format:
    """What a WAV file's header says."""

    kind: int
    """PCM or floating point."""

    channels: int
    """Samples a frame."""

    rate_hz: int
    """Frames a second."""

    sample_bytes: int
    """Bytes a sample."""


def read(path: Path, *, programs: str | None = None) -> Int16:
    """Return a recording as mono at 16 kHz; of several channels the liveliest, as the daemon chooses it.

    Args:
        path: A file whose name ends with one of ``SUFFIXES``.
        programs: Folders in which a decoder is looked for, as in ``PATH``; None: ``PATH``.

    Raises:
        UnreadableError: it cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix == ".flac":
        return _decoded(path, programs, tuple(_DECODERS), f"FLAC needs one of {', '.join(_DECODERS)}: apt install flac")
    if suffix in _BY_FFMPEG:
        return _decoded(path, programs, ("ffmpeg",), f"{suffix} needs ffmpeg: apt install ffmpeg")
    if suffix != ".wav":
        raise UnreadableError(not_understood(path))
    return _read_wav(path)


def not_understood(path: Path) -> str:
    """Return what is said of a file whose suffix is none of ``SUFFIXES``."""
    *most, last = (suffix[1:].upper() for suffix in SUFFIXES)
    return f"{path.suffix or 'a name without a suffix'} is not understood: {', '.join(most)} or {last}"


def _decoded(path: Path, programs: str | None, names: tuple[str, ...], without: str) -> Int16:
    """Return what the first of these programs that is there makes of a file."""
    found = next((_DECODERS[name] for name in names if shutil.which(name, path=programs)), None)
    if found is None:
        raise UnreadableError(without)
    command = [part.format(file=path.resolve()) for part in found]
    command[0] = shutil.which(found[0], path=programs) or found[0]
    with tempfile.TemporaryDirectory(prefix="speakerd-decoded-") as scratch:
        wav = Path(scratch) / "decoded.wav"
        with wav.open("wb") as stream:
            try:
                run = subprocess.run(  # noqa: S603 - no shell, and the file's path is absolute
                    command,
                    stdin=subprocess.DEVNULL,  # ffmpeg listens to the keyboard
                    stdout=stream,
                    stderr=subprocess.PIPE,
                    timeout=_DECODE_TIMEOUT_S,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise UnreadableError(f"{found[0]} did not end within {_DECODE_TIMEOUT_S:.0f} s") from error
        if run.returncode != 0:
            lines = run.stderr.decode(errors="replace").split("\n")
            reason = next((line.strip() for line in reversed(lines) if line.strip()), "no reason given")
            raise UnreadableError(f"{found[0]} cannot decode it: {reason}")
        return _read_wav(wav)


def _read_wav(path: Path) -> Int16:
    try:
        with path.open("rb") as stream:
            form, begin, length = _header(stream, path.stat().st_size)
        raw: npt.NDArray[np.uint8] = (
            np.memmap(path, np.uint8, "r", begin, (length,)) if length else np.zeros(0, np.uint8)
        )
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from error
    frame_bytes = form.channels * form.sample_bytes
    block_bytes = frame_bytes * form.rate_hz * _BLOCK_S
    picker = ChannelPicker("auto", form.rate_hz)
    resampler = Resampler(form.rate_hz, WAKE_RATE_HZ)
    whole = length - length % frame_bytes
    if not whole:
        raise UnreadableError("it holds no sound")
    pieces = [
        resampler.process(picker.pick(_decode(raw[at : min(at + block_bytes, whole)], form)))
        for at in range(0, whole, block_bytes)
    ]
    # What is still in the filter comes out behind as much silence; its delay is taken off at the front.
    late = -(-resampler.delay_frames * form.rate_hz // WAKE_RATE_HZ)
    pieces.append(resampler.process(np.zeros(late, np.int16)))
    frames = whole // frame_bytes * WAKE_RATE_HZ // form.rate_hz
    return np.concatenate(pieces)[resampler.delay_frames :][:frames]


def _header(stream: BinaryIO, size: int) -> tuple[_Format, int, int]:
    """Return the format, and where the samples begin and how many bytes they are, cut to what is there.

    Source: Microsoft's Multimedia Programming Interface and Data Specifications, WAVE.
    """
    start = stream.read(12)
    if start[:4] != b"RIFF" or start[8:12] != b"WAVE":
        raise UnreadableError("it does not begin as a WAV file does")
    form: _Format | None = None
    at = 12
    while at + 8 <= size:
        stream.seek(at)
        name, length = struct.unpack("<4sI", stream.read(8))
        at += 8
        if name == b"fmt ":
            form = _format(stream.read(min(length, 40)))
        if name == b"data":
            if form is None:
                break
            # A program that wrote into a pipe could not come back to say how much it was.
            return form, at, min(length or size, size - at)
        at += length + length % 2
    raise UnreadableError("it is cut off before its samples begin")


def _format(chunk: bytes) -> _Format:
    if len(chunk) < 16:  # noqa: PLR2004 - specified
        raise UnreadableError("its format is cut off")
    kind, channels, rate_hz, _, _, bits = struct.unpack("<HHIIHH", chunk[:16])
    if kind == _EXTENSIBLE and len(chunk) >= 26:  # noqa: PLR2004 - specified
        (kind,) = struct.unpack("<H", chunk[24:26])
    widths = {_PCM: (8, 16, 24, 32), _FLOAT: (32, 64)}.get(kind, ())
    if bits not in widths or not channels:
        raise UnreadableError(f"kind {kind} with {bits} bits and {channels} channels is not understood: PCM or float")
    if rate_hz not in _RATES_HZ or rate_hz * WAKE_RATE_HZ // math.gcd(rate_hz, WAKE_RATE_HZ) ** 2 > _MATRIX_MAX:
        raise UnreadableError(f"{rate_hz} Hz is not understood: convert it to 16 kHz")
    return _Format(kind, channels, rate_hz, bits // 8)


def _decode(raw: npt.NDArray[np.uint8], form: _Format) -> Int16:
    """Return frames by channels; of more than 16 bits the upper 16, as the daemon takes them from a card."""
    if form.kind == _FLOAT:
        wide = raw.view(f"<f{form.sample_bytes}")
        samples = np.rint(np.clip(np.nan_to_num(wide), -1.0, 1.0) * 32767.0).astype(np.int16)
    elif form.sample_bytes == 1:
        samples = (raw.astype(np.int16) - 128) << 8
    else:
        samples = np.ascontiguousarray(raw.reshape(-1, form.sample_bytes)[:, -2:]).view("<i2").reshape(-1)
    frames: Int16 = samples.reshape(-1, form.channels)
    return frames
