"""Chirps that a loudspeaker plays and a microphone finds again: how late, how loud, and how far two clocks differ.

A chirp is a tone that rises. A matched filter finds it below the noise of a room and to a fraction of a frame, which no
click allows that a small loudspeaker can play. Who plays and who listens is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from speakerd.core.pcm import FULL_SCALE, Int16, rms_dbfs

Samples = npt.NDArray[np.float64]

LOW_HZ, HIGH_HZ = 400.0, 3400.0
"""From where to where a chirp rises (chosen: every small loudspeaker plays it, every card from 8 kHz on hears it)."""

CHIRP_S = 0.2
"""How long it is (chosen: its energy lifts it 28 dB above noise that is as loud, and it still sounds short)."""

FADE_S = 0.01
"""At either end, so that it begins and ends without a click (chosen)."""

PEAK = 0.18
"""How loud, of full scale: -15 dBFS, a little above a reply (chosen)."""

COUNT = 5
"""How many (chosen: 4 s between the first and the last show a drift of a few ppm)."""

SPACING_S = 1.0
"""From one to the next (chosen: the search reaches to just before the next one)."""

SEARCH_S = (-0.02, 0.75)
"""Where a chirp is looked for, from the moment ALSA plays it (guess: Bluetooth stays below half a second)."""

LEAST_CONTRAST = 5.5
"""How far its peak stands out of what else the filter gives, as a ratio to the RMS (measured: noise alone stays below
4.3 over a thousand windows; a room's own echoes take from it, they do not add)."""

AGREE_S = 0.005
"""How far apart the delays of one room may be: 800 ppm over 4 s are 3.2 ms (chosen)."""

CLIPPED = 32_700
"""A sample from here on has met the converter's end (chosen: some stop a little below 32767)."""

LEAST_OVER_NOISE_DB = 6.0
"""An echo that is no louder than this over the noise says nothing about what was taken out of it (chosen)."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One chirp as it was heard."""

    played_s: float
    """When it was played, on the loudspeaker's clock."""

    delay_s: float
    """How much later it was heard, on the microphone's clock."""

    contrast: float
    """How far it stands out of everything else, as a ratio."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the chirps say of the way from the loudspeaker to the microphone."""

    heard: int
    """How many of them were heard."""

    delay_ms: float
    """From when ALSA plays a sound until ALSA has heard it."""

    drift_ppm: float
    """How much faster the microphone's clock runs than the loudspeaker's."""

    level_dbfs: float
    """RMS level of a chirp at the microphone."""

    peak_dbfs: float
    """The loudest sample of one."""

    clipped: int
    """How many samples have met the converter's end."""


class ZeroTime:
    """When a stream's first frame was played or heard, from positions that were read now and then.

    ALSA's position lags by up to a period and never leads; so the earliest reading is the truest.

    Args:
        rate_hz: Of the stream.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._zero_s = float("inf")

    def note(self, frames: int, at_s: float) -> None:
        """Take note that so many frames had passed at a moment."""
        if frames > 0:
            self._zero_s = min(self._zero_s, at_s - frames / self._rate_hz)

    @property
    def zero_s(self) -> float:
        """The moment of the first frame; infinite while nothing has passed."""
        return self._zero_s


def chirp(rate_hz: int) -> Samples:
    """Return one chirp with a peak of 1, the same sound at every rate.

    Shape: (frames,)
    """
    time = np.arange(round(CHIRP_S * rate_hz)) / rate_hz
    turns = LOW_HZ * time + (HIGH_HZ - LOW_HZ) / (2 * CHIRP_S) * time**2
    edge = np.clip(np.minimum(time, CHIRP_S - time) / FADE_S, 0.0, 1.0)
    sound: Samples = np.sin(2 * np.pi * turns) * np.sin(np.pi / 2 * edge) ** 2
    return sound


def chirps(rate_hz: int) -> Int16:
    """Return all chirps, a place for each, as they are played.

    Shape: (frames,)
    """
    sound = np.zeros(round(COUNT * SPACING_S * rate_hz))
    one = chirp(rate_hz) * PEAK * FULL_SCALE
    for number in range(COUNT):
        begin = round(number * SPACING_S * rate_hz)
        sound[begin : begin + len(one)] = one
    return np.rint(sound).astype(np.int16)


def find(heard: Int16, rate_hz: int, begun_s: float) -> Found | None:
    """Look for the chirps in what a microphone heard; None where they are not to be found.

    Args:
        heard: One channel.
        rate_hz: Its rate.
        begun_s: When the first chirp was played, from the first frame heard.

    Shape: (frames,)
    """
    one = chirp(rate_hz)
    played = [begun_s + number * SPACING_S for number in range(COUNT)]
    arrivals = [arrival for at_s in played if (arrival := _arrival(heard, rate_hz, one, at_s)) is not None]
    same = _that_agree(arrivals)
    if len(same) * 2 <= COUNT:
        return None
    delays = np.array([arrival.delay_s for arrival in same])
    times = np.array([arrival.played_s for arrival in same])
    drift = float(np.polyfit(times - times[0], delays, 1)[0])
    pieces = np.concatenate([_piece(heard, rate_hz, arrival, len(one)) for arrival in same])
    sizes = np.abs(pieces.astype(np.int32))
    loudest = int(sizes.max(initial=0))
    return Found(
        heard=len(same),
        delay_ms=round(float(np.median(delays)) * 1000, 2),
        drift_ppm=round(drift * 1e6, 1),
        level_dbfs=round(rms_dbfs(pieces), 1),
        peak_dbfs=round(20 * float(np.log10(max(1, loudest) / FULL_SCALE)), 1),
        clipped=int(np.count_nonzero(sizes >= CLIPPED)),
    )


def removed_db(before: Int16, after: Int16, noise_dbfs: float) -> float | None:
    """Return how much quieter an echo became; None where it was hardly louder than the noise to begin with.

    Args:
        before: What the microphone heard while something played.
        after: What was left of it.
        noise_dbfs: The level of the room without it.

    Shape: (frames,) each.
    """
    loud = rms_dbfs(before)
    return None if loud < noise_dbfs + LEAST_OVER_NOISE_DB else round(loud - rms_dbfs(after), 1)


def _arrival(heard: Int16, rate_hz: int, one: Samples, played_s: float) -> Arrival | None:
    """Look for one chirp; None where nothing stands out, or the microphone had not begun by then."""
    begin = round((played_s + SEARCH_S[0]) * rate_hz)
    lags = round((SEARCH_S[1] - SEARCH_S[0]) * rate_hz)
    if begin < 0:
        return None
    envelope = _matched(heard[begin : begin + lags + len(one)].astype(np.float64), one)[:lags]
    at = int(np.argmax(envelope))
    rms = float(np.sqrt(np.mean(envelope**2)))
    if rms == 0.0 or envelope[at] / rms < LEAST_CONTRAST:
        return None
    delay_s = (begin + at + _between(envelope, at)) / rate_hz - played_s
    return Arrival(played_s, delay_s, float(envelope[at]) / rms)


def _matched(heard: Samples, one: Samples) -> Samples:
    """Return the envelope of what a matched filter gives, by lag; free of the carrier, whose peaks would mislead."""
    size = 1 << (len(heard) + len(one) - 1).bit_length()
    spectrum = np.fft.fft(heard, size) * np.conj(np.fft.fft(one, size))
    spectrum[size // 2 :] = 0  # only the half that turns one way: its magnitude is the envelope
    envelope: Samples = np.abs(np.fft.ifft(spectrum))
    return envelope


def _between(envelope: Samples, at: int) -> float:
    """Return where between two frames the peak is: the top of a parabola through three."""
    if not 0 < at < len(envelope) - 1:
        return 0.0
    left, top, right = envelope[at - 1 : at + 2]
    return float((left - right) / (2 * (left - 2 * top + right)))


def _that_agree(arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Return those that came after the same time: one room has one delay, and chance has many."""
    if not arrivals:
        return []
    middle = float(np.median([arrival.delay_s for arrival in arrivals]))
    return [arrival for arrival in arrivals if abs(arrival.delay_s - middle) <= AGREE_S]


def _piece(heard: Int16, rate_hz: int, arrival: Arrival, frames: int) -> Int16:
    begin = max(0, round((arrival.played_s + arrival.delay_s) * rate_hz))
    return heard[begin : begin + frames]
