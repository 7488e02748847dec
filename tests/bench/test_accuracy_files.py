"""Recordings of every kind are read alike; what cannot be read says why and what to do."""

from __future__ import annotations

import os
import stat
import struct
import wave
from pathlib import Path

import numpy as np
import pytest

from speakerd.bench.accuracy_files import UnreadableError, read
from speakerd.core.units import WAKE_RATE_HZ

TONE_HZ = 440.0
EXTENSIBLE_TAIL = bytes.fromhex("000000001000800000aa00389b71")


def tone(rate_hz: int, seconds: float = 0.5) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * TONE_HZ * np.arange(round(seconds * rate_hz)) / rate_hz)


def wav(
    path: Path, samples: np.ndarray, rate_hz: int, kind: int = 1, bits: int = 16, *, extensible: bool = False
) -> Path:
    """Write a WAV file by hand: ``samples`` are frames by channels, -1 to 1."""
    if samples.ndim == 1:
        samples = samples[:, None]
    channels = samples.shape[1]
    if kind == 3:
        data = samples.astype(f"<f{bits // 8}").tobytes()
    elif bits == 8:
        data = np.rint(samples * 127 + 128).astype(np.uint8).tobytes()
    else:
        whole = np.rint(samples * (2 ** (bits - 1) - 1)).astype("<i8").reshape(-1, 1)
        data = np.ascontiguousarray(whole.view(np.uint8)[:, : bits // 8]).tobytes()
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", 0xFFFE if extensible else kind, channels, rate_hz, rate_hz * block, block, bits)
    if extensible:
        form += struct.pack("<HHIH", 22, bits, 0, kind) + EXTENSIBLE_TAIL
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form
    body += b"LIST" + struct.pack("<I", 3) + b"abc\0" + b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_every_rate_becomes_16_khz_in_its_place(tmp_path: Path, rate_hz: int) -> None:
    """As long as it was, not delayed by the filter, and its end is there."""
    pcm = read(wav(tmp_path / "a.wav", tone(rate_hz), rate_hz))
    assert len(pcm) == round(0.5 * rate_hz) * WAKE_RATE_HZ // rate_hz
    right = tone(WAKE_RATE_HZ)[: len(pcm)] * 32767
    inner = slice(400, -400)
    assert np.abs(pcm[inner] - right[inner]).max() < 40
    assert np.abs(pcm[-300:]).max() > 8000


@pytest.mark.parametrize(
    ("kind", "bits", "off"), [(1, 8, 260), (1, 16, 2), (1, 24, 2), (1, 32, 2), (3, 32, 2), (3, 64, 2)]
)
@pytest.mark.parametrize("extensible", [False, True])
def test_every_width_is_the_same_sound(tmp_path: Path, kind: int, bits: int, off: int, extensible: bool) -> None:
    """Within what it can hold."""
    pcm = read(wav(tmp_path / "a.wav", tone(16_000), 16_000, kind, bits, extensible=extensible))
    assert np.abs(pcm - tone(16_000) * 32767).max() <= off


def test_of_several_channels_the_liveliest_is_taken(tmp_path: Path) -> None:
    """As the daemon takes it: half of a stereo microphone is often not connected."""
    frames = np.stack([np.full(8000, 0.2), tone(16_000), 0.1 * tone(16_000)], axis=1)
    pcm = read(wav(tmp_path / "a.wav", frames, 16_000))
    assert np.abs(pcm - tone(16_000) * 32767).max() <= 2


def test_a_long_file_is_read_block_by_block_without_a_seam(tmp_path: Path) -> None:
    """Longer than a block, at another rate, in stereo."""
    frames = np.stack([tone(8_000, 25.0)] * 2, axis=1)
    pcm = read(wav(tmp_path / "a.wav", frames, 8_000))
    right = tone(WAKE_RATE_HZ, 25.0) * 32767
    assert len(pcm) == len(right)
    assert np.abs(pcm[400:-400] - right[400:-400]).max() < 40


def test_what_a_program_wrote_into_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    """It could not come back to write how long it was; and a recording may be cut off."""
    path = wav(tmp_path / "a.wav", tone(16_000), 16_000)
    whole = path.read_bytes()
    at = whole.index(b"data") + 4
    for claimed in (0, 0xFFFFFFFF, 10**6):
        path.write_bytes(whole[:at] + struct.pack("<I", claimed) + whole[at + 4 : -1001])
        assert len(read(path)) == 8000 - 501


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "does not begin as a WAV file"),
        (b"ID3 and then some music" * 9, "does not begin as a WAV file"),
        (b"RIFF\0\0\0\0WAVE", "cut off before its samples"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "cut off before its samples"),
        (b"RIFF\0\0\0\0WAVEfmt \x04\0\0\0abcd", "its format is cut off"),
    ],
)
def test_what_is_no_wav_file_is_told(tmp_path: Path, content: bytes, why: str) -> None:
    """In a few words."""
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(UnreadableError, match=why):
        read(path)


@pytest.mark.parametrize(
    ("kind", "bits", "rate_hz", "why"),
    [(2, 16, 16_000, "kind 2 with 16 bits"), (1, 16, 44_099, "44099 Hz is not understood"), (1, 16, 7, "7 Hz")],
)
def test_what_is_not_understood_is_told(tmp_path: Path, kind: int, bits: int, rate_hz: int, why: str) -> None:
    """With what would be."""
    path = wav(tmp_path / "a.wav", tone(16_000), rate_hz, kind, bits)
    with pytest.raises(UnreadableError, match=why):
        read(path)


def test_a_file_without_sound_a_missing_one_and_a_strange_one(tmp_path: Path) -> None:
    """None of them is silence."""
    with pytest.raises(UnreadableError, match="holds no sound"):
        read(wav(tmp_path / "a.wav", np.zeros(0), 16_000))
    with pytest.raises(UnreadableError, match="No such file"):
        read(tmp_path / "b.wav")
    with pytest.raises(UnreadableError, match=r"\.txt is not understood"):
        read(tmp_path / "c.txt")


def program(folder: Path, name: str, script: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(folder)


def test_flac_is_read_by_a_program_of_the_system(tmp_path: Path) -> None:
    """Whatever the file's name looks like."""
    right = wav(tmp_path / "right.bin", tone(16_000), 16_000)
    programs = program(tmp_path, "flac", f'[ -f "$4" ] && exec cat "{right}"')
    path = tmp_path / "-o a $b.FLAC"
    path.write_bytes(b"fLaC")
    assert np.abs(read(path, programs=programs + os.pathsep + "/bin") - tone(16_000) * 32767).max() <= 2


@pytest.mark.parametrize("suffix", [".mp3", ".m4a", ".ogg", ".OPUS", ".aac", ".webm"])
def test_what_a_telephone_records_is_read_by_ffmpeg(tmp_path: Path, suffix: str) -> None:
    """Only by it, and nobody's keyboard is read meanwhile."""
    right = wav(tmp_path / "right.bin", tone(16_000), 16_000)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"whatever")
    program(tmp_path, "sox", "exit 1")
    with pytest.raises(UnreadableError, match=rf"\{suffix.lower()} needs ffmpeg: apt install ffmpeg"):
        read(path, programs=str(tmp_path))
    programs = program(tmp_path, "ffmpeg", f'[ -z "$(cat)" ] && [ -f "$4" ] && exec cat "{right}"')
    assert np.abs(read(path, programs=programs + os.pathsep + "/bin") - tone(16_000) * 32767).max() <= 2


def test_flac_that_a_program_cannot_decode_says_what_it_said(tmp_path: Path) -> None:
    """Its last line."""
    path = tmp_path / "a.flac"
    path.write_bytes(b"fLaC")
    programs = program(tmp_path, "sox", "echo first >&2; echo 'lost sync' >&2; exit 1")
    with pytest.raises(UnreadableError, match="sox cannot decode it: lost sync"):
        read(path, programs=programs)


def test_flac_without_a_program_says_what_to_install(tmp_path: Path) -> None:
    """It is not left out silently, nor is a package added for it."""
    path = tmp_path / "a.flac"
    path.write_bytes(b"fLaC")
    with pytest.raises(UnreadableError, match="apt install flac"):
        read(path, programs=str(tmp_path))


def test_a_file_that_python_wrote_is_read(tmp_path: Path) -> None:
    """Not only what this test writes by hand."""
    path = tmp_path / "a.WAV"
    with wave.open(str(path), "wb") as stream:
        stream.setparams((1, 2, 16_000, 0, "NONE", "NONE"))
        stream.writeframes(np.arange(-500, 500, dtype="<i2").tobytes())
    assert read(path).tolist() == list(range(-500, 500))
