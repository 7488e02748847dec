"""A clip in a room, heard by the daemon's own engine behind its own gate, as fast as the machine computes."""

from __future__ import annotations

import contextlib
import wave
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count as counting
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from speakerd.bench.accuracy_clips import Clip
from speakerd.bench.accuracy_count import Judged, Trial
from speakerd.bench.accuracy_files import UnreadableError
from speakerd.bench.accuracy_mix import LEAD_S, Levels, Scene, chunks, levels
from speakerd.bench.accuracy_noise import Bed
from speakerd.bench.accuracy_table import snr_name
from speakerd.core.units import SAMPLE_BYTES, WAKE_RATE_HZ
from speakerd.wake.detector import Detector
from speakerd.wake.gated import GatedDetector
from speakerd.wake.noise import NoiseSuppressor
from speakerd.wake.shapes import CHUNK_FRAMES

Int16 = npt.NDArray[np.int16]

_KEPT = 100
"""So many missed and so many falsely accepted clips are written as sound (chosen: 20 MB)."""

_BEFORE_S, _AFTER_S = 3.0, 1.0
"""Around a false accept so much is written."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A trial, with what it was made of."""

    trial: Trial
    """Its scores."""

    pcm: Int16
    """The clip."""

    levels: Levels
    """How loud it is."""

    scene: Scene
    """Its surroundings."""

    def sound(self, begin_s: float, end_s: float) -> Int16:
        """Return a stretch of what was heard, mixed once more; seconds from the beginning of the room."""
        begin, end = max(0, round(begin_s * WAKE_RATE_HZ)), max(0, round(end_s * WAKE_RATE_HZ))
        first = begin // CHUNK_FRAMES
        wanted = islice(chunks(self.pcm, self.levels, self.scene), first, -(-end // CHUNK_FRAMES))
        pieces = list(wanted) or [np.zeros(0, np.int16)]
        return np.concatenate(pieces)[begin - first * CHUNK_FRAMES : end - first * CHUNK_FRAMES]


@dataclass(frozen=True, slots=True)
class Listener:
    """Who hears clips, in which rooms."""

    detector: Detector
    """The daemon's engine; every clip gets a stream of its own over its networks."""

    gated: bool
    """Whether it sleeps while the room is quiet, as configured."""

    suppresses_noise: bool
    """Whether noise is taken out of what the engine hears, as configured."""

    beds: Sequence[Bed]
    """The noises; each clip gets one of them."""

    floor: Bed
    """The quiet room's own noise."""

    seed: int
    """Chooses noise, place and position; equal ones choose equally."""

    def scenes(self, clip: Clip, snrs_db: Sequence[float | None]) -> Iterator[Scene]:
        """Yield a clip's surroundings at each ratio: the same noise in all, and the same position among the chunks."""
        generator = np.random.default_rng((self.seed, zlib.crc32(clip.name.encode())))
        bed = self.beds[int(generator.integers(len(self.beds)))]
        lead_frames = int(LEAD_S * WAKE_RATE_HZ) + int(generator.integers(CHUNK_FRAMES))
        begin, quiet = int(generator.integers(len(bed.pcm))), int(generator.integers(len(self.floor.pcm)))
        for snr_db in snrs_db:
            if snr_db is None:
                yield Scene(self.floor, None, lead_frames, quiet)
            else:
                yield Scene(bed, snr_db, lead_frames, begin)

    def hear(self, clip: Clip, snrs_db: Sequence[float | None]) -> Iterator[Heard]:
        """Yield a clip's trial at each ratio.

        Raises:
            UnreadableError: the clip cannot be read, or nothing is in it.
        """
        pcm = clip.load()
        if not pcm.any():
            raise UnreadableError("it is digital silence")
        found = levels(pcm)
        for scene in self.scenes(clip, snrs_db):
            yield Heard(self._hear(clip, pcm, found, scene), pcm, found, scene)

    def _hear(self, clip: Clip, pcm: Int16, found: Levels, scene: Scene) -> Trial:
        words = self.detector.words
        rows = [[scores[word] for word in words] for scores in map(self._scorer(), chunks(pcm, found, scene))]
        return Trial(
            name=clip.name,
            label=clip.label,
            word=clip.word,
            snr_db=scene.snr_db,
            noise=scene.bed.name,
            clip_s=len(pcm) / WAKE_RATE_HZ,
            lead_s=scene.lead_frames / WAKE_RATE_HZ,
            words=words,
            scores=np.array(rows, np.float32),
            end_s=found.end_frames / WAKE_RATE_HZ if clip.word and clip.alone and found.end_frames else None,
        )

    def _scorer(self) -> Callable[[Int16], dict[str, float]]:
        """Return what scores the chunks of a stream of its own, as the daemon's wake thread does."""
        stream = self.detector.twin()
        gate = GatedDetector(stream) if self.gated else None
        suppressor = NoiseSuppressor() if self.suppresses_noise else None

        def score(chunk: Int16) -> dict[str, float]:
            heard = chunk if suppressor is None else suppressor.process(chunk)
            return stream.score(heard) if gate is None else gate.score(heard, chunk)

        return score


class Keeper:
    """Writes what went wrong as sound: missed clips, and what was around a false accept."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for kind in ("missed", "false"):
            for old in folder.glob(f"{kind}-[0-9]*.wav"):
                old.unlink()
        self._folder = folder
        self._numbers = {"missed": counting(1), "false": counting(1)}

    def keep(self, judged: Judged, heard: Heard) -> None:
        """Write what is wrong with one trial, if anything is."""
        if judged.missed:
            self._write("missed", judged.trial, heard, 0.0, judged.trial.lead_s + judged.trial.clip_s + _AFTER_S)
        for fire in judged.false:
            at_s = judged.trial.lead_s + fire.at_s
            self._write("false", judged.trial, heard, at_s - _BEFORE_S, at_s + _AFTER_S)

    def _write(self, kind: str, trial: Trial, heard: Heard, begin_s: float, end_s: float) -> None:
        number = next(self._numbers[kind])
        if number > _KEPT:
            return
        plain = "".join(letter if letter.isalnum() else "-" for letter in trial.name)[-60:].strip("-")
        path = self._folder / f"{kind}-{number:03d}-{snr_name(trial.snr_db).replace(' ', '')}-{plain}.wav"
        with contextlib.closing(wave.open(str(path), "wb")) as stream:
            stream.setparams((1, SAMPLE_BYTES, WAKE_RATE_HZ, 0, "NONE", "NONE"))
            stream.writeframes(heard.sound(begin_s, end_s).astype("<i2").tobytes())
