"""A clip in its surroundings: levels, where its phrase ends, and the chunks that a microphone would hear. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from speakerd.bench.accuracy_noise import Bed
from speakerd.core.pcm import FULL_SCALE, SILENCE_DBFS
from speakerd.core.units import WAKE_RATE_HZ
from speakerd.wake.shapes import CHUNK_FRAMES

Int16 = npt.NDArray[np.int16]

LEAD_S, TAIL_S = 3.0, 2.0
"""The room before and behind each clip: a score depends on 2.1 s and comes up to 0.6 s after the word's end
(specified by openWakeWord, measured)."""

BLOCK_FRAMES = WAKE_RATE_HZ * 30 // 1000
"""Over 30 ms a level is taken (specified)."""

SPEECH_RANGE_DB = 30.0
"""Blocks down to so far below the loudest one are speech, and the last of them is the end of the phrase (specified)."""

STANDS_OUT_DB = 8.0
"""And in a noisy recording those that stand so far out of its own noise (chosen)."""

NOISE_BLOCKS, NOISE_RANGE_DB = 10, 4.0
"""Its own noise is where so many blocks are so nearly as quiet as the quietest 2 of a hundred (chosen: steady noise
lies within 3 dB, as long as anybody waits before he speaks; a phrase that was cut out fades within five blocks)."""

TELLING_DB = 15.0
"""So far below the loudest block that must be, or nobody can tell where the phrase ends (chosen: a last consonant)."""

_QUIETEST_PERCENTILE = 2.0

FLOOR_PERCENTILE = 10.0
"""So many of a hundred blocks are a recording's own noise floor (chosen: people pause more)."""

FLOOR_MIN_DBFS, FLOOR_MAX_DBFS = -80.0, -50.0
"""The quiet room around a clip lies between a very good microphone and a poor one (chosen). It is at least
``SPEECH_RANGE_DB`` below the speech, too."""

LOUDEST_DBFS = -23.0
"""Speech and noise together are turned down to this: speech stands 15 dB and more above its level now and then, and a
mixture that is clipped would measure the clipping (chosen). A clip by itself is left as it is."""

_SCAN_BLOCKS = 2000
"""Blocks whose level is taken at once: a minute."""


@dataclass(frozen=True, slots=True)
class Levels:
    """How loud a clip is."""

    speech_dbfs: float
    """Its speech, the pauses left out."""

    floor_dbfs: float
    """The quiet room that suits it."""

    end_frames: int | None
    """Where its last speech ends; None: nobody can tell speech from the recording's own noise."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A clip's surroundings."""

    bed: Bed
    """The noise."""

    snr_db: float | None
    """How far the speech stands above the noise; None: it is only the quiet room's floor."""

    lead_frames: int
    """How long the room is heard before the clip."""

    bed_frames: int = 0
    """Where the noise begins in its bed."""


def levels(pcm: Int16) -> Levels:
    """Measure a clip.

    Args:
        pcm: At 16 kHz.
    """
    powers = _powers(pcm)
    loudest = float(np.max(powers, initial=0.0))
    if not loudest:
        return Levels(SILENCE_DBFS, FLOOR_MIN_DBFS, len(pcm))
    within = loudest * 10 ** (-SPEECH_RANGE_DB / 10)
    stands_out = _noise_of(powers) * 10 ** (STANDS_OUT_DB / 10)
    is_told = stands_out <= loudest * 10 ** (-TELLING_DB / 10)
    voiced = powers >= (max(within, stands_out) if is_told else within)
    speech_dbfs = _dbfs(float(powers[voiced].mean()))
    quiet_dbfs = _dbfs(float(np.percentile(powers, FLOOR_PERCENTILE)))
    floor_dbfs = max(FLOOR_MIN_DBFS, min(quiet_dbfs, FLOOR_MAX_DBFS, speech_dbfs - SPEECH_RANGE_DB))
    last = int(np.flatnonzero(voiced)[-1])
    return Levels(speech_dbfs, floor_dbfs, min(len(pcm), (last + 1) * BLOCK_FRAMES) if is_told else None)


def chunks(pcm: Int16, found: Levels, scene: Scene) -> Iterator[Int16]:
    """Yield what a microphone would hear, chunk by chunk: the room, the clip in it, the room.

    Args:
        pcm: The clip, at 16 kHz.
        found: Its levels.
        scene: Its surroundings.
    """
    noise_dbfs = found.floor_dbfs if scene.snr_db is None else found.speech_dbfs - scene.snr_db
    gain = 1.0 if scene.snr_db is None else min(1.0, _ratio(LOUDEST_DBFS - _sum_dbfs(found.speech_dbfs, noise_dbfs)))
    noise_gain = np.float32(gain * FULL_SCALE * _ratio(noise_dbfs))
    begin, end = scene.lead_frames, scene.lead_frames + len(pcm)
    total = -(-(end + int(TAIL_S * WAKE_RATE_HZ)) // CHUNK_FRAMES) * CHUNK_FRAMES
    for at in range(0, total, CHUNK_FRAMES):
        heard = scene.bed.take(scene.bed_frames + at, CHUNK_FRAMES) * noise_gain
        first, last = max(at, begin), min(at + CHUNK_FRAMES, end)
        if first < last:
            heard[first - at : last - at] += pcm[first - begin : last - begin] * np.float32(gain)
        yield np.rint(heard).clip(-32768, 32767).astype(np.int16)


def _noise_of(powers: npt.NDArray[np.float64]) -> float:
    """Return the power of a recording's own noise; 0: none can be told from what is said."""
    quietest = float(np.percentile(powers, _QUIETEST_PERCENTILE))
    alike = np.count_nonzero(powers <= quietest * 10 ** (NOISE_RANGE_DB / 10))
    return quietest if alike >= NOISE_BLOCKS else 0.0


def _powers(pcm: Int16) -> npt.NDArray[np.float64]:
    """Return the mean square of each block; a last one that is cut off counts as if silence followed."""
    pieces = []
    step = BLOCK_FRAMES * _SCAN_BLOCKS
    for at in range(0, len(pcm), step):
        piece = pcm[at : at + step].astype(np.float32)
        blocks = np.pad(piece, (0, -len(piece) % BLOCK_FRAMES)).reshape(-1, BLOCK_FRAMES)
        pieces.append(np.einsum("ij,ij->i", blocks, blocks, dtype=np.float64) / BLOCK_FRAMES)
    return np.concatenate(pieces) if pieces else np.zeros(0)


def _dbfs(power: float) -> float:
    return max(SILENCE_DBFS, 10 * math.log10(power / FULL_SCALE**2)) if power > 0 else SILENCE_DBFS


def _ratio(level_db: float) -> float:
    return float(10 ** (level_db / 20))


def _sum_dbfs(one_dbfs: float, other_dbfs: float) -> float:
    return float(10 * np.log10(10 ** (one_dbfs / 10) + 10 ** (other_dbfs / 10)))
