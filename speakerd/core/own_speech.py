"""What we ourselves have just played: whether anything, and which wake words were in it.

Everything is counted in chunks of audio, in step with the microphone's, so no clock is needed. Where the scores come
from is ``wake/self_score.py``'s business; what they are good for is ``wake_gate.py``'s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

OWN_SCORE = 0.1
"""From this score on a wake word was in what we played. Measured on 7 voices that say "hey jarvis" in a sentence: 0.12
and more at the peak, and it is passed before their echo makes two scores of 0.7; on other replies of theirs: at most
0.002."""

OWN_WINDOW_S = 2.0
"""For so long an echo of it may come: an echo within the half second that the canceller reaches, and the 1.3 s that one
utterance keeps its score up (measured)."""

ECHO_TAIL_S = 0.6
"""How long after it fell silent the loudspeaker counts as playing: a room's reverberation and a card's buffer (guess;
the measured ones are shorter)."""

_ROUNDING_S = 1e-6
"""Sums of chunk lengths are not exact."""


class OwnSpeech:
    """Remembers what the loudspeaker played. Thread: one at a time."""

    def __init__(self) -> None:
        self._quiet_s = ECHO_TAIL_S
        self._since_said_s: dict[str, float] = {}

    @property
    def playing(self) -> bool:
        """Whether the loudspeaker plays, or what it played may still be in the room."""
        return self._quiet_s < ECHO_TAIL_S - _ROUNDING_S

    @property
    def words(self) -> frozenset[str]:
        """The wake words that we have said so lately that the microphone may be hearing them."""
        return frozenset(self._since_said_s)

    def process(self, chunk_s: float, audible: bool) -> None:
        """Take another chunk of what was played.

        Args:
            chunk_s: How long it is.
            audible: Whether there is any sound in it.
        """
        self._quiet_s = 0.0 if audible else self._quiet_s + chunk_s
        aged = {word: since_s + chunk_s for word, since_s in self._since_said_s.items()}
        self._since_said_s = {word: since_s for word, since_s in aged.items() if _counts(since_s)}

    def note(self, scores: Mapping[str, float], ago_s: float = 0.0) -> None:
        """Take what was in a chunk, the last one or an earlier one.

        Args:
            scores: How much each wake word was in it, 0 to 1.
            ago_s: How much was played since.
        """
        for word, score in scores.items():
            if score >= OWN_SCORE and _counts(ago_s):
                self._since_said_s[word] = min(ago_s, self._since_said_s.get(word, ago_s))


def window_chunks(chunk_s: float) -> int:
    """Return how many of the last chunks may hold a word that counts."""
    return math.ceil((OWN_WINDOW_S - _ROUNDING_S) / chunk_s)


def _counts(since_s: float) -> bool:
    return since_s < OWN_WINDOW_S - _ROUNDING_S
