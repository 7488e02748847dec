"""What the way from the loudspeaker to the microphone is like, and what may therefore cut a reply.

The figures come from ``echo_meter.py``. What follows from the choice is the conversation's business.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from speakerd.core.pcm import SILENCE_DBFS

AUDIBLE_DBFS = -50.0
"""Below this no residue is taken for speech, however quiet the room. Measured with Silero's detector behind the
canceller, in 48 rooms: a hundred milliseconds below it never were (0 of 383 windows), from -46 dBFS on 6 % were."""

AUDIBLE_OVER_NOISE_DB = 12.0
"""Nor is what stands less than this out of the room's own noise (measured in the same rooms, noise -70 to -52 dBFS)."""

LEAKS_MAX = 2.0
"""From so many leaking windows on, of the last 20 s of playing, speech may not cut a reply (chosen: one accident is
forgiven, and a canceller that lets echo through does so in two windows or more at once)."""

DRIFT_MAX_PPM = 280.0
"""Clocks further apart make the canceller slip (measured on the virtual card: at 200 ppm its residue stays within 7 dB
of the room's noise, at 400 it leaps 30 dB above, for the first time after 5 s of a reply)."""

DRIFT_GOOD_PPM = 220.0
"""And back below this they do not (chosen: nine of ten estimates are true to 10 ppm there, measured)."""

CLIPPED_MAX = 0.04
"""From this share of clipped samples on not even the wake word is heard over a reply. Measured with 7 voices over 2,
the echo up to 24 dB louder than they: no clipping 14 of 14, 0.6 % 7, 2.5 % 3, 7 % none."""

CLIPPED_GOOD = 0.01
"""And back below this it is, now and then (the same)."""

_WINDOWS_FOR_SPEECH = 24
"""So much of a clean record, in half seconds of playing, gives the trust back that was lost (chosen: 12 s; less, and
the beginning of each reply, when the canceller learns, would lose it again)."""


_WINDOWS_AT_FIRST = 4
"""And so much gives it for the first time, 2.5 s, where the clocks are known to agree or there is no echo (measured: a
canceller that knows nothing lets echo through within the first second and a half of a reply, or not at all)."""

_WINDOWS_WITHOUT_ECHO = 1
"""And so much, 1 s, where the microphone hears nothing of the loudspeaker: there is nothing to let through (chosen)."""

_WINDOWS_WITHOUT_DRIFT = 12
"""And so much, 6.5 s, where the drift is not to be told (measured: 400 ppm are let through after 5 s)."""

_NO_ECHO_DB = 6.0
"""What stands less than this out of the noise needs no canceller (guess)."""


class BargeIn(enum.Enum):
    """What may cut a reply."""

    SPEECH = "speech"
    """Anything said over it."""

    WAKE_WORD = "wake_word"
    """The wake word: what is left of the echo would be taken for speech."""

    OFF = "off"
    """Nothing that is said: the microphone hears nothing but the loudspeaker."""


@dataclass(frozen=True, slots=True)
class EchoFigures:
    """What was measured of the echo over the last 20 s of playing; None: not known yet."""

    windows: int = 0
    """Windows of 1 s, half a second apart, that count; 0: nothing was measured."""

    leaks: float = 0.0
    """How many of them let so much echo through that it would be taken for speech; a doubtful one is a half."""

    clean_windows: int = 0
    """How many there were since the last that did."""

    spoken_over: int = 0
    """How many were left out because somebody spoke."""

    noise_dbfs: float = SILENCE_DBFS
    """The room's own noise, while nothing plays."""

    echo_dbfs: float | None = None
    """The echo at the microphone, as a mean while the loudspeaker plays."""

    removed_db: float | None = None
    """How much of it the canceller takes out; at least, since what is left may be noise."""

    residual_dbfs: float | None = None
    """The loudest tenth of a second that was left of it."""

    delay_ms: float | None = None
    """How much later the microphone hears a sound than the canceller is given it."""

    drift_ppm: float | None = None
    """How much faster that delay grows than time: the two cards' clocks differ by so much."""

    clipped: float = 0.0
    """The share of the microphone's samples at full scale while the loudspeaker plays."""

    tail_ms: int | None = None
    """How long what is left of a sound is heard after its end."""

    inaudible: bool = False
    """The microphone hears nothing of the loudspeaker."""

    proven: bool = False
    """The canceller was trusted once; till then it is new, which is something else than to have failed."""

    @property
    def echo_over_noise_db(self) -> float | None:
        """How far the echo stands out of the room's noise."""
        return None if self.echo_dbfs is None else self.echo_dbfs - self.noise_dbfs


def audible_dbfs(noise_dbfs: float) -> float:
    """Return the level from which on a residue may be taken for speech in a room with this noise."""
    return max(noise_dbfs + AUDIBLE_OVER_NOISE_DB, AUDIBLE_DBFS)


def choose(figures: EchoFigures, before: BargeIn) -> BargeIn:
    """Return what may cut a reply.

    Trust is lost at once and comes back slowly, so that a choice on the edge does not flap. The first time it comes as
    soon as something is known.

    Args:
        figures: What was measured.
        before: What was chosen last, or what to begin with.
    """
    if not figures.windows:
        return before
    if figures.clipped >= (CLIPPED_GOOD if before is BargeIn.OFF else CLIPPED_MAX):
        return BargeIn.OFF
    drift_ppm = abs(figures.drift_ppm or 0.0)
    clean = figures.clean_windows >= _windows_for_speech(figures)
    if before is BargeIn.SPEECH:
        trusted = (clean or figures.leaks < LEAKS_MAX) and drift_ppm < DRIFT_MAX_PPM
    else:
        trusted = clean and drift_ppm < DRIFT_GOOD_PPM
    return BargeIn.SPEECH if trusted else BargeIn.WAKE_WORD


def _windows_for_speech(figures: EchoFigures) -> int:
    """Return how long a clean record must be to give trust."""
    if figures.proven or figures.leaks >= LEAKS_MAX:  # with those it would be lost at once
        return _WINDOWS_FOR_SPEECH
    if figures.inaudible:
        return _WINDOWS_WITHOUT_ECHO
    over_noise_db = figures.echo_over_noise_db
    if figures.drift_ppm is not None or (over_noise_db is not None and over_noise_db < _NO_ECHO_DB):
        return _WINDOWS_AT_FIRST
    return _WINDOWS_WITHOUT_DRIFT


def describe(figures: EchoFigures) -> str:
    """Say what was measured in words, for the journal and the status."""
    if figures.inaudible:
        return "no echo is heard"
    if not figures.windows or figures.echo_dbfs is None:
        return "no echo measured yet"
    words = [f"echo {_level(figures.echo_dbfs)}"]
    if figures.removed_db is not None:
        words.append(f"{figures.removed_db:.0f} dB of it removed")
    if figures.delay_ms is not None:
        words.append(f"{figures.delay_ms:.0f} ms late")
    seconds = figures.windows / 2
    leaks = f"let through in {figures.leaks:g} of {figures.windows} windows" if figures.leaks else "none let through"
    notes = [f"{leaks} ({seconds:.0f} s)"]
    if figures.drift_ppm is not None and abs(figures.drift_ppm) >= 1:
        notes.append(f"clocks {abs(figures.drift_ppm):.0f} ppm apart")
    if figures.clipped:
        notes.append(f"{figures.clipped:.1%} of the samples clipped")
    if figures.spoken_over:
        notes.append(f"somebody spoke over {figures.spoken_over} more")
    return "; ".join([", ".join(words), *notes, f"room noise {_level(figures.noise_dbfs)}"])


def _level(dbfs: float) -> str:
    return f"{dbfs:.0f} dBFS"
