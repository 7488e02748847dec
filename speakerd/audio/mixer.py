"""The volume control of the loudspeaker's card: which one it is, and where it stands, in percent.

Opened for each look and each change, so that a card that was pulled out in between does no harm. What a percent is, is
``core/loudness.py``; what is done for a card without a control, ``volume.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Protocol

from speakerd.audio import alsa
from speakerd.core.errors import DeviceError, Remedy
from speakerd.core.loudness import db_of, percent_of

CONTROLS = ("Master", "Speaker", "Headphone", "PCM", "Digital", "Playback", "Lineout", "HDMI")
"""What cards call the control of their loudspeaker, the most likely first (chosen; as their drivers in the kernel name
them: the Pi's own jack PCM, USB sticks Speaker or PCM, the small I2S boards Digital, microphone arrays Playback)."""

_CARD = re.compile(r"(?:plug)?hw:(?:CARD=)?([^,]+)")


class Control(Protocol):
    """One control of an open mixer. Units: decibels."""

    def range_db(self) -> tuple[float, float]:
        """Return the lowest and the highest place."""

    def db(self) -> float:
        """Return where it stands."""

    def set_db(self, db: float) -> None:
        """Put it as near to a place as it can be, and switch it on."""


class Mixer:
    """The volume of one card. Thread: event loop.

    Args:
        device: ALSA's name of the loudspeaker.
        wanted: Which control; ``auto`` finds one, ``none`` uses none.
        controls: Names the controls of a mixer.
        open_control: Opens one of them.
    """

    def __init__(
        self,
        device: str,
        wanted: str = "auto",
        *,
        controls: Callable[[str], Sequence[str]] = alsa.volume_controls,
        open_control: Callable[[str, str], Control] = alsa.open_control,
    ) -> None:
        self._card = mixer_of(device)
        self._wanted = wanted
        self._controls = controls
        self._open_control = open_control

    def name(self) -> str | None:
        """Return which control it is; None: there is none to use.

        Raises:
            DeviceError: the configuration names one that the card does not have (``mixer-missing``).
        """
        if self._wanted == "none":
            return None
        there = self._controls(self._card)
        if self._wanted == "auto":
            return next((name for name in CONTROLS if name in there), None)
        if self._wanted not in there:
            has = ", ".join(there) or "none"
            sentence = f"the card has no volume control {self._wanted!r} (audio.playback.mixer); it has: {has}"
            raise DeviceError("mixer-missing", sentence, Remedy.OPERATOR)
        return self._wanted

    def percent(self, name: str) -> int:
        """Return where a control stands.

        Raises:
            DeviceError: it cannot be read (``mixer-lost``).
        """
        control = self._open_control(self._card, name)
        return percent_of(control.db(), *control.range_db())

    def set_percent(self, name: str, percent: int) -> None:
        """Put a control at a volume.

        Raises:
            DeviceError: it cannot be set (``mixer-lost``).
        """
        control = self._open_control(self._card, name)
        control.set_db(db_of(percent, *control.range_db()))


def mixer_of(device: str) -> str:
    """Return ALSA's name of the mixer that belongs to a PCM; one of the configuration may have one of its own name."""
    match = _CARD.match(device)
    return f"hw:{match[1]}" if match else device
