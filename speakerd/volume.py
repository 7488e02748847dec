"""How loud the speaker is: ``speakerd volume``. The card's own control where it has one, else the sound itself.

The card's control is better: what is made quieter before the card loses bits, and other programs follow. What was set
is kept over restarts and put back whenever the card comes back. Of what a command and what the configuration says the
later counts: a command holds until another volume is written into the configuration.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from speakerd.core.errors import DeviceError, Remedy, SpeakerdError
from speakerd.core.loudness import FULL, gain_of

log = logging.getLogger("speakerd.audio")


class Mixer(Protocol):
    """The volume control of the card."""

    def name(self) -> str | None:
        """Return which control it is; None: there is none."""

    def percent(self, name: str) -> int:
        """Return where it stands."""

    def set_percent(self, name: str, percent: int) -> None:
        """Put it at a volume."""


class Volume:
    """The volume, wherever it is made. Thread: event loop.

    Args:
        mixer: Of the loudspeaker's card.
        set_gain: Makes the sound itself quieter.
        begin: What the configuration says; None: as it comes.
        chosen: What somebody chose by a command; None: nobody has.
        over: What the configuration said then.
        keep: Keeps what is chosen, and over what; returns what is to be said where that fails.
    """

    def __init__(
        self,
        mixer: Mixer,
        set_gain: Callable[[float], None],
        *,
        begin: int | None,
        chosen: int | None,
        over: int | None,
        keep: Callable[[int, int | None], str | None],
    ) -> None:
        self._mixer = mixer
        self._set_gain = set_gain
        self._begin = begin
        self._chosen = chosen
        self._over = over
        self._keep = keep

    @property
    def handlers(self) -> Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        """The commands of the control socket that are answered here."""
        return {"volume": self._answer}

    @property
    def _wanted(self) -> int | None:
        return self._begin if self._chosen is None or self._over != self._begin else self._chosen

    def use(self, mixer: Mixer, begin: int | None) -> None:
        """Be made by another control, or begin with another volume: as a start with these would be."""
        self._mixer, self._begin = mixer, begin
        if self._wanted is None:
            self._set_gain(1.0)
        self.restore()

    def restore(self) -> None:
        """Put back what was set: the card is there, perhaps again. A card that refuses costs a line in the journal."""
        if self._wanted is None:
            return
        try:
            self._apply(self._wanted)
        except DeviceError as error:
            log.warning("the volume could not be set: %s", error)

    def set(self, percent: int) -> str | None:
        """Be so loud from now on; return what is to be said where a restart will forget it.

        Raises:
            DeviceError: the card's control cannot be used.
        """
        self._apply(percent)
        self._chosen, self._over = percent, self._begin
        return self._keep(percent, self._over)

    def status(self) -> dict[str, Any]:
        """Return how loud it is, and what makes it so.

        Raises:
            DeviceError: the card's control cannot be used.
        """
        name = self._mixer.name()
        if name is None:
            return {"percent": FULL if self._wanted is None else self._wanted, "by": "software"}
        return {"percent": self._mixer.percent(name), "by": name}

    def shown(self) -> dict[str, Any]:
        """Return the same for the status, where a control that cannot be used is no reason to fail."""
        try:
            return self.status()
        except DeviceError as error:
            return {"percent": None, "by": str(error)}

    def _apply(self, percent: int) -> None:
        name = self._mixer.name()
        if name is None:
            self._set_gain(gain_of(percent))
            return
        self._set_gain(1.0)
        self._mixer.set_percent(name, percent)

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Set the volume if that is asked for, and return it."""
        percent = request.get("percent")
        trouble = None
        if percent is not None:
            if not isinstance(percent, int) or isinstance(percent, bool) or not 0 <= percent <= FULL:
                raise SpeakerdError("volume-range", "a volume is a whole number from 0 to 100", Remedy.OPERATOR)
            trouble = self.set(percent)
        status = self.status()
        made_by = "the sound itself" if status["by"] == "software" else f"the card's control {status['by']}"
        line = f"volume {status['percent']}, by {made_by}"
        return {**status, "line": line if trouble is None else f"{line}; {trouble}"}
