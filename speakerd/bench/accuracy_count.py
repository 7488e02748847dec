"""From scores to misses, false accepts and curves: the daemon's own trigger over kept scores. Pure.

A clip is scored once; what another threshold would have made of it is found by running the trigger over its scores
again. That is no estimate: the engine and its gate know nothing of a threshold.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt

from speakerd.bench.chances import at_most, share_within
from speakerd.bench.figures import percentile
from speakerd.core.units import WAKE_RATE_HZ
from speakerd.core.wake_gate import WakeTrigger
from speakerd.wake.shapes import CHUNK_FRAMES

CHUNK_S = CHUNK_FRAMES / WAKE_RATE_HZ
"""How much audio has one score (specified by openWakeWord)."""

SWEEP = (0.3, 0.35, 0.5, 0.7, 0.9)
"""The thresholds of the table (specified)."""

CURVE = tuple(sorted({*SWEEP, *(round(1 / (1 + math.exp(-step / 5)), 4) for step in range(-15, 36))}))
"""The thresholds of the curve, from 0.05 to 0.999, closest where scores are: near 0 and near 1 (chosen). Below it the
speaker would wake to noise, and be deaf for two seconds each time."""


@dataclass(frozen=True, slots=True)
class Fire:
    """A detection."""

    at_s: float
    """The end of the chunk that made it, from the clip's beginning; negative: in the room before it."""

    word: str
    """The wake word."""

    score: float
    """How sure."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A clip in one noise, scored."""

    name: str
    """The clip's."""

    label: str
    """Its sub-folder."""

    word: str | None
    """The wake word in it; None: none is."""

    snr_db: float | None
    """How far it stood above the noise; None: no noise."""

    noise: str
    """Which noise."""

    clip_s: float
    """How long it is."""

    lead_s: float
    """How long the room was heard before it."""

    words: tuple[str, ...]
    """Whose scores these are."""

    scores: npt.NDArray[np.float32]
    """One row a chunk from the beginning of the room, one column a word."""

    end_s: float | None = None
    """Where its phrase ends, from the clip's beginning; None: other words follow, so that nobody knows."""

    @property
    def peak(self) -> tuple[float, float]:
        """The highest score from the clip's beginning on, and the end of its chunk from there."""
        best = self.scores.max(axis=1)
        first = int(self.lead_s / CHUNK_S)
        if first >= len(best):
            return 0.0, 0.0
        index = first + int(np.argmax(best[first:]))
        return float(best[index]), (index + 1) * CHUNK_S - self.lead_s


@dataclass(frozen=True, slots=True)
class Judged:
    """What the daemon would have made of a trial."""

    trial: Trial
    """The trial."""

    hit: Fire | None
    """The first detection of a clip with a wake word."""

    false: tuple[Fire, ...]
    """Detections where nobody had said a wake word."""

    again: int
    """Further detections of a clip with one: it may be said twice in it."""

    @property
    def missed(self) -> bool:
        """Whether a wake word was said and not heard."""
        return self.trial.word is not None and self.hit is None

    @property
    def late_s(self) -> float | None:
        """From the end of the phrase to the detection; negative: before; None: nobody can say."""
        return None if self.hit is None or self.trial.end_s is None else self.hit.at_s - self.trial.end_s


@dataclass(frozen=True, slots=True)
class Count:
    """What was counted over some trials."""

    positives: int
    """Clips with a wake word."""

    misses: int
    """Of those, not heard."""

    negatives: int
    """Clips without one."""

    hours: float
    """How long these are, the room around them left out."""

    taken: int
    """Of those, heard as a wake word at least once."""

    false: int
    """Detections where nobody had said a wake word, those in the room before a clip included."""

    again: int
    """Further detections of clips with one."""

    late_s: tuple[float, ...]
    """How late each detection was, where that can be said."""

    @property
    def miss_rate(self) -> float | None:
        """The share that was missed; None: there was nothing to miss."""
        return self.misses / self.positives if self.positives else None

    @property
    def miss_range(self) -> tuple[float, float] | None:
        """Between which shares the true one is, with a confidence of 95 %."""
        return share_within(self.misses, self.positives) if self.positives else None

    @property
    def taken_rate(self) -> float | None:
        """The share of clips without a wake word that was heard as one; None: there were none."""
        return self.taken / self.negatives if self.negatives else None

    @property
    def taken_range(self) -> tuple[float, float] | None:
        """Between which shares the true one is, with a confidence of 95 %."""
        return share_within(self.taken, self.negatives) if self.negatives else None

    @property
    def false_per_h(self) -> float | None:
        """False accepts an hour; None: nobody said anything else."""
        return self.false / self.hours if self.hours else None

    @property
    def false_per_h_at_most(self) -> float | None:
        """How many it may truly be, with a confidence of 95 %."""
        return at_most(self.false) / self.hours if self.hours else None

    @property
    def late_median_s(self) -> float | None:
        """The middle of how late detections were."""
        return median(self.late_s) if self.late_s else None

    @property
    def late_90_s(self) -> float | None:
        """Nine of ten were no later."""
        return percentile(self.late_s, 90) if self.late_s else None


@dataclass(frozen=True, slots=True)
class Point:
    """One threshold's place on a curve."""

    threshold: float
    """The threshold."""

    miss_rate: float
    """The share of wake words that it misses."""

    false_per_h: float
    """The false accepts an hour that it allows."""


def fires(trial: Trial, threshold: float, refractory_s: float) -> list[Fire]:
    """Return the detections that the daemon's trigger makes of a trial's scores."""
    loud = np.flatnonzero(trial.scores.max(axis=1, initial=0.0) >= threshold)
    if not len(loud):
        return []
    trigger = WakeTrigger(threshold, refractory_s)
    found = []
    # Chunks before the first loud one leave the trigger as it begins, armed; behind the last one it does nothing more.
    for index in range(int(loud[0]), int(loud[-1]) + 1):
        scores = dict(zip(trial.words, trial.scores[index].tolist(), strict=True))
        detection = trigger.process(scores, CHUNK_S, playing=False)
        if detection is not None:
            found.append(Fire((index + 1) * CHUNK_S - trial.lead_s, detection.model, detection.score))
    return found


def judge(trial: Trial, threshold: float, refractory_s: float) -> Judged:
    """Return what the daemon would have made of a trial.

    The first detection of a clip with a wake word is a hit whichever of the configured words it was taken for: the
    speaker wakes. What comes before a clip begins is false in any case.
    """
    found = fires(trial, threshold, refractory_s)
    if trial.word is None:
        return Judged(trial, None, tuple(found), 0)
    early = tuple(fire for fire in found if fire.at_s <= 0)
    hits = found[len(early) :]
    return Judged(trial, hits[0] if hits else None, early, max(0, len(hits) - 1))


def count(judged: Iterable[Judged]) -> Count:
    """Return what some trials come to."""
    all_of_them = list(judged)
    positives = [each for each in all_of_them if each.trial.word is not None]
    negatives = [each for each in all_of_them if each.trial.word is None]
    return Count(
        positives=len(positives),
        misses=sum(each.missed for each in positives),
        negatives=len(negatives),
        hours=math.fsum(each.trial.clip_s for each in negatives) / 3600,
        taken=sum(bool(each.false) for each in negatives),
        false=sum(len(each.false) for each in all_of_them),
        again=sum(each.again for each in positives),
        late_s=tuple(each.late_s for each in positives if each.late_s is not None),
    )


def curve(trials: Sequence[Trial], refractory_s: float, thresholds: Iterable[float] = CURVE) -> list[Point]:
    """Return a point for each threshold, in their order; none where there is nothing to miss or to take for it."""
    points = []
    for threshold in sorted(thresholds):
        counted = count(judge(trial, threshold, refractory_s) for trial in trials)
        if counted.miss_rate is not None and counted.false_per_h is not None:
            points.append(Point(threshold, counted.miss_rate, counted.false_per_h))
    return points


def best_within(points: Iterable[Point], false_per_h: float) -> Point | None:
    """Return the point with the fewest misses among those with no more false accepts; None: there is none.

    Of equal ones the highest threshold. Between two thresholds nothing is made up: a curve of counts has steps.
    """
    allowed = [point for point in points if point.false_per_h <= false_per_h]
    return min(allowed, key=lambda point: (point.miss_rate, -point.threshold), default=None)
