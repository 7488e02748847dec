"""What the daemon knows of its echo, put together: measured now, and found at earlier starts.

What is worth knowing is decided in ``core/echo_found.py``, what may cut a reply in ``core/echo_path.py``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from speakerd.core.echo_found import Setup
from speakerd.core.echo_path import BargeIn, describe
from speakerd.core.echo_probe import EchoProbe
from speakerd.core.events import EchoMeasured
from speakerd.core.settings import Audio
from speakerd.host.echo_file import FILE_NAME, EchoFile, sound_cards
from speakerd.host.places import state_folder

log = logging.getLogger("speakerd.app")


class Echoes:
    """Passes on what is measured of the echo, and keeps it for the next start. Thread: event loop.

    Args:
        audio: The section of the configuration.
        environment: Of the process.
        measured_counts: What is measured decides what may cut a reply.
        on_measured: Hears every measurement.

    Attributes:
        probe: Tells whether there is an echo at all; None: the configuration knows.
    """

    def __init__(
        self,
        audio: Audio,
        environment: Mapping[str, str],
        *,
        measured_counts: bool,
        on_measured: Callable[[EchoMeasured], None],
    ) -> None:
        self._on_measured = on_measured
        self._told: BargeIn | None = None  # what the journal knows
        self._file = EchoFile(state_folder(environment) / FILE_NAME, _setup_of(audio))
        self._begin(audio, measured_counts)

    def use(self, audio: Audio, *, measured_counts: bool) -> None:
        """Begin anew with other sound cards, or another choice; makes another ``probe``.

        Args:
            audio: The section of the configuration.
            measured_counts: What is measured decides what may cut a reply.
        """
        self._file.use(_setup_of(audio))
        self._begin(audio, measured_counts)

    async def run(self) -> None:
        """Write down what is news. Ends: by cancellation."""
        await self._file.run()

    def close(self) -> None:
        """Write down what is not written yet."""
        self._file.close()

    def note(self, measured: EchoMeasured) -> None:
        """Take a measurement."""
        if self._probes:
            self._file.note(measured.figures)
        if self._measured_counts and measured.choice is not self._told:
            self._told = measured.choice
            log.info("%s; what may cut a reply: %s", describe(measured.figures), measured.choice.value)
        self._on_measured(measured)

    def _begin(self, audio: Audio, measured_counts: bool) -> None:
        self._probes = audio.echo_cancellation == "auto"
        self._measured_counts = measured_counts
        self._told = None
        found = self._file.found if self._probes else None
        self.probe = EchoProbe(found.hears_echo if found else None) if self._probes else None


def _setup_of(audio: Audio) -> Setup:
    return Setup(audio.capture.device, audio.playback.device, sound_cards())
