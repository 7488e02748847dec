"""The trigger: from a stream of scores to detections, measured in audio, so that no clock is needed.

What a score is made of is not known here. The engine's own trigger logic is not used: its patience never fires and its
debounce fires twice (measured).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

STRICT_THRESHOLD = 0.7
"""The least score while the loudspeaker plays (measured: own speech stays below, a person over it does not)."""

STRICT_CHUNKS = 2
"""Chunks in a row that must reach it while the loudspeaker plays (measured: costs 0.7 to 5 points of detection)."""

QUIET_BELOW = 0.2
"""A score under this says that an utterance is over (measured on 315 recordings)."""

QUIET_S = 0.5
"""For this long, because 41 of 100 utterances dip below the threshold in their middle (measured)."""

RISING = 0.2
"""From this share of the threshold on, a score may be on its way to a detection. Measured on 373 detections of 16
synthesised voices at three to four speeds, -10 to -40 dBFS, in noise and in echo: 82 % rise a chunk or more before they
are detected, by 80 ms mostly, 121 ms on average, 560 ms at most. In three hours of the same voices reading, it was
reached without a detection 3.7 times an hour; with 0.1 it is 91 % and 8.6 times, with 0.4 67 % and once, with 0.8 27 %
and never. In talk full of "hey Charlie" and "hey Janice" it is 39 times an hour, and no share helps much: 27 times with
0.4. What keeps those apart is ``Limits.prepare_again_s``."""

NEAR_MISS = 0.5
"""From this share of the threshold on, something was almost a wake word (guessed)."""

_ROUNDING_S = 1e-6
"""Sums of chunk lengths are not exact."""


@dataclass(frozen=True, slots=True)
class Detection:
    """A wake word was said."""

    model: str
    """Which."""

    score: float
    """How sure, 0 to 1."""


class WakeTrigger:
    """Decides which scores are a wake word.

    It fires on the first chunk that reaches the threshold. Then it is deaf until the refractory time is over *and*
    every word was quiet for half a second since, so that one utterance fires once. While the loudspeaker plays, two
    chunks in a row must reach a higher threshold, and a word that is in what it plays does not count: it stays armed.

    A *near miss* is a stretch of chunks, heard while armed, that reached half the threshold and died away without
    firing, whatever its peak: counted once, when it has died away.

    A score that *rises* is told before anything is decided: in ``rising``, one chunk a stretch, while nothing plays.

    Thread: one calls ``process``; ``threshold`` and ``refractory_s`` may be set from any other.
    """

    def __init__(self, threshold: float, refractory_s: float) -> None:
        """Start armed.

        Args:
            threshold: The least score, above 0, at most 1.
            refractory_s: The least time from one detection to the next, measured in audio.
        """
        self.threshold = threshold
        self.refractory_s = refractory_s
        self.near_misses = 0
        self.masked = 0
        self.rising: float | None = None
        self._was_low = True
        self._armed = True
        self._since_fired_s = 0.0
        self._quiet_s = 0.0
        self._streaks: dict[str, int] = {}
        self._nearly = False
        self._masking = False

    def renew(self) -> None:
        """Be armed, and forget what was heard: it was before a stretch that nobody heard, however long."""
        if self._nearly:
            self.near_misses += 1
        self._was_low = self._armed = True
        self._nearly = self._masking = False
        self._streaks = {}

    def pass_over(self, span_s: float) -> None:
        """Take note of audio that was lost: it counts into the refractory time, and is no part of a streak."""
        self._since_fired_s += span_s
        self._streaks = {}

    def heeds(self, scores: Mapping[str, float]) -> bool:
        """Return whether ``process`` asks which of these words are our own: below that it makes no difference."""
        return max(scores.values(), default=0.0) >= RISING * self.threshold

    def process(
        self, scores: Mapping[str, float], chunk_s: float, playing: bool, own: Collection[str] = ()
    ) -> Detection | None:
        """Take the scores after another chunk of audio; return a detection if this chunk makes one.

        Args:
            scores: Each word's score.
            chunk_s: How much audio the chunk was.
            playing: The loudspeaker plays, or did until just now.
            own: Words that were in what it played and may be in the room still; needed where it ``heeds`` the scores.
        """
        scores = self._mask(scores, own)
        strict = max(self.threshold, STRICT_THRESHOLD)
        self._streaks = {word: self._streaks.get(word, 0) + 1 for word in scores if scores[word] >= strict}
        top = max(scores.values(), default=0.0)
        self.rising = None
        if not self._armed and not self._rearm(top, chunk_s):
            return None
        self._watch_rise(top, playing)
        if playing:
            heard = [word for word, streak in self._streaks.items() if streak >= STRICT_CHUNKS]
        else:
            heard = [word for word, score in scores.items() if score >= self.threshold]
        if heard:
            return self._fire(max(heard, key=scores.__getitem__), scores)
        self._watch_near_miss(top)
        return None

    def _watch_rise(self, top: float, playing: bool) -> None:
        """Note the first chunk of a stretch in which a detection may come."""
        low = top < RISING * self.threshold
        if self._was_low and not low and not playing:
            self.rising = top
        self._was_low = low

    def _mask(self, scores: Mapping[str, float], own: Collection[str]) -> Mapping[str, float]:
        """Leave out our own words; count each stretch of chunks in which one would have been loud enough."""
        masking = any(scores.get(word, 0.0) >= self.threshold for word in own)
        if masking and not self._masking:
            self.masked += 1
        self._masking = masking
        return {word: score for word, score in scores.items() if word not in own}

    def _rearm(self, top: float, chunk_s: float) -> bool:
        """Account for a chunk after a detection; return whether the next one may come."""
        self._since_fired_s += chunk_s
        if self._quiet_s < QUIET_S - _ROUNDING_S:
            # A threshold below the quiet level would otherwise let one utterance fire for ever.
            self._quiet_s = self._quiet_s + chunk_s if top < min(QUIET_BELOW, self.threshold) else 0.0
        quiet = self._quiet_s >= QUIET_S - _ROUNDING_S
        self._armed = quiet and self._since_fired_s >= self.refractory_s - _ROUNDING_S
        return self._armed

    def _fire(self, word: str, scores: Mapping[str, float]) -> Detection:
        """Disarm and return the detection."""
        self._armed = False
        self._since_fired_s = 0.0
        self._quiet_s = 0.0
        self._nearly = False
        return Detection(word, scores[word])

    def _watch_near_miss(self, top: float) -> None:
        """Count a stretch that came near when it has died away."""
        near = top >= NEAR_MISS * self.threshold
        if self._nearly and not near:
            self.near_misses += 1
        self._nearly = near
