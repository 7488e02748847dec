"""What the service manager is told: ready, reloading, one true line, stopping. The only module that imports systemd.

Without ``NOTIFY_SOCKET``, that is outside a unit, nothing is said and systemd's library is not loaded.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import cast

log = logging.getLogger("speakerd.host")

Notify = Callable[[str], object]
"""Passes variable assignments, one a line, to the service manager."""


class Notifier:
    """Tells systemd and the journal how we are; the ``Indicator`` of a speaker without lights. Thread: event loop.

    Args:
        notify: How to tell systemd; None: systemd's own way, if we run under it.
    """

    def __init__(self, notify: Notify | None = None) -> None:
        self._notify = notify or (_systemd() if os.environ.get("NOTIFY_SOCKET") else None)
        self._line = ""

    def ready(self) -> None:
        """Say that we are up: ``systemctl start`` returns."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """Say that the configuration is being read again: ``systemctl reload`` waits until we are ready again."""
        # Not time.monotonic(): systemd compares whole microseconds of the very clock.
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def status(self, line: str) -> None:
        """Set the line that ``systemctl status`` shows."""
        self._tell(f"STATUS={' '.join(line.split())}")

    def stopping(self) -> None:
        """Say that we are on our way out."""
        self._tell("STOPPING=1\nSTATUS=stopping")

    def show(self, line: str) -> None:
        """Show one true sentence, in ``systemctl status`` and, when it changes, in the journal."""
        if line == self._line:
            return
        self._line = line
        log.info("%s", line)
        self.status(line)

    def _tell(self, assignments: str) -> None:
        if self._notify is None:
            return
        try:
            self._notify(assignments)
        except OSError as error:
            log.warning("systemd cannot be told: %s", error)


def _systemd() -> Notify:
    """Load systemd's library, which only a unit needs."""
    from systemd.daemon import notify

    return cast("Notify", notify)
